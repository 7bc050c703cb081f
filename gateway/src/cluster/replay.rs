//! Tells the cluster again what a ledger holds: after all of Redis was lost, or when a gateway that ran alone is joined by others.

use std::collections::HashMap;
use std::thread;

use icaze_config::gateway::Config;
use icaze_store::ledger::{self, Entry, FileStorage, Mark, MasterKey};
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::{CALLS, Settled, Shared, sharing};
use crate::pipeline::Numbering;
use crate::pipeline::permits::{Ending, Permit};
use crate::pipeline::shared::{Change, Shared as Sharing};
use crate::telemetry::Telemetry;
use crate::world::World;

/// Chunks that wait to be told.
const AHEAD: usize = 4;
/// How often a chunk is told before it is given up.
const ATTEMPTS: u32 = 10;

/// What a replay has told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// Permits.
    pub permits: u64,
    /// Grants that are one too many: somebody was granted the same again meanwhile.
    pub conflicts: u64,
}

/// Tells the cluster of `config` every grant from `since` on that the store's ledger holds, and how it ended. Whatever the cluster
/// knows stays as it is, so that it may be told as often as one likes, whether the gateway runs or not: what it is about to confirm
/// itself is confirmed then. `progress` is told after each chunk.
///
/// # Errors
/// If the ledger cannot be read, or the cluster does not answer.
pub async fn replay(
    config: &Config,
    key: &MasterKey,
    world: World,
    storage: FileStorage,
    since: Timestamp,
    mut progress: impl FnMut(Told),
) -> anyhow::Result<Told> {
    let shared = Shared::open(config, key, &Telemetry::default()).await?;
    let (chunks, mut chunk) = mpsc::channel(AHEAD);
    let reader = thread::spawn({
        let (key, sharing, numbering) = (key.clone(), sharing(key), Numbering::of(config));
        move || Reader { storage, key, sharing, numbering, world, since }.read(&chunks)
    });
    let mut told = Told::default();
    while let Some(changes) = chunk.recv().await {
        told.permits += changes.len() as u64;
        told.conflicts += tell(&shared, changes).await?;
        progress(told);
    }
    reader.join().map_err(|_| anyhow::anyhow!("reading the ledger ended in a panic"))??;
    Ok(told)
}

/// How many conflicts there were.
async fn tell(shared: &Shared, mut changes: Vec<Change>) -> anyhow::Result<u64> {
    let mut sum = 0;
    for _ in 0..ATTEMPTS {
        let Settled { left, conflicts, .. } = shared.told(changes).await;
        sum += conflicts;
        if left.is_empty() {
            return Ok(sum);
        }
        changes = left;
    }
    anyhow::bail!(
        "redis.nodes: the cluster does not answer; see CLUSTER INFO on its servers, and run this again"
    )
}

struct Reader {
    storage: FileStorage,
    key: MasterKey,
    sharing: Sharing,
    numbering: Numbering,
    world: World,
    since: Timestamp,
}

impl Reader {
    /// Reads the ledger twice, to its end.
    fn read(&self, chunks: &mpsc::Sender<Vec<Change>>) -> anyhow::Result<()> {
        // How a permit ended comes behind it.
        let mut ends = HashMap::new();
        ledger::read(&self.storage, None, |record, _| match &record.entry {
            Entry::Mark(Mark::Undelivered, seqs) => {
                ends.extend(seqs.iter().map(|&seq| (seq, (record.decided_at, Ending::Undelivered))));
            }
            Entry::Revocation(seq) => {
                ends.entry(*seq).or_insert((record.decided_at, Ending::Revoked));
            }
            _ => {}
        })?;
        let mut chunk = Vec::with_capacity(CALLS);
        ledger::read(&self.storage, Some(&self.key), |record, _| {
            if record.decided_at >= self.since
                && let Entry::Decision(decision) = &record.entry
                && let Some(permit) = Permit::issued(record, decision, self.numbering)
            {
                let ended = ends.get(&record.seq).copied();
                chunk.extend(self.sharing.replay(&Permit { ended, ..permit }, &self.world));
            }
            if chunk.len() == CALLS {
                let _ = chunks.blocking_send(std::mem::replace(&mut chunk, Vec::with_capacity(CALLS)));
            }
        })?;
        let _ = chunks.blocking_send(chunk);
        Ok(())
    }
}
