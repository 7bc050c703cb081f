//! Arbitrary entries, owned, so that a test can compare what it wrote with what it reads.

use std::borrow::Cow;

use icaze_store::ledger::{
    Address, Batch, Channel, Decision, Entry, Facts, Full, Interval, Language, Mark, Part, Permit, RegimeRef,
    Reply,
};
use icaze_store::{Document, Outcome, Reason};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) received_at: Timestamp,
    pub(crate) decided_at: Timestamp,
    pub(crate) entry: Owned,
}

#[derive(Debug, Clone)]
pub(crate) enum Owned {
    Decision(Box<OwnedDecision>),
    Part(OwnedPart),
    Mark(Mark, Vec<u64>),
    Revocation(u64),
    Receiver(String, bool),
    Start,
    Stop,
}

type OwnedAddress = (u8, u8, Vec<u8>);

#[derive(Debug, Clone)]
pub(crate) struct OwnedDecision {
    channel: Channel,
    operator: String,
    from: OwnedAddress,
    to: OwnedAddress,
    parts: Vec<u64>,
    identity: u128,
    document: Option<Document>,
    person: Option<u32>,
    purpose: Option<u8>,
    regime: Option<(String, u64)>,
    register: u32,
    facts: Option<(String, u8, u8)>,
    outcome: Outcome,
    reason: Option<Reason>,
    permit: Option<(u64, u16, Vec<Interval>)>,
    reply: Option<(String, Language, Timestamp)>,
    refers_to: Option<u64>,
    again: Option<Timestamp>,
    text: String,
}

#[derive(Debug, Clone)]
pub(crate) struct OwnedPart {
    channel: Channel,
    operator: String,
    from: OwnedAddress,
    to: OwnedAddress,
    identity: u128,
    reference: u16,
    numbers: (u8, u8),
    text: String,
}

impl Written {
    pub(crate) fn entry(&self) -> Entry<'_> {
        match &self.entry {
            Owned::Decision(decision) => Entry::Decision(decision.borrowed()),
            Owned::Part(part) => Entry::Part(Part {
                channel: part.channel,
                operator: &part.operator,
                from: address(&part.from),
                to: address(&part.to),
                identity: part.identity,
                reference: part.reference,
                total: part.numbers.0,
                number: part.numbers.1,
                text: &part.text,
            }),
            Owned::Mark(mark, seqs) => Entry::Mark(*mark, Cow::Borrowed(seqs)),
            Owned::Revocation(decision) => Entry::Revocation(*decision),
            Owned::Receiver(operator, open) => Entry::Receiver(operator, *open),
            Owned::Start => Entry::Start,
            Owned::Stop => Entry::Stop,
        }
    }

    pub(crate) fn append_to(&self, batch: &mut Batch) -> Result<u64, Full> {
        batch.append(self.received_at, self.decided_at, &self.entry())
    }
}

impl OwnedDecision {
    fn borrowed(&self) -> Decision<'_> {
        Decision {
            channel: self.channel,
            operator: &self.operator,
            from: address(&self.from),
            to: address(&self.to),
            parts: Cow::Borrowed(&self.parts),
            identity: self.identity,
            document: self.document,
            person: self.person,
            purpose: self.purpose,
            regime: self.regime.as_ref().map(|(id, hash)| RegimeRef { id, hash: *hash }),
            register: self.register,
            facts: self.facts.as_ref().map(|(region, age_band, flags)| Facts {
                region,
                age_band: *age_band,
                flags: *flags,
            }),
            outcome: self.outcome,
            reason: self.reason,
            permit: self.permit.as_ref().map(|(code, day, intervals)| Permit {
                code: *code,
                day: date(*day),
                intervals: Cow::Borrowed(intervals),
            }),
            reply: self.reply.as_ref().map(|(text, language, expires_at)| Reply {
                text,
                language: *language,
                expires_at: *expires_at,
            }),
            refers_to: self.refers_to,
            again: self.again,
            text: &self.text,
        }
    }
}

fn address((ton, npi, digits): &OwnedAddress) -> Address<'_> {
    Address { ton: *ton, npi: *npi, digits }
}

fn instant() -> impl Strategy<Value = Timestamp> {
    let range = Timestamp::MIN.as_microsecond()..=Timestamp::MAX.as_microsecond();
    range.prop_map(|micros| Timestamp::from_microsecond(micros).unwrap())
}

fn date(number: u16) -> Date {
    Date::constant(1970, 1, 1).saturating_add(i64::from(number).days())
}

fn second() -> impl Strategy<Value = Timestamp> {
    let range = Timestamp::MIN.as_second()..=Timestamp::MAX.as_second();
    range.prop_map(|seconds| Timestamp::from_second(seconds).unwrap())
}

fn document() -> impl Strategy<Value = Document> {
    ("[A-Z]{1,3}", "[0-9]{5,9}").prop_map(|(series, digits)| Document::new(&series, &digits).unwrap())
}

fn channel() -> impl Strategy<Value = Channel> {
    select(vec![Channel::Sms, Channel::Test])
}

fn any_address() -> impl Strategy<Value = OwnedAddress> {
    (any::<u8>(), any::<u8>(), vec(any::<u8>(), 0..21))
}

fn decision() -> impl Strategy<Value = OwnedDecision> {
    let intervals = vec((second(), second()).prop_map(|(start, end)| Interval { start, end }), 0..3);
    let language = select(vec![Language::Az, Language::En, Language::Ru]);
    let request = (
        channel(),
        ".{0,12}",
        any_address(),
        any_address(),
        vec(any::<u64>(), 0..4),
        any::<u128>(),
        option::of(document()),
        option::of(any::<u32>()),
        option::of(0_u8..10),
    );
    let verdict = (
        option::of((".{0,12}", any::<u64>())),
        any::<u32>(),
        option::of((".{0,12}", any::<u8>(), any::<u8>())),
        select(Outcome::ALL),
        option::of(select(Reason::ALL)),
        option::of((any::<u64>(), any::<u16>(), intervals)),
        option::of((".{0,70}", language, instant())),
        option::of(any::<u64>()),
        (option::of(instant()), ".{0,20}"),
    );
    (request, verdict).prop_map(|(request, verdict)| {
        let (channel, operator, from, to, parts, identity, document, person, purpose) = request;
        let (regime, register, facts, outcome, reason, permit, reply, refers_to, (again, text)) = verdict;
        OwnedDecision {
            channel,
            operator,
            from,
            to,
            parts,
            identity,
            document,
            person,
            purpose,
            regime,
            register,
            facts,
            outcome,
            reason,
            permit,
            reply,
            refers_to,
            again,
            text,
        }
    })
}

fn part() -> impl Strategy<Value = OwnedPart> {
    (
        channel(),
        ".{0,12}",
        any_address(),
        any_address(),
        any::<u128>(),
        any::<u16>(),
        any::<(u8, u8)>(),
        ".{0,70}",
    )
        .prop_map(|(channel, operator, from, to, identity, reference, numbers, text)| OwnedPart {
            channel,
            operator,
            from,
            to,
            identity,
            reference,
            numbers,
            text,
        })
}

fn mark() -> impl Strategy<Value = Mark> {
    select(Mark::ALL.to_vec())
}

/// Any entry at any time.
pub(crate) fn written() -> impl Strategy<Value = Written> {
    let entry = prop_oneof![
        4 => decision().prop_map(|decision| Owned::Decision(Box::new(decision))),
        2 => part().prop_map(Owned::Part),
        2 => (mark(), vec(any::<u64>(), 0..9)).prop_map(|(mark, seqs)| Owned::Mark(mark, seqs)),
        1 => any::<u64>().prop_map(Owned::Revocation),
        1 => (".{0,12}", any::<bool>()).prop_map(|(operator, open)| Owned::Receiver(operator, open)),
        1 => Just(Owned::Start),
        1 => Just(Owned::Stop),
    ];
    (instant(), instant(), entry).prop_map(|(received_at, decided_at, entry)| Written {
        received_at,
        decided_at,
        entry,
    })
}

/// An entry that its `number` tells apart from the others, of some 60 bytes.
pub(crate) fn numbered(number: u64) -> Written {
    Written {
        received_at: Timestamp::UNIX_EPOCH,
        decided_at: Timestamp::UNIX_EPOCH,
        entry: Owned::Part(OwnedPart {
            channel: Channel::Sms,
            operator: "demo".to_owned(),
            from: (1, 1, b"994501234567".to_vec()),
            to: (0, 1, b"8103".to_vec()),
            identity: number.into(),
            reference: 7,
            numbers: (2, 1),
            text: number.to_string(),
        }),
    }
}

/// The number that [`numbered`] put into an entry.
pub(crate) fn number_of(entry: &Entry<'_>) -> u64 {
    match entry {
        Entry::Part(part) => {
            let number = part.identity.try_into().unwrap();
            assert_eq!(part.text, u64::to_string(&number));
            number
        }
        other => panic!("not a numbered entry: {other:?}"),
    }
}
