//! How a thread of its own waits for what happens in the gateway.

use std::io;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::gateway::{Gateway, Phase};

/// Waits on one thread.
pub struct Waiter(Runtime);

impl Waiter {
    /// Waits for nothing yet.
    ///
    /// # Errors
    /// If the system has no more timers.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Builder::new_current_thread().enable_time().build()?))
    }

    /// Waits for `future`.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }

    /// Whether the gateway has stopped by the end of `wait`; returns as soon as it has.
    #[must_use]
    pub fn stopped_within(&self, gateway: &Gateway, wait: Duration) -> bool {
        let mut phase = gateway.phase();
        self.0.block_on(async {
            let stopped = phase.wait_for(|phase| *phase == Phase::Stopped);
            tokio::time::timeout(wait, stopped).await.is_ok()
        })
    }

    /// Waits until everything up to `position` is on disk; `false` if the gateway stops without it.
    #[must_use]
    pub fn is_durable(&self, gateway: &Gateway, position: u64) -> bool {
        let (mut durable, mut phase) = (gateway.durable(), gateway.phase());
        self.0.block_on(async {
            tokio::select! {
                covered = durable.wait_for(|durable| durable.covers(position)) => covered.is_ok(),
                _ = phase.wait_for(|phase| *phase == Phase::Stopped) => {
                    gateway.durable().borrow().covers(position)
                }
            }
        })
    }
}
