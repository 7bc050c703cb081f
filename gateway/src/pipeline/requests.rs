//! Which request is the same request: identities remembered for a while.

use std::io;

use jiff::{SignedDuration, Timestamp};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::generation::{Generation, Record};

/// The requests of the last `window`, by identity, in two generations: the younger one becomes the older one when `window`
/// has passed since it began, or when it is full.
///
/// More than `max` of them so shorten the window: a redelivery beyond it is a new request, which the standing permit
/// makes harmless.
#[derive(Debug)]
pub struct Requests {
    young: Generation<Seen>,
    old: Generation<Seen>,
    /// When the young ones become the old ones.
    turn: Timestamp,
    /// The entries that the young ones and the old ones begin with.
    young_from: u64,
    old_from: u64,
    window: SignedDuration,
}

#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Seen {
    identity: [u64; 2],
    seq: u64,
    /// From this second on the stored decision would no longer be an answer: what was refused until midnight.
    fresh_until: u32,
    stamp: u32,
}

impl Record for Seen {
    type Key = [u64; 2];

    fn key(&self) -> [u64; 2] {
        self.identity
    }

    fn stamp(&self) -> u32 {
        self.stamp
    }

    fn set_stamp(&mut self, stamp: u32) {
        self.stamp = stamp;
    }
}

impl Requests {
    /// Remembers nothing yet. 64 bytes for each of `max` requests are set aside, and taken as they come.
    ///
    /// # Errors
    /// If the system has no address space for them.
    pub fn new(window: SignedDuration, max: usize) -> io::Result<Self> {
        let generation = || Generation::new(max / 2);
        Ok(Self {
            young: generation()?,
            old: generation()?,
            turn: Timestamp::MIN,
            young_from: 0,
            old_from: 0,
            window,
        })
    }

    /// The ledger entry of the same request, if it is remembered and its decision still an answer.
    #[must_use]
    pub fn find(&self, identity: u128, now: Timestamp) -> Option<u64> {
        let identity = halves(identity);
        let seen = self.young.get(identity).or_else(|| self.old.get(identity))?;
        (now.as_second() < i64::from(seen.fresh_until)).then_some(seen.seq)
    }

    /// Remembers a request that was decided at `at`; its decision is an answer until `fresh_until` at the latest, to the next
    /// whole second. Entries come in their order. Returns the first entry that is still remembered, if older ones were forgotten.
    pub fn insert(&mut self, identity: u128, seq: u64, at: Timestamp, fresh_until: Timestamp) -> Option<u64> {
        let forgotten = self.turn_over(seq, at);
        let identity = halves(identity);
        let fresh_until = whole_seconds(fresh_until.min(at + self.window));
        let seen = Seen { identity, seq, fresh_until, stamp: 0 };
        if let Some(slot) = self.young.get_or_insert(identity, || seen) {
            *slot = Seen { stamp: slot.stamp, ..seen };
        }
        forgotten
    }

    /// Every request of this entry and those after it is remembered.
    #[must_use]
    pub fn from(&self) -> u64 {
        self.old_from
    }

    /// Takes all the memory that was set aside.
    pub fn populate(&self) {
        self.young.populate();
        self.old.populate();
    }

    /// Fetches what [`find`](Self::find) will read. What is returned is of no use but to be used.
    #[must_use]
    pub fn touch(&self, identity: u128) -> u32 {
        let identity = halves(identity);
        self.young.touch(identity) ^ self.old.touch(identity)
    }

    fn turn_over(&mut self, seq: u64, at: Timestamp) -> Option<u64> {
        if at < self.turn && !self.young.is_full() {
            return None;
        }
        self.turn = at + self.window;
        std::mem::swap(&mut self.young, &mut self.old);
        self.young.clear();
        self.old_from = std::mem::replace(&mut self.young_from, seq);
        Some(self.old_from)
    }
}

/// The first whole second that is not before `at`.
fn whole_seconds(at: Timestamp) -> u32 {
    let seconds = at.as_second() + i64::from(at.subsec_nanosecond() > 0);
    u32::try_from(seconds.max(0)).unwrap_or(u32::MAX)
}

fn halves(identity: u128) -> [u64; 2] {
    [(identity >> 64) as u64, identity as u64]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_607_940_000 + seconds).unwrap()
    }

    fn requests() -> Requests {
        Requests::new(SignedDuration::from_secs(600), 10).unwrap()
    }

    #[test]
    fn remembered_for_the_window_and_no_longer() {
        let mut requests = requests();
        requests.insert(6, 1, at(0), Timestamp::MAX);
        requests.insert(7, 2, at(599), Timestamp::MAX);
        assert_eq!(
            requests.insert(8, 3, at(600), Timestamp::MAX),
            Some(1),
            "entries from 1 on are remembered"
        );
        assert_eq!(requests.find(6, at(599)), Some(1));
        assert_eq!(requests.find(6, at(600)), None);
        assert_eq!(requests.find(7, at(1198)), Some(2));
        assert_eq!(requests.insert(9, 4, at(1200), Timestamp::MAX), Some(3));
        assert_eq!((requests.find(7, at(1198)), requests.find(8, at(1199))), (None, Some(3)));
    }

    #[test]
    fn a_refusal_until_midnight_is_no_answer_after_it() {
        let mut requests = requests();
        requests.insert(7, 1, at(0), at(5));
        assert_eq!(requests.find(7, at(4)), Some(1));
        assert_eq!(requests.find(7, at(5)), None);
        requests.insert(7, 2, at(5), Timestamp::MAX);
        assert_eq!(requests.find(7, at(604)), Some(2), "the later decision is the answer");
    }

    #[test]
    fn memory_is_bounded() {
        let mut requests = requests();
        for n in 0..20 {
            requests.insert(n, n as u64 + 1, at(0), Timestamp::MAX);
        }
        assert!(requests.young.len() + requests.old.len() <= 10);
        assert_eq!(requests.find(9, at(1)), None);
        assert_eq!(requests.find(10, at(1)), Some(11));
    }
}
