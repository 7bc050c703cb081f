//! What one entry of the ledger says.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::{Document, Outcome, Reason};

/// One entry of the ledger, borrowed from the batch that it was read from or will be written to.
#[derive(Debug, Clone, PartialEq)]
pub struct Record<'a> {
    /// Position in this node's ledger, from 1, without gaps.
    pub seq: u64,
    /// The node that wrote it, 0 to 15.
    pub node: u8,
    /// When the first byte of the message was read.
    pub received_at: Timestamp,
    /// When the entry was made. Never decreases along the ledger.
    pub decided_at: Timestamp,
    /// What happened.
    pub entry: Entry<'a>,
}

/// The kinds of entries.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "lives on the stack for as long as it is encoded or applied")]
pub enum Entry<'a> {
    /// A request was decided.
    Decision(Decision<'a>),
    /// A part of a message whose siblings are awaited was accepted.
    Part(Part<'a>),
    /// Something happened to the replies of earlier decisions.
    Mark(Mark, Cow<'a, [u64]>),
    /// An authority ended the permit that this decision issued.
    Revocation(u64),
    /// A receiving bind of the operator opened (`true`), or its last one closed.
    Receiver(&'a str, bool),
    /// The node opened its ledger.
    Start,
    /// The node closed its ledger in order: nothing was in flight.
    Stop,
}

/// What became of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mark {
    /// The operator took it.
    Sent,
    /// The handset has it.
    Delivered,
    /// Its time of use passed before it could be sent.
    Expired,
    /// Its operator refused it for good, or it expired with not a byte written: a permit in it ends, and the allowance returns.
    Undelivered,
    /// The operator refused it for good, and it carried no permit, or one that an earlier attempt may have brought.
    Rejected,
    /// It was sent as often as it may be, and the operator said nothing. A permit in it stands: the phone may have it.
    Unconfirmed,
}

impl Mark {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Sent, Self::Delivered, Self::Expired, Self::Undelivered, Self::Rejected, Self::Unconfirmed];

    /// Its name in dumps and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Expired => "expired",
            Self::Undelivered => "undelivered",
            Self::Rejected => "rejected",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

/// Everything that explains and repeats one decision.
#[derive(Clone, PartialEq)]
pub struct Decision<'a> {
    /// How the request came.
    pub channel: Channel,
    /// The operator's name in the configuration.
    pub operator: &'a str,
    /// Who asked. Personal.
    pub from: Address<'a>,
    /// The number that was texted.
    pub to: Address<'a>,
    /// The entries of the message's earlier parts, in the order of the parts. Empty for a message in one part.
    pub parts: Cow<'a, [u64]>,
    /// A keyed hash of all that makes a message the same message.
    pub identity: u128,
    /// The serial that was read. Personal.
    pub document: Option<Document>,
    /// The register's lifelong number of its holder. Personal.
    pub person: Option<u32>,
    /// The purpose that was read, 0 to 9.
    pub purpose: Option<u8>,
    /// The regime that decided.
    pub regime: Option<RegimeRef<'a>>,
    /// The register's generation.
    pub register: u32,
    /// What the register said of the person.
    pub facts: Option<Facts<'a>>,
    /// What was decided.
    pub outcome: Outcome,
    /// Why.
    pub reason: Option<Reason>,
    /// The permit that was issued, or the standing one that was found.
    pub permit: Option<Permit<'a>>,
    /// What the citizen reads; `None` where no answer is called for. Personal.
    pub reply: Option<Reply<'a>>,
    /// The entry of the permit that this one repeats, or of the help whose question it is about.
    pub refers_to: Option<u64>,
    /// From when on the same request would be decided anew: the end of the quota's day, say. Of a help: until when
    /// its question is open.
    pub again: Option<Timestamp>,
    /// The user data as it came, kept where it explains a `help`. Personal; destroyed first.
    pub text: &'a str,
}

/// How a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// A short message.
    Sms,
    /// A probe by the people who run the gateway: outside all statistics.
    Test,
}

/// An SMPP address as it stood in the PDU: mirrored in the reply.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address<'a> {
    /// Type of number (SMPP v3.4, 5.2.5).
    pub ton: u8,
    /// Numbering plan indicator (SMPP v3.4, 5.2.6).
    pub npi: u8,
    /// The characters, at most 20; 64 in `data_sm`.
    pub digits: &'a [u8],
}

/// A regime's name and the hash of its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RegimeRef<'a> {
    /// As in its file.
    pub id: &'a str,
    /// Of the file's meaning, not of its bytes.
    pub hash: u64,
}

/// The facts that a decision used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts<'a> {
    /// The region's name in the register.
    pub region: &'a str,
    /// The age in completed years, rounded down to tens.
    pub age_band: u8,
    /// Bit 0 isolation, 1 arrival, 2 exempt, 3 deceased, 4 blocked from this purpose.
    pub flags: u8,
}

/// A permit: a code and the times in which it holds.
#[derive(Clone, PartialEq)]
pub struct Permit<'a> {
    /// 40 bits: eight characters of Crockford base32, the last one a check character.
    pub code: u64,
    /// The day whose allowance it spent, by the regime's clock. 1970 to 2149.
    pub day: Date,
    /// When it holds; at least one, unless the citizen may not be told.
    pub intervals: Cow<'a, [Interval]>,
}

/// A half-open interval of time, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Interval {
    /// The first instant.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
}

/// A reply: its text, and until when it is of use.
#[derive(Clone, PartialEq)]
pub struct Reply<'a> {
    /// What the citizen reads.
    pub text: &'a str,
    /// The language it is written in.
    pub language: Language,
    /// It is not sent from this instant on.
    pub expires_at: Timestamp,
}

/// A language that citizens are answered in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Language {
    /// Azerbaijani.
    Az,
    /// English.
    En,
    /// Russian.
    Ru,
}

/// A part of a message, kept until its siblings come.
#[derive(Clone, PartialEq)]
pub struct Part<'a> {
    /// How it came.
    pub channel: Channel,
    /// The operator's name in the configuration.
    pub operator: &'a str,
    /// Who sent it. Personal.
    pub from: Address<'a>,
    /// The number that was texted.
    pub to: Address<'a>,
    /// A keyed hash of all that makes a PDU the same PDU.
    pub identity: u128,
    /// The message's reference number (3GPP TS 23.040, 9.2.3.24.1 and .8).
    pub reference: u16,
    /// Of how many parts, 2 to 255.
    pub total: u8,
    /// Which part, from 1.
    pub number: u8,
    /// The part's text without its header. Personal.
    pub text: &'a str,
}

impl Language {
    /// The name of its reply file and in the ledger's dump.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Az => "az",
            Self::En => "en",
            Self::Ru => "ru",
        }
    }
}

impl fmt::Debug for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address(ton {}, npi {}, {} characters)", self.ton, self.npi, self.digits.len())
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("intervals", &self.intervals).finish_non_exhaustive()
    }
}

impl fmt::Debug for Reply<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("language", &self.language)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Decision<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decision")
            .field("operator", &self.operator)
            .field("purpose", &self.purpose)
            .field("outcome", &self.outcome)
            .field("reason", &self.reason)
            .field("refers_to", &self.refers_to)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("operator", &self.operator)
            .field("total", &self.total)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}
