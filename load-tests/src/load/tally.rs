//! What a thread counts for one operator, and what a run's add up to.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::outcome::Outcome;

/// The finest instant of the timeline.
pub(crate) const TICK: Duration = Duration::from_millis(250);
/// What is longer counts as this, in µs: an hour.
const LATENCY_MAX: u64 = 3_600_000_000;

/// Of the messages that can be granted, or of those that cannot.
#[derive(Debug, Clone)]
pub(crate) struct Kind {
    /// From the instant a message should have been sent to its positive response, in µs, to three significant digits.
    pub(crate) acks: Histogram<u64>,
    /// From the same instant to the first reply.
    pub(crate) replies: Histogram<u64>,
    /// First replies by what they say, in the order of [`Outcome::ALL`].
    pub(crate) outcomes: [u64; 4],
}

/// What happened in one [`TICK`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tick {
    pub(crate) acks: u64,
    /// First replies.
    pub(crate) replies: u64,
    /// The slowest first reply that came in it, in µs.
    pub(crate) worst: u64,
}

/// Counts of a thread, or of several.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    pub(crate) valid: Kind,
    pub(crate) junk: Kind,
    /// Responses that asked to come again later.
    pub(crate) throttled: u64,
    /// Messages that were refused for good.
    pub(crate) refused: u64,
    /// From the start.
    pub(crate) timeline: Vec<Tick>,
    /// When the last first reply came, in µs from the start.
    pub(crate) last: u64,
}

impl Kind {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let empty = || Histogram::new_with_bounds(1, LATENCY_MAX, 3);
        Ok(Self { acks: empty()?, replies: empty()?, outcomes: [0; 4] })
    }

    pub(crate) fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        self.acks.add(&other.acks)?;
        self.replies.add(&other.replies)?;
        for (count, more) in self.outcomes.iter_mut().zip(other.outcomes) {
            *count += more;
        }
        Ok(())
    }
}

impl Tally {
    /// Nothing yet.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            valid: Kind::new()?,
            junk: Kind::new()?,
            throttled: 0,
            refused: 0,
            timeline: Vec::new(),
            last: 0,
        })
    }

    const fn kind(&mut self, junk: bool) -> &mut Kind {
        if junk { &mut self.junk } else { &mut self.valid }
    }

    /// A message was taken `at` so many µs from the start, after `latency` µs.
    pub(crate) fn acked(&mut self, junk: bool, latency: u64, at: u64) {
        self.kind(junk).acks.saturating_record(latency.max(1));
        self.tick(at).acks += 1;
    }

    /// A first reply came.
    pub(crate) fn answered(&mut self, junk: bool, outcome: Outcome, latency: u64, at: u64) {
        let kind = self.kind(junk);
        kind.replies.saturating_record(latency.max(1));
        if let Some(count) = kind.outcomes.get_mut(outcome as usize) {
            *count += 1;
        }
        self.last = self.last.max(at);
        let tick = self.tick(at);
        tick.replies += 1;
        tick.worst = tick.worst.max(latency);
    }

    fn tick(&mut self, at: u64) -> &mut Tick {
        const TICK_US: u64 = TICK.as_micros() as u64;
        let tick = usize::try_from(at / TICK_US).unwrap_or_default();
        if self.timeline.len() <= tick {
            self.timeline.resize(tick + 1, Tick::default());
        }
        &mut self.timeline[tick]
    }

    /// Adds another thread's.
    pub(crate) fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        self.valid.add(&other.valid)?;
        self.junk.add(&other.junk)?;
        self.throttled += other.throttled;
        self.refused += other.refused;
        self.last = self.last.max(other.last);
        if self.timeline.len() < other.timeline.len() {
            self.timeline.resize(other.timeline.len(), Tick::default());
        }
        for (tick, more) in self.timeline.iter_mut().zip(&other.timeline) {
            tick.acks += more.acks;
            tick.replies += more.replies;
            tick.worst = tick.worst.max(more.worst);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_add_up() {
        let (mut one, mut other) = (Tally::new().unwrap(), Tally::new().unwrap());
        one.answered(false, Outcome::Granted, 2000, 249_999);
        other.answered(false, Outcome::Granted, 4000, 250_000);
        other.answered(true, Outcome::Other, 0, 750_000);
        other.acked(true, 7, 750_000);
        one.add(&other).unwrap();
        let tick = |acks, replies, worst| Tick { acks, replies, worst };
        assert_eq!(one.timeline, [tick(0, 1, 2000), tick(0, 1, 4000), tick(0, 0, 0), tick(1, 1, 0)]);
        assert_eq!((one.valid.replies.len(), one.junk.replies.len(), one.last), (2, 1, 750_000));
        assert_eq!((one.valid.outcomes, one.junk.outcomes), ([2, 0, 0, 0], [0, 0, 0, 1]));
        assert_eq!((one.junk.replies.min(), one.junk.acks.max()), (1, 7));
        assert!((3990..=4010).contains(&one.valid.replies.max()), "{} µs", one.valid.replies.max());
    }
}
