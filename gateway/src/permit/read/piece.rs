//! The pieces of a text: numbers, series, and words with what they mean.

use arrayvec::ArrayVec;
use icaze_store::ledger::Language;

use super::Place;
use super::lexicon::{Class, Folded, LEXICON, Meaning, Series, Spoken};
use super::names::PurposeNames;
use super::token::{BITS, Gap, Number, PACKED, Word, packed_end};

/// Pieces of a text, at most, where words that say nothing count for two however many they are. A
/// text with more is no request.
const PIECES_MAX: usize = 96;

/// A number, a series or a word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    /// What lies before it.
    pub(super) gap: Gap,
    pub(super) place: Place,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Number(Digits),
    Series(&'static Series),
    Word(Spelt),
}

/// A number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Digits {
    pub(super) len: usize,
    pub(super) value: u64,
    pub(super) leading_zero: bool,
    pub(super) role: Role,
}

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Nothing is known of it.
    Free,
    /// Digits of a document.
    Serial,
    /// Digits of a telephone number.
    Phone,
    /// A time of day.
    Time,
    /// A date.
    Date,
    /// A word beside it claims it.
    Claimed,
    /// It is a part of a word: `x2`.
    Part,
}

/// A word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spelt {
    pub(super) folded: Folded,
    pub(super) class: Option<Class>,
    /// The purpose that is called so.
    pub(super) purpose: Option<u8>,
    /// The last letters, as [`Word::end`] has them.
    end: u64,
    ascii: bool,
    /// It is an ordinary English word.
    pub(super) english: bool,
    /// Unknown words stood between it and the piece before.
    pub(super) hides: bool,
    /// A number behind it is what it names or counts.
    pub(super) names: bool,
}

impl Digits {
    /// A purpose written with a zero: `02`.
    pub(super) fn leading_zero_of_purpose(&self) -> bool {
        self.len == 2 && self.leading_zero
    }
}

impl Spelt {
    /// Whether it says nothing of the request, so that it may stand within one.
    pub(super) fn is_harmless(&self) -> bool {
        !self.hides
            && match self.class {
                Some(
                    Class::Polite
                    | Class::Code
                    | Class::CodeLetter
                    | Class::Reason
                    | Class::Filler
                    | Class::Ordinal
                    | Class::Numbered
                    | Class::Case
                    | Class::Permit
                    | Class::Give
                    | Class::Passport
                    | Class::Latin
                    | Class::Answer(_),
                ) => true,
                Some(_) => false,
                None => self.purpose.is_some() || self.is_name(),
            }
    }

    /// Whether it ends as family names do.
    pub(super) fn is_name(&self) -> bool {
        self.class.is_none() && self.folded.1 >= ENDING_WORD_MIN && LEXICON.ends_as_name(self.end)
    }

    /// Whether it ends as what is counted does: `uşağım`, `oğlum`, `kids`.
    pub(super) fn is_counted(&self) -> bool {
        const IM: u64 = packed_end("IM");
        const UM: u64 = packed_end("UM");
        const S: u64 = packed_end("S");
        let [one, two] = [1, 2].map(|letters| self.end & ((1 << (BITS * letters)) - 1));
        self.class.is_none()
            && self.folded.1 >= ENDING_WORD_MIN
            && (matches!(two, IM | UM) || (self.ascii && one == S))
    }
}

impl Piece {
    pub(super) fn number(&self) -> Option<&Digits> {
        if let Kind::Number(digits) = &self.kind { Some(digits) } else { None }
    }

    pub(super) fn word(&self) -> Option<&Spelt> {
        if let Kind::Word(word) = &self.kind { Some(word) } else { None }
    }

    pub(super) fn class(&self) -> Option<Class> {
        self.word().and_then(|word| word.class)
    }

    pub(super) fn series(&self) -> Option<&'static Series> {
        if let Kind::Series(series) = self.kind { Some(series) } else { None }
    }

    /// The number, if nothing is known of it.
    pub(super) fn free(&self) -> Option<&Digits> {
        self.number().filter(|digits| digits.role == Role::Free)
    }

    pub(super) fn set_role(&mut self, role: Role) {
        if let Kind::Number(digits) = &mut self.kind {
            digits.role = role;
        }
    }
}

/// Which language a text is written in.
#[derive(Debug, Default)]
pub(super) struct Script {
    english: bool,
    /// English words that need another one.
    some_english: u8,
    russian: bool,
    cyrillic: bool,
    azerbaijani: bool,
}

impl Script {
    fn learn(&mut self, word: &Word, spoken: Option<Spoken>, may_be_series: bool) {
        // Nor does a letter among digits show a language.
        self.cyrillic |= word.cyrillic && !may_be_series && (word.len > 1 || !word.gap.is_none());
        self.azerbaijani |= word.azerbaijani;
        match spoken {
            Some(Spoken::English) => self.english |= word.ascii,
            Some(Spoken::SomeEnglish) => self.some_english = self.some_english.saturating_add(1),
            Some(Spoken::Russian) => self.russian |= word.ascii,
            None => {}
        }
    }

    pub(super) fn language(&self) -> Language {
        match self {
            Self { azerbaijani: true, .. } => Language::Az,
            Self { cyrillic: true, .. } | Self { russian: true, .. } => Language::Ru,
            Self { english: true, .. } | Self { some_english: 2.., .. } => Language::En,
            _ => Language::Az,
        }
    }
}

/// A text in pieces.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pub(super) all: ArrayVec<Piece, PIECES_MAX>,
    /// There were more.
    pub(super) too_many: bool,
    pub(super) script: Script,
    /// It has signs or words that replies of ours have.
    pub(super) signs: bool,
    /// Something of seven letters and digits, mixed, is the personal code.
    pub(super) fin: bool,
    pub(super) command: bool,
    letters: Letters,
    chunk: Chunk,
    /// Nothing but numbers and fillers since the last series.
    after_series: bool,
}

/// Letters apart that may become a series: `A Z E`.
#[derive(Debug, Clone, Copy, Default)]
struct Letters {
    packed: u64,
    len: usize,
    /// The first piece of them.
    from: usize,
    /// The last one was `ZE`, which is also how Z is called.
    called: bool,
}

/// Letters and digits without anything between.
#[derive(Debug, Default)]
struct Chunk {
    letters: usize,
    digits: usize,
    /// Part of it has been understood, or is a word.
    known: bool,
}

impl Chunk {
    /// The personal code that stands on the same card.
    fn is_fin(&self) -> bool {
        !self.known && self.letters >= 2 && self.digits >= 1 && self.letters + self.digits == 7
    }
}

/// A shorter word has no ending that says anything.
const ENDING_WORD_MIN: usize = 4;
/// A FIN hardly has so many letters in a row.
const FIN_LETTERS: usize = 4;
/// Letters of the longest series.
const LETTERS_MAX: usize = 3;

impl Pieces {
    pub(super) fn word(&mut self, word: &Word, names: &PurposeNames) {
        self.enter(word.gap);
        self.chunk.letters += word.len;
        self.chunk.known |= word.len > FIN_LETTERS;
        if self.is_digits(word) {
            return self.digits(&word.as_number(word.len));
        }
        if let Some((series, digits)) = series_of(word) {
            self.letters = Letters::default();
            self.begin(Piece { gap: word.gap, place: word.place, kind: Kind::Series(series) });
            if digits > 0 {
                self.digits(&word.as_number(digits));
            }
            return;
        }
        const E: u64 = packed_end("E");
        let before = std::mem::take(&mut self.letters);
        if before.called && word.len == 1 && word.end == E && self.after_series {
            // The E of "a ze e".
            return;
        }
        let meaning = LEXICON.meaning(word);
        let joined = before.with(word, meaning.letter, self.all.len());
        if let Some((letters, series)) = joined.and_then(|letters| Some((letters, letters.series()?))) {
            self.complete(letters.from, series, word);
            self.letters.called = letters.called;
            return;
        }
        self.plain(word, &meaning, names, joined.is_some());
        self.letters = joined.unwrap_or_default();
    }

    /// A word, which may turn out to be a part of a series.
    fn plain(&mut self, word: &Word, meaning: &Meaning, names: &PurposeNames, may_be_series: bool) {
        self.script.learn(word, meaning.spoken, may_be_series);
        // A letter may be a part of anything.
        self.chunk.known |= meaning.class.is_some() && word.len > 1;
        self.signs |= meaning.class == Some(Class::Filler) && word.len <= 2;
        self.command |= meaning.class == Some(Class::Command);
        self.after_series &= meaning.class == Some(Class::Filler);
        let spelt = Spelt {
            folded: (word.head, word.len),
            class: meaning.class,
            purpose: names.code(word),
            end: word.end,
            ascii: word.ascii,
            english: meaning.spoken.is_some_and(|spoken| spoken != Spoken::Russian) && word.ascii,
            hides: false,
            names: meaning.names,
        };
        self.push(Piece { gap: word.gap, place: word.place, kind: Kind::Word(spelt) });
    }

    pub(super) fn number(&mut self, number: &Number) {
        self.enter(number.gap);
        self.chunk.digits += number.len;
        let letters = std::mem::take(&mut self.letters);
        if let Some((series, rest)) = letters.with_number(number) {
            self.chunk.known = true;
            self.all.truncate(letters.from + 1);
            if let Some(first) = self.all.pop() {
                self.begin(Piece { kind: Kind::Series(series), ..first });
            }
            return self.digits(&rest);
        }
        self.digits(number);
        self.letters = letters.with_digit(number).unwrap_or_default();
    }

    /// Whether a word is made of letters that stand for digits of the serial that it is in.
    fn is_digits(&self, word: &Word) -> bool {
        let touches = word.gap.is_none() && self.all.last().is_some_and(|last| last.number().is_some());
        self.after_series && (word.before_digit || touches) && word.digits_at_end() == word.len
    }

    fn digits(&mut self, number: &Number) {
        if number.gap.is_none()
            && let Some(Piece { kind: Kind::Number(last), place, .. }) = self.all.last_mut()
        {
            place.end = number.place.end;
            let mut joined = Number { len: last.len, value: last.value, ..*number };
            joined.join(number);
            (last.len, last.value) = (joined.len, joined.value);
            return;
        }
        let &Number { gap, place, len, value, leading_zero } = number;
        let digits = Digits { len, value, leading_zero, role: Role::Free };
        self.push(Piece { gap, place, kind: Kind::Number(digits) });
    }

    /// A series begins.
    fn begin(&mut self, piece: Piece) {
        self.chunk.known = true;
        self.after_series = true;
        self.push(piece);
    }

    /// `word` completes the series that began with piece `from`.
    fn complete(&mut self, from: usize, series: &'static Series, word: &Word) {
        let (gap, start) =
            self.all.get(from).map_or((word.gap, word.place.start), |first| (first.gap, first.place.start));
        self.all.truncate(from);
        let place = Place { start, ..word.place };
        self.begin(Piece { gap, place, kind: Kind::Series(series) });
    }

    /// Of words in a row that say nothing the first and the last stay.
    fn push(&mut self, piece: Piece) {
        let says_nothing = |piece: &Piece| {
            piece.word().is_some_and(|word| {
                matches!(word.class, None | Some(Class::Polite)) && word.purpose.is_none() && !word.names
            })
        };
        if let [.., before, last] = self.all.as_mut_slice()
            && [&*before, &*last, &piece].into_iter().all(says_nothing)
            && self.letters.len == 0
        {
            let hides = last.word().is_some_and(|word| !word.is_harmless());
            *last = piece;
            if let Kind::Word(word) = &mut last.kind {
                word.hides = hides;
            }
            return;
        }
        self.too_many |= self.all.try_push(piece).is_err();
    }

    /// A token begins.
    fn enter(&mut self, gap: Gap) {
        self.signs |= gap.has_signs();
        if !gap.is_none() {
            self.fin |= self.chunk.is_fin();
            self.chunk = Chunk::default();
        }
    }

    pub(super) fn finish(&mut self) {
        self.fin |= self.chunk.is_fin();
    }
}

/// The series that `word` is or ends with, and how many of its last letters stand for digits
/// (`AZEO123…`).
///
/// Only before a digit may a series of three letters end a longer word (`vesiqeAZE1234…`), or have a
/// word for "number" behind it (`AZEnomre1234…`). A series of two letters may not, because other
/// countries' passports have three letters. But it may follow the country's code (`AZEAA1234567`).
#[inline]
fn series_of(word: &Word) -> Option<(&'static Series, usize)> {
    // Few words end as a series does.
    if !word.before_digit && LEXICON.last_letters & 1 << (word.end & 31) == 0 {
        return None;
    }
    let most = if word.before_digit { word.digits_at_end() } else { 0 };
    let series = &LEXICON.series;
    let found = (0..=most.min(8)).find_map(|digits| {
        series.iter().find(|series| is_at_end(series, word, digits)).map(|series| (series, digits))
    });
    if found.is_some() || !word.before_digit {
        return found;
    }
    GLUED.into_iter().filter(|&(filler, len)| word.ends_with(0, filler, len)).find_map(|(_, len)| {
        let before = |series: &&Series| {
            series.len() == LETTERS_MAX && word.ends_with(len, series.packed, series.len())
        };
        series.iter().find(before).map(|series| (series, 0))
    })
}

/// Words for "number" that are written together with a series, as [`Word::end`] holds them.
const GLUED: [(u64, usize); 5] = [
    (packed_end("N"), 1),
    (packed_end("NO"), 2),
    (packed_end("NOMRE"), 5),
    (packed_end("NOMER"), 5),
    (packed_end("SERIYA"), 6),
];

fn is_at_end(series: &Series, word: &Word, digits: usize) -> bool {
    const ICAZE: u64 = packed_end("ICAZE");
    const AZEAA: u64 = packed_end("AZEAA");
    if !word.ends_with(digits, series.packed, series.len()) {
        return false;
    }
    match word.len - digits {
        exact if exact == series.len() => true,
        // "icazə", permission, ends as the series does.
        _ if series.len() == LETTERS_MAX => word.before_digit && !word.ends_with(digits, ICAZE, 5),
        longer => longer == 5 && word.ends_with(digits, AZEAA, 5),
    }
}

impl Letters {
    /// These and `word`, which is to be piece `place`, as far as a series begins so.
    fn with(self, word: &Word, called: Option<u64>, place: usize) -> Option<Self> {
        if word.len > LETTERS_MAX && called.is_none() {
            return None;
        }
        let alone = Self { from: place, ..Self::default() };
        let spelt = (word.end, word.len);
        let called = called.map(|letter| (letter, 1));
        let join = |before: Self| {
            before.join(spelt, place).or_else(|| called.and_then(|letter| before.join(letter, place)))
        };
        let joined = if self.len > 0 { join(self) } else { None };
        joined.or_else(|| join(alone))
    }

    fn join(self, (packed, len): (u64, usize), place: usize) -> Option<Self> {
        if len > LETTERS_MAX || self.len + len > LETTERS_MAX {
            return None;
        }
        let from = if self.len == 0 { place } else { self.from };
        let packed = self.packed << (BITS * len as u32) | packed;
        let joined = Self { packed, len: self.len + len, from, called: len == 2 && self.len == 1 };
        LEXICON.series.iter().any(|series| joined.begins(series)).then_some(joined)
    }

    fn begins(self, series: &Series) -> bool {
        series.len() >= self.len && series.packed >> (BITS * (series.len() - self.len) as u32) == self.packed
    }

    /// The series that the letters are.
    fn series(self) -> Option<&'static Series> {
        LEXICON.series.iter().find(|series| series.packed == self.packed)
    }

    /// These and a digit that touches them and looks like a letter: `M0M`, and `A3E` for a Cyrillic З.
    fn with_digit(self, number: &Number) -> Option<Self> {
        if !number.gap.is_none() || number.len != 1 {
            return None;
        }
        let letter = match number.value {
            3 => packed_end("Z"),
            0 => packed_end("O"),
            _ => return None,
        };
        self.join((letter, 1), self.from)
    }

    /// `MY11234567`, where the first digit is the series' last letter, and `MY?1234567`, where a phone
    /// had no İ.
    fn with_number(self, number: &Number) -> Option<(&'static Series, Number)> {
        let packed = self.packed << BITS | packed_end("I");
        let series = LEXICON.series.iter().find(|series| self.len > 0 && series.packed == packed)?;
        let first = 10_u64.checked_pow(u32::try_from(series.digits).ok()?)?;
        if number.gap.grouping() == Some('?') && number.len == series.digits {
            return Some((series, *number));
        }
        if !number.gap.is_none() || number.len != series.digits + 1 || number.value / first != 1 {
            return None;
        }
        let value = number.value % first;
        let leading_zero = value < first / 10;
        Some((series, Number { len: series.digits, value, leading_zero, ..*number }))
    }
}

/// The letters of a folded word, at most twelve: 1 is A, 26 Z, 27 any other.
pub(super) fn letters((head, len): Folded) -> impl Iterator<Item = u8> + Clone {
    (0..(PACKED as usize).min(len)).map(move |at| (head >> (BITS * (PACKED - 1 - at as u32)) & 31) as u8)
}
