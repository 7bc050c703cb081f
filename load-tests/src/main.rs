//! Simulated operators and phones, against the gateway as a black box.

mod chaos;
mod connection;
mod gateway;
mod kills;
mod load;
mod machine;
mod phone;
mod proof;
mod random;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Simulated operators and phones, against a gateway as a black box.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Loads a gateway and measures its replies; fails if one is missing.
    Run {
        /// The gateway's SMPP port.
        #[arg(long, value_name = "HOST:PORT")]
        target: String,
        #[command(flatten)]
        args: load::Args,
    },
    /// The same load against a bare echo: the limit that results are held against.
    Floor(load::Args),
    /// One operator floods a gateway beside a calm one: what the calm one notices, and what the gateway holds.
    Flood(load::flood::Args),
    LookUps(load::look_ups::Args),
    /// Holds two reports of `run` against each other.
    Compare(load::compare::Args),
    /// Measures what the gateway is meant to reach, beside the limits of the machine.
    Targets(load::targets::Args),
    /// The echo by itself: prints its address, and ends with its input.
    #[command(hide = true)]
    Echo,
    /// Kills a gateway again and again under load; fails if anything it acknowledged was lost or doubled.
    Kills(kills::Args),
    /// Kills, stops, cuts off and fills gateways and servers of a cluster under load; fails if anything was lost or doubled.
    Chaos(chaos::Args),
}

#[expect(clippy::print_stderr, reason = "a command's error is for the person who typed it")]
fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run { target, args } => load::run(&target, &args),
        Command::Floor(args) => load::floor(&args),
        Command::Flood(args) => load::flood::run(&args),
        Command::LookUps(args) => load::look_ups::run(&args),
        Command::Compare(args) => load::compare::run(&args),
        Command::Targets(args) => load::targets::run(&args),
        Command::Echo => load::echo(),
        Command::Kills(args) => kills::run(&args),
        Command::Chaos(args) => chaos::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("icaze-load-tests: {error:#}");
            ExitCode::FAILURE
        }
    }
}
