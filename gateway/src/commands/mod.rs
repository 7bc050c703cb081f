//! One file for each command of `icaze`.

pub mod check_config;
pub mod demo;
pub mod explain;
pub mod ledger;
pub mod regime;
pub mod register;
pub mod replies;
pub mod serve;
pub mod sms;
