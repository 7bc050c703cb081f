//! `icaze demo`: a country on one machine, whose phones text through real SMPP on loopback.
//!
//! [`crowd`] says what is texted next, [`book`] what has become of it, [`conversation`] what of it is shown, [`outcomes`]
//! which outcome a reply tells, [`mod@line`] what is typed: these are pure. [`operator`] binds and carries texts,
//! [`screen`] and [`keyboard`] are the terminal, [`country`] is what the gateway starts with, and [`show`] is all of
//! them together.

pub mod book;
pub mod conversation;
pub mod country;
pub mod crowd;
pub mod keyboard;
pub mod line;
pub mod operator;
pub mod outcomes;
pub mod screen;
pub mod show;
pub mod spelling;
