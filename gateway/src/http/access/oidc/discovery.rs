//! What the issuer says of itself: its discovery document, its keys, and why they cannot be had.

use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

/// Nothing that an issuer says is longer.
const LENGTH_MAX: usize = 256 << 10;
/// Nor is the name of an error.
const CODE_MAX: usize = 64;

/// Why the issuer's documents cannot be had.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum Unreachable {
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// It answers with an error, and perhaps with a code that says which (RFC 6749, 5.2).
    #[error("it answers {status} {code}")]
    Refusal { status: reqwest::StatusCode, code: String },
    #[error("{0}")]
    Other(&'static str),
}

/// A part of the discovery document (Discovery 1.0, 3).
#[derive(Debug, Deserialize)]
pub(super) struct Endpoints {
    issuer: String,
    jwks_uri: Url,
    pub(super) authorization_endpoint: Option<Url>,
    pub(super) token_endpoint: Option<Url>,
    pub(super) end_session_endpoint: Option<Url>,
}

/// Asks `issuer` for its endpoints and its keys.
pub(super) async fn read(client: &reqwest::Client, issuer: &str) -> Result<(Endpoints, JwkSet), Unreachable> {
    let place = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let endpoints: Endpoints = json(client.get(place)).await?;
    if endpoints.issuer != issuer {
        return Err(Unreachable::Other("its discovery document is another issuer's: check oidc.issuer"));
    }
    let safe = |url: &Url| url.scheme() == "https" || issuer.starts_with("http://");
    let Endpoints { jwks_uri, authorization_endpoint, token_endpoint, end_session_endpoint, .. } = &endpoints;
    let others = [authorization_endpoint, token_endpoint, end_session_endpoint].into_iter().flatten();
    if !others.chain([jwks_uri]).all(safe) {
        return Err(Unreachable::Other("one of its endpoints is not https"));
    }
    let keys = json(client.get(jwks_uri.clone())).await?;
    Ok((endpoints, keys))
}

/// What a request is answered with, within bounds.
pub(super) async fn json<T: DeserializeOwned>(request: reqwest::RequestBuilder) -> Result<T, Unreachable> {
    let mut response = request.send().await?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LENGTH_MAX {
            return Err(Unreachable::Other("an answer of it is too long"));
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_success() { Ok(serde_json::from_slice(&body)?) } else { Err(refusal(status, &body)) }
}

/// The code is a word; whatever else is said may be anything, and is not for the log.
fn refusal(status: reqwest::StatusCode, body: &[u8]) -> Unreachable {
    #[derive(Default, Deserialize)]
    struct Answer {
        error: String,
    }
    let Answer { error } = serde_json::from_slice(body).unwrap_or_default();
    let is_code =
        error.len() <= CODE_MAX && error.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    Unreachable::Refusal { status, code: if is_code { error } else { String::new() } }
}
