//! From bytes to an entry (FORMAT.md, "Records"). Total: any bytes give a record or [`Malformed`].

use std::borrow::Cow;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use super::bytes::{Cursor, Malformed};
use super::encode::{has, kind};
use super::{
    Address, Channel, Decision, Entry, Facts, Interval, Language, Mark, Part, Permit, Record, RegimeRef,
    Reply,
};
use crate::{Document, Outcome, Reason};

/// Reads a batch's records in order. A section that is withheld (no key, or its key was destroyed) is `None`, and
/// the fields that it holds are empty.
pub(super) struct Decoder<'a> {
    node: u8,
    seq: u64,
    plain: Cursor<'a>,
    person: Option<Cursor<'a>>,
    text: Option<Cursor<'a>>,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(
        node: u8,
        first_seq: u64,
        plain: &'a [u8],
        person: Option<&'a [u8]>,
        text: Option<&'a [u8]>,
    ) -> Self {
        let [person, text] = [person, text].map(|section| section.map(Cursor::new));
        Self { node, seq: first_seq, plain: Cursor::new(plain), person, text }
    }

    /// Whether every byte of every section was read.
    pub(super) fn is_at_end(&self) -> bool {
        let at_end = |section: &Option<Cursor<'_>>| section.as_ref().is_none_or(|cursor| cursor.left() == 0);
        self.plain.left() == 0 && at_end(&self.person) && at_end(&self.text)
    }

    /// The next record.
    pub(super) fn record(&mut self) -> Result<Record<'a>, Malformed> {
        let kind = self.plain.u8()?;
        let received_at = instant(&mut self.plain)?;
        let decided_at = instant(&mut self.plain)?;
        let entry = match kind {
            kind::DECISION => Entry::Decision(self.decision()?),
            kind::PART => Entry::Part(self.part()?),
            kind::MARK => Entry::Mark(mark(self.plain.u8()?)?, seqs(&mut self.plain)?),
            kind::REVOCATION => Entry::Revocation(self.plain.varint()?),
            kind::RECEIVER => Entry::Receiver(self.plain.text()?, boolean(self.plain.u8()?)?),
            kind::START => Entry::Start,
            kind::STOP => Entry::Stop,
            _ => return Err(Malformed),
        };
        let seq = self.seq;
        self.seq = seq.checked_add(1).ok_or(Malformed)?;
        Ok(Record { seq, node: self.node, received_at, decided_at, entry })
    }

    fn decision(&mut self) -> Result<Decision<'a>, Malformed> {
        let plain = &mut self.plain;
        let flags = plain.u16()?;
        let mut decision = Decision {
            channel: channel(plain.u8()?)?,
            operator: plain.text()?,
            from: WITHHELD,
            to: address(plain)?,
            parts: seqs(plain)?,
            identity: 0,
            document: None,
            person: None,
            purpose: there(flags, has::PURPOSE, || plain.u8())?,
            regime: there(flags, has::REGIME, || Ok(RegimeRef { id: plain.text()?, hash: plain.u64()? }))?,
            register: plain.u32()?,
            facts: there(flags, has::FACTS, || {
                Ok(Facts { region: plain.text()?, age_band: plain.u8()?, flags: plain.u8()? })
            })?,
            outcome: Outcome::from_byte(plain.u8()?).ok_or(Malformed)?,
            reason: there(flags, has::REASON, || Reason::from_byte(plain.u8()?).ok_or(Malformed))?,
            permit: there(flags, has::PERMIT, || {
                Ok(Permit { code: 0, day: day(plain.u16()?), intervals: intervals(plain)? })
            })?,
            reply: there(flags, has::REPLY, || {
                Ok(Reply { text: "", language: language(plain.u8()?)?, expires_at: instant(plain)? })
            })?,
            refers_to: there(flags, has::REFERS_TO, || plain.varint())?,
            again: there(flags, has::AGAIN, || instant(plain))?,
            text: "",
        };
        if let Some(person) = &mut self.person {
            decision_person(&mut decision, person)?;
        }
        if let (Some(text), true) = (&mut self.text, flags & has::TEXT != 0) {
            decision.text = text.text()?;
        }
        Ok(decision)
    }

    fn part(&mut self) -> Result<Part<'a>, Malformed> {
        let plain = &mut self.plain;
        let mut part = Part {
            channel: channel(plain.u8()?)?,
            operator: plain.text()?,
            from: WITHHELD,
            to: address(plain)?,
            identity: 0,
            reference: plain.u16()?,
            total: plain.u8()?,
            number: plain.u8()?,
            text: "",
        };
        if let Some(person) = &mut self.person {
            part.from = address(person)?;
            part.identity = u128::from_le_bytes(person.array()?);
        }
        if let Some(text) = &mut self.text {
            part.text = text.text()?;
        }
        Ok(part)
    }
}

/// Stands for an address that is not to be read.
const WITHHELD: Address<'static> = Address { ton: 0, npi: 0, digits: &[] };

fn decision_person<'a>(decision: &mut Decision<'a>, person: &mut Cursor<'a>) -> Result<(), Malformed> {
    decision.from = address(person)?;
    decision.identity = u128::from_le_bytes(person.array()?);
    let flags = person.u8()?.into();
    if flags & !(has::DOCUMENT | has::PERSON) != 0 {
        return Err(Malformed);
    }
    decision.document = there(flags, has::DOCUMENT, || document(person))?;
    decision.person = there(flags, has::PERSON, || person.u32())?;
    if let Some(permit) = &mut decision.permit {
        permit.code = person.u64()?;
    }
    if let Some(reply) = &mut decision.reply {
        reply.text = person.text()?;
    }
    Ok(())
}

fn there<T>(
    flags: u16,
    bit: u16,
    read: impl FnOnce() -> Result<T, Malformed>,
) -> Result<Option<T>, Malformed> {
    if flags & bit == 0 { Ok(None) } else { read().map(Some) }
}

fn day(number: u16) -> Date {
    Date::constant(1970, 1, 1).saturating_add(i64::from(number).days())
}

fn instant(from: &mut Cursor<'_>) -> Result<Timestamp, Malformed> {
    Timestamp::from_microsecond(from.i64()?).map_err(|_| Malformed)
}

fn second(from: &mut Cursor<'_>) -> Result<Timestamp, Malformed> {
    Timestamp::from_second(from.i64()?).map_err(|_| Malformed)
}

fn address<'a>(from: &mut Cursor<'a>) -> Result<Address<'a>, Malformed> {
    Ok(Address { ton: from.u8()?, npi: from.u8()?, digits: from.bytes()? })
}

fn seqs(from: &mut Cursor<'_>) -> Result<Cow<'static, [u64]>, Malformed> {
    let count = from.count(1)?;
    (0..count).map(|_| from.varint()).collect::<Result<Vec<_>, _>>().map(Cow::Owned)
}

fn intervals(from: &mut Cursor<'_>) -> Result<Cow<'static, [Interval]>, Malformed> {
    let count = from.count(16)?;
    (0..count)
        .map(|_| Ok(Interval { start: second(from)?, end: second(from)? }))
        .collect::<Result<Vec<_>, _>>()
        .map(Cow::Owned)
}

fn document(from: &mut Cursor<'_>) -> Result<Document, Malformed> {
    let series = from.text()?;
    let digits = usize::from(from.u8()?);
    let mut number = from.u32()?;
    let mut written = [b'0'; 9];
    let written = written.get_mut(..digits).ok_or(Malformed)?;
    for digit in written.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    if number != 0 {
        return Err(Malformed);
    }
    let written = std::str::from_utf8(written).map_err(|_| Malformed)?;
    Document::new(series, written).map_err(|_| Malformed)
}

fn boolean(byte: u8) -> Result<bool, Malformed> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed),
    }
}

fn channel(byte: u8) -> Result<Channel, Malformed> {
    match byte {
        1 => Ok(Channel::Sms),
        2 => Ok(Channel::Test),
        _ => Err(Malformed),
    }
}

fn language(byte: u8) -> Result<Language, Malformed> {
    match byte {
        1 => Ok(Language::Az),
        2 => Ok(Language::En),
        3 => Ok(Language::Ru),
        _ => Err(Malformed),
    }
}

fn mark(byte: u8) -> Result<Mark, Malformed> {
    match byte {
        1 => Ok(Mark::Sent),
        2 => Ok(Mark::Delivered),
        3 => Ok(Mark::Expired),
        4 => Ok(Mark::Undelivered),
        5 => Ok(Mark::Rejected),
        6 => Ok(Mark::Unconfirmed),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::encode::Sections;
    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_malformed(
            kind in 0_u8..8,
            plain in vec(any::<u8>(), 0..200),
            person in vec(any::<u8>(), 0..80),
            text in vec(any::<u8>(), 0..40),
        ) {
            // Instants near the epoch, so that the fields behind them are reached.
            let plain: Vec<u8> = [&[kind][..], &[0; 16], &plain].concat();
            let mut decoder = Decoder::new(0, u64::MAX - 1, &plain, Some(&person), Some(&text));
            while decoder.record().is_ok() {}
        }
    }

    #[test]
    fn instants_are_kept_to_the_microsecond() {
        let instant = Timestamp::from_nanosecond(1_607_900_000_123_456_789).unwrap();
        let mut sections = Sections::default();
        sections.put(instant, instant, &Entry::Start);
        let record = Decoder::new(0, 1, &sections.plain, None, None).record().unwrap();
        assert_eq!(record.decided_at.as_nanosecond(), 1_607_900_000_123_456_000);
    }
}
