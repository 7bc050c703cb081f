//! Who asks, taken from the request before a handler sees it.

use std::sync::Arc;

use axum::Form;
use axum::extract::{FromRef, FromRequest, FromRequestParts, OptionalFromRequestParts, Request};
use axum::http::header;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::scope::{Scope, Scopes};
use super::session::Session;
use super::tokens::Holder;
use super::{Access, Problem};
use crate::clock::Now;

/// The header in which a script of our own pages sends the session's CSRF token.
const CSRF_HEADER: &str = "x-csrf-token";

/// Somebody who is known: by a bearer token or by a browser session.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who, as the trail says.
    pub name: Arc<str>,
    /// For which institution.
    pub institution: Arc<str>,
    /// What for.
    pub scopes: Scopes,
}

impl Caller {
    /// Somebody of this name.
    #[must_use]
    pub fn new(name: &str, institution: &str, scopes: Scopes) -> Self {
        Self { name: name.into(), institution: institution.into(), scopes }
    }

    /// Asks for `scope`.
    ///
    /// # Errors
    /// 403 if the caller does not have it.
    pub fn require(&self, scope: Scope) -> Result<(), Problem> {
        if self.scopes.has(scope) {
            return Ok(());
        }
        Err(Problem::forbidden(format!("this needs a token with the scope {scope}")))
    }
}

impl From<&Holder> for Caller {
    fn from(holder: &Holder) -> Self {
        Self::new(&holder.name, &holder.institution, holder.scopes())
    }
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Arc<Access>: FromRef<S>,
{
    type Rejection = Problem;

    /// 401 if nobody is known, 403 if a browser's change lacks its CSRF token, 429 if the caller asks too often.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let (access, now) = (<Arc<Access>>::from_ref(state), Now::read().monotonic);
        let caller = match parts.headers.get(header::AUTHORIZATION) {
            Some(value) => {
                let token = value.to_str().ok().and_then(bearer).ok_or_else(Problem::unauthenticated)?;
                access.bearer(token, now).await?
            }
            None => {
                let session = access.session(&parts.headers, now).ok_or_else(Problem::unauthenticated)?;
                let sent = parts.headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
                if !parts.method.is_safe() && !sent.is_some_and(|sent| session.is_from_us(sent)) {
                    return Err(Problem::forbidden("send the session's CSRF token in X-CSRF-Token"));
                }
                session.caller
            }
        };
        access.pace(&caller, now)?;
        Ok(caller)
    }
}

/// The token of `Authorization: Bearer TOKEN` (RFC 6750, 2.1).
pub(in crate::http) fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl<S> FromRequestParts<S> for Session
where
    S: Send + Sync,
    Arc<Access>: FromRef<S>,
{
    type Rejection = Problem;

    /// For pages that only show: what changes something takes a [`SessionForm`].
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let session = <Self as OptionalFromRequestParts<S>>::from_request_parts(parts, state).await?;
        session.ok_or_else(Problem::unauthenticated)
    }
}

impl<S> OptionalFromRequestParts<S> for Session
where
    S: Send + Sync,
    Arc<Access>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Problem> {
        let (access, now) = (<Arc<Access>>::from_ref(state), Now::read().monotonic);
        let session = access.session(&parts.headers, now);
        if let Some(session) = &session {
            access.pace(&session.caller, now)?;
        }
        Ok(session)
    }
}

/// A form that a page of ours sent, in its session: it carried the CSRF token in its field `csrf`.
#[derive(Debug)]
pub struct SessionForm<T> {
    /// Whose.
    pub session: Session,
    /// Its other fields.
    pub form: T,
}

#[derive(Deserialize)]
struct Signed<T> {
    csrf: String,
    #[serde(flatten)]
    form: T,
}

impl<S, T> FromRequest<S> for SessionForm<T>
where
    S: Send + Sync,
    Arc<Access>: FromRef<S>,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let session = <Session as FromRequestParts<S>>::from_request_parts(&mut parts, state).await?;
        let form = Form::<Signed<T>>::from_request(Request::from_parts(parts, body), state).await;
        let Form(signed) = form.map_err(|error| Problem::unusable("form", error.body_text()))?;
        if !session.is_from_us(&signed.csrf) {
            return Err(Problem::forbidden(
                "this form is not of your session: go back, reload, and send it again",
            ));
        }
        Ok(Self { session, form: signed.form })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_is_bearer_in_any_case() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc"), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("abc"), None);
    }
}
