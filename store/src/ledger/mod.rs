//! The durable log of decisions.

mod record;

pub use record::{
    Address, Channel, Decision, Entry, Facts, Interval, Language, Mark, Part, Permit, Record, RegimeRef,
    Reply,
};
