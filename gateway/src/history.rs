//! The thread that keeps the history views: it adds each segment of the ledger once that is closed, and answers
//! nothing itself. Look-ups read beside it, and the committer never waits for it. Views that fail are built again from
//! the ledger; until then look-ups in the history have no answer.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use icaze_config::gateway::Config;
use icaze_store::ledger::{FileStorage, MasterKey, ReadError, read_closed};
use icaze_store::views::{Index, Keying, Views, ViewsError};
use tokio::runtime::Runtime;

use crate::gateway::{Gateway, Phase};
use crate::pipeline::Numbering;

/// How often closed segments are looked for.
const POLL: Duration = Duration::from_secs(5);
/// How long the views are left alone after a failure.
const RETRY: Duration = Duration::from_secs(60);

/// The history as look-ups see it.
#[derive(Default)]
pub struct History {
    /// `None` while there are no views: at the start, and after a failure.
    index: Mutex<Option<Index>>,
    position: AtomicU64,
    /// A look-up found the views damaged.
    damaged: AtomicBool,
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

/// What the thread works with.
pub struct Keeper {
    store: PathBuf,
    key: MasterKey,
    keying: Keying,
    /// For waiting: wakes when the gateway stops.
    runtime: Runtime,
}

/// Why the history does not advance.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    /// The views are in doubt.
    #[error(transparent)]
    Views(#[from] ViewsError),
    /// The views are sound, but the ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] ReadError),
    /// The same.
    #[error("cannot open {}: {source}", store.display())]
    Store { store: PathBuf, source: std::io::Error },
    /// The views know records that the ledger lacks.
    #[error("the history views are ahead of the ledger")]
    Ahead,
    /// A look-up failed, and has said why.
    #[error("the history views are damaged")]
    Damaged,
}

impl Keeper {
    /// Keeps the views of the ledger in `config.store.dir` beside it, in `views`.
    ///
    /// # Errors
    /// If the system has no more timers.
    pub fn new(config: &Config, key: &MasterKey) -> std::io::Result<Self> {
        let Numbering { country, national } = Numbering::of(config);
        Ok(Self {
            store: config.store.dir.clone(),
            key: key.clone(),
            keying: Keying { secret: key.derive("history views"), country, national },
            runtime: tokio::runtime::Builder::new_current_thread().enable_time().build()?,
        })
    }

    /// Keeps the views until the gateway stops. A failure is logged and never ends the gateway.
    pub fn run(&self, gateway: &Gateway) {
        let mut views = None;
        loop {
            let wait = match self.advance(gateway, &mut views) {
                Ok(true) => Duration::ZERO,
                Ok(false) => POLL,
                Err(error) => {
                    tracing::warn!(%error, "the history does not advance; tried again in a minute");
                    self.give_up(gateway, &error, views.take());
                    RETRY
                }
            };
            if self.stopped_within(gateway, wait) {
                return;
            }
        }
    }

    /// Adds the next closed segment; whether there was one.
    fn advance(&self, gateway: &Gateway, views: &mut Option<Views>) -> Result<bool, KeepError> {
        let views = match views {
            Some(views) => views,
            None => views.insert(self.open(gateway)?),
        };
        if gateway.history.damaged.swap(false, Ordering::AcqRel) {
            return Err(KeepError::Damaged);
        }
        if views.position() > gateway.durable().borrow().position() {
            return Err(KeepError::Ahead);
        }
        let source = |source| KeepError::Store { store: self.store.clone(), source };
        let storage = FileStorage::read_only(&self.store).map_err(source)?;
        let position = views.position();
        let mut run = views.run();
        let closed = read_closed(&storage, Some(&self.key), position, |record, _| run.add(record))?;
        run.load()?;
        gateway.history.publish(views);
        Ok(closed.is_some())
    }

    fn open(&self, gateway: &Gateway) -> Result<Views, KeepError> {
        let views = Views::open(&views_dir(&self.store), self.keying)?;
        tracing::info!(position = views.position(), "history views");
        gateway.history.damaged.store(false, Ordering::Release);
        Ok(views)
    }

    /// Closes the views, and has them built again if they are in doubt.
    fn give_up(&self, gateway: &Gateway, error: &KeepError, views: Option<Views>) {
        gateway.history.withdraw();
        let doubtful = matches!(error, KeepError::Views(_) | KeepError::Ahead | KeepError::Damaged);
        if let Some(views) = views.filter(|_| doubtful)
            && let Err(error) = views.discard()
        {
            tracing::warn!(%error, "the history views could not be discarded");
        }
    }

    fn stopped_within(&self, gateway: &Gateway, wait: Duration) -> bool {
        let mut phase = gateway.phase();
        self.runtime.block_on(async {
            let stopped = phase.wait_for(|phase| *phase == Phase::Stopped);
            tokio::time::timeout(wait, stopped).await.is_ok()
        })
    }
}

/// Where the views of the ledger in `store` are.
fn views_dir(store: &Path) -> PathBuf {
    store.join("views")
}
