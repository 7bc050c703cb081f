//! The series and number of an identity document.

use std::fmt;
use std::str::FromStr;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The serial of an identity document: one to three Latin capitals and five to nine digits, as in `AZE12345678`.
///
/// Leading zeros count: `AA0000001` and `AA000001` are different documents. `Debug` redacts; `Display` does not,
/// so that only a reply, a dump or an officer's answer shows a serial.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Document {
    series: [u8; 3],
    digits: u8,
    number: u32,
}

/// Why a text is no [`Document`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// The series is not one to three letters `A` to `Z`.
    #[error("a series has one to three letters A-Z")]
    Series,
    /// The number is not five to nine digits.
    #[error("a number has five to nine digits")]
    Number,
}

impl Document {
    /// The example's serial. The register refuses it, and a text with it gets help.
    pub const EXAMPLE: Self = Self { series: *b"AZE", digits: 8, number: 12_345_678 };

    /// Builds a serial from its letters and its digits, both ASCII.
    ///
    /// # Errors
    /// If `series` is not one to three capitals, or `digits` not five to nine decimal digits.
    pub fn new(series: &str, digits: &str) -> Result<Self, DocumentError> {
        let number = if digits.bytes().all(|b| b.is_ascii_digit()) { digits.parse().ok() } else { None };
        Self::from_number(series, number.unwrap_or(u32::MAX), digits.len())
    }

    /// Builds a serial from its letters and its number's value, which is written with so many `digits`.
    ///
    /// # Errors
    /// If `series` is not one to three capitals, `digits` not five to nine, or the number has more digits.
    pub fn from_number(series: &str, number: u32, digits: usize) -> Result<Self, DocumentError> {
        let letters = series.as_bytes();
        if letters.is_empty() || letters.len() > 3 || !letters.iter().all(u8::is_ascii_uppercase) {
            return Err(DocumentError::Series);
        }
        let mut padded = [0; 3];
        for (to, from) in padded.iter_mut().zip(letters) {
            *to = *from;
        }
        match u8::try_from(digits) {
            Ok(digits @ 5..=9) if number < 10_u32.pow(digits.into()) => {
                Ok(Self { series: padded, digits, number })
            }
            _ => Err(DocumentError::Number),
        }
    }

    /// The letters, without padding.
    #[must_use]
    pub fn series(&self) -> &str {
        std::str::from_utf8(self.series_bytes()).unwrap_or_default()
    }

    /// The same as ASCII.
    #[must_use]
    pub fn series_bytes(&self) -> &[u8] {
        let end = self.series.iter().position(|&b| b == 0).unwrap_or(self.series.len());
        self.series.get(..end).unwrap_or_default()
    }

    /// The letters, padded with zero bytes.
    pub(crate) fn padded_series(&self) -> [u8; 3] {
        self.series
    }

    /// The number's value, without its leading zeros.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// How many digits the number is written with, leading zeros included.
    #[must_use]
    pub fn digits(&self) -> u8 {
        self.digits
    }
}

impl FromStr for Document {
    type Err = DocumentError;

    /// Reads the canonical form only: capitals, then digits, nothing between or around them.
    fn from_str(text: &str) -> Result<Self, DocumentError> {
        let letters = text.bytes().take_while(u8::is_ascii_uppercase).count();
        let (series, digits) = text.split_at_checked(letters).ok_or(DocumentError::Series)?;
        Self::new(series, digits)
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:0width$}", self.series(), self.number, width = usize::from(self.digits))
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({}…)", self.series())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_zeros_tell_documents_apart() {
        let long: Document = "AA0000001".parse().unwrap();
        let short: Document = "AA000001".parse().unwrap();
        assert_ne!(long, short);
        assert_eq!(long.to_string(), "AA0000001");
        assert_eq!(short.to_string(), "AA000001");
    }

    #[test]
    fn only_the_canonical_form_is_read() {
        for bad in [
            "",
            "AZE",
            "12345678",
            "aze12345678",
            "AZE 12345678",
            "ABCD1234567",
            "AZE1234",
            "AZE1234567890",
            "AZE1234567x",
        ] {
            assert!(bad.parse::<Document>().is_err(), "{bad:?}");
        }
        assert_eq!("AZE12345678".parse(), Ok(Document::EXAMPLE));
    }

    #[test]
    fn a_number_has_no_more_digits_than_it_is_written_with() {
        assert_eq!(Document::from_number("AA", 1, 7), "AA0000001".parse());
        assert_eq!(Document::from_number("AZE", 999_999_999, 9), "AZE999999999".parse());
        for (number, digits) in [(100_000, 5), (u32::MAX, 9), (1, 4), (1, 10), (1, 256 + 7)] {
            assert_eq!(Document::from_number("AZE", number, digits), Err(DocumentError::Number));
        }
    }

    #[test]
    fn debug_hides_the_number() {
        assert_eq!(format!("{:?}", Document::EXAMPLE), "Document(AZE…)");
    }
}
