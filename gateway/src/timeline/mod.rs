//! What happened lately, step by step: the pipeline's plain counters, sampled once a second off the hot path.
//!
//! Memory is bounded: two series of steps, fine for what happens now and coarse for the day. Neither holds anything
//! about a person. A restart begins anew: the ledger, not this, is what statistics are made from.

mod step;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use jiff::Timestamp;

pub use self::step::{Count, Latency, Region, Step, Totals};
use crate::clock::Now;
use crate::gateway::Gateway;

/// How often counters are read.
const SAMPLE: Duration = Duration::from_secs(1);

/// The stretch of time that a series covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// Ten minutes in steps of 5 s.
    Minutes,
    /// A day in steps of 10 min.
    Day,
}

impl Span {
    /// The length of a step, in seconds.
    #[must_use]
    pub const fn step_s(self) -> i64 {
        match self {
            Self::Minutes => 5,
            Self::Day => 600,
        }
    }

    /// How many steps are kept.
    #[must_use]
    pub const fn steps(self) -> usize {
        match self {
            Self::Minutes => 120,
            Self::Day => 144,
        }
    }

    /// The number of the step that holds `at`, the same for everybody who asks.
    #[must_use]
    pub fn number(self, at: Timestamp) -> i64 {
        at.as_second().div_euclid(self.step_s())
    }
}

/// The steps of one span.
#[derive(Debug)]
struct Series {
    span: Span,
    closed: VecDeque<Step>,
    open: Step,
    /// The latencies of the open step, in microseconds.
    answers: Histogram<u64>,
}

/// The recent past of one gateway.
#[derive(Debug)]
pub struct Timeline {
    fine: Series,
    coarse: Series,
    before: Totals,
    sampled: Instant,
}

impl Timeline {
    /// Nothing has happened before `now`.
    #[must_use]
    pub fn new(now: Now) -> Self {
        Self {
            fine: Series::new(Span::Minutes, now.wall),
            coarse: Series::new(Span::Day, now.wall),
            before: Totals::default(),
            sampled: now.monotonic,
        }
    }

    /// Enters what the counters say at `now`, and the latencies (µs) recorded since the last sample.
    pub fn sample(&mut self, now: Now, totals: Totals, answers: &Histogram<u64>) {
        let mut sample = totals.since(&self.before);
        sample.took = now.monotonic.saturating_duration_since(self.sampled);
        self.before = totals;
        self.sampled = now.monotonic;
        for series in [&mut self.fine, &mut self.coarse] {
            series.add(now.wall, &sample, answers);
        }
    }

    /// The steps that have ended within `span`, oldest first. A step in which nothing was sampled is missing.
    pub fn steps(&self, span: Span) -> impl DoubleEndedIterator<Item = &Step> {
        self.series(span).closed.iter()
    }

    /// Everything within `span` together, with what has happened since its last step ended.
    #[must_use]
    pub fn whole(&self, span: Span) -> Step {
        let series = self.series(span);
        let mut whole = series.open.clone();
        series.closed.iter().for_each(|step| whole.add(step));
        whole
    }

    const fn series(&self, span: Span) -> &Series {
        match span {
            Span::Minutes => &self.fine,
            Span::Day => &self.coarse,
        }
    }
}

impl Series {
    fn new(span: Span, now: Timestamp) -> Self {
        Self { span, closed: VecDeque::new(), open: Step::new(span.number(now)), answers: no_answers() }
    }

    fn add(&mut self, now: Timestamp, sample: &Step, answers: &Histogram<u64>) {
        self.open.add(sample);
        // Both have the same bounds.
        let _ = self.answers.add(answers);
        let number = self.span.number(now);
        if number == self.open.number {
            return;
        }
        let mut ended = std::mem::replace(&mut self.open, Step::new(number));
        ended.latency = Latency::of(&self.answers);
        self.answers.reset();
        // A clock that was set back says some steps anew.
        self.closed.retain(|step| step.number < ended.number);
        self.closed.push_back(ended);
        let oldest = number - i64::try_from(self.span.steps()).unwrap_or(i64::MAX);
        self.closed.retain(|step| step.number >= oldest);
    }
}

/// Latencies of 1 µs to an hour, to two digits.
#[must_use]
#[expect(clippy::expect_used, reason = "the bounds are constant and hold")]
pub fn no_answers() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000, 2).expect("constant bounds")
}

/// Samples until the task is dropped.
pub async fn keep(gateway: Arc<Gateway>) {
    let mut samples = tokio::time::interval(SAMPLE);
    samples.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        samples.tick().await;
        let totals = Totals::of(gateway.pipeline().stats());
        let answers = gateway.telemetry.take_answers();
        gateway.timeline().sample(Now::read(), totals, &answers);
    }
}

#[cfg(test)]
mod tests {
    use icaze_store::Reason;

    use super::*;
    use crate::pipeline::stats::Stats;

    struct Bench {
        timeline: Timeline,
        stats: Stats,
        now: Now,
    }

    impl Bench {
        fn new() -> Self {
            let now = Now { wall: Timestamp::from_second(1_607_940_000).unwrap(), ..Now::read() };
            Self { timeline: Timeline::new(now), stats: Stats::default(), now }
        }

        /// A second with so many grants, each answered in `micros`.
        fn second(&mut self, grants: u64, micros: u64) {
            let mut answers = no_answers();
            for _ in 0..grants {
                self.stats.decided(None, Some(2), Some("Baku"));
                answers.record(micros).unwrap();
            }
            self.now.monotonic += Duration::from_secs(1);
            self.now.wall += jiff::SignedDuration::from_secs(1);
            self.timeline.sample(self.now, Totals::of(&self.stats), &answers);
        }
    }

    #[test]
    fn a_step_holds_what_happened_in_it_and_no_more() {
        let mut bench = Bench::new();
        (0..5).for_each(|_| bench.second(10, 800));
        (0..5).for_each(|_| bench.second(2, 3000));
        bench.second(1, 1);
        let steps: Vec<&Step> = bench.timeline.steps(Span::Minutes).collect();
        let rates: Vec<f64> = steps.iter().map(|step| step.rate(step.messages())).collect();
        assert_eq!(rates, [10.0, 2.0]);
        let latency = steps[1].latency.unwrap();
        assert!((2980..=3020).contains(&latency.p50_us), "{latency:?}");
        assert_eq!(bench.timeline.whole(Span::Minutes).messages(), 61, "the open step counts too");
        assert_eq!(bench.timeline.steps(Span::Day).count(), 0);
    }

    #[test]
    fn old_steps_go_and_the_day_keeps_them_together() {
        let mut bench = Bench::new();
        (0..1800).for_each(|_| bench.second(1, 500));
        assert_eq!(bench.timeline.steps(Span::Minutes).count(), Span::Minutes.steps());
        let day: Vec<u64> = bench.timeline.steps(Span::Day).map(Step::messages).collect();
        assert_eq!(day, [600, 600, 600]);
        let whole = bench.timeline.whole(Span::Day);
        assert_eq!(whole.regions.len(), 1);
        assert_eq!((whole.regions[0].decided, whole.regions[0].granted), (1800, 1800));
    }

    #[test]
    fn a_clock_set_back_leaves_no_step_twice() {
        let mut bench = Bench::new();
        (0..60).for_each(|_| bench.second(1, 500));
        bench.now.wall -= jiff::SignedDuration::from_secs(30);
        (0..20).for_each(|_| bench.second(1, 500));
        let numbers: Vec<i64> = bench.timeline.steps(Span::Minutes).map(|step| step.number).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    }

    #[test]
    fn reasons_are_told_apart() {
        let mut bench = Bench::new();
        bench.stats.decided(Some(Reason::Age), Some(1), Some("Baku"));
        bench.second(3, 10);
        let whole = bench.timeline.whole(Span::Minutes);
        assert_eq!(whole.sum(|count| count.reason == Some(Reason::Age)), 1);
        assert_eq!(whole.sum(|count| count.reason.is_none() && count.purpose == Some(2)), 3);
    }
}
