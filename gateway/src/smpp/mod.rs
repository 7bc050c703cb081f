//! Operators' connections: sessions from the codec, driven between sockets and the pipeline.

pub mod accounts;
pub mod backoff;
pub mod client;
pub mod held;
pub mod link;
pub mod listener;
pub mod port;
