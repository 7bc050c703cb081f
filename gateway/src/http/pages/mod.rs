//! The pages that people use, made here as HTML: log-in, dashboard, the officer's page, the auditor's. The one script only saves reloads.
//!
//! A page is a function of what is known; `facts` reads that from the gateway, `words` says it in three languages.
//! Nothing is asked of another host, and nothing personal is in an address.

mod assets;
mod audit;
mod chart;
mod check;
mod dashboard;
mod facts;
mod figures;
mod login;
mod page;
mod words;

#[cfg(test)]
mod tests;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use icaze_store::ledger::Language;
use jiff::tz::TimeZone;
use serde::Deserialize;

use self::audit::Audit;
use self::check::{Check, Told};
use self::dashboard::{Dashboard, View};
use self::facts::Facts;
use self::login::{Denied, Login};
use self::page::{Page, Place, Reader};
use self::words::{Words, tag, tagged};
use super::Shared;
use super::access::{Caller, Scope, Session, SessionForm};
use super::lookups;
use super::problem::Problem;
use crate::clock::Now;

/// The cookie that keeps the language.
const LANGUAGE_COOKIE: &str = "icaze_language";
/// Only what we serve, and no code in the page itself.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Everything that people open in a browser.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/", get(dashboard))
        .route("/check", get(officer).post(checked))
        .route("/audit", get(trail).post(about))
        .route("/login", get(log_in))
        .route("/language", post(language))
        .merge(assets::routes())
        .layer(map_response(guarded))
}

/// Tells the browser what a page may do.
async fn guarded(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

async fn dashboard(
    State(shared): State<Shared>,
    session: Option<Session>,
    headers: HeaderMap,
    view: Query<View>,
) -> Response {
    let Some(session) = session else { return to_log_in() };
    let places = places(&session.caller);
    let page = page(&headers, Place::Dashboard, Some(&session));
    match places.first() {
        Some(Place::Dashboard) => {}
        Some(place) => return Redirect::to(place.href()).into_response(),
        None => return show(StatusCode::FORBIDDEN, &Denied { page }),
    }
    let (gateway, world, now) = (&shared.gateway, shared.gateway.world(), Now::read());
    let timeline = gateway.timeline();
    show(StatusCode::OK, &Dashboard::new(page, view.0, &Facts::read(gateway, &timeline, &world, now)))
}

async fn officer(session: Option<Session>, headers: HeaderMap) -> Response {
    let Some(session) = session else { return to_log_in() };
    let page = page(&headers, Place::Check, Some(&session));
    if !places(&session.caller).contains(&Place::Check) {
        return show(StatusCode::FORBIDDEN, &Denied { page });
    }
    show(StatusCode::OK, &Check { page, told: None, problem: None })
}

/// What an officer asks.
#[derive(Deserialize)]
struct Asked {
    value: String,
    /// One of the page's reasons,
    reason: String,
    /// or the officer's own.
    #[serde(default)]
    other: String,
}

impl Asked {
    /// As the trail keeps it, whatever the officer's language.
    fn reason(&self) -> &str {
        match (self.other.trim(), self.reason.as_str()) {
            ("", "street") => "street check",
            ("", "road") => "road block",
            ("", "asked") => "at the person's request",
            (other, _) => other,
        }
    }
}

async fn checked(State(shared): State<Shared>, headers: HeaderMap, sent: SessionForm<Asked>) -> Response {
    let SessionForm { session, form } = sent;
    let page = page(&headers, Place::Check, Some(&session));
    let words = &page.words.check;
    match lookups::check(&shared, &session.caller, form.value.trim(), form.reason()).await {
        Ok(answer) => {
            let told = Told::of(&answer, &shared.gateway.world(), &page);
            show(StatusCode::OK, &Check { page, told: Some(told), problem: None })
        }
        Err(problem) => match problem.status() {
            StatusCode::FORBIDDEN => show(StatusCode::FORBIDDEN, &Denied { page }),
            status => {
                let unreadable = status == StatusCode::UNPROCESSABLE_ENTITY;
                let problem =
                    Some(if unreadable { words.unreadable.as_str() } else { words.unavailable.as_str() });
                show(status, &Check { page, told: None, problem })
            }
        },
    }
}

#[derive(Deserialize)]
struct Older {
    cursor: Option<u64>,
}

async fn trail(
    State(shared): State<Shared>,
    session: Option<Session>,
    headers: HeaderMap,
    older: Query<Older>,
) -> Response {
    let Some(session) = session else { return to_log_in() };
    let page = page(&headers, Place::Audit, Some(&session));
    let trail = lookups::about::read_trail(&shared, &session.caller, older.cursor).await;
    audited(page, trail.map(|trail| |page| Audit::of_trail(page, trail, &zone(&shared))))
}

/// Whom an auditor asks about.
#[derive(Deserialize)]
struct Person {
    document: String,
}

async fn about(State(shared): State<Shared>, headers: HeaderMap, sent: SessionForm<Person>) -> Response {
    let SessionForm { session, form } = sent;
    let page = page(&headers, Place::Audit, Some(&session));
    let about = lookups::about::who_looked(&shared, &session.caller, &form.document, None, None).await;
    audited(page, about.map(|about| |page| Audit::of_person(page, about, &zone(&shared))))
}

/// Shows what the trail says, or why it says nothing.
fn audited(page: Page, read: Result<impl FnOnce(Page) -> Audit, Problem>) -> Response {
    match read {
        Ok(shown) => show(StatusCode::OK, &shown(page)),
        Err(problem) if problem.status() == StatusCode::FORBIDDEN => {
            show(StatusCode::FORBIDDEN, &Denied { page })
        }
        Err(problem) => {
            let words = &page.words.audit;
            let unreadable = problem.status() == StatusCode::UNPROCESSABLE_ENTITY;
            let told = if unreadable { &words.unreadable } else { &words.unavailable };
            show(problem.status(), &Audit::failed(page, told))
        }
    }
}

/// The time zone of the regime in force.
fn zone(shared: &Shared) -> TimeZone {
    let world = shared.gateway.world();
    world.regimes.at(Now::read().wall).map_or(TimeZone::UTC, |regime| regime.zone.clone())
}

#[derive(Deserialize)]
struct Failure {
    failed: Option<String>,
    refused: Option<String>,
}

async fn log_in(
    State(shared): State<Shared>,
    session: Option<Session>,
    headers: HeaderMap,
    failure: Query<Failure>,
) -> Response {
    if session.is_some() {
        return Redirect::to("/").into_response();
    }
    let page = page(&headers, Place::Login, None);
    let Failure { failed, refused } = failure.0;
    let issuer = shared.access.issuer_name().map(str::to_owned);
    show(StatusCode::OK, &Login { page, failed: failed.is_some(), refused: refused.is_some(), issuer })
}

/// A language was chosen.
#[derive(Deserialize)]
struct Chosen {
    to: String,
    /// The page on which it was.
    back: String,
}

/// Keeps the language in the browser for a year. Worth no CSRF token: it changes nothing here.
async fn language(Form(chosen): Form<Chosen>) -> Response {
    let language = tagged(&chosen.to).unwrap_or(Language::Az);
    let place = Place::ALL.into_iter().find(|place| place.href() == chosen.back);
    let back = place.unwrap_or(Place::Dashboard).href();
    let cookie =
        format!("{LANGUAGE_COOKIE}={}; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000", tag(language));
    ([(header::SET_COOKIE, cookie)], Redirect::to(back)).into_response()
}

/// The frame of a page for who asks.
fn page(headers: &HeaderMap, place: Place, session: Option<&Session>) -> Page {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let kept = pairs.find(|(name, _)| *name == LANGUAGE_COOKIE).and_then(|(_, kept)| tagged(kept));
    let language = kept.unwrap_or(Language::Az);
    let reader = session.map(|session| Reader {
        name: session.caller.name.to_string(),
        institution: session.caller.institution.to_string(),
        csrf: session.csrf.clone(),
        places: places(&session.caller),
    });
    Page { words: Words::of(language), language, place, reader }
}

/// Where a caller may go, in the order of the menu.
fn places(caller: &Caller) -> Vec<Place> {
    let may = |scopes: &[Scope]| scopes.iter().any(|&scope| caller.scopes.has(scope));
    let all = [
        (Place::Dashboard, may(&[Scope::Health, Scope::Admin])),
        (Place::Check, may(&[Scope::Inspector])),
        (Place::Audit, may(&[Scope::Auditor])),
    ];
    all.into_iter().filter(|(_, may)| *may).map(|(place, _)| place).collect()
}

fn to_log_in() -> Response {
    Redirect::to(Place::Login.href()).into_response()
}

fn show(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page cannot be made");
            Problem::internal().into_response()
        }
    }
}
