//! The history: which records of the ledger speak of a permit code, a document, a person, a phone, or a time.
//!
//! An index on disk, made from closed segments of the ledger off the commit path: a file of sorted keys for each (`run.rs`). It
//! holds no record: it answers with sequence numbers, and what they stand for is read from the ledger. It can be deleted at any
//! time, and is deleted and built again whenever it is in doubt. Beside the keys stand the facts that statistics are made from.
//!
//! What a copy of it discloses: how many records some unnamed person, document, phone or code has, and when they were
//! made; and of decisions, by the unnamed person, what statistics count ([`Fact`]). Serials, phone and person numbers and codes are hashed under a secret ([`Keying`]).

mod facts;
mod index;
mod key;
mod run;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Outcome;
use crate::ledger::{Decision, Entry, Record};
use facts::Facts;
use run::{Header, RunFile};

pub use facts::{Fact, QUARTER_S, Someone};
pub use index::Index;
pub use key::Keying;

/// Held for its lock.
const LOCK: &str = "lock";
/// How the names of runs end; they begin with their first record's number.
const RUN: &str = "run";

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
    /// A file is not what was written.
    #[error("the history views: {} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A segment has more records than a key can tell apart.
    #[error(
        "the history views: a segment with more than {} records; lower store.segment_mib",
        key::RECORD_MAX
    )]
    TooLong,
}

/// The history views of one ledger, and the only way to add to them. Look-ups go through [`index`](Self::index).
pub struct Views {
    index: Index,
    dir: PathBuf,
    _lock: File,
}

impl Views {
    /// Opens the views in `dir`, which holds nothing else. Starts from nothing, at position 0, if there are none, or if
    /// they are of another version or [`Keying`], or damaged.
    ///
    /// # Errors
    /// If the directory cannot be written to, or other [`Views`] have it.
    pub fn open(dir: &Path, keying: Keying) -> Result<Self, ViewsError> {
        fs::create_dir_all(dir).map_err(failed(dir, "create"))?;
        let path = dir.join(LOCK);
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let lock = lock.map_err(failed(&path, "open"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => failed(&path, "lock")(io::ErrorKind::ResourceBusy.into()),
            TryLockError::Error(error) => failed(&path, "lock")(error),
        })?;
        let runs = match runs(dir, keying.fingerprint()).map_err(failed(dir, "read"))? {
            Some(runs) => runs,
            None => {
                empty(dir)?;
                Vec::new()
            }
        };
        Ok(Self { index: Index::new(runs, keying), dir: dir.to_owned(), _lock: lock })
    }

    /// The last record that is in the views; 0 before the first.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.index.position()
    }

    /// What answers look-ups, in other threads as well: of the records that are in the views now. A clone stays as it is.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Begins a run of records, to be loaded as a whole.
    pub fn run(&mut self) -> Run<'_> {
        let (position, second) = (self.index.position(), self.index.last_second());
        let (seconds, marks, keys, facts) = Default::default();
        Run { views: self, position, first: 0, began: second, second, seconds, marks, keys, facts }
    }

    /// Forgets whom the records before `seq` are about, as far as runs lie before it as a whole: look-ups do not find them any more,
    /// and statistics count them as decisions about nobody.
    ///
    /// # Errors
    /// If a run cannot be read or replaced.
    pub fn forget_people(&mut self, seq: u64) -> Result<(), ViewsError> {
        while let Some(run) = self.index.find(|run| run.header.position < seq && run.header.people) {
            let mut sections: [Vec<u64>; key::SECTIONS] = Default::default();
            for (number, section) in sections.iter_mut().enumerate() {
                run.all(number, |key| {
                    section.push(key);
                    Ok(())
                })?;
            }
            // As many keys as before: whoever reads the run by its old header finds nobody, and no other section's keys.
            key::PEOPLE.iter().for_each(|&section| sections[section].fill(0));
            facts::forget_people(&mut sections[key::FACTS]);
            let header = Header { people: false, ..run.header.clone() };
            let written = run::write(&run.path, header, &sections);
            let written = written.inspect_err(|_| run::remove_unfinished(&run.path));
            self.index.replace(written.map_err(failed(&run.path, "write"))?);
        }
        Ok(())
    }

    /// Removes the runs that lie before the record `seq` as a whole.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub fn remove_before(&mut self, seq: u64) -> Result<(), ViewsError> {
        while let Some(run) = self.index.find(|run| run.header.position < seq) {
            fs::remove_file(&run.path).map_err(failed(&run.path, "remove"))?;
            self.index.remove_oldest();
        }
        Ok(())
    }

    /// The first record that may be in the views: from there to the position they have all.
    #[must_use]
    pub fn begin(&self) -> u64 {
        self.index.find(|_| true).map_or(1, |run| run.header.previous + 1)
    }

    /// Closes views that are in doubt: the next [`open`](Self::open) starts from nothing.
    ///
    /// # Errors
    /// If their files cannot be removed.
    pub fn discard(self) -> Result<(), ViewsError> {
        empty(&self.dir)
    }
}

/// The runs in `dir`, oldest first; `None` if one between them is missing or unsound, or there is something else. Removes one that was
/// being written when the process ended.
fn runs(dir: &Path, fingerprint: u64) -> io::Result<Option<Vec<Arc<RunFile>>>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir)? {
        let (name, path) = {
            let entry = entry?;
            (entry.file_name(), entry.path())
        };
        if path.extension().is_some_and(|ending| ending == run::UNFINISHED) {
            fs::remove_file(path)?;
        } else if name != LOCK {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    let mut runs: Vec<Arc<RunFile>> = Vec::new();
    for path in paths {
        let before = runs.last().map(|run| run.header.position);
        let sound = |run: &RunFile| {
            let Header { fingerprint: made_by, previous, position, .. } = run.header;
            made_by == fingerprint && before.is_none_or(|before| before == previous) && position > previous
        };
        let Some(run) = RunFile::open(&path)?.filter(sound) else { return Ok(None) };
        runs.push(Arc::new(run));
    }
    Ok(Some(runs))
}

/// Removes everything from `dir` but the lock.
fn empty(dir: &Path) -> Result<(), ViewsError> {
    for entry in fs::read_dir(dir).map_err(failed(dir, "read"))? {
        let entry = entry.map_err(failed(dir, "read"))?;
        let path = entry.path();
        let removed = match entry.file_type() {
            Ok(kind) if kind.is_dir() => fs::remove_dir_all(&path),
            _ if entry.file_name() == LOCK => Ok(()),
            _ => fs::remove_file(&path),
        };
        removed.map_err(failed(&path, "remove"))?;
    }
    Ok(())
}

/// Records on their way into the views: 8 bytes of memory for each key, about six keys for a decision. A segment's
/// records make a good run.
pub struct Run<'v> {
    views: &'v mut Views,
    /// The last record that was added.
    position: u64,
    /// The first record that was added, which keys count records from; 0 before it.
    first: u64,
    /// The second that the first of them was made in, and the last one.
    began: u64,
    second: u64,
    /// Seconds, and the first record of each.
    seconds: Vec<(u64, u64)>,
    /// Decisions, and the marks on their replies.
    marks: Vec<(u64, u64)>,
    /// Of decisions, by section.
    keys: [Vec<u64>; key::SECTIONS],
    facts: Facts,
}

impl Run<'_> {
    /// Adds the record that is next in the ledger. One that the views have already is left out.
    pub fn add(&mut self, record: &Record<'_>) {
        if record.seq <= self.position {
            return;
        }
        self.position = record.seq;
        let second = key::second(record.decided_at);
        if self.first == 0 {
            (self.first, self.began) = (record.seq, second.max(self.second));
        }
        if second > self.second {
            self.second = second;
            self.seconds.push((second, record.seq));
        }
        if let Some((fact, person)) = self.views.index.fact(record) {
            self.facts.add(&fact, person);
        }
        match &record.entry {
            Entry::Decision(decision) => self.add_decision(record.seq, decision),
            Entry::Mark(_, decisions) => {
                self.marks.extend(decisions.iter().map(|&decision| (decision, record.seq)))
            }
            Entry::Revocation(decision) => self.marks.push((*decision, record.seq)),
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
        let record = seq - self.first;
        for (section, hash) in hashes {
            if let Some(hash) = hash {
                self.keys[section].push(key::hashed(hash, record));
            }
        }
    }

    /// Sorts the run and adds it to the views as one change: after a crash it is there or not. Synced when it returns.
    ///
    /// # Errors
    /// If it cannot be written. The views are then what they were.
    pub fn load(self) -> Result<(), ViewsError> {
        let Self { views, position, first, began, second, seconds, marks, mut keys, facts } = self;
        let previous = views.index.position();
        if position == previous {
            return Ok(());
        }
        if position - first > key::RECORD_MAX {
            return Err(ViewsError::TooLong);
        }
        let decisions = || marks.iter().map(|(decision, _)| *decision);
        let marked = decisions().min().zip(decisions().max()).unwrap_or_default();
        let key = |high, seq| key::key(high, seq - first);
        keys[key::MARKS].extend(marks.iter().map(|(decision, mark)| key(decision - marked.0, *mark)));
        keys[key::SECONDS].extend(seconds.iter().map(|(second, seq)| key(second - began, *seq)));
        for keys in &mut keys {
            keys.sort_unstable();
            keys.dedup();
        }
        [keys[key::REGIONS], keys[key::GROUPS], keys[key::FACTS]] = facts.sections()?;
        let header = Header {
            fingerprint: views.index.keying().fingerprint(),
            previous,
            position,
            first,
            marked,
            seconds: (began, second),
            people: true,
            counts: std::array::from_fn(|section| keys[section].len() as u64),
        };
        let path = views.dir.join(format!("{first:020}.{RUN}"));
        let written = run::write(&path, header, &keys).inspect_err(|_| run::remove_unfinished(&path));
        views.index.add(written.map_err(failed(&path, "write"))?);
        Ok(())
    }
}

fn failed(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> ViewsError {
    let path = path.to_owned();
    move |source| ViewsError::Io { path, action, source }
}
