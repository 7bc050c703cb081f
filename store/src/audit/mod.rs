//! The trail of who looked whom up, and why: append-only, each record chained to the one before by a hash, so that nobody can
//! change or remove one unnoticed.
//!
//! A directory of text files, each named by the number of its first record. A line is the record's hash in hexadecimal digits, a
//! space, and the record in JSON. The hash is the SHA-256 of the hash before it and the JSON; the first record's follows 32
//! zeros. Whoever keeps a copy of a [`Head`] elsewhere can tell later that nothing up to it was changed or cut off.
//!
//! Whom a record is about, and the reason given, are sealed with AES-256-GCM under a key derived from the master key. A keyed hash
//! of each person lets that person's records be found.

mod line;
mod read;
mod record;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};

pub use self::line::{Broken, Head, NoHead, What};
pub use self::read::{Page, verify};
pub use self::record::{Action, Detail, Keys, Record, Subject};

/// A file that has this size is followed by a new one.
const FILE_BYTES: u64 = 32 << 20;

/// Set aside for what comes next, so that some 2,000 look-ups are still written when the disk is full.
const SPARE_BYTES: u64 = 1 << 20;

/// Why the trail cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum TrailError {
    /// The system failed.
    #[error("the audit trail: cannot {action} {}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The disk is full, and so is what was set aside. Nothing was written.
    #[error("the audit trail: the disk is full; free some of it, and look-ups go on by themselves")]
    NoRoom,
    /// A record is not what was written.
    #[error("the audit trail: {0}")]
    Broken(#[from] Broken),
    /// An earlier write failed: what reached the disk is unknown until the trail is opened again.
    #[error("the audit trail: an earlier write failed; nobody is looked up until the gateway is restarted")]
    Poisoned,
}

/// The trail of one store, and the only way to write to it.
pub struct Trail {
    dir: PathBuf,
    keys: Keys,
    file: File,
    path: PathBuf,
    bytes: u64,
    /// Up to where room is set aside.
    spare_end: u64,
    head: Head,
    poisoned: bool,
}

impl Trail {
    /// Opens the trail in `dir`, which is made with mode 0700 if it is not there. What a crash left of a record that was never
    /// acknowledged is cut off.
    ///
    /// # Errors
    /// If the newest file is not what was written, or the system fails.
    pub fn open(dir: &Path, keys: Keys) -> Result<Self, TrailError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed(dir, "create"))?;
        let newest = read::files(dir)?.pop();
        let (first, path) = newest.unwrap_or_else(|| (1, file_path(dir, 1)));
        let mut file = open_for_append(&path)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed(&path, "read"))?;
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        if whole < text.len() {
            file.set_len(whole as u64).map_err(failed(&path, "cut the unfinished end of"))?;
            file.sync_all().map_err(failed(&path, "sync"))?;
        }
        let lines = text.get(..whole).unwrap_or_default();
        let before = read::head_before(dir, first)?;
        let head = line::check(lines, before, |_, _| {})?;
        sync_directory(dir)?;
        let mut trail = Self {
            dir: dir.to_owned(),
            keys,
            file,
            path,
            bytes: whole as u64,
            spare_end: 0,
            head,
            poisoned: false,
        };
        trail.set_room_aside();
        Ok(trail)
    }

    /// Writes a record and syncs it. What it says may be told when this returns, not before.
    ///
    /// # Errors
    /// [`TrailError::NoRoom`] until there is some. If the system fails otherwise, the trail takes nothing more until it is opened
    /// again.
    pub fn append(&mut self, record: &Record) -> Result<Head, TrailError> {
        if self.poisoned {
            return Err(TrailError::Poisoned);
        }
        self.poisoned = true;
        if self.bytes >= FILE_BYTES {
            match self.next_file() {
                // This one has room set aside.
                Err(TrailError::NoRoom) => {}
                begun => begun?,
            }
        }
        let number = self.head.number + 1;
        let sealed = record.sealed(number, &self.keys).map_err(failed(&self.path, "seal a record for"))?;
        let (head, text) = line::write(self.head, &sealed);
        self.file.seek(SeekFrom::Start(self.bytes)).map_err(failed(&self.path, "write to"))?;
        let written = self.file.write_all(text.as_bytes()).map_err(failed(&self.path, "write to"));
        if let Err(TrailError::NoRoom) = written {
            self.file.set_len(self.bytes).map_err(failed(&self.path, "cut the unfinished end of"))?;
            self.poisoned = false;
        }
        written?;
        self.file.sync_data().map_err(failed(&self.path, "sync"))?;
        (self.head, self.bytes, self.poisoned) = (head, self.bytes + text.len() as u64, false);
        self.set_room_aside();
        Ok(head)
    }

    /// The newest record's number and hash, to be kept elsewhere.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// What reads the trail beside its writer.
    #[must_use]
    pub fn reader(&self) -> (PathBuf, Keys) {
        (self.dir.clone(), self.keys.clone())
    }

    fn next_file(&mut self) -> Result<(), TrailError> {
        let path = file_path(&self.dir, self.head.number + 1);
        let file = open_for_append(&path)?;
        sync_directory(&self.dir)?;
        (self.path, self.file, self.bytes, self.spare_end) = (path, file, 0, 0);
        self.set_room_aside();
        Ok(())
    }

    /// Sets room aside behind the end once half of it is used, where the file system can and has some.
    fn set_room_aside(&mut self) {
        if self.spare_end < self.bytes + SPARE_BYTES / 2
            && fallocate(&self.file, FallocateFlags::KEEP_SIZE, self.bytes, SPARE_BYTES).is_ok()
        {
            self.spare_end = self.bytes + SPARE_BYTES;
        }
    }
}

fn open_for_append(path: &Path) -> Result<File, TrailError> {
    let options =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    options.map_err(failed(path, "open"))
}

fn sync_directory(dir: &Path) -> Result<(), TrailError> {
    File::open(dir).and_then(|directory| directory.sync_all()).map_err(failed(dir, "sync"))
}

fn file_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:012}.log"))
}

fn failed(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> TrailError {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull => TrailError::NoRoom,
        _ => TrailError::Io { path, action, source },
    }
}
