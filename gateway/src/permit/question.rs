//! What a citizen is asked when one thing of a request is missing, and what answers it. Pure.

use icaze_store::Document;

use super::Request;
use super::read::{Help, Partial, Reading, Tail};

/// The series, and how many digits their numbers have.
const SERIES: [(&str, u8); 5] = [("AZE", 8), ("AA", 7), ("MYI", 7), ("DYI", 7), ("MOM", 7)];

/// A request but for one thing, which is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Which purpose?
    Purpose(Document),
    /// Which series has the number?
    Series {
        /// The purpose, 0 to 9.
        purpose: u8,
        /// The number.
        number: u32,
        /// How many digits it has.
        digits: u8,
    },
    /// Is this what was meant?
    Confirm(Request),
    /// Which document, for this purpose?
    Document(u8),
}

/// What a text is to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// None: the text is for itself.
    Nothing,
    /// What was missing.
    Completes(Request),
    /// The request that was read is not what was meant.
    Denies,
    /// A digit where a yes or a no was asked for. It is never a yes.
    Digit,
}

impl Question {
    /// What a text with this reading has the citizen asked, if one thing only is missing.
    #[must_use]
    pub fn of(reading: &Reading) -> Option<Self> {
        match (reading.request.err()?, reading.partial) {
            (Help::NoPurpose, Partial::Document(document)) => Some(Self::Purpose(document)),
            (Help::Series, Partial::Number { purpose, number, digits }) => {
                Some(Self::Series { purpose, number, digits })
            }
            (Help::Confirm, Partial::Doubtful(request)) => Some(Self::Confirm(request)),
            (Help::NoDocument, Partial::Purpose(purpose, None)) => Some(Self::Document(purpose)),
            _ => None,
        }
    }

    /// What a text with this reading is to it. A document answers where only the purpose is missing: not
    /// beside a word that takes it back.
    #[must_use]
    pub fn answer(&self, reading: &Reading) -> Answer {
        match (*self, reading.partial) {
            (_, Partial::Document(_)) if reading.request != Err(Help::NoPurpose) => Answer::Nothing,
            (Self::Purpose(document), Partial::Purpose(purpose, tail))
                if tail.is_none_or(|tail| ends_with(document, tail)) =>
            {
                Answer::Completes(Request { purpose, document })
            }
            (Self::Series { purpose, number, digits }, Partial::Series(series))
                if SERIES.contains(&(series, digits)) =>
            {
                let document = Document::from_number(series, number, digits.into());
                document.map_or(Answer::Nothing, |document| Answer::Completes(Request { purpose, document }))
            }
            (Self::Series { purpose, number, digits }, Partial::Document(document))
                if (number, digits) == (document.number(), document.digits()) =>
            {
                Answer::Completes(Request { purpose, document })
            }
            (Self::Confirm(request), Partial::Document(document)) if document == request.document => {
                Answer::Completes(request)
            }
            (Self::Confirm(request), Partial::Yes) => Answer::Completes(request),
            (Self::Confirm(_), Partial::No) => Answer::Denies,
            (Self::Confirm(_), Partial::Purpose(_, None)) => Answer::Digit,
            (Self::Document(purpose), Partial::Document(document)) => {
                Answer::Completes(Request { purpose, document })
            }
            _ => Answer::Nothing,
        }
    }

    /// Whether it could have become this request.
    #[must_use]
    pub fn fits(&self, request: &Request) -> bool {
        let Request { purpose: asked, document: of } = *request;
        match *self {
            Self::Purpose(document) => document == of,
            Self::Series { purpose, number, digits } => {
                (purpose, number, digits) == (asked, of.number(), of.digits())
            }
            Self::Confirm(doubtful) => doubtful == *request,
            Self::Document(purpose) => purpose == asked,
        }
    }

    /// Whether it stays open beside a newer one, which the same answers may be meant for. A newer purpose
    /// alone corrects the older one.
    #[must_use]
    pub fn stays_beside(&self, newer: &Self) -> bool {
        self != newer && self.help() == newer.help() && !matches!(newer, Self::Document(_))
    }

    /// The help that asks it.
    #[must_use]
    pub const fn help(&self) -> Help {
        match self {
            Self::Purpose(_) => Help::NoPurpose,
            Self::Series { .. } => Help::Series,
            Self::Confirm(_) => Help::Confirm,
            Self::Document(_) => Help::NoDocument,
        }
    }
}

fn ends_with(document: Document, tail: Tail) -> bool {
    document.to_string().ends_with(&tail.to_string())
}
