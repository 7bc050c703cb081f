//! The history: which records of the ledger speak of a permit code, a document, a person, a phone, or a time.
//!
//! An index on disk, made from closed segments of the ledger off the commit path. It holds no record: it answers with
//! sequence numbers, and what they stand for is read from the ledger. It can be deleted at any time, and is deleted and
//! built again whenever it is in doubt.
//!
//! What a copy of it discloses: how many records some unnamed person, document, phone or code has, and when they were
//! made. Serials, phone and person numbers and codes are hashed under a secret ([`Keying`]).

mod index;
mod key;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fjall::config::FilterPolicy;
use fjall::{Database, KeyspaceCreateOptions, PersistMode};

use crate::Outcome;
use crate::ledger::{Decision, Entry, Record};

pub use index::Index;
pub use key::Keying;

/// Written into the stamp: what another version or secret has made is built again.
const VERSION: u32 = 1;
/// The index's share of memory for blocks that were read.
const CACHE_BYTES: u64 = 16 << 20;
/// Open files, as the index has about one for each 64 MiB.
const FILES_MAX: usize = 128;

/// Why the views do not answer. None of it touches the ledger: [`Views::discard`] them, and open them again.
#[derive(Debug, thiserror::Error)]
pub enum ViewsError {
    /// The system failed.
    #[error("the history views: cannot {action} {}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The index failed.
    #[error("the history views: {0}")]
    Index(#[from] fjall::Error),
    /// The index holds what was never put there.
    #[error("the history views hold an entry that was never written")]
    Malformed,
}

/// The history views of one ledger, and the only way to add to them. Look-ups go through [`index`](Self::index).
pub struct Views {
    index: Index,
    dir: PathBuf,
    reached: Reached,
    /// Ends the index's own thread when dropped.
    database: Database,
}

/// How far the index has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Reached {
    /// The last record's number; 0 before the first.
    position: u64,
    /// Its instant, as in a key.
    instant: u64,
}

impl Views {
    /// Opens the views in `dir`, which holds nothing else. Starts from nothing, at position 0, if there are none, or if
    /// they are of another version or [`Keying`], damaged, or were being opened when the process ended.
    ///
    /// # Errors
    /// If the directory cannot be written to, or an [`Index`] of it is still held somewhere.
    pub fn open(dir: &Path, keying: Keying) -> Result<Self, ViewsError> {
        let stamp = dir.join("stamp");
        let expected = format!("icaze views {VERSION} {:016x}\n", keying.fingerprint());
        let known = fs::read_to_string(&stamp).is_ok_and(|found| found == expected);
        // The library may panic on damage, and so end the process. Without its stamp a directory is not opened again.
        remove_stamp(dir)?;
        let kept = if known { Self::attach(dir, keying) } else { Err(ViewsError::Malformed) };
        let views = match kept {
            Ok(views) => views,
            Err(ViewsError::Index(fjall::Error::Locked)) => return Err(fjall::Error::Locked.into()),
            Err(_) => Self::create(dir, keying)?,
        };
        fs::write(&stamp, expected).map_err(failed(&stamp, "write"))?;
        Ok(views)
    }

    fn create(dir: &Path, keying: Keying) -> Result<Self, ViewsError> {
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(dir, "delete")(error));
            }
            _ => {}
        }
        fs::create_dir_all(dir).map_err(failed(dir, "create"))?;
        Self::attach(dir, keying)
    }

    fn attach(dir: &Path, keying: Keying) -> Result<Self, ViewsError> {
        let database = Database::builder(dir.join("index"))
            .worker_threads(1)
            .cache_size(CACHE_BYTES)
            .max_cached_files(Some(FILES_MAX))
            .open()?;
        // All look-ups are ranges, which filters cannot help.
        let options = || KeyspaceCreateOptions::default().filter_policy(FilterPolicy::disabled());
        let index = Index::new(database.keyspace("history", options)?, keying);
        let reached = index.reached()?;
        Ok(Self { index, dir: dir.to_owned(), reached, database })
    }

    /// The last record that is in the views; 0 before the first.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.reached.position
    }

    /// What answers look-ups, in other threads as well and while a run is loaded.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Begins a run of records, to be loaded as a whole.
    pub fn run(&mut self) -> Run<'_> {
        let reached = self.reached;
        Run { views: self, keys: Default::default(), reached }
    }

    /// Closes views that are in doubt: the next [`open`](Self::open) starts from nothing.
    ///
    /// # Errors
    /// If their stamp cannot be removed.
    pub fn discard(self) -> Result<(), ViewsError> {
        remove_stamp(&self.dir)
    }
}

/// Records on their way into the views: 16 bytes of memory for each key, about four keys for a decision. A segment's
/// records make a good run.
pub struct Run<'v> {
    views: &'v mut Views,
    /// What follows the tag in a key, by tag: as numbers they sort several times as fast as bytes do.
    keys: [Vec<u128>; key::TAGS],
    reached: Reached,
}

impl Run<'_> {
    /// Adds the record that is next in the ledger. One that the views have already is left out.
    pub fn add(&mut self, record: &Record<'_>) {
        if record.seq <= self.reached.position {
            return;
        }
        self.reached.position = record.seq;
        let instant = key::instant(record.decided_at);
        if instant > self.reached.instant {
            self.reached.instant = instant;
            self.push(key::TIME, instant, record.seq);
        }
        match &record.entry {
            Entry::Decision(decision) => self.add_decision(record.seq, decision),
            Entry::Mark(_, decisions) => {
                decisions.iter().for_each(|&decision| self.push(key::MARKS, decision, record.seq));
            }
            Entry::Revocation(decision) => self.push(key::MARKS, *decision, record.seq),
            Entry::Part(_) | Entry::Receiver(..) | Entry::Start | Entry::Stop => {}
        }
    }

    fn add_decision(&mut self, seq: u64, decision: &Decision<'_>) {
        let keying = self.views.index.keying();
        // A standing permit is found by its code where it was issued.
        let issued = decision.permit.as_ref().filter(|_| decision.outcome == Outcome::Granted);
        let hashes = [
            (key::CODE, issued.map(|permit| keying.code(permit.code))),
            (key::DOCUMENT, decision.document.map(|document| keying.document(document))),
            (key::PERSON, decision.person.map(|person| keying.person(person))),
            (key::PHONE, keying.subscriber(&decision.from).map(|phone| keying.phone(phone))),
        ];
        for (tag, hash) in hashes {
            if let Some(hash) = hash {
                self.push(tag, hash, seq);
            }
        }
    }

    fn push(&mut self, tag: u8, middle: u64, last: u64) {
        if let Some(keys) = self.keys.get_mut(usize::from(tag)) {
            keys.push(u128::from(middle) << 64 | u128::from(last));
        }
    }

    /// Sorts the run and adds it to the views, with the position that they then have, as one change: after a crash
    /// both are there or neither. Synced when it returns.
    ///
    /// # Errors
    /// If it cannot be written; the views are in doubt then.
    pub fn load(self) -> Result<(), ViewsError> {
        let Self { views, mut keys, reached } = self;
        if reached == views.reached {
            return Ok(());
        }
        for keys in &mut keys {
            keys.sort_unstable();
            keys.dedup();
        }
        // Fails once the index's own thread has.
        views.database.persist(PersistMode::Buffer)?;
        let mut ingestion = views.index.keyspace().start_ingestion()?;
        let value = [reached.position.to_be_bytes(), reached.instant.to_be_bytes()].concat();
        ingestion.write(key::REACHED, value)?;
        for (tag, keys) in (0..).zip(keys) {
            for numbers in keys {
                ingestion.write(key::of(tag, numbers), [])?;
            }
        }
        ingestion.finish()?;
        views.reached = reached;
        Ok(())
    }
}

fn remove_stamp(dir: &Path) -> Result<(), ViewsError> {
    let stamp = dir.join("stamp");
    match fs::remove_file(&stamp) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&stamp, "remove")(error)),
        _ => Ok(()),
    }
}

fn failed(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> ViewsError {
    let path = path.to_owned();
    move |source| ViewsError::Io { path, action, source }
}
