//! One connection of an operator, without the connection: bytes in, the pipeline in the middle, bytes out.
//!
//! A wake has three steps. [`receive`](Link::receive) takes what a read brought, as one batch, without any lock.
//! [`exchange`](Link::exchange) has the pipeline to itself for as long as it takes to decide that batch, and encodes
//! responses and replies before they may leave. [`writable`](Link::writable) tells how much of that may, given what the
//! ledger has made durable.

use std::time::Instant;

use icaze_codec::pdu::{self, BindKind, BindRequest, MessageKind, Status, tlv};
use icaze_codec::session::{BindLimits, CloseReason, Event, RequestId, Role, SendError, Session};
use icaze_codec::text::{self, Alphabet, Part};
use icaze_store::Msisdn;
use icaze_store::ledger::{Address, Durable, message_id};
use jiff::Timestamp;

use super::accounts::Refused;
use super::held::{Held, Released};
use super::port::{Port, Terms};
use crate::clock::Now;
use crate::pipeline::intake::{Body, Intake};
use crate::pipeline::outbox::Verdict;
use crate::pipeline::{Accepted, Pipeline};
use crate::world::World;

/// A link and everything that is on its way through it.
pub struct Link {
    session: Session,
    held: Held,
    bound: Option<Bound>,
    /// Whether this link's receiver has been counted by the pipeline.
    receiver_counted: bool,
    /// New messages are asked to come again.
    draining: bool,
    closed: Option<CloseReason>,
    batch: Batch,
    payload: Vec<u8>,
}

/// Whose link it is.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// The operator's id.
    pub operator: u16,
    /// What it may do.
    pub kind: BindKind,
    terms: Terms,
}

/// What one read brought.
#[derive(Default)]
struct Batch {
    intake: Intake,
    requests: Vec<RequestId>,
    refused: Vec<(RequestId, Status)>,
    responses: Vec<(u64, Option<Status>)>,
    text: String,
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
}

impl Link {
    /// A link whose peer has just connected to us.
    #[must_use]
    pub fn new(port: &Port, now: Now) -> Self {
        Self {
            session: Session::new(Role::Smsc, port.session.clone(), now.monotonic),
            held: Held::default(),
            bound: None,
            receiver_counted: false,
            draining: false,
            closed: None,
            batch: Batch::default(),
            payload: Vec::new(),
        }
    }

    /// Takes what a read brought; `refused` hears of binds that were turned away, and why.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        port: &Port,
        now: Now,
        refused: impl FnMut(&BindRequest<'_>, Refused),
    ) {
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

    fn poll(&mut self, port: &Port, now: Now, mut refused: impl FnMut(&BindRequest<'_>, Refused)) {
        self.batch.received.get_or_insert(now.monotonic);
        let mut bind = None;
        loop {
            match bind.take() {
                None => {}
                Some(Ok(bound)) => self.accept(bound, now),
                Some(Err(cause)) => self.session.refuse_bind(Refused::status(cause)),
            }
            match self.session.poll(now.monotonic) {
                None => break,
                Some(Event::Bind(request)) => {
                    let opened =
                        if self.draining { Err(Refused::NotReady) } else { port.open_session(&request) };
                    let opened = opened.and_then(|operator| {
                        let terms = *port.terms(operator).ok_or(Refused::SystemId)?;
                        Ok(Bound { operator, kind: request.kind, terms })
                    });
                    if let Err(cause) = opened {
                        refused(&request, cause);
                    }
                    bind = Some(opened);
                }
                Some(Event::Message { request, message }) => match &self.bound {
                    Some(bound) if !self.draining => {
                        self.batch.message(request, &message, bound, port, now.wall);
                    }
                    Some(bound) => self.batch.refused.push((request, bound.terms.retry_status)),
                    None => self.batch.refused.push((request, Status::ESME_RINVBNDSTS)),
                },
                Some(Event::Answered { token, status, .. }) => {
                    self.batch.responses.push((token, Some(status)));
                }
                Some(Event::Unanswered { token }) => self.batch.responses.push((token, None)),
                Some(Event::Closed(reason)) => self.closed = Some(reason),
                Some(_) => {}
            }
        }
        for (request, status) in self.batch.refused.drain(..) {
            self.session.respond(request, status, &[]);
        }
    }

    fn accept(&mut self, bound: Bound, now: Now) {
        let limits = BindLimits {
            window_in: bound.terms.window_in,
            window_out: bound.terms.window_out,
            retry_status: Some(bound.terms.retry_status),
            ..BindLimits::default()
        };
        self.session.accept_bind(limits, now.monotonic);
        self.bound = Some(bound);
    }

    /// Has the pipeline decide what was received, settles what the operator said of replies, and fills the window
    /// with replies that wait.
    pub fn exchange(&mut self, pipeline: &mut Pipeline, world: &World, now: Now) -> Wake {
        self.free_bytes(now);
        for (seq, status) in self.batch.responses.drain(..) {
            match status {
                Some(status) => pipeline.answered(seq, verdict(status), now),
                None => pipeline.unanswered(seq),
            }
        }
        self.count_receiver(pipeline);
        let Some(bound) = self.bound else { return Wake::default() };
        let waited = pipeline.outbox().waiting(bound.operator);
        let mut last = self.decide(bound, pipeline, world, now);
        let mut replies = 0;
        while self.can_send()
            && let Some((seq, after, envelope)) = pipeline.take_reply(bound.operator, now)
        {
            self.payload.clear();
            let coding = text::encode_in(bound.terms.alphabet, envelope.text(), &mut self.payload);
            let message = pdu::Message {
                kind: MessageKind::DeliverSm,
                source: on_wire(envelope.source()),
                destination: on_wire(envelope.destination()),
                data_coding: coding.data_coding(),
                payload: &self.payload,
                ..pdu::Message::default()
            };
            match self.session.send(&message, seq, now.monotonic) {
                Ok(()) => {
                    last = last.max(after);
                    replies += 1;
                }
                Err(SendError::WindowFull | SendError::NotBound) => {
                    pipeline.unanswered(seq);
                    break;
                }
                // Nothing that is sent later would differ.
                Err(_) => pipeline.answered(seq, Verdict::Refused, now),
            }
        }
        let received = self.batch.received.take().unwrap_or(now.monotonic);
        let end = self.session.output().len();
        self.held.mark(end, last, replies, received);
        let waiting = pipeline.outbox().waiting(bound.operator);
        self.unbind_when_drained(waiting, now);
        let paced =
            if self.can_send() { pipeline.outbox().next_send(bound.operator, now.monotonic) } else { None };
        Wake { commit: pipeline.wants_commit(), siblings: waiting > waited, paced }
    }

    /// Decides the batch and encodes its responses. Returns the last entry that one of them waits for.
    fn decide(&mut self, bound: Bound, pipeline: &mut Pipeline, world: &World, now: Now) -> u64 {
        let mut last = 0;
        let batch = &mut self.batch;
        if batch.intake.is_empty() {
            return last;
        }
        let session = &mut self.session;
        // SMPP 3.3 has message_ids of at most eight hexadecimal digits; the last ones differ.
        let id_max = if session.interface_version().has_tlvs() { 16 } else { 8 };
        let mut requests = batch.requests.drain(..);
        pipeline.receive(bound.operator, &batch.intake, world, now, |accepted| {
            let Some(request) = requests.next() else { return };
            match accepted {
                Ok(Accepted { seq }) => {
                    last = last.max(seq);
                    let id = message_id(seq);
                    let excess = id.len().saturating_sub(id_max);
                    session.respond(
                        request,
                        Status::ESME_ROK,
                        id.get(excess..).unwrap_or_default().as_bytes(),
                    );
                }
                Err(_) => session.respond(request, bound.terms.retry_status, &[]),
            }
        });
        drop(requests);
        batch.intake.clear();
        last
    }

    /// What the session wrote of its own accord waits for nothing but what stands before it.
    fn free_bytes(&mut self, now: Now) {
        let end = self.session.output().len();
        self.held.mark(end, 0, 0, now.monotonic);
    }

    fn count_receiver(&mut self, pipeline: &mut Pipeline) {
        let Some(bound) = self.bound else { return };
        let receives = self.closed.is_none() && bound.kind != BindKind::Transmitter;
        if receives != self.receiver_counted {
            pipeline.receiver(bound.operator, receives);
            self.receiver_counted = receives;
        }
    }

    fn can_send(&self) -> bool {
        self.closed.is_none() && self.session.can_send()
    }

    fn unbind_when_drained(&mut self, waiting: usize, now: Now) {
        let idle = waiting == 0 && self.session.unanswered_out() == 0;
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

    /// When the session wants [`handle_timeout`](Self::handle_timeout).
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.session.next_timeout()
    }

    /// Whose link it is, once it is bound.
    #[must_use]
    pub fn bound(&self) -> Option<Bound> {
        self.bound
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

impl Batch {
    fn message(
        &mut self,
        request: RequestId,
        message: &pdu::Message<'_>,
        bound: &Bound,
        port: &Port,
        received_at: Timestamp,
    ) {
        if !port.is_ours(message.destination.digits) {
            self.refused.push((request, Status::ESME_RINVDSTADR));
            return;
        }
        self.text.clear();
        let part = sar(message);
        let body = if is_receipt(message.esm_class) {
            Body::Receipt
        } else {
            match Alphabet::of(message.data_coding, bound.terms.alphabet) {
                Err(text::Binary) => Body::Binary,
                Ok(alphabet) => {
                    let udhi = message.esm_class & UDHI != 0;
                    let by_header = text::read(alphabet, udhi, message.payload, &mut self.text);
                    match by_header.or(part) {
                        None => Body::Text(&self.text),
                        Some(part) => Body::Part(part, &self.text),
                    }
                }
            }
        };
        let identity = port.identity(bound.operator, message);
        let phone = phone(message, port);
        let (from, to) = (in_ledger(message.source), in_ledger(message.destination));
        self.intake.push(from, to, phone, identity, received_at, body);
        self.requests.push(request);
    }
}

/// The user data begins with a header (SMPP v3.4, 5.2.12).
const UDHI: u8 = 0x40;
/// Type of number: alphanumeric (SMPP v3.4, 5.2.5).
const TON_ALPHANUMERIC: u8 = 5;

/// Whether the esm_class of a message marks it as a receipt or acknowledgement, bits 2 to 5 (SMPP v3.4, 5.2.12).
fn is_receipt(esm_class: u8) -> bool {
    esm_class & 0x3C != 0
}

/// The sender, if it is a subscriber.
fn phone(message: &pdu::Message<'_>, port: &Port) -> Option<Msisdn> {
    if message.source.ton == TON_ALPHANUMERIC {
        return None;
    }
    let digits = std::str::from_utf8(message.source.digits).ok()?;
    Msisdn::parse(digits, port.numbering.country, port.numbering.national)
}

/// Which part of a text this is, by its TLVs (SMPP v3.4, 5.3.2.22 to 5.3.2.24).
fn sar(message: &pdu::Message<'_>) -> Option<Part> {
    let &[high, low] = message.tlvs.get(tlv::SAR_MSG_REF_NUM)? else { return None };
    let &[total] = message.tlvs.get(tlv::SAR_TOTAL_SEGMENTS)? else { return None };
    let &[number] = message.tlvs.get(tlv::SAR_SEGMENT_SEQNUM)? else { return None };
    Part::new(u16::from_be_bytes([high, low]), total, number)
}

/// Which answers to a reply are worth another try.
fn verdict(status: Status) -> Verdict {
    match status {
        Status::ESME_ROK => Verdict::Taken,
        Status::ESME_RTHROTTLED | Status::ESME_RMSGQFUL | Status::ESME_RX_T_APPN | Status::ESME_RSYSERR => {
            Verdict::Throttled
        }
        _ => Verdict::Refused,
    }
}

fn on_wire(address: Address<'_>) -> pdu::Address<'_> {
    pdu::Address { ton: address.ton, npi: address.npi, digits: address.digits }
}

fn in_ledger(address: pdu::Address<'_>) -> Address<'_> {
    Address { ton: address.ton, npi: address.npi, digits: address.digits }
}
