//! Pages of decisions, newest first, from the ledger.

use std::ops::Range;

use icaze_store::Outcome;
use icaze_store::ledger::{Channel, Decision, Entry, Record};
use jiff::Timestamp;

use super::{Archive, ArchiveError, History};

/// Records that are looked through for one page, at most: where few are decisions a page may be short.
const RECORDS_MAX: u64 = 200_000;
/// Records that are read at once.
const STRIDE: u64 = 4096;

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// Newest first.
    pub items: Vec<T>,
    /// The next page begins before this record; `None`: this is the last one.
    pub next: Option<u64>,
}

impl Archive {
    /// At most `limit` of the decisions made in a half-open range of time, those before the record `before`, as far as the ledger
    /// has them up to the record `durable`; `take` makes of each what is wanted. Probes are left out, and what is never answered.
    ///
    /// # Errors
    /// If the history has no answer now, or the ledger cannot be read.
    pub fn decisions<T>(
        &self,
        history: &History,
        time: Range<Timestamp>,
        (before, durable): (Option<u64>, u64),
        limit: usize,
        mut take: impl FnMut(&Record<'_>, &Decision<'_>) -> T,
    ) -> Result<Page<T>, ArchiveError> {
        let found = history.look_up(|index| Ok((index.by_time(time.clone())?, index.position())));
        let (mut seqs, position) = found.ok_or(ArchiveError::NotReady)?;
        if seqs.end > position {
            seqs.end = durable + 1;
        }
        seqs.end = before.map_or(seqs.end, |before| seqs.end.min(before));
        let oldest = seqs.end.saturating_sub(RECORDS_MAX).max(seqs.start);
        let mut items = Vec::new();
        let mut end = seqs.end;
        while end > oldest && items.len() < limit {
            let start = end.saturating_sub(STRIDE).max(oldest);
            let mut taken = Vec::new();
            self.read(history, (start..end).collect(), |record| {
                if let Entry::Decision(decision) = &record.entry
                    && decision.channel == Channel::Sms
                    && decision.outcome != Outcome::Ignored
                    && time.contains(&record.decided_at)
                {
                    taken.push((record.seq, take(record, decision)));
                }
            })?;
            let room = limit - items.len();
            end = if taken.len() > room { taken[taken.len() - room].0 } else { start };
            items.extend(taken.into_iter().rev().take(room).map(|(_, item)| item));
        }
        Ok(Page { items, next: (end > seqs.start).then_some(end) })
    }
}
