//! Logging in and out of a browser: by a token, or by the issuer.

use askama::Template;
use axum::Router;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::oidc::{COOKIE, Issuer};
use super::session::{IdToken, Proof};
use super::{Access, Cookie, SessionForm};
use crate::clock::Now;
use crate::http::Shared;
use crate::http::problem::Problem;

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
            let cookie = flow_cookie(issuer, &secret, 600);
            Ok(([(header::SET_COOKIE, cookie)], Redirect::to(url.as_str())).into_response())
        }
        Err(refused) => {
            tracing::warn!(%refused, "no log-in by the issuer");
            Ok(Redirect::to(REFUSED).into_response())
        }
    }
}

/// What the issuer sends back (RFC 6749, 4.1.2): a code, or why there is none.
#[derive(Deserialize)]
struct Back {
    #[serde(default)]
    code: String,
    #[serde(default)]
    state: String,
}

/// From the issuer, on to the dashboard or back to the login page.
async fn arrive(
    State(shared): State<Shared>,
    headers: HeaderMap,
    back: Result<Query<Back>, QueryRejection>,
) -> Result<Response, Problem> {
    let (issuer, now) = (issuer(&shared.access)?, Now::read().monotonic);
    let taken = flow_cookie(issuer, "", 0);
    let back = back.map_or(Back { code: String::new(), state: String::new() }, |Query(back)| back);
    let arrived = issuer.arrive(secret(&headers).unwrap_or_default(), (&back.code, &back.state), now).await;
    match arrived {
        Ok(arrived) => {
            let (_, cookie) = shared.access.let_in(arrived, now)?;
            Ok(onward("/", [cookie.into_header(), taken]))
        }
        Err(refused) => {
            tracing::warn!(%refused, "no log-in by the issuer");
            Ok(([(header::SET_COOKIE, taken)], Redirect::to(REFUSED)).into_response())
        }
    }
}

/// The secret in the cookie of a log-in under way.
fn secret(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, secret)| secret)
}

/// A browser brings it along when the issuer sends it back, hence `Lax`.
fn flow_cookie(issuer: &Issuer, secret: &str, life_s: u64) -> HeaderValue {
    let secure = if issuer.is_in_tls() { "; Secure" } else { "" };
    let text =
        format!("{COOKIE}={secret}; Path=/login/oidc; HttpOnly; SameSite=Lax; Max-Age={life_s}{secure}");
    // All of it is ASCII of our own making.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

#[derive(Deserialize)]
struct Nothing {}

/// Out of here and, for whom the issuer let in, out of there.
async fn log_out(State(shared): State<Shared>, form: SessionForm<Nothing>) -> Response {
    let cookie = shared.access.log_out(&form.session);
    if let (Some(issuer), Proof::Issuer(IdToken(token))) = (&shared.access.issuer, &form.session.proof)
        && let Some(url) = issuer.leave(token).await
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
