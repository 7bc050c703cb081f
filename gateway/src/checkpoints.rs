//! The thread that writes checkpoints now and then, so that a start is quick. Whatever it meets, the gateway goes on: without a
//! checkpoint a start only reads more of the ledger.

use std::time::{Duration, Instant};

use icaze_store::CheckpointError;
use icaze_store::ledger::{FileStorage, MasterKey};

use crate::gateway::Gateway;
use crate::waiter::Waiter;

/// So many entries behind the last checkpoint, the next one is written. A start reads a million in some two seconds.
const ENTRIES: u64 = 1_000_000;
/// Checkpoints are no closer together, whatever the load.
const APART: Duration = Duration::from_secs(60);
/// How often it is looked whether one is due.
const POLL: Duration = Duration::from_secs(5);

/// What the thread works with.
pub struct Writer {
    storage: FileStorage,
    key: MasterKey,
    node: u8,
    /// Up to where the last checkpoint counts.
    position: u64,
    waiter: Waiter,
}

impl Writer {
    /// Writes to the gateway's own store, whose last checkpoint counts up to `position`.
    ///
    /// # Errors
    /// If the system has no more timers.
    pub fn new(storage: FileStorage, key: &MasterKey, node: u8, position: u64) -> std::io::Result<Self> {
        Ok(Self { storage, key: key.clone(), node, position, waiter: Waiter::new()? })
    }

    /// Writes checkpoints until the gateway stops.
    #[must_use]
    pub fn run(mut self, gateway: &Gateway) -> Self {
        let mut last = Instant::now();
        while !self.waiter.stopped_within(gateway, POLL) {
            let entries = gateway.durable().borrow().position().saturating_sub(self.position);
            if entries >= ENTRIES && last.elapsed() >= APART {
                last = Instant::now();
                self.write(gateway);
            }
        }
        self
    }

    /// Writes one now. Whatever goes wrong is said, and the last one stands.
    pub fn write(&mut self, gateway: &Gateway) {
        if let Err(error) = self.try_write(gateway) {
            tracing::warn!(%error, "no checkpoint; the next start reads more of the ledger");
        }
    }

    fn try_write(&mut self, gateway: &Gateway) -> Result<(), CheckpointError> {
        let snapshot = gateway.pipeline().snapshot();
        if !self.waiter.is_durable(gateway, snapshot.position()) {
            return Ok(());
        }
        snapshot.write(&self.storage, &self.key, self.node)?;
        self.position = snapshot.position();
        tracing::info!(position = self.position, visit_from = snapshot.visit_from(), "checkpoint");
        Ok(())
    }
}
