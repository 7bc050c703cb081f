//! `GET /v1/statistics` and `GET /v1/decisions`: what was decided, for health authorities. Nobody is named.

pub(super) mod decisions;
#[cfg(feature = "parquet")]
mod parquet;
mod residents;
pub(super) mod statistics;
mod table;

use std::hash::Hasher as _;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::routing::get;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use utoipa::ToSchema;

use self::residents::Census;
use super::Shared;
use super::access::{Caller, Scope};
use super::problem::Problem;
use crate::history::ArchiveError;

/// Reports that are made at once, at most: each takes a core.
const AT_ONCE: usize = 2;
/// How long another one waits for its turn.
const TURN: Duration = Duration::from_secs(10);
/// The longest time that one report may be about.
const SPAN_MAX: SignedDuration = SignedDuration::from_hours(24 * 366);

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/statistics", get(statistics::statistics))
        .route("/v1/decisions", get(decisions::decisions))
}

/// What reports share.
#[derive(Clone)]
pub(super) struct Reports {
    room: Arc<Semaphore>,
    census: Arc<Census>,
}

impl Default for Reports {
    fn default() -> Self {
        Self { room: Arc::new(Semaphore::new(AT_ONCE)), census: Arc::default() }
    }
}

impl Reports {
    /// Waits for its turn, and makes a report where it holds nobody up.
    async fn make<T: Send + 'static>(
        &self,
        make: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = timeout(TURN, Arc::clone(&self.room).acquire_owned()).await;
        let busy = || Problem::unavailable("as many reports are being made as may be; ask again");
        let turn: OwnedSemaphorePermit = turn.map_err(|_| busy())?.map_err(|_| busy())?;
        let made = spawn_blocking(move || {
            let made = make();
            drop(turn);
            made
        });
        made.await.map_err(|_| Problem::internal())?
    }
}

/// What persons are called in reports: a keyed hash, so that nobody can be searched by trying all numbers.
#[derive(Clone)]
pub(super) struct Pseudonyms([u8; 16]);

impl Pseudonyms {
    pub(super) fn new(secret: [u8; 16]) -> Self {
        Self(secret)
    }

    fn of(&self, person: u32) -> String {
        let mut hash = SipHasher24::new_with_key(&self.0);
        hash.write_u32(person);
        format!("{:016x}", hash.finish())
    }
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Format {
    /// `application/json`.
    #[default]
    Json,
    /// `text/csv` (RFC 4180), with a line of names first.
    Csv,
    /// `application/vnd.apache.parquet`, where the gateway was built with it.
    Parquet,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }
}

/// What a health authority asks.
///
/// # Errors
/// 403 for everybody else, 422 if it is not what is described.
fn asked<T>(caller: &Caller, query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    caller.require(Scope::Health)?;
    let Query(ask) = query.map_err(|error| Problem::unusable("query", error.body_text()))?;
    Ok(ask)
}

/// The half-open range of time that a report is about.
///
/// # Errors
/// 422 if it is none, or too long.
fn range(from: Timestamp, to: Timestamp) -> Result<Range<Timestamp>, Problem> {
    if from >= to {
        return Err(Problem::unusable(
            "range",
            "`to` is the first instant behind the range: put it after `from`",
        ));
    }
    if to.duration_since(from) > SPAN_MAX {
        return Err(Problem::unusable("range", "a report is about 366 days at most"));
    }
    Ok(from..to)
}

fn no_answer(error: &ArchiveError) -> Problem {
    tracing::warn!(%error, "a report cannot be made");
    Problem::unavailable("the history is being prepared; ask again in a minute")
}
