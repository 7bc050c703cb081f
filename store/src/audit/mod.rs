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

pub use self::line::{Broken, Head, NoHead, What};
pub use self::read::{Page, verify};
pub use self::record::{Action, Detail, Keys, Record, Subject};

/// A file that has this size is followed by a new one.
const FILE_BYTES: u64 = 32 << 20;

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
        Ok(Self { dir: dir.to_owned(), keys, file, path, bytes: whole as u64, head, poisoned: false })
    }

    /// Writes a record and syncs it. What it says may be told when this returns, not before.
    ///
    /// # Errors
    /// If the system fails; the trail then takes nothing more until it is opened again.
    pub fn append(&mut self, record: &Record) -> Result<Head, TrailError> {
        if self.poisoned {
            return Err(TrailError::Poisoned);
        }
        self.poisoned = true;
        if self.bytes >= FILE_BYTES {
            self.next_file()?;
        }
        let number = self.head.number + 1;
        let sealed = record.sealed(number, &self.keys).map_err(failed(&self.path, "seal a record for"))?;
        let (head, text) = line::write(self.head, &sealed);
        self.file.seek(SeekFrom::Start(self.bytes)).map_err(failed(&self.path, "write to"))?;
        self.file.write_all(text.as_bytes()).map_err(failed(&self.path, "write to"))?;
        self.file.sync_data().map_err(failed(&self.path, "sync"))?;
        (self.head, self.bytes, self.poisoned) = (head, self.bytes + text.len() as u64, false);
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
        self.path = file_path(&self.dir, self.head.number + 1);
        self.file = open_for_append(&self.path)?;
        self.bytes = 0;
        sync_directory(&self.dir)
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
    move |source| TrailError::Io { path, action, source }
}
