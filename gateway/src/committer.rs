//! The thread that makes decisions durable: one write and one sync for whatever has arrived.

use std::sync::PoisonError;
use std::time::Duration;

use icaze_store::ledger::{Batch, Ledger, Storage};

use crate::clock::Now;
use crate::gateway::{Gateway, Phase};

/// How long marks may wait for a commit that a message causes, before they get one of their own.
const MARKS_WAIT: Duration = Duration::from_millis(500);

/// Commits until the gateway stops; then commits what is left and returns. After a failed commit nothing more is
/// made durable, so that no response leaves: the gateway stops, and the caller ends the process.
///
/// # Errors
/// If a commit fails. It is never tried again.
pub fn run<S: Storage>(
    gateway: &Gateway,
    mut ledger: Ledger<S>,
) -> Result<(), icaze_store::ledger::CommitError> {
    let mut batch = gateway.pipeline().spare_batch();
    loop {
        let stopped = next_batch(gateway, &mut batch, ledger.has_room());
        if !ledger.has_room() {
            ledger.make_room();
        }
        if batch.is_empty() {
            if stopped {
                return Ok(());
            }
            continue;
        }
        let (began, records) = (Now::read().monotonic, batch.len());
        match ledger.commit(&mut batch) {
            Ok(durable) => {
                gateway.telemetry.committed(began.elapsed(), records);
                gateway.set_durable(durable);
            }
            Err(error) => {
                gateway.set_phase(Phase::Stopped);
                return Err(error);
            }
        }
    }
}

/// Waits for something to commit and takes it; whether the gateway has stopped.
fn next_batch(gateway: &Gateway, batch: &mut Batch, room: bool) -> bool {
    let mut pipeline = gateway.pipeline();
    let stopped = || *gateway.phase().borrow() == Phase::Stopped;
    if !pipeline.wants_commit() && !stopped() {
        let idle = |pipeline: &mut crate::pipeline::Pipeline| !pipeline.wants_commit() && !stopped();
        let waited = gateway.work().wait_timeout_while(pipeline, MARKS_WAIT, idle);
        pipeline = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
    pipeline.set_room(room);
    pipeline.take_batch(batch);
    stopped()
}
