//! Serials of identity documents, put together from their pieces.

use arrayvec::ArrayVec;
use icaze_store::Document;

use super::Tail;
use super::groups::{self, Grouped};
use super::lexicon::{Class, Folded, LEXICON, Series};
use super::piece::{Digits, Piece, Role, letters};

/// A serial, or a number that may be one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Serial {
    /// `None` for a number alone.
    pub(super) series: Option<&'static Series>,
    /// The digits' value modulo ten to the ninth.
    pub(super) value: u64,
    /// How many digits there are.
    pub(super) len: usize,
    /// Its first piece and the last.
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) state: State,
    /// It was written digit by digit, and one more digit follows in the same way.
    pub(super) goes_on: bool,
}

/// How well a serial is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Beyond doubt.
    Known,
    /// As many digits as the series has, but grouped as nobody groups one number.
    Doubtful,
    /// Not as many digits as the series has.
    WrongLength,
}

/// Ten to the ninth.
const NINE: u64 = 1_000_000_000;
/// Serials of a text, at most: with more than one it is no request.
const SERIALS_MAX: usize = 4;
/// Places of serials in a text, at most.
pub(super) const SPANS_MAX: usize = 8;
/// A number with fewer digits, behind a misspelt series, is no attempt at a serial.
const ATTEMPT_DIGITS_MIN: usize = 5;

/// The serials of a text.
#[derive(Debug, Default)]
pub(super) struct Serials {
    /// Those with a series, in the order of the text; equal ones once.
    pub(super) found: ArrayVec<Serial, SERIALS_MAX>,
    /// Numbers as long as a serial's that stand alone; equal ones once.
    pub(super) bare: ArrayVec<Serial, SERIALS_MAX>,
    /// A series without a number.
    pub(super) lone: Option<&'static Series>,
    /// A passport's number.
    pub(super) passport: bool,
    /// The bare number stands behind letters that are no series, nor nearly one.
    pub(super) foreign: bool,
    /// The pieces of every serial, also of those that stand in the text more than once.
    pub(super) spans: ArrayVec<Span, SPANS_MAX>,
    /// There are more.
    pub(super) too_many: bool,
}

/// The first piece of a serial, and the last.
pub(super) type Span = (usize, usize);

impl Serial {
    fn new(series: &'static Series, grouped: &Grouped, first: usize) -> Self {
        let state = match (grouped.len == series.digits, grouped.doubtful) {
            (false, _) => State::WrongLength,
            (true, true) => State::Doubtful,
            (true, false) => State::Known,
        };
        Self { state, ..Self::of(Some(series), grouped, first) }
    }

    fn of(series: Option<&'static Series>, grouped: &Grouped, first: usize) -> Self {
        let &Grouped { value, len, last, goes_on, .. } = grouped;
        Self { series, value: value % NINE, len, first, last, state: State::Known, goes_on }
    }

    fn same(&self, other: &Self) -> bool {
        let series = self.series.zip(other.series).is_none_or(|(one, other)| one == other);
        series && (self.len, self.value) == (other.len, other.value)
    }

    /// The document of this series and number.
    pub(super) fn document(&self) -> Option<Document> {
        let series = self.series.filter(|_| self.state != State::WrongLength)?;
        Document::from_number(&series.letters, u32::try_from(self.value).ok()?, self.len).ok()
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
        let series = self.series.map_or("", |series| &series.letters);
        let characters = series.bytes().chain(digits.into_iter().skip(9 - known));
        let mut tail = [b' '; 3];
        for (to, from) in tail.iter_mut().zip(characters.skip((series.len() + known).saturating_sub(3))) {
            *to = from;
        }
        Tail(tail)
    }
}

impl Serials {
    /// Finds the serials, and gives their digits the role.
    pub(super) fn find(pieces: &mut [Piece]) -> Self {
        let mut serials = Self::default();
        let mut at = 0;
        while at < pieces.len() {
            at = serials.behind_series(pieces, at);
        }
        for at in 0..pieces.len() {
            serials.before_series(pieces, at);
        }
        for at in 0..pieces.len() {
            serials.bare(pieces, at);
        }
        serials.spoken(pieces);
        serials
    }

    /// The number behind the series at `at`; the piece to go on with.
    fn behind_series(&mut self, pieces: &mut [Piece], at: usize) -> usize {
        let mut several: ArrayVec<&'static Series, SERIALS_MAX> = ArrayVec::new();
        let mut place = at;
        while let Some(piece) = pieces.get(place) {
            match (piece.series(), piece.class()) {
                (Some(series), _) => {
                    if !several.contains(&series) && several.try_push(series).is_err() {
                        break;
                    }
                }
                (None, Some(Class::Filler)) if !several.is_empty() => {}
                _ => break,
            }
            place += 1;
        }
        if several.is_empty() {
            return at + 1;
        }
        let readings = several.iter().filter_map(|series| {
            let grouped = groups::read(pieces, place, series.digits)?;
            Some(Serial::new(series, &grouped, at))
        });
        let readings: ArrayVec<Serial, SERIALS_MAX> = readings.collect();
        let whole = readings.iter().filter(|serial| serial.state != State::WrongLength);
        let serial = match whole.clone().count() {
            0 => readings.last().copied(),
            1 => whole.clone().next().copied(),
            // "MYİ/DYİ1000001": nobody knows which.
            _ => whole.clone().next().map(|serial| Serial { series: None, ..*serial }),
        };
        let Some(serial) = serial else { return place };
        Self::take(pieces, serial.first, serial.last);
        self.mark(&serial);
        match serial.series {
            Some(_) => add(&mut self.found, serial),
            None => add(&mut self.bare, serial),
        }
        serial.last + 1
    }

    /// The number before the series at `at`, if none stands behind it: `20000001 AZE`.
    fn before_series(&mut self, pieces: &mut [Piece], at: usize) {
        let Some(series) = pieces.get(at).and_then(Piece::series) else { return };
        if self.spans.iter().any(|&(first, last)| (first..=last).contains(&at)) {
            return;
        }
        let is_filler = |place: &usize| pieces.get(*place).is_some_and(|p| p.class() == Some(Class::Filler));
        let place = (0..at).rev().find(|place| !is_filler(place));
        let number = place.and_then(|place| Some((place, *pieces.get(place)?.free()?)));
        if let Some(grouped) = place.and_then(|place| Self::groups_before(pieces, place, series.digits)) {
            let (first, grouped) = grouped;
            Self::take(pieces, first, at);
            let serial = Serial::new(series, &Grouped { last: at, ..grouped }, first);
            self.mark(&serial);
            return add(&mut self.found, serial);
        }
        match number.filter(|(_, digits)| digits.len == series.digits) {
            Some((first, digits)) => {
                let grouped = Grouped { last: at, ..Grouped::solid(&digits, first) };
                Self::take(pieces, first, at);
                let serial = Serial::new(series, &grouped, first);
                self.mark(&serial);
                add(&mut self.found, serial);
            }
            None => self.lone = self.lone.or(Some(series)),
        }
    }

    /// Groups of `needed` digits whose last one is at `place`, and where they begin.
    fn groups_before(pieces: &[Piece], place: usize, needed: usize) -> Option<(usize, Grouped)> {
        const GROUPS_MAX: usize = 4;
        (1..GROUPS_MAX).find_map(|back| {
            let first = place.checked_sub(back)?;
            pieces.get(first)?.free()?;
            let grouped = groups::read(pieces, first, needed)?;
            (grouped.last == place && grouped.len == needed).then_some((first, grouped))
        })
    }

    /// The number at `at`, which stands alone and is as long as a serial's.
    fn bare(&mut self, pieces: &mut [Piece], at: usize) {
        let Some(&digits) = pieces.get(at).and_then(Piece::free) else { return };
        let before = at.checked_sub(1).and_then(|place| pieces.get(place)).and_then(Piece::word);
        let close = pieces.get(at).is_some_and(|piece| piece.gap.is_none() || piece.gap.is_close());
        let touches = pieces.get(at).is_some_and(|piece| piece.gap.is_none());
        let before = before.filter(|_| close);
        if (7..=9).contains(&digits.len) && before.is_some_and(|word| LEXICON.is_passport_letter(word.folded))
        {
            self.passport = true;
            return;
        }
        let unknown = before.filter(|word| word.class.is_none()).map(|word| word.folded);
        let fits = LEXICON.series.iter().any(|series| series.digits == digits.len);
        let misspelt = unknown.and_then(nearly);
        if let Some(series) = misspelt
            && digits.len >= ATTEMPT_DIGITS_MIN
            && digits.len != series.digits
        {
            let serial = Serial::new(series, &Grouped::solid(&digits, at), at - 1);
            Self::take(pieces, at, at);
            self.mark(&serial);
            return add(&mut self.found, serial);
        }
        let grouped = if fits { Some(Grouped::solid(&digits, at)) } else { groups::bare(pieces, at) };
        let Some(grouped) = grouped.filter(|grouped| !grouped.is_date()) else { return };
        let short = |(_, len): Folded| len <= LETTERS_MAX;
        let foreign = misspelt.is_none() && unknown.is_some_and(|word| touches || short(word));
        // What should be its series belongs to it.
        let first = if foreign || misspelt.is_some() { at - 1 } else { at };
        let serial = Serial::of(None, &grouped, first);
        Self::take(pieces, at, grouped.last);
        self.mark(&serial);
        if self.found.iter().any(|known| known.same(&serial)) {
            return;
        }
        self.foreign |= foreign;
        add(&mut self.bare, serial);
    }

    /// Numbers in words that are as good as a serial, and stand alone.
    fn spoken(&mut self, pieces: &[Piece]) {
        const WORDS_MIN: usize = 6;
        let mut at = 0;
        while at < pieces.len() {
            let taken = self.spans.iter().any(|&(first, last)| (first..=last).contains(&at));
            let grouped = if taken { None } else { groups::dictated(pieces, at, 0) };
            if let Some(grouped) = grouped.filter(|grouped| grouped.len >= WORDS_MIN) {
                let serial = Serial::of(None, &grouped, at);
                self.mark(&serial);
                if !self.found.iter().any(|known| known.same(&serial)) {
                    add(&mut self.bare, serial);
                }
                at = grouped.last;
            }
            at += 1;
        }
    }

    fn mark(&mut self, serial: &Serial) {
        self.too_many |= self.spans.try_push((serial.first, serial.last)).is_err();
    }

    fn take(pieces: &mut [Piece], first: usize, last: usize) {
        pieces.iter_mut().take(last + 1).skip(first).for_each(|piece| piece.set_role(Role::Serial));
    }

    /// The one series that has numbers of as many digits as the bare number, if there is one.
    pub(super) fn only_series(digits: usize) -> Option<&'static Series> {
        let mut fitting = LEXICON.series.iter().filter(|series| series.digits == digits);
        fitting.next().filter(|_| fitting.next().is_none())
    }
}

/// Letters of the longest series.
const LETTERS_MAX: usize = 3;

fn add(serials: &mut ArrayVec<Serial, SERIALS_MAX>, serial: Serial) {
    if !serials.iter().any(|known| known.same(&serial)) {
        // One more would change nothing.
        let _ = serials.try_push(serial);
    }
}

impl Grouped {
    /// A number in one piece.
    fn solid(digits: &Digits, at: usize) -> Self {
        Self { value: digits.value, len: digits.len, last: at, doubtful: false, goes_on: false }
    }

    /// Eight digits that are a day, a month and a year.
    fn is_date(&self) -> bool {
        let is = |day: u64, month: u64, year: u64| {
            (1..=31).contains(&day) && (1..=12).contains(&month) && (1900..=2012).contains(&year)
        };
        let value = self.value;
        self.len == 8
            && (is(value / 1_000_000, value / 10_000 % 100, value % 10_000)
                || is(value % 100, value / 100 % 100, value / 10_000))
    }
}

/// The one series that a word is with one slip: a letter too many, too few, another, or two in the
/// wrong order; or that it goes on from, as "Azeri" does.
fn nearly(word: Folded) -> Option<&'static Series> {
    let mut near = LEXICON.series.iter().filter(|series| {
        let wanted = series.letters.bytes().map(|letter| letter - b'A' + 1);
        let goes_on = series.len() == LETTERS_MAX
            && word.1 > LETTERS_MAX
            && letters(word).take(LETTERS_MAX).eq(wanted.clone());
        goes_on || one_slip(letters(word), wanted)
    });
    near.next().filter(|_| near.next().is_none())
}

fn one_slip(word: impl Iterator<Item = u8>, wanted: impl Iterator<Item = u8>) -> bool {
    let word: ArrayVec<u8, 12> = word.collect();
    let wanted: ArrayVec<u8, 12> = wanted.take(12).collect();
    let same = word.iter().zip(&wanted).take_while(|(one, other)| one == other).count();
    let (word, wanted) = (word.get(same..).unwrap_or_default(), wanted.get(same..).unwrap_or_default());
    match (word, wanted) {
        ([_, word @ ..], [_, wanted @ ..]) if word == wanted => true,
        ([a, b, word @ ..], [c, d, wanted @ ..]) if (a, b) == (d, c) && word == wanted => true,
        ([_, word @ ..], wanted) if word == wanted => true,
        (word, [_, wanted @ ..]) => word == wanted,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::lexicon::fold;
    use super::*;

    #[test]
    fn a_series_with_one_slip_is_known() {
        let near = |text: &str| {
            let word = fold(text);
            nearly((word.head, word.len)).map(|series| series.letters.as_str())
        };
        for (text, series) in [
            ("ASE", Some("AZE")),
            ("AZ", None),
            ("ZE", Some("AZE")),
            ("AEZ", Some("AZE")),
            ("AZEE", Some("AZE")),
            ("Azerbaijan", Some("AZE")),
            ("MIY", Some("MYI")),
            ("MY", Some("MYI")),
            ("YI", None),
            ("RUS", None),
            ("AE", None),
            ("bazar", None),
        ] {
            assert_eq!(near(text), series, "{text}");
        }
    }
}
