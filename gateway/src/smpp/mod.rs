//! Operators' connections: sessions from the codec, driven between sockets and the pipeline.

pub mod accounts;
pub mod awaited;
pub mod backoff;
pub mod binds;
pub mod client;
pub mod connector;
pub mod driver;
pub mod held;
mod incoming;
pub mod link;
pub mod listener;
pub mod meter;
pub mod open;
mod outgoing;
pub mod port;
pub mod receipt;
pub mod recent;
mod reply;
pub mod trace;
pub mod unheard;
