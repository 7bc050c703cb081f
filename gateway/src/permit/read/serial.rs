//! Serials of identity documents, put together from their pieces.

use icaze_store::Document;

use super::Tail;
use super::token::{Number, Word, packed_end};

/// A series of documents, and how many digits its numbers have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Series {
    letters: &'static str,
    packed: u64,
    shortest: usize,
    longest: usize,
}

/// The digits may be one fewer than in the last column where older cards are still valid.
static SERIES: [Series; 5] = [
    Series::new("AZE", 7, 8),
    Series::new("AA", 7, 7),
    Series::new("MYI", 7, 7),
    Series::new("DYI", 7, 7),
    Series::new("MOM", 7, 7),
];

/// Ten to the ninth.
const NINE: u64 = 1_000_000_000;

/// Letters of the longest series.
const LETTERS_MAX: usize = 3;

impl Series {
    const fn new(letters: &'static str, shortest: usize, longest: usize) -> Self {
        Self { letters, packed: packed_end(letters), shortest, longest }
    }

    /// The series that `word` is or ends with, and how many of its last letters stand for digits (`AZEO123…`).
    ///
    /// Only before a digit may a series of three letters end a longer word (`vesiqeAZE1234…`). `AA` may not: other
    /// countries' passports have three letters. But it may follow the country's code (`AZEAA1234567`).
    #[inline]
    pub(super) fn of(word: &Word) -> Option<(&'static Self, usize)> {
        let most = if word.before_digit { word.digits_at_end.min(word.len) } else { 0 };
        (0..=most.min(8)).find_map(|digits| {
            SERIES.iter().find(|series| series.is_at_end(word, digits)).map(|series| (series, digits))
        })
    }

    fn is_at_end(&self, word: &Word, digits: usize) -> bool {
        const ICAZE: u64 = packed_end("ICAZE");
        const AZEAA: u64 = packed_end("AZEAA");
        let len = self.letters.len();
        if !word.ends_with(digits, self.packed, len) {
            return false;
        }
        match word.len - digits {
            exact if exact == len => true,
            // "icazə", permission, ends as the series does.
            _ if len == LETTERS_MAX => word.before_digit && !word.ends_with(digits, ICAZE, 5),
            longer => longer == 5 && word.ends_with(digits, AZEAA, 5),
        }
    }
}

/// Letters apart that may become a series: `A Z E`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pieces {
    packed: u64,
    len: usize,
}

impl Pieces {
    const A: u64 = packed_end("A");
    const M: u64 = packed_end("M");
    const MY: u64 = packed_end("MY");
    const DY: u64 = packed_end("DY");

    /// These and `word`, as far as a series begins so.
    pub(super) fn with(self, word: &Word) -> Option<Self> {
        let join = |before: Self| {
            let joined = Self {
                packed: before.packed << (5 * word.len as u32) | word.end,
                len: before.len + word.len,
            };
            joined.begins_a_series().then_some(joined)
        };
        if word.len > LETTERS_MAX || self.len + word.len > LETTERS_MAX + 1 {
            return None;
        }
        join(self).or_else(|| join(Self::default()))
    }

    fn begins_a_series(self) -> bool {
        SERIES.iter().any(|series| {
            series.letters.len() >= self.len
                && series.packed >> (5 * (series.letters.len() - self.len) as u32) == self.packed
        })
    }

    /// The series that the pieces are.
    pub(super) fn series(self) -> Option<&'static Series> {
        SERIES.iter().find(|series| series.packed == self.packed)
    }

    /// These and a digit that touches them and looks like a letter: `M0M`, and `A3E` for a Cyrillic З.
    pub(super) fn with_digit(self, number: &Number) -> Option<Self> {
        if !number.gap.is_none() || number.len != 1 {
            return None;
        }
        let packed = match (self.packed, number.value) {
            (Self::A, 3) => packed_end("AZ"),
            (Self::M, 0) => packed_end("MO"),
            _ => return None,
        };
        Some(Self { packed, len: 2 })
    }

    /// `MY11234567`: the first digit is the series' last letter.
    pub(super) fn with_number(self, number: &Number) -> Option<Serial> {
        const FIRST: u64 = 10_000_000;
        let packed = match self.packed {
            Self::MY | Self::DY => self.packed << 5 | packed_end("I"),
            _ => return None,
        };
        if !number.gap.is_none() || number.len != 8 || number.value / FIRST != 1 {
            return None;
        }
        let mut serial = Serial::new(Self { packed, len: 3 }.series()?);
        serial.push(&Number { len: 7, value: number.value % FIRST, ..*number });
        Some(serial)
    }
}

/// A series and the digits that have been found after it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Serial {
    series: &'static Series,
    /// How many digits.
    pub(super) len: usize,
    /// Their value modulo ten to the ninth.
    pub(super) value: u64,
    /// How many digits the last group has.
    group: usize,
    /// A character among the digits may be one more digit.
    doubtful: bool,
}

impl PartialEq for Serial {
    fn eq(&self, other: &Self) -> bool {
        (self.series, self.len, self.value) == (other.series, other.len, other.value)
    }
}

impl Serial {
    pub(super) fn new(series: &'static Series) -> Self {
        Self { series, len: 0, value: 0, group: 0, doubtful: false }
    }

    /// Whether `number` goes on with this serial.
    ///
    /// Groups go on as long as they fit and are needed. Where a series has two lengths, a lone digit after the shorter
    /// one is the purpose (`AZE1234567 2`), unless all was written digit by digit.
    pub(super) fn takes(&self, number: &Number) -> bool {
        if self.len == 0 || number.gap.is_none() {
            return true;
        }
        let fits = self.len + number.len <= self.series.longest;
        fits && (self.len < self.series.shortest || (number.len == 1 && self.group == 1))
    }

    pub(super) fn push(&mut self, number: &Number) {
        let touches = self.len > 0 && number.gap.is_none();
        self.group = if touches { self.group + number.len } else { number.len };
        self.doubtful |= number.gap.is_tight() && number.gap.ends_with('|');
        self.len = self.len.saturating_add(number.len);
        self.value = (self.value * 10_u64.pow(number.len.min(9) as u32) + number.value % NINE) % NINE;
    }

    /// What follows at once may be one more digit, misread: `AZE1234567S`.
    pub(super) fn doubt(&mut self) {
        self.doubtful = true;
    }

    /// It has enough digits, and may have one more.
    pub(super) fn may_go_on(&self) -> bool {
        (self.series.shortest..self.series.longest).contains(&self.len)
    }

    /// The document, if the digits are as many as the series has.
    pub(super) fn document(&self) -> Option<Document> {
        let lengths = self.series.shortest..=self.series.longest;
        if !lengths.contains(&self.len) || (self.doubtful && lengths.contains(&(self.len + 1))) {
            return None;
        }
        Document::from_number(self.series.letters, u32::try_from(self.value).ok()?, self.len).ok()
    }

    /// The last nine digits, with zeros before them.
    fn digits(&self) -> [u8; 9] {
        let mut value = self.value;
        let mut digits = [b'0'; 9];
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (value % 10) as u8;
            value /= 10;
        }
        digits
    }

    pub(super) fn tail(&self) -> Tail {
        let digits = self.digits();
        let known = self.len.min(3);
        let characters = self.series.letters.bytes().chain(digits.into_iter().skip(9 - known));
        let mut tail = [b' '; 3];
        for (to, from) in
            tail.iter_mut().zip(characters.skip((self.series.letters.len() + known).saturating_sub(3)))
        {
            *to = from;
        }
        Tail(tail)
    }
}

/// The serials of a text.
#[derive(Debug, Default)]
pub(super) struct Serials {
    /// The first one that is not the example's.
    pub(super) first: Option<Serial>,
    /// There is another than the first.
    pub(super) several: bool,
    /// The example's, which people send along with their own.
    pub(super) example: Option<Serial>,
}

impl Serials {
    /// Adds a serial. Returns whether it is the example's.
    pub(super) fn add(&mut self, serial: Serial) -> bool {
        let example = serial.document() == Some(Document::EXAMPLE);
        if example {
            self.example = Some(serial);
        } else if let Some(first) = &self.first {
            self.several |= *first != serial;
        } else {
            self.first = Some(serial);
        }
        example
    }
}
