//! Logging in and out of a browser: by a token, or by the issuer.

use askama::Template;
use axum::Router;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::oidc::{Flow, Issuer};
use super::session::{IdToken, Proof, sent};
use super::{Access, Cookie, SessionForm};
use crate::clock::Now;
use crate::http::Shared;
use crate::http::problem::Problem;

/// The cookie that a browser comes back with from the issuer; the second where it is of TLS alone.
const COOKIES: [&str; 2] = ["icaze_oidc", "__Host-icaze_oidc"];
/// How long somebody may take to log in there, in seconds.
const LIFE_S: u64 = 600;
/// A page that only leads on loads nothing.
const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Where the login page says that the issuer did not let somebody in.
const REFUSED: &str = "/login?refused";

/// `POST /login` with a token, `GET /login/oidc` by the issuer, `POST /logout` with the session's CSRF token.
pub(in crate::http) fn routes() -> Router<Shared> {
    Router::new()
        .route("/login", post(log_in))
        .route("/login/oidc", get(depart))
        .route("/login/oidc/callback", get(arrive))
        .route("/logout", post(log_out))
}

#[derive(Deserialize)]
struct LogIn {
    token: String,
}

/// To the dashboard, or back with `failed` in the address.
async fn log_in(State(shared): State<Shared>, form: Result<Form<LogIn>, FormRejection>) -> Response {
    let token = form.as_ref().map_or("", |form| form.token.trim());
    match shared.access.log_in(token, Now::read().monotonic) {
        Ok((_, cookie)) => go("/", cookie),
        Err(_) => Redirect::to("/login?failed").into_response(),
    }
}

fn issuer(access: &Access) -> Result<&Issuer, Problem> {
    let issuer = access.issuer.as_ref().filter(|issuer| issuer.name().is_some());
    issuer.ok_or_else(|| Problem::not_found("no issuer of log-ins is configured; log in with a token"))
}

/// To the issuer, with a cookie that the browser comes back with.
async fn depart(State(shared): State<Shared>) -> Result<Response, Problem> {
    let issuer = issuer(&shared.access)?;
    match issuer.depart(Now::read().monotonic).await {
        Ok((url, secret)) => {
            let cookie = flow_cookie(issuer, &secret, LIFE_S);
            Ok(([(header::SET_COOKIE, cookie)], Redirect::to(url.as_str())).into_response())
        }
        Err(refused) => {
            tracing::warn!(%refused, "no log-in by the issuer");
            Ok(Redirect::to(REFUSED).into_response())
        }
    }
}

/// What the issuer sends back (RFC 6749, 4.1.2; RFC 9207): a code, or why there is none.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Back {
    code: String,
    state: String,
    iss: Option<String>,
}

/// From the issuer, on to the dashboard or back to the login page.
async fn arrive(
    State(shared): State<Shared>,
    headers: HeaderMap,
    back: Result<Query<Back>, QueryRejection>,
) -> Result<Response, Problem> {
    let (issuer, now) = (issuer(&shared.access)?, Now::read().monotonic);
    let back = back.map_or_else(|_| Back::default(), |Query(back)| back);
    let taken = flow_cookie(issuer, "", 0);
    let refused = || ([(header::SET_COOKIE, taken.clone())], Redirect::to(REFUSED)).into_response();
    let secret = sent(&headers, flow_cookie_name(issuer)).unwrap_or_default();
    let is_theirs = back.iss.as_deref().is_none_or(|iss| issuer.is(iss));
    let Some(flow) = Flow::resumed(secret, &back.state).filter(|_| is_theirs) else {
        tracing::debug!("somebody came back from the issuer who was not sent there");
        return Ok(refused());
    };
    if back.code.is_empty() {
        tracing::info!("the issuer did not let somebody in");
        return Ok(refused());
    }
    match issuer.arrive(&flow, &back.code, now).await {
        Ok(arrived) => {
            let (_, cookie) = shared.access.let_in(arrived, now)?;
            Ok(onward("/", [cookie.into_header(), taken]))
        }
        Err(error) => {
            tracing::warn!(%error, "no log-in by the issuer");
            Ok(refused())
        }
    }
}

/// Browsers hold a name with this prefix to be of this host and of TLS alone (RFC 6265bis, 4.1.3).
fn flow_cookie_name(issuer: &Issuer) -> &'static str {
    COOKIES[usize::from(issuer.is_in_tls())]
}

/// A browser brings it along when the issuer sends it back, hence `Lax`.
fn flow_cookie(issuer: &Issuer, secret: &str, life_s: u64) -> HeaderValue {
    let (name, secure) = (flow_cookie_name(issuer), if issuer.is_in_tls() { "; Secure" } else { "" });
    let text = format!("{name}={secret}; Path=/; HttpOnly; SameSite=Lax; Max-Age={life_s}{secure}");
    // All of it is ASCII of our own making.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

#[derive(Deserialize)]
struct Nothing {}

/// Out of here and, for whom the issuer let in, out of there.
async fn log_out(State(shared): State<Shared>, form: SessionForm<Nothing>) -> Response {
    let cookie = shared.access.log_out(&form.session);
    if let (Some(issuer), Proof::Issuer(IdToken(token))) = (&shared.access.issuer, &form.session.proof)
        && let Some(url) = issuer.leave(token, Now::read().monotonic).await
    {
        return onward(url.as_str(), [cookie.into_header()]);
    }
    go("/login", cookie)
}

fn go(to: &str, cookie: Cookie) -> Response {
    ([(header::SET_COOKIE, cookie.into_header())], Redirect::to(to)).into_response()
}

/// A page that leads on at once.
#[derive(Template)]
#[template(path = "onward.html")]
struct Onward<'u> {
    to: &'u str,
}

/// On by a page and not by a redirect: a browser sends a strict cookie only where the page before was ours, and lets a form of ours
/// lead to us alone.
fn onward<const N: usize>(to: &str, cookies: [HeaderValue; N]) -> Response {
    let Ok(page) = (Onward { to }).render() else { return Problem::internal().into_response() };
    let mut response = Html(page).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    let cookies = cookies.map(|cookie| (HeaderName::from_static("set-cookie"), cookie));
    headers.extend(cookies);
    response
}
