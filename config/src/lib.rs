//! Typed configuration, and the files that ship with it: the gateway's settings, the dated regimes, the reply texts.
pub mod gateway;
pub mod regime;
pub mod replies;
