//! Ledgers as their dumps tell them (`icaze ledger dump`): the fields that the reconciliation needs.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;

use crate::phone::Phones;

/// One line of the dump.
#[derive(Debug, Deserialize)]
pub(crate) struct Line<'a> {
    node: u8,
    seq: u64,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    decided_at: Option<Timestamp>,
    message_id: Option<String>,
    #[serde(borrow)]
    from: Option<Cow<'a, str>>,
    #[serde(default)]
    parts: Vec<u64>,
    identity: Option<String>,
    person: Option<u32>,
    purpose: Option<u8>,
    #[serde(borrow)]
    outcome: Option<Cow<'a, str>>,
    permit: Option<Permit>,
    reply: Option<Reply>,
    refers_to: Option<RefersTo>,
}

#[derive(Debug, Deserialize)]
struct Permit {
    intervals: Vec<Interval>,
}

/// Half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Interval {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
}

#[derive(Debug, Deserialize)]
struct Reply {
    text: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum RefersTo {
    One(u64),
    Many(Vec<u64>),
}

/// A record's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    /// The gateway's number.
    pub(crate) node: u8,
    pub(crate) seq: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of gateway {}", self.seq, self.node)
    }
}

/// A message's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) place: Place,
    pub(crate) message_id: String,
    pub(crate) phone: Option<u64>,
    pub(crate) decided_at: Timestamp,
    /// What makes its message the same message; nought of help for parts that did not all come.
    pub(crate) identity: String,
    pub(crate) what: What,
}

/// What a record holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// A part whose siblings are awaited.
    Part,
    /// An outcome.
    Decision {
        /// The records of the earlier parts.
        parts: Vec<Place>,
        /// The earlier decision that it is about.
        refers_to: Option<Place>,
        /// Whether the phone asked for something.
        asked: bool,
        /// Whether it tells of a permit that stands.
        repeats: bool,
        /// The text that the phone is owed.
        reply: Option<String>,
        /// Set where a permit was issued.
        grant: Option<Grant>,
    },
}

/// A new permit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) person: u32,
    pub(crate) purpose: u8,
    pub(crate) intervals: Vec<Interval>,
}

/// How a reply ended without reaching its phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Its time of use passed.
    Expired,
    /// The operator refused it; a permit in it ended, and its allowance returned.
    Refused,
}

impl Record {
    /// Whether it is the help for parts that did not all come.
    pub(crate) fn is_help(&self) -> bool {
        matches!(self.what, What::Decision { .. }) && self.identity.bytes().all(|digit| digit == b'0')
    }
}

/// What the ledgers say.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) records: Vec<Record>,
    /// Decisions whose replies ended.
    pub(crate) ends: Vec<(Place, End)>,
}

impl Ledger {
    /// Adds a line of a dump.
    pub(crate) fn line(&mut self, line: &str, phones: Phones) -> anyhow::Result<()> {
        let line: Line<'_> = serde_json::from_str(line)?;
        let place = |seq| Place { node: line.node, seq };
        let end = match &*line.kind {
            "expired" => Some(End::Expired),
            "undelivered" | "rejected" => Some(End::Refused),
            _ => None,
        };
        if let Some(end) = end {
            match line.refers_to {
                Some(RefersTo::One(seq)) => self.ends.push((place(seq), end)),
                Some(RefersTo::Many(seqs)) => self.ends.extend(seqs.into_iter().map(|seq| (place(seq), end))),
                None => {}
            }
            return Ok(());
        }
        let phone = line.from.as_deref().and_then(|from| phones.index(from.as_bytes()));
        let what = match &*line.kind {
            "part" => What::Part,
            "decision" => What::Decision {
                parts: line.parts.into_iter().map(place).collect(),
                refers_to: match line.refers_to {
                    Some(RefersTo::One(seq)) => Some(place(seq)),
                    Some(RefersTo::Many(_)) | None => None,
                },
                asked: line.purpose.is_some(),
                repeats: line.outcome.as_deref() == Some("repeated"),
                reply: line.reply.and_then(|reply| reply.text),
                grant: line.permit.filter(|_| line.outcome.as_deref() == Some("granted")).map(|permit| {
                    Grant {
                        person: line.person.unwrap_or_default(),
                        purpose: line.purpose.unwrap_or_default(),
                        intervals: permit.intervals,
                    }
                }),
            },
            _ => return Ok(()),
        };
        self.records.push(Record {
            place: place(line.seq),
            message_id: line.message_id.unwrap_or_default(),
            phone,
            decided_at: line.decided_at.unwrap_or_default(),
            identity: line.identity.unwrap_or_default(),
            what,
        });
        Ok(())
    }
}
