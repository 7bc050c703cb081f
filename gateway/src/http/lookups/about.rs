//! `POST /v1/lookups/about` and `GET /v1/audit`: who looked whom up.

#![allow(unused_qualifications, reason = "the macro of the parameters writes one")]

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use icaze_store::audit::{Action, Page, Record};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::find::document;
use super::reason;
use crate::clock::Now;
use crate::http::Shared;
use crate::http::access::{Caller, Scope};
use crate::http::body::Body;
use crate::http::openapi::{Refused, RefusedBody};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::trail::Deed;

/// Records in one answer, at most.
const PAGE: usize = 100;

/// Who looked a person up?
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AboutRequest)]
pub(in crate::http) struct Ask {
    /// A document of the person's.
    #[schema(example = "AZE10000002")]
    document: String,
    /// Why; "asked for by the person" if it is left out.
    #[schema(min_length = 1, max_length = 200)]
    reason: Option<String>,
    /// Records before this one.
    #[serde(default)]
    before: Option<u64>,
}

/// Who looked a person up. Covert look-ups are counted, not shown.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct About {
    /// Newest first, at most 100.
    lookups: Vec<Entry>,
    /// Look-ups on this page that are withheld.
    withheld: usize,
    /// Ask with `before` for the next page.
    next: Option<u64>,
}

/// A record of the trail.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TrailRecord)]
struct Entry {
    /// From 1, without gaps.
    number: u64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The token's name.
    who: String,
    /// The institution that the token was made for.
    institution: String,
    /// What was done.
    #[schema(value_type = String, example = "look_up_by_document")]
    action: Action,
    /// Whether the token's scopes allowed it.
    allowed: bool,
    /// `None`: sealed under a key that is gone.
    reason: Option<String>,
}

impl From<Record> for Entry {
    fn from(record: Record) -> Self {
        Self {
            number: record.number,
            at: record.at,
            who: record.who,
            institution: record.institution,
            action: record.action,
            allowed: record.allowed,
            reason: record.detail.map(|detail| detail.reason),
        }
    }
}

/// Who looked a person up, for which institution, and why.
///
/// Scope auditor, on behalf of the person. Covert look-ups are counted, not shown. Written into the trail.
#[utoipa::path(post, path = "/v1/lookups/about", tag = "trail", request_body = Ask,
    responses((status = 200, description = "The person's own trail", body = About), Refused, RefusedBody))]
pub(in crate::http) async fn about(
    State(shared): State<Shared>,
    caller: Caller,
    Body(ask): Body<Ask>,
) -> Result<Json<About>, Problem> {
    let reason = reason(ask.reason.as_deref().or(Some("asked for by the person")))?;
    let document = document(&ask.document)?;
    let person = shared.gateway.world().register.find(document).map(|entry| entry.person);
    let keys = &shared.audit.keys;
    let subject = person.map_or_else(|| keys.unknown(ask.document.trim()), |person| keys.person(person));
    let allowed = caller.require(Scope::Auditor);
    let deed = Deed {
        at: Now::read().wall,
        caller: &caller,
        action: Action::ReadAbout,
        allowed: allowed.is_ok(),
        covert: false,
        subjects: vec![subject],
        asked: &ask.document,
        reason,
    };
    shared.audit.write(deed).await?;
    allowed?;
    let Page { records, next } = shared.audit.page(ask.before, PAGE, Some(subject)).await?;
    let all = records.len();
    let lookups: Vec<Entry> = records.into_iter().filter(|record| !record.covert).map(Entry::from).collect();
    Ok(Json(About { withheld: all - lookups.len(), lookups, next }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Cursor {
    /// The `next` of the page before.
    cursor: Option<u64>,
}

/// A page of the trail.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct TrailPage {
    /// Newest first, at most 100.
    records: Vec<Entry>,
    /// Ask with `cursor` for the next page.
    next: Option<u64>,
}

/// The trail of look-ups, newest first.
///
/// Scope auditor. Reading it is part of it.
#[utoipa::path(get, path = "/v1/audit", tag = "trail", params(Cursor),
    responses((status = 200, description = "A page of the trail", body = TrailPage),
        (status = 422, description = "`cursor` is no `next` of a page", body = ProblemBody,
            content_type = "application/problem+json"),
        Refused))]
pub(in crate::http) async fn trail(
    State(shared): State<Shared>,
    caller: Caller,
    cursor: Result<Query<Cursor>, QueryRejection>,
) -> Result<Json<TrailPage>, Problem> {
    let cursor =
        cursor.map_err(|_| Problem::unusable("cursor", "`cursor` is the `next` of the page before"))?;
    let allowed = caller.require(Scope::Auditor);
    let deed = Deed {
        at: Now::read().wall,
        caller: &caller,
        action: Action::ReadTrail,
        allowed: allowed.is_ok(),
        covert: false,
        subjects: Vec::new(),
        asked: "",
        reason: "",
    };
    shared.audit.write(deed).await?;
    allowed?;
    let Page { records, next } = shared.audit.page(cursor.cursor, PAGE, None).await?;
    Ok(Json(TrailPage { records: records.into_iter().map(Entry::from).collect(), next }))
}
