//! What the binds do and what was turned away, for whoever asks: a view that decides nothing.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use icaze_codec::pdu::{BadBind, BindKind, BindRequest, Command, Outbind, Status, Version};
use icaze_codec::session::{CloseReason, Direction};
use jiff::Timestamp;

use super::accounts::{Refused, SYSTEM_ID_MAX};
use super::meter::Meter;
use super::recent::{Recent, Seen};
use crate::clock::Now;

/// Different errors that are kept of an operator.
const ERRORS_MAX: usize = 8;
/// Different refused attempts that are kept.
const ATTEMPTS_MAX: usize = 64;

/// The open binds of all operators, their last errors, and the attempts that failed.
pub struct Binds {
    open: Mutex<Vec<Arc<Bind>>>,
    /// By operator.
    errors: Mutex<BTreeMap<u16, Recent<Trouble>>>,
    attempts: Mutex<Recent<Attempt>>,
}

/// An open bind.
pub struct Bind {
    /// The operator's id.
    pub operator: u16,
    /// The lowest number that no other bind of the operator had when it opened, from 1.
    pub number: usize,
    /// What it is for.
    pub kind: BindKind,
    /// What both sides speak.
    pub version: Version,
    /// The peer.
    pub address: SocketAddr,
    /// Since when.
    pub since: Timestamp,
    figures: Mutex<Figures>,
}

/// What passes through a bind.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Messages of theirs that await our response.
    pub unanswered_in: usize,
    /// Messages of ours that await theirs.
    pub unanswered_out: usize,
    /// Messages of theirs.
    pub received: Meter,
    /// Messages of ours.
    pub sent: Meter,
    /// Messages of theirs that we asked to come again.
    pub throttled_in: u64,
    /// Messages of ours that they asked to come again.
    pub throttled_out: u64,
}

/// What went wrong with an operator's session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    /// The peer.
    pub address: SocketAddr,
    /// What it was.
    pub what: What,
}

/// The kinds of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// We could not connect.
    Connecting(io::ErrorKind),
    /// Our bind was refused.
    BindRefused(Status),
    /// A response other than ESME_ROK: `In` theirs, `Out` ours.
    Answered(Direction, Command, Status),
    /// The session ended, and nobody had unbound.
    Ended(CloseReason),
    /// It said of our replies, twice within a minute, that the bind is none: we ended it.
    Disowned,
}

/// A connection that did not become a bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Whose.
    pub address: IpAddr,
    /// What it asked for, if it got so far.
    pub asked: Option<Asked>,
    /// What was wrong.
    pub cause: Cause,
}

/// What a bind asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Which kind of bind.
    pub kind: BindKind,
    /// As whom; at most 15 characters.
    pub system_id: String,
    /// In which version, if that could be read.
    pub version: Option<Version>,
}

/// Why a connection did not become a bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The account is not right.
    Refused(Refused),
    /// So many attempts had failed before that nothing was read.
    Backoff,
    /// There were as many connections as may be.
    Connections,
    /// It spoke no TLS that we speak, or had no certificate that we trust.
    Handshake,
    /// It ended before it asked, or its bind could not be read; what it was told last, if anything.
    Ended(CloseReason, Option<(Command, Status)>),
}

impl Default for Binds {
    /// None open yet.
    fn default() -> Self {
        Self {
            open: Mutex::default(),
            errors: Mutex::default(),
            attempts: Mutex::new(Recent::new(ATTEMPTS_MAX)),
        }
    }
}

impl Binds {
    /// A bind opened; [`close`](Self::close) it at its end.
    pub fn open(
        &self,
        operator: u16,
        kind: BindKind,
        version: Version,
        address: SocketAddr,
        now: Now,
    ) -> Arc<Bind> {
        let mut open = held(&self.open);
        let taken = |number| open.iter().any(|bind| (bind.operator, bind.number) == (operator, number));
        let number = (1..).find(|&number| !taken(number)).unwrap_or_default();
        let figures = Mutex::new(Figures {
            unanswered_in: 0,
            unanswered_out: 0,
            received: Meter::new(now.monotonic),
            sent: Meter::new(now.monotonic),
            throttled_in: 0,
            throttled_out: 0,
        });
        let since = now.wall;
        let bind = Arc::new(Bind { operator, number, kind, version, address, since, figures });
        open.push(Arc::clone(&bind));
        bind
    }

    /// A bind has ended.
    pub fn close(&self, bind: &Arc<Bind>, reason: CloseReason, now: Now) {
        held(&self.open).retain(|open| !Arc::ptr_eq(open, bind));
        if !matches!(reason, CloseReason::PeerUnbound | CloseReason::Unbound) {
            self.trouble(bind, What::Ended(reason), 1, now.wall);
        }
    }

    /// PDUs of a bind: messages make its rates, responses other than ESME_ROK its errors.
    pub fn count(
        &self,
        bind: &Bind,
        direction: Direction,
        command: Command,
        status: Status,
        count: u64,
        now: Now,
    ) {
        let message = matches!(command, Command::SUBMIT_SM | Command::DELIVER_SM | Command::DATA_SM);
        let mut figures = held(&bind.figures);
        match direction {
            Direction::In if message => figures.received.add(count, now.monotonic),
            Direction::Out if message => figures.sent.add(count, now.monotonic),
            Direction::In | Direction::Out if command.is_response() && !status.is_ok() => {
                if asks_to_wait(status) {
                    let ours = direction == Direction::Out;
                    let counter = if ours { &mut figures.throttled_in } else { &mut figures.throttled_out };
                    *counter += count;
                }
                drop(figures);
                self.trouble(bind, What::Answered(direction, command, status), count, now.wall);
            }
            _ => {}
        }
    }

    /// The peer said of a bind that it is none, so that it is ended, to be made anew.
    pub fn disowned(&self, bind: &Bind, now: Now) {
        self.trouble(bind, What::Disowned, 1, now.wall);
    }

    fn trouble(&self, bind: &Bind, what: What, count: u64, at: Timestamp) {
        self.note(bind.operator, Trouble { address: bind.address, what }, count, at);
    }

    /// A bind of ours to `operator` did not come about.
    pub fn failed(&self, operator: u16, address: SocketAddr, what: What, at: Timestamp) {
        self.note(operator, Trouble { address, what }, 1, at);
    }

    fn note(&self, operator: u16, trouble: Trouble, count: u64, at: Timestamp) {
        let mut errors = held(&self.errors);
        errors.entry(operator).or_insert_with(|| Recent::new(ERRORS_MAX)).note(trouble, count, at);
    }

    /// A connection did not become a bind.
    pub fn refused(&self, attempt: Attempt, at: Timestamp) {
        held(&self.attempts).note(attempt, 1, at);
    }

    /// The open binds, in the order of operators and numbers.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Bind>> {
        let mut open = held(&self.open).clone();
        open.sort_by_key(|bind| (bind.operator, bind.number));
        open
    }

    /// An operator's last errors, the latest last.
    #[must_use]
    pub fn errors(&self, operator: u16) -> Vec<Seen<Trouble>> {
        held(&self.errors).get(&operator).map_or_else(Vec::new, |errors| errors.as_slice().to_vec())
    }

    /// The last failed attempts, the latest last, and how many more there were.
    #[must_use]
    pub fn attempts(&self) -> (Vec<Seen<Attempt>>, u64) {
        let attempts = held(&self.attempts);
        (attempts.as_slice().to_vec(), attempts.forgotten())
    }
}

impl Bind {
    /// How full both windows are.
    pub fn windows(&self, unanswered_in: usize, unanswered_out: usize) {
        let mut figures = held(&self.figures);
        (figures.unanswered_in, figures.unanswered_out) = (unanswered_in, unanswered_out);
    }

    /// What passes through it now.
    #[must_use]
    pub fn figures(&self) -> Figures {
        held(&self.figures).clone()
    }
}

impl Asked {
    /// An SMSC that asks us to bind to it, which it can only do as our receiver's other side.
    #[must_use]
    pub fn to_be_bound(request: &Outbind<'_>) -> Self {
        let system_id = visible(request.system_id());
        Self { kind: BindKind::Receiver, system_id, version: Some(Version::V3_4) }
    }

    /// What a bind asks for that cannot be read.
    #[must_use]
    pub fn badly(bind: BadBind<'_>) -> Self {
        let system_id = bind.system_id.get(..SYSTEM_ID_MAX).unwrap_or(bind.system_id);
        let system_id = visible(&String::from_utf8_lossy(system_id));
        Self { kind: bind.kind, system_id, version: None }
    }

    /// What `request` asks for. Of what it says only this is kept, never the password.
    #[must_use]
    pub fn of(request: &BindRequest<'_>) -> Self {
        let system_id = visible(request.system_id());
        Self { kind: request.kind, system_id, version: Some(request.interface_version()) }
    }
}

/// For terminals: nothing but what can be seen.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}

/// The `bind` of a session in metrics and reports.
#[must_use]
pub fn kind_name(kind: BindKind) -> &'static str {
    match kind {
        BindKind::Transceiver => "transceiver",
        BindKind::Transmitter => "transmitter",
        BindKind::Receiver => "receiver",
    }
}

/// Whether a response asks for the same message again, later.
#[must_use]
pub fn asks_to_wait(status: Status) -> bool {
    status.is_retryable()
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
