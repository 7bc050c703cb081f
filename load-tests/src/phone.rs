//! The phones: as many as messages, so that the phone a reply is for tells which message it answers.

use std::io::Write as _;

/// How many there are.
const PHONES: u64 = 1_000_000_000;
/// Digits of a number: the country's three and nine more.
pub(crate) const DIGITS: usize = 12;

/// Numbers in a row, wrapping round. Runs that begin elsewhere do not repeat each other's messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Phones {
    first: u64,
}

impl Phones {
    /// The phones of a run.
    pub(crate) const fn of(seed: u64) -> Self {
        Self { first: crate::random::Random::of(seed, 0).below(PHONES) }
    }

    /// The `index`th phone, in E.164 without `+`.
    pub(crate) fn digits(self, index: u64) -> [u8; DIGITS] {
        let mut digits = [0; DIGITS];
        // Twelve digits fit.
        let _ = write!(&mut digits[..], "994{:09}", (self.first + index) % PHONES);
        digits
    }

    /// Which phone has these digits.
    pub(crate) fn index(self, digits: &[u8]) -> Option<u64> {
        let national = std::str::from_utf8(digits).ok()?.strip_prefix("994")?;
        if digits.len() != DIGITS || !national.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let number: u64 = national.parse().ok()?;
        Some((number + PHONES - self.first) % PHONES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phone_is_found_again_by_its_digits() {
        for seed in 0..50 {
            let phones = Phones::of(seed);
            for index in [0, 1, 999, 123_456_789, PHONES - 1] {
                assert_eq!(phones.index(&phones.digits(index)), Some(index));
            }
        }
        assert_eq!(Phones::of(1).index(b"99450123456"), None, "too short");
        assert_eq!(Phones::of(1).index(b"994+00000001"), None);
        assert_eq!(Phones::of(1).index(b"8103"), None);
    }
}
