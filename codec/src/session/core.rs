//! What a session does with one PDU, one command, one timer.

use std::time::Instant;

use super::counts::{Counts, Direction};
use super::deadlines::{Deadlines, Timer};
use super::matrix::{self, State, Verdict};
use super::window::Window;
use super::{BindError, BindLimits, CloseReason, Event, RequestId, Role, SendError, SessionConfig};
use crate::frame::{self, Frame, Header};
use crate::pdu::{
    BadCredential, BindKind, BindResp, Command, Credentials, Message, MessageResp, Pdu, Status, Version,
};

/// Messages whose time is up that are remembered, in windows: their responses may still come.
const OVERDUE_WINDOWS: usize = 4;

pub(super) struct Core {
    role: Role,
    state: State,
    config: SessionConfig,
    /// As the peer of the bind asked for it, then as agreed.
    version: Version,
    window: Window,
    /// Messages of the peer that await our response.
    unanswered_in: usize,
    deadlines: Deadlines,
    counts: Counts,
    closed: bool,
    pub(super) output: Vec<u8>,
}

impl Core {
    pub(super) fn new(role: Role, config: SessionConfig, now: Instant) -> Self {
        Self {
            role,
            state: State::Open,
            config,
            version: Version::V3_4,
            window: Window::new(now),
            unanswered_in: 0,
            deadlines: Deadlines::new(now),
            counts: Counts::default(),
            closed: false,
            output: Vec::new(),
        }
    }

    pub(super) const fn role(&self) -> Role {
        self.role
    }

    pub(super) const fn state(&self) -> State {
        self.state
    }

    pub(super) const fn version(&self) -> Version {
        self.version
    }

    pub(super) const fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended(_))
    }

    pub(super) const fn reads(&self) -> bool {
        !matches!(self.state, State::Closing { .. } | State::Ended(_))
    }

    pub(super) const fn frame_max(&self) -> usize {
        match self.state {
            State::Open | State::Binding { .. } => self.config.frame_max_open,
            State::Bound(_) | State::Unbinding(_) | State::Closing { .. } | State::Ended(_) => {
                self.config.frame_max
            }
        }
    }

    pub(super) const fn unanswered_in(&self) -> usize {
        self.unanswered_in
    }

    pub(super) fn unanswered_out(&self) -> usize {
        self.window.len()
    }

    pub(super) fn retry_status(&self) -> Status {
        self.config.limits.retry_status.unwrap_or(match self.role {
            Role::Smsc => Status::ESME_RTHROTTLED,
            Role::Esme => Status::ESME_RX_T_APPN,
        })
    }

    pub(super) fn window_free(&self) -> usize {
        match self.state {
            State::Bound(bind) if matrix::carries(bind, self.role) => {
                self.config.limits.window_out.saturating_sub(self.window.len())
            }
            _ => 0,
        }
    }

    pub(super) fn take_counts(&mut self, f: impl FnMut(Direction, Command, Status, u64)) {
        self.counts.take(f);
    }

    // What the peer sends.

    #[inline]
    pub(super) fn receive<'a>(
        &mut self,
        Frame { header, body }: Frame<'a>,
        now: Instant,
    ) -> Option<Event<'a>> {
        self.counts.add(Direction::In, header.command, header.status);
        self.deadlines.heard = now;
        self.deadlines.enquired = None;
        match matrix::verdict(self.role, self.state, header.command) {
            Verdict::Take => match Pdu::decode(header.command, body) {
                Ok(pdu) => self.take(header, pdu, now),
                Err(fault) => {
                    self.answer(header, fault.status());
                    let command = header.command;
                    (!command.is_response()).then_some(Event::Malformed { command, body, fault })
                }
            },
            Verdict::Refuse(status) => self.answer(header, status),
            Verdict::Retry => self.answer(header, self.retry_status()),
            Verdict::Ignore => self.ignore(header),
        }
    }

    #[inline]
    fn take<'a>(&mut self, header: Header, pdu: Pdu<'a>, now: Instant) -> Option<Event<'a>> {
        match pdu {
            Pdu::Message(message) => self.take_message(header, message, now),
            Pdu::MessageResp(resp) => self.take_answer(header, resp.message_id, now),
            Pdu::Bind(request) => {
                self.enter(State::Binding { kind: request.kind, sequence: header.sequence }, now);
                self.version = request.interface_version();
                Some(Event::Bind(request))
            }
            Pdu::BindResp(resp) => self.take_bind_resp(header, resp, now),
            Pdu::Outbind(outbind) => Some(Event::Outbind(outbind)),
            Pdu::Bare => self.take_bare(header, now),
            Pdu::Other => self.ignore(header),
        }
    }

    #[inline]
    fn take_message<'a>(&mut self, header: Header, message: Message<'a>, now: Instant) -> Option<Event<'a>> {
        self.deadlines.message = now;
        if self.unanswered_in >= self.config.limits.window_in {
            return self.answer(header, self.retry_status());
        }
        self.unanswered_in += 1;
        let request = RequestId { command: header.command, sequence: header.sequence };
        Some(Event::Message { request, message })
    }

    #[inline]
    fn take_answer<'a>(&mut self, header: Header, message_id: &'a [u8], now: Instant) -> Option<Event<'a>> {
        let Header { command, status, sequence } = header;
        let event = match self.window.close(sequence, command) {
            Some(token) => Event::Answered { token, status, message_id },
            None => match self.window.close_overdue(sequence, command) {
                Some(token) => Event::Late { token, status, message_id },
                None => return self.ignore(header),
            },
        };
        self.deadlines.message = now;
        Some(event)
    }

    fn take_bind_resp<'a>(&mut self, header: Header, resp: BindResp, now: Instant) -> Option<Event<'a>> {
        let State::Binding { kind, sequence } = self.state else { return self.ignore(header) };
        if header.sequence != sequence {
            return self.ignore(header);
        }
        if !header.status.is_ok() {
            self.end(CloseReason::BindRefused);
            return Some(Event::BindRefused { status: header.status });
        }
        self.version = self.version.agreed(resp.version);
        self.enter(State::Bound(kind), now);
        Some(Event::Bound)
    }

    fn take_bare<'a>(&mut self, header: Header, now: Instant) -> Option<Event<'a>> {
        match header.command {
            Command::ENQUIRE_LINK => self.answer(header, Status::ESME_ROK),
            Command::UNBIND => self.take_unbind(header, now),
            Command::UNBIND_RESP => match self.state {
                State::Unbinding(reason) => {
                    self.end(reason);
                    None
                }
                _ => self.ignore(header),
            },
            Command::GENERIC_NACK => self.take_nack(header, now),
            // An enquire_link_resp: that it was heard is all that matters.
            _ => None,
        }
    }

    fn take_unbind<'a>(&mut self, header: Header, now: Instant) -> Option<Event<'a>> {
        let reason = match self.state {
            State::Unbinding(reason) => reason,
            _ => CloseReason::PeerUnbound,
        };
        let command = header.command.response();
        self.close(reason, Header { command, status: Status::ESME_ROK, ..header }, now);
        Some(Event::Unbinding)
    }

    fn take_nack<'a>(&mut self, header: Header, now: Instant) -> Option<Event<'a>> {
        match self.state {
            State::Binding { sequence, .. } if self.role == Role::Esme && sequence == header.sequence => {
                self.end(CloseReason::BindRefused);
                Some(Event::BindRefused { status: header.status })
            }
            _ => self.take_answer(header, &[], now),
        }
    }

    /// A command_length that cannot be: the next frame's place is unknown, so the session ends.
    #[cold]
    pub(super) fn nack_length(&mut self, now: Instant) {
        let nack = Header { command: Command::GENERIC_NACK, status: Status::ESME_RINVCMDLEN, sequence: 0 };
        self.close(CloseReason::CommandLength, nack, now);
    }

    /// Ends the session with `last`, once what the peer sent before is answered.
    fn close(&mut self, reason: CloseReason, last: Header, now: Instant) {
        self.enter(State::Closing { reason, last }, now);
        self.close_when_answered();
    }

    #[inline]
    fn close_when_answered(&mut self) {
        if let State::Closing { reason, last: Header { command, status, sequence } } = self.state
            && self.unanswered_in == 0
        {
            self.write_bare(command, status, sequence);
            self.end(reason);
        }
    }

    // What we send.

    /// Answers a request from its header. Responses are never answered.
    fn answer<'a>(&mut self, header: Header, status: Status) -> Option<Event<'a>> {
        if header.command.is_response() {
            return self.ignore(header);
        }
        self.write_resp(header.command.response(), status, header.sequence, &[]);
        None
    }

    #[inline]
    fn ignore<'a>(&mut self, header: Header) -> Option<Event<'a>> {
        self.counts.add(Direction::Ignored, header.command, header.status);
        None
    }

    #[inline]
    fn write_resp(&mut self, command: Command, status: Status, sequence: u32, message_id: &[u8]) {
        self.counts.add(Direction::Out, command, status);
        frame::write(&mut self.output, Header { command, status, sequence }, |out| {
            MessageResp::encode(out, command, status, message_id);
        });
    }

    fn write_bare(&mut self, command: Command, status: Status, sequence: u32) {
        self.counts.add(Direction::Out, command, status);
        frame::write(&mut self.output, Header { command, status, sequence }, |_| ());
    }

    #[inline]
    pub(super) fn respond(&mut self, request: RequestId, status: Status, message_id: &[u8]) {
        self.unanswered_in = self.unanswered_in.saturating_sub(1);
        if matches!(self.state, State::Bound(_) | State::Unbinding(_) | State::Closing { .. }) {
            self.write_resp(request.command.response(), status, request.sequence, message_id);
            self.close_when_answered();
        }
    }

    #[inline]
    pub(super) fn send(&mut self, message: &Message<'_>, token: u64, now: Instant) -> Result<(), SendError> {
        let State::Bound(bind) = self.state else { return Err(SendError::NotBound) };
        if !matrix::sends(self.role, message.kind) || !matrix::carries(bind, self.role) {
            return Err(SendError::Direction);
        }
        message.check(self.version)?;
        if self.window_free() == 0 {
            return Err(SendError::WindowFull);
        }
        let header = Header {
            command: message.kind.command(),
            status: Status::ESME_ROK,
            sequence: self.window.open(message.kind, token, now),
        };
        self.counts.add(Direction::Out, header.command, header.status);
        frame::write(&mut self.output, header, |out| message.encode(out, self.version));
        self.deadlines.message = now;
        Ok(())
    }

    // Beginning and ending.

    fn enter(&mut self, state: State, now: Instant) {
        self.state = state;
        self.deadlines = Deadlines::new(now);
    }

    pub(super) fn accept_bind(&mut self, limits: BindLimits, now: Instant) {
        let (Role::Smsc, State::Binding { kind, sequence }) = (self.role, self.state) else { return };
        self.version = self.version.agreed(limits.version_max);
        self.limit(limits);
        let header = Header { command: kind.command().response(), status: Status::ESME_ROK, sequence };
        self.counts.add(Direction::Out, header.command, header.status);
        let resp = BindResp { version: self.version };
        frame::write(&mut self.output, header, |out| resp.encode(out, &self.config.system_id));
        self.enter(State::Bound(kind), now);
    }

    pub(super) fn limit(&mut self, limits: BindLimits) {
        self.config.timers = limits.timers.unwrap_or(self.config.timers);
        self.config.limits = limits;
    }

    pub(super) fn refuse_bind(&mut self, status: Status) {
        let (Role::Smsc, State::Binding { kind, sequence }) = (self.role, self.state) else { return };
        self.write_bare(kind.command().response(), status, sequence);
        self.end(CloseReason::BindRefused);
    }

    pub(super) fn bind(
        &mut self,
        kind: BindKind,
        credentials: &Credentials<'_>,
        now: Instant,
    ) -> Result<(), BindError> {
        let sequence = self.write_credentials(kind.command(), |out| credentials.encode_bind(out))?;
        self.role = Role::Esme;
        self.version = credentials.interface_version.agreed(self.config.limits.version_max);
        self.enter(State::Binding { kind, sequence }, now);
        Ok(())
    }

    pub(super) fn outbind(&mut self, credentials: &Credentials<'_>, now: Instant) -> Result<(), BindError> {
        if self.role == Role::Esme {
            return Err(BindError::State);
        }
        self.write_credentials(Command::OUTBIND, |out| credentials.encode_outbind(out))?;
        self.enter(State::Open, now);
        Ok(())
    }

    fn write_credentials(
        &mut self,
        command: Command,
        body: impl FnOnce(&mut Vec<u8>) -> Result<(), BadCredential>,
    ) -> Result<u32, BindError> {
        if self.state != State::Open {
            return Err(BindError::State);
        }
        let mut octets = Vec::new();
        body(&mut octets)?;
        let header = Header { command, status: Status::ESME_ROK, sequence: self.window.sequence() };
        self.counts.add(Direction::Out, command, header.status);
        frame::write(&mut self.output, header, |out| out.extend_from_slice(&octets));
        Ok(header.sequence)
    }

    pub(super) fn unbind(&mut self, reason: CloseReason, now: Instant) {
        match self.state {
            State::Bound(_) => {
                let sequence = self.window.sequence();
                self.write_bare(Command::UNBIND, Status::ESME_ROK, sequence);
                self.enter(State::Unbinding(reason), now);
            }
            State::Open | State::Binding { .. } => self.end(reason),
            State::Unbinding(_) | State::Closing { .. } | State::Ended(_) => {}
        }
    }

    pub(super) fn end(&mut self, reason: CloseReason) {
        if !self.has_ended() {
            self.state = State::Ended(reason);
        }
    }

    /// After the end: first the tokens that nobody will answer, then the end itself, once.
    pub(super) fn last_events<'a>(&mut self) -> Option<Event<'a>> {
        if let Some(token) = self.window.pop() {
            return Some(Event::Unanswered { token });
        }
        match self.state {
            State::Ended(reason) if !self.closed => {
                self.closed = true;
                Some(Event::Closed(reason))
            }
            _ => None,
        }
    }

    // Time.

    pub(super) fn expired<'a>(&mut self, now: Instant) -> Option<Event<'a>> {
        let keep = self.config.limits.window_out.saturating_mul(OVERDUE_WINDOWS);
        let token = self.window.expire(now, self.config.timers.response, keep)?;
        Some(Event::Unanswered { token })
    }

    pub(super) fn next_timeout(&self, begun: Option<Instant>) -> Option<Instant> {
        let next = self.deadlines.next(&self.config.timers, self.state, begun, self.window.oldest());
        next.map(|(at, _)| at)
    }

    pub(super) fn handle_timeout(&mut self, begun: Option<Instant>, now: Instant) {
        // Unanswered messages are poll's.
        while let Some((at, timer)) = self.deadlines.next(&self.config.timers, self.state, begun, None) {
            if at > now {
                return;
            }
            self.fire(timer, now);
        }
    }

    fn fire(&mut self, timer: Timer, now: Instant) {
        match timer {
            Timer::SessionInit => self.end(CloseReason::SessionInit),
            Timer::Response => self.end(match self.state {
                State::Unbinding(reason) | State::Closing { reason, .. } => reason,
                _ => CloseReason::Response,
            }),
            Timer::EnquireLink => {
                let sequence = self.window.sequence();
                self.write_bare(Command::ENQUIRE_LINK, Status::ESME_ROK, sequence);
                self.deadlines.enquired = Some(now);
            }
            Timer::EnquireLinkResponse => self.end(CloseReason::EnquireLink),
            Timer::Inactivity => self.unbind(CloseReason::Inactivity, now),
            Timer::Pdu => self.end(CloseReason::Pdu),
            Timer::Message => {}
        }
    }
}
