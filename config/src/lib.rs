//! Typed configuration, and the files that ship with it: the gateway's settings, the dated regimes, the reply texts.
pub mod gateway;
mod problem;
pub mod regime;
pub mod replies;

pub use problem::{Problem, Problems};
