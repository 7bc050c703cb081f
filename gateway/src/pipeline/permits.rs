//! The permits that stand.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use icaze_store::ledger::Interval;
use icaze_store::{Document, Msisdn};
use jiff::Timestamp;

/// A permit that was issued and has not ended.
#[derive(Debug, Clone, Copy)]
pub struct Permit {
    /// The entry that issued it.
    pub seq: u64,
    /// Its code.
    pub code: u64,
    /// When it holds.
    pub interval: Interval,
    /// The phone that asked for it.
    pub phone: Msisdn,
    /// The document it was asked with.
    pub document: Document,
    /// When it was decided.
    pub decided_at: Timestamp,
}

/// Whose permit for what.
pub type Holder = (u32, u8);

/// Standing permits by person and purpose; an ended one is forgotten.
#[derive(Debug, Default)]
pub struct Permits {
    standing: HashMap<Holder, Permit>,
    ends: BinaryHeap<Reverse<(Timestamp, Holder)>>,
}

impl Permits {
    /// The permit of `holder` that has not ended at `now`.
    #[must_use]
    pub fn standing(&self, holder: Holder, now: Timestamp) -> Option<&Permit> {
        self.standing.get(&holder).filter(|permit| now < permit.interval.end)
    }

    /// Enters a permit.
    pub fn insert(&mut self, holder: Holder, permit: Permit) {
        self.ends.push(Reverse((permit.interval.end, holder)));
        self.standing.insert(holder, permit);
    }

    /// Ends the permit that entry `seq` issued, if it stands.
    pub fn end(&mut self, holder: Holder, seq: u64) {
        if self.standing.get(&holder).is_some_and(|permit| permit.seq == seq) {
            self.standing.remove(&holder);
        }
    }

    /// Forgets what has ended.
    pub fn forget(&mut self, now: Timestamp) {
        while let Some(&Reverse((end, holder))) = self.ends.peek()
            && end <= now
        {
            self.ends.pop();
            if self.standing.get(&holder).is_some_and(|permit| permit.interval.end <= now) {
                self.standing.remove(&holder);
            }
        }
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.standing.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.standing.is_empty()
    }
}
