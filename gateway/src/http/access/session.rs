//! Browser sessions: a random cookie whose hash is kept in memory, and a CSRF token that every change must carry.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::header::{self, HeaderMap, HeaderValue};
use subtle::ConstantTimeEq as _;

use super::tokens::{Hash, Token};
use super::{Caller, random};

/// Sessions at once; beyond it the one that was quiet for longest ends.
const SESSIONS_MAX: usize = 4096;
/// A session ends when it was quiet for so long,
const IDLE: Duration = Duration::from_secs(30 * 60);
/// and in any case this long after its log-in.
const LIFE: Duration = Duration::from_secs(10 * 60 * 60);

/// What somebody logged in by.
#[derive(Debug, Clone)]
pub(super) enum Proof {
    /// The hash of one of our tokens. Once that is revoked, the session ends.
    Token(Hash),
    /// The issuer's ID token.
    Issuer(IdToken),
}

/// Sent back to the issuer when its holder logs out. `Debug` redacts.
#[derive(Clone)]
pub(super) struct IdToken(pub(super) Arc<str>);

impl From<String> for IdToken {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for IdToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdToken(…)")
    }
}

/// A browser that has logged in.
#[derive(Debug, Clone)]
pub struct Session {
    /// Who sits before it.
    pub caller: Caller,
    /// What a form of this session must send back.
    pub csrf: String,
    pub(super) proof: Proof,
    began: Instant,
    seen: Instant,
}

impl Session {
    /// Whether `sent` is this session's CSRF token.
    #[must_use]
    pub fn is_from_us(&self, sent: &str) -> bool {
        self.csrf.as_bytes().ct_eq(sent.as_bytes()).into()
    }
}

/// The value of a `Set-Cookie` header.
pub struct Cookie(HeaderValue);

impl Cookie {
    /// For the header.
    #[must_use]
    pub fn into_header(self) -> HeaderValue {
        self.0
    }
}

/// The open sessions, in memory only: a restart ends them.
pub(super) struct Sessions {
    /// Whether cookies are for TLS only.
    secure: bool,
    open: Mutex<HashMap<Hash, Session>>,
}

impl Sessions {
    pub(super) fn new(secure: bool) -> Self {
        Self { secure, open: Mutex::default() }
    }

    pub(super) fn open(&self, proof: Proof, caller: Caller, now: Instant) -> io::Result<(Session, Cookie)> {
        let (secret, csrf) = (random()?, random()?);
        let session = Session { caller, csrf, proof, began: now, seen: now };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, session| session.lives(now));
        if open.len() >= SESSIONS_MAX
            && let Some(quietest) = open.iter().min_by_key(|(_, session)| session.seen).map(|(&hash, _)| hash)
        {
            open.remove(&quietest);
        }
        open.insert(Token::hash_of(&secret), session.clone());
        Ok((session, self.cookie(&secret, LIFE)))
    }

    /// The session that the cookie names, if it lives.
    pub(super) fn find(&self, headers: &HeaderMap, now: Instant) -> Option<Session> {
        let secret = sent(headers, self.name())?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let session = open.get_mut(&Token::hash_of(secret)).filter(|session| session.lives(now))?;
        session.seen = now;
        Some(session.clone())
    }

    /// Ends all sessions of `caller`, and takes the cookie away.
    pub(super) fn end_all(&self, caller: &Caller) -> Cookie {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, session| session.caller.name != caller.name);
        self.cookie("", Duration::ZERO)
    }

    /// Browsers hold a name with this prefix to be of this host and of TLS alone (RFC 6265bis, 4.1.3).
    fn name(&self) -> &'static str {
        if self.secure { "__Host-icaze" } else { "icaze" }
    }

    fn cookie(&self, secret: &str, life: Duration) -> Cookie {
        let (name, life) = (self.name(), life.as_secs());
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!("{name}={secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age={life}{secure}");
        // All of it is ASCII of our own making.
        Cookie(HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("")))
    }
}

/// The value of the cookie of this name.
pub(super) fn sent<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(sent, _)| *sent == name).map(|(_, value)| value)
}

impl Session {
    /// The same of the caller as it is known now.
    pub(super) fn of(self, caller: Caller) -> Self {
        Self { caller, ..self }
    }

    fn lives(&self, now: Instant) -> bool {
        let since = |then| now.saturating_duration_since(then);
        since(self.seen) < IDLE && since(self.began) < LIFE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::access::{Scope, Scopes};

    fn caller(name: &str) -> Caller {
        Caller::new(name, "police", Scopes::from_iter([Scope::Inspector]))
    }

    fn headers(cookie: Cookie) -> HeaderMap {
        let text = cookie.into_header();
        let pair = text.to_str().unwrap().split(';').next().unwrap();
        let other = format!("theme=dark; {pair}");
        [(header::COOKIE, other.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn a_cookie_leads_to_its_session_until_that_is_quiet_or_old() {
        let (sessions, now) = (Sessions::new(false), Instant::now());
        let (session, cookie) = sessions.open(Proof::Token([1; 32]), caller("a"), now).unwrap();
        let headers = headers(cookie);
        assert!(sessions.find(&HeaderMap::new(), now).is_none());
        let mut at = now;
        while at < now + LIFE - IDLE {
            at += IDLE - Duration::from_secs(1);
            assert!(sessions.find(&headers, at).is_some_and(|found| found.is_from_us(&session.csrf)));
        }
        assert!(sessions.find(&headers, at + IDLE).is_none(), "quiet");
        assert!(sessions.find(&headers, now + LIFE).is_none(), "old");
    }

    #[test]
    fn logging_out_ends_every_session_of_that_person_and_nobody_elses() {
        let (sessions, now) = (Sessions::new(false), Instant::now());
        let [one, other, stranger] = ["a", "a", "b"]
            .map(|name| headers(sessions.open(Proof::Token([1; 32]), caller(name), now).unwrap().1));
        sessions.end_all(&caller("a"));
        assert!(sessions.find(&one, now).is_none() && sessions.find(&other, now).is_none());
        assert!(sessions.find(&stranger, now).is_some());
    }

    #[test]
    fn sessions_are_bounded() {
        let (sessions, now) = (Sessions::new(false), Instant::now());
        let first = headers(sessions.open(Proof::Token([1; 32]), caller("a"), now).unwrap().1);
        for n in 0..SESSIONS_MAX {
            sessions
                .open(Proof::Token([1; 32]), caller("a"), now + Duration::from_millis(n as u64 + 1))
                .unwrap();
        }
        assert_eq!(sessions.open.lock().unwrap().len(), SESSIONS_MAX);
        assert!(sessions.find(&first, now).is_none());
    }

    #[test]
    fn cookies_are_out_of_reach_of_scripts_and_other_sites_and_in_tls_of_the_clear() {
        for (secure, expected) in [(false, "icaze="), (true, "__Host-icaze=")] {
            let (_, cookie) =
                Sessions::new(secure).open(Proof::Token([1; 32]), caller("a"), Instant::now()).unwrap();
            let text = cookie.into_header().to_str().unwrap().to_owned();
            assert!(text.starts_with(expected), "{text}");
            assert!(
                text.contains("HttpOnly; SameSite=Strict") && text.ends_with("; Secure") == secure,
                "{text}"
            );
        }
    }
}
