//! An operator that keeps books of what it handed over and what it was told, and the ledgers that they are held against.

pub(crate) mod ledger;
pub(crate) mod operator;
pub(crate) mod reconcile;
pub(crate) mod script;
pub(crate) mod witness;
