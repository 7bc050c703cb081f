//! Calls in batches: one pipeline for each shard, with WAIT at its end, repeated until its outcome is known.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::{Pipeline, Value};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::access::{Access, remedy};
use crate::call::{Call, PERSON_SLOTS, tag};
use crate::{FUNCTIONS, settings};

/// How the cluster is reached.
#[derive(Debug, Clone)]
pub struct Options {
    /// Servers to begin with, as [`Access::server`] names them; the cluster names the others.
    pub servers: Vec<String>,
    /// How they let this node in.
    pub access: Access,
    /// This node's name, without spaces.
    pub node: String,
    /// How many replicas must hold a change before it counts.
    pub replicas: u64,
    /// Bound of one connection attempt and of one answer; WAIT gets half of it.
    pub timeout: Duration,
    /// Until when a call is repeated.
    pub deadline: Duration,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The deadline passed. It may have been done or not: repeat it, or let the reservation run out.
    #[error(
        "no certain answer from Redis in time (last: {last}); look at the cluster's state with CLUSTER INFO"
    )]
    Unsure {
        /// What the last attempt met.
        last: String,
    },
    /// Not done: the server's memory is at `maxmemory`.
    #[error("Redis is at its maxmemory and refuses writes; raise it or add a shard")]
    Full,
    /// Not ours, or not a cluster.
    #[error("Redis: {0}; {remedy}", remedy = remedy(.0))]
    Server(#[from] redis::RedisError),
}

/// The shared state. A clone shares the connections: one for each server.
#[derive(Clone)]
pub struct Cluster {
    connection: ClusterConnection,
    options: Arc<Options>,
    /// The cluster's slot of each person slot.
    slots: Arc<[u16]>,
    owners: Arc<Mutex<Arc<Owners>>>,
    /// How often the owners have changed.
    takeovers: Arc<AtomicU64>,
}

/// Which server has which slots.
#[derive(Debug, Default, PartialEq, Eq)]
struct Owners(Vec<(RangeInclusive<u16>, String)>);

impl Owners {
    /// The identity of the server that has `slot`; empty if none has.
    fn of(&self, slot: u16) -> &str {
        self.0.iter().find(|(range, _)| range.contains(&slot)).map_or("", |(_, owner)| owner)
    }
}

type Outcome = Result<Value, Error>;

impl Cluster {
    /// Connects, and loads the functions into every shard.
    ///
    /// # Errors
    ///
    /// If no server answers, or one is no cluster of Redis 7.0 or later.
    pub async fn connect(options: Options) -> Result<Self, Error> {
        let builder = ClusterClientBuilder::new(options.servers.iter().map(String::as_str))
            .connection_timeout(options.timeout)
            .response_timeout(options.timeout)
            // Repeats are this module's, because each must be followed by WAIT.
            .retries(0);
        let client = options.access.enter(builder).build()?;
        let mut connection = match client.get_async_connection().await {
            Ok(connection) => connection,
            Err(error) => return Err(settings::refusal(&options).await.unwrap_or(error).into()),
        };
        // Routed to all primaries by the client.
        let _: Value = redis::cmd("FUNCTION")
            .arg("LOAD")
            .arg("REPLACE")
            .arg(FUNCTIONS)
            .query_async(&mut connection)
            .await?;
        let mut ask = Pipeline::new();
        for slot in 0..PERSON_SLOTS {
            ask.cmd("CLUSTER").arg("KEYSLOT").arg(tag(slot));
        }
        let answers = connection
            .route_pipeline(ask, 0, PERSON_SLOTS as usize, SingleNodeRoutingInfo::RandomPrimary)
            .await?;
        let slots = answers.iter().map(redis::from_redis_value_ref).collect::<Result<Vec<u16>, _>>();
        let slots = slots.map_err(redis::RedisError::from)?.into();
        let (owners, takeovers) = Default::default();
        let cluster = Self { connection, options: Arc::new(options), slots, owners, takeovers };
        cluster.learn().await?;
        Ok(cluster)
    }

    /// The value that the nodes of this cluster have for `name`: `value`, if none had one before.
    ///
    /// # Errors
    ///
    /// If its shard does not answer.
    pub async fn agree(&self, name: &str, value: &str) -> Result<String, Error> {
        let mut command = redis::cmd("SET");
        command.arg(format!("{}:{name}", tag(0))).arg(value).arg("NX").arg("GET");
        let known: Option<String> = command.query_async(&mut self.connection.clone()).await?;
        Ok(known.unwrap_or_else(|| value.to_owned()))
    }

    /// How many grants were one too many, in all shards.
    ///
    /// # Errors
    ///
    /// If a shard does not answer.
    pub async fn conflicts(&self) -> Result<u64, Error> {
        // Slots may have moved.
        match self.count_conflicts().await {
            Ok(count) => Ok(count),
            Err(_) => {
                self.learn().await?;
                self.count_conflicts().await
            }
        }
    }

    async fn count_conflicts(&self) -> Result<u64, Error> {
        let owners = self.owners();
        let mut shards: Vec<(&str, u16, Pipeline)> = Vec::new();
        for (person_slot, &slot) in (0..).zip(self.slots.iter()) {
            let owner = owners.of(slot);
            if !shards.iter().any(|(known, ..)| *known == owner) {
                shards.push((owner, slot, Pipeline::new()));
            }
            let shard = shards.iter_mut().find(|(known, ..)| *known == owner);
            shard.map(|(.., pipeline)| pipeline.cmd("SCARD").arg(format!("{}:conflicts", tag(person_slot))));
        }
        let mut sum = 0;
        for (_, slot, pipeline) in shards {
            let (mut connection, count) = (self.connection.clone(), pipeline.len());
            let route = SingleNodeRoutingInfo::SpecificNode(Route::new(slot, SlotAddr::Master));
            for answer in connection.route_pipeline(pipeline, 0, count, route).await? {
                sum += redis::from_redis_value::<u64>(answer).map_err(redis::RedisError::from)?;
            }
        }
        Ok(sum)
    }

    /// Makes the calls, at most one round trip to each shard where nothing fails, and answers in their order.
    ///
    /// An answer is given only once [`Options::replicas`] hold what the call changed. Calls for one person take effect in their
    /// order, unless some of them had to be repeated.
    pub async fn call(&self, calls: &[Call]) -> Vec<Outcome> {
        self.call_within(self.options.deadline, calls).await
    }

    /// The same with another deadline than [`Options::deadline`].
    pub async fn call_within(&self, time: Duration, calls: &[Call]) -> Vec<Outcome> {
        let deadline = Instant::now() + time;
        let mut outcomes: Vec<Option<Outcome>> = calls.iter().map(|_| None).collect();
        let mut last = String::from("nothing was sent");
        loop {
            for (indices, answers) in self.round(calls, &outcomes).await {
                match answers {
                    Ok(answers) => {
                        for (index, answer) in indices.into_iter().zip(answers) {
                            let (Some(outcome), answer) = (outcomes.get_mut(index), settled(answer)) else {
                                continue;
                            };
                            match answer {
                                Ok(answer) => *outcome = Some(answer),
                                Err(error) => last = error,
                            }
                        }
                    }
                    Err(error) => last = error,
                }
            }
            if outcomes.iter().all(Option::is_some) || Instant::now() >= deadline {
                break;
            }
            sleep(self.pause()).await;
            // What cannot be learnt now is learnt in the next round; the old owners answer MOVED meanwhile.
            if let Err(error) = self.learn().await {
                last = error.to_string();
            }
        }
        outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap_or_else(|| Err(Error::Unsure { last: last.clone() })))
            .collect()
    }

    /// Sends what has no outcome yet. An error stands for all of a shard's calls.
    async fn round(
        &self,
        calls: &[Call],
        outcomes: &[Option<Outcome>],
    ) -> Vec<(Vec<usize>, Result<Vec<Value>, String>)> {
        let owners = self.owners();
        let mut batches: Vec<(&str, u16, Vec<usize>)> = Vec::new();
        for (index, (call, _)) in
            calls.iter().zip(outcomes).enumerate().filter(|(_, (_, outcome))| outcome.is_none())
        {
            let slot = self.slots.get(call.slot() as usize).copied().unwrap_or_default();
            let owner = owners.of(slot);
            match batches.iter_mut().find(|(known, ..)| *known == owner) {
                Some((_, _, indices)) => indices.push(index),
                None => batches.push((owner, slot, vec![index])),
            }
        }
        let mut sent = JoinSet::new();
        for (_, slot, indices) in batches {
            let mut pipeline = Pipeline::with_capacity(indices.len() + 1);
            pipeline.ignore_errors();
            for call in indices.iter().filter_map(|&index| calls.get(index)) {
                pipeline.add_command(call.command(&self.options.node));
            }
            // A pipeline goes out on one connection, so WAIT is for what this pipeline wrote.
            let wait_ms = u64::try_from(self.options.timeout.as_millis() / 2).unwrap_or(u64::MAX).max(1);
            pipeline.cmd("WAIT").arg(self.options.replicas).arg(wait_ms);
            let (mut connection, needed) = (self.connection.clone(), self.options.replicas);
            sent.spawn(async move {
                let route = SingleNodeRoutingInfo::SpecificNode(Route::new(slot, SlotAddr::Master));
                let answers = connection.route_pipeline(pipeline, 0, indices.len() + 1, route).await;
                (
                    indices,
                    answers
                        .map_err(|error| error.to_string())
                        .and_then(|answers| replicated(answers, needed)),
                )
            });
        }
        sent.join_all().await
    }

    pub(crate) fn connection(&self) -> ClusterConnection {
        self.connection.clone()
    }

    /// Between two attempts.
    pub(crate) fn pause(&self) -> Duration {
        self.options.timeout / 10
    }

    fn owners(&self) -> Arc<Owners> {
        Arc::clone(&self.owners.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How often it was learnt that slots had gone to another server, as after a failover.
    #[must_use]
    pub fn takeovers(&self) -> u64 {
        self.takeovers.load(Ordering::Acquire)
    }

    /// Asks who has which slots.
    ///
    /// # Errors
    ///
    /// If no server answers.
    pub async fn learn(&self) -> Result<(), Error> {
        let routing = RoutingInfo::SingleNode(SingleNodeRoutingInfo::RandomPrimary);
        let mut command = redis::cmd("CLUSTER");
        command.arg("SLOTS");
        let answer = self.connection.clone().route_command(command, routing).await?;
        let ranges: Vec<Vec<Value>> = redis::from_redis_value(answer).map_err(redis::RedisError::from)?;
        let mut owners = Owners::default();
        for range in ranges {
            let [first, last, primary, ..] = range.as_slice() else { continue };
            let (Ok(first), Ok(last)) =
                (redis::from_redis_value_ref(first), redis::from_redis_value_ref(last))
            else {
                continue;
            };
            let Value::Array(primary) = primary else { continue };
            // Host, port, identity.
            let id = primary.get(2).and_then(|id| redis::from_redis_value_ref(id).ok());
            owners.0.push((first..=last, id.unwrap_or_default()));
        }
        owners.0.sort_unstable_by_key(|(range, _)| *range.start());
        let mut known = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        if **known != owners {
            *known = Arc::new(owners);
            self.takeovers.fetch_add(1, Ordering::Release);
        }
        Ok(())
    }
}

/// The answers before WAIT's, if enough replicas have what was written.
fn replicated(mut answers: Vec<Value>, needed: u64) -> Result<Vec<Value>, String> {
    match answers.pop().map(redis::from_redis_value::<u64>) {
        Some(Ok(replicas)) if replicas >= needed => Ok(answers),
        Some(Ok(replicas)) => Err(format!("{replicas} of {needed} replicas have it")),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("an empty answer".to_owned()),
    }
}

/// An outcome, or why the call is to be repeated.
fn settled(answer: Value) -> Result<Outcome, String> {
    match answer {
        Value::ServerError(error) if error.code() == "OOM" => Ok(Err(Error::Full)),
        Value::ServerError(error) => Err(error.to_string()),
        answer => Ok(Ok(answer)),
    }
}
