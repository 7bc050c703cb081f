//! The listener, and the driver of each connection: a loop with no opinions of its own.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use icaze_codec::pdu::BindKind;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::sleep_until;

use super::accounts::Refused;
use super::backoff::Backoff;
use super::link::{Link, Wake};
use crate::clock::Now;
use crate::gateway::{Gateway, Phase};

/// What one read takes at most: some five hundred messages.
const READ_MAX: usize = 64 << 10;
/// A peer that does not read its responses is not read from either, beyond this.
const UNWRITTEN_MAX: usize = 1 << 20;
/// How long a link that has to be closed may take to write what is left.
const LINGER: Duration = Duration::from_secs(2);

/// Binds the listener of the SMPP port.
///
/// # Errors
/// If the address is taken or not ours; the message names the key.
pub async fn bind(listen: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(listen).await.with_context(|| {
        format!("smpp.listen: cannot listen on {listen}; choose a free port, or 0 to take any")
    })
}

/// Bounds of the listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once.
    pub sessions_max: usize,
    /// Connections at once that have not bound.
    pub unbound_max: usize,
}

/// Connections, counted for the bounds and for draining, and addresses that are kept waiting.
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

    fn backoff(&self) -> MutexGuard<'_, Backoff> {
        self.backoff.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepts connections and gives each in turn to one of `workers`, until the gateway drains.
pub async fn accept(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    workers: Vec<Handle>,
    limits: Limits,
    open: Arc<Open>,
) {
    let mut phase = gateway.phase();
    let mut next = workers.iter().cycle();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = phase.wait_for(|phase| *phase != Phase::Running) => return,
        };
        let accepted = accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer.ip())));
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: the ones that close make room.
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        if open.backoff().blocks(address, Now::read().monotonic) {
            gateway.telemetry.bind_refused("backoff");
            continue;
        }
        if open.links() >= limits.sessions_max || open.unbound.load(Ordering::Relaxed) >= limits.unbound_max {
            gateway.telemetry.bind_refused("too_many_connections");
            continue;
        }
        let Some(worker) = next.next() else { return };
        let guard = Guard::new(Arc::clone(&open), address);
        let gateway = Arc::clone(&gateway);
        worker.spawn(async move {
            let driven = async { Driver::new(TcpStream::from_std(stream)?, gateway, guard)?.run().await };
            if let Err(error) = driven.await {
                tracing::debug!(%error, "a connection ended");
            }
        });
    }
}

/// Counts a connection for as long as it lives.
struct Guard {
    open: Arc<Open>,
    address: IpAddr,
    bound: bool,
}

impl Guard {
    fn new(open: Arc<Open>, address: IpAddr) -> Self {
        open.links.fetch_add(1, Ordering::AcqRel);
        open.unbound.fetch_add(1, Ordering::Relaxed);
        Self { open, address, bound: false }
    }

    /// The link is bound, or gone: it no longer counts as unbound. Whether that is news.
    fn settled(&mut self) -> bool {
        let news = !std::mem::replace(&mut self.bound, true);
        if news {
            self.open.unbound.fetch_sub(1, Ordering::Relaxed);
        }
        news
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.settled();
        self.open.links.fetch_sub(1, Ordering::AcqRel);
    }
}

/// One connection and its link.
struct Driver {
    stream: TcpStream,
    link: Link,
    gateway: Arc<Gateway>,
    guard: Guard,
    siblings: Option<watch::Receiver<()>>,
    /// When the pace of the operator's replies allows the next one.
    paced: Option<Instant>,
    closing: Option<Instant>,
    buffer: Vec<u8>,
}

impl Driver {
    fn new(stream: TcpStream, gateway: Arc<Gateway>, guard: Guard) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let link = Link::new(&gateway.port, Now::read());
        let buffer = vec![0; READ_MAX];
        Ok(Self { stream, link, gateway, guard, siblings: None, paced: None, closing: None, buffer })
    }

    async fn run(mut self) -> io::Result<()> {
        let result = self.pump().await;
        let now = Now::read();
        self.link.disconnected(&self.gateway.port, now);
        self.exchange(now);
        if let Some(bound) = self.link.bound() {
            let port = &self.gateway.port;
            port.close_session(bound.operator);
            self.gateway.telemetry.session(port.name(bound.operator), bind_name(bound.kind), false);
            self.gateway.wake_siblings(bound.operator);
        }
        result
    }

    /// Moves bytes until the link or the connection ends.
    async fn pump(&mut self) -> io::Result<()> {
        let mut durable = self.gateway.durable();
        let mut phase = self.gateway.phase();
        loop {
            let unwritten = self.write(*durable.borrow_and_update())?;
            if self.link.closed().is_some() {
                let until = *self.closing.get_or_insert(Now::read().monotonic + LINGER);
                if self.link.is_flushed() || Now::read().monotonic >= until {
                    return Ok(());
                }
            }
            let reads = self.link.closed().is_none() && self.link.unwritten() < UNWRITTEN_MAX;
            let deadline = [self.link.next_timeout(), self.paced, self.closing].into_iter().flatten().min();
            let far = Now::read().monotonic + Duration::from_secs(3600);
            tokio::select! {
                ready = self.stream.readable(), if reads => {
                    ready?;
                    if !self.read()? {
                        return Ok(());
                    }
                }
                ready = self.stream.writable(), if unwritten => ready?,
                changed = durable.changed() => if changed.is_err() { return Ok(()) },
                () = changed(&mut self.siblings) => self.exchange(Now::read()),
                _ = phase.changed() => match *phase.borrow_and_update() {
                    Phase::Running => {}
                    Phase::Draining if self.link.bound().is_none() => return Ok(()),
                    Phase::Draining => {
                        self.link.drain();
                        self.exchange(Now::read());
                    }
                    Phase::Stopped => return Ok(()),
                },
                () = sleep_until(deadline.unwrap_or(far).into()), if deadline.is_some() => {
                    let now = Now::read();
                    self.link.handle_timeout(&self.gateway.port, now);
                    self.exchange(now);
                }
            }
        }
    }

    /// Takes what has arrived through the link and the pipeline; `false` at the end of the stream.
    fn read(&mut self) -> io::Result<bool> {
        let count = match self.stream.try_read(&mut self.buffer) {
            Ok(0) => return Ok(false),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        };
        let now = Now::read();
        let bytes = self.buffer.get(..count).unwrap_or_default();
        let (telemetry, guard) = (&self.gateway.telemetry, &self.guard);
        self.link.receive(bytes, &self.gateway.port, now, |cause| {
            telemetry.bind_refused(&cause.to_string());
            if matches!(cause, Refused::SystemId | Refused::Password) {
                guard.open.backoff().refused(guard.address, now.monotonic);
            }
        });
        self.exchange(now);
        Ok(true)
    }

    fn exchange(&mut self, now: Now) {
        let world = self.gateway.world();
        let wake = {
            let mut pipeline = self.gateway.pipeline();
            self.link.exchange(&mut pipeline, &world, now)
        };
        self.after(wake);
    }

    fn after(&mut self, wake: Wake) {
        self.paced = wake.paced;
        if wake.commit {
            self.gateway.wake_committer();
        }
        let Some(bound) = self.link.bound() else { return };
        let gateway = &self.gateway;
        if self.guard.settled() {
            self.guard.open.backoff().accepted(self.guard.address);
            gateway.telemetry.session(gateway.port.name(bound.operator), bind_name(bound.kind), true);
        }
        let siblings = self.siblings.get_or_insert_with(|| {
            gateway.siblings(bound.operator).unwrap_or_else(|| watch::Sender::new(()).subscribe())
        });
        if wake.siblings {
            gateway.wake_siblings(bound.operator);
            siblings.mark_unchanged();
        }
        let telemetry = &gateway.telemetry;
        self.link.session().take_counts(|direction, command, status, count| {
            telemetry.pdus(gateway.port.name(bound.operator), direction, command, status, count);
        });
    }

    /// Writes what may leave; whether some of it is left because the peer is slow.
    fn write(&mut self, durable: icaze_store::ledger::Durable) -> io::Result<bool> {
        loop {
            let telemetry = &self.gateway.telemetry;
            let now = Now::read().monotonic;
            let bytes = self.link.writable(durable, |released| telemetry.answered(now, released));
            if bytes.is_empty() {
                return Ok(false);
            }
            match self.stream.try_write(bytes) {
                Ok(count) => self.link.written(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
        }
    }
}

/// The `bind` of a session in the metrics.
fn bind_name(kind: BindKind) -> &'static str {
    match kind {
        BindKind::Transceiver => "transceiver",
        BindKind::Transmitter => "transmitter",
        BindKind::Receiver => "receiver",
    }
}

/// Waits for a change; for ever if there is nothing to wait for.
async fn changed(siblings: &mut Option<watch::Receiver<()>>) {
    if let Some(siblings) = siblings
        && siblings.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}
