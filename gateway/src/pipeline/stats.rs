//! Counts of decisions since the start, for the metrics.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use icaze_store::ledger::Mark;
use icaze_store::{Outcome, Reason};

/// Purposes 0 to 9, and none.
const PURPOSES: usize = 11;
/// Places for the bytes of reasons; the greatest of them is 64.
const REASONS: usize = 65;
/// Regions that are told apart, at most: a register has some eighty.
const REGIONS_MAX: usize = 512;

/// Plain counts, read by the metrics when they are asked for, so that counting costs an addition.
#[derive(Debug)]
pub struct Stats {
    decisions: Vec<u64>,
    /// Helps that a later text completed, by reason.
    completed: Vec<u64>,
    /// Parts that were kept until their siblings come.
    pub parts: u64,
    /// By operator: replies by what became of them, in the order of [`Mark::ALL`].
    replies: Vec<[u64; Mark::ALL.len()]>,
    /// By operator: texts that are never answered, by their cause, in the order of [`ASIDE`].
    put_aside: Vec<[u64; ASIDE.len()]>,
    regions: HashMap<Box<str>, RegionCount, RandomState>,
}

/// Decisions about people who live in one region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RegionCount {
    /// All of them.
    pub decided: u64,
    /// New permits.
    pub granted: u64,
}

/// Why a text is put aside.
const ASIDE: [Reason; 2] = [Reason::Receipt, Reason::Loop];

impl Default for Stats {
    fn default() -> Self {
        Self {
            decisions: vec![0; REASONS * PURPOSES],
            completed: vec![0; REASONS],
            parts: 0,
            replies: Vec::new(),
            put_aside: Vec::new(),
            regions: HashMap::default(),
        }
    }
}

impl Stats {
    /// Counts a decision about a person of `region`, if the person is known. Its outcome follows from its reason;
    /// without one it is a grant.
    pub fn decided(&mut self, reason: Option<Reason>, purpose: Option<u8>, region: Option<&str>) {
        if let Some(count) = region.and_then(|region| self.region(region)) {
            count.decided += 1;
            count.granted += u64::from(reason.is_none());
        }
        let reason = reason.map_or(0, |reason| usize::from(reason.byte()));
        let purpose = purpose.map_or(PURPOSES - 1, |purpose| usize::from(purpose).min(PURPOSES - 2));
        if let Some(count) = self.decisions.get_mut(reason * PURPOSES + purpose) {
            *count += 1;
        }
    }

    /// Counts a help with this reason that the answer to its question completed.
    pub fn completed(&mut self, reason: Reason) {
        if let Some(count) = self.completed.get_mut(usize::from(reason.byte())) {
            *count += 1;
        }
    }

    /// Helps that were completed, those of which there are any.
    pub fn completions(&self) -> impl Iterator<Item = (Reason, u64)> {
        let counts = (0..).zip(&self.completed).filter(|&(_, &count)| count > 0);
        counts.filter_map(|(byte, &count)| Some((Reason::from_byte(byte)?, count)))
    }

    fn region(&mut self, region: &str) -> Option<&mut RegionCount> {
        if !self.regions.contains_key(region) {
            if self.regions.len() == REGIONS_MAX {
                return None;
            }
            self.regions.insert(region.into(), RegionCount::default());
        }
        self.regions.get_mut(region)
    }

    /// The regions of those about whom something was decided.
    pub fn regions(&self) -> impl Iterator<Item = (&str, RegionCount)> {
        self.regions.iter().map(|(region, &count)| (&**region, count))
    }

    /// Counts a text of `operator` that is never answered.
    pub fn ignored(&mut self, operator: u16, cause: Reason) {
        let operator = usize::from(operator);
        if self.put_aside.len() <= operator {
            self.put_aside.resize(operator + 1, [0; ASIDE.len()]);
        }
        let slot = ASIDE.iter().position(|&other| other == cause);
        let counts = self.put_aside.get_mut(operator).zip(slot);
        if let Some(count) = counts.and_then(|(counts, slot)| counts.get_mut(slot)) {
            *count += 1;
        }
    }

    /// Texts of `operator` that were put aside, by their cause.
    pub fn put_aside(&self, operator: u16) -> impl Iterator<Item = (Reason, u64)> {
        let counts = self.put_aside.get(usize::from(operator)).copied().unwrap_or_default();
        ASIDE.into_iter().zip(counts)
    }

    /// Counts a reply of `operator` whose story has ended.
    pub fn replied(&mut self, operator: u16, mark: Mark) {
        let operator = usize::from(operator);
        if self.replies.len() <= operator {
            self.replies.resize(operator + 1, [0; Mark::ALL.len()]);
        }
        let slot = Mark::ALL.iter().position(|&other| other == mark);
        if let Some(count) =
            self.replies.get_mut(operator).zip(slot).and_then(|(counts, slot)| counts.get_mut(slot))
        {
            *count += 1;
        }
    }

    /// Replies of `operator` by what became of them.
    pub fn replies(&self, operator: u16) -> impl Iterator<Item = (Mark, u64)> {
        let counts = self.replies.get(usize::from(operator)).copied().unwrap_or_default();
        Mark::ALL.into_iter().zip(counts)
    }

    /// The counts that are not zero.
    pub fn decisions(&self) -> impl Iterator<Item = (Outcome, Option<Reason>, Option<u8>, u64)> {
        self.decisions.iter().enumerate().filter(|&(_, &count)| count > 0).map(|(index, &count)| {
            let reason = u8::try_from(index / PURPOSES).ok().and_then(Reason::from_byte);
            let purpose =
                u8::try_from(index % PURPOSES).ok().filter(|&purpose| usize::from(purpose) < PURPOSES - 1);
            (reason.map_or(Outcome::Granted, Reason::outcome), reason, purpose, count)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_back_under_their_names() {
        let mut stats = Stats::default();
        stats.decided(None, Some(2), Some("Baku"));
        stats.decided(None, Some(2), Some("Baku"));
        stats.decided(Some(Reason::Receipt), None, None);
        stats.decided(Some(Reason::Age), Some(2), Some("Baku"));
        let all: Vec<_> = stats.decisions().collect();
        assert_eq!(
            all,
            [
                (Outcome::Granted, None, Some(2), 2),
                (Outcome::Refused, Some(Reason::Age), Some(2), 1),
                (Outcome::Ignored, Some(Reason::Receipt), None, 1),
            ]
        );
        let regions: Vec<_> = stats.regions().collect();
        assert_eq!(regions, [("Baku", RegionCount { decided: 3, granted: 2 })]);
    }

    #[test]
    fn every_reason_is_counted() {
        let mut stats = Stats::default();
        Reason::ALL.iter().for_each(|&reason| stats.decided(Some(reason), None, None));
        assert_eq!(stats.decisions().count(), Reason::ALL.len());
    }
}
