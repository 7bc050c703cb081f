//! `icaze ledger`: checks a ledger, and prints it. Both run beside a gateway that writes it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use icaze_codec::text::Alphabet;
use icaze_codec::text::segment::{self, Reference};
use icaze_store::ledger::{
    self, DumpWith, FileStorage, MasterKey, ReadError, Record, Storage as _, Summary, Visible, dump_json,
};

use super::{Configured, Output, remark, told};
use crate::permit::code::Code;

/// Checks or prints a store's ledger, also while the gateway runs.
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Checks every frame, and says where the ledger breaks. Needs no key.
    Verify {
        /// The store's directory.
        dir: PathBuf,
    },
    /// Prints every record as one line of JSON; personal fields need the key.
    Dump {
        /// The store's directory.
        dir: PathBuf,
        /// The store's key, instead of the configuration's.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Else the configuration names the key.
        #[command(flatten)]
        configured: Configured,
    },
}

/// Checks or prints.
///
/// # Errors
/// With the file and the place that are not what was written, and the remedy.
pub fn run(args: &Args) -> anyhow::Result<()> {
    match args {
        Args::Verify { dir } => verify(dir),
        Args::Dump { dir, key, configured } => dump(dir, key.as_deref(), configured),
    }
}

/// A store as a reader sees it.
///
/// # Errors
/// If the directory is not there, or holds no ledger.
pub(super) fn open(dir: &Path) -> anyhow::Result<FileStorage> {
    let remedy = "name the directory that store.dir has in the gateway's configuration";
    let storage = FileStorage::read_only(dir)
        .map_err(|error| anyhow::anyhow!("{}: {error}; {remedy}", dir.display()))?;
    let names = storage.list().with_context(|| dir.display().to_string())?;
    let is_log = |name: &String| Path::new(name).extension().is_some_and(|extension| extension == "log");
    anyhow::ensure!(names.iter().any(is_log), "{}: holds no ledger; {remedy}", dir.display());
    Ok(storage)
}

fn verify(dir: &Path) -> anyhow::Result<()> {
    let summary = ledger::verify(&open(dir)?)?;
    let Summary { segments, batches, records, first_seq, last_seq, torn } = summary;
    let mut out = Output::new();
    out.line(format_args!(
        "{}: sound: {records} records ({first_seq} to {last_seq}) in {batches} batches and {segments} segments",
        dir.display()
    ))?;
    if torn {
        out.line(
            "behind them are the remains of a batch that was never acknowledged, or is being written now",
        )?;
    }
    Ok(out.finish()?)
}

fn dump(dir: &Path, key: Option<&Path>, configured: &Configured) -> anyhow::Result<()> {
    let storage = open(dir)?;
    let mut out = Output::new();
    match key {
        // Who names a key wants what it opens.
        Some(key) => print(&storage, Some(&MasterKey::load(key)?), &mut out)?,
        None => {
            let without = match configured_key(configured) {
                // Told before the first record.
                Ok(key) => match print(&storage, Some(&key), &mut out) {
                    Err(error @ ReadError::WrongKey { .. }) => Some(error.to_string()),
                    printed => {
                        printed?;
                        None
                    }
                },
                Err(error) => Some(told(&error)),
            };
            if let Some(reason) = without {
                remark(format_args!("without personal fields: {reason}"));
                print(&storage, None, &mut out)?;
            }
        }
    }
    Ok(out.finish()?)
}

/// The key that the configuration names.
fn configured_key(configured: &Configured) -> anyhow::Result<MasterKey> {
    Ok(MasterKey::load(&configured.load()?.store.key_file)?)
}

fn print(storage: &FileStorage, key: Option<&MasterKey>, out: &mut Output) -> Result<(), ReadError> {
    let mut written = Ok(());
    ledger::read(storage, key, |record, visible| {
        if written.is_ok() {
            written = out.line(json(record, visible));
        }
    })?;
    written.map_err(|source| ReadError::Io { file: "stdout".to_owned(), action: "write to", source })
}

fn json(record: &Record<'_>, visible: Visible) -> String {
    dump_json(record, visible, DumpWith { code: letters, reply_parts })
}

/// A permit code as citizens read it; its number, if that is no code.
fn letters(code: u64) -> String {
    Code::from_u64(code).map_or_else(|| code.to_string(), |code| code.to_string())
}

/// How many short messages a text takes.
fn reply_parts(text: &str) -> usize {
    segment::split(text, Alphabet::Gsm7, Reference::Octet(0)).map_or(0, Iterator::count)
}
