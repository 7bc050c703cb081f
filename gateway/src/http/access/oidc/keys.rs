//! The issuer as it is known: read when that is first needed, and again when it is old or a token names another key.

use std::sync::Arc;
use std::time::{Duration, Instant};

use icaze_config::gateway::Oidc;
use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use tokio::sync::watch;

use super::discovery::{Endpoints, Unreachable, read};

/// An issuer is not asked more often, whatever tokens are sent.
pub(super) const APART: Duration = Duration::from_secs(10);

/// A key that the issuer signs with.
pub(super) struct Key {
    id: String,
    /// What it is for, if it is for one algorithm alone.
    algorithm: Option<KeyAlgorithm>,
    pub(super) key: DecodingKey,
}

impl Key {
    /// `None` for keys without a name, keys to encrypt with, secrets, and keys of a kind that is not known: a set may have any.
    fn read(jwk: &Jwk) -> Option<Self> {
        if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
            return None;
        }
        let key = DecodingKey::from_jwk(jwk).ok().filter(|key| key.family() != AlgorithmFamily::Hmac)?;
        Some(Self { id: jwk.common.key_id.clone()?, algorithm: jwk.common.key_algorithm, key })
    }

    pub(super) fn is_for(&self, algorithm: Algorithm) -> bool {
        self.algorithm.is_none_or(|own| own == KeyAlgorithm::from(algorithm))
    }
}

/// What was read at one time.
pub(super) struct Known {
    pub(super) endpoints: Endpoints,
    keys: Vec<Key>,
    read_at: Instant,
}

impl Known {
    pub(super) fn key(&self, id: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.id == id)
    }
}

#[derive(Default)]
struct State {
    known: Option<Arc<Known>>,
    /// When the issuer was asked last,
    asked_at: Option<Instant>,
    /// and whether it has yet to answer.
    is_asked: bool,
}

impl State {
    /// Whether the issuer was asked since it is known so, and has not answered.
    fn is_away(&self) -> bool {
        self.known.as_ref().is_some_and(|known| self.asked_at.is_some_and(|asked| asked > known.read_at))
    }
}

pub(super) struct Keys {
    issuer: String,
    refresh: Duration,
    client: reqwest::Client,
    state: watch::Sender<State>,
}

impl Keys {
    pub(super) fn new(settings: &Oidc, client: reqwest::Client) -> Self {
        Self {
            issuer: settings.issuer.clone(),
            refresh: settings.refresh,
            client,
            state: watch::Sender::default(),
        }
    }

    /// The issuer as it is known, asked first if that is old or lacks `key`. An issuer that does not answer is known as before, and
    /// nobody waits for it who names a key that is known.
    pub(super) async fn known(
        self: &Arc<Self>,
        key: Option<&str>,
        now: Instant,
    ) -> Result<Arc<Known>, Unreachable> {
        let (known, is_away) = {
            let state = self.state.borrow();
            (state.known.clone(), state.is_away())
        };
        let known = known.filter(|known| key.is_none_or(|key| known.key(key).is_some()));
        let is_fresh = |known: &Known| now.saturating_duration_since(known.read_at) < self.refresh;
        match known {
            Some(known) if is_fresh(&known) => return Ok(known),
            Some(known) if is_away => {
                self.ask(now);
                return Ok(known);
            }
            _ => self.ask(now),
        }
        let mut states = self.state.subscribe();
        let state = states.wait_for(|state| !state.is_asked).await;
        state.ok().and_then(|state| state.known.clone()).ok_or(Unreachable::Other("it does not answer"))
    }

    /// Asks the issuer, unless it was asked just now. A task does that, because those who wait for the answer may go away.
    fn ask(self: &Arc<Self>, now: Instant) {
        let is_due = self.state.send_if_modified(|state| {
            let rests = state.asked_at.is_some_and(|asked| now.saturating_duration_since(asked) < APART);
            if state.is_asked || rests {
                return false;
            }
            (state.asked_at, state.is_asked) = (Some(now), true);
            true
        });
        if !is_due {
            return;
        }
        let keys = Arc::clone(self);
        tokio::spawn(async move {
            let answer = read(&keys.client, &keys.issuer).await;
            keys.state.send_modify(|state| {
                state.is_asked = false;
                match answer {
                    Ok((endpoints, set)) => state.known = Some(Arc::new(Known::new(endpoints, &set, now))),
                    Err(error) => tracing::warn!(
                        %error,
                        "the issuer of log-ins cannot be asked; keys that are known stay good; check oidc.issuer, and whether it can be reached"
                    ),
                }
            });
        });
    }
}

impl Known {
    fn new(endpoints: Endpoints, set: &JwkSet, now: Instant) -> Self {
        Self { endpoints, keys: set.keys.iter().filter_map(Key::read).collect(), read_at: now }
    }
}
