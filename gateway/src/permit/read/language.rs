//! The language that a text asks to be answered in.

use icaze_store::ledger::Language;

use super::lexicon::Class;
use super::piece::{Piece, Pieces, Role};

/// The language of the answer, and whether it is to be in Latin letters.
pub(super) fn of(pieces: &Pieces) -> (Language, bool) {
    let (mut chosen, mut latin) = (None, false);
    let all = pieces.all.as_slice();
    for (place, piece) in all.iter().enumerate() {
        match piece.class() {
            Some(Class::Answer(language)) if is_keyword(all, place, language) => chosen = Some(language),
            Some(Class::Latin) => latin |= stands_apart(all, place),
            _ => {}
        }
    }
    (chosen.unwrap_or_else(|| pieces.script.language()), latin)
}

/// `EN` and `AZ` before another word are Azerbaijani: "en yaxın", "az qalıb". The end of an address
/// is no keyword either: `mail.ru`.
fn is_keyword(all: &[Piece], place: usize, language: Language) -> bool {
    let Some(piece) = all.get(place) else { return false };
    let before = place.checked_sub(1).and_then(|before| all.get(before));
    if piece.gap.is('.') && before.is_some_and(|before| before.word().is_some()) {
        return false;
    }
    let next = all.get(place + 1).filter(|next| !next.gap.has_line());
    let next = next.and_then(Piece::word);
    let english = next.is_some_and(|next| next.english);
    let other = next.is_some_and(|next| {
        !next.english && !matches!(next.class, Some(Class::Answer(_) | Class::Latin | Class::Code))
    });
    english || (stands_apart(all, place) && (language == Language::Ru || !other))
}

/// At the beginning or end of the text or of a line, or beside the request.
fn stands_apart(all: &[Piece], place: usize) -> bool {
    let keyword = |piece: &Piece| matches!(piece.class(), Some(Class::Answer(_) | Class::Latin));
    let request = |piece: &Piece| {
        piece.series().is_some()
            || piece.number().is_some_and(|digits| matches!(digits.role, Role::Free | Role::Serial))
    };
    let Some(piece) = all.get(place) else { return false };
    let before = place.checked_sub(1).and_then(|before| all.get(before));
    let next = all.get(place + 1);
    piece.gap.has_line()
        || before.is_none_or(|before| request(before) || keyword(before))
        || next.is_none_or(|next| next.gap.has_line() || request(next) || keyword(next))
}
