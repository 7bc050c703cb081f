//! `icaze demo`: the gateway at work on its own.

use crate::demo::show::{Options, run as show};

/// Runs a gateway on free loopback ports with a fresh store, and a synthetic country that texts to it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Stops after so many answers; exits with 0 only if every message got its outcome.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    messages: Option<u64>,
    /// Texts a second [default: 300, with --messages as fast as they are answered].
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// Makes the country and what it texts: the same for the same seed.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
}

/// Lively, and still easy for any machine.
const RATE: u32 = 300;

/// Runs the demo until its messages are answered, or until Ctrl-C.
///
/// # Errors
/// If it cannot start, or if a message or a text did not get its one outcome.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let unhurried = if args.messages.is_some() { 0 } else { RATE };
    show(Options { messages: args.messages, rate: args.rate.unwrap_or(unhurried), seed: args.seed }).await
}
