//! `GET /v1/decisions`: pages of decisions, persons under pseudonyms.

#![allow(unused_qualifications, reason = "the macro of the parameters writes one")]

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use icaze_store::Outcome;
use icaze_store::ledger::{Decision, Record};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::table::{Column, Table};
use super::{Format, Pseudonyms, asked, no_answer, range};
use crate::history;
use crate::http::Shared;
use crate::http::access::Caller;
use crate::http::openapi::{Refused, RefusedQuery};
use crate::http::problem::Problem;

const LIMIT: usize = 100;
const LIMIT_MAX: usize = 10_000;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Ask {
    /// The first instant.
    #[param(value_type = String, format = DateTime, example = "2026-11-26T00:00:00+04:00")]
    from: Timestamp,
    /// The first instant behind the range, at most 366 days later.
    #[param(value_type = String, format = DateTime, example = "2026-11-27T00:00:00+04:00")]
    to: Timestamp,
    /// The `next` of the page before.
    cursor: Option<u64>,
    /// Decisions on a page, at most.
    #[param(minimum = 1, maximum = 10_000, default = 100)]
    limit: Option<usize>,
    /// How the page is written. But as JSON it has the next page's address in the header `Link` (RFC 8288).
    #[param(inline)]
    #[serde(default)]
    format: Format,
}

/// A page of decisions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DecisionPage)]
pub(in crate::http) struct Page {
    /// Newest first. There may be fewer than `limit` of them although there are more pages.
    #[schema(max_items = 10_000)]
    decisions: Vec<Row>,
    /// Ask with `cursor` for the next page; `null` on the last one.
    next: Option<u64>,
}

/// A decision without names, numbers and serials.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Decision)]
pub(in crate::http) struct Row {
    /// Its number in this gateway's ledger; newer ones have higher ones.
    seq: u64,
    /// The gateway that decided, 0 to 15.
    #[schema(maximum = 15)]
    node: u8,
    /// When the message had been read.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// When it was decided.
    #[schema(value_type = String, format = DateTime)]
    decided_at: Timestamp,
    /// The operator that the message came from.
    #[schema(example = "demo")]
    operator: String,
    /// The person: the same letters for the same person in all reports of this gateway. `null`: nobody is known.
    #[schema(example = "0f3c9a6be21d7750")]
    person: Option<String>,
    /// The purpose's digit, where one was read.
    #[schema(maximum = 9)]
    purpose: Option<u8>,
    /// What was decided.
    #[schema(example = "refused")]
    outcome: &'static str,
    /// Why; `null` for new permits.
    #[schema(example = "quota")]
    reason: Option<&'static str>,
    /// Where the person lives, if that was looked at.
    #[schema(example = "Baku")]
    region: Option<String>,
    /// The person's age in completed years, rounded down to tens.
    age_band: Option<u8>,
    /// The regime that decided.
    #[schema(example = "2020-12")]
    regime: Option<String>,
    /// The first instant of the permit that was told of.
    #[schema(value_type = Option<String>, format = DateTime)]
    permit_start: Option<Timestamp>,
    /// The first instant behind it.
    #[schema(value_type = Option<String>, format = DateTime)]
    permit_end: Option<Timestamp>,
    /// The decision that this one repeats.
    repeats: Option<u64>,
}

/// A column for each field of a [`Row`].
fn table(rows: &[Row]) -> Table {
    fn texts<'r>(rows: &'r [Row], of: impl Fn(&'r Row) -> Option<&'r str>) -> Column {
        Column::Texts(rows.iter().map(|row| of(row).map(str::to_owned)).collect())
    }
    let integers = |of: &dyn Fn(&Row) -> Option<i64>| Column::Integers(rows.iter().map(of).collect());
    let instants = |of: &dyn Fn(&Row) -> Option<Timestamp>| Column::Instants(rows.iter().map(of).collect());
    let number = |seq: u64| i64::try_from(seq).ok();
    let mut table = Table::default();
    table.add("seq", integers(&|row| number(row.seq)));
    table.add("node", integers(&|row| Some(row.node.into())));
    table.add("received_at", instants(&|row| Some(row.received_at)));
    table.add("decided_at", instants(&|row| Some(row.decided_at)));
    table.add("operator", texts(rows, |row| Some(&row.operator)));
    table.add("person", texts(rows, |row| row.person.as_deref()));
    table.add("purpose", integers(&|row| row.purpose.map(i64::from)));
    table.add("outcome", texts(rows, |row| Some(row.outcome)));
    table.add("reason", texts(rows, |row| row.reason));
    table.add("region", texts(rows, |row| row.region.as_deref()));
    table.add("age_band", integers(&|row| row.age_band.map(i64::from)));
    table.add("regime", texts(rows, |row| row.regime.as_deref()));
    table.add("permit_start", instants(&|row| row.permit_start));
    table.add("permit_end", instants(&|row| row.permit_end));
    table.add("repeats", integers(&|row| row.repeats.and_then(number)));
    table
}

impl Row {
    fn of(record: &Record<'_>, decision: &Decision<'_>, pseudonyms: &Pseudonyms) -> Self {
        let facts = decision.facts.as_ref();
        let interval = decision.permit.as_ref().and_then(|permit| permit.intervals.first().copied());
        Self {
            seq: record.seq,
            node: record.node,
            received_at: record.received_at,
            decided_at: record.decided_at,
            operator: decision.operator.to_owned(),
            person: decision.person.map(|person| pseudonyms.of(person)),
            purpose: decision.purpose,
            outcome: decision.outcome.name(),
            reason: decision.reason.map(|reason| reason.name()),
            region: facts.map(|facts| facts.region.to_owned()),
            age_band: facts.map(|facts| facts.age_band),
            regime: decision.regime.map(|regime| regime.id.to_owned()),
            permit_start: interval.map(|interval| interval.start),
            permit_end: interval.map(|interval| interval.end),
            repeats: decision.refers_to.filter(|_| decision.outcome == Outcome::Repeated),
        }
    }
}

/// Decisions, newest first, persons under pseudonyms.
///
/// Scope health. What was asked by probes, and what is never answered, is left out.
#[utoipa::path(get, path = "/v1/decisions", tag = "reports", params(Ask),
    responses((status = 200, description = "A page", content((Page = "application/json"), (String = "text/csv"),
            (Vec<u8> = "application/vnd.apache.parquet"))),
        RefusedQuery, Refused))]
pub(in crate::http) async fn decisions(
    State(shared): State<Shared>,
    caller: Caller,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Response, Problem> {
    let ask = asked(&caller, ask)?;
    let limit = ask.limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::unusable("limit", format!("a page has 1 to {LIMIT_MAX} decisions")));
    }
    let time = range(ask.from, ask.to)?;
    let (archive, gateway, pseudonyms) =
        (shared.archive.clone(), shared.gateway.clone(), shared.pseudonyms.clone());
    let make = move || {
        let durable = gateway.durable().borrow().position();
        let row = |record: &Record<'_>, decision: &Decision<'_>| Row::of(record, decision, &pseudonyms);
        let page = archive.decisions(&gateway.history, time, (ask.cursor, durable), limit, row);
        page.map_err(|error| no_answer(&error))
    };
    let history::Page { items, next } = shared.reports.make(make).await?;
    let mut response = match ask.format {
        Format::Json => return Ok(Json(Page { decisions: items, next }).into_response()),
        Format::Csv => table(&items).csv()?,
        Format::Parquet => table(&items).parquet()?,
    };
    if let Some(next) = next {
        let (from, to, format) = (ask.from, ask.to, ask.format.name());
        let place = format!("/v1/decisions?from={from}&to={to}&limit={limit}&format={format}&cursor={next}");
        let link =
            HeaderValue::from_str(&format!("<{place}>; rel=\"next\"")).map_err(|_| Problem::internal())?;
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}
