//! What the gateway keeps: the register of residents, the ledger of decisions, and the views made from it.
//!
//! Knows neither SMPP nor HTTP. The ledger is the truth; everything else here can be thrown away and built again.

pub mod audit;
mod checkpoint;
mod copy_on_write;
mod document;
mod hex;
pub mod ledger;
mod msisdn;
mod outcome;
mod paged;
pub mod register;
mod table;
mod usage;
pub mod views;

pub use checkpoint::{Checkpoint, CheckpointError, Head};
pub use copy_on_write::CopyOnWrite;
pub use document::{Document, DocumentError};
pub use msisdn::Msisdn;
pub use outcome::{Outcome, Reason};
pub use table::Table;
pub use usage::{Day, Usage, UsageTable};
