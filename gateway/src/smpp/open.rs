//! Connections, counted for the bounds and for draining.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::backoff::Backoff;

/// Connections that are open, and addresses that are kept waiting.
#[derive(Debug, Default)]
pub struct Open {
    links: AtomicUsize,
    unbound: AtomicUsize,
    backoff: Mutex<Backoff>,
}

impl Open {
    /// Connections that are open.
    #[must_use]
    pub fn links(&self) -> usize {
        self.links.load(Ordering::Acquire)
    }

    /// Those among them that were made to us and have not bound.
    #[must_use]
    pub fn unbound(&self) -> usize {
        self.unbound.load(Ordering::Relaxed)
    }

    /// Whether a connection from `address` is closed at once.
    #[must_use]
    pub fn blocks(&self, address: IpAddr, now: Instant) -> bool {
        self.backoff().blocks(address, now)
    }

    fn backoff(&self) -> MutexGuard<'_, Backoff> {
        self.backoff.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a connection for as long as it lives.
#[derive(Debug)]
pub struct Guard {
    open: Arc<Open>,
    /// The other side.
    pub peer: SocketAddr,
    bound: bool,
}

impl Guard {
    /// A connection that was made to us from `peer`.
    #[must_use]
    pub fn new(open: Arc<Open>, peer: SocketAddr) -> Self {
        open.links.fetch_add(1, Ordering::AcqRel);
        open.unbound.fetch_add(1, Ordering::Relaxed);
        Self { open, peer, bound: false }
    }

    /// A connection that we made to `peer`, which is not counted as unbound.
    #[must_use]
    pub fn ours(open: Arc<Open>, peer: SocketAddr) -> Self {
        open.links.fetch_add(1, Ordering::AcqRel);
        Self { open, peer, bound: true }
    }

    /// Its bind was refused for its credentials.
    pub fn refused(&self, now: Instant) {
        self.open.backoff().refused(self.peer.ip(), now);
    }

    /// It is bound.
    pub fn accepted(&mut self) {
        if self.settle() {
            self.open.backoff().accepted(self.peer.ip());
        }
    }

    /// The connection is bound, or gone: it no longer counts as unbound. Whether that is news.
    fn settle(&mut self) -> bool {
        let news = !std::mem::replace(&mut self.bound, true);
        if news {
            self.open.unbound.fetch_sub(1, Ordering::Relaxed);
        }
        news
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.settle();
        self.open.links.fetch_sub(1, Ordering::AcqRel);
    }
}
