//! Puts the tokens of a text together.

use icaze_store::ledger::Language;

use super::purpose::{Grade, Held, Purposes};
use super::serial::{Pieces, Serial, Serials, Series};
use super::token::{Number, Word};
use super::word::{Meaning, Side};
use super::{Help, Partial, Reading, Request};

/// What has been read so far.
#[derive(Debug, Default)]
pub(super) struct Reader {
    serials: Serials,
    /// The serial that further digits may join.
    open: Option<Serial>,
    /// Letters that may become a series.
    pieces: Pieces,
    purposes: Purposes,
    /// The purposes without the last one.
    purposes_before: Purposes,
    held: Option<Held>,
    /// One of the purposes may be the last digit of a serial instead: `AZE1234567 2`.
    lone: bool,
    before: Before,
    /// Digits that still belong to a phone number.
    phone: usize,
    chunk: Chunk,
    fin: bool,
    /// There is a number as long as a serial's, without a series.
    bare: bool,
    command: bool,
    latin: bool,
    cyrillic: bool,
    language: Option<Language>,
    /// `AZ` or `EN`, which in front of a word are Azerbaijani: "az qalıb", "en yaxin".
    undecided: Option<Language>,
}

/// The token before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Before {
    #[default]
    Nothing,
    /// A word that means nothing here; `true` if it is long enough to be one.
    Name(bool),
    /// A word that may touch a number without changing it.
    Known,
    /// A serial that one more digit could go on.
    Serial,
    /// The next number is the purpose.
    Mark,
    /// The next number is none.
    Claim,
    Number,
}

/// What follows a held number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Follower {
    /// It stands alone, or before a serial.
    Apart,
    /// It belongs to a word.
    Claim,
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
    /// Seven letters and digits, mixed: the personal code that stands on the same card.
    fn is_fin(&self) -> bool {
        !self.known && self.letters >= 2 && self.digits >= 1 && self.letters + self.digits == 7
    }
}

/// A run of so many letters is a word, whatever touches it.
const WORD_LETTERS_MIN: usize = 3;
/// A FIN hardly has so many letters in a row.
const FIN_LETTERS: usize = 4;

impl Reader {
    pub(super) fn word(&mut self, word: &Word) {
        self.enter(word.gap.is_none());
        self.chunk.letters += word.len;
        self.chunk.known |= word.len > FIN_LETTERS;
        let pieces = std::mem::take(&mut self.pieces);

        if let Some(serial) = &mut self.open
            && word.digits_at_end == word.len
            && (word.before_digit || (word.gap.is_none() && serial.len > 0))
        {
            let number = word.as_number(word.len);
            if serial.takes(&number) {
                return serial.push(&number);
            }
        }
        if let Some((series, digits)) = Series::of(word) {
            self.close(false);
            return self.begin(series, &word.as_number(digits));
        }
        if let Some(joined) = pieces.with(word) {
            return self.piece(word, joined);
        }
        self.plain(word);
    }

    /// A word that may be a part of a series, and makes the pieces so far `joined`.
    fn piece(&mut self, word: &Word, joined: Pieces) {
        let touches = word.gap.is_none();
        self.close(touches && word.len == 1);
        match &mut self.held {
            Some(held) if touches || held.sticks => held.sticks = true,
            _ => self.settle(Follower::Apart),
        }
        if let Some(series) = joined.series() {
            return self.begin(series, &word.as_number(0));
        }
        self.pieces = joined;
        self.before = Before::Name(false);
        if let Some(Meaning::Answer(language)) = Meaning::of(word) {
            self.undecided = Some(language);
        }
    }

    /// A word that is no part of a serial.
    fn plain(&mut self, word: &Word) {
        let meaning = Meaning::of(word);
        self.cyrillic |= word.cyrillic && word.len > 1;
        self.chunk.known |= meaning.is_some();
        if meaning == Some(Meaning::Filler) && (self.open.is_some_and(|serial| serial.len == 0)) {
            return;
        }
        self.close(word.gap.is_none() && word.len == 1);
        match meaning {
            Some(Meaning::Answer(_) | Meaning::Latin) => self.commit_language(),
            _ => self.undecided = None,
        }
        let touches = word.gap.is_none();
        let claimed = self.held.is_some();
        match meaning {
            Some(Meaning::Ordinal) => self.held = self.held.map(Held::as_ordinal),
            Some(Meaning::Claim(Side::Before | Side::Either)) => self.settle(Follower::Claim),
            None if touches => self.settle(Follower::Claim),
            _ => self.settle(Follower::Apart),
        }
        let domain = word.gap.is_tight() && word.gap.ends_with('.') && matches!(self.before, Before::Name(_));
        let marked = self.before == Before::Mark;
        self.before = match meaning {
            None => Before::Name(!touches && word.len >= WORD_LETTERS_MIN),
            Some(Meaning::Mark) => Before::Mark,
            Some(Meaning::Filler) if marked => Before::Mark,
            Some(Meaning::Claim(Side::After)) => Before::Claim,
            Some(Meaning::Claim(Side::Either)) if !claimed => Before::Claim,
            Some(_) => Before::Known,
        };
        match meaning {
            Some(Meaning::Count(value)) => {
                let grade = if marked { Grade::Marked } else { Grade::Spelt };
                self.held = Some(Held::new(value, grade));
            }
            Some(Meaning::Answer(Language::Ru)) if !domain => self.language = Some(Language::Ru),
            Some(Meaning::Answer(language)) if !domain => self.undecided = Some(language),
            Some(Meaning::Latin) => self.latin = true,
            Some(Meaning::Command) => self.command = true,
            _ => {}
        }
    }

    pub(super) fn number(&mut self, number: &Number) {
        self.enter(number.gap.is_none());
        self.chunk.digits += number.len;
        self.commit_language();
        let pieces = std::mem::take(&mut self.pieces);

        if let Some(serial) = &mut self.open
            && serial.takes(number)
        {
            return serial.push(number);
        }
        if let Some(joined) = pieces.with_digit(number) {
            self.pieces = joined;
            return;
        }
        if let Some(serial) = pieces.with_number(number) {
            return self.open(serial);
        }
        self.close(false);
        self.free(number);
    }

    /// A number that is no part of a serial.
    fn free(&mut self, number: &Number) {
        let before = std::mem::replace(&mut self.before, Before::Number);
        if before == Before::Number && (number.gap.is_tight() || self.phone >= number.len) {
            // A date, a time, a fraction, or more of a phone number.
            self.phone = self.phone.saturating_sub(number.len);
            self.held = None;
            return;
        }
        self.settle(Follower::Apart);
        self.phone = phone_digits(number).saturating_sub(number.len);
        self.bare |= matches!(number.len, 7 | 8);
        let touches = number.gap.is_none();
        let grade = match before {
            Before::Mark => Grade::Marked,
            Before::Name(false) if touches => return,
            Before::Name(true) if touches => Grade::Beside,
            Before::Claim => return,
            _ => Grade::Alone,
        };
        if number.len == 1 || (number.len == 2 && number.leading_zero) {
            let lone = before == Before::Serial && number.len == 1;
            self.held = Some(Held { lone, ..Held::new(number.value as u8, grade) });
        } else if grade == Grade::Marked && number.len == 2 {
            self.purposes.spoil();
        }
    }

    /// A token begins.
    fn enter(&mut self, touches: bool) {
        if !touches {
            self.fin |= self.chunk.is_fin();
            self.chunk = Chunk::default();
        }
    }

    /// A series begins a serial, perhaps with digits that look like letters.
    fn begin(&mut self, series: &'static Series, digits: &Number) {
        let mut serial = Serial::new(series);
        if digits.len > 0 {
            serial.push(digits);
        }
        self.open(serial);
    }

    fn open(&mut self, serial: Serial) {
        if let Some(held) = &mut self.held {
            held.sticks = false;
        }
        self.settle(Follower::Apart);
        self.chunk.known = true;
        self.commit_language();
        self.open = Some(serial);
    }

    /// The open serial ends; `doubtful` if it is followed at once by what may be a misread digit.
    fn close(&mut self, doubtful: bool) {
        let Some(mut serial) = self.open.take() else { return };
        self.before = Before::Known;
        match serial.len {
            // The series was a word: "aa 2 AZE…", "MOM 2 …".
            0 => {}
            1 => self.held = Some(Held::new(serial.value as u8, Grade::Alone)),
            _ => {
                if doubtful {
                    serial.doubt();
                }
                if serial.may_go_on() {
                    self.before = Before::Serial;
                }
                if self.serials.add(serial) {
                    self.purposes = self.purposes_before;
                }
            }
        }
    }

    /// It is known what follows the held number.
    fn settle(&mut self, follower: Follower) {
        self.phone = 0;
        let Some(held) = self.held.take() else { return };
        if held.sticks || follower == Follower::Claim {
            return;
        }
        self.purposes_before = self.purposes;
        if (self.lone || held.lone) && self.purposes.in_digits() {
            self.purposes.spoil();
        }
        self.lone |= held.lone;
        self.purposes.add(held.grade, held.value);
    }

    fn commit_language(&mut self) {
        self.language = self.undecided.take().or(self.language);
    }

    pub(super) fn finish(mut self) -> Reading {
        self.enter(false);
        self.close(false);
        self.settle(Follower::Apart);
        self.commit_language();
        let by_letters = if self.cyrillic { Language::Ru } else { Language::Az };
        let serial = if self.serials.several { None } else { self.serials.first.or(self.serials.example) };
        Reading {
            language: self.language.unwrap_or(by_letters),
            latin: self.latin,
            request: self.request(),
            tail: serial.map(|serial| serial.tail()),
            series: None,
            partial: Partial::Nothing,
        }
    }

    fn request(&self) -> Result<Request, Help> {
        if self.command {
            return Err(Help::Unreadable);
        }
        if self.serials.several {
            return Err(Help::TwoDocuments);
        }
        let Some(serial) = &self.serials.first else {
            return Err(match () {
                () if self.serials.example.is_some() => Help::Example,
                () if self.fin => Help::Fin,
                () if self.bare || self.purposes.in_digits() => Help::NoDocument,
                () => Help::Unreadable,
            });
        };
        let wrong = if self.fin { Help::Fin } else { Help::WrongLength };
        let document = serial.document().ok_or(wrong)?;
        let purpose = self.purposes.one().ok_or(Help::NoPurpose)?;
        Ok(Request { purpose, document })
    }
}

/// How many digits a phone number has that begins so; 0 if none does.
fn phone_digits(number: &Number) -> usize {
    match number {
        Number { value: 994, .. } => 12,
        Number { gap, .. } if gap.ends_with('+') => 12,
        Number { leading_zero: true, len: 3.., .. } => 10,
        _ => 0,
    }
}
