//! The `icaze` program: a table of its commands.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use icaze_config::gateway::{Config, Settings};
use icaze_gateway::{commands, telemetry};

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
    Demo(commands::demo::Args),
    Sms(commands::sms::Args),
}

/// A command that reads the configuration.
#[derive(Debug, clap::Args)]
struct Configured {
    /// The configuration file; what it lacks has the shipped default.
    #[arg(long, value_name = "FILE", default_value = "config/gateway.toml")]
    config: PathBuf,
}

impl Configured {
    fn load(&self) -> anyhow::Result<Config> {
        let settings = Settings::load(&self.config, std::env::vars_os());
        Ok(settings.validate()?)
    }
}

#[expect(clippy::print_stderr, reason = "a command's error is for the person who typed it")]
fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("icaze: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(configured) => {
            let config = configured.load()?;
            telemetry::log(&config.log);
            block_on(commands::serve::run(&config))
        }
        Command::CheckConfig(_) => Ok(()),
        Command::Demo(args) => block_on(commands::demo::run(args)),
        Command::Sms(args) => block_on(commands::sms::run(args)),
    }
}

/// Runs a command's I/O on this thread.
fn block_on(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}
