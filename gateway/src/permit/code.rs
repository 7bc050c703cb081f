//! Permit codes: short, unique, not guessable from each other, and safe to read out and to type.
//!
//! A code is a counter of its node, hidden by a keyed permutation, in seven characters of Crockford's base32 and a
//! check character. The permutation is an unbalanced Feistel network over 17 + 18 bits whose round function is
//! SipHash-2-4: a bijection whatever the round function gives, so two counters never share a code. It hides the order and
//! number of permits from those who read codes; it proves nothing: the register of permits is the truth.

use std::fmt;
use std::str::FromStr;

use siphasher::sip::SipHasher24;

/// Crockford's base32: no I, L, O or U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

const DATA_CHARACTERS: u32 = 7;
const DATA_BITS: u32 = 5 * DATA_CHARACTERS;
const COUNTER_BITS: u32 = 31;
const LEFT_BITS: u32 = 17;
const RIGHT_BITS: u32 = DATA_BITS - LEFT_BITS;
const ROUNDS: u8 = 8;

/// A permit's code: 40 bits, of which the last five are the check character.
///
/// `Display` writes `XXXX-XXXX`; `Debug` redacts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(u64);

/// Why a text is no [`Code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Not eight characters, dashes and spaces apart.
    #[error("a permit code has eight characters")]
    Length,
    /// A character that codes do not have.
    #[error("a permit code has only digits and the letters A-Z without U")]
    Character,
    /// The check character does not fit: mistyped.
    #[error("the permit code is mistyped: its last character does not fit the others")]
    Check,
}

impl Code {
    /// The code that a ledger holds; `None` if it is none.
    #[must_use]
    pub fn from_u64(bits: u64) -> Option<Self> {
        let data = bits >> 5;
        (data < 1 << DATA_BITS && Self::of(data).0 == bits).then_some(Self(bits))
    }

    /// The 40 bits for the ledger.
    #[must_use]
    pub fn as_u64(self) -> u64 {
        self.0
    }

    /// The code as citizens read it, in ASCII: `XXXX-XXXX`.
    #[must_use]
    pub fn letters(self) -> [u8; 9] {
        let mut letters = [b'-'; 9];
        let places = (0..=DATA_CHARACTERS).rev();
        let gap = |at: &usize| *at != 4;
        for (at, place) in (0..9).filter(gap).zip(places) {
            let letter = usize::try_from(self.0 >> (5 * place) & 31).ok().and_then(|at| ALPHABET.get(at));
            if let (Some(slot), Some(letter)) = (letters.get_mut(at), letter) {
                *slot = *letter;
            }
        }
        letters
    }

    fn of(data: u64) -> Self {
        Self(data << 5 | check(data))
    }
}

/// The check character: the eighth element that makes the code's polynomial over GF(32) zero at the generator. The
/// positions' weights are distinct powers of the generator, so that neither one wrong character nor two exchanged ones
/// leave it zero.
fn check(data: u64) -> u64 {
    let characters = (0..DATA_CHARACTERS).rev().map(|place| data >> (5 * place) & 31);
    characters.fold(0, |sum, character| times_generator(sum ^ character))
}

/// Multiplication by the generator x of GF(32) = GF(2)\[x\] / (x⁵ + x² + 1).
fn times_generator(element: u64) -> u64 {
    let shifted = element << 1;
    if shifted > 31 { shifted ^ 0b10_0101 } else { shifted }
}

impl FromStr for Code {
    type Err = CodeError;

    /// Folds case, takes O for 0 and I and L for 1, and passes over spaces and dashes.
    fn from_str(text: &str) -> Result<Self, CodeError> {
        let mut bits = 0;
        let mut length = 0;
        for character in text.chars().filter(|&c| !c.is_whitespace() && !is_dash(c)) {
            length += 1;
            if length > DATA_CHARACTERS + 1 {
                return Err(CodeError::Length);
            }
            bits = bits << 5 | value(character).ok_or(CodeError::Character)?;
        }
        if length != DATA_CHARACTERS + 1 {
            return Err(CodeError::Length);
        }
        Self::from_u64(bits).ok_or(CodeError::Check)
    }
}

/// The hyphen-minus, and what phones and word processors make of it.
fn is_dash(character: char) -> bool {
    matches!(character, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

fn value(character: char) -> Option<u64> {
    let folded = match character.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let place = ALPHABET.iter().position(|&letter| char::from(letter) == folded)?;
    u64::try_from(place).ok()
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.letters()).unwrap_or_default())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

/// The secret that turns counters into codes. All nodes of one installation share it, so that their codes never meet;
/// it must not change while a code made with it is kept. `Debug` redacts.
#[derive(Clone)]
pub struct CodeKey([u8; 16]);

impl CodeKey {
    /// Counters lie below this: at 50 M permits a day a node has 42 days, at a million 5.8 years.
    pub const COUNTER_END: u32 = 1 << COUNTER_BITS;
    /// Nodes lie below this.
    pub const NODE_END: u8 = 16;

    /// A key of 128 random bits.
    #[must_use]
    pub fn new(key: [u8; 16]) -> Self {
        Self(key)
    }

    /// The code of a node's permit number `counter`; `None` if either is out of bounds.
    #[must_use]
    pub fn code(&self, node: u8, counter: u32) -> Option<Code> {
        if counter >= Self::COUNTER_END {
            return None;
        }
        self.codes(node, counter).map(|[code]| code)
    }

    /// The codes of a node's permits from number `first` on; after the last number comes the first. `None` if `node` is out of
    /// bounds.
    ///
    /// Round by round for all of them: a round waits for the one before it, but not for another code's.
    #[must_use]
    pub fn codes<const N: usize>(&self, node: u8, first: u32) -> Option<[Code; N]> {
        if node >= Self::NODE_END {
            return None;
        }
        let mut all = std::array::from_fn(|place| {
            let counter = (u64::from(first) + place as u64) % u64::from(Self::COUNTER_END);
            u64::from(node) << COUNTER_BITS | counter
        });
        for round in 0..ROUNDS {
            for data in &mut all {
                *data = self.round(round, *data);
            }
        }
        Some(all.map(Code::of))
    }

    /// The node and the counter that a code was made of.
    #[must_use]
    pub fn origin(&self, code: Code) -> (u8, u32) {
        let plain = self.restore(code.0 >> 5);
        // Both fit: a code has 35 bits beside its check character.
        let node = u8::try_from(plain >> COUNTER_BITS).unwrap_or(u8::MAX);
        (node, u32::try_from(plain % (1 << COUNTER_BITS)).unwrap_or(u32::MAX))
    }

    fn restore(&self, data: u64) -> u64 {
        (0..ROUNDS).rev().fold(data, |data, round| self.round(round, data))
    }

    /// Changes one part by the other; done again, it undoes itself.
    fn round(&self, round: u8, data: u64) -> u64 {
        let (left, right) = (data >> RIGHT_BITS, data % (1 << RIGHT_BITS));
        if round.is_multiple_of(2) {
            data ^ (self.mix(round, right) % (1 << LEFT_BITS)) << RIGHT_BITS
        } else {
            data ^ (self.mix(round, left) % (1 << RIGHT_BITS))
        }
    }

    fn mix(&self, round: u8, part: u64) -> u64 {
        SipHasher24::new_with_key(&self.0).hash(&(part << 8 | u64::from(round)).to_le_bytes())
    }
}

impl fmt::Debug for CodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn key() -> CodeKey {
        CodeKey::new(*b"a key for tests.")
    }

    fn letters(code: Code) -> Vec<u8> {
        code.to_string().bytes().filter(|&letter| letter != b'-').collect()
    }

    fn parse(letters: &[u8]) -> Result<Code, CodeError> {
        std::str::from_utf8(letters).unwrap().parse()
    }

    #[test]
    fn codes_of_one_key_and_counter_never_change() {
        // Codes in ledgers and on phones depend on it.
        let codes: Vec<_> = [(0, 0), (0, 1), (3, 1), (15, CodeKey::COUNTER_END - 1)]
            .map(|(node, counter)| key().code(node, counter).unwrap().to_string())
            .into();
        assert_eq!(codes, ["KTDW-AKB4", "G6K7-W4KW", "SWFZ-ZBD4", "R3M8-AE4X"]);
    }

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let code = Code::of(0b00000_00001_00000_00001_01010_10001_11111);
        assert_eq!(code.to_string(), "0101-AHZN");
        for typed in ["0101-ahzn", " o1oi ahzn ", "OLOI—AHZN", "0-1-0-1-A-H-Z-N", "0101AHZN"] {
            assert_eq!(typed.parse(), Ok(code), "{typed}");
        }
        assert_eq!("0101-AHZ".parse::<Code>(), Err(CodeError::Length));
        assert_eq!("0101-AHZNN".parse::<Code>(), Err(CodeError::Length));
        assert_eq!("0101-AHUN".parse::<Code>(), Err(CodeError::Character));
        assert_eq!("0101-AHəN".parse::<Code>(), Err(CodeError::Character));
        assert_eq!("0101-AHZE".parse::<Code>(), Err(CodeError::Check));
    }

    #[test]
    fn neither_code_nor_key_is_shown_by_debug() {
        assert_eq!(format!("{:?} {:?}", Code::of(7), key()), "Code(…) CodeKey(…)");
    }

    #[test]
    fn bounds_are_kept() {
        assert_eq!(key().code(16, 0), None);
        assert_eq!(key().code(0, CodeKey::COUNTER_END), None);
        assert_eq!(key().codes::<1>(16, 0), None);
        let last = CodeKey::COUNTER_END - 1;
        assert_eq!(key().codes(2, last), Some([last, 0, 1].map(|counter| key().code(2, counter).unwrap())));
        assert_eq!(Code::from_u64(u64::MAX), None);
        assert_eq!(Code::from_u64(1 << 40), None);
    }

    #[test]
    fn consecutive_counters_differ_in_many_characters() {
        let codes: Vec<_> = (0..20_000).map(|counter| letters(key().code(1, counter).unwrap())).collect();
        assert_eq!(codes.iter().collect::<HashSet<_>>().len(), codes.len());
        let same = |pair: &[Vec<u8>]| pair[0].iter().zip(&pair[1]).filter(|(a, b)| a == b).count();
        let total: usize = codes.windows(2).map(same).sum();
        // By chance one of 32 characters is the same: 5,000 of 160,000.
        assert!((4_600..5_400).contains(&total), "{total}");
    }

    proptest! {
        #[test]
        fn the_permutation_is_undone(node in 0..16_u8, counter in 0..CodeKey::COUNTER_END, bytes: [u8; 16]) {
            let key = CodeKey::new(bytes);
            let code = key.code(node, counter).unwrap();
            prop_assert_eq!(key.origin(code), (node, counter));
            prop_assert_eq!(Code::from_u64(code.as_u64()), Some(code));
            prop_assert_eq!(code.to_string().parse(), Ok(code));
        }

        #[test]
        fn every_wrong_character_and_every_exchange_of_neighbours_is_caught(data in 0..1_u64 << DATA_BITS) {
            let right = letters(Code::of(data));
            for place in 0..right.len() {
                for &letter in ALPHABET {
                    let mut typed = right.clone();
                    typed[place] = letter;
                    prop_assert_eq!(parse(&typed).is_ok(), letter == right[place]);
                }
            }
            for place in 1..right.len() {
                let mut typed = right.clone();
                typed.swap(place - 1, place);
                prop_assert_eq!(parse(&typed).is_ok(), typed == right);
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,24}") {
            let _ = text.parse::<Code>();
        }
    }
}
