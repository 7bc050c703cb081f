//! The issuer's endpoints and keys: read when they are first needed, and again when they are old or a token names another key.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use url::Url;

use super::Refused;
use super::claims::Claims;
use crate::clock::Now;

/// Nothing that an issuer says is longer.
const LENGTH_MAX: usize = 256 << 10;
/// Keys are looked at again after so long, at least.
const FRESH: Duration = Duration::from_secs(3600);
/// An issuer is not asked more often, whatever tokens are sent.
const APART: Duration = Duration::from_secs(10);
/// By how much clocks may differ, in seconds.
const LEEWAY_S: u64 = 30;
/// Signatures that only the issuer can make. What verifies with a shared secret does not prove who signed.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Why the issuer's documents cannot be had.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum Unreachable {
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("{0}")]
    Other(&'static str),
}

/// What the issuer says of itself (Discovery 1.0, 3).
#[derive(Debug, Deserialize)]
pub(super) struct Endpoints {
    issuer: String,
    jwks_uri: Url,
    pub(super) authorization_endpoint: Option<Url>,
    pub(super) token_endpoint: Option<Url>,
    pub(super) end_session_endpoint: Option<Url>,
}

/// What was read at one time.
pub(super) struct Known {
    pub(super) endpoints: Endpoints,
    keys: JwkSet,
    read_at: Instant,
}

impl Known {
    fn serves(&self, key: Option<&str>, now: Instant) -> bool {
        let is_fresh = now.saturating_duration_since(self.read_at) < FRESH;
        is_fresh && key.is_none_or(|key| self.keys.find(key).is_some())
    }
}

pub(super) struct Keys {
    issuer: String,
    client: reqwest::Client,
    known: RwLock<Option<Arc<Known>>>,
    /// When the issuer was asked last.
    asked: Mutex<Option<Instant>>,
}

impl Keys {
    pub(super) fn new(issuer: &str, client: reqwest::Client) -> Self {
        Self { issuer: issuer.to_owned(), client, known: RwLock::default(), asked: Mutex::default() }
    }

    /// What a token says, if the issuer signed it for `audience` and it holds now.
    pub(super) async fn verify(&self, token: &str, audience: &str) -> Result<Claims, Refused> {
        let header = decode_header(token)?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(Refused::Unusable("a signature that is none, or anybody's with a secret"));
        }
        let key = header.kid.as_deref().ok_or(Refused::Unusable("no kid"))?;
        let known = self.known(Some(key)).await?;
        let key = known.keys.find(key).ok_or(Refused::Unusable("a key that the issuer does not have"))?;
        let mut validation = Validation::new(header.alg);
        validation.set_audience(&[audience]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_S;
        Ok(Claims(decode(token, &DecodingKey::from_jwk(key)?, &validation)?.claims))
    }

    /// The issuer as it is known, asked again if that is old or lacks `key`. An issuer that does not answer is known as before.
    pub(super) async fn known(&self, key: Option<&str>) -> Result<Arc<Known>, Unreachable> {
        let current = || self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        let serves = |known: &Arc<Known>| known.serves(key, Now::read().monotonic);
        if let Some(known) = current().filter(&serves) {
            return Ok(known);
        }
        let mut asked = self.asked.lock().await;
        let now = Now::read().monotonic;
        // Somebody else may have asked meanwhile.
        if let Some(known) = current().filter(&serves) {
            return Ok(known);
        }
        let again = asked.is_none_or(|asked| now.saturating_duration_since(asked) >= APART);
        if !again {
            return current().ok_or(Unreachable::Other("it did not answer just now"));
        }
        *asked = Some(now);
        match self.read(now).await {
            Ok(known) => {
                let known = Arc::new(known);
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&known));
                Ok(known)
            }
            Err(error) => match current() {
                Some(known) => {
                    tracing::warn!(%error, "the issuer of log-ins does not answer; the keys that are known stay");
                    Ok(known)
                }
                None => Err(error),
            },
        }
    }

    async fn read(&self, now: Instant) -> Result<Known, Unreachable> {
        let place = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let endpoints: Endpoints = json(self.client.get(place)).await?;
        if endpoints.issuer != self.issuer {
            return Err(Unreachable::Other("its discovery document is another issuer's: check oidc.issuer"));
        }
        let safe = |url: &Url| url.scheme() == "https" || self.issuer.starts_with("http://");
        let Endpoints { jwks_uri, authorization_endpoint, token_endpoint, end_session_endpoint, .. } =
            &endpoints;
        let others = [authorization_endpoint, token_endpoint, end_session_endpoint].into_iter().flatten();
        if !others.chain([jwks_uri]).all(safe) {
            return Err(Unreachable::Other("one of its endpoints is not https"));
        }
        let keys = json(self.client.get(jwks_uri.clone())).await?;
        Ok(Known { endpoints, keys, read_at: now })
    }
}

/// What a request is answered with, within bounds.
pub(super) async fn json<T: DeserializeOwned>(request: reqwest::RequestBuilder) -> Result<T, Unreachable> {
    let mut response = request.send().await?.error_for_status()?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LENGTH_MAX {
            return Err(Unreachable::Other("an answer of it is too long"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(serde_json::from_slice(&body)?)
}
