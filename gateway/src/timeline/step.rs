//! One step of a timeline: what was counted between two moments.

use std::time::Duration;

use hdrhistogram::Histogram;
use icaze_store::{Outcome, Reason};

use crate::pipeline::stats::{RegionCount, Stats};

/// Decisions of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Their class.
    pub outcome: Outcome,
    /// Why; a grant has none.
    pub reason: Option<Reason>,
    /// The purpose that was asked for, if the text could be read.
    pub purpose: Option<u8>,
    /// How many.
    pub count: u64,
}

/// Decisions about people of one region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// As the register spells it.
    pub name: Box<str>,
    /// All of them.
    pub decided: u64,
    /// New permits.
    pub granted: u64,
}

/// How long answers took, from the message read to its answer released for writing, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// Half of the answers were faster.
    pub p50_us: u64,
    /// 99 of 100 were faster.
    pub p99_us: u64,
    /// The slowest.
    pub max_us: u64,
}

impl Latency {
    pub(super) fn of(answers: &Histogram<u64>) -> Option<Self> {
        (!answers.is_empty()).then(|| Self {
            p50_us: answers.value_at_quantile(0.5),
            p99_us: answers.value_at_quantile(0.99),
            max_us: answers.max(),
        })
    }
}

/// The counters of a gateway since its start.
#[derive(Debug, Default)]
pub struct Totals {
    counts: Vec<Count>,
    parts: u64,
    regions: Vec<Region>,
}

impl Totals {
    /// What the pipeline has counted.
    #[must_use]
    pub fn of(stats: &Stats) -> Self {
        let counts = stats.decisions();
        let counts =
            counts.map(|(outcome, reason, purpose, count)| Count { outcome, reason, purpose, count });
        let region = |(name, RegionCount { decided, granted }): (&str, RegionCount)| Region {
            name: name.into(),
            decided,
            granted,
        };
        Self { counts: counts.collect(), parts: stats.parts, regions: stats.regions().map(region).collect() }
    }

    /// What was counted after `before`.
    pub(super) fn since(&self, before: &Self) -> Step {
        let mut step = Step::new(0);
        step.parts = self.parts.saturating_sub(before.parts);
        for count in &self.counts {
            let earlier = before.counts.iter().find(|earlier| earlier.is_like(count));
            let count = Count { count: count.count - earlier.map_or(0, |earlier| earlier.count), ..*count };
            if count.count > 0 {
                step.counts.push(count);
            }
        }
        for region in &self.regions {
            let earlier = before.regions.iter().find(|earlier| earlier.name == region.name);
            let (decided, granted) = earlier.map_or((0, 0), |earlier| (earlier.decided, earlier.granted));
            if region.decided > decided {
                step.regions.push(Region {
                    name: region.name.clone(),
                    decided: region.decided - decided,
                    granted: region.granted - granted,
                });
            }
        }
        step
    }
}

impl Count {
    fn is_like(&self, other: &Self) -> bool {
        (self.reason, self.purpose) == (other.reason, other.purpose)
    }
}

/// What was counted in one step. Nothing in it is about a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which step of its span it is.
    pub number: i64,
    /// How long it was observed.
    pub took: Duration,
    /// Decisions by kind; a kind without any is not there.
    pub counts: Vec<Count>,
    /// Parts of long texts that were kept until their siblings come.
    pub parts: u64,
    /// Decisions by the person's region, in no order.
    pub regions: Vec<Region>,
    /// How long answers took; `None` while the step is open, or if there were none.
    pub latency: Option<Latency>,
}

impl Step {
    pub(super) const fn new(number: i64) -> Self {
        Self {
            number,
            took: Duration::ZERO,
            counts: Vec::new(),
            parts: 0,
            regions: Vec::new(),
            latency: None,
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.took += other.took;
        self.parts += other.parts;
        for count in &other.counts {
            match self.counts.iter_mut().find(|known| known.is_like(count)) {
                Some(known) => known.count += count.count,
                None => self.counts.push(*count),
            }
        }
        for region in &other.regions {
            match self.regions.iter_mut().find(|known| known.name == region.name) {
                Some(known) => {
                    known.decided += region.decided;
                    known.granted += region.granted;
                }
                None => self.regions.push(region.clone()),
            }
        }
    }

    /// How many decisions are of a kind.
    pub fn sum(&self, kind: impl Fn(&Count) -> bool) -> u64 {
        self.counts.iter().filter(|count| kind(count)).map(|count| count.count).sum()
    }

    /// Messages that were taken: decisions, and parts still waiting for the others.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.parts + self.sum(|_| true)
    }

    /// What `count` comes to in a second.
    #[must_use]
    pub fn rate(&self, count: u64) -> f64 {
        let seconds = self.took.as_secs_f64();
        if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
    }
}
