//! One connection of an operator, without the connection: bytes in, the pipeline in the middle, bytes out.
//!
//! A wake has five steps. [`receive`](Link::receive) takes what a read brought, as one batch, and [`look_up`](Link::look_up) finds
//! it in the register, without any lock.
//! [`exchange`](Link::exchange) has the pipeline to itself for as long as it takes to decide that batch.
//! [`encode`](Link::encode) writes responses and replies, before they may leave, while others have the pipeline.
//! [`writable`](Link::writable) tells how much of that may, given what the ledger has made durable.

mod replied;

use std::time::Instant;

use icaze_cluster::Reserved;
use icaze_codec::pdu::{self, BadBind, BindKind, Credentials, Malformed, Status, Version};
use icaze_codec::session::{CloseReason, Event, RequestId, Role, Session, State};
use icaze_config::gateway::AddressRange;
use icaze_store::ledger::{Address, Durable, message_id};
use jiff::Timestamp;

use self::replied::{Addressees, Disowned, Replied, Response, Said};
use super::accounts::{Origin, Refused};
use super::binds::Asked;
use super::held::{Held, Released};
use super::incoming;
use super::outgoing::Outgoing;
use super::port::{Port, Terms};
use super::receipt::{Receipt, is_marked};
use super::reply::Draft;
use crate::clock::Now;
use crate::pipeline::intake::Intake;
use crate::pipeline::outbox::Verdict;
use crate::pipeline::shared::Wanted;
use crate::pipeline::{Accepted, Pipeline};
use crate::world::World;

/// A link and everything that is on its way through it.
pub struct Link {
    session: Session,
    /// Where it comes from, if the peer connected to us.
    origin: Option<Origin>,
    held: Held,
    /// What our bind asks for, until it is answered.
    asked: Option<Bound>,
    bound: Option<Bound>,
    /// Whether the pipeline counts this link among those that replies leave by.
    counted: bool,
    /// What it is called there.
    number: u32,
    /// New messages are asked to come again.
    draining: bool,
    /// Nor does anything more leave.
    leaving: bool,
    /// Why the peer refused our bind.
    refused: Option<Status>,
    closed: Option<CloseReason>,
    batch: Batch,
    outgoing: Outgoing,
    draft: Draft,
    /// Replies that no message can carry; since when the pipeline is to be told.
    unsendable: Vec<u64>,
    unsendable_since: Option<Instant>,
    addressees: Addressees,
    disowned: Disowned,
}

/// Whose link it is.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// The operator's id.
    pub operator: u16,
    /// What it may do.
    pub kind: BindKind,
    /// Which side we are.
    pub role: Role,
    /// What was agreed.
    pub terms: Terms,
}

impl Bound {
    /// Whether replies leave by it.
    #[must_use]
    pub fn carries_replies(&self) -> bool {
        match self.role {
            Role::Smsc => self.kind.receives(),
            Role::Esme => self.kind.transmits(),
        }
    }
}

/// What one read brought.
#[derive(Default)]
struct Batch {
    intake: Intake,
    requests: Vec<RequestId>,
    /// What needs no entry in the ledger.
    answers: Vec<(RequestId, Status)>,
    /// What the peer said of replies.
    replied: Replied,
    text: String,
    fields: Vec<u8>,
    received: Option<Instant>,
}

/// What the driver has to see to after an exchange.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wake {
    /// The ledger has something to commit.
    pub commit: bool,
    /// Replies wait that this link could not take: the operator's other links may.
    pub siblings: bool,
    /// When the operator's pace allows the next reply, if only that forbids it now.
    pub paced: Option<Instant>,
    /// The operator has no bind that replies can leave by.
    pub mute: bool,
}

impl Link {
    /// A link whose peer has just connected to us.
    #[must_use]
    pub fn accepted(port: &Port, origin: Origin, now: Now) -> Self {
        Self::new(Session::new(Role::Smsc, port.session.clone(), now.monotonic), Some(origin))
    }

    /// A link that has just connected to an operator's SMSC, and asks to bind. `None` if nothing is agreed with the operator.
    #[must_use]
    pub fn connecting(port: &Port, operator: u16, kind: BindKind, now: Now) -> Option<Self> {
        let session = Session::new(Role::Esme, port.session.clone(), now.monotonic);
        let mut link = Self::new(session, None);
        let asked = link.ask(port, operator, kind, now);
        link.free_bytes(now);
        asked.then_some(link)
    }

    fn new(session: Session, origin: Option<Origin>) -> Self {
        Self {
            session,
            origin,
            held: Held::default(),
            asked: None,
            bound: None,
            counted: false,
            number: 0,
            draining: false,
            leaving: false,
            refused: None,
            closed: None,
            batch: Batch::default(),
            outgoing: Outgoing::default(),
            draft: Draft::default(),
            unsendable: Vec::new(),
            unsendable_since: None,
            addressees: Addressees::default(),
            disowned: Disowned::default(),
        }
    }

    /// Asks to bind as `operator`'s ESME. Whether that could be asked.
    fn ask(&mut self, port: &Port, operator: u16, kind: BindKind, now: Now) -> bool {
        let (Some(terms), Some(agreed)) = (port.terms(operator, Role::Esme), port.operator(operator)) else {
            return false;
        };
        let AddressRange { ton, npi, digits } = &agreed.address_range;
        let credentials = Credentials {
            system_id: &agreed.system_id,
            password: std::str::from_utf8(agreed.password.expose()).unwrap_or_default(),
            system_type: &agreed.system_type,
            interface_version: Version(agreed.interface_version),
            address_range: pdu::Address { ton: *ton, npi: *npi, digits: digits.as_bytes() },
        };
        self.asked = Some(Bound { operator, kind, role: Role::Esme, terms });
        self.session.limit(terms.limits());
        self.session.bind(kind, &credentials, now.monotonic).is_ok()
    }

    /// Takes what a read brought; `refused` hears of binds that were turned away, and why.
    pub fn receive(&mut self, bytes: &[u8], port: &Port, now: Now, refused: impl FnMut(Asked, Refused)) {
        self.session.handle_input(bytes);
        self.poll(port, now, refused);
    }

    /// Lets the session's timers run.
    pub fn handle_timeout(&mut self, port: &Port, now: Now) {
        self.session.handle_timeout(now.monotonic);
        self.poll(port, now, |_, _| {});
    }

    /// The connection is gone: whatever was in flight gets no response.
    pub fn disconnected(&mut self, port: &Port, now: Now) {
        self.session.disconnected();
        self.poll(port, now, |_, _| {});
        self.closed.get_or_insert(CloseReason::Disconnected);
    }

    /// Asks for no more messages, and unbinds once the replies in flight have their responses.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// What was agreed has changed: asks for no more messages, sends nothing more, and unbinds once the replies in flight
    /// have their responses.
    pub fn leave(&mut self) {
        (self.draining, self.leaving) = (true, true);
    }

    fn poll(&mut self, port: &Port, now: Now, mut refused: impl FnMut(Asked, Refused)) {
        self.batch.received.get_or_insert(now.monotonic);
        let mut request = None;
        loop {
            match request.take() {
                None => {}
                Some(Request::Bind(Ok(bound))) => self.accept(bound, now),
                Some(Request::Bind(Err(cause))) => {
                    self.session.refuse_bind(port.bind_status(cause, self.origin));
                }
                Some(Request::Outbind(Ok(operator))) => {
                    self.ask(port, operator, BindKind::Receiver, now);
                }
                Some(Request::Outbind(Err(_))) => self.session.disconnected(),
            }
            match self.session.poll(now.monotonic) {
                None => break,
                Some(Event::Bind(bind)) => {
                    let opened = self.origin.ok_or(Refused::Role).and_then(|origin| {
                        if self.draining { Err(Refused::NotReady) } else { port.open_session(&bind, origin) }
                    });
                    let opened = opened.and_then(|operator| {
                        let terms = port.terms(operator, Role::Smsc).ok_or(Refused::SystemId)?;
                        Ok(Bound { operator, kind: bind.kind, role: Role::Smsc, terms })
                    });
                    if let Err(cause) = opened {
                        refused(Asked::of(&bind), cause);
                    }
                    request = Some(Request::Bind(opened));
                }
                Some(Event::Outbind(outbind)) => {
                    let expected = self.origin.ok_or(Refused::Role).and_then(|origin| {
                        if self.draining { Err(Refused::NotReady) } else { port.expects(&outbind, origin) }
                    });
                    if let Err(cause) = expected {
                        refused(Asked::to_be_bound(&outbind), cause);
                    }
                    request = Some(Request::Outbind(expected));
                }
                Some(Event::Bound) => self.bound = self.asked.take(),
                Some(Event::BindRefused { status }) => self.refused = Some(status),
                Some(Event::Message { request, message }) => match &self.bound {
                    Some(bound) if !self.draining => {
                        self.batch.message(request, &message, bound, port, now.wall);
                    }
                    Some(bound) => self.batch.answers.push((request, bound.terms.retry_status)),
                    None => self.batch.answers.push((request, Status::ESME_RINVBNDSTS)),
                },
                Some(Event::Answered { token, status, message_id }) => {
                    let (phone, bind) = (self.addressees.take(token), self.number);
                    let response = Response { seq: token, status, message_id, phone, bind };
                    if let Some(bound) = &self.bound {
                        self.batch.replied.response(response, Said::InTime, bound, port);
                    }
                }
                Some(Event::Late { token, status, message_id }) => {
                    let (phone, bind) = (self.addressees.take(token), self.number);
                    let response = Response { seq: token, status, message_id, phone, bind };
                    if let Some(bound) = &self.bound {
                        self.batch.replied.response(response, Said::Late, bound, port);
                    }
                }
                Some(Event::Unanswered { token }) => {
                    let over = matches!(self.session.state(), State::Ended(_));
                    self.batch.replied.said.push((token, if over { Said::Lost } else { Said::Nothing }));
                }
                Some(Event::Closed(reason)) => self.closed = Some(reason),
                Some(Event::Malformed { command, body, fault }) => {
                    let bad = BadBind::of(command, body, fault);
                    if let Some((bad, cause)) = bad.and_then(|bad| Some((bad, Refused::of(bad, fault)?))) {
                        refused(Asked::badly(bad), cause);
                    }
                    let tallies = self.bound.and_then(|bound| port.tallies(bound.operator));
                    if let (Malformed::TlvStream(tag), Some(tallies)) = (fault, tallies) {
                        tallies.refused_parameter(tag);
                    }
                }
                Some(Event::Unbinding) => {}
            }
        }
        for (request, status) in self.batch.answers.drain(..) {
            self.session.respond(request, status, &[]);
        }
        self.look_for_end();
    }

    /// A session that waited to answer what its peer had sent before it ended is over with the last of these answers.
    fn look_for_end(&mut self) {
        if let State::Ended(reason) = self.session.state() {
            self.closed.get_or_insert(reason);
        }
    }

    fn accept(&mut self, bound: Bound, now: Now) {
        self.session.accept_bind(bound.terms.limits(), now.monotonic);
        self.bound = Some(bound);
    }

    /// Reads what was received and looks it up in the register, so that [`exchange`](Self::exchange) need not.
    pub fn look_up(&mut self, world: &World) {
        self.batch.intake.look_up(world);
    }

    /// What other nodes are to be asked before [`exchange`](Self::exchange).
    pub fn wanted(&self, pipeline: &mut Pipeline, world: &World, now: Now) -> Vec<Wanted> {
        let Some(bound) = self.bound.filter(|_| !self.batch.intake.is_empty()) else { return Vec::new() };
        pipeline.wanted(bound.operator, &self.batch.intake, world, now)
    }

    /// What they said of the message at `place`.
    pub fn told(&mut self, place: usize, said: Reserved) {
        self.batch.intake.answered(place, said);
    }

    /// Has the pipeline decide what was received, settles what the operator said of replies, and takes replies that wait to
    /// fill the window. [`encode`](Self::encode) has to follow.
    pub fn exchange(&mut self, pipeline: &mut Pipeline, world: &World, now: Now) -> Wake {
        self.free_bytes(now);
        let waiting = |pipeline: &Pipeline, bound: &Bound| pipeline.outbox().waiting(bound.operator);
        let waited = self.bound.map_or(0, |bound| waiting(pipeline, &bound));
        self.tell(pipeline, now);
        for seq in self.unsendable.drain(..) {
            pipeline.answered(seq, Verdict::Refused, now);
        }
        self.unsendable_since = None;
        self.count(pipeline);
        let Some(bound) = self.bound else { return Wake::default() };
        self.outgoing.last = self.settle(bound, pipeline, now);
        self.decide(bound, pipeline, world, now);
        let room = if self.can_send() { self.session.window_free() } else { 0 };
        while self.outgoing.replies_len() < room
            && let Some((seq, after, envelope)) = pipeline.take_reply(bound.operator, self.number, now)
        {
            self.outgoing.last = self.outgoing.last.max(after);
            self.outgoing.reply(seq, &envelope);
        }
        let waiting = waiting(pipeline, &bound);
        // Copies have time: a start sends them.
        let copies = pipeline.outbox().copies_waiting(bound.operator);
        (self.outgoing.waiting, self.outgoing.time) = (waiting.saturating_sub(copies), pipeline.time());
        let has_room = self.outgoing.replies_len() < room;
        let next = || pipeline.next_send(bound.operator, self.number, now.monotonic);
        let paced = if has_room { next() } else { None };
        Wake {
            commit: pipeline.wants_commit(),
            siblings: waiting > waited,
            paced,
            mute: !pipeline.has_receiver(bound.operator),
        }
    }

    /// Decides the batch.
    fn decide(&mut self, bound: Bound, pipeline: &mut Pipeline, world: &World, now: Now) {
        let Self { batch: Batch { intake, requests, .. }, outgoing, .. } = self;
        if intake.is_empty() {
            return;
        }
        let mut requests = requests.drain(..);
        pipeline.receive(bound.operator, intake, world, now, |accepted| {
            let Some(request) = requests.next() else { return };
            let seq = accepted.ok().map(|Accepted { seq }| seq);
            outgoing.last = outgoing.last.max(seq.unwrap_or(0));
            outgoing.responses.push((request, seq));
        });
        drop(requests);
        intake.clear();
    }

    /// Encodes what the exchange has decided to send. It leaves once the ledger has made durable what it rests on.
    pub fn encode(&mut self, now: Now) {
        let Some(bound) = self.bound else { return };
        self.respond(bound);
        self.look_for_end();
        let mut replies = 0;
        for (seq, envelope) in self.outgoing.replies() {
            let message = self.draft.message(&envelope, bound.role, &bound.terms, self.outgoing.time);
            match self.session.send(&message, seq, now.monotonic) {
                Ok(()) => {
                    replies += 1;
                    if bound.awaits_receipts() {
                        self.addressees.keep(seq, &message.destination, &bound);
                    }
                }
                // Nothing that is sent later would differ.
                Err(_) => self.unsendable.push(seq),
            }
        }
        self.unsendable_since = (!self.unsendable.is_empty()).then_some(now.monotonic);
        let received = self.batch.received.take().unwrap_or(now.monotonic);
        let end = self.session.output().len();
        self.held.mark(end, self.outgoing.last, replies, received);
        self.unbind_when_drained(self.outgoing.waiting, now);
        self.outgoing.clear();
    }

    fn respond(&mut self, bound: Bound) {
        // SMPP 3.3 has message_ids of at most eight hexadecimal digits; the last ones differ.
        let id_max = if self.session.interface_version().has_tlvs() { 16 } else { 8 };
        for &(request, seq) in &self.outgoing.responses {
            match seq.map(message_id) {
                Some(id) => {
                    let id = id.as_bytes();
                    let excess = id.len().saturating_sub(id_max);
                    self.session.respond(request, Status::ESME_ROK, id.get(excess..).unwrap_or_default());
                }
                None => self.session.respond(request, bound.terms.retry_status, &[]),
            }
        }
    }

    /// What the session wrote of its own accord waits for nothing but what stands before it.
    fn free_bytes(&mut self, now: Now) {
        let end = self.session.output().len();
        self.held.mark(end, 0, 0, now.monotonic);
    }

    fn count(&mut self, pipeline: &mut Pipeline) {
        let Some(bound) = self.bound else { return };
        let carries = self.closed.is_none() && bound.carries_replies();
        if carries && self.number == 0 {
            self.number = pipeline.number_bind();
        }
        if carries != self.counted {
            pipeline.receiver(bound.operator, carries);
            self.counted = carries;
        }
    }

    fn can_send(&self) -> bool {
        self.closed.is_none() && !self.leaving && self.session.can_send()
    }

    fn unbind_when_drained(&mut self, waiting: usize, now: Now) {
        let sent = self.leaving || waiting == 0;
        let idle = sent && self.session.unanswered_out() == 0;
        if self.draining && idle && self.session.bind_kind().is_some() {
            self.session.unbind(now.monotonic);
            self.free_bytes(now);
        }
    }

    /// The bytes that may be written now, given what is durable; `released` hears of the replies among them.
    pub fn writable(&mut self, durable: Durable, released: impl FnMut(Released)) -> &[u8] {
        let end = self.held.writable(durable, released);
        self.session.output().get(..end).unwrap_or_default()
    }

    /// The first `count` bytes that are encoded: as many as are [`writable`](Self::writable).
    #[must_use]
    pub fn encoded(&mut self, count: usize) -> &[u8] {
        self.session.output().get(..count).unwrap_or_default()
    }

    /// The first `count` bytes have been written.
    pub fn written(&mut self, count: usize) {
        self.session.output().drain(..count);
        self.held.written(count);
    }

    /// When [`handle_timeout`](Self::handle_timeout) and another [`exchange`](Self::exchange) are due.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.unsendable_since.or_else(|| self.session.next_timeout())
    }

    /// Whose link it is, once it is bound.
    #[must_use]
    pub fn bound(&self) -> Option<Bound> {
        self.bound
    }

    /// Whether the peer said of the bind, more than once, that it is none: it is being ended, to be made anew.
    #[must_use]
    pub fn is_disowned(&self) -> bool {
        self.disowned.twice
    }

    /// Why the peer refused our bind.
    #[must_use]
    pub fn refused(&self) -> Option<Status> {
        self.refused
    }

    /// Why the link has to be closed, once everything writable is written.
    #[must_use]
    pub fn closed(&self) -> Option<CloseReason> {
        self.closed
    }

    /// Bytes that are encoded and not yet written.
    pub fn unwritten(&mut self) -> usize {
        self.session.output().len()
    }

    /// Whether nothing waits for the ledger or the peer.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.held.is_empty()
    }

    /// The session, for its counts.
    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }
}

/// What a peer asks for on a connection that is not bound.
enum Request {
    Bind(Result<Bound, Refused>),
    /// Whose SMSC it is.
    Outbind(Result<u16, Refused>),
}

impl Batch {
    fn message(
        &mut self,
        request: RequestId,
        message: &pdu::Message<'_>,
        bound: &Bound,
        port: &Port,
        received_at: Timestamp,
    ) {
        // A message from our own number would be answered to ourselves.
        let phone = incoming::phone(message, port.numbering).filter(|_| !port.is_ours(message.source.digits));
        if bound.role == Role::Esme
            && let Some(receipt) = Receipt::of(message, phone, bound.terms.alphabet)
            && self.receipt(request, receipt, bound, port)
        {
            return;
        }
        // From nobody, and marked: no citizen's text, but a receipt that does not say of what.
        if bound.role == Role::Esme && phone.is_none() && is_marked(message.esm_class) {
            return self.put_aside(request, bound, port);
        }
        let Some(tallies) = port.tallies(bound.operator) else { return };
        if let Some(tag) = message.refused {
            tallies.refused_parameter(tag);
        }
        if !port.is_ours(message.destination.digits) {
            self.answers.push((request, Status::ESME_RINVDSTADR));
            return;
        }
        if phone.is_some_and(|phone| !port.takes(bound.operator, phone)) {
            self.answers.push((request, Status::ESME_RINVSRCADR));
            return;
        }
        let alphabet = bound.terms.alphabet;
        let message = incoming::choose(message, alphabet, tallies);
        let body = incoming::read(&message, alphabet, tallies, &mut self.text);
        let identity = port.identity(bound.operator, &message, &mut self.fields);
        let (from, to) = (in_ledger(message.source), in_ledger(message.destination));
        self.intake.push(from, to, phone, identity, received_at, body);
        self.requests.push(request);
    }
}

fn in_ledger(address: pdu::Address<'_>) -> Address<'_> {
    Address { ton: address.ton, npi: address.npi, digits: address.digits }
}
