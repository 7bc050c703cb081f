//! The simulation's disk: in memory, it keeps what was written and what was synced apart, and fails on request.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::storage::Storage;

/// What goes wrong, and when. A step is one creation, write, truncation, sync, renaming or removal, counted from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// The power goes during this step: it and everything after it fails.
    pub crash_at: Option<u64>,
    /// The first sync of a file at or after this step fails with EIO, once. Some of what it should have made durable is
    /// on the disk; the rest never will be, though reads show it and the next sync succeeds: as Linux does it.
    pub sync_error_at: Option<u64>,
    /// The disk's size in bytes.
    pub space_bytes: Option<u64>,
}

/// A disk in memory, driven by a seed. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct FaultyStorage(Arc<Mutex<Disk>>);

/// An open file on a [`FaultyStorage`].
#[derive(Debug, Clone, Copy)]
pub struct FaultyFile(usize);

const SECTOR_BYTES: usize = 512;

#[derive(Debug, Clone)]
struct Disk {
    random: SplitMix64,
    faults: Faults,
    steps: u64,
    crashed: bool,
    files: Vec<Contents>,
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    unsynced_names: Vec<NameChange>,
}

#[derive(Debug, Clone, Default)]
struct Contents {
    written: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Resize(usize),
}

#[derive(Debug, Clone)]
enum NameChange {
    Create(String, usize),
    Rename(String, String),
    Remove(String),
}

impl FaultyStorage {
    /// An empty disk without faults.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::of(Disk {
            random: SplitMix64(seed),
            faults: Faults::default(),
            steps: 0,
            crashed: false,
            files: Vec::new(),
            names: BTreeMap::new(),
            synced_names: BTreeMap::new(),
            unsynced_names: Vec::new(),
        })
    }

    /// Replaces the faults to come. Steps go on being counted.
    pub fn set_faults(&self, faults: Faults) {
        self.disk().faults = faults;
    }

    /// How many steps were taken.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.disk().steps
    }

    /// Whether the process is gone: nothing succeeds any more.
    #[must_use]
    pub fn has_crashed(&self) -> bool {
        self.disk().crashed
    }

    /// The disk after a power cut now: of what was not synced, each piece is there, lost, torn, or there in some of its
    /// sectors; of the names, the changes up to some point. Without faults, its steps counted from 0.
    #[must_use]
    pub fn crash(&self) -> Self {
        let mut disk = self.disk();
        let mut random = disk.random.fork();
        let mut names = disk.synced_names.clone();
        let kept = random.below(disk.unsynced_names.len() + 1);
        for change in disk.unsynced_names.iter().take(kept) {
            change.apply(&mut names);
        }
        let mut after = disk.clone();
        for contents in &mut after.files {
            contents.lose(&mut random);
        }
        drop(disk);
        after.random = random;
        after.names = names.clone();
        after.synced_names = names;
        after.unsynced_names.clear();
        Self::restarted(after)
    }

    /// The disk after the process was killed: everything written is there to be read, and what was not synced can still
    /// be lost.
    #[must_use]
    pub fn kill(&self) -> Self {
        let mut disk = self.disk();
        let random = disk.random.fork();
        Self::restarted(Disk { random, ..disk.clone() })
    }

    /// Flips the bits of `mask` in one byte of a file, on disk and in memory. Nothing happens beyond its end.
    pub fn flip(&self, name: &str, offset: u64, mask: u8) {
        let mut disk = self.disk();
        let Some(&file) = disk.names.get(name) else { return };
        let Some(contents) = disk.files.get_mut(file) else { return };
        for image in [&mut contents.written, &mut contents.synced] {
            if let Some(byte) = usize::try_from(offset).ok().and_then(|offset| image.get_mut(offset)) {
                *byte ^= mask;
            }
        }
    }

    fn of(disk: Disk) -> Self {
        Self(Arc::new(Mutex::new(disk)))
    }

    fn restarted(disk: Disk) -> Self {
        Self::of(Disk { faults: Faults::default(), steps: 0, crashed: false, ..disk })
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a step that changes something at once; if the power goes in it, it may or may not have happened.
    fn step<T>(&self, change: impl FnOnce(&mut Disk) -> io::Result<T>) -> io::Result<T> {
        let mut disk = self.disk();
        disk.alive()?;
        disk.steps += 1;
        let changed = change(&mut disk);
        disk.crash_if_due()?;
        changed
    }

    /// Counts a sync; if the power goes in it, it did not happen.
    fn sync_step(&self, sync: impl FnOnce(&mut Disk) -> io::Result<()>) -> io::Result<()> {
        let mut disk = self.disk();
        disk.alive()?;
        disk.steps += 1;
        disk.crash_if_due()?;
        sync(&mut disk)
    }
}

impl Disk {
    fn alive(&self) -> io::Result<()> {
        if self.crashed { Err(io::Error::other("the power is off (simulated)")) } else { Ok(()) }
    }

    fn crash_if_due(&mut self) -> io::Result<()> {
        self.crashed |= self.faults.crash_at.is_some_and(|step| self.steps >= step);
        self.alive()
    }

    fn contents(&mut self, file: FaultyFile) -> io::Result<&mut Contents> {
        self.files.get_mut(file.0).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn named(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rename(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.unsynced_names.push(change);
    }

    fn require_space(&self, more: u64) -> io::Result<()> {
        let used: usize =
            self.names.values().filter_map(|&file| self.files.get(file)).map(|c| c.written.len()).sum();
        match self.faults.space_bytes {
            Some(space) if used as u64 + more > space => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }
}

impl Contents {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.written);
        self.unsynced.push(change);
    }

    fn sync(&mut self) {
        self.synced.clone_from(&self.written);
        self.unsynced.clear();
    }

    /// Some of what was not synced is on the disk, and the rest will never be.
    fn drop_unsynced(&mut self, random: &mut SplitMix64) {
        for change in std::mem::take(&mut self.unsynced) {
            change.apply_in_part(&mut self.synced, random);
        }
    }

    fn lose(&mut self, random: &mut SplitMix64) {
        self.drop_unsynced(random);
        self.written.clone_from(&self.synced);
    }
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write(offset, bytes) => put(to, *offset, bytes),
            Self::Resize(size) => to.resize(*size, 0),
        }
    }

    fn apply_in_part(&self, to: &mut Vec<u8>, random: &mut SplitMix64) {
        match (self, random.below(4)) {
            (_, 0) => {}
            (_, 1) | (Self::Resize(_), _) => self.apply(to),
            (Self::Write(offset, bytes), 2) => {
                let length = random.below(bytes.len() + 1);
                put(to, *offset, bytes.get(..length).unwrap_or_default());
            }
            (Self::Write(offset, bytes), _) => {
                let mut done = 0;
                while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
                    let at = offset + done;
                    let length = (SECTOR_BYTES - at % SECTOR_BYTES).min(rest.len());
                    if random.below(2) == 0 {
                        put(to, at, rest.get(..length).unwrap_or_default());
                    }
                    done += length;
                }
            }
        }
    }
}

fn put(to: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if to.len() < offset + bytes.len() {
        to.resize(offset + bytes.len(), 0);
    }
    for (to, from) in to.iter_mut().skip(offset).zip(bytes) {
        *to = *from;
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Create(name, file) => {
                names.insert(name.clone(), *file);
            }
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl Storage for FaultyStorage {
    type File = FaultyFile;

    fn location(&self) -> String {
        "simulated".to_owned()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let disk = self.disk();
        disk.alive()?;
        Ok(disk.names.keys().cloned().collect())
    }

    fn create(&self, name: &str, size: u64) -> io::Result<FaultyFile> {
        self.step(|disk| {
            if disk.names.contains_key(name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            disk.require_space(size)?;
            let mut contents = Contents::default();
            contents.change(Change::Resize(size as usize));
            let file = disk.files.len();
            disk.files.push(contents);
            disk.rename(NameChange::Create(name.to_owned(), file));
            Ok(FaultyFile(file))
        })
    }

    fn open(&self, name: &str) -> io::Result<FaultyFile> {
        let disk = self.disk();
        disk.alive()?;
        disk.named(name).map(FaultyFile)
    }

    fn size(&self, file: &FaultyFile) -> io::Result<u64> {
        let mut disk = self.disk();
        disk.alive()?;
        disk.contents(*file).map(|contents| contents.written.len() as u64)
    }

    fn read_at(&self, file: &FaultyFile, offset: u64, to: &mut [u8]) -> io::Result<usize> {
        let mut disk = self.disk();
        disk.alive()?;
        let from = disk.contents(*file)?.written.get(offset as usize..).unwrap_or_default();
        let count = from.len().min(to.len());
        for (to, from) in to.iter_mut().zip(from) {
            *to = *from;
        }
        Ok(count)
    }

    fn write_at(&self, file: &FaultyFile, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.step(|disk| {
            let grown =
                (offset + bytes.len() as u64).saturating_sub(disk.contents(*file)?.written.len() as u64);
            disk.require_space(grown)?;
            disk.contents(*file)?.change(Change::Write(offset as usize, bytes.to_vec()));
            Ok(())
        })
    }

    fn truncate(&self, file: &FaultyFile, size: u64) -> io::Result<()> {
        self.step(|disk| {
            disk.contents(*file)?.change(Change::Resize(size as usize));
            Ok(())
        })
    }

    fn sync(&self, file: &FaultyFile) -> io::Result<()> {
        self.sync_step(|disk| {
            if disk.faults.sync_error_at.is_some_and(|step| disk.steps >= step) {
                disk.faults.sync_error_at = None;
                let mut random = disk.random.fork();
                disk.contents(*file)?.drop_unsynced(&mut random);
                // EIO has no kind of its own.
                return Err(rustix::io::Errno::IO.into());
            }
            disk.contents(*file)?.sync();
            Ok(())
        })
    }

    fn sync_names(&self) -> io::Result<()> {
        self.sync_step(|disk| {
            disk.synced_names = disk.names.clone();
            disk.unsynced_names.clear();
            Ok(())
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.step(|disk| {
            disk.named(from)?;
            disk.rename(NameChange::Rename(from.to_owned(), to.to_owned()));
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.step(|disk| {
            disk.named(name)?;
            disk.rename(NameChange::Remove(name.to_owned()));
            Ok(())
        })
    }
}

/// Steele, Lea and Flood's generator: every seed gives a sequence of its own.
#[derive(Debug, Clone)]
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn fork(&mut self) -> Self {
        Self(self.next())
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}
