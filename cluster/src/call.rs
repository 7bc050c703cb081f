//! What is asked of the shared state, and its answers.

use std::fmt::{self, Display, Formatter};

use arrayvec::{ArrayString, ArrayVec};
use redis::{Cmd, RedisWrite as _, Value};

use crate::handover::{Queue, Replies};
use crate::index;

/// Person slots: how many hash tags the persons are spread over. A constant of the stored keys.
pub(crate) const PERSON_SLOTS: u32 = 1024;

pub(crate) fn tag(slot: u32) -> String {
    format!("icaze:{{{slot}}}")
}

/// One purpose of one person, and how often it may be granted.
#[derive(Clone, PartialEq, Eq)]
pub struct Allowance {
    /// The register's number.
    pub person: u32,
    /// The purpose, 0 to 9.
    pub purpose: u8,
    /// Days since an epoch that all nodes share.
    pub day: u16,
    /// Weeks since that epoch.
    pub week: u16,
    /// Each must have room. None: there may be any number of grants, one at a time.
    pub quotas: Vec<Quota>,
}

/// How often some purposes together may be granted to one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// Their codes, 0 to 9.
    pub purposes: ArrayVec<u8, 10>,
    /// Over which time.
    pub per: Per,
    /// How often.
    pub limit: u8,
}

/// Over which time a quota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// [`Allowance::day`].
    Day,
    /// [`Allowance::week`].
    Week,
}

impl Allowance {
    fn slot(&self) -> u32 {
        self.person % PERSON_SLOTS
    }

    /// The hash of the person's grants, then what is counted there.
    fn write_key(&self, cmd: &mut Cmd) {
        cmd.write_arg_fmt(format_args!("icaze:{{{}}}:p:{}", self.slot(), self.person));
    }

    /// Purpose, times, and the quotas as the functions read them: `D:2:1 W:23:7`.
    fn write(&self, cmd: &mut Cmd) {
        cmd.arg((self.purpose, self.day, self.week));
        cmd.write_arg_fmt(Written(&self.quotas));
    }
}

struct Written<'q>(&'q [Quota]);

impl Display for Written<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for Quota { purposes, per, limit } in self.0 {
            f.write_str(if *per == Per::Day { "D:" } else { "W:" })?;
            purposes.iter().try_for_each(|purpose| write!(f, "{purpose}"))?;
            write!(f, ":{limit} ")?;
        }
        Ok(())
    }
}

/// Personal.
impl fmt::Debug for Allowance {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Allowance").finish_non_exhaustive()
    }
}

/// A short text without memory of its own: there are several for each message.
pub type Text = ArrayString<80>;

/// The name of a reservation, or of a grant: who it is, `@`, and its moment in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Grant(pub Text);

/// The reservation that a grant takes the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// The one of the same name, or none.
    Own,
    /// As its answer named it.
    Named(Grant),
    /// Any of this node's for this purpose: it has just started, and what it reserved before is of no more use.
    Orphaned,
}

impl Hold {
    fn name(&self) -> &str {
        match self {
            Self::Own => "",
            Self::Named(grant) => &grant.0,
            Self::Orphaned => "*",
        }
    }
}

/// Whether a confirmation may still be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirm {
    /// Nothing was acknowledged yet: refused where the reservation was lost or ran out, and somebody else has the allowance.
    Live,
    /// A ledger holds it as acknowledged: kept in any case, and counted as a conflict if it is one too many.
    Replay,
    /// A grant that is one already ends at [`until_ms`](Call::Confirm::until_ms) at the latest; one that is not there is not made.
    End,
}

impl Confirm {
    fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Replay => "replay",
            Self::End => "end",
        }
    }
}

/// One call of a function.
#[derive(Debug, Clone)]
pub enum Call {
    /// Holds an allowance until it is confirmed, released or `timeout_ms` have passed.
    Reserve {
        /// The allowance.
        allowance: Allowance,
        /// The request's identity, without spaces and `@`.
        identity: Text,
        /// Milliseconds since 1970.
        now_ms: u64,
        /// How long it is held.
        timeout_ms: u64,
        /// How long the same identity is the same request.
        repeat_ms: u64,
        /// Grants from before this moment stand no longer: a regime has ended them. Milliseconds since 1970.
        standing_from_ms: u64,
    },
    /// Makes a reservation a grant; of a grant that is one already, `until_ms` may bring the end forward.
    Confirm {
        /// The allowance.
        allowance: Allowance,
        /// The grant's name from now on: one that the node's ledger tells, so that a restart can say it again.
        grant: Grant,
        /// The reservation that it takes the place of.
        hold: Hold,
        /// Milliseconds since 1970.
        now_ms: u64,
        /// When the permit ends, in milliseconds since 1970.
        until_ms: u64,
        /// What another node needs to answer with this permit: its code and times.
        permit: Text,
        /// Whether it may be refused.
        mode: Confirm,
    },
    /// Ends a reservation, or gives a grant back, for good.
    Release {
        /// The allowance.
        allowance: Allowance,
        /// Its name.
        grant: Grant,
    },
    /// Writes down whose neighbouring codes of this node are; [`index`](crate::index()) makes it.
    Index {
        /// The counter of the first.
        counter: u32,
        /// The persons, as the blocks have them.
        persons: Vec<u8>,
    },
    /// Keeps replies, sealed, in case this node dies before they have left. For at most [`Call::REPLIES_MAX`] at once.
    Keep {
        /// Of this node.
        queue: Queue,
        /// Sealed.
        replies: Replies,
    },
    /// The ledger says how the replies of these entries ended: they need not be kept. As many at once.
    Drop {
        /// Of this node.
        queue: Queue,
        /// Their entries.
        seqs: Vec<u64>,
    },
}

/// The answer to [`Call::Reserve`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// Held for this node under this name.
    Held(Grant),
    /// This very request was granted before; its permit.
    Same(Grant, Text),
    /// Another request's permit for the same purpose stands; its permit.
    Standing(Grant, Text),
    /// Another request for the same purpose is being decided: ask again.
    Busy,
    /// The allowance is used.
    Used {
        /// A quota of the day has no room.
        day: bool,
        /// A quota of the week has no room.
        week: bool,
    },
}

/// The answer to [`Call::Confirm`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmed {
    /// It is a grant.
    Granted,
    /// A grant, but more than the regime allows: counted among the conflicts. Only of [`Confirm::Replay`].
    Conflict,
    /// Not a grant: the reservation was lost or ran out, and the allowance is somebody else's. Never of [`Confirm::Replay`].
    Late,
    /// It was released before, and stays so.
    Released,
}

impl Call {
    /// Replies in one call: a server does one call at a time.
    pub const REPLIES_MAX: usize = 500;

    /// The person and the purpose that it is about.
    #[must_use]
    pub fn subject(&self) -> Option<(u32, u8)> {
        self.allowance().map(|allowance| (allowance.person, allowance.purpose))
    }

    /// The same as something that a ledger holds as acknowledged.
    #[must_use]
    pub fn replayed(mut self) -> Self {
        if let Self::Confirm { mode, .. } = &mut self {
            *mode = Confirm::Replay;
        }
        self
    }

    fn allowance(&self) -> Option<&Allowance> {
        match self {
            Self::Reserve { allowance, .. }
            | Self::Confirm { allowance, .. }
            | Self::Release { allowance, .. } => Some(allowance),
            Self::Index { .. } | Self::Keep { .. } | Self::Drop { .. } => None,
        }
    }

    pub(crate) fn slot(&self) -> u32 {
        match self {
            Self::Reserve { allowance, .. }
            | Self::Confirm { allowance, .. }
            | Self::Release { allowance, .. } => allowance.slot(),
            Self::Index { counter, .. } => index::slot(*counter),
            Self::Keep { queue, .. } | Self::Drop { queue, .. } => queue.slot(),
        }
    }

    pub(crate) fn command(&self, node: &str) -> Cmd {
        // Room for all of it: it grows with every argument otherwise.
        let mut cmd = Cmd::with_capacity(16, 256);
        cmd.arg("FCALL");
        match self {
            Self::Reserve { allowance, identity, now_ms, timeout_ms, repeat_ms, standing_from_ms } => {
                cmd.arg("icaze_reserve").arg(1);
                allowance.write_key(&mut cmd);
                cmd.arg((identity.as_str(), node, now_ms, timeout_ms, repeat_ms));
                allowance.write(&mut cmd);
                cmd.arg(standing_from_ms);
            }
            Self::Confirm { allowance, grant, hold, now_ms, until_ms, permit, mode } => {
                cmd.arg("icaze_confirm").arg(2);
                allowance.write_key(&mut cmd);
                cmd.write_arg_fmt(format_args!("icaze:{{{}}}:conflicts", allowance.slot()));
                cmd.arg((grant.0.as_str(), node, now_ms));
                allowance.write(&mut cmd);
                cmd.arg((until_ms, permit.as_str(), mode.name(), hold.name()));
            }
            Self::Release { allowance: a, grant } => {
                cmd.arg("icaze_release").arg(1);
                a.write_key(&mut cmd);
                cmd.arg((grant.0.as_str(), node, a.purpose, a.day, a.week));
            }
            Self::Index { counter, persons } => index::write(&mut cmd, node, *counter, persons),
            Self::Keep { queue, replies } => queue.keep(&mut cmd, replies),
            Self::Drop { queue, seqs } => queue.drop_ended(&mut cmd, seqs),
        }
        cmd
    }
}

impl Reserved {
    /// `None` if the functions on the server are not ours.
    #[must_use]
    pub fn read(value: &Value) -> Option<Self> {
        let Value::BulkString(said) = value else { return None };
        let (kind, rest) = first_word(std::str::from_utf8(said).ok()?);
        let grant = |name| Text::from(name).ok().map(Grant);
        let permit = || {
            let (name, permit) = first_word(rest);
            Some((grant(name)?, Text::from(permit).ok()?))
        };
        Some(match kind {
            "reserved" => Self::Held(grant(rest)?),
            "confirmed" => permit().map(|(grant, permit)| Self::Same(grant, permit))?,
            "standing" => permit().map(|(grant, permit)| Self::Standing(grant, permit))?,
            "busy" => Self::Busy,
            "used" => Self::Used { day: rest.contains('D'), week: rest.contains('W') },
            _ => return None,
        })
    }
}

/// The first word, and what follows it and a blank.
fn first_word(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

impl Confirmed {
    /// `None` if the functions on the server are not ours.
    #[must_use]
    pub fn read(value: &Value) -> Option<Self> {
        let kind: String = redis::from_redis_value_ref(value).ok()?;
        Some(match kind.as_str() {
            "confirmed" => Self::Granted,
            "conflict" => Self::Conflict,
            "late" => Self::Late,
            "released" => Self::Released,
            _ => return None,
        })
    }
}
