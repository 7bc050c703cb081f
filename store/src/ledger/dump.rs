//! Records as JSON, one a line, for people and scripts (`icaze ledger dump`).

use std::fmt;
use std::ops::Deref;

use jiff::Timestamp;
use serde::Serialize;

use super::reader::Visible;
use super::{Address, Channel, Decision, Entry, Part, Record};

/// What the dump asks of those who know how codes are written and texts are split.
#[derive(Debug, Clone, Copy)]
pub struct DumpWith {
    /// A permit code as citizens read it.
    pub code: fn(u64) -> String,
    /// How many short messages a reply's text takes.
    pub reply_parts: fn(&str) -> usize,
}

/// A message_id: the sequence number in capital hexadecimal digits, at least eight, at most sixteen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageId {
    digits: [u8; 16],
    start: u8,
}

/// The message_id of a message whose record is `seq` (SMPP v3.4, 5.2.23: a C-octet string of at most 64).
#[must_use]
pub fn message_id(seq: u64) -> MessageId {
    let mut digits = [b'0'; 16];
    for (place, digit) in digits.iter_mut().rev().enumerate() {
        let value = (seq >> (4 * place)) as u8 & 15;
        *digit = if value < 10 { b'0' + value } else { b'A' + value - 10 };
    }
    let start = digits.iter().take(8).take_while(|&&digit| digit == b'0').count() as u8;
    MessageId { digits, start }
}

impl Deref for MessageId {
    type Target = str;

    fn deref(&self) -> &str {
        let digits = self.digits.get(usize::from(self.start)..).unwrap_or_default();
        std::str::from_utf8(digits).unwrap_or_default()
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// One record as a JSON object on one line, with the contract's names. Fields that it lacks or that are not `visible`
/// are absent.
#[must_use]
pub fn dump_json(record: &Record<'_>, visible: Visible, with: DumpWith) -> String {
    let mut line = Line {
        seq: record.seq,
        node: record.node,
        received_at: Some(record.received_at),
        decided_at: Some(record.decided_at),
        ..Line::default()
    };
    match &record.entry {
        Entry::Decision(decision) => {
            line.message_id = Some(message_id(record.seq).to_string());
            line.decision(decision, visible, with);
        }
        Entry::Part(part) => {
            line.message_id = Some(message_id(record.seq).to_string());
            line.part(part, visible);
        }
        Entry::Mark(mark, decisions) => {
            line.kind = mark.name();
            line.refers_to = Some(RefersTo::Many(decisions));
        }
        Entry::Revocation(decision) => {
            line.kind = "revocation";
            line.refers_to = Some(RefersTo::One(*decision));
        }
        Entry::Receiver(operator, open) => {
            line.kind = "receiver";
            line.operator = Some(operator);
            line.open = Some(*open);
        }
        Entry::Start => line.kind = "start",
        Entry::Stop => line.kind = "stop",
    }
    // Strings and integers under string keys: serde_json has no error for them.
    serde_json::to_string(&line).unwrap_or_default()
}

#[derive(Default, Serialize)]
struct Line<'a> {
    seq: u64,
    node: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    received_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'static str>,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "<[u64]>::is_empty")]
    parts: &'a [u64],
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<PartLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purpose: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    regime: Option<RegimeLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    register: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    facts: Option<FactsLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permit: Option<PermitLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<ReplyLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refers_to: Option<RefersTo<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    again: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

#[derive(Serialize)]
struct PartLine {
    reference: u16,
    number: u8,
    total: u8,
}

#[derive(Serialize)]
struct RegimeLine<'a> {
    id: &'a str,
    /// Hexadecimal: JSON's numbers do not hold 64 bits everywhere.
    hash: String,
}

#[derive(Serialize)]
struct FactsLine<'a> {
    region: &'a str,
    age_band: u8,
    flags: u8,
}

#[derive(Serialize)]
struct PermitLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    day: String,
    intervals: Vec<IntervalLine>,
}

#[derive(Serialize)]
struct IntervalLine {
    start: Timestamp,
    end: Timestamp,
}

#[derive(Serialize)]
struct ReplyLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    language: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<usize>,
    expires_at: Timestamp,
}

#[derive(Serialize)]
#[serde(untagged)]
enum RefersTo<'a> {
    One(u64),
    Many(&'a [u64]),
}

impl<'a> Line<'a> {
    fn decision(&mut self, decision: &'a Decision<'_>, visible: Visible, with: DumpWith) {
        self.kind = "decision";
        self.channel = Some(channel_name(decision.channel));
        self.operator = Some(decision.operator);
        self.to = Some(digits(&decision.to));
        self.parts = &decision.parts;
        self.purpose = decision.purpose;
        self.regime = decision
            .regime
            .as_ref()
            .map(|regime| RegimeLine { id: regime.id, hash: format!("{:016x}", regime.hash) });
        self.register = Some(decision.register);
        self.facts = decision.facts.as_ref().map(|facts| FactsLine {
            region: facts.region,
            age_band: facts.age_band,
            flags: facts.flags,
        });
        self.outcome = Some(decision.outcome.name());
        self.reason = decision.reason.map(|reason| reason.name());
        let person = visible.person;
        self.permit = decision.permit.as_ref().map(|permit| PermitLine {
            code: person.then(|| (with.code)(permit.code)),
            day: permit.day.to_string(),
            intervals: permit
                .intervals
                .iter()
                .map(|interval| IntervalLine { start: interval.start, end: interval.end })
                .collect(),
        });
        self.reply = decision.reply.as_ref().map(|reply| ReplyLine {
            text: person.then_some(reply.text),
            language: reply.language.name(),
            parts: person.then(|| (with.reply_parts)(reply.text)),
            expires_at: reply.expires_at,
        });
        self.refers_to = decision.refers_to.map(RefersTo::One);
        self.again = decision.again;
        if person {
            self.from = Some(digits(&decision.from));
            self.identity = Some(format!("{:032x}", decision.identity));
            self.document = decision.document.map(|document| document.to_string());
            self.person = decision.person;
        }
        self.text = (visible.text && !decision.text.is_empty()).then_some(decision.text);
    }

    fn part(&mut self, part: &'a Part<'_>, visible: Visible) {
        self.kind = "part";
        self.channel = Some(channel_name(part.channel));
        self.operator = Some(part.operator);
        self.to = Some(digits(&part.to));
        self.part = Some(PartLine { reference: part.reference, number: part.number, total: part.total });
        if visible.person {
            self.from = Some(digits(&part.from));
            self.identity = Some(format!("{:032x}", part.identity));
        }
    }
}

fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Sms => "sms",
        Channel::Test => "test",
    }
}

fn digits(address: &Address<'_>) -> String {
    String::from_utf8_lossy(address.digits).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_have_at_least_eight_digits() {
        assert_eq!(&*message_id(0), "00000000");
        assert_eq!(&*message_id(0xabc), "00000ABC");
        assert_eq!(&*message_id(0xffff_ffff), "FFFFFFFF");
        assert_eq!(&*message_id(0x1_0000_0000), "100000000");
        assert_eq!(&*message_id(u64::MAX), "FFFFFFFFFFFFFFFF");
    }
}
