//! An OpenID Connect issuer (Core 1.0, Discovery 1.0): its access tokens beside our own, and its log-in beside our tokens.

mod claims;
mod discovery;
mod flow;
mod keys;
mod token;

#[cfg(test)]
mod tests;

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use icaze_config::gateway::Oidc;

use self::discovery::Unreachable;
use self::keys::Keys;
use super::{Caller, Problem};

pub(super) use self::flow::{Arrived, Flow};

/// How long the issuer may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The issuer as it was configured, and what is known of it.
pub(super) struct Issuer {
    settings: Oidc,
    /// Our password there.
    secret: Option<String>,
    client: reqwest::Client,
    keys: Arc<Keys>,
}

/// Why somebody is not let in. What the issuer or the token said is for the log; nothing of it is personal.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// The token is not what it should be.
    #[error("a token of the issuer is refused: {0}")]
    Token(#[from] jsonwebtoken::errors::Error),
    /// The same.
    #[error("a token of the issuer is refused: {0}")]
    Unusable(&'static str),
    /// The issuer does not answer as one.
    #[error("the issuer: {0}")]
    Issuer(#[from] Unreachable),
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        tracing::debug!(%refused);
        match refused {
            Refused::Token(_) | Refused::Unusable(_) => Self::unauthenticated(),
            Refused::Issuer(_) => Self::unavailable(
                "the log-in service cannot be asked now; ask again, or use a token of the gateway's own",
            ),
        }
    }
}

impl Issuer {
    /// # Errors
    /// If the file of our password cannot be read.
    pub(super) fn new(settings: &Oidc) -> anyhow::Result<Self> {
        let secret = settings.client_secret_file.as_ref().map(|path| {
            let text = fs::read_to_string(path);
            text.with_context(|| format!("oidc.client_secret_file: cannot read {}", path.display()))
        });
        let client = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
        // What is in the clear stays on loopback.
        let is_in_tls = settings.issuer.starts_with("https://");
        let client = if is_in_tls { client.https_only(true) } else { client.no_proxy() };
        let client = client.build().context("oidc: no client")?;
        Ok(Self {
            secret: secret.transpose()?.map(|text| text.trim().to_owned()),
            keys: Arc::new(Keys::new(settings, client.clone())),
            client,
            settings: settings.clone(),
        })
    }

    /// Whom an access token speaks for.
    pub(super) async fn caller(&self, token: &str, now: Instant) -> Result<Caller, Refused> {
        let claims = self.verify(token, &self.settings.audience, now).await?;
        // Where the audience is our client, an ID token has it too; and that one is in addresses, at a log-out.
        if claims.text("nonce").is_some() {
            return Err(Refused::Unusable("an ID token"));
        }
        claims.caller(&self.settings)
    }

    /// Whether this is its identifier.
    pub(super) fn is(&self, issuer: &str) -> bool {
        self.settings.issuer == issuer
    }

    /// Whether browsers reach us in TLS.
    pub(super) fn is_in_tls(&self) -> bool {
        self.settings.public_url.starts_with("https://")
    }

    /// What people call it, if they can log in by it.
    pub(super) fn name(&self) -> Option<&str> {
        Some(self.settings.name.as_str()).filter(|_| !self.settings.client_id.is_empty())
    }
}

/// Whether a token may be an issuer's: it has three parts, and ours has one.
pub(super) fn may_be_issued(token: &str) -> bool {
    token.split('.').count() == 3
}
