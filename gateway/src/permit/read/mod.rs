//! From a citizen's text to a request.
//!
//! Characters fold into digits and Latin capitals by what they look or sound like (`glyph`); these form runs of
//! letters and of digits (`token`); a known series and the digits after it form a serial (`serial`); of the
//! digits that are left, one is the purpose (`purpose`), with the help of the few words that matter (`word`).
//! There must be exactly one of each. The rules:
//!
//! * Between and around the pieces may stand anything, or nothing: `2AZE12345678`, `AZE 1234-5678 kod:2`.
//! * After a series, O is 0 and I and l are 1 where they touch a digit. No other letter is taken for a digit: a guess
//!   could name someone else's document. A serial with a digit too many or too few is never mended.
//! * `AZE` has seven or eight digits, so `AZE1234567 2` is read with purpose 2, and `AZE123456782` not at all.
//! * The purpose is the digit after a word such as `kod`; else a digit alone (`02` too); else one beside another word;
//!   else one in letters. Times, dates, phone numbers, measures and addresses are no purposes. Several are no purpose.
//! * The same serial twice is one. The example's serial beside one's own is ignored, with the purpose before it.
//! * A text with `LƏĞV` or `STATUS` is no request for a permit.
//! * `AZ`, `EN` and `RU` choose the language, the last one if there are several; else any word in Cyrillic letters
//!   chooses Russian, but not the letters of a series.

mod glyph;
mod names;
mod purpose;
mod reader;
mod serial;
mod token;
mod word;

use std::fmt;

use icaze_store::ledger::Language;
use icaze_store::{Document, Reason};

pub use self::names::PurposeNames;
use self::reader::Reader;
use self::token::{Token, Tokens};
use super::Request;
use super::code::Code;

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
    /// The series that was typed, where there is exactly one: `AZE`. A help's example is in it.
    pub series: Option<&'static str>,
    /// What a text that is no request holds of one.
    pub partial: Partial,
}

/// What a text that is no request holds of one: what a question can be asked about, and what
/// answers a question that was asked before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partial {
    /// Nothing of a request; also what a whole request has.
    Nothing,
    /// A purpose and no document: `2`, `iki`, `2-ci`, `ərzaq`. With the end of a serial in `2 001`.
    Purpose(u8, Option<Tail>),
    /// One document and no purpose.
    Document(Document),
    /// A purpose and a number of as many digits as several series have.
    Number {
        /// The purpose, 0 to 9.
        purpose: u8,
        /// The number.
        number: u32,
        /// How many digits it has.
        digits: u8,
    },
    /// One request, whose document the citizen has to confirm.
    Doubtful(Request),
    /// A series and nothing else: `AA`.
    Series(&'static str),
    /// Yes, and nothing else.
    Yes,
    /// No, and nothing else.
    No,
    /// The code of a permit, in a reply of ours that came back.
    Forwarded(Code),
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
    /// A document, and several purposes.
    TwoPurposes,
    /// A number of a document's length without a series, or with one that cannot be read.
    Series,
    /// The number of a passport or a certificate.
    Passport,
    /// A permit for another day: `sabah`.
    Later,
    /// A reply of ours that came back.
    Forwarded,
    /// A request whose document has to be confirmed.
    Confirm,
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
            Self::TwoPurposes => Reason::TwoPurposes,
            Self::Series => Reason::Series,
            Self::Passport => Reason::Passport,
            Self::Later => Reason::Later,
            Self::Forwarded => Reason::Forwarded,
            Self::Confirm => Reason::Confirm,
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

/// Reads a citizen's text; `names` are the purposes' names in the regimes. Total: any text has a
/// reading. One pass, without allocation.
#[must_use]
pub fn read(text: &str, _names: &PurposeNames) -> Reading {
    let mut reader = Reader::default();
    for token in Tokens::new(text.chars()) {
        match token {
            Token::Word(word) => reader.word(&word),
            Token::Number(number) => reader.number(&number),
        }
    }
    reader.finish()
}
