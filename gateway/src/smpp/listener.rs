//! The listener, and the driver of each connection: a loop with no opinions of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use icaze_codec::pdu::{Command, Status};
use icaze_codec::session::{CloseReason, Direction};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::sleep_until;

use super::accounts::Refused;
use super::backoff::Backoff;
use super::binds::{Asked, Attempt, Bind, Cause, kind_name};
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
        let accepted = accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer)));
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: the ones that close make room.
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let now = Now::read();
        let refuse = |label, cause| {
            gateway.telemetry.bind_refused(label);
            gateway.binds.refused(Attempt { address: peer.ip(), asked: None, cause }, now.wall);
        };
        if open.backoff().blocks(peer.ip(), now.monotonic) {
            refuse("backoff", Cause::Backoff);
            continue;
        }
        if open.links() >= limits.sessions_max || open.unbound.load(Ordering::Relaxed) >= limits.unbound_max {
            refuse("too_many_connections", Cause::Connections);
            continue;
        }
        let Some(worker) = next.next() else { return };
        let guard = Guard::new(Arc::clone(&open), peer);
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
    peer: SocketAddr,
    bound: bool,
}

impl Guard {
    fn new(open: Arc<Open>, peer: SocketAddr) -> Self {
        open.links.fetch_add(1, Ordering::AcqRel);
        open.unbound.fetch_add(1, Ordering::Relaxed);
        Self { open, peer, bound: false }
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
    /// What others see of the link, once it is bound.
    bind: Option<Arc<Bind>>,
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
        Ok(Self {
            stream,
            link,
            gateway,
            guard,
            siblings: None,
            bind: None,
            paced: None,
            closing: None,
            buffer,
        })
    }

    async fn run(mut self) -> io::Result<()> {
        let result = self.pump().await;
        let now = Now::read();
        self.link.disconnected(&self.gateway.port, now);
        self.exchange(now);
        if let Some(bound) = self.link.bound() {
            let port = &self.gateway.port;
            port.close_session(bound.operator);
            self.gateway.telemetry.session(port.name(bound.operator), kind_name(bound.kind), false);
            self.gateway.wake_siblings(bound.operator);
        }
        let reason = self.link.closed().unwrap_or(CloseReason::Disconnected);
        match self.bind.take() {
            Some(bind) => self.gateway.binds.close(&bind, reason, now),
            None => self.unbound(reason, now),
        }
        result
    }

    /// The connection ended without a bind. One that was refused has been noted, and one that said nothing is a probe.
    fn unbound(&mut self, reason: CloseReason, now: Now) {
        let (mut heard, mut told) = (false, None::<(Command, Status)>);
        self.link.session().take_counts(|direction, command, status, _| match direction {
            Direction::Out => told = Some((command, status)),
            Direction::In | Direction::Ignored => heard = true,
        });
        let silent = reason == CloseReason::Disconnected && !heard;
        if reason != CloseReason::BindRefused && !silent {
            let cause = Cause::Ended(reason, told);
            let attempt = Attempt { address: self.guard.peer.ip(), asked: None, cause };
            self.gateway.binds.refused(attempt, now.wall);
        }
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
        let (gateway, guard) = (&self.gateway, &self.guard);
        self.link.receive(bytes, &gateway.port, now, |request, cause| {
            gateway.telemetry.bind_refused(&cause.to_string());
            let (address, asked) = (guard.peer.ip(), Some(Asked::of(request)));
            gateway.binds.refused(Attempt { address, asked, cause: Cause::Refused(cause) }, now.wall);
            if matches!(cause, Refused::SystemId | Refused::Password) {
                guard.open.backoff().refused(address, now.monotonic);
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
        self.after(wake, now);
    }

    fn after(&mut self, wake: Wake, now: Now) {
        self.paced = wake.paced;
        if wake.commit {
            self.gateway.wake_committer();
        }
        let Some(bound) = self.link.bound() else { return };
        let gateway = &self.gateway;
        if self.guard.settled() {
            self.guard.open.backoff().accepted(self.guard.peer.ip());
            gateway.telemetry.session(gateway.port.name(bound.operator), kind_name(bound.kind), true);
        }
        let session = self.link.session();
        let bind = self.bind.get_or_insert_with(|| {
            let version = session.interface_version();
            gateway.binds.open(bound.operator, bound.kind, version, self.guard.peer, now)
        });
        bind.windows(session.unanswered_in(), session.unanswered_out());
        let siblings = self.siblings.get_or_insert_with(|| {
            gateway.siblings(bound.operator).unwrap_or_else(|| watch::Sender::new(()).subscribe())
        });
        if wake.siblings {
            gateway.wake_siblings(bound.operator);
            siblings.mark_unchanged();
        }
        session.take_counts(|direction, command, status, count| {
            gateway.telemetry.pdus(gateway.port.name(bound.operator), direction, command, status, count);
            gateway.binds.count(bind, direction, command, status, count, now);
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

/// Waits for a change; for ever if there is nothing to wait for.
async fn changed(siblings: &mut Option<watch::Receiver<()>>) {
    if let Some(siblings) = siblings
        && siblings.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}
