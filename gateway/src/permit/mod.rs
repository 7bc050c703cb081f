//! From a citizen's text to a decision and its reply. Pure: no clock, no I/O.
pub mod code;
pub mod decide;
mod latin;
pub mod read;
pub mod reply;
