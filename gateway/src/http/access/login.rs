//! Logging in and out of a browser.

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::{Router, routing::post};
use serde::Deserialize;

use super::{Cookie, SessionForm};
use crate::clock::Now;
use crate::http::Shared;

/// `POST /login` with a token, `POST /logout` with the session's CSRF token.
pub(in crate::http) fn routes() -> Router<Shared> {
    Router::new().route("/login", post(log_in)).route("/logout", post(log_out))
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

#[derive(Deserialize)]
struct Nothing {}

async fn log_out(State(shared): State<Shared>, form: SessionForm<Nothing>) -> Response {
    go("/login", shared.access.log_out(&form.session))
}

fn go(to: &str, cookie: Cookie) -> Response {
    ([(header::SET_COOKIE, cookie.into_header())], Redirect::to(to)).into_response()
}
