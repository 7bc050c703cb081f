//! What a look-up is answered with.

use icaze_store::ledger::{Interval, Mark};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::find::Found;
use crate::cluster::Elsewhere;
use crate::permit::code::Code;
use crate::permit::moment::Moment;
use crate::pipeline::permits::{Ending, Permit};
use crate::world::World;

/// What stands for a person, or stood.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LookUpAnswer)]
pub(in crate::http) struct Answer {
    pub(in crate::http) verdict: Verdict,
    /// The instant that the verdict and the states are of.
    #[schema(value_type = String, format = DateTime)]
    pub(in crate::http) at: Timestamp,
    /// Newest first, at most 100.
    #[schema(max_items = 100)]
    pub(in crate::http) permits: Vec<PermitAnswer>,
    /// The numbers of gateways that may know more, and did not answer. Left out if none is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::http) missing_nodes: Vec<u8>,
}

/// Whether one of the permits is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum Verdict {
    /// One is.
    Valid,
    /// None is.
    NotValid,
    /// None that is known is, and a gateway that may know of one did not answer.
    Unknown,
}

/// A permit, and whose it is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) person: u32,
    pub(super) permit: PermitAnswer,
}

/// A permit.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Permit)]
pub(in crate::http) struct PermitAnswer {
    /// As it was told by SMS.
    #[schema(example = "7K3M-9QXF")]
    pub(in crate::http) code: String,
    /// The document that it was asked with; `null` where only the gateway that holds the permit knows it, and that one did not answer.
    #[schema(example = "AZE10000002")]
    pub(in crate::http) document: Option<String>,
    /// The purpose's digit.
    #[schema(example = 2, maximum = 9)]
    pub(in crate::http) purpose: u8,
    /// When it holds.
    pub(in crate::http) intervals: [IntervalAnswer; 1],
    pub(in crate::http) state: State,
    /// When it was decided.
    #[schema(value_type = String, format = DateTime)]
    pub(in crate::http) decided_at: Timestamp,
    pub(in crate::http) delivery: Delivery,
    /// The regime that it was issued under.
    #[schema(example = "2020-12")]
    pub(in crate::http) regime: Option<String>,
}

/// Half-open: the end is the first instant without the permit.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Interval)]
pub(in crate::http) struct IntervalAnswer {
    /// The first instant.
    #[schema(value_type = String, format = DateTime)]
    pub(in crate::http) start: Timestamp,
    /// The first one after it.
    #[schema(value_type = String, format = DateTime)]
    pub(in crate::http) end: Timestamp,
}

/// What is the matter with a permit at the instant that is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum State {
    /// It holds.
    Valid,
    /// It begins later.
    NotYetValid,
    /// It is over.
    Ended,
    /// Its reply was refused for good, or expired unseen: it ended, and the allowance came back.
    Undelivered,
    /// An administrator ended it.
    Revoked,
}

/// What became of the reply that carries the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum Delivery {
    /// It has not left, or nobody knows yet.
    Waiting,
    /// The operator has it.
    Sent,
    /// The phone has it.
    Delivered,
    /// It was refused, or came too late.
    Expired,
    /// It was sent, and the operator never said whether it has it.
    Unconfirmed,
}

impl Answer {
    /// What was found, at the instant that it was looked for.
    pub(super) fn of(found: Found, at: Timestamp) -> Self {
        let Found { held, missing, sure, .. } = found;
        let permits: Vec<_> = held.into_iter().map(|held| held.permit).collect();
        let verdict = match permits.iter().any(|permit| permit.state == State::Valid) {
            true => Verdict::Valid,
            false if sure => Verdict::NotValid,
            false => Verdict::Unknown,
        };
        Self { verdict, at, permits, missing_nodes: missing }
    }
}

impl Held {
    /// A permit of this gateway's, at an instant.
    pub(super) fn of(permit: &Permit, at: Timestamp, world: &World) -> Self {
        let &Permit { code, person, purpose, interval, ended, decided_at, .. } = permit;
        let answer = PermitAnswer {
            code: Code::from_u64(code).map(|code| code.to_string()).unwrap_or_default(),
            document: Some(permit.document.to_string()),
            purpose,
            intervals: [IntervalAnswer::of(interval)],
            state: State::of(interval, ended, decided_at, (at, &world.moment(at))),
            decided_at,
            delivery: Delivery::of(permit.delivery),
            regime: regime(decided_at, world),
        };
        Self { person, permit: answer }
    }

    /// A permit of another gateway's as Redis knows it, at an instant; `None` if it ended undelivered: when it held is not known.
    pub(super) fn elsewhere(permit: &Elsewhere, at: Timestamp, world: &World) -> Option<Self> {
        let &Elsewhere { code, person, purpose, decided_at, holds, .. } = permit;
        let (interval, until) = holds?;
        // Nothing else brings the end of a permit forward that stands in Redis.
        let ended = (until < interval.end).then_some((until, Ending::Revoked));
        let answer = PermitAnswer {
            code: code.to_string(),
            document: None,
            purpose,
            intervals: [IntervalAnswer::of(interval)],
            state: State::of(interval, ended, decided_at, (at, &world.moment(at))),
            decided_at,
            delivery: Delivery::Waiting,
            regime: regime(decided_at, world),
        };
        Some(Self { person, permit: answer })
    }
}

fn regime(decided_at: Timestamp, world: &World) -> Option<String> {
    world.regimes.at(decided_at).map(|regime| regime.id.to_string())
}

impl IntervalAnswer {
    fn of(Interval { start, end }: Interval) -> Self {
        Self { start, end }
    }
}

impl State {
    fn of(
        interval: Interval,
        ended: Option<(Timestamp, Ending)>,
        decided_at: Timestamp,
        (at, moment): (Timestamp, &Moment<'_>),
    ) -> Self {
        match ended {
            Some((ended, Ending::Undelivered)) if ended <= at => Self::Undelivered,
            Some((ended, Ending::Revoked)) if ended <= at => Self::Revoked,
            // A regime may have ended it before its time.
            _ if at >= interval.end || !moment.stands(decided_at, interval) => Self::Ended,
            _ if at < interval.start => Self::NotYetValid,
            _ => Self::Valid,
        }
    }
}

impl Delivery {
    fn of(mark: Option<Mark>) -> Self {
        match mark {
            None => Self::Waiting,
            Some(Mark::Sent) => Self::Sent,
            Some(Mark::Delivered) => Self::Delivered,
            Some(Mark::Expired | Mark::Undelivered | Mark::Rejected) => Self::Expired,
            Some(Mark::Unconfirmed) => Self::Unconfirmed,
        }
    }
}
