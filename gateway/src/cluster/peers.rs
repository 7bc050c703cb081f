//! The other gateways: where they answer, and what they are asked about the permits that they hold.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use icaze_cluster::{Cluster, Error};
use icaze_config::gateway::Config;
use icaze_store::ledger::MasterKey;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{MissedTickBehavior, interval};

use super::token::Tokens;
use crate::gateway::Gateway;
use crate::permit::code::CodeKey;

/// How often the others are told and learnt where gateways answer.
const PERIOD: Duration = Duration::from_secs(1);
/// Who has not said so for this long is away.
const SILENCE: Duration = Duration::from_secs(10);
/// How long one may take to take a connection.
const CONNECT: Duration = Duration::from_millis(500);
/// Nothing that is answered is longer.
const LENGTH_MAX: usize = 256 << 10;

/// The other gateways.
pub struct Peers {
    own: u8,
    /// All that take part, and where they answer if they are not away.
    known: Mutex<BTreeMap<u8, Option<String>>>,
    client: reqwest::Client,
    tokens: Tokens,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// It cannot be asked, or does not answer in time.
    #[error("it does not answer: {0}")]
    Away(String),
    /// It answers with this status.
    #[error("it answers {0}")]
    Status(u16),
}

impl Peers {
    pub(super) fn new(config: &Config, key: &MasterKey) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            // Who speaks TLS asks in TLS.
            .https_only(config.http.tls)
            .build()
            .context("no client for other gateways")?;
        Ok(Self { own: config.node, known: Mutex::default(), client, tokens: Tokens::new(config.node, key) })
    }

    /// Learns who takes part.
    pub(super) async fn learn(&self, cluster: &Cluster) -> Result<(), Error> {
        let mut known: BTreeMap<_, _> = cluster.members(0..CodeKey::NODE_END).await?.into_iter().collect();
        known.remove(&self.own);
        let mut before = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Who has taken part is missed, also once the servers have lost all that they knew.
        before.keys().for_each(|&node| _ = known.entry(node).or_default());
        *before = known;
        Ok(())
    }

    /// The others' numbers, whether they answer or not.
    #[must_use]
    pub fn numbers(&self) -> Vec<u8> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// Whether somebody who sends this token is another gateway.
    #[must_use]
    pub fn sent(&self, token: &str) -> bool {
        self.tokens.is_good(token)
    }

    /// Asks one of them.
    ///
    /// # Errors
    /// If it is away, or refuses.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        node: u8,
        path: &str,
        question: &impl Serialize,
        patience: Duration,
    ) -> Result<T, Unanswered> {
        let away = |error: reqwest::Error| Unanswered::Away(error.without_url().to_string());
        let address = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&node).cloned().flatten();
        let address = address.ok_or_else(|| Unanswered::Away("nobody has heard of it lately".to_owned()))?;
        let lacking = |what: &str| Unanswered::Away(what.to_owned());
        let token = self.tokens.draw(node).ok_or_else(|| lacking("no token for it"))?;
        let question = serde_json::to_vec(question).map_err(|_| lacking("no question for it"))?;
        let request = self
            .client
            .post(format!("{address}{path}"))
            .timeout(patience)
            .bearer_auth(token)
            .header("content-type", "application/json")
            .body(question);
        let mut response = request.send().await.map_err(away)?;
        if !response.status().is_success() {
            return Err(Unanswered::Status(response.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(away)? {
            if body.len() + chunk.len() > LENGTH_MAX {
                return Err(lacking("its answer is too long"));
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|_| lacking("its answer is another version's"))
    }
}

/// The address that the others are told, for a gateway that listens at `listens`.
#[must_use]
pub fn address(config: &Config, listens: SocketAddr) -> String {
    let place = config.http.advertise.clone().unwrap_or_else(|| listens.to_string());
    format!("{}://{place}", if config.http.tls { "https" } else { "http" })
}

/// Tells the others where this gateway answers, and learns where they do.
pub async fn keep(gateway: Arc<Gateway>, address: String) {
    let Some(shared) = &gateway.shared else { return };
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let told = shared.cluster.announce(shared.peers.own, &address, SILENCE).await;
        // What is known stays so while the cluster is away.
        if let Err(error) = told.and(shared.peers.learn(&shared.cluster).await) {
            tracing::debug!(%error, "where the other gateways answer is not known anew");
        }
    }
}
