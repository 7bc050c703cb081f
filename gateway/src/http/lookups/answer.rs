//! What a look-up is answered with.

use icaze_store::ledger::Mark;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::find::Found;
use crate::http::Shared;
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
}

/// Whether one of the permits is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum Verdict {
    Valid,
    NotValid,
}

/// A permit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Permit)]
pub(in crate::http) struct PermitAnswer {
    /// As it was told by SMS.
    #[schema(example = "7K3M-9QXF")]
    pub(in crate::http) code: String,
    /// The document that it was asked with.
    #[schema(example = "AZE10000002")]
    pub(in crate::http) document: String,
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
#[derive(Debug, Serialize, ToSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
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
}

impl Answer {
    pub(super) fn of(found: &Found, at: Timestamp, shared: &Shared) -> Self {
        let world = shared.gateway.world();
        let moment = world.moment(at);
        let permits: Vec<_> =
            found.permits.iter().map(|permit| PermitAnswer::of(permit, at, &moment, &world)).collect();
        let valid = permits.iter().any(|permit| permit.state == State::Valid);
        Self { verdict: if valid { Verdict::Valid } else { Verdict::NotValid }, at, permits }
    }
}

impl PermitAnswer {
    fn of(permit: &Permit, at: Timestamp, moment: &Moment<'_>, world: &World) -> Self {
        Self {
            code: Code::from_u64(permit.code).map(|code| code.to_string()).unwrap_or_default(),
            document: permit.document.to_string(),
            purpose: permit.purpose,
            intervals: [IntervalAnswer { start: permit.interval.start, end: permit.interval.end }],
            state: State::of(permit, at, moment),
            decided_at: permit.decided_at,
            delivery: Delivery::of(permit.delivery),
            regime: world.regimes.at(permit.decided_at).map(|regime| regime.id.to_string()),
        }
    }
}

impl State {
    fn of(permit: &Permit, at: Timestamp, moment: &Moment<'_>) -> Self {
        match permit.ended {
            Some((ended, Ending::Undelivered)) if ended <= at => Self::Undelivered,
            Some((ended, Ending::Revoked)) if ended <= at => Self::Revoked,
            // A regime may have ended it before its time.
            _ if at >= permit.interval.end || !moment.stands(permit.decided_at, permit.interval) => {
                Self::Ended
            }
            _ if at < permit.interval.start => Self::NotYetValid,
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
        }
    }
}
