//! From a citizen's text to a decision and its reply. Pure: no clock, no I/O.

pub mod answer;
pub mod code;
pub mod decide;
pub(crate) mod latin;
pub mod moment;
pub mod question;
pub mod read;
pub mod reply;
pub mod rules;

use icaze_store::Document;

/// What a citizen asks for: a permit for one purpose, for the holder of one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The purpose's digit, 0 to 9. Whether there is such a purpose is for the regime to say.
    pub purpose: u8,
    /// The serial that was read.
    pub document: Document,
}
