//! What the disk can do by itself: the tail of its syncs is the tail of everything that waits for one.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use hdrhistogram::Histogram;

use super::figures::Latency;

/// Written before each sync: what a batch of some twenty messages takes.
const WRITE_BYTES: usize = 8 << 10;
/// Syncs of one probe.
const SYNCS: u64 = 1000;

/// How long a write and a sync take in `dir`, one after the other: into zeros that were written and synced before, as into
/// a ledger's segment.
pub(crate) fn probe(dir: &Path) -> anyhow::Result<Latency> {
    let path = dir.join("sync-probe");
    let probed = try_probe(&path).with_context(|| format!("cannot probe the disk with {}", path.display()));
    let _ = std::fs::remove_file(&path);
    probed
}

fn try_probe(path: &Path) -> anyhow::Result<Latency> {
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let block = vec![0; WRITE_BYTES];
    let each = |act: &mut dyn FnMut(u64) -> io::Result<()>| (0..SYNCS).try_for_each(act);
    each(&mut |place| write(&file, &block, place))?;
    file.sync_all()?;
    let mut histogram = Histogram::new(3)?;
    let block = vec![0xA5; WRITE_BYTES];
    each(&mut |place| {
        let began = Instant::now();
        write(&file, &block, place)?;
        file.sync_data()?;
        histogram.saturating_record(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
        Ok(())
    })?;
    Ok(Latency::of(&histogram))
}

fn write(file: &File, block: &[u8], place: u64) -> io::Result<()> {
    file.write_all_at(block, place * WRITE_BYTES as u64)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_sync_is_timed_and_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let latency = super::probe(dir.path()).unwrap();
        assert_eq!(latency.count, super::SYNCS);
        assert!(latency.p50 > 0.0 && latency.p50 <= latency.max);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
