//! The program from outside: its commands, its SMPP port, and other people's software bound to it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod across;
mod agreements;
mod alerts;
/// Needs what `./check peers` installs.
#[cfg(feature = "peers")]
mod alphabet;
/// Needs what `./check peers` installs.
#[cfg(feature = "peers")]
mod browser;
mod cli;
mod cluster;
mod crowd;
mod disk;
/// Needs what `./check install` installs.
#[cfg(feature = "peers")]
mod dissector;
mod handover;
mod hostile;
mod http;
mod inbound;
/// Needs what `./check peers` installs.
#[cfg(feature = "peers")]
mod journeys;
/// Needs what `./check install` installs.
#[cfg(feature = "peers")]
mod kannel;
mod lookups;
/// Needs what `./check peers` installs.
#[cfg(feature = "peers")]
mod oidc;
mod operator;
mod operators;
mod pages;
mod past;
/// Needs what `./check peers` installs.
#[cfg(feature = "peers")]
mod peers;
mod register;
mod replies;
mod reports;
mod restart;
mod retention;
mod roles;
/// Needs what `./check peers` installs.
#[cfg(feature = "peers")]
mod schema;
mod scopes;
mod secured;
#[path = "../../../cluster/tests/common/mod.rs"]
#[expect(dead_code, reason = "the faults of a server alone are the other tests'")]
#[allow(clippy::expect_used, reason = "as in all tests")]
mod servers;
mod smsc;
mod support;
mod tls;
