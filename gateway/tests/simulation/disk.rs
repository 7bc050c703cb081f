//! The faulty disk, with a count of the syncs that failed, and with mutants of its own.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use icaze_store::ledger::{FaultyFile, FaultyStorage, Storage};

/// A disk as the node sees it. Clones are the same disk.
#[derive(Clone)]
pub(crate) struct Disk {
    pub(crate) faulty: FaultyStorage,
    /// Syncs that failed since the node started.
    pub(crate) failed_syncs: Rc<Cell<u32>>,
    /// The mutant that syncs again.
    pub(crate) retries: bool,
}

impl Disk {
    pub(crate) fn new(faulty: FaultyStorage, retries: bool) -> Self {
        Self { faulty, failed_syncs: Rc::default(), retries }
    }

    fn synced(&self, result: io::Result<()>, again: impl Fn() -> io::Result<()>) -> io::Result<()> {
        if result.is_ok() {
            return result;
        }
        self.failed_syncs.set(self.failed_syncs.get() + 1);
        if self.retries { again() } else { result }
    }
}

impl Storage for Disk {
    type File = FaultyFile;

    fn location(&self) -> String {
        self.faulty.location()
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.faulty.list()
    }
    fn create(&self, name: &str, size: u64) -> io::Result<FaultyFile> {
        self.faulty.create(name, size)
    }
    fn open(&self, name: &str) -> io::Result<FaultyFile> {
        self.faulty.open(name)
    }
    fn size(&self, file: &FaultyFile) -> io::Result<u64> {
        self.faulty.size(file)
    }
    fn read_at(&self, file: &FaultyFile, offset: u64, to: &mut [u8]) -> io::Result<usize> {
        self.faulty.read_at(file, offset, to)
    }
    fn write_at(&self, file: &FaultyFile, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.faulty.write_at(file, offset, bytes)
    }
    fn truncate(&self, file: &FaultyFile, size: u64) -> io::Result<()> {
        self.faulty.truncate(file, size)
    }
    fn sync(&self, file: &FaultyFile) -> io::Result<()> {
        self.synced(self.faulty.sync(file), || self.faulty.sync(file))
    }
    fn sync_names(&self) -> io::Result<()> {
        self.synced(self.faulty.sync_names(), || self.faulty.sync_names())
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.faulty.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.faulty.remove(name)
    }
}

/// Spoils the newest synced batch, which a ledger cannot tell from a torn write.
pub(crate) fn spoil_newest_batch(disk: &FaultyStorage) {
    let mut logs = disk.list().unwrap_or_default();
    logs.retain(|name| name.ends_with(".log"));
    let Some(name) = logs.last() else { return };
    let file = disk.open(name).unwrap();
    let mut bytes = vec![0; usize::try_from(disk.size(&file).unwrap()).unwrap()];
    disk.read_at(&file, 0, &mut bytes).unwrap();
    // As store/FORMAT.md draws it: frames from 4096 on, each beginning with the segment's salt.
    let (mut at, mut newest) = (4096, None);
    while at + 48 <= bytes.len() && bytes[at..at + 8] == bytes[24..32] {
        let word = |place: usize| u32::from_le_bytes(bytes[at + place..at + place + 4].try_into().unwrap());
        newest = Some(at as u64);
        at += (48 + word(28) + word(32) + word(36)).next_multiple_of(8) as usize;
    }
    if let Some(newest) = newest {
        disk.flip(name, newest + 50, 1);
    }
}
