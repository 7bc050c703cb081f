//! Sessions against each other, and against hostile octets, in virtual time.
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, which the helpers here are not to clippy"
)]

mod bind;
mod hostile;
mod messages;
mod pair;
mod timers;
