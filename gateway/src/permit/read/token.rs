//! Runs of letters and of digits, and what lies before each.

use super::glyph::{Glyph, Script};

/// What lies between a token and the one before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gap {
    /// Characters; 0 if the tokens touch.
    len: usize,
    /// The last one.
    last: char,
}

impl Gap {
    const NONE: Self = Self { len: 0, last: ' ' };
    /// Before the first token.
    const START: Self = Self { len: 1, last: ' ' };

    /// The tokens touch, as in `kod2`.
    pub(super) fn is_none(self) -> bool {
        self.len == 0
    }

    /// One character that is no space, as in `14:30`.
    pub(super) fn is_tight(self) -> bool {
        self.len == 1 && !self.last.is_whitespace()
    }

    /// The token begins with this character.
    pub(super) fn ends_with(self, c: char) -> bool {
        self.len > 0 && self.last == c
    }
}

/// A run of letters or of digits.
#[derive(Debug)]
pub(super) enum Token {
    Word(Word),
    Number(Number),
}

/// Bits of a letter in a packed word: A is 1, Z 26, all unknown ones 27.
const BITS: u32 = 5;
/// Letters that a packed word holds.
const PACKED: u32 = 12;

/// A run of letters, folded to Latin capitals.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    pub(super) gap: Gap,
    /// How many letters.
    pub(super) len: usize,
    /// The first letters, from the highest bits down, so that words sort as their letters do.
    pub(super) head: u64,
    /// The last letters, the last one in the lowest bits, with L as I: they look alike.
    pub(super) end: u64,
    /// How many letters at the end can be digits: O, I and L.
    pub(super) digits_at_end: usize,
    /// A digit follows at once.
    pub(super) before_digit: bool,
    /// All letters are A to Z.
    pub(super) ascii: bool,
    /// All letters are Cyrillic.
    pub(super) cyrillic: bool,
}

/// A run of decimal digits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number {
    pub(super) gap: Gap,
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
        len: 0,
        head: 0,
        end: 0,
        digits_at_end: 0,
        before_digit: false,
        ascii: true,
        cyrillic: true,
    };

    #[inline]
    pub(super) fn push(&mut self, letter: u8, script: Script) {
        let code = |letter: u8| u64::from(letter.wrapping_sub(b'A').min(26)) + 1;
        if self.len < PACKED as usize {
            self.head |= code(letter) << (BITS * (PACKED - 1 - self.len as u32));
        }
        self.end = self.end << BITS | code(if letter == b'L' { b'I' } else { letter });
        self.digits_at_end = if matches!(letter, b'O' | b'I' | b'L') { self.digits_at_end + 1 } else { 0 };
        self.len += 1;
        self.ascii &= script == Script::Ascii;
        self.cyrillic &= script == Script::Cyrillic;
    }

    /// The word without its last `letters`, as [`end`](Self::end).
    pub(super) fn end_without(&self, letters: usize) -> u64 {
        self.end.checked_shr(BITS * letters as u32).unwrap_or(0)
    }

    /// Whether the word without its last `letters` ends with `packed`, of `len` letters.
    pub(super) fn ends_with(&self, letters: usize, packed: u64, len: usize) -> bool {
        letters + len <= PACKED as usize
            && self.end_without(letters) & ((1 << (BITS * len as u32)) - 1) == packed
    }

    /// The head of a word of `len` letters that this one begins with.
    pub(super) fn prefix(&self, len: usize) -> u64 {
        let dropped = BITS * PACKED.saturating_sub(len as u32);
        self.head.checked_shr(dropped).unwrap_or(0).checked_shl(dropped).unwrap_or(0)
    }

    /// The last `letters`, all of them O, I or L, as digits that touch what is before them.
    pub(super) fn as_number(&self, letters: usize) -> Number {
        const O: u64 = packed_end("O");
        let mut value = 0;
        for at in (0..letters.min(PACKED as usize)).rev() {
            value = value * 10 + u64::from(self.end_without(at) & 31 != O);
        }
        let gap = if letters == self.len { self.gap } else { Gap::NONE };
        Number { gap, len: letters, value, leading_zero: false }
    }
}

/// The tokens of a text, in one pass.
pub(super) struct Tokens<I> {
    chars: I,
    /// The glyph that ended the last token.
    ahead: Option<Glyph>,
}

impl<I: Iterator<Item = char>> Tokens<I> {
    pub(super) fn new(chars: I) -> Self {
        Self { chars, ahead: None }
    }

    /// The next glyph that is something.
    #[inline]
    fn glyph(&mut self) -> Option<Glyph> {
        loop {
            match Glyph::of(self.chars.next()?) {
                Glyph::Nothing => {}
                glyph => return Some(glyph),
            }
        }
    }
}

impl<I: Iterator<Item = char>> Iterator for Tokens<I> {
    type Item = Token;

    #[inline]
    fn next(&mut self) -> Option<Token> {
        let (mut gap, mut glyph) = match self.ahead.take() {
            Some(glyph) => (Gap::NONE, glyph),
            None => (Gap::START, self.glyph()?),
        };
        while let Glyph::Gap(last) = glyph {
            gap = Gap { len: gap.len + 1, last };
            glyph = self.glyph()?;
        }
        if let Glyph::Digit(first) = glyph {
            let mut number = Number { gap, len: 1, value: u64::from(first), leading_zero: first == 0 };
            self.ahead = loop {
                match self.glyph() {
                    Some(Glyph::Digit(digit)) => {
                        number.len += 1;
                        if number.value >= 10_u64.pow(17) {
                            number.value %= 10_u64.pow(9);
                        }
                        number.value = number.value * 10 + u64::from(digit);
                    }
                    ahead => break ahead,
                }
            };
            return Some(Token::Number(number));
        }
        let mut word = Word { gap, ..Word::EMPTY };
        let mut ahead = Some(glyph);
        while let Some(Glyph::Letter(letter, script)) = ahead {
            word.push(letter, script);
            ahead = self.glyph();
        }
        word.before_digit = matches!(ahead, Some(Glyph::Digit(_)));
        self.ahead = ahead;
        Some(Token::Word(word))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn each_character_is_looked_at_once() {
        for text in ["AZE 1234 ".repeat(5_000), "a".repeat(40_000), "0 ".repeat(20_000), "* ".repeat(20_000)]
        {
            let looks = Cell::new(0);
            let chars = text.chars().inspect(|_| looks.set(looks.get() + 1));
            Tokens::new(chars).for_each(drop);
            assert_eq!(looks.get(), text.chars().count());
        }
    }
}
