//! The durable log of decisions: the truth that everything else is made from. FORMAT.md draws its files.
//!
//! Entries gather in a [`Batch`]; [`Ledger::commit`] writes it as one frame with one sync and returns the [`Durable`]
//! that acknowledging and answering need. [`Ledger::open`] recovers after a crash; [`read`] and [`verify`] look at a
//! ledger that another process may be writing.

mod batch;
mod bytes;
mod decode;
mod dump;
mod encode;
#[cfg(feature = "simulation")]
mod faulty;
mod key;
// The type that gives the module its name.
#[allow(clippy::module_inception)]
mod ledger;
mod reader;
mod record;
mod recovery;
pub mod retention;
mod rotation;
mod seal;
mod segment;
mod storage;

pub use batch::{BATCH_BYTES_MAX, Batch, Full};
pub use dump::{DumpWith, MessageId, dump_json, message_id};
#[cfg(feature = "simulation")]
pub use faulty::{Faults, FaultyFile, FaultyStorage};
pub use key::{KeyError, MasterKey};
pub use ledger::{CommitError, Durable, Ledger, Options};
pub use reader::{Damage, ReadError, Summary, Visible, first_seq, read, read_closed, read_some, verify};
pub use record::{
    Address, Channel, Decision, Entry, Facts, Interval, Language, Mark, Part, Permit, Record, RegimeRef,
    Reply,
};
pub use recovery::OpenError;
pub use rotation::{RotateError, rotate};
pub use storage::{FileStorage, Storage};
