//! From an entry to its bytes (FORMAT.md, "Records").

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;

use super::bytes::{put_bytes, put_varint};
use super::{Address, Channel, Decision, Entry, Language, Mark, Part};

/// The kinds of entries, as the first byte of a record.
pub(super) mod kind {
    pub(in super::super) const DECISION: u8 = 1;
    pub(in super::super) const PART: u8 = 2;
    pub(in super::super) const MARK: u8 = 3;
    pub(in super::super) const RECEIVER: u8 = 4;
    pub(in super::super) const START: u8 = 5;
    pub(in super::super) const STOP: u8 = 6;
    pub(in super::super) const REVOCATION: u8 = 7;
}

/// Which of a decision's optional fields are there.
pub(super) mod has {
    pub(in super::super) const PURPOSE: u16 = 1;
    pub(in super::super) const REGIME: u16 = 1 << 1;
    pub(in super::super) const FACTS: u16 = 1 << 2;
    pub(in super::super) const REASON: u16 = 1 << 3;
    pub(in super::super) const PERMIT: u16 = 1 << 4;
    pub(in super::super) const REPLY: u16 = 1 << 5;
    pub(in super::super) const REFERS_TO: u16 = 1 << 6;
    pub(in super::super) const TEXT: u16 = 1 << 7;
    pub(in super::super) const AGAIN: u16 = 1 << 8;

    /// Likewise in the personal section.
    pub(in super::super) const DOCUMENT: u16 = 1;
    pub(in super::super) const PERSON: u16 = 1 << 1;
}

/// A batch's records, split by the kind of data. Each kind has its own life: text is destroyed first, the person next.
/// `Debug` shows their lengths only.
#[derive(Default)]
pub(super) struct Sections {
    /// What is nobody's personal data.
    pub(super) plain: Vec<u8>,
    /// Who it was.
    pub(super) person: Vec<u8>,
    /// What they wrote.
    pub(super) text: Vec<u8>,
}

impl fmt::Debug for Sections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sections").field("bytes", &self.len()).finish_non_exhaustive()
    }
}

/// Lengths to go back to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lengths(usize, usize, usize);

impl Sections {
    pub(super) fn len(&self) -> usize {
        self.plain.len() + self.person.len() + self.text.len()
    }

    pub(super) fn clear(&mut self) {
        self.truncate(Lengths(0, 0, 0));
    }

    pub(super) fn lengths(&self) -> Lengths {
        Lengths(self.plain.len(), self.person.len(), self.text.len())
    }

    pub(super) fn truncate(&mut self, to: Lengths) {
        self.plain.truncate(to.0);
        self.person.truncate(to.1);
        self.text.truncate(to.2);
    }

    /// Appends one record. Instants are kept to the microsecond.
    pub(super) fn put(&mut self, received_at: Timestamp, decided_at: Timestamp, entry: &Entry<'_>) {
        let plain = &mut self.plain;
        plain.push(match entry {
            Entry::Decision(_) => kind::DECISION,
            Entry::Part(_) => kind::PART,
            Entry::Mark(..) => kind::MARK,
            Entry::Revocation(_) => kind::REVOCATION,
            Entry::Receiver(..) => kind::RECEIVER,
            Entry::Start => kind::START,
            Entry::Stop => kind::STOP,
        });
        plain.extend_from_slice(&received_at.as_microsecond().to_le_bytes());
        plain.extend_from_slice(&decided_at.as_microsecond().to_le_bytes());
        match entry {
            Entry::Decision(decision) => self.put_decision(decision),
            Entry::Part(part) => self.put_part(part),
            Entry::Mark(mark, decisions) => {
                plain.push(mark_byte(*mark));
                put_seqs(plain, decisions);
            }
            Entry::Revocation(decision) => put_varint(plain, *decision),
            Entry::Receiver(operator, open) => {
                put_bytes(plain, operator.as_bytes());
                plain.push(u8::from(*open));
            }
            Entry::Start | Entry::Stop => {}
        }
    }

    fn put_decision(&mut self, decision: &Decision<'_>) {
        let plain = &mut self.plain;
        plain.extend_from_slice(&decision_has(decision).to_le_bytes());
        plain.push(channel_byte(decision.channel));
        put_bytes(plain, decision.operator.as_bytes());
        put_address(plain, &decision.to);
        put_seqs(plain, &decision.parts);
        plain.extend(decision.purpose);
        if let Some(regime) = &decision.regime {
            put_bytes(plain, regime.id.as_bytes());
            plain.extend_from_slice(&regime.hash.to_le_bytes());
        }
        plain.extend_from_slice(&decision.register.to_le_bytes());
        if let Some(facts) = &decision.facts {
            put_bytes(plain, facts.region.as_bytes());
            plain.extend_from_slice(&[facts.age_band, facts.flags]);
        }
        plain.push(decision.outcome.byte());
        plain.extend(decision.reason.map(|reason| reason.byte()));
        if let Some(permit) = &decision.permit {
            plain.extend_from_slice(&day_number(permit.day).to_le_bytes());
            put_varint(plain, permit.intervals.len() as u64);
            for interval in permit.intervals.iter() {
                plain.extend_from_slice(&interval.start.as_second().to_le_bytes());
                plain.extend_from_slice(&interval.end.as_second().to_le_bytes());
            }
        }
        if let Some(reply) = &decision.reply {
            plain.push(language_byte(reply.language));
            plain.extend_from_slice(&reply.expires_at.as_microsecond().to_le_bytes());
        }
        if let Some(refers_to) = decision.refers_to {
            put_varint(plain, refers_to);
        }
        if let Some(again) = decision.again {
            plain.extend_from_slice(&again.as_microsecond().to_le_bytes());
        }
        self.put_decision_person(decision);
        if !decision.text.is_empty() {
            put_bytes(&mut self.text, decision.text.as_bytes());
        }
    }

    fn put_decision_person(&mut self, decision: &Decision<'_>) {
        let person = &mut self.person;
        put_address(person, &decision.from);
        person.extend_from_slice(&decision.identity.to_le_bytes());
        let mut flags = 0;
        flags |= if decision.document.is_some() { has::DOCUMENT } else { 0 };
        flags |= if decision.person.is_some() { has::PERSON } else { 0 };
        person.push(flags as u8);
        if let Some(document) = &decision.document {
            put_bytes(person, document.series_bytes());
            person.push(document.digits());
            person.extend_from_slice(&document.number().to_le_bytes());
        }
        if let Some(number) = decision.person {
            person.extend_from_slice(&number.to_le_bytes());
        }
        if let Some(permit) = &decision.permit {
            person.extend_from_slice(&permit.code.to_le_bytes());
        }
        if let Some(reply) = &decision.reply {
            put_bytes(person, reply.text.as_bytes());
        }
    }

    fn put_part(&mut self, part: &Part<'_>) {
        let plain = &mut self.plain;
        plain.push(channel_byte(part.channel));
        put_bytes(plain, part.operator.as_bytes());
        put_address(plain, &part.to);
        plain.extend_from_slice(&part.reference.to_le_bytes());
        plain.extend_from_slice(&[part.total, part.number]);
        put_address(&mut self.person, &part.from);
        self.person.extend_from_slice(&part.identity.to_le_bytes());
        put_bytes(&mut self.text, part.text.as_bytes());
    }
}

fn put_address(to: &mut Vec<u8>, address: &Address<'_>) {
    to.extend_from_slice(&[address.ton, address.npi]);
    put_bytes(to, address.digits);
}

fn put_seqs(to: &mut Vec<u8>, seqs: &[u64]) {
    put_varint(to, seqs.len() as u64);
    for &seq in seqs {
        put_varint(to, seq);
    }
}

/// Days since 1970-01-01, which two bytes hold until 2149.
fn day_number(day: Date) -> u16 {
    let days = Date::constant(1970, 1, 1).duration_until(day).as_hours() / 24;
    u16::try_from(days.max(0)).unwrap_or(u16::MAX)
}

fn decision_has(decision: &Decision<'_>) -> u16 {
    [
        (has::PURPOSE, decision.purpose.is_some()),
        (has::REGIME, decision.regime.is_some()),
        (has::FACTS, decision.facts.is_some()),
        (has::REASON, decision.reason.is_some()),
        (has::PERMIT, decision.permit.is_some()),
        (has::REPLY, decision.reply.is_some()),
        (has::REFERS_TO, decision.refers_to.is_some()),
        (has::TEXT, !decision.text.is_empty()),
        (has::AGAIN, decision.again.is_some()),
    ]
    .into_iter()
    .fold(0, |flags, (bit, there)| if there { flags | bit } else { flags })
}

fn channel_byte(channel: Channel) -> u8 {
    match channel {
        Channel::Sms => 1,
        Channel::Test => 2,
    }
}

fn language_byte(language: Language) -> u8 {
    match language {
        Language::Az => 1,
        Language::En => 2,
        Language::Ru => 3,
    }
}

fn mark_byte(mark: Mark) -> u8 {
    match mark {
        Mark::Sent => 1,
        Mark::Delivered => 2,
        Mark::Expired => 3,
        Mark::Undelivered => 4,
        Mark::Rejected => 5,
        Mark::Unconfirmed => 6,
    }
}
