//! What happened lately, for people: the same thing again counts, and only so many different things are kept.

use jiff::Timestamp;

/// The last different things that happened, the latest last.
#[derive(Debug)]
pub struct Recent<T> {
    seen: Vec<Seen<T>>,
    max: usize,
    forgotten: u64,
}

/// One thing, and when and how often it happened.
#[derive(Debug, Clone)]
pub struct Seen<T> {
    /// What.
    pub what: T,
    /// The first time.
    pub first: Timestamp,
    /// The latest time.
    pub last: Timestamp,
    /// How often.
    pub count: u64,
}

impl<T: PartialEq> Recent<T> {
    /// Nothing yet, and never more than `max` different things.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { seen: Vec::new(), max, forgotten: 0 }
    }

    /// It happened `count` times.
    pub fn note(&mut self, what: T, count: u64, now: Timestamp) {
        let found = self.seen.iter().position(|seen| seen.what == what);
        let before = found.map(|index| self.seen.remove(index));
        if before.is_none() && self.seen.len() >= self.max {
            self.forgotten += self.seen.remove(0).count;
        }
        let (first, earlier) = before.map_or((now, 0), |seen| (seen.first, seen.count));
        self.seen.push(Seen { what, first, last: now, count: earlier + count });
    }

    /// What is kept, the latest last.
    #[must_use]
    pub fn as_slice(&self) -> &[Seen<T>] {
        &self.seen
    }

    /// How often something happened that is no longer kept.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_again_counts_and_the_oldest_goes() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut recent = Recent::new(2);
        recent.note("a", 1, at(1));
        recent.note("b", 2, at(2));
        recent.note("a", 1, at(3));
        recent.note("c", 1, at(4));
        let kept: Vec<_> = recent.as_slice().iter().map(|seen| (seen.what, seen.count)).collect();
        assert_eq!(kept, [("a", 2), ("c", 1)]);
        assert_eq!((recent.as_slice()[0].first, recent.as_slice()[0].last), (at(1), at(3)));
        assert_eq!(recent.forgotten(), 2);
    }
}
