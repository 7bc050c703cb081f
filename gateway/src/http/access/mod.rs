//! Who may ask what: bearer tokens for programs, sessions for browsers, and the scopes that both carry.
//!
//! A handler that takes a [`Caller`] is reached only by somebody known, and not too often; [`Caller::require`] asks for
//! the scope. Pages take [`Session`] (or `Option<Session>`), and [`SessionForm`] where a form changes something.

mod caller;
mod login;
mod oidc;
mod scope;
mod session;
mod tokens;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::http::HeaderMap;
use icaze_config::gateway::Config;

use super::problem::Problem;
use crate::pipeline::pace::Pace;

pub(super) use caller::bearer;
pub use caller::{Caller, SessionForm};
pub(super) use login::routes;
use oidc::{Arrived, Issuer};
pub use scope::{Scope, Scopes};
pub use session::{Cookie, Session};
use session::{Proof, Sessions};
pub use tokens::{Holder, Token, TokenFile, Tokens, TokensError};

/// Callers whose rate is watched, at most. Beyond it all begin anew, each with a second's worth.
const PACES_MAX: usize = 10_000;

/// All that decides who may ask.
pub struct Access {
    tokens: Tokens,
    issuer: Option<Issuer>,
    sessions: Sessions,
    /// Requests/s of one caller; 0 is unlimited.
    rate: u32,
    paces: Mutex<HashMap<Arc<str>, Pace>>,
}

impl Access {
    /// With the tokens of the store, and the public ones if every listener is on loopback.
    ///
    /// # Errors
    /// If the file of tokens is there and cannot be read, or that of our password at the issuer.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let loopback =
            [config.smpp.listen, config.http.listen].iter().all(|listen| listen.ip().is_loopback());
        let issuer = config.oidc.as_ref().map(Issuer::new).transpose()?;
        let in_tls = config.http.tls
            || !config.http.listen.ip().is_loopback()
            || issuer.as_ref().is_some_and(Issuer::is_in_tls);
        Ok(Self {
            tokens: Tokens::open(TokenFile::of(&config.store.dir), loopback)?,
            issuer,
            sessions: Sessions::new(in_tls),
            rate: config.http.rate,
            paces: Mutex::default(),
        })
    }

    /// Opens a browser session for the holder of `token`; the cookie goes into `Set-Cookie`.
    ///
    /// # Errors
    /// 401 if nobody holds this token.
    pub fn log_in(&self, token: &str, now: Instant) -> Result<(Session, Cookie), Problem> {
        let hash = Token::hash_of(token);
        let holder = self.tokens.holder(&hash, now).ok_or_else(Problem::unauthenticated)?;
        self.open(Proof::Token(hash), Caller::from(&*holder), now)
    }

    /// The same for somebody whom the issuer let in.
    fn let_in(&self, arrived: Arrived, now: Instant) -> Result<(Session, Cookie), Problem> {
        self.open(Proof::Issuer(arrived.id_token.into()), arrived.caller, now)
    }

    fn open(&self, proof: Proof, caller: Caller, now: Instant) -> Result<(Session, Cookie), Problem> {
        self.sessions.open(proof, caller, now).map_err(|error| {
            tracing::error!(%error, "no browser session");
            Problem::internal()
        })
    }

    /// Whom a bearer token speaks for: one of ours, or one of the issuer's.
    async fn bearer(&self, token: &str, now: Instant) -> Result<Caller, Problem> {
        if let Some(holder) = self.tokens.holder(&Token::hash_of(token), now) {
            return Ok(Caller::from(&*holder));
        }
        match &self.issuer {
            Some(issuer) if oidc::may_be_issued(token) => Ok(issuer.caller(token, now).await?),
            _ => Err(Problem::unauthenticated()),
        }
    }

    /// What people call the issuer that they can log in by.
    #[must_use]
    pub fn issuer_name(&self) -> Option<&str> {
        self.issuer.as_ref().and_then(Issuer::name)
    }

    /// Ends this session and every other one of the same person; the cookie goes into `Set-Cookie`.
    pub fn log_out(&self, session: &Session) -> Cookie {
        self.sessions.end_all(&session.caller)
    }

    /// The session that a browser's cookie names. A token that was revoked takes its sessions along.
    fn session(&self, headers: &HeaderMap, now: Instant) -> Option<Session> {
        let open = self.sessions.find(headers, now)?;
        match &open.proof {
            Proof::Token(hash) => {
                let holder = self.tokens.holder(hash, now)?;
                Some(open.of(Caller::from(&*holder)))
            }
            Proof::Issuer(_) => Some(open),
        }
    }

    /// Counts a request of `caller`.
    fn pace(&self, caller: &Caller, now: Instant) -> Result<(), Problem> {
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        if paces.len() >= PACES_MAX && !paces.contains_key(&caller.name) {
            paces.clear();
        }
        let pace = paces.entry(Arc::clone(&caller.name)).or_insert_with(|| Pace::new(self.rate, now));
        if pace.take(now) {
            return Ok(());
        }
        let wait = pace.next(now).map_or(1, |next| next.duration_since(now).as_secs() + 1);
        Err(Problem::too_often(wait))
    }
}

/// Bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 32 random bytes as hexadecimal digits.
fn random() -> std::io::Result<String> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| std::io::Error::other("the system has no random bytes"))?;
    Ok(hex(&bytes))
}
