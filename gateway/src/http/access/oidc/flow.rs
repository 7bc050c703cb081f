//! Logging in by the issuer: the authorization code flow (Core 1.0, 3.1) with PKCE (RFC 7636), and logging out there too
//! (RP-Initiated Logout 1.0).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use url::Url;

use super::super::tokens::{Hash, Token};
use super::super::{Caller, random};
use super::keys::{Unreachable, json};
use super::{Issuer, Refused};

/// The cookie that a browser comes back with.
pub(in super::super) const COOKIE: &str = "icaze_oidc";
/// How long somebody may take to log in there.
const LIFE: Duration = Duration::from_secs(600);
/// Log-ins under way, at most; beyond it all begin anew.
const FLOWS_MAX: usize = 4096;

/// Log-ins under way, by the hash of their cookie.
#[derive(Default)]
pub(super) struct Flows(Mutex<HashMap<Hash, Flow>>);

/// What one must come back with.
struct Flow {
    state: String,
    nonce: String,
    verifier: String,
    began: Instant,
}

/// Somebody whom the issuer let in.
pub(in super::super) struct Arrived {
    pub(in super::super) caller: Caller,
    /// What the issuer is reminded by when they log out.
    pub(in super::super) id_token: String,
}

/// What a token endpoint answers (RFC 6749, 5.1).
#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

impl Issuer {
    /// Where a browser goes to log in, and the secret that its cookie keeps.
    pub(in super::super) async fn depart(&self, now: Instant) -> Result<(Url, String), Refused> {
        let known = self.keys.known(None).await?;
        let mut url = known.endpoints.authorization_endpoint.clone().ok_or_else(lacks)?;
        let draw = || random().map_err(|_| Refused::Unusable("the system has no random bytes"));
        let (secret, state, nonce, verifier) = (draw()?, draw()?, draw()?, draw()?);
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        let scopes = ["inspector", "health", "admin", "auditor"]
            .map(|scope| format!("{}{scope}", self.settings.scope_prefix));
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.callback())
            .append_pair("scope", &format!("openid {}", scopes.join(" ")))
            .append_pair("state", &state)
            .append_pair("nonce", &nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        let mut flows = self.flows.0.lock().unwrap_or_else(PoisonError::into_inner);
        flows.retain(|_, flow| now.saturating_duration_since(flow.began) < LIFE);
        if flows.len() >= FLOWS_MAX {
            flows.clear();
        }
        flows.insert(Token::hash_of(&secret), Flow { state, nonce, verifier, began: now });
        Ok((url, secret))
    }

    /// Who came back: with the cookie's secret, and the `code` and `state` of the address.
    pub(in super::super) async fn arrive(
        &self,
        secret: &str,
        (code, state): (&str, &str),
        now: Instant,
    ) -> Result<Arrived, Refused> {
        let flow = {
            let mut flows = self.flows.0.lock().unwrap_or_else(PoisonError::into_inner);
            flows.remove(&Token::hash_of(secret))
        };
        let is_the_same = |flow: &Flow| bool::from(flow.state.as_bytes().ct_eq(state.as_bytes()));
        let flow = flow
            .filter(|flow| is_the_same(flow) && now.saturating_duration_since(flow.began) < LIFE)
            .ok_or(Refused::Unusable("a log-in that was not begun here, or too long ago"))?;
        let known = self.keys.known(None).await?;
        let endpoint = known.endpoints.token_endpoint.clone().ok_or_else(lacks)?;
        let (callback, client) = (self.callback(), self.settings.client_id.as_str());
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &callback),
            ("client_id", client),
            ("code_verifier", &flow.verifier),
        ];
        let mut request = self.client.post(endpoint).form(&form);
        if let Some(secret) = &self.secret {
            request = request.basic_auth(client, Some(secret));
        }
        let Tokens { id_token } = json(request).await?;
        let claims = self.keys.verify(&id_token, client).await?;
        if !claims.text("nonce").is_some_and(|nonce| nonce.as_bytes().ct_eq(flow.nonce.as_bytes()).into()) {
            return Err(Refused::Unusable("another log-in's nonce"));
        }
        Ok(Arrived { caller: claims.caller(&self.settings)?, id_token })
    }

    /// Where a browser goes to be logged out there as well, if the issuer has such a place.
    pub(in super::super) async fn leave(&self, id_token: &str) -> Option<Url> {
        let known = self.keys.known(None).await.ok()?;
        let mut url = known.endpoints.end_session_endpoint.clone()?;
        url.query_pairs_mut()
            .append_pair("id_token_hint", id_token)
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("post_logout_redirect_uri", &format!("{}/login", self.settings.public_url));
        Some(url)
    }

    fn callback(&self) -> String {
        format!("{}/login/oidc/callback", self.settings.public_url)
    }
}

fn lacks() -> Refused {
    Unreachable::Other("it has no endpoint for log-ins").into()
}
