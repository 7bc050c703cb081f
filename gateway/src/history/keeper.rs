//! The thread that keeps the history views: it adds each segment of the ledger once that is closed, and answers
//! nothing itself. Look-ups read beside it, and the committer never waits for it. Views that fail are built again from
//! the ledger; until then look-ups in the history have no answer.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use icaze_config::gateway::Config;
use icaze_store::ledger::{FileStorage, MasterKey, ReadError, first_seq, read_closed};
use icaze_store::views::{Keying, Views, ViewsError};

use super::History;
use crate::gateway::Gateway;
use crate::pipeline::Numbering;
use crate::waiter::Waiter;

/// How often closed segments are looked for.
const POLL: Duration = Duration::from_secs(5);
/// How long the views are left alone after a failure.
const RETRY: Duration = Duration::from_secs(60);

/// What the thread works with.
pub struct Keeper {
    store: PathBuf,
    key: MasterKey,
    keying: Keying,
    waiter: Waiter,
}

/// Why the history does not advance.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    /// The views cannot be read or written.
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
    /// Runs of records that the ledger has are missing.
    #[error("the history views lack what the ledger has")]
    Behind,
    /// A look-up failed, and has said why.
    #[error("the history views are damaged")]
    Damaged,
}

impl KeepError {
    fn doubts_views(&self) -> bool {
        match self {
            Self::Views(ViewsError::Damaged { .. }) | Self::Ahead | Self::Behind | Self::Damaged => true,
            // A disk without room, for one: what is there stays.
            Self::Views(ViewsError::Io { .. } | ViewsError::TooLong) => false,
            Self::Ledger(_) | Self::Store { .. } => false,
        }
    }
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
            waiter: Waiter::new()?,
        })
    }

    /// Keeps the views until the gateway stops. A failure is logged and never ends the gateway.
    pub fn run(&self, gateway: &Gateway) {
        let mut views = None;
        gateway.pipeline().set_covered(0);
        loop {
            let durable = gateway.durable().borrow().position();
            let wait = self.step(&gateway.history, durable, &mut views);
            gateway.pipeline().set_covered(gateway.history.position());
            // Look-ups wait for the first step, nobody for the others.
            yield_to_others();
            if self.waiter.stopped_within(gateway, wait) {
                return;
            }
        }
    }

    /// Opens the views or adds the next closed segment, or deals with the failure to; how long to wait before the next step.
    fn step(&self, history: &History, durable: u64, views: &mut Option<Views>) -> Duration {
        match self.advance(history, durable, views) {
            Ok(true) => Duration::ZERO,
            Ok(false) => POLL,
            Err(error) => {
                tracing::warn!(%error, "the history does not advance; tried again in a minute");
                if error.doubts_views() {
                    history.withdraw();
                    if let Some(Err(error)) = views.take().map(Views::discard) {
                        tracing::warn!(%error, "the history views could not be discarded");
                    }
                }
                RETRY
            }
        }
    }

    /// Opens the views, or adds the next closed segment; whether there may be another one.
    fn advance(&self, history: &History, durable: u64, views: &mut Option<Views>) -> Result<bool, KeepError> {
        let was_open = views.is_some();
        let views = match views {
            Some(views) => views,
            None => views.insert(self.open(history)?),
        };
        if history.damaged.swap(false, Ordering::AcqRel) {
            return Err(KeepError::Damaged);
        }
        let position = views.position();
        if position > durable {
            return Err(KeepError::Ahead);
        }
        let segments = history.segments_stay();
        let source = |source| KeepError::Store { store: self.store.clone(), source };
        let storage = FileStorage::read_only(&self.store).map_err(source)?;
        if first_seq(&storage)?.is_some_and(|first| views.begin() > first) {
            return Err(KeepError::Behind);
        }
        if !was_open {
            history.publish(views);
            return Ok(true);
        }
        let mut run = views.run();
        let closed = read_closed(&storage, Some(&self.key), position, |record, _| run.add(record))?;
        drop(segments);
        run.load()?;
        // Last, so that look-ups hear at once of what is gone: a file that is missing puts all of it in doubt.
        views.forget_people(history.people_from.load(Ordering::Acquire))?;
        views.remove_before(history.records_from.load(Ordering::Acquire))?;
        history.publish(views);
        Ok(closed.is_some())
    }

    fn open(&self, history: &History) -> Result<Views, KeepError> {
        let views = Views::open(&self.store.join("views"), self.keying)?;
        tracing::info!(position = views.position(), "history views");
        history.damaged.store(false, Ordering::Release);
        Ok(views)
    }
}

/// The history may take its time: this thread, and those that it starts, take the processor when nobody else wants it.
fn yield_to_others() {
    const NICE: i32 = 15;
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE) {
        tracing::debug!(%error, "the history has the priority of everything else");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use icaze_store::ledger::retention::{remove_oldest, survey};
    use icaze_store::ledger::{Entry, Ledger, Mark, Options};
    use jiff::Timestamp;

    /// A keeper of a ledger with several closed segments: each second record is a mark on the decision before it.
    fn keeper(dir: &std::path::Path) -> (Keeper, u64) {
        let storage = FileStorage::open(dir).unwrap();
        let key = MasterKey::random().unwrap();
        let options = Options { segment_bytes: 16 << 10, ..Options::default() };
        let (mut ledger, mut batch) = Ledger::open(storage, &key, 0, options, |_| {}).unwrap();
        let at = Timestamp::from_second(1_607_900_000).unwrap();
        for _ in 0..1000 {
            batch.append(at, at, &Entry::Start).unwrap();
            let marked = batch.last_seq();
            batch.append(at, at, &Entry::Mark(Mark::Sent, vec![marked].into())).unwrap();
            if batch.len() == 40 {
                // Many short segments.
                ledger.roll().unwrap();
                ledger.commit(&mut batch).unwrap();
                ledger.make_room().unwrap();
            }
        }
        let keeper = Keeper {
            store: dir.to_owned(),
            key,
            keying: Keying { secret: [1; 16], country: 994, national: 9 },
            waiter: Waiter::new().unwrap(),
        };
        (keeper, ledger.durable().position())
    }

    fn catch_up(keeper: &Keeper, history: &History, durable: u64, views: &mut Option<Views>) {
        while keeper.step(history, durable, views) == Duration::ZERO {}
    }

    #[test]
    fn closed_segments_are_looked_up_beside_the_ledger() {
        let dir = tempfile::tempdir().unwrap();
        let (keeper, durable) = keeper(dir.path());
        let (history, mut views) = (History::default(), None);
        assert_eq!(history.look_up(|index| index.marks(1)), None, "before the views are open");
        catch_up(&keeper, &history, durable, &mut views);
        assert!((1000..durable).contains(&history.position()), "{} of {durable}", history.position());
        assert_eq!(history.look_up(|index| index.marks(1)), Some(vec![2]));
        let last = history.position();
        drop(views);
        history.withdraw();
        let mut views = None;
        assert_eq!(keeper.step(&history, durable, &mut views), Duration::ZERO);
        assert_eq!(history.position(), last, "look-ups are answered before anything is read");
        assert_eq!(keeper.step(&history, durable, &mut views), POLL, "nothing is read twice");
    }

    #[test]
    fn segments_that_go_meanwhile_are_no_failure() {
        let dir = tempfile::tempdir().unwrap();
        let (keeper, durable) = keeper(dir.path());
        let history = History::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let storage = FileStorage::open(dir.path()).unwrap();
                while survey(&storage).unwrap().len() > 2 {
                    let _segments = history.segments_change();
                    remove_oldest(&storage).unwrap();
                }
            });
            let mut views = None;
            while survey(&FileStorage::read_only(dir.path()).unwrap()).map_or(true, |ages| ages.len() > 2) {
                for _ in 0..2 {
                    assert_ne!(keeper.step(&history, durable, &mut views), RETRY);
                }
                views = None;
                std::fs::remove_dir_all(dir.path().join("views")).unwrap();
            }
        });
    }

    #[test]
    fn doubtful_views_give_no_answer_until_they_are_built_again() {
        let dir = tempfile::tempdir().unwrap();
        let (keeper, durable) = keeper(dir.path());
        let (history, mut views) = (History::default(), None);
        catch_up(&keeper, &history, durable, &mut views);
        let position = history.position();

        assert_eq!(history.look_up(|_| Err::<(), _>(ViewsError::Damaged { path: PathBuf::new() })), None);
        assert_eq!(keeper.step(&history, durable, &mut views), RETRY, "a damaged entry was met");
        assert_eq!((history.position(), history.look_up(|index| index.marks(1))), (0, None));
        catch_up(&keeper, &history, durable, &mut views);
        assert_eq!(history.position(), position);

        assert_eq!(keeper.step(&history, position - 1, &mut views), RETRY, "ahead of its ledger");
        assert_eq!(history.position(), 0);
        catch_up(&keeper, &history, durable, &mut views);
        assert_eq!(history.look_up(|index| index.marks(1)), Some(vec![2]));
    }

    #[test]
    fn a_ledger_that_cannot_be_read_leaves_the_views_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let (mut keeper, durable) = keeper(dir.path());
        let (history, mut views) = (History::default(), None);
        catch_up(&keeper, &history, durable, &mut views);
        keeper.key = MasterKey::random().unwrap();
        assert_eq!(keeper.step(&history, durable, &mut views), RETRY);
        assert_eq!(history.look_up(|index| index.marks(1)), Some(vec![2]));
    }
}
