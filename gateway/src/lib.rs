//! The gateway: operators' sessions in, decisions in the middle, replies and look-ups out.
//!
//! A message's way: [`smpp::driver`] reads bytes, [`smpp::link`] makes a batch of messages of them, [`permit::read`]
//! reads each text, [`pipeline`] decides the batch and appends it to the open ledger batch, [`committer`] makes that
//! durable, and the link lets the responses and replies go.

pub mod checkpoints;
pub mod clock;
pub mod cluster;
pub mod commands;
pub mod committer;
pub mod control;
pub mod demo;
pub mod gateway;
pub mod history;
pub mod http;
pub mod node;
pub mod permit;
pub mod pipeline;
pub mod retention;
pub mod smpp;
pub mod telemetry;
pub mod timeline;
pub mod tls;
pub mod waiter;
pub mod world;
