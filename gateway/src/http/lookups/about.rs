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
    pub(in crate::http) lookups: Vec<Entry>,
    /// Look-ups on this page that are withheld.
    pub(in crate::http) withheld: usize,
    /// Ask with `before` for the next page.
    pub(in crate::http) next: Option<u64>,
}

/// A record of the trail.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TrailRecord)]
pub(in crate::http) struct Entry {
    /// From 1, without gaps.
    number: u64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub(in crate::http) at: Timestamp,
    /// The token's name.
    pub(in crate::http) who: String,
    /// The institution that the token was made for.
    pub(in crate::http) institution: String,
    /// What was done.
    #[schema(value_type = String, example = "look_up_by_document")]
    pub(in crate::http) action: Action,
    /// Whether the token's scopes allowed it.
    pub(in crate::http) allowed: bool,
    /// `None`: sealed under a key that is gone.
    pub(in crate::http) reason: Option<String>,
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
    who_looked(&shared, &caller, &ask.document, ask.reason.as_deref(), ask.before).await.map(Json)
}

/// The same, `before` a record.
pub(in crate::http) async fn who_looked(
    shared: &Shared,
    caller: &Caller,
    asked: &str,
    given: Option<&str>,
    before: Option<u64>,
) -> Result<About, Problem> {
    let reason = reason(given.or(Some("asked for by the person")))?;
    let document = document(asked)?;
    let person = shared.gateway.world().register.find(document).map(|entry| entry.person);
    let keys = &shared.audit.keys;
    let subject = person.map_or_else(|| keys.unknown(asked.trim()), |person| keys.person(person));
    let allowed = caller.require(Scope::Auditor);
    let deed = Deed {
        at: Now::read().wall,
        caller,
        action: Action::ReadAbout,
        allowed: allowed.is_ok(),
        covert: false,
        subjects: vec![subject],
        asked,
        reason,
    };
    shared.audit.write(deed).await?;
    allowed?;
    let Page { records, next } = shared.audit.page(before, PAGE, Some(subject)).await?;
    let all = records.len();
    let lookups: Vec<Entry> = records.into_iter().filter(|record| !record.covert).map(Entry::from).collect();
    Ok(About { withheld: all - lookups.len(), lookups, next })
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
    pub(in crate::http) records: Vec<Entry>,
    /// Ask with `cursor` for the next page.
    pub(in crate::http) next: Option<u64>,
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
    read_trail(&shared, &caller, cursor.cursor).await.map(Json)
}

/// The same, before the record `cursor`.
pub(in crate::http) async fn read_trail(
    shared: &Shared,
    caller: &Caller,
    cursor: Option<u64>,
) -> Result<TrailPage, Problem> {
    let allowed = caller.require(Scope::Auditor);
    let deed = Deed {
        at: Now::read().wall,
        caller,
        action: Action::ReadTrail,
        allowed: allowed.is_ok(),
        covert: false,
        subjects: Vec::new(),
        asked: "",
        reason: "",
    };
    shared.audit.write(deed).await?;
    allowed?;
    let Page { records, next } = shared.audit.page(cursor, PAGE, None).await?;
    Ok(TrailPage { records: records.into_iter().map(Entry::from).collect(), next })
}
