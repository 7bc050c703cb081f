//! The phones: as many as messages, so that the phone a reply is for tells which message it answers.

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
        let mut digits = *b"994000000000";
        write_digits((self.first + index) % PHONES, &mut digits[3..]);
        digits
    }

    /// Which phone has these digits.
    pub(crate) fn index(self, digits: &[u8]) -> Option<u64> {
        let national = digits.strip_prefix(b"994").filter(|_| digits.len() == DIGITS)?;
        let number = national.iter().try_fold(0, |number, digit| {
            digit.is_ascii_digit().then(|| 10 * number + u64::from(digit - b'0'))
        })?;
        Some((number + PHONES - self.first) % PHONES)
    }
}

/// Appends the last `width` digits of `number`.
pub(crate) fn put_digits(number: u64, width: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + width, b'0');
    write_digits(number, out.get_mut(start..).unwrap_or_default());
}

/// Writes as many of the last digits of `number` as there is room for.
fn write_digits(mut number: u64, room: &mut [u8]) {
    for place in room.iter_mut().rev() {
        *place = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
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
