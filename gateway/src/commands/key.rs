//! `icaze key`: another key for the store.

use anyhow::Context as _;
use icaze_store::ledger::{FileStorage, rotate};

use super::{Configured, Output};

/// Another key for the store, while the gateway stands.
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Draws a new key and wraps by it what the ledger's personal data is sealed with. Old copies of the key file then open nothing that
    /// is in the store. Run it again if it is interrupted.
    Rotate {
        /// Where the store and its key are.
        #[command(flatten)]
        configured: Configured,
    },
}

/// Rotates it.
///
/// # Errors
/// If the gateway runs, or a file cannot be read or replaced.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let Args::Rotate { configured } = args;
    let config = configured.load()?;
    // Held until the end, so that no gateway starts meanwhile.
    let storage = FileStorage::open(&config.store.dir).context("store.dir")?;
    let count = rotate(&storage, &config.store.key_file)?;
    let mut out = Output::new();
    out.line(format_args!(
        "{}: rotated: the keys of {count} segments are wrapped anew. Back it up; its earlier copies can be destroyed",
        config.store.key_file.display()
    ))?;
    Ok(out.finish()?)
}
