//! `GET /v1/events`: live counts, one event a second, as server-sent events (HTML Living Standard, 9.2).

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, Sse};
use futures_util::{Stream, stream};
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval};
use utoipa::ToSchema;

use super::Shared;
use super::access::{Caller, Scope};
use super::openapi::Refused;
use super::problem::Problem;
use crate::clock::Now;
use crate::gateway::Gateway;

const PERIOD: Duration = Duration::from_secs(1);
/// Streams that are open at once, at most.
const STREAMS_MAX: usize = 64;

/// The room for streams.
#[derive(Clone)]
pub(super) struct Streams(Arc<Semaphore>);

impl Default for Streams {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(STREAMS_MAX)))
    }
}

/// What the gateway has done since it started, and what waits.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Counts {
    /// When they were read.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Decisions by their outcome; one that has not come up is not named.
    #[schema(value_type = BTreeMap<String, u64>)]
    decisions: BTreeMap<&'static str, u64>,
    /// Permits that have not ended.
    permits: usize,
    /// Replies that no bind has taken yet.
    waiting: usize,
    /// How long the oldest of them has waited, in seconds.
    oldest_waiting_s: i64,
}

impl Counts {
    fn read(gateway: &Gateway, now: Now) -> Self {
        let pipeline = gateway.pipeline();
        let mut decisions = BTreeMap::new();
        for (outcome, _, _, count) in pipeline.stats().decisions() {
            *decisions.entry(outcome.name()).or_default() += count;
        }
        let outbox = pipeline.outbox();
        let operators = (0_u16..).zip(pipeline.operators());
        Self {
            at: now.wall,
            decisions,
            permits: pipeline.permits().standing_count(),
            waiting: operators.map(|(operator, _)| outbox.waiting(operator)).sum(),
            oldest_waiting_s: outbox.oldest(now.wall).as_secs(),
        }
    }
}

/// Live counts, one event a second.
///
/// Scope health. Server-sent events called `counts`, each with a `Counts` as its data, until the caller leaves or the gateway ends.
#[utoipa::path(get, path = "/v1/events", tag = "counts",
    responses((status = 200, description = "The stream", content_type = "text/event-stream", body = String), Refused))]
pub(super) async fn events(
    State(shared): State<Shared>,
    caller: Caller,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    caller.require(Scope::Health)?;
    let full = |_| Problem::unavailable("as many streams are open as may be; close one, and ask again");
    let room = Arc::clone(&shared.streams.0).try_acquire_owned().map_err(full)?;
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let counted = stream::unfold((ticks, shared.gateway, room), |(mut ticks, gateway, room)| async {
        ticks.tick().await;
        let counts = Counts::read(&gateway, Now::read());
        let event = Event::default().event("counts").json_data(&counts);
        // Numbers under names: they have a form in JSON.
        Some((Ok(event.unwrap_or_default()), (ticks, gateway, room)))
    });
    Ok(Sse::new(counted))
}
