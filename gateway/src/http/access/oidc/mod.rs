//! An OpenID Connect issuer (Core 1.0, Discovery 1.0): its access tokens beside our own, and its log-in beside our tokens.

mod claims;
mod flow;
mod keys;

use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use icaze_config::gateway::Oidc;

use self::flow::Flows;
use self::keys::Keys;
use super::{Caller, Problem};

pub(super) use self::flow::{Arrived, COOKIE};

/// How long the issuer may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The issuer as it was configured, and what is known of it.
pub(super) struct Issuer {
    settings: Oidc,
    /// Our password there.
    secret: Option<String>,
    client: reqwest::Client,
    keys: Keys,
    flows: Flows,
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
    Issuer(#[from] keys::Unreachable),
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Token(_) | Refused::Unusable(_) => {
                tracing::debug!(%refused);
                Self::unauthenticated()
            }
            Refused::Issuer(_) => {
                tracing::warn!(%refused);
                Self::unavailable(
                    "the log-in service cannot be asked now; ask again, or use a token of the gateway's own",
                )
            }
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
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("oidc: no client")?;
        Ok(Self {
            secret: secret.transpose()?.map(|text| text.trim().to_owned()),
            keys: Keys::new(&settings.issuer, client.clone()),
            client,
            settings: settings.clone(),
            flows: Flows::default(),
        })
    }

    /// Whom an access token speaks for.
    pub(super) async fn caller(&self, token: &str) -> Result<Caller, Refused> {
        let claims = self.keys.verify(token, &self.settings.audience).await?;
        claims.caller(&self.settings)
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
