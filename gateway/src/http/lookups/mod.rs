//! `POST /v1/lookups`: what stands, or stood, for a person; `POST /v1/lookups/about` and `GET /v1/audit`: who asked that;
//! `POST /v1/permits/{code}/revocation`: ends a permit.
//!
//! Serials and numbers travel in bodies only. Nothing is told before the trail has it.

pub(super) mod about;
mod across;
mod answer;
mod find;
pub(super) mod peers;
pub(super) mod revocation;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use icaze_store::audit::Action;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[cfg(test)]
pub(super) use self::answer::IntervalAnswer;
pub(super) use self::answer::{Answer, Delivery, PermitAnswer, State as PermitState, Verdict};
use super::Shared;
use super::access::{Caller, Scope};
use super::body::Body;
use super::openapi::{Refused, RefusedBody};
use super::problem::Problem;
use super::trail::Deed;
use crate::clock::Now;
use crate::permit::code::Code;

/// A reason has at most so many characters.
const REASON_MAX: usize = 200;

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/lookups", post(look_up))
        .route("/v1/lookups/about", post(about::about))
        .route("/v1/audit", get(about::trail))
        .route("/v1/permits/{code}/revocation", post(revocation::revoke))
}

/// What is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum By {
    /// A permit by its code.
    Code,
    /// The permits of a document's holder, whichever document they were asked with.
    Document,
    /// The permits that a phone asked for.
    Phone,
}

impl By {
    fn scope(self) -> Scope {
        match self {
            Self::Code | Self::Document => Scope::Inspector,
            Self::Phone => Scope::Health,
        }
    }

    fn action(self) -> Action {
        match self {
            Self::Code => Action::LookUpByCode,
            Self::Document => Action::LookUpByDocument,
            Self::Phone => Action::LookUpByPhone,
        }
    }
}

/// A look-up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LookUp)]
pub(super) struct Ask {
    by: By,
    /// A permit code, a document's serial, or a phone number, in any customary spelling.
    #[schema(example = "AZE10000002")]
    value: String,
    /// The instant that is asked about; now if it is left out.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
    /// Why; kept in the trail.
    #[schema(value_type = String, required = true, min_length = 1, max_length = 200, example = "roadside check")]
    reason: Option<String>,
    /// Whether the look-up is withheld from the person it is about.
    #[serde(default)]
    covert: bool,
}

/// The reason without the blanks around it.
///
/// # Errors
/// 422 if there is none, or it is too long.
pub(super) fn reason(reason: Option<&str>) -> Result<&str, Problem> {
    let reason = reason.map_or("", str::trim);
    match reason.chars().count() {
        0 => Err(Problem::unusable("reason", "say in `reason` why you ask")),
        1..=REASON_MAX => Ok(reason),
        _ => Err(Problem::unusable("reason", format!("a reason has at most {REASON_MAX} characters"))),
    }
}

/// What stands for a person, or stood at an instant.
///
/// By `code` or `document` with the scope inspector, by `phone` with the scope health. By document: the permits of its holder, whichever
/// of their documents they were asked with. Written into the trail before it is answered.
#[utoipa::path(post, path = "/v1/lookups", tag = "permits", request_body = Ask,
    responses((status = 200, description = "What stands, or stood", body = Answer), Refused, RefusedBody))]
pub(super) async fn look_up(
    State(shared): State<Shared>,
    caller: Caller,
    Body(ask): Body<Ask>,
) -> Result<Json<Answer>, Problem> {
    audited(&shared, &caller, &ask).await.map(Json)
}

/// A look-up of a code or a serial, whichever `value` is.
pub(super) async fn check(
    shared: &Shared,
    caller: &Caller,
    value: &str,
    reason: &str,
) -> Result<Answer, Problem> {
    let by = if value.parse::<Code>().is_ok() { By::Code } else { By::Document };
    let (value, reason) = (value.to_owned(), Some(reason.to_owned()));
    audited(shared, caller, &Ask { by, value, at: None, reason, covert: false }).await
}

/// What is found, once the trail has it.
async fn audited(shared: &Shared, caller: &Caller, ask: &Ask) -> Result<Answer, Problem> {
    let reason = reason(ask.reason.as_deref())?;
    let now = Now::read().wall;
    let deed = Deed {
        at: now,
        caller,
        action: ask.by.action(),
        allowed: false,
        covert: ask.covert,
        subjects: Vec::new(),
        asked: &ask.value,
        reason,
    };
    if let Err(forbidden) = caller.require(ask.by.scope()) {
        shared.audit.write(deed).await?;
        return Err(forbidden);
    }
    let found = find::find(shared, ask.by, &ask.value, (ask.at, now)).await?;
    let subjects = found.subjects(&shared.audit.keys, &ask.value);
    shared.audit.write(Deed { allowed: true, subjects, ..deed }).await?;
    shared.gateway.telemetry.looked_up(&caller.institution, shared.bulk.count(caller, Now::read().monotonic));
    Ok(Answer::of(found, ask.at.unwrap_or(now)))
}
