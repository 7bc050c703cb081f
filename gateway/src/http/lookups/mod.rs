//! `POST /v1/lookups`: what stands, or stood, for a person; `POST /v1/lookups/about` and `GET /v1/audit`: who asked that;
//! `POST /v1/permits/{code}/revocation`: ends a permit.
//!
//! Serials and numbers travel in bodies only. Nothing is told before the trail has it.

mod about;
mod answer;
mod find;
mod revocation;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use icaze_store::audit::Action;
use jiff::Timestamp;
use serde::Deserialize;

use self::answer::Answer;
use super::Shared;
use super::access::{Caller, Scope};
use super::body::Body;
use super::problem::Problem;
use super::trail::Deed;
use crate::clock::Now;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    by: By,
    value: String,
    /// The instant that is asked about; now if it is left out.
    #[serde(default)]
    at: Option<Timestamp>,
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

async fn look_up(
    State(shared): State<Shared>,
    caller: Caller,
    Body(ask): Body<Ask>,
) -> Result<Json<Answer>, Problem> {
    let reason = reason(ask.reason.as_deref())?;
    let now = Now::read().wall;
    let deed = Deed {
        at: now,
        caller: &caller,
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
    let found = find::find(&shared, ask.by, &ask.value, ask.at).await?;
    let subjects = found.subjects(&shared.audit.keys, &ask.value);
    shared.audit.write(Deed { allowed: true, subjects, ..deed }).await?;
    shared
        .gateway
        .telemetry
        .looked_up(&caller.institution, shared.bulk.count(&caller, Now::read().monotonic));
    Ok(Json(Answer::of(&found, ask.at.unwrap_or(now), &shared)))
}
