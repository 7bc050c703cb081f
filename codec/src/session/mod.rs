//! One SMPP session, of either side, without sockets and without a clock.
//!
//! A driver hands in what it has read ([`Session::handle_input`]), takes out what there is to know
//! ([`Session::poll`], until `None`), writes what there is to write ([`Session::output`]), and comes back at
//! [`Session::next_timeout`] with [`Session::handle_timeout`] and `poll`. After [`Event::Closed`] it writes the rest of the
//! output and closes the connection. What can be answered at once the session answers by itself.
//!
//! ```
//! # use std::time::Instant;
//! # use icaze_codec::pdu::Status;
//! # use icaze_codec::session::{BindLimits, Event, Role, Session, SessionConfig};
//! # let now = Instant::now();
//! let mut session = Session::new(Role::Smsc, SessionConfig::default(), now);
//! // What a read brought: here a bind_transmitter, without a password.
//! session.handle_input(b"\0\0\0\x19\0\0\0\x02\0\0\0\0\0\0\0\x01op\0\0\0\x34\0\0\0");
//! while let Some(event) = session.poll(now) {
//!     match event {
//!         Event::Bind(bind) if bind.system_id() == "op" => session.accept_bind(BindLimits::default(), now),
//!         Event::Bind(_) => session.refuse_bind(Status::ESME_RBINDFAIL),
//!         Event::Message { request, .. } => session.respond(request, Status::ESME_ROK, b"2a"),
//!         Event::Closed(reason) => println!("{reason}"),
//!         _ => {}
//!     }
//! }
//! // What the next write takes: the bind's response.
//! assert_eq!(session.output().drain(..).count(), 16 + b"icaze\0".len() + 5);
//! ```

mod config;
mod core;
mod counts;
mod deadlines;
mod input;
mod matrix;
mod window;

use std::time::Instant;

use self::core::Core;
use self::input::Input;
use crate::pdu::{
    BadCredential, BindKind, BindRequest, Command, Credentials, Malformed, Message, Outbind, Status,
    Unwritable, Version,
};

pub use config::{BindLimits, Role, SessionConfig, Timers};
pub use counts::Direction;
pub use matrix::State;

/// A peer's request that awaits our response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId {
    /// Which operation.
    pub command: Command,
    /// The peer's number for it.
    pub sequence: u32,
}

/// What a driver is told. Borrows from the octets that arrived.
#[derive(Debug)]
pub enum Event<'a> {
    /// The peer asks to bind: answer with [`Session::accept_bind`] or [`Session::refuse_bind`].
    Bind(BindRequest<'a>),
    /// Our bind was accepted.
    Bound,
    /// Our bind was refused. [`Event::Closed`] follows.
    BindRefused {
        /// Why.
        status: Status,
    },
    /// An SMSC asks us to bind to it, on this connection: [`Session::bind`], or close it.
    Outbind(Outbind<'a>),
    /// A message from the peer. Answer each exactly once, with [`Session::respond`].
    Message {
        /// To answer with.
        request: RequestId,
        /// The message.
        message: Message<'a>,
    },
    /// A request that cannot be read. The session has answered it; this is for whoever keeps count.
    Malformed {
        /// Which operation.
        command: Command,
        /// Its octets.
        body: &'a [u8],
        /// What is wrong with them.
        fault: Malformed,
    },
    /// The peer answered a message of ours.
    Answered {
        /// As it was given to [`Session::send`].
        token: u64,
        /// The result.
        status: Status,
        /// The peer's name for it; often empty.
        message_id: &'a [u8],
    },
    /// The peer answered a message of ours after [`Event::Unanswered`] had said that its time was up. At most once for each.
    Late {
        /// As it was given to [`Session::send`].
        token: u64,
        /// The result.
        status: Status,
        /// The peer's name for it; often empty.
        message_id: &'a [u8],
    },
    /// The peer did not answer a message of ours in time, or the session ended before. It may have got the message.
    Unanswered {
        /// As it was given to [`Session::send`].
        token: u64,
    },
    /// The peer unbound. It is answered behind its messages: once each has its response, [`Event::Closed`] follows.
    Unbinding,
    /// The session is over: write the rest of the output, then close the connection. The last event.
    Closed(CloseReason),
}

/// Why a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CloseReason {
    /// The peer unbound.
    #[error("the peer unbound")]
    PeerUnbound,
    /// We unbound.
    #[error("unbound")]
    Unbound,
    /// A bind was refused, by us or by the peer.
    #[error("the bind was refused")]
    BindRefused,
    /// No bind within session_init_timer.
    #[error("no bind within session_init_timer")]
    SessionInit,
    /// A bind or an unbind was not answered within response_timer.
    #[error("a bind or unbind was not answered within response_timer")]
    Response,
    /// The peer no longer answers enquire_link.
    #[error("enquire_link was not answered")]
    EnquireLink,
    /// No message within inactivity_timer: we unbound.
    #[error("no message within inactivity_timer")]
    Inactivity,
    /// A PDU began and did not end in time.
    #[error("a PDU began and did not end")]
    Pdu,
    /// A command_length that cannot be: whatever this peer speaks, it is not SMPP.
    #[error("a command_length out of bounds")]
    CommandLength,
    /// The connection ended.
    #[error("the connection ended")]
    Disconnected,
}

/// A message that was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// As many messages await their responses as may.
    #[error("the window is full")]
    WindowFull,
    /// The session is not bound.
    #[error("the session is not bound")]
    NotBound,
    /// This side, or this kind of bind, does not send this kind of message.
    #[error("this bind does not carry this kind of message this way")]
    Direction,
    /// The message does not fit the wire, or the peer's version.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
}

/// A bind or outbind that was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// The session is bound or binding already, or over.
    #[error("the session cannot bind now")]
    State,
    /// A credential does not fit its field.
    #[error(transparent)]
    Credential(#[from] BadCredential),
}

/// One SMPP session. See the [module](self) for how it is driven.
pub struct Session {
    input: Input,
    core: Core,
}

impl Session {
    /// A session on a connection that was made at `now`.
    #[must_use]
    pub fn new(role: Role, config: SessionConfig, now: Instant) -> Self {
        Self { input: Input::default(), core: Core::new(role, config, now) }
    }

    /// Takes what the connection brought. [`Session::poll`] until `None` before the next call: then the session never
    /// holds more than one incomplete frame and these octets. After the end they are dropped.
    pub fn handle_input(&mut self, bytes: &[u8]) {
        if self.core.reads() {
            self.input.push(bytes);
        }
    }

    /// The next thing to know, or `None` until there is more input or time has passed.
    #[inline]
    pub fn poll(&mut self, now: Instant) -> Option<Event<'_>> {
        let Self { input: Input { bytes, cursor }, core } = self;
        let bytes: &[u8] = bytes;
        loop {
            if core.has_ended() {
                return core.last_events();
            }
            if !core.reads() {
                return core.expired(now);
            }
            match cursor.next(bytes, core.frame_max(), now) {
                Ok(Some(frame)) => {
                    if let Some(event) = core.receive(frame, now) {
                        return Some(event);
                    }
                }
                Ok(None) => return core.expired(now),
                Err(_) => core.nack_length(now),
            }
        }
    }

    /// Whether what arrives next begins a PDU, once [`Session::poll`] has returned `None`.
    #[must_use]
    pub fn is_between_frames(&self) -> bool {
        self.input.begun().is_none()
    }

    /// When to call [`Session::handle_timeout`] next, if nothing else happens before.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.core.next_timeout(self.input.begun())
    }

    /// Does what is due at `now`. [`Session::poll`] afterwards, for the messages that were not answered in time.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.core.handle_timeout(self.input.begun(), now);
    }

    /// Octets to write to the connection, in order. The driver drains them. They hold at most the responses to one input
    /// and the messages of one window as long as it does so before each input.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.core.output
    }

    /// Accepts the bind that [`Event::Bind`] brought; without one, does nothing.
    pub fn accept_bind(&mut self, limits: BindLimits, now: Instant) {
        self.core.accept_bind(limits, now);
    }

    /// Refuses the bind that [`Event::Bind`] brought, and ends the session; without one, does nothing.
    pub fn refuse_bind(&mut self, status: Status) {
        self.core.refuse_bind(status);
    }

    /// What the next [`Session::bind`] is held to, in place of what the session was made with.
    pub fn limit(&mut self, limits: BindLimits) {
        self.core.limit(limits);
    }

    /// Asks the peer to let us bind. The session becomes the ESME's, which answers an outbind to a listening port.
    ///
    /// # Errors
    /// [`BindError`]; nothing was written.
    pub fn bind(
        &mut self,
        kind: BindKind,
        credentials: &Credentials<'_>,
        now: Instant,
    ) -> Result<(), BindError> {
        self.core.bind(kind, credentials, now)
    }

    /// As an SMSC, asks the peer to bind to us. Restarts session_init_timer.
    ///
    /// # Errors
    /// [`BindError`]; nothing was written.
    pub fn outbind(&mut self, credentials: &Credentials<'_>, now: Instant) -> Result<(), BindError> {
        self.core.outbind(credentials, now)
    }

    /// Answers a message and frees its place in the inbound window. After the end of the session nothing is written.
    ///
    /// `message_id`: at most 64 octets, 8 hexadecimal digits for a 3.3 peer; not written where SMPP has no place for it.
    #[inline]
    pub fn respond(&mut self, request: RequestId, status: Status, message_id: &[u8]) {
        self.core.respond(request, status, message_id);
    }

    /// Sends a message. `token` comes back in [`Event::Answered`] or [`Event::Unanswered`], exactly once; after the latter
    /// in [`Event::Late`] too if the peer answers all the same.
    ///
    /// # Errors
    /// [`SendError`]; nothing was written.
    #[inline]
    pub fn send(&mut self, message: &Message<'_>, token: u64, now: Instant) -> Result<(), SendError> {
        self.core.send(message, token, now)
    }

    /// Messages that may be sent before the peer answers one; 0 where messages cannot be sent.
    #[must_use]
    pub fn window_free(&self) -> usize {
        self.core.window_free()
    }

    /// Whether a message can be sent now.
    #[must_use]
    pub fn can_send(&self) -> bool {
        self.window_free() > 0
    }

    /// Messages of the peer that await our response.
    #[must_use]
    pub fn unanswered_in(&self) -> usize {
        self.core.unanswered_in()
    }

    /// Messages of ours that await the peer's response.
    #[must_use]
    pub fn unanswered_out(&self) -> usize {
        self.core.unanswered_out()
    }

    /// What tells this peer to send a message again later.
    #[must_use]
    pub fn retry_status(&self) -> Status {
        self.core.retry_status()
    }

    /// The version that both sides speak; 3.4 before the bind.
    #[must_use]
    pub fn interface_version(&self) -> Version {
        self.core.version()
    }

    /// Which side we are.
    #[must_use]
    pub fn role(&self) -> Role {
        self.core.role()
    }

    /// Where the session is.
    #[must_use]
    pub fn state(&self) -> State {
        self.core.state()
    }

    /// What the session is bound as.
    #[must_use]
    pub fn bind_kind(&self) -> Option<BindKind> {
        match self.state() {
            State::Bound(kind) => Some(kind),
            _ => None,
        }
    }

    /// Ends the session politely: [`Event::Closed`] comes when the peer has answered, or not in time. Messages that still
    /// come are answered with the retry status; responses still go both ways.
    pub fn unbind(&mut self, now: Instant) {
        self.core.unbind(CloseReason::Unbound, now);
    }

    /// The connection is gone: [`Session::poll`] gives back every unanswered token, then [`Event::Closed`].
    pub fn disconnected(&mut self) {
        self.core.end(CloseReason::Disconnected);
    }

    /// Hands over how many PDUs of each kind have passed since the last call. What the specification does not know is
    /// counted as the command `unknown` and the status ESME_RUNKNOWNERR, so that labels stay few.
    pub fn take_counts(&mut self, f: impl FnMut(Direction, Command, Status, u64)) {
        self.core.take_counts(f);
    }
}
