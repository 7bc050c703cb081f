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

    /// Normalises an address as operators and people write it: `+994501234567`, `00994501234567`, `994501234567`,
    /// `0501234567` and `501234567` are one phone, with `country` = 994 and national numbers of `national` digits.
    /// Returns `None` for short codes, letters and anything that is not a subscriber's number.
    #[must_use]
    pub fn parse(text: impl AsRef<[u8]>, country: u16, national: usize) -> Option<Self> {
        let text = text.as_ref();
        let international = text.strip_prefix(b"+").or_else(|| text.strip_prefix(b"00"));
        let digits = international.unwrap_or(text);
        if digits.is_empty() || digits.len() > Self::DIGITS_MAX {
            return None;
        }
        if international.is_none() {
            let bare = digits.strip_prefix(b"0").unwrap_or(digits);
            if bare.len() == national {
                let scale = 10_u64.checked_pow(u32::try_from(national).ok()?)?;
                return Some(Self(u64::from(country) * scale + value(bare)?));
            }
        }
        if digits.len() < Self::DIGITS_MIN || digits.starts_with(b"0") {
            return None;
        }
        value(digits).map(Self)
    }

    /// The number's digits as one integer.
    #[must_use]
    pub fn as_u64(self) -> u64 {
        self.0
    }
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
        for spelling in ["+994501234567", "00994501234567", "994501234567", "0501234567", "501234567"] {
            assert_eq!(parse(spelling).as_deref(), Some("+994501234567"), "{spelling}");
        }
        assert_eq!(parse("+905321234567").as_deref(), Some("+905321234567"));
    }

    #[test]
    fn short_codes_and_names_are_no_phones() {
        for other in ["", "+", "8103", "911", "Azercell", "+99450a234567", "1234567890123456", "0000000000"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn debug_hides_the_number() {
        assert_eq!(format!("{:?}", Msisdn(994_501_234_567)), "Msisdn(…)");
    }
}
