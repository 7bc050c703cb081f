//! `POST /v1/permits/{code}/revocation`: ends a permit now.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use icaze_store::audit::Action;
use serde::Deserialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::By;
use super::answer::Answer;
use super::find::find;
use super::{peers, reason};
use crate::clock::Now;
use crate::http::Shared;
use crate::http::access::{Caller, Scope};
use crate::http::body::Body;
use crate::http::openapi::{Refused, RefusedBody};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::trail::Deed;
use crate::permit::code::Code;

/// The ledger takes milliseconds; a disk that takes longer than this has failed.
pub(super) const DURABLE_WITHIN: Duration = Duration::from_secs(5);

/// The end of a permit.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Revocation)]
pub(in crate::http) struct Ask {
    /// Why; kept in the trail.
    #[schema(value_type = String, required = true, min_length = 1, max_length = 200, example = "forged papers")]
    reason: Option<String>,
}

/// Ends a permit now.
///
/// Scope admin. Answers as a look-up by the code does, once the end of the permit is on disk. Its allowance stays spent. A permit of
/// another gateway's is ended by that one; while it does not answer, this is refused with 503, which names it.
#[utoipa::path(post, path = "/v1/permits/{code}/revocation", tag = "permits", request_body = Ask,
    params(("code" = String, Path, description = "The permit's code, in any spelling", example = "7K3M-9QXF")),
    responses((status = 200, description = "It has ended", body = Answer),
        (status = 404, description = "No permit with this code stands, or is to begin", body = ProblemBody,
            content_type = "application/problem+json"),
        Refused, RefusedBody))]
pub(in crate::http) async fn revoke(
    State(shared): State<Shared>,
    caller: Caller,
    Path(code): Path<String>,
    Body(ask): Body<Ask>,
) -> Result<Json<Answer>, Problem> {
    let reason = reason(ask.reason.as_deref())?;
    let deed = Deed {
        at: Now::read().wall,
        caller: &caller,
        action: Action::Revoke,
        allowed: false,
        covert: false,
        subjects: Vec::new(),
        asked: &code,
        reason,
    };
    if let Err(forbidden) = caller.require(Scope::Admin) {
        shared.audit.write(deed).await?;
        return Err(forbidden);
    }
    let wanted: Code = code.parse().map_err(|error| Problem::unusable("code", format!("{error}")))?;
    let found = find(&shared, By::Code, &code, (None, Now::read().wall)).await?;
    let subjects = found.subjects(&shared.audit.keys, &code);
    shared.audit.write(Deed { allowed: true, subjects, ..deed }).await?;
    match &shared.gateway.shared {
        Some(cluster) if cluster.is_of_another(wanted) => peers::revoke(cluster, wanted).await?,
        _ => end(&shared, wanted).await?,
    }
    let now = Now::read().wall;
    let found = find(&shared, By::Code, &code, (None, now)).await?;
    Ok(Json(Answer::of(found, now)))
}

/// Ends a permit of this gateway's, and waits until that is on disk.
///
/// # Errors
/// 404 if none stands, or is to begin; 503 if the ledger does not take it.
pub(super) async fn end(shared: &Shared, code: Code) -> Result<(), Problem> {
    let revoked = shared.gateway.pipeline().revoke(code, Now::read());
    let entry = revoked.map_err(|_| Problem::unavailable("the ledger has no room now; ask again"))?;
    let entry = entry.ok_or_else(none)?;
    shared.gateway.wake_committer();
    let mut durable = shared.gateway.durable();
    let on_disk = durable.wait_for(|durable| durable.position() >= entry);
    match timeout(DURABLE_WITHIN, on_disk).await {
        Ok(Ok(_)) => Ok(()),
        _ => Err(Problem::unavailable("the disk is too slow: look the permit up to see whether it ended")),
    }
}

pub(super) fn none() -> Problem {
    Problem::not_found("no permit with this code stands, or is to begin")
}
