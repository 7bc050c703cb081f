//! Operators' connections: sessions from the codec, driven between sockets and the pipeline.

pub mod accounts;
pub mod backoff;
pub mod client;
pub mod driver;
pub mod held;
pub mod link;
pub mod listener;
pub mod open;
pub mod port;
