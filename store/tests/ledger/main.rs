//! The ledger: what is committed is there after whatever happens, and nothing else is.

// The configuration that allows it in tests does not reach their helpers.
#![allow(clippy::unwrap_used)]

mod beside;
mod crash;
mod dump;
mod entries;
mod files;
mod records;
mod retention;
mod room;
mod rotation;
