//! The operators: their sessions, what their subscribers text, and what they have seen.

use std::time::Instant;

use icaze_codec::pdu::{Address, BindKind, Credentials, Message, MessageKind, Status};
use icaze_codec::session::{Event, RequestId, Role, Session, SessionConfig};
use icaze_codec::text::{self, Alphabet, Reference};

use crate::plan::Plan;
use crate::random::Random;
use crate::world::{OPERATORS, Person};

/// One PDU that an operator has to deliver to the gateway, until it is acknowledged.
pub(crate) struct Pdu {
    pub(crate) operator: usize,
    pub(crate) phone: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) data_coding: u8,
    pub(crate) esm_class: u8,
    /// On which connections it awaits its response.
    pub(crate) under_way: usize,
    pub(crate) acked: bool,
    /// How often it was sent.
    pub(crate) sent: usize,
}

/// The operator's end of a connection.
pub(crate) struct End {
    pub(crate) operator: usize,
    pub(crate) session: Session,
    pub(crate) closed: bool,
    /// Replies that are answered later.
    pub(crate) late: Vec<(RequestId, Status)>,
}

/// What happened at an operator's end.
pub(crate) enum Seen {
    Answered {
        pdu: usize,
        status: Status,
    },
    Unanswered {
        pdu: usize,
    },
    /// A reply came, and was or will be answered so; `None`: never.
    Reply {
        sequence: u32,
        status: Option<Status>,
        late: bool,
    },
}

impl End {
    pub(crate) fn new(operator: usize, kind: BindKind, now: Instant) -> Self {
        let mut session = Session::new(Role::Esme, SessionConfig::default(), now);
        let (_, system_id, password) = OPERATORS[operator];
        let credentials = Credentials { system_id, password, ..Credentials::default() };
        session.bind(kind, &credentials, now).unwrap();
        Self { operator, session, closed: false, late: Vec::new() }
    }

    pub(crate) fn transmits(&self) -> bool {
        !self.closed && self.session.can_send()
    }

    pub(crate) fn send(&mut self, index: usize, pdu: &mut Pdu, now: Instant) {
        let message = Message {
            kind: MessageKind::SubmitSm,
            source: Address { ton: 1, npi: 1, digits: pdu.phone.as_bytes() },
            destination: Address { ton: 0, npi: 1, digits: b"8103" },
            esm_class: pdu.esm_class,
            data_coding: pdu.data_coding,
            payload: &pdu.payload,
            ..Message::default()
        };
        self.session.send(&message, index as u64, now).unwrap();
        pdu.under_way += 1;
        pdu.sent += 1;
    }

    /// Takes what the session has to say. `calm` operators answer every reply at once.
    pub(crate) fn drive(&mut self, plan: &Plan, calm: bool, random: &mut Random, now: Instant) -> Vec<Seen> {
        let mut seen = Vec::new();
        loop {
            let reply = match self.session.poll(now) {
                None => return seen,
                Some(Event::Answered { token, status, .. }) => {
                    seen.push(Seen::Answered { pdu: token as usize, status });
                    None
                }
                Some(Event::Unanswered { token }) => {
                    seen.push(Seen::Unanswered { pdu: token as usize });
                    None
                }
                Some(Event::Closed(_)) => {
                    self.closed = true;
                    None
                }
                Some(Event::Message { request, .. }) => Some(request),
                Some(_) => None,
            };
            let Some(request) = reply else { continue };
            let (status, late) = if calm { (Some(Status::ESME_ROK), false) } else { mood(plan, random) };
            match status {
                Some(status) if late => self.late.push((request, status)),
                Some(status) => self.session.respond(request, status, &[]),
                None => {}
            }
            seen.push(Seen::Reply { sequence: request.sequence, status, late });
        }
    }
}

fn mood(plan: &Plan, random: &mut Random) -> (Option<Status>, bool) {
    let late = random.chance(plan.late);
    let status = if random.chance(plan.missing) {
        return (None, false);
    } else if random.chance(plan.throttled) {
        *random.pick(&[Status::ESME_RTHROTTLED, Status::ESME_RMSGQFUL])
    } else if random.chance(plan.refused) {
        *random.pick(&[Status::ESME_RINVDSTADR, Status::ESME_RSUBMITFAIL])
    } else {
        Status::ESME_ROK
    };
    (Some(status), late)
}

/// What someone texts: mostly a request, in one part or several.
pub(crate) fn texts(operator: usize, plan: &Plan, people: &[Person], random: &mut Random) -> Vec<Pdu> {
    let phone = format!("99450{operator}{:06}", random.below(plan.phones));
    let person = random.pick(people);
    let document = random.pick(&person.documents);
    let purpose = *random.pick(&[1, 1, 2, 2, 2, 2, 7]);
    let language = *random.pick(&["", "", " EN", " LAT"]);
    let text = match random.below(20) {
        0 => "salam".to_owned(),
        1 => format!("{purpose}"),
        2 => "2 AZE99999999".to_owned(),
        3 => "2 AZE12345678".to_owned(),
        4..7 => format!("{purpose} {document}{language} {}", "x".repeat(170)),
        7 => format!("{document}{language}"),
        _ => format!("{purpose} {document}{language}"),
    };
    let asked = match random.below(8) {
        // One thing is missing, and is texted once it is asked for, or before.
        0 => Some((document.to_string(), purpose.to_string())),
        1 => {
            let series = document.series();
            let number = document.to_string().split_off(series.len());
            let missing = if series == "AZE" { "he" } else { series };
            Some((format!("{purpose} {number}"), missing.to_owned()))
        }
        2 => Some((purpose.to_string(), document.to_string())),
        _ => None,
    };
    let (text, answer) = asked.map_or((text, None), |(text, answer)| (text, Some(answer)));
    let reference = Reference::Octet(u8::try_from(random.below(3)).unwrap());
    let pdu = |payload, data_coding, esm_class| {
        let phone = phone.clone();
        Pdu { operator, phone, payload, data_coding, esm_class, under_way: 0, acked: false, sent: 0 }
    };
    if random.chance(2) {
        // A receipt, and binary data.
        return vec![if random.chance(50) { pdu(text.into(), 0, 0x04) } else { pdu(vec![1, 2, 3], 4, 0) }];
    }
    let segments = text::split(&text, Alphabet::Gsm7, reference).unwrap();
    let pdus = segments.map(|segment| {
        let mut payload = Vec::new();
        segment.write(&mut payload);
        pdu(payload, 0, if segment.udhi() { 0x40 } else { 0 })
    });
    // Some parts never come.
    let mut pdus = pdus.collect::<Vec<_>>();
    pdus.extend(answer.map(|answer| pdu(answer.into_bytes(), 0, 0)));
    if pdus.len() > 1 && random.chance(20) { pdus.into_iter().skip(1).collect() } else { pdus }
}
