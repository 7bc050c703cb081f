//! From a citizen's text to a request: one reading or none.
//!
//! 1. Characters fold into digits and Latin capitals by what they look or sound like (`glyph`), and
//!    form runs of letters and of digits (`token`).
//! 2. Runs become pieces: numbers, series, and words with their meaning (`piece`, `lexicon`). What is
//!    known of a country's documents, telephone numbers and words is its file, `azerbaijan.toml`.
//! 3. Every number gets its role: telephone number, time, date, what a word counts or names
//!    (`claim`); digits of a document (`serial`, `groups`).
//! 4. What is left may be the purpose, with the evidence that each has (`purpose`).
//! 5. A request is read where exactly one document and one purpose are left (`resolve`). No digit of
//!    a document and no purpose is guessed: a text that a person could read in two ways gets help.
//!
//! The keywords and words that choose the language of the answer are in `language`. Each step is one
//! pass over the text or over its at most 96 pieces, and allocates nothing.

mod canonical;
mod claim;
mod glyph;
mod groups;
mod language;
mod lexicon;
mod names;
mod piece;
mod purpose;
mod resolve;
mod serial;
mod token;

use std::fmt;

use icaze_store::ledger::Language;
use icaze_store::{Document, Reason};

pub use self::names::PurposeNames;
use self::piece::Pieces;
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
    /// Where a request's purpose and its serial stand.
    pub places: Option<(Place, Place)>,
}

/// A stretch of a text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The first byte.
    pub start: u32,
    /// The first byte behind it.
    pub end: u32,
}

impl Place {
    fn of(start: usize, end: usize) -> Self {
        let bytes = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: bytes(start), end: bytes(end) }
    }
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
/// reading. Linear, without allocation.
#[must_use]
pub fn read(text: &str, names: &PurposeNames) -> Reading {
    if let Some(reading) = canonical::read(text) {
        return reading;
    }
    read_in_pieces(text, names)
}

/// Reads a text by all the rules.
fn read_in_pieces(text: &str, names: &PurposeNames) -> Reading {
    let mut pieces = Pieces::default();
    for token in Tokens::new(text) {
        match token {
            Token::Word(word) => pieces.word(&word, names),
            Token::Number(number) => pieces.number(&number),
        }
    }
    pieces.finish();
    claim::assign(&mut pieces.all);
    let serials = serial::Serials::find(&mut pieces.all);
    resolve::resolve(text, &pieces, &serials)
}
