//! From a citizen's text to a request.

use std::fmt;

use icaze_store::Reason;
use icaze_store::ledger::Language;

use super::Request;

/// What a text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The language to answer in.
    pub language: Language,
    /// The citizen asked for Latin letters (`LAT`): the phone shows others as boxes.
    pub latin: bool,
    /// The request, or what keeps the text from being one.
    pub request: Result<Request, Help>,
    /// The end of the serial, where the text has exactly one, well-formed or not.
    pub tail: Option<Tail>,
}

/// Why a text is not one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Help {
    /// Nothing looks like a request, or it asks for something else.
    Unreadable,
    /// A document, but no purpose, or several.
    NoPurpose,
    /// A purpose or a bare number, but no document.
    NoDocument,
    /// A known series with too many or too few digits.
    WrongLength,
    /// The personal code (FIN) instead of a serial.
    Fin,
    /// Several documents.
    TwoDocuments,
    /// The example's serial.
    Example,
}

impl Help {
    /// The reason under which the ledger, the metrics and the reply files know it.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Unreadable => Reason::Unreadable,
            Self::NoPurpose => Reason::NoPurpose,
            Self::NoDocument => Reason::NoDocument,
            Self::WrongLength => Reason::WrongLength,
            Self::Fin => Reason::Fin,
            Self::TwoDocuments => Reason::TwoDocuments,
            Self::Example => Reason::Example,
        }
    }
}

/// The last three characters of a serial, as in `*001`: relatives who share a phone tell their answers apart by it.
///
/// Capitals and ASCII digits, whatever look-alikes were typed. `Debug` redacts; `Display` does not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tail([u8; 3]);

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).unwrap_or_default())
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tail(…)")
    }
}

/// Reads a citizen's text. Total: any text has a reading.
#[must_use]
pub fn read(text: &str) -> Reading {
    let _ = text;
    Reading { language: Language::Az, latin: false, request: Err(Help::Unreadable), tail: None }
}
