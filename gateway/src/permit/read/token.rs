//! Runs of letters and of digits, and what lies before each.

use std::str::Chars;

use super::Place;
use super::glyph::{Glyph, Script};

/// What lies between a token and the one before it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Gap {
    /// Characters, up to 255; 0 if the tokens touch.
    len: u8,
    /// The last one.
    last: char,
    /// The one character that is no blank; a blank if there is none.
    mark: char,
    /// More than one kind of character that is no blank.
    mixed: bool,
    /// A comma or semicolon, and a blank behind it.
    comma: bool,
    /// How many lines end in it, up to 255.
    lines: u8,
    /// Signs that replies of ours have: a star, a `№`.
    signs: bool,
}

impl Gap {
    const NONE: Self =
        Self { len: 0, last: ' ', mark: ' ', mixed: false, comma: false, lines: 0, signs: false };

    #[inline]
    fn push(&mut self, c: char) {
        if c == ' ' && !matches!(self.mark, ',' | ';') {
            self.len = self.len.saturating_add(1);
            self.last = c;
            return;
        }
        self.push_other(c);
    }

    fn push_other(&mut self, c: char) {
        let before = std::mem::replace(&mut self.last, c);
        self.signs |= matches!(c, '*' | '№');
        self.len = self.len.saturating_add(1);
        if c.is_whitespace() {
            match c {
                // "\r\n" is one end.
                '\n' if before == '\r' => {}
                '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                    self.lines = self.lines.saturating_add(1);
                }
                _ => {}
            }
            self.comma |= matches!(self.mark, ',' | ';');
        } else if self.mark == ' ' {
            self.mark = c;
        } else {
            self.mixed |= self.mark != c;
        }
    }

    /// The tokens touch, as in `kod2`.
    pub(super) fn is_none(self) -> bool {
        self.len == 0
    }

    /// One `c` and nothing else.
    pub(super) fn is(self, c: char) -> bool {
        self.len == 1 && self.last == c
    }

    /// It has a sign that replies of ours have.
    pub(super) fn has_signs(self) -> bool {
        self.signs
    }

    /// The token begins with this character.
    pub(super) fn ends_with(self, c: char) -> bool {
        self.len > 0 && self.last == c
    }

    /// A line ends in it.
    pub(super) fn has_line(self) -> bool {
        self.lines > 0
    }

    /// More than one line ends in it.
    pub(super) fn has_lines(self) -> bool {
        self.lines > 1
    }

    /// A sign behind the token before counts it: `15 %`.
    pub(super) fn has_unit(self) -> bool {
        matches!(self.mark, '%' | '₼' | '$' | '€' | '°')
    }

    /// Nothing but blanks or a hyphen, on one line: the tokens are read as one phrase.
    pub(super) fn is_close(self) -> bool {
        self.lines == 0 && !self.mixed && matches!(self.mark, ' ' | '-' | '\'' | '’')
    }

    /// One hyphen, or nothing.
    pub(super) fn is_attached(self) -> bool {
        self.len == 0 || (self.len == 1 && self.mark == '-')
    }

    /// The character that separates, where it is one and touches both sides.
    pub(super) fn tight(self) -> Option<char> {
        (self.len == 1 && self.mark != ' ').then_some(self.mark)
    }

    /// The one kind of character that separates; a blank where there are only blanks.
    pub(super) fn mark(self) -> Option<char> {
        (!self.mixed).then_some(self.mark)
    }

    /// What separates groups of one number, if it can: one kind of character and no line break.
    pub(super) fn grouping(self) -> Option<char> {
        (!self.mixed && !self.comma && !self.is_none()).then_some(self.mark)
    }
}

/// A run of letters or of digits.
#[derive(Debug)]
pub(super) enum Token {
    Word(Word),
    Number(Number),
}

/// Bits of a letter in a packed word: A is 1, Z 26, all unknown ones 27.
pub(super) const BITS: u32 = 5;
/// Letters that a packed word holds.
pub(super) const PACKED: u32 = 12;

/// A run of letters, folded to Latin capitals.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    pub(super) gap: Gap,
    /// Where it begins and ends, in bytes.
    pub(super) place: Place,
    /// How many letters.
    pub(super) len: usize,
    /// The first letters, from the highest bits down, so that words sort as their letters do.
    pub(super) head: u64,
    /// The last letters, the last one in the lowest bits, with L as I: they look alike.
    pub(super) end: u64,
    /// A digit follows at once.
    pub(super) before_digit: bool,
    /// All letters are A to Z.
    pub(super) ascii: bool,
    /// All letters are Cyrillic.
    pub(super) cyrillic: bool,
    /// It has a letter that only Azerbaijani has in Cyrillic.
    pub(super) azerbaijani: bool,
}

/// A run of decimal digits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number {
    pub(super) gap: Gap,
    /// Where it begins and ends, in bytes.
    pub(super) place: Place,
    /// How many digits.
    pub(super) len: usize,
    /// Their value, or of more than 17 digits that of the last ones, nine or more.
    pub(super) value: u64,
    /// It begins with 0.
    pub(super) leading_zero: bool,
}

/// `letters` (A to Z, at most 12) as [`Word::end`] holds them.
pub(super) const fn packed_end(letters: &str) -> u64 {
    let bytes = letters.as_bytes();
    let mut packed = 0;
    let mut at = 0;
    while at < bytes.len() {
        packed = packed << BITS | (bytes[at] - b'A' + 1) as u64;
        at += 1;
    }
    packed
}

impl Word {
    pub(super) const EMPTY: Self = Self {
        gap: Gap::NONE,
        place: Place { start: 0, end: 0 },
        len: 0,
        head: 0,
        end: 0,
        before_digit: false,
        ascii: true,
        cyrillic: true,
        azerbaijani: false,
    };

    #[inline]
    pub(super) fn push(&mut self, letter: u8, script: Script) {
        self.push_letter(letter);
        self.ascii &= script == Script::Ascii;
        self.cyrillic &= matches!(script, Script::Cyrillic | Script::Azerbaijani);
        self.azerbaijani |= script == Script::Azerbaijani;
    }

    #[inline]
    fn push_letter(&mut self, letter: u8) {
        let code = u64::from(letter.wrapping_sub(b'A').min(26)) + 1;
        if self.len < PACKED as usize {
            self.head |= code << (BITS * (PACKED - 1 - self.len as u32));
        }
        const L: u64 = 12;
        const I: u64 = 9;
        self.end = self.end << BITS | if code == L { I } else { code };
        self.len += 1;
    }

    /// How many letters at the end can be digits: O, I and L; at most as many as a packed word holds.
    pub(super) fn digits_at_end(&self) -> usize {
        const O: u64 = 15;
        const I: u64 = 9;
        (0..self.len.min(PACKED as usize))
            .take_while(|&at| matches!(self.end_without(at) & 31, O | I))
            .count()
    }

    /// The word without its last `letters`, as [`end`](Self::end).
    pub(super) fn end_without(&self, letters: usize) -> u64 {
        self.end.checked_shr(BITS * letters as u32).unwrap_or(0)
    }

    /// Whether the word without its last `letters` ends with `packed`, of `len` letters.
    pub(super) fn ends_with(&self, letters: usize, packed: u64, len: usize) -> bool {
        letters + len <= (PACKED as usize).min(self.len)
            && self.end_without(letters) & ((1 << (BITS * len as u32)) - 1) == packed
    }

    /// The last `letters`, all of them O, I or L, as digits that touch what is before them.
    pub(super) fn as_number(&self, letters: usize) -> Number {
        const O: u64 = 15;
        let mut value = 0;
        for at in (0..letters.min(PACKED as usize)).rev() {
            value = value * 10 + u64::from(self.end_without(at) & 31 != O);
        }
        let gap = if letters == self.len { self.gap } else { Gap::NONE };
        let leading_zero = self.end_without(letters.saturating_sub(1)) & 31 == O;
        Number { gap, place: self.place, len: letters, value, leading_zero }
    }
}

impl Number {
    /// Appends the digits of `other`, which touch these.
    pub(super) fn join(&mut self, other: &Self) {
        for at in (0..other.len.min(18)).rev() {
            self.push((other.value / 10_u64.pow(at as u32) % 10) as u8);
        }
        self.len += other.len.saturating_sub(18);
    }

    fn push(&mut self, digit: u8) {
        self.len += 1;
        if self.value >= 10_u64.pow(17) {
            self.value %= 10_u64.pow(9);
        }
        self.value = self.value * 10 + u64::from(digit);
    }
}

/// The tokens of a text, in one pass: no character is looked at twice.
pub(super) struct Tokens<'a> {
    chars: Chars<'a>,
    /// Bytes of the text.
    len: usize,
    /// The glyph that ended the last token, and where it begins.
    ahead: Option<(Glyph, usize)>,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { chars: text.chars(), len: text.len(), ahead: None }
    }

    /// How many bytes have been taken.
    #[inline]
    fn at(&self) -> usize {
        self.len - self.chars.as_str().len()
    }

    /// The next glyph that is something, and where it begins.
    #[inline]
    fn glyph(&mut self) -> Option<(Glyph, usize)> {
        loop {
            let start = self.at();
            match Glyph::of(self.chars.next()?) {
                Glyph::Nothing => {}
                glyph => return Some((glyph, start)),
            }
        }
    }

    /// Takes the letters from A to Z that come next, which most are.
    #[inline]
    fn ascii(&mut self, word: &mut Word) {
        let rest = self.chars.as_str();
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic);
        let mut count = 0;
        for letter in letters {
            word.push_letter(letter.to_ascii_uppercase());
            count += 1;
        }
        if count > 0 {
            word.cyrillic = false;
            self.chars = rest.get(count..).unwrap_or_default().chars();
        }
    }

    /// Where the last token ended.
    fn end(&self) -> usize {
        self.ahead.as_ref().map_or(self.len, |&(_, start)| start)
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    #[inline]
    fn next(&mut self) -> Option<Token> {
        let mut gap = Gap::NONE;
        let (mut glyph, mut start) = match self.ahead.take() {
            Some(ahead) => ahead,
            None => {
                // What begins the text touches nothing.
                gap.push(' ');
                self.glyph()?
            }
        };
        while let Glyph::Gap(c) = glyph {
            gap.push(c);
            (glyph, start) = self.glyph()?;
        }
        if let Glyph::Digit(first) = glyph {
            let leading_zero = first == 0;
            let place = Place::of(start, start);
            let mut number = Number { gap, place, len: 1, value: u64::from(first), leading_zero };
            self.ahead = loop {
                match self.glyph() {
                    Some((Glyph::Digit(digit), _)) => number.push(digit),
                    ahead => break ahead,
                }
            };
            number.place = Place::of(start, self.end());
            return Some(Token::Number(number));
        }
        let mut word = Word { gap, ..Word::EMPTY };
        if let Glyph::Letter(letter, script) = glyph {
            word.push(letter, script);
        }
        self.ascii(&mut word);
        let mut ahead = self.glyph();
        while let Some((Glyph::Letter(letter, script), _)) = ahead {
            word.push(letter, script);
            self.ascii(&mut word);
            ahead = self.glyph();
        }
        word.before_digit = matches!(ahead, Some((Glyph::Digit(_), _)));
        self.ahead = ahead;
        word.place = Place::of(start, self.end());
        Some(Token::Word(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_stand_one_behind_the_other() {
        for text in ["AZE 1234 ".repeat(5_000), "a".repeat(40_000), "0 ".repeat(20_000), "ə12*".repeat(9_000)]
        {
            let mut end = 0;
            for token in Tokens::new(&text) {
                let place = match token {
                    Token::Word(word) => word.place,
                    Token::Number(number) => number.place,
                };
                assert!(end <= place.start && place.start < place.end, "{place:?} behind {end}");
                end = place.end;
            }
            assert!(end as usize <= text.len());
        }
    }

    #[test]
    fn digits_join_as_if_they_had_been_written_together() {
        let number = |digits: &str| match Tokens::new(digits).next() {
            Some(Token::Number(number)) => number,
            other => panic!("{other:?}"),
        };
        let mut joined = number("2");
        joined.join(&number("0000"));
        joined.join(&number("001"));
        assert_eq!((joined.len, joined.value), (8, 20_000_001));
    }
}
