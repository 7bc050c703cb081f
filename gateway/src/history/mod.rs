//! The history: decisions that have left the pipeline's memory, found through the views that a thread of their own keeps.

mod archive;
mod decisions;
mod keeper;
pub mod statistics;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use icaze_store::views::{Index, Views, ViewsError};

pub use archive::{Archive, ArchiveError, Wanted};
pub use decisions::Page;
pub use keeper::Keeper;

/// The history as look-ups see it.
#[derive(Default)]
pub struct History {
    /// `None` while there are no views: at the start, and after a failure.
    index: Mutex<Option<Index>>,
    position: AtomicU64,
    /// A look-up found the views damaged.
    damaged: AtomicBool,
    /// People are known from this record on, and records are there from this one on.
    people_from: AtomicU64,
    records_from: AtomicU64,
    /// Shared by those who read segments of the ledger: a reader that finds one gone would take the ledger for damaged.
    segments: RwLock<()>,
}

impl History {
    /// The last record of the ledger that the history covers; 0 without views. Take it before a look-up: what is behind
    /// it is answered from memory.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    /// Asks the index, which reads from disk: not for a thread that serves links. `None` if the history has no answer
    /// now; ask again in a minute.
    pub fn look_up<T>(&self, ask: impl FnOnce(&Index) -> Result<T, ViewsError>) -> Option<T> {
        let index = self.index().clone()?;
        let answer = ask(&index);
        if let Err(error) = &answer {
            tracing::warn!(%error, "a look-up in the history failed; the views are built again");
            self.damaged.store(true, Ordering::Release);
        }
        answer.ok()
    }

    /// Says from which record on the ledger still knows people, and from which on it has records at all: the views forget the rest.
    pub fn retain(&self, people_from: u64, records_from: u64) {
        self.people_from.store(people_from, Ordering::Release);
        self.records_from.store(records_from, Ordering::Release);
    }

    /// Held while a segment of the ledger is removed or loses a key. Nobody reads segments meanwhile.
    pub fn segments_change(&self) -> RwLockWriteGuard<'_, ()> {
        self.segments.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held while segments are read. None goes meanwhile.
    fn segments_stay(&self) -> RwLockReadGuard<'_, ()> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn index(&self) -> MutexGuard<'_, Option<Index>> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, views: &Views) {
        *self.index() = Some(views.index().clone());
        self.position.store(views.position(), Ordering::Release);
    }

    fn withdraw(&self) {
        *self.index() = None;
        self.position.store(0, Ordering::Release);
    }
}
