//! The trail of who looked whom up, as handlers write to it and read it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use icaze_store::audit::{Action, Detail, Head, Keys, Page, Record, Subject, Trail, TrailError};
use jiff::Timestamp;
use tokio::task::spawn_blocking;

use super::access::Caller;
use super::problem::Problem;

/// The trail. A clone is the same one.
#[derive(Clone)]
pub struct Audit {
    trail: Arc<Mutex<Trail>>,
    dir: PathBuf,
    /// Make subjects of persons.
    pub keys: Keys,
}

/// Something that is about to be told or done.
pub struct Deed<'a> {
    /// When.
    pub at: Timestamp,
    /// Who asks.
    pub caller: &'a Caller,
    /// What for.
    pub action: Action,
    /// Whether the caller may.
    pub allowed: bool,
    /// Whether it is withheld from the person it is about.
    pub covert: bool,
    /// Whom it is about.
    pub subjects: Vec<Subject>,
    /// What was asked.
    pub asked: &'a str,
    /// Why.
    pub reason: &'a str,
}

impl Audit {
    /// The trail, which is open.
    #[must_use]
    pub fn new(trail: Trail) -> Self {
        let (dir, keys) = trail.reader();
        Self { trail: Arc::new(Mutex::new(trail)), dir, keys }
    }

    /// Writes down what is about to be told; it may be told once this returns.
    ///
    /// # Errors
    /// If it cannot be written: then nothing may be told.
    pub async fn write(&self, deed: Deed<'_>) -> Result<(), Problem> {
        let record = Record {
            number: 0,
            at: deed.at,
            who: deed.caller.name.to_string(),
            institution: deed.caller.institution.to_string(),
            action: deed.action,
            allowed: deed.allowed,
            covert: deed.covert,
            subjects: deed.subjects,
            detail: Some(Detail { asked: deed.asked.to_owned(), reason: deed.reason.to_owned() }),
        };
        let trail = Arc::clone(&self.trail);
        let append = move || trail.lock().unwrap_or_else(PoisonError::into_inner).append(&record);
        done(spawn_blocking(append).await.map_err(|_| Problem::internal())?).map(|_: Head| ())
    }

    /// A page of the trail, newest first.
    ///
    /// # Errors
    /// If it cannot be read, or is not what was written.
    pub async fn page(
        &self,
        before: Option<u64>,
        limit: usize,
        about: Option<Subject>,
    ) -> Result<Page, Problem> {
        let (dir, keys) = (self.dir.clone(), self.keys.clone());
        let read = move || Page::read(&dir, &keys, before, limit, about);
        done(spawn_blocking(read).await.map_err(|_| Problem::internal())?)
    }

    /// The newest record's number.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.trail.lock().unwrap_or_else(PoisonError::into_inner).head().number
    }
}

fn done<T>(result: Result<T, TrailError>) -> Result<T, Problem> {
    result.map_err(|error| {
        tracing::error!(%error, "nobody is looked up");
        Problem::unavailable(
            "the trail of look-ups cannot be written or read, so nothing is told; see the log",
        )
    })
}
