//! A phone number.

use std::fmt;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A subscriber's number in E.164: one to fifteen digits, country code first, without `+`.
///
/// `Debug` redacts all but the country's first digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct Msisdn(u64);

impl Msisdn {
    /// The shortest number that is taken for a subscriber's; what is shorter is a short code.
    pub const DIGITS_MIN: usize = 7;
    /// E.164 allows no more.
    pub const DIGITS_MAX: usize = 15;

    /// Normalises an address as operators and people write it: `+994 50 123-45-67`, `00994501234567`,
    /// `0994501234567`, `994501234567`, `(050) 123.45.67` and `501234567` are one phone, with
    /// `country` = 994 and national numbers of `national` digits. Returns `None` for short codes,
    /// letters and anything that is not a subscriber's number.
    #[must_use]
    pub fn parse(text: impl AsRef<[u8]>, country: u16, national: usize) -> Option<Self> {
        let mut kept = [0; WRITTEN_MAX];
        let (plus, digits) = digits(text.as_ref(), &mut kept)?;
        let bare = digits.strip_prefix(b"0").unwrap_or(digits);
        let (international, digits) = match digits.strip_prefix(b"00") {
            Some(digits) => (true, digits),
            // Nobody's country code begins with a zero: `+0501234567`.
            None => (plus && !digits.starts_with(b"0"), bare),
        };
        let scale = 10_u64.checked_pow(u32::try_from(national).ok()?)?;
        let home = |digits: &[u8]| Some(Self(u64::from(country) * scale + value(digits)?));
        if !international && digits.len() == national {
            return home(digits);
        }
        // `+994 (0)50 123 45 67`: the zero is dialled at home only.
        if let Some(code) = digits.len().checked_sub(national + 1)
            && let Some((code, [b'0', rest @ ..])) = digits.split_at_checked(code)
            && value(code)? == u64::from(country)
        {
            return home(rest);
        }
        let fits = (Self::DIGITS_MIN..=Self::DIGITS_MAX).contains(&digits.len());
        if fits && !digits.starts_with(b"0") { value(digits).map(Self) } else { None }
    }

    /// The number's digits as one integer.
    #[must_use]
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

/// The longest address that is looked at, in digits: a number with two zeros before it and one in it.
const WRITTEN_MAX: usize = 20;

/// The digits of an address, between which may stand what people write there, and whether a `+`
/// stands before them.
fn digits<'k>(text: &[u8], kept: &'k mut [u8; WRITTEN_MAX]) -> Option<(bool, &'k [u8])> {
    let (mut plus, mut count) = (false, 0);
    for &octet in text {
        match octet {
            b'0'..=b'9' => {
                *kept.get_mut(count)? = octet;
                count += 1;
            }
            b'+' if count == 0 && !plus => plus = true,
            b' ' | b'-' | b'.' | b'(' | b')' | b'/' | b'\t' => {}
            _ => return None,
        }
    }
    Some((plus, kept.get(..count)?))
}

/// What at most [`Msisdn::DIGITS_MAX`] digits say; `None` if one of them is none.
fn value(digits: &[u8]) -> Option<u64> {
    digits
        .iter()
        .try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u64::from(digit - b'0')))
}

impl fmt::Display for Msisdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

impl fmt::Debug for Msisdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Msisdn(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<String> {
        Msisdn::parse(text, 994, 9).map(|phone| phone.to_string())
    }

    #[test]
    fn one_phone_has_many_spellings() {
        for spelling in [
            "+994501234567",
            "00994501234567",
            "0994501234567",
            "994501234567",
            "0501234567",
            "501234567",
            "+994 50 123 45 67",
            "+994-50-123-45-67",
            "+994 (50) 123.45.67",
            "+994 (0) 50 123 45 67",
            "(050) 123-45-67",
            " 50 123 45 67 ",
            "+0501234567",
            "(+994) 50 1234567",
        ] {
            assert_eq!(parse(spelling).as_deref(), Some("+994501234567"), "{spelling}");
        }
        for other in ["+905321234567", "00905321234567", "905321234567", "+90 532 123 45 67"] {
            assert_eq!(parse(other).as_deref(), Some("+905321234567"), "{other}");
        }
    }

    #[test]
    fn short_codes_and_names_are_no_phones() {
        for other in [
            "",
            "+",
            "8103",
            "911",
            "Azercell",
            "+99450a234567",
            "1234567890123456",
            "0000000000",
            "81-03",
            "+8103",
            "50+1234567",
            "*994501234567",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn debug_hides_the_number() {
        assert_eq!(format!("{:?}", Msisdn(994_501_234_567)), "Msisdn(…)");
    }
}
