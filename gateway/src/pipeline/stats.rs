//! Counts of decisions since the start, for the metrics.

use icaze_store::{Outcome, Reason};

/// Purposes 0 to 9, and none.
const PURPOSES: usize = 11;
const REASONS: usize = 64;

/// Plain counts, read by the metrics when they are asked for, so that counting costs an addition.
#[derive(Debug)]
pub struct Stats {
    decisions: Vec<u64>,
    /// Requests that came again and were answered with what had been decided.
    pub again: u64,
    /// Parts that were kept until their siblings come.
    pub parts: u64,
    /// Messages that found no room in the ledger or its batch.
    pub full: u64,
    /// Replies by what became of them: sent, delivered, expired, undelivered, rejected.
    pub replies: [u64; 5],
}

impl Default for Stats {
    fn default() -> Self {
        Self { decisions: vec![0; REASONS * PURPOSES], again: 0, parts: 0, full: 0, replies: [0; 5] }
    }
}

impl Stats {
    /// Counts a decision. Its outcome follows from its reason; without one it is a grant.
    pub fn decided(&mut self, reason: Option<Reason>, purpose: Option<u8>) {
        let reason = reason.map_or(0, |reason| usize::from(reason.byte()));
        let purpose = purpose.map_or(PURPOSES - 1, |purpose| usize::from(purpose).min(PURPOSES - 2));
        if let Some(count) = self.decisions.get_mut(reason * PURPOSES + purpose) {
            *count += 1;
        }
    }

    /// The counts that are not zero.
    pub fn decisions(&self) -> impl Iterator<Item = (Outcome, Option<Reason>, Option<u8>, u64)> {
        self.decisions.iter().enumerate().filter(|&(_, &count)| count > 0).map(|(index, &count)| {
            let reason = u8::try_from(index / PURPOSES).ok().and_then(Reason::from_byte);
            let purpose = u8::try_from(index % PURPOSES).ok().filter(|&purpose| usize::from(purpose) < PURPOSES - 1);
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
        stats.decided(None, Some(2));
        stats.decided(None, Some(2));
        stats.decided(Some(Reason::Receipt), None);
        let all: Vec<_> = stats.decisions().collect();
        assert_eq!(all, [
            (Outcome::Granted, None, Some(2), 2),
            (Outcome::Ignored, Some(Reason::Receipt), None, 1),
        ]);
    }
}
