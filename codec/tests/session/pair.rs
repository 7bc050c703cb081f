//! An SMSC and an ESME on one thread, in virtual time.

use std::time::{Duration, Instant};

use icaze_codec::pdu::{Address, BindKind, Command, Credentials, Message, MessageKind, Status, Version};
use icaze_codec::session::{
    BindLimits, CloseReason, Event, RequestId, Role, SendError, Session, SessionConfig, Timers,
};

/// An [`Event`] that outlives the octets that it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Bind { kind: BindKind, system_id: String, password: Vec<u8>, version: Version },
    Bound,
    BindRefused(Status),
    Outbind(String),
    Malformed(Command),
    Message { request: RequestId, kind: MessageKind, payload: Vec<u8>, tlvs: usize },
    Answered { token: u64, status: Status, message_id: Vec<u8> },
    Late { token: u64, status: Status },
    Unanswered(u64),
    Unbinding,
    Closed(CloseReason),
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Bind(bind) => Self::Bind {
                kind: bind.kind,
                system_id: bind.system_id().to_owned(),
                password: bind.password().to_vec(),
                version: bind.interface_version(),
            },
            Event::Bound => Self::Bound,
            Event::BindRefused { status } => Self::BindRefused(status),
            Event::Malformed { command, .. } => Self::Malformed(command),
            Event::Outbind(outbind) => Self::Outbind(outbind.system_id().to_owned()),
            Event::Message { request, message } => Self::Message {
                request,
                kind: message.kind,
                payload: message.payload.to_vec(),
                tlvs: message.tlvs.into_iter().count(),
            },
            Event::Answered { token, status, message_id } => {
                Self::Answered { token, status, message_id: message_id.to_vec() }
            }
            Event::Late { token, status, .. } => Self::Late { token, status },
            Event::Unanswered { token } => Self::Unanswered(token),
            Event::Unbinding => Self::Unbinding,
            Event::Closed(reason) => Self::Closed(reason),
        }
    }
}

/// One side, and what its driver has seen.
pub(crate) struct Side {
    pub(crate) session: Session,
    pub(crate) seen: Vec<Seen>,
    /// What a bind is accepted with; without, it waits.
    pub(crate) limits: Option<BindLimits>,
    /// What messages are answered with at once; without, they wait.
    pub(crate) answer: Option<Status>,
}

impl Side {
    pub(crate) fn new(role: Role, config: SessionConfig, now: Instant) -> Self {
        let session = Session::new(role, config, now);
        Self {
            session,
            seen: Vec::new(),
            limits: Some(BindLimits::default()),
            answer: Some(Status::ESME_ROK),
        }
    }

    /// Polls until there is nothing more to know.
    pub(crate) fn drive(&mut self, now: Instant) {
        while let Some(event) = self.session.poll(now) {
            let seen = Seen::from(event);
            match (&seen, self.limits, self.answer) {
                (Seen::Bind { .. }, Some(limits), _) => self.session.accept_bind(limits, now),
                (Seen::Message { request, .. }, _, Some(status)) => {
                    self.session.respond(*request, status, b"0000002a");
                }
                _ => {}
            }
            self.seen.push(seen);
        }
    }

    pub(crate) fn input(&mut self, octets: &[u8], now: Instant) {
        self.session.handle_input(octets);
        self.drive(now);
    }

    /// What it has to write, as command, status and sequence number of each PDU.
    pub(crate) fn written(&mut self) -> Vec<(Command, Status, u32)> {
        let output = std::mem::take(self.session.output());
        let mut rest = &output[..];
        let mut pdus = Vec::new();
        while let Some((frame, length)) = icaze_codec::frame::split(rest, usize::MAX).unwrap() {
            pdus.push((frame.header.command, frame.header.status, frame.header.sequence));
            rest = &rest[length..];
        }
        assert!(rest.is_empty(), "only whole PDUs are written");
        pdus
    }

    /// What was seen since the last call.
    pub(crate) fn take(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }

    pub(crate) fn counts(&mut self) -> Vec<(&'static str, &'static str, &'static str, u64)> {
        let mut counts = Vec::new();
        self.session.take_counts(|direction, command, status, count| {
            counts.push((direction.name(), command.name(), status.name(), count));
        });
        counts
    }
}

pub(crate) struct Pair {
    pub(crate) smsc: Side,
    pub(crate) esme: Side,
    pub(crate) now: Instant,
    /// Octets are lost on the way, in both directions.
    pub(crate) cut: bool,
}

impl Pair {
    #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
    pub(crate) fn new(config: SessionConfig) -> Self {
        // An origin: only differences matter.
        let now = Instant::now();
        let smsc = Side::new(Role::Smsc, config.clone(), now);
        Self { smsc, esme: Side::new(Role::Esme, config, now), now, cut: false }
    }

    /// A pair that is bound, with nothing left to see.
    pub(crate) fn bound(kind: BindKind) -> Self {
        Self::bound_with(SessionConfig::default(), kind, &CREDENTIALS)
    }

    pub(crate) fn bound_with(config: SessionConfig, kind: BindKind, credentials: &Credentials<'_>) -> Self {
        let mut pair = Self::new(config);
        pair.esme.session.bind(kind, credentials, pair.now).unwrap();
        pair.exchange();
        assert_eq!(pair.esme.take(), [Seen::Bound]);
        assert_eq!(pair.smsc.take().len(), 1);
        pair.smsc.counts();
        pair.esme.counts();
        pair
    }

    /// Carries octets both ways until there are none.
    pub(crate) fn exchange(&mut self) {
        loop {
            self.smsc.drive(self.now);
            self.esme.drive(self.now);
            let to_esme = std::mem::take(self.smsc.session.output());
            let to_smsc = std::mem::take(self.esme.session.output());
            if to_esme.is_empty() && to_smsc.is_empty() {
                return;
            }
            if !self.cut {
                self.esme.session.handle_input(&to_esme);
                self.smsc.session.handle_input(&to_smsc);
            }
        }
    }

    /// Lets time pass, stopping at each timeout on the way.
    pub(crate) fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        loop {
            let next =
                [&self.smsc, &self.esme].into_iter().filter_map(|side| side.session.next_timeout()).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            self.smsc.session.handle_timeout(self.now);
            self.esme.session.handle_timeout(self.now);
            self.exchange();
        }
        self.now = end;
    }

    pub(crate) fn submit(&mut self, text: &[u8], token: u64) -> Result<(), SendError> {
        self.esme.session.send(&message(MessageKind::SubmitSm, text), token, self.now)
    }

    pub(crate) fn deliver(&mut self, text: &[u8], token: u64) -> Result<(), SendError> {
        self.smsc.session.send(&message(MessageKind::DeliverSm, text), token, self.now)
    }
}

pub(crate) const CREDENTIALS: Credentials<'_> = Credentials {
    system_id: "operator",
    password: "secret08",
    system_type: "VMS",
    interface_version: Version::V3_4,
    address_range: Address { ton: 1, npi: 1, digits: b"^8103$" },
};

pub(crate) fn message(kind: MessageKind, payload: &[u8]) -> Message<'_> {
    Message {
        kind,
        source: Address { ton: 1, npi: 1, digits: b"994501234567" },
        destination: Address { ton: 0, npi: 1, digits: b"8103" },
        payload,
        ..Message::default()
    }
}

/// Short and all different, so that the order in which they run out is the test's to choose.
pub(crate) fn timers() -> Timers {
    Timers {
        session_init: Duration::from_secs(5),
        enquire_link: Duration::from_secs(30),
        inactivity: None,
        response: Duration::from_secs(10),
        pdu: Duration::from_secs(3),
    }
}

pub(crate) fn config() -> SessionConfig {
    SessionConfig { timers: timers(), ..SessionConfig::default() }
}

/// A PDU, as octets.
pub(crate) fn pdu(command: Command, sequence: u32, body: &[u8]) -> Vec<u8> {
    pdu_with(command, Status::ESME_ROK, sequence, body)
}

pub(crate) fn pdu_with(command: Command, status: Status, sequence: u32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let header = icaze_codec::frame::Header { command, status, sequence };
    icaze_codec::frame::write(&mut out, header, |out| out.extend_from_slice(body));
    out
}

/// The body of a small sound submit_sm.
pub(crate) const SUBMIT_SM: &[u8] = b"\0\x01\x01994501234567\0\0\x018103\0\0\0\0\0\0\0\0\0\0\x032 A";
