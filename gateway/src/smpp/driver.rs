//! The driver of one connection: a loop with no opinions of its own.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use icaze_codec::pdu::{Command, Status};
use icaze_codec::session::{CloseReason, Direction, Role};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};

use super::accounts::Refused;
use super::binds::{Attempt, Bind, Cause, kind_name};
use super::link::{Link, Wake};
use super::open::Guard;
use super::trace::Tap;
use crate::clock::Now;
use crate::cluster::Shared;
use crate::gateway::{Gateway, Phase};
use crate::world::World;

/// What one read takes at most: some five hundred messages.
const READ_MAX: usize = 64 << 10;
/// A peer that does not read its responses is not read from either, beyond this.
const UNWRITTEN_MAX: usize = 1 << 20;
/// How long a link that has to be closed may take to write what is left.
const LINGER: Duration = Duration::from_secs(2);

/// One connection, whoever made it and whatever it runs over, and its link.
pub struct Driver<S> {
    stream: S,
    link: Link,
    gateway: Arc<Gateway>,
    guard: Guard,
    siblings: Option<watch::Receiver<()>>,
    /// What others see of the link, once it is bound.
    bind: Option<Arc<Bind>>,
    tap: Tap,
    /// The last write left nothing to write: the next one begins a PDU.
    drained: bool,
    /// When the pace of the operator's replies allows the next one.
    paced: Option<Instant>,
    closing: Option<Instant>,
    /// Whether it has been told that the peer disowned the bind.
    disowned: bool,
    /// Whether the stream may hold back what it has taken.
    unflushed: bool,
    /// How often decisions had been undone when this was last looked at.
    voided: u64,
    buffer: Vec<u8>,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Why.
    pub reason: CloseReason,
    /// Why the peer refused our bind.
    pub refused: Option<Status>,
    /// Whether it was bound.
    pub bound: bool,
}

/// What a stream was ready for.
enum Moved {
    Written(usize),
    Flushed,
    /// 0: the end.
    Read(usize),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    /// A driver of `link` over `stream`.
    #[must_use]
    pub fn new(stream: S, link: Link, gateway: Arc<Gateway>, guard: Guard) -> Self {
        let (siblings, bind, paced, closing, buffer) = (None, None, None, None, vec![0; READ_MAX]);
        let (tap, drained, unflushed) = (Tap::default(), true, false);
        let voided = gateway.shared.as_ref().map_or(0, Shared::voided);
        Self {
            stream,
            link,
            gateway,
            guard,
            siblings,
            bind,
            tap,
            drained,
            paced,
            closing,
            disowned: false,
            unflushed,
            voided,
            buffer,
        }
    }

    /// Moves bytes until the link or the connection ends.
    pub async fn run(mut self) -> Ended {
        if let Err(error) = self.pump().await {
            tracing::debug!(%error, "a connection ended");
        }
        let now = Now::read();
        self.link.disconnected(&self.gateway.port(), now);
        self.exchange(now).await;
        if let Some(bound) = self.link.bound() {
            let port = self.gateway.port();
            if bound.role == Role::Smsc {
                port.close_session(bound.operator);
            }
            self.gateway.telemetry.session(port.name(bound.operator), kind_name(bound.kind), false);
            self.gateway.wake_siblings(bound.operator);
        }
        let reason = self.link.closed().unwrap_or(CloseReason::Disconnected);
        let bind = self.bind.take();
        match &bind {
            Some(bind) => {
                self.gateway.binds.close(bind, reason, now);
                let port = self.gateway.port();
                self.gateway.telemetry.bind_closed(port.name(bind.operator), bind.number);
            }
            None if self.link.session().role() == Role::Smsc => self.unbound(reason, now),
            None => {}
        }
        // A TLS peer is told that nothing more comes; one that does not listen is not waited for.
        let _ = timeout(LINGER, self.stream.shutdown()).await;
        Ended { reason, refused: self.link.refused(), bound: bind.is_some() }
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

    async fn pump(&mut self) -> io::Result<()> {
        let mut durable = self.gateway.durable();
        let mut phase = self.gateway.phase();
        loop {
            let writable = {
                let (telemetry, now) = (&self.gateway.telemetry, Now::read().monotonic);
                let durable = *durable.borrow_and_update();
                // Said before what it is about becomes durable, so that none of that leaves: the operator asks again.
                if let Some(shared) = &self.gateway.shared {
                    let voided = shared.voided();
                    if std::mem::replace(&mut self.voided, voided) != voided && !self.link.is_flushed() {
                        return Ok(());
                    }
                }
                self.link.writable(durable, |released| telemetry.answered(now, released)).len()
            };
            if self.link.closed().is_some() {
                let until = *self.closing.get_or_insert(Now::read().monotonic + LINGER);
                let written = self.link.is_flushed() && !self.unflushed;
                if written || Now::read().monotonic >= until {
                    return Ok(());
                }
            }
            let reads = self.link.closed().is_none() && self.link.unwritten() < UNWRITTEN_MAX;
            let deadline = [self.link.next_timeout(), self.paced, self.closing].into_iter().flatten().min();
            let far = Now::read().monotonic + Duration::from_secs(3600);
            let output = self.link.encoded(writable);
            let (stream, unflushed) = (&mut self.stream, self.unflushed);
            let buffer = self.buffer.get_mut(..if reads { READ_MAX } else { 0 }).unwrap_or_default();
            tokio::select! {
                moved = poll_fn(|cx| poll(stream, output, unflushed, buffer, cx)) => match moved? {
                    Moved::Written(count) => {
                        self.sent(count);
                        self.link.written(count);
                        self.unflushed = true;
                    }
                    Moved::Flushed => self.unflushed = false,
                    // The peer sends nothing more, and may still read its responses.
                    Moved::Read(0) => {
                        let now = Now::read();
                        self.link.disconnected(&self.gateway.port(), now);
                        self.exchange(now).await;
                    }
                    Moved::Read(count) => self.take(count).await,
                },
                changed = durable.changed() => if changed.is_err() { return Ok(()) },
                () = changed(&mut self.siblings) => self.exchange(Now::read()).await,
                _ = phase.changed() => {
                    let phase = *phase.borrow_and_update();
                    match phase {
                        Phase::Running => {}
                        Phase::Draining if self.link.bound().is_none() => return Ok(()),
                        Phase::Draining => {
                            self.link.drain();
                            self.exchange(Now::read()).await;
                        }
                        Phase::Stopped => return Ok(()),
                    }
                },
                () = sleep_until(deadline.unwrap_or(far).into()), if deadline.is_some() => {
                    let now = Now::read();
                    self.link.handle_timeout(&self.gateway.port(), now);
                    self.exchange(now).await;
                }
            }
        }
    }

    /// Takes the first `count` bytes of the buffer through the link and the pipeline.
    async fn take(&mut self, count: usize) {
        let now = Now::read();
        let between = self.link.session().is_between_frames();
        let bytes = self.buffer.get(..count).unwrap_or_default();
        let (gateway, guard) = (&self.gateway, &self.guard);
        self.link.receive(bytes, &gateway.port(), now, |asked, cause| {
            gateway.telemetry.bind_refused(&cause.to_string());
            if cause.is_of_length() {
                tracing::warn!(account = asked.system_id, %cause, "a bind cannot be read");
            }
            let (address, asked) = (guard.peer.ip(), Some(asked));
            gateway.binds.refused(Attempt { address, asked, cause: Cause::Refused(cause) }, now.wall);
            // Whoever is put off sooner for one account than for another learns that there is one.
            let guesses = matches!(cause, Refused::SystemId | Refused::Password | Refused::Address);
            if guesses || cause.is_of_length() {
                guard.refused(now.monotonic);
            }
        });
        self.exchange(now).await;
        self.trace_received(count, between, now);
    }

    /// After the exchange, so that whose bytes they are is known of a bind too.
    fn trace_received(&mut self, count: usize, between: bool, now: Now) {
        let Some(bind) = self.bind.as_ref().filter(|bind| self.gateway.traces.watches(bind.operator)) else {
            return self.tap.clear();
        };
        let bytes = self.buffer.get(..count).unwrap_or_default();
        self.tap.received(&self.gateway.traces, bind.number, bytes, between, now);
    }

    /// Takes note of the first `count` bytes of the output, which were written.
    fn sent(&mut self, count: usize) {
        let between = std::mem::replace(&mut self.drained, self.link.unwritten() == count);
        let Some(bind) = self.bind.as_ref().filter(|bind| self.gateway.traces.watches(bind.operator)) else {
            return;
        };
        self.tap.sent(&self.gateway.traces, bind.number, self.link.encoded(count), between, Now::read());
    }

    async fn exchange(&mut self, now: Now) {
        let port = self.gateway.port();
        if self.link.bound().is_some_and(|bound| !port.is_current(bound.operator, bound.terms.epoch)) {
            self.link.leave();
        }
        let world = self.gateway.world();
        self.link.look_up(&world);
        let now = if self.gateway.shared.is_some() { self.reserve(&world, now).await } else { now };
        let wake = {
            let mut pipeline = self.gateway.pipeline();
            self.link.exchange(&mut pipeline, &world, now)
        };
        self.link.encode(now);
        if wake.commit {
            // What others of this thread have read goes into the same commit.
            tokio::task::yield_now().await;
            self.gateway.wake_committer();
        }
        self.after(wake, now);
    }

    /// Asks other nodes about what would be granted here, with no lock held; the time at which they have answered. What stays
    /// without an answer is asked to come again.
    async fn reserve(&mut self, world: &World, now: Now) -> Now {
        let Some(shared) = &self.gateway.shared else { return now };
        let wanted = self.link.wanted(&mut self.gateway.pipeline(), world, now);
        for (place, said) in shared.reserve(wanted).await {
            self.link.told(place, said);
        }
        Now::read()
    }

    fn after(&mut self, wake: Wake, now: Now) {
        self.paced = wake.paced;
        let Some(bound) = self.link.bound() else { return };
        let gateway = &self.gateway;
        let port = gateway.port();
        if self.bind.is_none() {
            self.guard.accepted();
            gateway.telemetry.session(port.name(bound.operator), kind_name(bound.kind), true);
            if wake.mute {
                let operator = port.name(bound.operator);
                tracing::warn!(
                    operator,
                    "no bind that replies can leave by; give addresses, or have one bound to us"
                );
            }
        }
        let disowned = self.link.is_disowned();
        let session = self.link.session();
        let bind = self.bind.get_or_insert_with(|| {
            let version = session.interface_version();
            gateway.binds.open(bound.operator, bound.kind, version, self.guard.peer, now)
        });
        bind.windows(session.unanswered_in(), session.unanswered_out());
        if disowned && !std::mem::replace(&mut self.disowned, true) {
            gateway.binds.disowned(bind, now);
            tracing::warn!(
                operator = port.name(bound.operator),
                bind = bind.number,
                peer = %bind.address,
                "the bind is none, said the operator twice within a minute (ESME_RINVBNDSTS); it is ended, to be made anew"
            );
        }
        let siblings = self.siblings.get_or_insert_with(|| {
            gateway.siblings(bound.operator).unwrap_or_else(|| watch::Sender::new(()).subscribe())
        });
        if wake.siblings {
            gateway.wake_siblings(bound.operator);
            siblings.mark_unchanged();
        }
        session.take_counts(|direction, command, status, count| {
            gateway.telemetry.pdus(port.name(bound.operator), direction, command, status, count);
            gateway.binds.count(bind, direction, command, status, count, now);
        });
    }
}

/// Writes what the stream takes, or reads what it has. An empty `buffer`: nothing is read.
fn poll<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    output: &[u8],
    unflushed: bool,
    buffer: &mut [u8],
    cx: &mut Context<'_>,
) -> Poll<io::Result<Moved>> {
    if !output.is_empty() {
        match Pin::new(&mut *stream).poll_write(cx, output)? {
            Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Poll::Ready(count) => return Poll::Ready(Ok(Moved::Written(count))),
            Poll::Pending => {}
        }
    } else if unflushed && Pin::new(&mut *stream).poll_flush(cx)?.is_ready() {
        return Poll::Ready(Ok(Moved::Flushed));
    }
    if buffer.is_empty() {
        return Poll::Pending;
    }
    let mut read = ReadBuf::new(buffer);
    Pin::new(stream).poll_read(cx, &mut read).map_ok(|()| Moved::Read(read.filled().len()))
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
