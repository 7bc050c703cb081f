//! The thread that makes decisions durable: one write and one sync for whatever has arrived.

use std::sync::PoisonError;
use std::time::Duration;

use icaze_store::ledger::{Batch, CommitError, Ledger, Storage};

use crate::clock::Now;
use crate::gateway::{Gateway, Phase};
use crate::pipeline::shared::News;
use crate::waiter::Waiter;

/// How long marks may wait for a commit that a message causes, before they get one of their own.
const MARKS_WAIT: Duration = Duration::from_millis(500);

/// How long a full disk is left alone.
const ROOM_WAIT: Duration = Duration::from_millis(200);

/// Commits until the gateway stops, and begins a new segment of the ledger once one has records that are older than
/// `segment_span`; then commits what is left and returns. After a failed commit nothing more is
/// made durable, so that no response leaves: the gateway stops, and the caller ends the process. `waiter` is for other nodes,
/// where allowances are shared.
///
/// # Errors
/// If a commit fails. It is never tried again.
pub fn run<S: Storage>(
    gateway: &Gateway,
    mut ledger: Ledger<S>,
    segment_span: Duration,
    waiter: &Waiter,
) -> Result<(), CommitError> {
    let mut batch = gateway.pipeline().spare_batch();
    let mut news = News::default();
    // An end in the middle of something may have left records that a start carries over.
    let mut began = Some(Now::read().monotonic);
    loop {
        if began.is_some_and(|began| began.elapsed() >= segment_span) {
            match ledger.roll() {
                // Without room it is tried again.
                Ok(_) => began = None,
                Err(CommitError::NoRoom) => {}
                Err(error) => return fail(gateway, error),
            }
        }
        let stopped = next_batch(gateway, &mut batch, &mut news, ledger.has_room());
        if batch.is_empty() {
            make_room(gateway, &mut ledger)?;
            if stopped {
                return Ok(());
            }
            continue;
        }
        let (now, records) = (Now::read().monotonic, batch.len());
        match ledger.commit(&mut batch) {
            Ok(durable) => {
                began.get_or_insert(now);
                gateway.telemetry.committed(now.elapsed(), records);
                if let Some(shared) = &gateway.shared
                    && !shared.settle(gateway, waiter, std::mem::take(&mut news))
                {
                    // Nobody has heard of what was not settled: the next start sees to it.
                    return Ok(());
                }
                gateway.set_durable(durable);
                make_room(gateway, &mut ledger)?;
            }
            // The batch is kept: it is written as soon as there is room.
            Err(CommitError::NoRoom) => std::thread::sleep(ROOM_WAIT),
            Err(error) => return fail(gateway, error),
        }
    }
}

/// Sets the next segment's space aside before it is needed.
fn make_room<S: Storage>(gateway: &Gateway, ledger: &mut Ledger<S>) -> Result<(), CommitError> {
    let had = ledger.has_room();
    match ledger.make_room() {
        Ok(has) if has != had => tracing::warn!(has, "room for the ledger"),
        Ok(_) => {}
        Err(error) => return fail(gateway, error),
    }
    Ok(())
}

fn fail(gateway: &Gateway, error: CommitError) -> Result<(), CommitError> {
    gateway.set_phase(Phase::Stopped);
    Err(error)
}

/// Waits for something to commit and takes it, unless `batch` still waits for room; whether the gateway has stopped.
fn next_batch(gateway: &Gateway, batch: &mut Batch, news: &mut News, room: bool) -> bool {
    let mut pipeline = gateway.pipeline();
    let stopped = || *gateway.phase().borrow() == Phase::Stopped;
    pipeline.set_room(room);
    if !batch.is_empty() {
        return stopped();
    }
    if !pipeline.wants_commit() && !stopped() {
        let idle = |pipeline: &mut crate::pipeline::Pipeline| !pipeline.wants_commit() && !stopped();
        let waited = gateway.work().wait_timeout_while(pipeline, MARKS_WAIT, idle);
        pipeline = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
    pipeline.take_batch(batch);
    pipeline.take_news(batch, news);
    stopped()
}
