//! `POST /v1/lookups/about` and `GET /v1/audit`: who looked whom up.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use icaze_store::audit::{Action, Page, Record};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::find::document;
use super::reason;
use crate::clock::Now;
use crate::http::Shared;
use crate::http::access::{Caller, Scope};
use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::http::trail::Deed;

/// Records in one answer, at most.
const PAGE: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    document: String,
    reason: Option<String>,
    /// Records before this one.
    #[serde(default)]
    before: Option<u64>,
}

/// Who looked a person up. Covert look-ups are counted, not shown.
#[derive(Debug, Serialize)]
pub(super) struct About {
    lookups: Vec<Entry>,
    /// Look-ups on this page that are withheld.
    withheld: usize,
    /// Ask with `before` for the next page.
    next: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Entry {
    number: u64,
    at: Timestamp,
    who: String,
    institution: String,
    action: Action,
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

/// Answers for an auditor, on behalf of the person.
pub(super) async fn about(
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cursor {
    cursor: Option<u64>,
}

/// A page of the trail.
#[derive(Debug, Serialize)]
pub(super) struct TrailPage {
    records: Vec<Entry>,
    /// Ask with `cursor` for the next page.
    next: Option<u64>,
}

/// The trail, newest first. Reading it is part of it.
pub(super) async fn trail(
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
