//! Deciding alone while the cluster is away, where the regime in force says so, or `redis.away` where it does not: so many grants at
//! most, which the others are told as soon as it is back, whatever regime is in force by then.
//!
//! What is decided so rests on no reservation, so that nothing keeps another gateway from granting the same. Such grants are
//! told as replays: they stand, and what is one too many is counted.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use icaze_cluster::{Call, Confirm, Grant, Hold, Text};
use icaze_config::regime::{Away, Regimes};
use jiff::Timestamp;

use crate::pipeline::shared::{ALONE, Change};

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
    /// Something may have been decided that the others do not know.
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

    /// Whether this gateway is alone, so that the cluster is not asked. It becomes so only where the choice is `local`, and stays so
    /// until all is told.
    pub(super) fn is_alone(&self, away: Away, now: Instant) -> bool {
        let mut state = self.state();
        if away == Away::Local && !state.alone && self.is_silent(&state, now) {
            state.alone = true;
            tracing::warn!(max = self.max, "the cluster stays away: this gateway decides alone");
        }
        state.alone
    }

    /// Whether the cluster may have come back without anybody noticing.
    pub(super) fn is_to_ask(&self, now: Instant) -> bool {
        let state = self.state();
        state.alone || self.is_silent(&state, now)
    }

    /// Whether something else is to be told first.
    pub(super) fn has_untold(&self) -> bool {
        self.state().alone
    }

    fn is_silent(&self, state: &State, now: Instant) -> bool {
        state.silent_since.is_some_and(|since| now.duration_since(since) >= self.after)
    }

    /// As many reservations as there may be without the cluster, at most `count`.
    pub(super) fn holds(&self, away: Away, count: usize) -> impl Iterator<Item = Grant> {
        let count = if away == Away::Local { u32::try_from(count).unwrap_or(u32::MAX) } else { 0 };
        let mut state = self.state();
        let room = (self.max - state.granted).min(count);
        state.granted += room;
        let alone = Grant(Text::from(ALONE).unwrap_or_default());
        (0..room).map(move |_| alone)
    }

    /// Whether there may be no more grants.
    pub(super) fn is_full(&self) -> bool {
        let state = self.state();
        state.alone && state.granted >= self.max
    }

    /// Keeps what is to be told for later, if the gateway is alone, the choice is `local` and there is room; else it is to be told
    /// before anybody hears of it.
    pub(super) fn keep(&self, changes: Vec<Change>, away: Away, room: usize, now: Instant) -> Vec<Change> {
        let alone = self.is_alone(away, now);
        let mut state = self.state();
        if alone && away == Away::Local && state.untold.len() + changes.len() <= self.max as usize + room {
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
            let State { alone, granted, .. } = std::mem::take(&mut *state);
            if alone {
                tracing::info!(granted, "the cluster knows what was granted without it");
            }
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

/// Whether these changes may be acknowledged before the others know: all were granted where the choice was `local`, or the regime
/// in force at `now` says so, which then goes for what still waits from an earlier one too.
pub(super) fn choice(changes: &[Change], regimes: &Regimes, otherwise: Away, now: Timestamp) -> Away {
    let is_local = |at| regimes.without_cluster(at, otherwise) == Away::Local;
    let granted_so = |change: &Change| match change.call {
        Call::Confirm { now_ms, mode: Confirm::Live, .. } => {
            let at = i64::try_from(now_ms).ok().and_then(|at| Timestamp::from_millisecond(at).ok());
            at.is_some_and(is_local)
        }
        _ => false,
    };
    if is_local(now) || changes.iter().all(granted_so) { Away::Local } else { Away::Refuse }
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
    use std::path::PathBuf;

    use icaze_cluster::Allowance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LOCAL: Away = Away::Local;
    const REFUSE: Away = Away::Refuse;

    fn change(seq: u64, mode: Confirm, hold: &str) -> Change {
        let allowance = Allowance { person: 1, purpose: 2, day: 0, week: 0, quotas: Vec::new() };
        let name = |name| Grant(Text::from(name).unwrap());
        let (grant, hold) = (name(&format!("{seq}@1")), Hold::Named(name(hold)));
        let call =
            Call::Confirm { allowance, grant, hold, now_ms: 1, until_ms: 2, permit: Text::new(), mode };
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
    fn what_a_regime_that_refuses_decides_waits_for_the_others_and_for_what_an_earlier_one_granted_alone() {
        let (local, now) = (Local::new(SECOND, 9), Instant::now());
        local.heard(false, now);
        let later = now + SECOND * 100;
        assert!(!local.is_alone(REFUSE, later) && local.is_to_ask(later));
        assert_eq!(local.keep(vec![change(1, Confirm::Live, "reserved")], REFUSE, 9, later).len(), 1);
        assert!(!local.has_untold());

        assert!(local.is_alone(LOCAL, later), "a regime that decides locally begins");
        assert_eq!(local.holds(LOCAL, 2).count(), 2);
        assert!(local.keep(vec![change(2, Confirm::Live, ALONE)], LOCAL, 9, later).is_empty());

        assert!(local.is_alone(REFUSE, later), "its grants are not told when another begins");
        assert_eq!(local.holds(REFUSE, 2).count(), 0);
        let waiting = vec![change(3, Confirm::Live, "reserved"), change(2, Confirm::End, "")];
        let waiting = local.keep(waiting, REFUSE, 9, later);
        assert_eq!(modes(&waiting), [(3, Confirm::Live), (2, Confirm::End)]);
        assert!(local.has_untold(), "they come after what is untold");
        local.heard(true, later);
        assert_eq!(modes(&local.take(9).unwrap()), [(2, Confirm::Replay)]);
        assert!(local.has_untold(), "it may have to be given back");
        assert!(local.take(9).is_none() && !local.has_untold() && !local.is_to_ask(later));
    }

    #[test]
    fn a_commit_waits_for_the_others_only_if_neither_its_regime_nor_the_one_in_force_decides_locally() {
        let demo = include_str!("../../../config/regimes/demo/demo.toml");
        let regime = |id: &str, times: &str| {
            let text = demo.replace("id = \"demo\"", &format!("id = \"{id}\""));
            (PathBuf::from(id), text.replace("from = 2020-12-14T00:00", times))
        };
        let until =
            |first: u8| format!("from = 2021-01-0{first}T00:00\nuntil = 2021-01-0{}T00:00", first + 1);
        let regimes = Regimes::parse(&[
            regime("local", &format!("{}\nwithout_cluster = \"local\"", until(1))),
            regime("refuse", &format!("{}\nwithout_cluster = \"refuse\"", until(2))),
            regime("silent", &until(3)),
        ])
        .unwrap();
        let [local, refuse, silent] =
            [1, 2, 3].map(|day| format!("2021-01-0{day}T12:00+04:00").parse::<Timestamp>().unwrap());
        let granted = |at: Timestamp| {
            let mut change = change(1, Confirm::Live, "reserved");
            let Call::Confirm { now_ms, .. } = &mut change.call else { panic!("{change:?}") };
            *now_ms = at.as_millisecond().try_into().unwrap();
            change
        };
        let chosen = |changes: &[Change], now| choice(changes, &regimes, REFUSE, now);
        assert_eq!(chosen(&[granted(local)], local), LOCAL);
        assert_eq!(chosen(&[granted(local)], refuse), LOCAL, "granted under that choice");
        assert_eq!(chosen(&[granted(refuse)], refuse), REFUSE);
        assert_eq!(chosen(&[granted(local), granted(refuse)], refuse), REFUSE);
        assert_eq!(chosen(&[granted(local), change(2, Confirm::End, "")], refuse), REFUSE, "a revocation");
        assert_eq!(chosen(&[granted(refuse)], local), LOCAL, "it has waited for long enough");
        assert_eq!(chosen(&[granted(silent)], silent), REFUSE);
        assert_eq!(choice(&[granted(silent)], &regimes, LOCAL, silent), LOCAL, "as redis.away says");
    }

    #[test]
    fn a_gateway_is_alone_once_nobody_has_answered_for_a_while_and_until_all_is_told() {
        let (local, now) = (Local::new(SECOND * 5, 3), Instant::now());
        local.heard(false, now);
        local.heard(false, now + SECOND * 4);
        assert!(!local.is_alone(LOCAL, now + SECOND * 4));
        local.heard(true, now + SECOND * 4);
        local.heard(false, now + SECOND * 5);
        assert!(!local.is_alone(LOCAL, now + SECOND * 9), "somebody answered meanwhile");
        assert!(local.is_alone(LOCAL, now + SECOND * 10));
        assert_eq!((local.holds(LOCAL, 2).count(), local.is_full()), (2, false));
        assert_eq!((local.holds(LOCAL, 2).count(), local.is_full()), (1, true), "no more than that");

        let decided = vec![change(1, Confirm::Live, "reserved"), change(2, Confirm::End, "")];
        assert!(local.keep(decided, LOCAL, 0, now).is_empty());
        let more = vec![change(3, Confirm::Live, ALONE), change(4, Confirm::Live, ALONE)];
        assert_eq!(local.keep(more, LOCAL, 0, now).len(), 2, "memory is bounded");
        local.heard(true, now + SECOND * 11);
        assert!(local.is_alone(LOCAL, now + SECOND * 11), "the others do not know yet");
        let told = local.take(9).unwrap();
        assert_eq!(modes(&told), [(1, Confirm::Replay), (2, Confirm::End)], "what was acknowledged stands");
        local.put_back(told);
        assert_eq!(modes(&local.take(1).unwrap()), [(1, Confirm::Replay)]);
        assert_eq!(local.take(1).unwrap().len(), 1);
        assert!(local.take(1).is_none());
        assert!(!local.is_alone(LOCAL, now + SECOND * 11) && !local.is_full());
        let late = vec![change(5, Confirm::Live, ALONE), change(6, Confirm::Live, "reserved")];
        assert_eq!(modes(&local.keep(late, LOCAL, 0, now)), [(5, Confirm::Replay), (6, Confirm::Live)]);
        assert_eq!(local.holds(LOCAL, 3).count(), 3, "the bound is of one absence");
    }
}
