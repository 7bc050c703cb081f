//! What a session counts, and what a run's sessions add up to.

use hdrhistogram::Histogram;

/// The finest instant of the timeline, in ns.
pub(crate) const TICK: u64 = 250_000_000;
/// What is longer counts as this, in µs: an hour.
const LATENCY_MAX: u64 = 3_600_000_000;

/// Counts of one session, or of several.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    /// From the instant a message should have been sent to its reply, in µs, to three significant digits.
    pub(crate) latency: Histogram<u64>,
    /// Messages that the gateway has taken.
    pub(crate) acked: u64,
    /// Messages without a response.
    pub(crate) unacked: u64,
    /// Responses that asked to come again later.
    pub(crate) throttled: u64,
    /// Messages that were refused for good.
    pub(crate) refused: u64,
    /// First replies that are new permits.
    pub(crate) grants: u64,
    /// First replies in each [`TICK`] from the start.
    pub(crate) timeline: Vec<u64>,
    /// When the last first reply came, in ns from the start.
    pub(crate) last: u64,
}

impl Tally {
    /// Nothing yet.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            latency: Histogram::new_with_bounds(1, LATENCY_MAX, 3)?,
            acked: 0,
            unacked: 0,
            throttled: 0,
            refused: 0,
            grants: 0,
            timeline: Vec::new(),
            last: 0,
        })
    }

    /// A first reply came `at` so many ns from the start, after `latency` ns.
    pub(crate) fn answered(&mut self, latency: u64, at: u64) {
        self.latency.saturating_record((latency / 1000).max(1));
        let tick = usize::try_from(at / TICK).unwrap_or_default();
        if self.timeline.len() <= tick {
            self.timeline.resize(tick + 1, 0);
        }
        if let Some(count) = self.timeline.get_mut(tick) {
            *count += 1;
        }
        self.last = self.last.max(at);
    }

    /// Adds another session's.
    pub(crate) fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        self.latency.add(&other.latency)?;
        self.acked += other.acked;
        self.unacked += other.unacked;
        self.throttled += other.throttled;
        self.refused += other.refused;
        self.grants += other.grants;
        self.last = self.last.max(other.last);
        if self.timeline.len() < other.timeline.len() {
            self.timeline.resize(other.timeline.len(), 0);
        }
        for (count, more) in self.timeline.iter_mut().zip(&other.timeline) {
            *count += more;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_add_up() {
        let (mut one, mut other) = (Tally::new().unwrap(), Tally::new().unwrap());
        one.answered(2_000_000, TICK - 1);
        other.answered(4_000_000, TICK);
        other.answered(500, 3 * TICK);
        other.acked = 2;
        one.add(&other).unwrap();
        assert_eq!(one.timeline, [1, 1, 0, 1]);
        assert_eq!((one.latency.len(), one.latency.min(), one.last, one.acked), (3, 1, 3 * TICK, 2));
        assert!((3990..=4010).contains(&one.latency.max()), "{} µs", one.latency.max());
    }
}
