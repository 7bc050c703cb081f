//! The `icaze` program: a table of its commands.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use icaze_gateway::commands::{self, Configured};

/// The national SMS permission gateway.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the gateway.
    Serve(Configured),
    /// Checks everything that `serve` would load.
    CheckConfig(Configured),
    #[command(subcommand)]
    Cluster(commands::cluster::Args),
    Demo(commands::demo::Args),
    Sms(commands::sms::Args),
    Explain(commands::explain::Args),
    #[command(subcommand)]
    Ledger(commands::ledger::Args),
    #[command(subcommand)]
    Regime(commands::regime::Args),
    #[command(subcommand)]
    Register(commands::register::Args),
    Replies(commands::replies::Args),
    #[command(subcommand)]
    Token(commands::token::Args),
    Operators(commands::operators::Args),
    #[command(subcommand)]
    Operator(commands::operator::Args),
    Trace(commands::trace::Args),
    #[command(subcommand)]
    Audit(commands::audit::Args),
    Retention(commands::retention::Args),
    #[command(subcommand)]
    Key(commands::key::Args),
}

#[expect(clippy::print_stderr, reason = "a command's error is for the person who typed it")]
fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            for line in commands::told(&error).lines() {
                eprintln!("icaze: {line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(configured) => block_on(commands::serve::run(&configured)),
        Command::CheckConfig(configured) => commands::check_config::run(&configured),
        Command::Cluster(args) => block_on(commands::cluster::run(args)),
        Command::Demo(args) => block_on(commands::demo::run(args)),
        Command::Sms(args) => block_on(commands::sms::run(args)),
        Command::Explain(args) => commands::explain::run(&args),
        Command::Ledger(args) => commands::ledger::run(&args),
        Command::Regime(args) => commands::regime::run(&args),
        Command::Register(args) => block_on(commands::register::run(args)),
        Command::Replies(args) => commands::replies::run(&args),
        Command::Token(args) => commands::token::run(&args),
        Command::Audit(args) => commands::audit::run(&args),
        Command::Retention(args) => commands::retention::run(&args),
        Command::Key(args) => commands::key::run(&args),
        Command::Operator(args) => commands::operator::run(&args),
        Command::Trace(args) => block_on(commands::trace::run(args)),
        Command::Operators(args) => block_on(commands::operators::run(args)),
    }
}

/// Runs a command's I/O on this thread.
fn block_on(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}
