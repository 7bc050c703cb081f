//! Replies that the operator did not take at once: what was tried, and when they go again.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// How long a reply that was put off is left alone. One that is put off for ever, as for a subscriber whose own queue is full,
/// costs the others one send and one halving of the pace in this time.
pub(super) const PUT_OFF: Duration = Duration::from_secs(5);
/// How often a reply that the operator fails to take is tried.
pub(super) const FAILED_MAX: u8 = 5;
/// How long a reply waits for another bind than the one that it should not go by.
const ANOTHER: Duration = Duration::from_secs(1);
/// How many of those that are due first are looked at for one that this bind may take.
const LOOK: usize = 16;

/// What was tried with one reply. Those that are taken at the first try have none.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tries {
    /// Copies without a response in time, and those of them that were refused for good.
    pub(super) unanswered: u8,
    pub(super) refused: u8,
    /// How often the operator failed to take it, or said that the bind is none.
    pub(super) failed: u8,
    /// The bind that it should not go by, if there is another.
    pub(super) avoided: Option<u32>,
    /// When it goes again, and as what.
    waits: Option<(Instant, Again)>,
}

/// As what a reply goes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// The operator said that it does not have it.
    Try,
    /// The operator said nothing: the phone may get it twice.
    Copy,
}

/// The replies of one operator that go again, by when they are due.
#[derive(Debug, Default)]
pub(super) struct Later {
    tries: BTreeSet<(Instant, u64)>,
    copies: BTreeSet<(Instant, u64)>,
}

/// The replies of all operators that were tried and have not ended.
pub(super) type Tried = HashMap<u64, Tries>;

impl Tries {
    /// Whether the operator may have it, though it has not said so.
    pub(super) const fn is_open(&self) -> bool {
        self.unanswered > self.refused
    }

    /// When the next copy is due, once one was not answered within `response`: 1, 4, 16 times that after it was sent.
    pub(super) fn next_copy(&self, response: Duration, now: Instant) -> Instant {
        let times = 4_u32.saturating_pow(u32::from(self.unanswered.saturating_sub(1)));
        now + response * (times - 1)
    }

    /// When it is tried again after the operator failed to take it.
    pub(super) fn next_try(&self, now: Instant) -> Instant {
        now + PUT_OFF * 2_u32.saturating_pow(u32::from(self.failed.saturating_sub(1)))
    }

    /// When it is tried again after the operator said that the bind is none: by another one at once,
    /// then ever more rarely, because the reply itself may be what it does not like.
    pub(super) fn next_bind(&self, now: Instant) -> Instant {
        if self.failed <= 1 { now } else { Self { failed: self.failed - 1, ..*self }.next_try(now) }
    }
}

impl Later {
    fn of(&mut self, again: Again) -> &mut BTreeSet<(Instant, u64)> {
        match again {
            Again::Try => &mut self.tries,
            Again::Copy => &mut self.copies,
        }
    }

    /// Reply `seq` goes again at `due`.
    pub(super) fn push(&mut self, seq: u64, tries: &mut Tries, due: Instant, again: Again) {
        tries.waits = Some((due, again));
        self.of(again).insert((due, seq));
    }

    /// Reply `seq` waits no longer; as what it waited, if it did.
    pub(super) fn remove(&mut self, seq: u64, tries: &mut Tries) -> Option<Again> {
        let (due, again) = tries.waits.take()?;
        self.of(again).remove(&(due, seq));
        Some(again)
    }

    /// When the next one is due for a bind, and which; `avoiding`: the bind's number where the operator has others.
    pub(super) fn next(&self, tried: &Tried, avoiding: Option<u32>, copies: bool) -> Option<(Instant, u64)> {
        let copies = copies.then(|| self.copies.iter().take(LOOK)).into_iter().flatten();
        let due = self.tries.iter().take(LOOK).chain(copies).map(|&(due, seq)| {
            let avoided =
                avoiding.is_some() && tried.get(&seq).is_some_and(|tries| tries.avoided == avoiding);
            (if avoided { due + ANOTHER } else { due }, seq)
        });
        due.min()
    }

    /// How many wait as copies.
    pub(super) fn copies(&self) -> usize {
        self.copies.len()
    }

    /// All that wait.
    pub(super) fn iter(&self) -> impl Iterator<Item = u64> {
        self.tries.iter().chain(&self.copies).map(|&(_, seq)| seq)
    }
}
