//! Logging in by the issuer: the authorization code flow (Core 1.0, 3.1) with PKCE (RFC 7636), and logging out there too
//! (RP-Initiated Logout 1.0).

use std::time::Instant;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use url::{Url, form_urlencoded};

use super::discovery::{Unreachable, json};
use super::{Issuer, Refused};
use crate::http::access::scope::Scope;
use crate::http::access::{Caller, hex, random};

/// How long a secret is, as [`random`] makes it.
const SECRET_LENGTH: usize = 64;

/// A log-in under way. All of it follows from the secret in the browser's cookie, so that nothing has to be kept here and nobody can
/// fill it.
pub(in super::super) struct Flow {
    state: String,
    nonce: String,
    verifier: String,
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

impl Flow {
    fn of(secret: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let part = |name: &str| hex(hmac::sign(&key, name.as_bytes()).as_ref());
        Self { state: part("state"), nonce: part("nonce"), verifier: part("verifier") }
    }

    /// That of a browser which comes back with the cookie's `secret`, and with `state` in the address.
    pub(in super::super) fn resumed(secret: &str, state: &str) -> Option<Self> {
        let flow = Self::of(secret);
        let is_the_same: bool = flow.state.as_bytes().ct_eq(state.as_bytes()).into();
        (secret.len() == SECRET_LENGTH && is_the_same).then_some(flow)
    }
}

impl Issuer {
    /// Where a browser goes to log in, and the secret that its cookie keeps.
    pub(in super::super) async fn depart(&self, now: Instant) -> Result<(Url, String), Refused> {
        let known = self.keys.known(None, now).await?;
        let mut url = known.endpoints.authorization_endpoint.clone().ok_or_else(lacks)?;
        let secret = random().map_err(|_| Refused::Unusable("the system has no random bytes"))?;
        let Flow { state, nonce, verifier } = Flow::of(&secret);
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        let scopes = Scope::ALL.map(|scope| format!("{}{scope}", self.settings.scope_prefix));
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.callback())
            .append_pair("scope", &format!("openid {}", scopes.join(" ")))
            .append_pair("state", &state)
            .append_pair("nonce", &nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        Ok((url, secret))
    }

    /// Who came back from there with `code`.
    pub(in super::super) async fn arrive(
        &self,
        flow: &Flow,
        code: &str,
        now: Instant,
    ) -> Result<Arrived, Refused> {
        let known = self.keys.known(None, now).await?;
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
            request = request.basic_auth(encoded(client), Some(encoded(secret)));
        }
        let Tokens { id_token } = json(request).await?;
        let claims = self.verify(&id_token, client, now).await?;
        if !claims.text("nonce").is_some_and(|nonce| nonce.as_bytes().ct_eq(flow.nonce.as_bytes()).into()) {
            return Err(Refused::Unusable("another log-in's nonce"));
        }
        Ok(Arrived { caller: claims.caller(&self.settings)?, id_token })
    }

    /// Where a browser goes to be logged out there as well, if the issuer has such a place.
    pub(in super::super) async fn leave(&self, id_token: &str, now: Instant) -> Option<Url> {
        let known = self.keys.known(None, now).await.ok()?;
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

/// As names and passwords of clients are sent (RFC 6749, 2.3.1).
fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn lacks() -> Refused {
    Unreachable::Other("it has no endpoint for log-ins").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_comes_back_with_its_own_secret_and_the_state_that_follows_from_it() {
        let (secret, other) = (random().unwrap(), random().unwrap());
        let flow = Flow::of(&secret);
        let resumed = Flow::resumed(&secret, &flow.state).unwrap();
        assert_eq!((&resumed.nonce, &resumed.verifier), (&flow.nonce, &flow.verifier));
        assert!(flow.state != flow.nonce && flow.nonce != flow.verifier && flow.verifier != flow.state);
        for (secret, state) in
            [(&*secret, ""), (&secret, &secret), (&other, &flow.state), ("", &Flow::of("").state)]
        {
            assert!(Flow::resumed(secret, state).is_none());
        }
    }
}
