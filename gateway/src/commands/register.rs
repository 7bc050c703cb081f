//! `icaze register`: makes, builds, inspects and changes the population register's files.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use icaze_store::Document;
use icaze_store::register::{Builder, Conflict, CsvError, Problem, Register, import, synth};
use jiff::Timestamp;

use super::{Configured, Output, remark, replace};
use crate::control::client;
use crate::control::register::{Change, Changed};
use crate::world::Contacts;

/// Makes, builds, inspects and changes registers.
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Writes a register of invented people: the known documents and N adults of Baku.
    Synth {
        /// How many adults, with documents from AZE20000000 on.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=i64::from(synth::COUNT_MAX)))]
        count: u32,
        /// What their dates are drawn from: the same seed gives the same register.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The CSV file to write.
        #[arg(long, value_name = "CSV")]
        out: PathBuf,
    },
    /// Builds a snapshot, which loads faster, from a CSV file.
    Import {
        /// The CSV file.
        csv: PathBuf,
        /// The snapshot to write or to replace.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Leave out the lines that are not right, instead of writing nothing.
        #[arg(long)]
        accept_rejects: bool,
        /// Whose examples.
        #[command(flatten)]
        configured: Configured,
    },
    /// Changes the register of the running gateway, and its snapshot, without a restart.
    Apply {
        /// A CSV file that states changed and new documents with their holders, or the snapshot of a whole register.
        file: PathBuf,
        /// How many of its documents a whole register may lack, in percent of the present one's.
        #[arg(long, value_name = "PERCENT", default_value_t = 5, value_parser = clap::value_parser!(u8).range(..=100))]
        shrink_max: u8,
        /// Whose gateway.
        #[command(flatten)]
        configured: Configured,
    },
    /// Says what a CSV file or a snapshot holds.
    Info {
        /// The file.
        file: PathBuf,
    },
}

/// Makes, builds, inspects or changes.
///
/// # Errors
/// With the file and the line that are not right, and the remedy; nothing is half-written.
pub async fn run(args: Args) -> anyhow::Result<()> {
    match &args {
        Args::Synth { count, seed, out } => {
            replace(out, |file| synth::write_csv(file, *count, *seed)).with_context(|| unwritten(out))?;
            info(out)
        }
        Args::Import { csv, out, accept_rejects, configured } => {
            let examples = Contacts::of(&configured.replies()?).examples;
            build(csv, out, *accept_rejects, examples)
        }
        Args::Apply { file, shrink_max, configured } => apply(file, *shrink_max, configured).await,
        Args::Info { file } => info(file),
    }
}

async fn apply(file: &Path, shrink_max_percent: u8, configured: &Configured) -> anyhow::Result<()> {
    let name = file.display();
    let file = file.canonicalize().with_context(|| format!("{name}: cannot be found"))?;
    let change = Change { file, shrink_max_percent };
    let changed: Changed = client::post(&configured.store_dir()?, "/register", &change).await?;
    let Changed { generation, documents, persons } = changed;
    let mut out = Output::new();
    out.line(format_args!("generation {generation}: {documents} documents of {persons} people"))?;
    Ok(out.finish()?)
}

fn build(csv: &Path, out: &Path, accept_rejects: bool, examples: Vec<Document>) -> anyhow::Result<()> {
    let name = csv.display();
    let read = || format!("{name}: cannot be read; name a register's CSV file");
    let file = File::open(csv).with_context(read)?;
    let modified = file.metadata().and_then(|metadata| metadata.modified()).with_context(read)?;
    let made_at = Timestamp::try_from(modified)?;
    let generation = Register::next_generation(out).with_context(|| {
        format!(
            "{}: is there, and is no register's snapshot; name another --out, or move it away",
            out.display()
        )
    })?;
    let (mut rejected, mut reserved) = (0_u64, 0_u64);
    let builder = import(file, Builder::reserving(examples), accept_rejects, |reject| {
        match reject.problem {
            Problem::Conflict(Conflict::Reserved) => reserved += 1,
            _ => rejected += 1,
        }
        remark(format_args!("{name}: {reject}"));
    });
    let builder = match builder {
        Ok(builder) => builder,
        Err(CsvError::Rejected { count, .. }) => bail!(
            "{name}: {} rejected and nothing written; correct the file, or go without with --accept-rejects",
            lines(count)
        ),
        Err(error) => bail!("{name}: {error}; nothing was written"),
    };
    builder.finish(generation, made_at).save(out).with_context(|| unwritten(out))?;
    if rejected > 0 {
        remark(format_args!("{name}: {} left out", lines(rejected)));
    }
    if reserved > 0 {
        remark(format_args!("{name}: {} left out, with serials of replies.examples", lines(reserved)));
    }
    info(out)
}

fn lines(count: u64) -> String {
    format!("{count} {}", if count == 1 { "line" } else { "lines" })
}

fn unwritten(path: &Path) -> String {
    format!("{}: cannot be written; name a place with room that you may write to", path.display())
}

fn info(file: &Path) -> anyhow::Result<()> {
    let register = Register::load(file)?;
    let bytes = fs::metadata(file)?.len();
    let mut regions: Vec<&str> = register.regions().collect();
    regions.sort_unstable();
    let kind = match register.generation() {
        0 => "CSV".to_owned(),
        generation => format!("snapshot, generation {generation}"),
    };
    let mut out = Output::new();
    out.line(format_args!("{}: {kind}, {bytes} bytes", file.display()))?;
    out.line(format_args!("made at:   {}", register.made_at()))?;
    out.line(format_args!("documents: {}", register.documents()))?;
    out.line(format_args!("persons:   {}", register.persons()))?;
    out.line(format_args!("regions:   {} ({})", regions.len(), regions.join(", ")))?;
    Ok(out.finish()?)
}
