//! `icaze cluster`: what several gateways share.

use anyhow::Context as _;
use icaze_store::ledger::MasterKey;
use indicatif::ProgressBar;
use jiff::{SignedDuration, Timestamp};

use super::{Configured, Output, ledger};
use crate::cluster::replay::{Told, replay};
use crate::world::World;

/// Works on what several gateways share.
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Tells the cluster again what this gateway's ledger has granted, whether the gateway runs or not: after all of Redis was
    /// lost, or when others join a gateway that ran alone. Does no harm however often.
    Replay {
        /// How far back: allowances are of a day or a week.
        #[arg(long, default_value_t = 8)]
        days: u16,
        /// Which gateway's.
        #[command(flatten)]
        configured: Configured,
    },
}

/// Does it.
///
/// # Errors
/// If the ledger cannot be read, or the cluster does not answer.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let Args::Replay { days, configured } = args;
    let config = configured.load()?;
    anyhow::ensure!(
        !config.redis.nodes.is_empty(),
        "redis.nodes: names no server; name some, as for the gateways that share"
    );
    let storage = ledger::open(&config.store.dir)?;
    let key = MasterKey::load(&config.store.key_file).context("store.key_file")?;
    let world = World::load(&config)?;
    let since = Timestamp::now() - SignedDuration::from_hours(24 * i64::from(days));
    let bar = ProgressBar::new_spinner();
    let progress = |told: Told| bar.set_position(told.permits);
    let Told { permits, conflicts } = replay(&config, &key, world, storage, since, progress).await?;
    bar.finish_and_clear();
    let mut out = Output::new();
    out.line(format_args!("{permits} permits of the last {days} days are told to the cluster"))?;
    if conflicts > 0 {
        out.line(format_args!(
            "{conflicts} of them are one too many: somebody was granted the same again meanwhile; they stand, and are counted"
        ))?;
    }
    Ok(out.finish()?)
}
