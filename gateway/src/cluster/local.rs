//! Deciding alone while the cluster is away, where `redis.away` says so: so many grants at most, which the others are told as soon as
//! it is back.
//!
//! What is decided so rests on no reservation, so that nothing keeps another gateway from granting the same. Such grants are
//! told as replays: they stand, and what is one too many is counted.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use icaze_cluster::{Call, Confirm, Grant, Hold};

use crate::pipeline::shared::Change;

/// The name of a reservation that nobody has made.
const ALONE: &str = "alone";

/// What is done without the others.
pub(super) struct Local {
    /// The cluster must have been away for so long.
    after: Duration,
    /// Grants until it is back, at most.
    max: u32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Since when nobody has answered.
    silent_since: Option<Instant>,
    alone: bool,
    granted: u32,
    /// What the others have to be told, in its order.
    untold: Vec<Change>,
}

impl Local {
    pub(super) fn new(after: Duration, max: u32) -> Self {
        Self { after, max, state: Mutex::default() }
    }

    /// Takes note of whether anybody answered.
    pub(super) fn heard(&self, anybody: bool, now: Instant) {
        let mut state = self.state();
        if anybody {
            state.silent_since = None;
        } else {
            state.silent_since.get_or_insert(now);
        }
    }

    /// Whether this gateway decides alone now.
    pub(super) fn is_alone(&self, now: Instant) -> bool {
        let mut state = self.state();
        let silent = state.silent_since.is_some_and(|since| now.duration_since(since) >= self.after);
        if silent && !state.alone {
            state.alone = true;
            tracing::warn!(max = self.max, "the cluster stays away: permits are granted without it");
        }
        state.alone
    }

    /// As many reservations as there may be without the cluster, at most `count`.
    pub(super) fn holds(&self, count: usize) -> impl Iterator<Item = Grant> {
        let mut state = self.state();
        let room = (self.max - state.granted).min(u32::try_from(count).unwrap_or(u32::MAX));
        state.granted += room;
        (0..room).map(|_| Grant(ALONE.to_owned()))
    }

    /// Whether there may be no more grants.
    pub(super) fn is_full(&self) -> bool {
        let state = self.state();
        state.alone && state.granted >= self.max
    }

    /// Keeps what is to be told for later, if the gateway is alone and there is room; else it is to be told now.
    pub(super) fn keep(&self, changes: Vec<Change>, room: usize, now: Instant) -> Vec<Change> {
        let alone = self.is_alone(now);
        let mut state = self.state();
        if alone && state.untold.len() + changes.len() <= self.max as usize + room {
            state.untold.extend(changes.into_iter().map(replayed));
            return Vec::new();
        }
        let own = |change: Change| if is_own(&change.call) { replayed(change) } else { change };
        changes.into_iter().map(own).collect()
    }

    /// Takes `count` of what is untold, at most. If there is nothing the gateway is alone no longer.
    pub(super) fn take(&self, count: usize) -> Option<Vec<Change>> {
        let mut state = self.state();
        if state.untold.is_empty() {
            let granted = state.granted;
            *state = State::default();
            tracing::info!(granted, "the cluster knows what was granted without it");
            return None;
        }
        let count = count.min(state.untold.len());
        Some(state.untold.drain(..count).collect())
    }

    /// Gives back what could not be told.
    pub(super) fn put_back(&self, left: Vec<Change>) {
        self.state().untold.splice(0..0, left);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a grant rests on no reservation.
fn is_own(call: &Call) -> bool {
    matches!(call, Call::Confirm { hold: Hold::Named(Grant(name)), .. } if name == ALONE)
}

/// What is acknowledged before the others know stands, whatever they say.
fn replayed(Change { seq, call }: Change) -> Change {
    let live = matches!(call, Call::Confirm { mode: Confirm::Live, .. });
    Change { seq, call: if live { call.replayed() } else { call } }
}

#[cfg(test)]
mod tests {
    use icaze_cluster::Allowance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn change(seq: u64, mode: Confirm, hold: &str) -> Change {
        let allowance = Allowance { person: 1, purpose: 2, day: 0, week: 0, quotas: Vec::new() };
        let (grant, hold) = (Grant(format!("{seq}@1")), Hold::Named(Grant(hold.to_owned())));
        let call =
            Call::Confirm { allowance, grant, hold, now_ms: 1, until_ms: 2, permit: String::new(), mode };
        Change { seq, call }
    }

    fn modes(changes: &[Change]) -> Vec<(u64, Confirm)> {
        let mode = |change: &Change| match change.call {
            Call::Confirm { mode, .. } => (change.seq, mode),
            _ => panic!("{change:?}"),
        };
        changes.iter().map(mode).collect()
    }

    #[test]
    fn a_gateway_is_alone_once_nobody_has_answered_for_a_while_and_until_all_is_told() {
        let (local, now) = (Local::new(SECOND * 5, 3), Instant::now());
        local.heard(false, now);
        local.heard(false, now + SECOND * 4);
        assert!(!local.is_alone(now + SECOND * 4));
        local.heard(true, now + SECOND * 4);
        local.heard(false, now + SECOND * 5);
        assert!(!local.is_alone(now + SECOND * 9), "somebody answered meanwhile");
        assert!(local.is_alone(now + SECOND * 10));
        assert_eq!((local.holds(2).count(), local.is_full()), (2, false));
        assert_eq!((local.holds(2).count(), local.is_full()), (1, true), "no more than that");

        let decided = vec![change(1, Confirm::Live, "reserved"), change(2, Confirm::End, "")];
        assert!(local.keep(decided, 0, now).is_empty());
        let more = vec![change(3, Confirm::Live, ALONE), change(4, Confirm::Live, ALONE)];
        assert_eq!(local.keep(more, 0, now).len(), 2, "memory is bounded");
        local.heard(true, now + SECOND * 11);
        assert!(local.is_alone(now + SECOND * 11), "the others do not know yet");
        let told = local.take(9).unwrap();
        assert_eq!(modes(&told), [(1, Confirm::Replay), (2, Confirm::End)], "what was acknowledged stands");
        local.put_back(told);
        assert_eq!(modes(&local.take(1).unwrap()), [(1, Confirm::Replay)]);
        assert_eq!(local.take(1).unwrap().len(), 1);
        assert!(local.take(1).is_none());
        assert!(!local.is_alone(now + SECOND * 11) && !local.is_full());
        let late = vec![change(5, Confirm::Live, ALONE), change(6, Confirm::Live, "reserved")];
        assert_eq!(modes(&local.keep(late, 0, now)), [(5, Confirm::Replay), (6, Confirm::Live)]);
        assert_eq!(local.holds(3).count(), 3, "the bound is of one absence");
    }
}
