//! What the numbers of a text are that are neither document nor purpose: telephone numbers, times,
//! dates, counts, addresses.

use super::lexicon::{Class, LEXICON, Phone, Side};
use super::piece::{Digits, Piece, Role};

/// A number with more digits is claimed by no word.
const CLAIMED_DIGITS_MAX: usize = 4;

/// Behind a `+` so many digits are a telephone number, whatever the country.
const PHONE_DIGITS_MIN: usize = 9;

/// Gives each number its role, but for those of documents.
pub(super) fn assign(pieces: &mut [Piece]) {
    let mut at = 0;
    while let Some(piece) = pieces.get(at) {
        let Some(&digits) = piece.free() else {
            at += 1;
            continue;
        };
        let (role, count) = role(pieces, at, &digits);
        for piece in pieces.iter_mut().skip(at).take(count) {
            piece.set_role(role);
        }
        at += count;
    }
    ranges(pieces);
}

/// A range or a fraction belongs to what its other number belongs to: `2-3 saat`, `1,5 litr`, `2 ya 3
/// saat`; `38,5` belongs to nothing that a permit has.
fn ranges(pieces: &mut [Piece]) {
    for at in (0..pieces.len()).rev() {
        claim_if(pieces, at, begins_range(pieces, at));
    }
    for at in 0..pieces.len() {
        claim_if(pieces, at, ends_range(pieces, at));
    }
}

fn claim_if(pieces: &mut [Piece], at: usize, claimed: bool) {
    if claimed && let Some(piece) = pieces.get_mut(at) {
        piece.set_role(Role::Claimed);
    }
}

/// The 2 of `2-3 saat` and of `2 ya 3 saat`, the 38 of `38,5`.
fn begins_range(pieces: &[Piece], at: usize) -> bool {
    match pieces.get(at..) {
        Some([first, next, ..]) if is_lone(first) && next.number().is_some() => {
            let mark = next.gap.tight();
            let range = is_claimed(next) && mark.is_some_and(|mark| "-–,./".contains(mark));
            range || is_fraction(first, next)
        }
        Some([first, word, next, ..]) => {
            is_lone(first) && word.class() == Some(Class::Amend) && is_claimed(next)
        }
        _ => false,
    }
}

/// The 3 of `saat 2 ya 3`, the 5 of `38,5`.
fn ends_range(pieces: &[Piece], at: usize) -> bool {
    let back = |count: usize| at.checked_sub(count).and_then(|at| pieces.get(at));
    let Some(last) = pieces.get(at).filter(|last| is_lone(last)) else { return false };
    let amended = back(1).is_some_and(|word| word.class() == Some(Class::Amend));
    let fraction = back(1).is_some_and(|first| {
        is_claimed(first) && first.number().is_some_and(is_whole_part) && is_joined(last)
    });
    fraction || (amended && back(2).is_some_and(is_claimed))
}

fn is_claimed(piece: &Piece) -> bool {
    piece.number().is_some_and(|digits| matches!(digits.role, Role::Claimed | Role::Time))
}

fn is_lone(piece: &Piece) -> bool {
    piece.free().is_some_and(|digits| digits.len <= 2)
}

fn is_fraction(whole: &Piece, part: &Piece) -> bool {
    whole.free().is_some_and(is_whole_part) && is_lone(part) && is_joined(part)
}

fn is_whole_part(digits: &Digits) -> bool {
    digits.len == 2 && !digits.leading_zero
}

fn is_joined(part: &Piece) -> bool {
    matches!(part.gap.tight(), Some(',' | '.'))
}

/// The role of the number at `at`, and of how many numbers from there it is.
fn role(pieces: &[Piece], at: usize, digits: &Digits) -> (Role, usize) {
    if !follows_series(pieces, at)
        && let Some(count) = phone(pieces, at, digits)
    {
        return (Role::Phone, count);
    }
    if let Some(count) = time(pieces, at, digits) {
        return (Role::Time, count);
    }
    if let Some(count) = date(pieces, at, digits) {
        return (Role::Date, count);
    }
    if claimed_by_next(pieces, at, digits) || claimed_by_previous(pieces, at, digits) {
        return (Role::Claimed, 1);
    }
    if is_part(pieces, at) {
        return (Role::Part, 1);
    }
    (Role::Free, 1)
}

/// Whether a series stands before the number, with nothing but fillers between.
fn follows_series(pieces: &[Piece], at: usize) -> bool {
    let mut before = pieces.get(..at).unwrap_or_default().iter().rev();
    before.find(|piece| piece.class() != Some(Class::Filler)).is_some_and(|piece| piece.series().is_some())
}

/// How many numbers from `at` on are one telephone number.
fn phone(pieces: &[Piece], at: usize, first: &Digits) -> Option<usize> {
    let gap = pieces.get(at)?.gap;
    let plus = gap.ends_with('+');
    let phone = LEXICON.phones.iter().find(|phone| phone.begins(first, plus))?;
    let (mut count, mut digits) = (1, first.len);
    for piece in pieces.iter().skip(at + 1) {
        let Some(next) = piece.free() else { break };
        if digits + next.len > phone.digits || piece.gap.has_line() || piece.gap.grouping().is_none() {
            break;
        }
        (count, digits) = (count + 1, digits + next.len);
    }
    (digits == phone.digits || (plus && digits >= PHONE_DIGITS_MIN)).then_some(count)
}

impl Phone {
    fn begins(&self, digits: &Digits, plus: bool) -> bool {
        let (international, prefix) = match self.prefix.strip_prefix('+') {
            Some(prefix) => (true, prefix),
            None => (false, self.prefix.as_str()),
        };
        if international && !plus {
            return false;
        }
        // A single 0 or 00 is a purpose.
        if digits.len < prefix.len().max(if international { 1 } else { 3 }) {
            return false;
        }
        let rest = u32::try_from(digits.len - prefix.len()).unwrap_or(u32::MAX);
        let start = 10_u64.checked_pow(rest).map_or(0, |power| digits.value / power);
        // No number goes on with a zero: "AZE 2000 0001 050…".
        let next = rest.checked_sub(1).and_then(|rest| 10_u64.checked_pow(rest));
        let zero = next.is_some_and(|power| (digits.value / power).is_multiple_of(10));
        !zero && prefix.parse().map_or(true, |prefix: u64| prefix == start)
    }
}

/// How many numbers from `at` on are one time: `14:30`.
fn time(pieces: &[Piece], at: usize, hour: &Digits) -> Option<usize> {
    let next = pieces.get(at + 1)?;
    let minute = next.free()?;
    let fits = hour.len <= 2 && hour.value <= 24 && minute.len == 2 && minute.value <= 59;
    (fits && next.gap.is(':')).then_some(2)
}

/// How many numbers from `at` on are one date: `14.12.2020`, `14/12`, `14-12-2020`, `2020-12-14`.
fn date(pieces: &[Piece], at: usize, first: &Digits) -> Option<usize> {
    let part = |offset: usize| pieces.get(at + offset).and_then(|piece| Some((piece.gap, *piece.free()?)));
    let (gap, second) = part(1)?;
    let mark = ['.', '/', '-'].into_iter().find(|&mark| gap.is(mark))?;
    let third = part(2).filter(|(gap, _)| gap.is(mark)).map(|(_, digits)| digits);
    let is = |digits: &Digits, max: u64| digits.len <= 2 && (1..=max).contains(&digits.value);
    let is_year =
        |digits: &Digits| digits.len == 2 || (digits.len == 4 && (1900..2100).contains(&digits.value));
    match third {
        Some(third) if is(first, 31) && is(&second, 12) && is_year(&third) => Some(3),
        Some(third) if first.len == 4 && is_year(first) && is(&second, 12) && is(&third, 31) => Some(3),
        // 14.12, 1/12, and a time written with a dot: 9.00.
        None if mark != '-'
            && first.len <= 2
            && second.len <= 2
            && first.value <= 31
            && second.value <= 59 =>
        {
            Some(2)
        }
        _ => None,
    }
}

/// `3 nəfər`, `2-ci dəfə`, `2 uşağım`.
fn claimed_by_next(pieces: &[Piece], at: usize, digits: &Digits) -> bool {
    let word = |offset: usize| {
        let piece = pieces.get(at + offset)?;
        (piece.gap.is_none() || piece.gap.is_close()).then(|| piece.word()).flatten()
    };
    if pieces.get(at + 1).is_some_and(|next| next.gap.has_unit() && next.series().is_none()) {
        return true;
    }
    let behind = pieces.get(at + 1);
    let suffix = behind.and_then(Piece::class);
    if behind.is_some_and(|next| next.gap.has_signs())
        && matches!(suffix, Some(Class::Ordinal | Class::Numbered))
    {
        // "3150 №-li məktəb"
        return digits.len <= CLAIMED_DIGITS_MAX;
    }
    if suffix == Some(Class::Case) && behind.is_some_and(|next| next.gap.is_attached()) {
        return digits.len <= CLAIMED_DIGITS_MAX;
    }
    let Some(mut next) = word(1) else { return false };
    if next.class == Some(Class::Numbered) && word(2).is_some_and(|behind| behind.class == Some(Class::Code))
    {
        return false;
    }
    if next.class == Some(Class::Ordinal) {
        // Purposes have one digit.
        if digits.len > 1 {
            return digits.len <= CLAIMED_DIGITS_MAX && !digits.leading_zero;
        }
        next = word(2).unwrap_or(next);
    }
    let counts = digits.len <= CLAIMED_DIGITS_MAX && (digits.len <= 2 || !digits.leading_zero);
    match next.class {
        Some(Class::Claim(Side::Before) | Class::Numbered) => counts,
        Some(Class::Claim(Side::Either)) => digits.len <= 2,
        None => counts && next.is_counted() && !next.hides,
        _ => false,
    }
}

/// `mənzil 5`, `ev № 7`, `saat 3`.
fn claimed_by_previous(pieces: &[Piece], at: usize, digits: &Digits) -> bool {
    if digits.len > CLAIMED_DIGITS_MAX || pieces.get(at).is_none_or(|piece| piece.gap.has_line()) {
        // A telephone number of its own country: "tel 4981234".
        return digits.len == 7
            && previous(pieces, at).is_some_and(|(_, class)| class == Class::Claim(Side::After));
    }
    if named(pieces, at) {
        return true;
    }
    match previous(pieces, at) {
        Some((_, Class::Claim(Side::After))) => true,
        Some((place, Class::Claim(Side::Either))) => {
            // It may have its number on the other side already.
            let other = place.checked_sub(1).and_then(|place| pieces.get(place)).and_then(Piece::number);
            let counted = place.checked_sub(1).and_then(|place| pieces.get(place)).and_then(Piece::class);
            !matches!(counted, Some(Class::Count(_))) && other.is_none_or(|other| other.role != Role::Claimed)
        }
        // "поликлиника номер 1"
        Some((place, Class::Polite | Class::Claim(Side::Before))) => {
            place + 1 < at && pieces.get(place + 1).is_some_and(|piece| piece.gap.is_close())
        }
        _ => false,
    }
}

/// `uşaq: 2`, `poliklinika 1`, unless the word has its number on the other side.
fn named(pieces: &[Piece], at: usize) -> bool {
    let Some(number) = pieces.get(at) else { return false };
    let beside =
        number.gap.is_close() || number.gap.is_none() || matches!(number.gap.mark(), Some(':' | '№'));
    let before = at.checked_sub(1).and_then(|place| pieces.get(place));
    let other = at.checked_sub(2).and_then(|place| pieces.get(place)).and_then(Piece::number);
    // "uşaq: 20 06 36 73" is a serial.
    let more = pieces.get(at + 1).is_some_and(|next| next.free().is_some());
    beside
        && !more
        && before.and_then(Piece::word).is_some_and(|word| word.names)
        && other.is_none_or(|other| other.role != Role::Claimed)
}

/// The class of the word before the number, but for fillers, and its place.
fn previous(pieces: &[Piece], at: usize) -> Option<(usize, Class)> {
    let place = (0..at)
        .rev()
        .find(|&place| pieces.get(place).is_none_or(|piece| piece.class() != Some(Class::Filler)))?;
    Some((place, pieces.get(place)?.class()?))
}

/// Letters that mean nothing touch it: `x2`, `2x`. But a digit may end a word: `mersi2`.
fn is_part(pieces: &[Piece], at: usize) -> bool {
    const WORD_LETTERS_MIN: usize = 3;
    const DIGITS_MAX: usize = 3;
    if pieces.get(at).and_then(Piece::number).is_none_or(|digits| digits.len > DIGITS_MAX) {
        return false;
    }
    // "kod1zəhmətolmasa"
    if previous(pieces, at).is_some_and(|(_, class)| class == Class::Code) {
        return false;
    }
    let unknown =
        |piece: &Piece| piece.word().is_some_and(|word| word.class.is_none() && word.purpose.is_none());
    let behind = pieces.get(at + 1).is_some_and(|next| next.gap.is_none() && unknown(next));
    let before = at.checked_sub(1).and_then(|place| Some((pieces.get(place)?, pieces.get(at)?)));
    // "SARS-CoV-2"
    if before.is_some_and(|(previous, number)| number.gap.is('-') && unknown(previous)) {
        return true;
    }
    let before = before.filter(|(previous, number)| number.gap.is_none() && unknown(previous));
    behind
        || before.is_some_and(|(previous, _)| {
            previous.gap.is_none() || previous.word().is_some_and(|word| word.folded.1 < WORD_LETTERS_MIN)
        })
}
