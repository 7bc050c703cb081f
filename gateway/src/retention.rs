//! The thread that destroys personal data when it is due: kind by kind the keys of the ledger's segments, at last the segments.

use std::time::Duration;

use icaze_config::gateway::Retention;
use icaze_store::ledger::retention::{Kind, SegmentAge, destroy, remove_oldest, survey};
use icaze_store::ledger::{FileStorage, ReadError};
use jiff::{SignedDuration, Timestamp};

use crate::clock::Now;
use crate::gateway::Gateway;
use crate::waiter::Waiter;

/// How often it is looked whether something is due, unless texts live for less than four times that.
const POLL: Duration = Duration::from_secs(60);

/// The kinds of data that have a time to live, with their names in the report and in metrics.
pub const KINDS: [(Subject, &str); 3] =
    [(Subject::Texts, "texts"), (Subject::People, "people"), (Subject::Records, "records")];

/// What is destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// What was texted, where it could not be read.
    Texts,
    /// Who asked, for whom, and what they were answered.
    People,
    /// What is left of a decision.
    Records,
}

impl Subject {
    /// How long it may stay.
    #[must_use]
    pub fn limit(self, retention: &Retention) -> Duration {
        match self {
            Self::Texts => retention.texts,
            Self::People => retention.people,
            Self::Records => retention.records,
        }
    }

    /// Whether a segment has some.
    fn is_in(self, age: &SegmentAge) -> bool {
        match self {
            Self::Texts => age.text,
            Self::People => age.person,
            Self::Records => true,
        }
    }

    /// Since when the oldest of it is there, and in how many segments it is.
    #[must_use]
    pub fn left(self, ages: &[SegmentAge]) -> (Option<Timestamp>, usize) {
        let with = || ages.iter().filter(|age| self.is_in(age));
        (with().filter_map(|age| age.began).min(), with().count())
    }
}

/// After how long the ledger begins a new segment, so that texts can be destroyed in time.
#[must_use]
pub fn segment_span(retention: &Retention) -> Duration {
    retention.texts / 2
}

/// What is due of one segment.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    Destroy(u64, Vec<Kind>),
    RemoveOldest,
}

/// What is due at `now`, in the order in which it is to be done. What is written to is left alone.
fn due(ages: &[SegmentAge], retention: &Retention, now: Timestamp) -> Vec<Due> {
    let is_old = |age: &SegmentAge, subject: Subject| {
        let limit = SignedDuration::try_from(subject.limit(retention)).unwrap_or(SignedDuration::MAX);
        // One without records has nothing to wait for.
        age.began.is_none_or(|began| now.duration_since(began) >= limit)
    };
    let mut steps = Vec::new();
    let closed = || ages.iter().filter(|age| age.closed.is_some());
    for age in closed() {
        let kinds = [(Subject::Texts, Kind::Text), (Subject::People, Kind::Person)];
        let kinds = kinds.into_iter().filter(|(subject, _)| subject.is_in(age) && is_old(age, *subject));
        let kinds: Vec<Kind> = kinds.map(|(_, kind)| kind).collect();
        if !kinds.is_empty() {
            steps.push(Due::Destroy(age.number, kinds));
        }
    }
    // The oldest go first, and none before one that stays.
    let gone = closed().take_while(|age| is_old(age, Subject::Records));
    steps.extend(gone.map(|_| Due::RemoveOldest));
    steps
}

/// What the thread works with.
pub struct Keeper {
    storage: FileStorage,
    limits: Retention,
    waiter: Waiter,
}

impl Keeper {
    /// Looks after the gateway's own store.
    ///
    /// # Errors
    /// If the system has no more timers.
    pub fn new(storage: FileStorage, limits: Retention) -> std::io::Result<Self> {
        Ok(Self { storage, limits, waiter: Waiter::new()? })
    }

    /// Destroys what is due until the gateway stops. A failure is said and tried again.
    pub fn run(&self, gateway: &Gateway) {
        let poll = POLL.min(self.limits.texts / 4);
        loop {
            // What is destroyed by a wrong clock does not come back.
            if gateway.pipeline().clock_is_sound()
                && let Err(error) = self.step(gateway, Now::read().wall)
            {
                tracing::error!(%error, "personal data that is due could not be destroyed; tried again");
            }
            if self.waiter.stopped_within(gateway, poll) {
                return;
            }
        }
    }

    fn step(&self, gateway: &Gateway, now: Timestamp) -> Result<(), ReadError> {
        let mut ages = survey(&self.storage)?;
        let steps = due(&ages, &self.limits, now);
        for step in &steps {
            let _segments = gateway.history.segments_change();
            match step {
                Due::Destroy(number, kinds) => {
                    destroy(&self.storage, *number, kinds)?;
                    tracing::info!(segment = number, ?kinds, "personal data destroyed");
                }
                Due::RemoveOldest => {
                    remove_oldest(&self.storage)?;
                    tracing::info!("the oldest segment removed");
                }
            }
        }
        if !steps.is_empty() {
            ages = survey(&self.storage)?;
        }
        let known = ages.iter().find(|age| age.person).map_or(0, |age| age.first_seq);
        gateway.history.retain(known, ages.first().map_or(0, |age| age.first_seq));
        for (subject, name) in KINDS {
            let age = subject.left(&ages).0.map_or(0.0, |began| now.duration_since(began).as_secs_f64());
            gateway.telemetry.retained(name, age, subject.limit(&self.limits));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Retention = Retention {
        texts: Duration::from_secs(3600),
        people: Duration::from_secs(90 * 86_400),
        records: Duration::from_secs(730 * 86_400),
    };

    fn at(hours: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
    }

    fn segment(number: u64, hours: i64, left: (bool, bool)) -> SegmentAge {
        let (person, text) = left;
        let (began, closed) = (Some(at(hours)), Some(number + 1));
        SegmentAge { number, first_seq: number, began, closed, person, text }
    }

    #[test]
    fn each_kind_is_destroyed_when_it_is_due_and_not_before() {
        let day = 24;
        let ages = [
            segment(1, 0, (false, false)),
            segment(2, day, (true, false)),
            segment(3, 700 * day, (true, true)),
            segment(4, 730 * day, (true, true)),
        ];
        let due_at = |hours| due(&ages, &LIMITS, at(hours));
        assert_eq!(
            due_at(730 * day),
            [Due::Destroy(2, vec![Kind::Person]), Due::Destroy(3, vec![Kind::Text]), Due::RemoveOldest]
        );
        assert_eq!(due_at(730 * day + 1)[2..], [Due::Destroy(4, vec![Kind::Text]), Due::RemoveOldest]);
        assert_eq!(due_at(91 * day - 1), [], "an hour before");
        assert_eq!(due_at(91 * day), [Due::Destroy(2, vec![Kind::Person])]);
    }

    #[test]
    fn what_is_written_to_stays_and_so_does_what_lies_behind_something_younger() {
        let open = SegmentAge { closed: None, ..segment(1, 0, (true, true)) };
        assert_eq!(due(&[open], &LIMITS, at(1_000_000)), []);
        let empty = SegmentAge { began: None, ..segment(2, 0, (true, true)) };
        let ages = [segment(1, 1_000_000, (true, true)), empty, open];
        assert_eq!(due(&ages, &LIMITS, at(1_000_000)), [Due::Destroy(2, vec![Kind::Text, Kind::Person])]);
    }

    #[test]
    fn what_is_left_is_told_by_its_oldest() {
        let ages = [segment(1, 0, (false, false)), segment(2, 5, (true, false)), segment(3, 7, (true, true))];
        let left = |subject: Subject| subject.left(&ages);
        assert_eq!(left(Subject::Texts), (Some(at(7)), 1));
        assert_eq!(left(Subject::People), (Some(at(5)), 2));
        assert_eq!(left(Subject::Records), (Some(at(0)), 3));
        assert_eq!(Subject::Texts.left(&[]), (None, 0));
    }
}
