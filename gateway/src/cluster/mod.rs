//! Allowances that this node shares with others, in Redis: reserved before a decision, confirmed before it is heard of.

mod access;
mod elsewhere;
pub mod handover;
mod local;
mod member;
pub mod peers;
pub mod replay;
mod token;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use icaze_cluster::{Call, Cluster, Confirm, Confirmed, Error, Options, Reserved, Value};
use icaze_config::gateway::{Away, Config};
use icaze_config::regime::Regimes;
use icaze_store::ledger::MasterKey;
use jiff::{SignedDuration, Timestamp};
use tokio::time::{MissedTickBehavior, interval, sleep};

pub use self::access::access;
pub use self::elsewhere::Elsewhere;
use self::handover::Sealing;
use self::local::Local;
use self::peers::Peers;
use crate::clock::Now;
use crate::gateway::{Gateway, Phase};
use crate::permit::code::CodeKey;
use crate::pipeline::Pipeline;
use crate::pipeline::shared::{Change, News, Shared as Sharing, Wanted, coded};
use crate::telemetry::Telemetry;
use crate::waiter::Waiter;
use crate::world::World;

/// How many replicas must hold what was written before it counts.
const REPLICAS: u64 = 1;
/// How long one connection attempt and one answer may take.
const TIMEOUT: Duration = Duration::from_millis(500);
/// How long an operator's link waits for a reservation before it asks for the message again.
const DEADLINE: Duration = Duration::from_secs(2);
/// How long what has to be known is left alone between two series of attempts.
const PAUSE: Duration = Duration::from_millis(100);
/// How many permits a start, or a failover, has confirmed again. What was not settled when a run ended is in its last batch,
/// which holds fewer.
const AGAIN: usize = 50_000;
/// So many calls go out at once.
const CALLS: usize = 1_000;
/// How often it is looked whether another server has taken over.
const WATCH: Duration = Duration::from_secs(1);
/// How far back a failover can have lost what was confirmed: a replica lags for less, but one that is to take over may take its time.
const LOST: SignedDuration = SignedDuration::from_mins(10);

type Outcome = Result<Value, Error>;

/// What the node shares with others.
pub struct Shared {
    cluster: Cluster,
    /// The other gateways.
    pub peers: Peers,
    node: u8,
    codes: CodeKey,
    telemetry: Telemetry,
    /// How often decisions were undone.
    voided: AtomicU64,
    /// Whether the last call had no answer.
    away: AtomicBool,
    local: Local,
    /// What becomes of requests while the cluster is away, where the regime does not say.
    otherwise: Away,
    sealing: Sealing,
    /// Replies that need not be kept any more, which is yet to be told.
    untold: Mutex<Vec<(u16, u64)>>,
}

impl Shared {
    /// Connects to the cluster that `config` names, takes part in it, and settles what an earlier run may have left:
    /// its permits are confirmed, those that it gave back are released, and those that lost their allowance before anybody heard
    /// of them end. `None` if nothing is shared.
    ///
    /// # Errors
    /// If the cluster does not answer, or others take part with another key or this number.
    pub async fn connect(
        config: &Config,
        key: &MasterKey,
        telemetry: &Telemetry,
        pipeline: &mut Pipeline,
        world: &World,
    ) -> anyhow::Result<Option<Self>> {
        if config.redis.nodes.is_empty() {
            return Ok(None);
        }
        let shared = Self::open(config, key, telemetry).await?;
        pipeline.share(sharing(key));
        let changes = pipeline.unsettled(world, AGAIN);
        tracing::info!(count = changes.len(), "permits of the last run are settled with the cluster");
        for changes in changes.chunks(CALLS) {
            let Settled { late, mut left, .. } = shared.told(changes.to_vec()).await;
            if !late.is_empty() {
                left.extend(undo(late, pipeline));
                left = shared.told(left).await.left;
            }
            anyhow::ensure!(
                left.is_empty(),
                "redis.nodes: the cluster did not answer in time about the permits of the last run; see CLUSTER INFO on its servers"
            );
        }
        shared.resume(pipeline).await.context("redis.nodes")?;
        Ok(Some(shared))
    }

    /// Connects to the cluster that `config` names, and takes part in it.
    ///
    /// # Errors
    /// As `connect`.
    async fn open(config: &Config, key: &MasterKey, telemetry: &Telemetry) -> anyhow::Result<Self> {
        let access = access(&config.redis)?;
        let options = Options {
            servers: config.redis.nodes.iter().map(|node| access.server(node)).collect(),
            access,
            node: config.node.to_string(),
            replicas: REPLICAS,
            timeout: TIMEOUT,
            deadline: DEADLINE,
        };
        let cluster = Cluster::connect(options).await.context("redis.nodes")?;
        member::admit(&cluster, config, key).await?;
        let peers = Peers::new(config, key)?;
        peers.learn(&cluster).await.context("redis.nodes")?;
        Ok(Self {
            cluster,
            peers,
            node: config.node,
            codes: CodeKey::new(key.derive("permit code")),
            telemetry: telemetry.clone(),
            voided: AtomicU64::new(0),
            away: AtomicBool::new(false),
            local: Local::new(config.redis.local_after, config.redis.local_max),
            otherwise: config.redis.away,
            sealing: Sealing::new(key)?,
            untold: Mutex::default(),
        })
    }

    /// Reserves what is wanted, and says what was answered, by place. What has no answer is left out.
    pub async fn reserve(&self, wanted: Vec<Wanted>) -> Vec<(usize, Reserved)> {
        let Some(away) = wanted.first().map(|wanted| wanted.away) else { return Vec::new() };
        if self.local.is_alone(away, Instant::now()) {
            let held: Vec<_> = self.local.holds(away, wanted.len()).map(Reserved::Held).collect();
            self.telemetry.cluster_local(held.len() as u64);
            return wanted.into_iter().map(|wanted| wanted.place).zip(held).collect();
        }
        let (places, calls): (Vec<usize>, Vec<Call>) =
            wanted.into_iter().map(|Wanted { place, call, .. }| (place, call)).unzip();
        let outcomes = self.call("reserve", DEADLINE, &calls).await;
        let read = |outcome: Outcome| Reserved::read(&outcome.ok()?);
        places
            .into_iter()
            .zip(outcomes)
            .filter_map(|(place, outcome)| Some((place, read(outcome)?)))
            .collect()
    }

    /// Tells the others what has become durable, and waits until they know; decisions that came too late are undone. `false` if
    /// the gateway stops before all is known. For a thread that may block.
    #[must_use]
    pub fn settle(&self, gateway: &Gateway, waiter: &Waiter, news: News) -> bool {
        let confirmed = self.confirm(gateway, waiter, news.changes);
        if confirmed {
            // Not before: nobody else may send a reply that is about to be undone.
            self.keep_replies(gateway, waiter, news.entries, news.ended);
        }
        confirmed
    }

    fn confirm(&self, gateway: &Gateway, waiter: &Waiter, mut changes: Vec<Change>) -> bool {
        while !changes.is_empty() {
            let away = local::choice(&changes, &gateway.world().regimes, self.otherwise, Now::read().wall);
            changes = self.local.keep(changes, away, AGAIN, Instant::now());
            let Settled { late, left, .. } = waiter.wait(self.told_in_turn(changes));
            changes = left;
            if !late.is_empty() {
                let (count, stand) = (late.len(), undo(late, &mut gateway.pipeline()));
                self.telemetry.cluster_late(true, count.saturating_sub(stand.len()) as u64);
                changes.extend(stand);
                self.voided.fetch_add(1, Ordering::Release);
            }
            if !changes.is_empty() {
                if *gateway.phase().borrow() == Phase::Stopped {
                    return false;
                }
                // Made in there: a timer needs the runtime that it runs in.
                waiter.wait(async { sleep(PAUSE).await });
            }
        }
        true
    }

    /// Whether it is of no use to ask anything now.
    fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed) || self.local.has_untold()
    }

    /// Tells the others what was decided without them, if they are back.
    async fn rejoin(&self) {
        if !self.local.is_to_ask(Instant::now()) || self.peers.learn(&self.cluster).await.is_err() {
            return;
        }
        while let Some(changes) = self.local.take(CALLS) {
            let left = self.told(changes).await.left;
            if !left.is_empty() {
                return self.local.put_back(left);
            }
        }
    }

    /// Tells it once, but nothing before what was decided without the others: what has ended must not begin after its end.
    async fn told_in_turn(&self, changes: Vec<Change>) -> Settled {
        if self.local.has_untold() {
            return Settled { left: changes, ..Settled::default() };
        }
        self.told(changes).await
    }

    /// Tells it once.
    async fn told(&self, changes: Vec<Change>) -> Settled {
        let (seqs, mut calls): (Vec<u64>, Vec<Call>) =
            changes.into_iter().map(|Change { seq, call }| (seq, call)).unzip();
        calls.extend(self.index(&calls));
        let mut outcomes = self.call("confirm", DEADLINE, &calls).await;
        let indexed = outcomes.split_off(seqs.len()).iter().all(Result::is_ok);
        let mut settled = Settled::default();
        for ((seq, call), outcome) in seqs.into_iter().zip(calls).zip(outcomes) {
            let live = matches!(call, Call::Confirm { mode: Confirm::Live, .. });
            match outcome.map(|value| Confirmed::read(&value)) {
                Err(_) | Ok(None) => settled.left.push(Change { seq, call }),
                Ok(Some(Confirmed::Late | Confirmed::Released)) if live => {
                    settled.late.push(Change { seq, call });
                }
                Ok(Some(result)) => {
                    settled.conflicts += u64::from(result == Confirmed::Conflict);
                    if !indexed {
                        settled.left.push(Change { seq, call });
                    }
                }
            }
        }
        if settled.conflicts > 0 {
            tracing::error!(
                conflicts = settled.conflicts,
                "permits were granted twice while gateways could not see each other's"
            );
            self.telemetry.cluster_late(false, settled.conflicts);
        }
        settled
    }

    /// What says whose the codes of these grants are.
    fn index(&self, calls: &[Call]) -> Vec<Call> {
        let own = calls.iter().filter_map(coded).filter_map(|(code, person)| {
            let (node, counter) = self.codes.origin(code);
            (node == self.node).then_some((counter, person))
        });
        icaze_cluster::index(own.collect())
    }

    async fn call(&self, what: &'static str, time: Duration, calls: &[Call]) -> Vec<Outcome> {
        if calls.is_empty() {
            return Vec::new();
        }
        let began = Instant::now();
        let outcomes = self.cluster.call_within(time, calls).await;
        self.telemetry.cluster_called(what, calls.len(), began.elapsed());
        // They mostly fail together.
        let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
        let first = outcomes.iter().find_map(|outcome| outcome.as_ref().err());
        let was_away = self.away.swap(first.is_some(), Ordering::Relaxed);
        self.local.heard(failed < outcomes.len(), Instant::now());
        match first {
            Some(error) => {
                self.telemetry.cluster_failed(
                    match error {
                        Error::Unsure { .. } => "unsure",
                        Error::Full => "full",
                        Error::Server(_) => "server",
                    },
                    failed as u64,
                );
                if !was_away {
                    tracing::warn!(%error, "the cluster is away: what it would have to grant is asked to come again");
                }
            }
            None if was_away => tracing::info!("the cluster is back"),
            None => {}
        }
        outcomes
    }

    /// How often decisions were undone; what then waited to be heard of must not be.
    #[must_use]
    pub fn voided(&self) -> u64 {
        self.voided.load(Ordering::Acquire)
    }

    /// Why no permits can be granted under the regime in force; `None` if they can.
    #[must_use]
    pub fn trouble(&self, regimes: &Regimes, now: Timestamp) -> Option<&'static str> {
        let choice = regimes.without_cluster(now, self.otherwise);
        let (alone, away) = (self.local.is_alone(choice, Instant::now()), self.away.load(Ordering::Relaxed));
        match (choice, alone) {
            (Away::Local, true) => self.local.is_full().then_some(
                "the Redis cluster does not answer, and redis.local_max permits were granted without it: see CLUSTER INFO on its servers",
            ),
            (Away::Refuse, true) if !away => {
                Some("the Redis cluster is being told what was granted without it; then permits are granted again")
            }
            _ => away.then_some("the Redis cluster does not answer: see CLUSTER INFO on its servers"),
        }
    }
}

/// What became of changes that were told once.
#[derive(Default)]
struct Settled {
    /// Their allowances are somebody else's.
    late: Vec<Change>,
    /// Not known yet.
    left: Vec<Change>,
    /// Grants that are one too many.
    conflicts: u64,
}

/// What pipelines [share](Pipeline::share) with: the same for all gateways of one key.
fn sharing(key: &MasterKey) -> Sharing {
    Sharing::new(key.derive("shared phone"))
}

/// Undoes decisions that nobody has heard of and that lost their reservations. What cannot be undone stands, and is returned to
/// be told as a grant too many, which is counted.
fn undo(late: Vec<Change>, pipeline: &mut Pipeline) -> Vec<Change> {
    let seqs: Vec<u64> = late.iter().map(|change| change.seq).collect();
    let stands = pipeline.void(&seqs);
    tracing::warn!(
        undone = seqs.len() - stands.len(),
        stand = stands.len(),
        "reservations ran out before they were confirmed"
    );
    let stands = late.into_iter().filter(|change| stands.contains(&change.seq));
    stands.map(|Change { seq, call }| Change { seq, call: call.replayed() }).collect()
}

/// Confirms what is durable again whenever another server has taken over, because that one may have less than it should.
pub async fn watch(gateway: Arc<Gateway>) {
    let Some(shared) = &gateway.shared else { return };
    let mut ticks = interval(WATCH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut changes, mut seen) = (Vec::new(), shared.cluster.takeovers());
    loop {
        ticks.tick().await;
        shared.rejoin().await;
        match shared.cluster.learn().await {
            Ok(()) => shared.away.store(false, Ordering::Relaxed),
            Err(error) => {
                tracing::debug!(%error, "the cluster's servers are not known");
                shared.away.store(true, Ordering::Relaxed);
                continue;
            }
        }
        let takeovers = shared.cluster.takeovers();
        if std::mem::replace(&mut seen, takeovers) != takeovers {
            changes = lately(&gateway);
        }
        let count = changes.len();
        let mut left = Vec::new();
        for changes in changes.chunks(CALLS) {
            left.extend(shared.told(changes.to_vec()).await.left);
        }
        if count > 0 {
            tracing::info!(count, left = left.len(), "confirmed again after another server took over");
        }
        changes = left;
    }
}

/// What was acknowledged shortly before now.
fn lately(gateway: &Gateway) -> Vec<Change> {
    let (world, durable) = (gateway.world(), *gateway.durable().borrow());
    let mut changes = gateway.pipeline().told_lately(&world, LOST, AGAIN);
    changes.retain(|change| durable.covers(change.seq));
    changes
}
