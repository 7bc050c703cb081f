//! Allowances that several gateways share, in Redis or Valkey in cluster mode.
//!
//! A node reserves a person's allowance, syncs its own ledger, confirms, and only then acknowledges. The ledger stays the
//! truth: what Redis loses in a failover is confirmed again from it ([`Confirm::Replay`]). Every change is one atomic function
//! of `icaze.lua`, the same however often it is repeated, so an unknown outcome is repeated and never guessed.
//!
//! Knows neither SMPP nor HTTP, and no personal data but the register's person numbers.

mod access;
mod call;
mod client;
mod handover;
mod index;
mod look;
mod settings;

pub use access::{Access, Tls, remedy};
pub use call::{Allowance, Call, Confirm, Confirmed, Grant, Hold, Per, Quota, Reserved, Text};
pub use client::{Cluster, Error, Options};
pub use handover::{Fate, Queue, Replies, Whereabouts};
pub use index::index;
pub use look::Kept;
pub use redis::Value;
pub use settings::{Fault, members, verify};

/// The Lua functions, as `FUNCTION LOAD REPLACE` takes them.
pub const FUNCTIONS: &str = include_str!("icaze.lua");
