//! What holds of any bytes, one function for each way in. A function returns, or panics because it does not hold.

#![expect(clippy::unwrap_used, reason = "a check fails by panicking")]

mod ledger;
mod register;
mod text;
mod wire;

use std::sync::Once;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub use ledger::{records, recovery};
pub use register::snapshot;
pub use text::{request, text};
pub use wire::{binds, framing, messages, responses};

/// More than any check needs, and less than a length claimed in 32 bits.
const MEMORY_MAX: u64 = 2 << 30;

/// Bounds the process's memory: whoever allocates what a length field claims, without looking whether that much is
/// there, is ended for it. Memory that is never touched counts, too.
fn bound_memory() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let limit = Rlimit { current: Some(MEMORY_MAX), ..getrlimit(Resource::As) };
        setrlimit(Resource::As, limit).unwrap();
    });
}
