//! The ledger: what is committed is there after whatever happens, and nothing else is.

mod crash;
mod entries;
mod files;
mod records;
mod room;
