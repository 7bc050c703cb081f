//! How many a second, of late.

use std::time::Instant;

/// Whole seconds that the rate is taken over.
const SECONDS: usize = 10;

/// Counts by second, for the mean over the last ten whole seconds.
#[derive(Debug, Clone)]
pub struct Meter {
    began: Instant,
    /// The second that is being counted, since `began`.
    second: u64,
    /// Counts of the last seconds, each at its number modulo the length; the running second's among them.
    counts: [u64; SECONDS + 1],
    total: u64,
}

impl Meter {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { began: now, second: 0, counts: [0; SECONDS + 1], total: 0 }
    }

    /// Counts `count` at `now`.
    pub fn add(&mut self, count: u64, now: Instant) {
        self.advance(now);
        if let Some(running) = self.counts.get_mut(slot(self.second)) {
            *running += count;
        }
        self.total += count;
    }

    /// All that was counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The mean of the last ten whole seconds, or of those that there were.
    #[must_use]
    pub fn per_second(&self, now: Instant) -> f64 {
        let mut meter = self.clone();
        meter.advance(now);
        let running = meter.counts.get(slot(meter.second)).copied().unwrap_or(0);
        let whole = meter.counts.iter().sum::<u64>() - running;
        let seconds = meter.second.clamp(1, SECONDS as u64);
        whole as f64 / seconds as f64
    }

    fn advance(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.began);
        let second = elapsed.as_secs();
        for gone in (self.second + 1..=second).rev().take(self.counts.len()) {
            if let Some(count) = self.counts.get_mut(slot(gone)) {
                *count = 0;
            }
        }
        self.second = self.second.max(second);
    }
}

fn slot(second: u64) -> usize {
    (second % (SECONDS as u64 + 1)) as usize
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Now;

    #[test]
    fn the_rate_is_the_mean_of_the_last_ten_whole_seconds() {
        let start = Now::read().monotonic;
        let after = |millis| start + Duration::from_millis(millis);
        let mut meter = Meter::new(start);
        assert!(meter.per_second(start).abs() < f64::EPSILON);
        meter.add(30, after(100));
        assert!((meter.per_second(after(1000)) - 30.0).abs() < f64::EPSILON, "one second");
        meter.add(30, after(1500));
        assert!((meter.per_second(after(3000)) - 20.0).abs() < f64::EPSILON, "three seconds");
        assert!((meter.per_second(after(10_999)) - 6.0).abs() < f64::EPSILON, "ten seconds");
        assert!((meter.per_second(after(11_000)) - 3.0).abs() < f64::EPSILON, "the first has gone");
        assert!(meter.per_second(after(1_000_000)).abs() < f64::EPSILON);
        assert_eq!(meter.total(), 60);
    }
}
