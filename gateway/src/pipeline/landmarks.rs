//! From where on the ledger has all that memory holds, but for the allowances.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// How far apart landmarks are, at least: in time, or in entries.
const APART: SignedDuration = SignedDuration::from_mins(1);
const ENTRIES: u64 = 100_000;

/// A place in the ledger that a start can begin to read at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Landmark {
    /// The first entry behind it.
    pub(super) seq: u64,
    /// The operators of whom a bind receives there.
    pub(super) receivers: Vec<String>,
}

/// Landmarks of the last hours, oldest first.
///
/// There is always one: the place where this run began to read.
#[derive(Debug)]
pub(super) struct Landmarks {
    places: VecDeque<(Timestamp, Landmark)>,
}

impl Landmarks {
    /// Those of a run that reads the ledger from `first` on.
    #[must_use]
    pub(super) fn new(first: Landmark) -> Self {
        Self { places: [(Timestamp::MIN, first)].into() }
    }

    /// Whether it is time for one more at `now`, before entry `seq`.
    #[must_use]
    pub(super) fn is_due(&self, now: Timestamp, seq: u64) -> bool {
        self.places
            .back()
            .is_none_or(|(at, place)| seq > place.seq && (now >= *at + APART || seq >= place.seq + ENTRIES))
    }

    /// Remembers a landmark.
    pub(super) fn push(&mut self, now: Timestamp, landmark: Landmark) {
        self.places.push_back((now, landmark));
    }

    /// The newest landmark whose time and entry `suit`, as all older ones do, or the oldest. Forgets those before it.
    pub(super) fn choose(&mut self, suits: impl Fn(Timestamp, u64) -> bool) -> Option<&Landmark> {
        while self.places.get(1).is_some_and(|(at, place)| suits(*at, place.seq)) {
            self.places.pop_front();
        }
        self.places.front().map(|(_, place)| place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_607_940_000 + minutes * 60).unwrap()
    }

    fn place(seq: u64) -> Landmark {
        Landmark { seq, receivers: Vec::new() }
    }

    #[test]
    fn the_newest_that_is_early_enough_is_chosen_and_stays() {
        let mut landmarks = Landmarks::new(place(1));
        assert_eq!(landmarks.choose(|_, _| true), Some(&place(1)));
        for minute in 0..10 {
            assert!(landmarks.is_due(at(minute), minute as u64 * 100 + 2));
            landmarks.push(at(minute), place(minute as u64 * 100 + 2));
        }
        assert!(!landmarks.is_due(at(9), 2000), "too soon");
        assert!(!landmarks.is_due(at(20), 902), "nothing has happened since");
        assert!(landmarks.is_due(at(9), 902 + ENTRIES), "soon, but much has happened");
        assert_eq!(landmarks.choose(|_, _| false), Some(&place(1)));
        assert_eq!(landmarks.choose(|then, seq| then <= at(5) && seq <= 399), Some(&place(302)));
        assert_eq!(landmarks.choose(|then, _| then <= at(5)), Some(&place(502)));
        assert_eq!(landmarks.choose(|_, _| false), Some(&place(502)), "what is forgotten is forgotten");
    }
}
