//! The time, read at the edge once per wake and passed inwards.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// One reading of both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// For durations: never goes back.
    pub monotonic: Instant,
    /// For what people read and the ledger records.
    pub wall: Timestamp,
}

impl Now {
    /// Reads the machine's clocks.
    #[must_use]
    pub fn read() -> Self {
        Self { monotonic: Instant::now(), wall: Timestamp::now() }
    }
}

/// Watches the wall clock against the monotonic one.
///
/// A wall clock that was stepped makes permits begin and end at the wrong time, so the node stops taking messages
/// until the clock is back, or has been the same for long enough to be the new truth.
#[derive(Debug)]
pub struct ClockWatch {
    reference: Now,
    astray_since: Option<Instant>,
}

impl ClockWatch {
    /// The gap between the clocks that is still put down to slewing.
    pub const GAP_MAX: Duration = Duration::from_secs(5);
    /// How long a stepped clock must run on evenly before it is believed.
    pub const SETTLE: Duration = Duration::from_secs(60);

    /// Trusts the clock as it is now.
    #[must_use]
    pub fn new(now: Now) -> Self {
        Self { reference: now, astray_since: None }
    }

    /// Whether the wall clock can be trusted at `now`. Called at least every second, by whichever thread has read it.
    pub fn check(&mut self, now: Now) -> bool {
        if now == self.reference && self.astray_since.is_none() {
            return true;
        }
        if self.gap(now) <= Self::GAP_MAX {
            // Slewing is followed, so that it never adds up to a step.
            self.reference = if self.astray_since.take().is_some() { self.reference } else { now };
            return true;
        }
        let since = *self.astray_since.get_or_insert(now.monotonic);
        if now.monotonic.saturating_duration_since(since) >= Self::SETTLE {
            *self = Self::new(now);
            return true;
        }
        false
    }

    fn gap(&self, now: Now) -> Duration {
        let signed = |later: Instant, earlier| {
            jiff::SignedDuration::try_from(later.saturating_duration_since(earlier))
                .unwrap_or(jiff::SignedDuration::MAX)
        };
        // A reading of another thread may be a little older than the reference.
        let (before, after) = (self.reference.monotonic, now.monotonic);
        let monotonic = signed(after, before) - signed(before, after);
        let wall = now.wall.duration_since(self.reference.wall);
        wall.checked_sub(monotonic).map_or(Duration::MAX, jiff::SignedDuration::unsigned_abs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    fn after(start: Now, monotonic: u64, wall: i64) -> Now {
        Now {
            monotonic: start.monotonic + Duration::from_secs(monotonic),
            wall: start.wall + SignedDuration::from_secs(wall),
        }
    }

    #[test]
    fn a_step_is_seen_and_the_way_back_too() {
        let start = Now::read();
        let mut watch = ClockWatch::new(start);
        assert!(watch.check(after(start, 10, 12)));
        assert!(!watch.check(after(start, 11, 3611)));
        assert!(watch.check(after(start, 12, 13)), "set right again");
        assert!(!watch.check(after(start, 13, -3600)));
    }

    #[test]
    fn an_older_reading_is_no_step() {
        let start = Now::read();
        let mut watch = ClockWatch::new(after(start, 20, 20));
        assert!(watch.check(start) && watch.check(after(start, 20, 20)));
        assert!(!watch.check(after(start, 10, 20)));
    }

    #[test]
    fn slewing_does_not_add_up() {
        let start = Now::read();
        let mut watch = ClockWatch::new(start);
        assert!((1..100).all(|second| watch.check(after(start, second, second as i64 * 2))));
    }

    #[test]
    fn a_clock_that_stays_where_it_was_put_is_believed() {
        let start = Now::read();
        let mut watch = ClockWatch::new(start);
        assert!(!watch.check(after(start, 1, 3601)));
        assert!(!watch.check(after(start, 60, 3660)));
        assert!(watch.check(after(start, 61, 3661)));
        assert!(watch.check(after(start, 62, 3662)));
    }
}
