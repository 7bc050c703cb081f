//! Which request is the same request: identities remembered for a while.

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

#[derive(Debug, Clone, Copy)]
struct Seen {
    seq: u64,
    /// From here on the stored decision would no longer be an answer: what was refused until midnight.
    fresh_until: Timestamp,
}

/// The requests of the last `window`, by identity.
///
/// More than `max` of them shorten the window: a redelivery beyond it is a new request, which the standing permit
/// makes harmless.
#[derive(Debug)]
pub struct Requests {
    seen: HashMap<u128, Seen>,
    order: VecDeque<(Timestamp, u128, u64)>,
    window: SignedDuration,
    max: usize,
}

impl Requests {
    /// Remembers nothing yet.
    #[must_use]
    pub fn new(window: SignedDuration, max: usize) -> Self {
        Self { seen: HashMap::new(), order: VecDeque::new(), window, max }
    }

    /// The ledger entry of the same request, if it is remembered and its decision still an answer.
    #[must_use]
    pub fn find(&self, identity: u128, now: Timestamp) -> Option<u64> {
        let seen = self.seen.get(&identity)?;
        (now < seen.fresh_until).then_some(seen.seq)
    }

    /// Remembers a request that was decided at `at`; its decision is an answer until `fresh_until` at the latest.
    pub fn insert(&mut self, identity: u128, seq: u64, at: Timestamp, fresh_until: Timestamp) {
        self.seen.insert(identity, Seen { seq, fresh_until: fresh_until.min(at + self.window) });
        self.order.push_back((at + self.window, identity, seq));
    }

    /// Forgets the next request whose time has passed, and returns its ledger entry.
    pub fn forget(&mut self, now: Timestamp) -> Option<u64> {
        let &(until, identity, seq) = self.order.front()?;
        if until > now && self.order.len() <= self.max {
            return None;
        }
        self.order.pop_front();
        if self.seen.get(&identity).is_some_and(|seen| seen.seq == seq) {
            self.seen.remove(&identity);
        }
        Some(seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_607_940_000 + seconds).unwrap()
    }

    #[test]
    fn remembered_for_the_window_and_no_longer() {
        let mut requests = Requests::new(SignedDuration::from_secs(600), 10);
        requests.insert(7, 1, at(0), Timestamp::MAX);
        assert_eq!(requests.find(7, at(599)), Some(1));
        assert_eq!(requests.find(7, at(600)), None);
        assert_eq!(requests.forget(at(599)), None);
        assert_eq!(requests.forget(at(600)), Some(1));
        assert_eq!(requests.forget(at(600)), None);
    }

    #[test]
    fn a_refusal_until_midnight_is_no_answer_after_it() {
        let mut requests = Requests::new(SignedDuration::from_secs(600), 10);
        requests.insert(7, 1, at(0), at(5));
        assert_eq!(requests.find(7, at(4)), Some(1));
        assert_eq!(requests.find(7, at(5)), None);
        requests.insert(7, 2, at(5), Timestamp::MAX);
        assert_eq!(requests.forget(at(600)), Some(1));
        assert_eq!(requests.find(7, at(604)), Some(2), "forgetting the first leaves the second");
    }

    #[test]
    fn memory_is_bounded() {
        let mut requests = Requests::new(SignedDuration::from_secs(600), 10);
        for n in 0..20 {
            requests.insert(n, n as u64, at(0), Timestamp::MAX);
            while requests.forget(at(0)).is_some() {}
        }
        assert_eq!(requests.seen.len(), 10);
        assert_eq!(requests.find(9, at(1)), None);
        assert_eq!(requests.find(10, at(1)), Some(10));
    }
}
