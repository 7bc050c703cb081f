//! Replies of gateways that are gone, which this one sends, and its own that others have claimed.
//!
//! A reply has one holder at a time. Own replies leave while it is certain that nobody has claimed them, or while nobody can be
//! asked. Adopted ones have entries that no ledger has: what becomes of them is told to where they were claimed.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::time::Instant;

use icaze_cluster::{Fate, Whereabouts};
use icaze_store::ledger::Mark;

use super::Pipeline;
use super::outbox::{ADOPTED, Envelope, Settled, Verdict};

/// A reply that another gateway decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin {
    /// That gateway's number.
    pub node: u8,
    /// Which operator it is for, here.
    pub operator: u16,
    /// The decision's entry there.
    pub seq: u64,
}

/// Who holds which replies.
#[derive(Debug, Default)]
pub(super) struct Handover {
    /// No reply leaves from this moment on; `None`: there is no other gateway.
    until: Option<Instant>,
    /// By the entry that a reply has here, while it has not ended.
    adopted: HashMap<u64, Origin>,
    next: u64,
    /// What became of them, until it is told.
    ended: HashMap<Origin, Fate>,
    /// Of all of these.
    origins: HashSet<Origin>,
    /// Own ones that another gateway holds.
    elsewhere: HashSet<u64>,
}

impl Handover {
    pub(super) fn may_send(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl Pipeline {
    /// Replies may leave until this moment.
    pub fn may_send_until(&mut self, until: Instant) {
        self.handover.until = Some(until);
    }

    /// Visits the replies of these entries that have not ended.
    pub fn unsent(&self, entries: Range<u64>, mut visit: impl FnMut(u16, u64, &Envelope<'_>)) {
        for seq in entries {
            if let Some((operator, envelope)) = self.outbox.unsent(seq) {
                visit(operator, seq, &envelope);
            }
        }
    }

    /// Sends a reply that was claimed; whether it is new here.
    pub fn adopt_reply(&mut self, origin: Origin, envelope: &Envelope<'_>) -> bool {
        if !self.handover.origins.insert(origin) {
            return false;
        }
        let id = ADOPTED | self.handover.next;
        self.handover.next += 1;
        self.handover.adopted.insert(id, origin);
        self.outbox.adopt(id, origin.operator, envelope);
        true
    }

    /// It is not certain any more that adopted replies are this gateway's: none of them leaves.
    pub fn withdraw_adopted(&mut self) {
        for (id, origin) in self.handover.adopted.drain() {
            self.outbox.withdraw(id);
            self.handover.origins.remove(&origin);
        }
    }

    /// How many adopted replies have not ended.
    #[must_use]
    pub fn adopted(&self) -> usize {
        self.handover.adopted.len()
    }

    /// What became of adopted replies, as far as it is not told.
    #[must_use]
    pub fn ended_adopted(&self) -> Vec<(Origin, Fate)> {
        self.handover.ended.iter().map(|(origin, fate)| (*origin, *fate)).collect()
    }

    /// It is told what became of this one.
    pub fn told_of_adopted(&mut self, origin: &Origin) {
        self.handover.ended.remove(origin);
        self.handover.origins.remove(origin);
    }

    /// Leaves adopted replies of these operators to other gateways.
    pub fn give_back_adopted(&mut self, of: impl Fn(u16) -> bool) {
        let Handover { adopted, ended, .. } = &mut self.handover;
        for (id, origin) in adopted.extract_if(|_, origin| of(origin.operator)) {
            self.outbox.withdraw(id);
            ended.insert(origin, Fate::GivenBack);
        }
    }

    /// What others hold of this gateway's replies now, or are through with. The rest is its own again.
    pub fn learn_whereabouts(&mut self, away: Vec<(u64, Whereabouts)>) {
        let known: HashSet<u64> = away.iter().map(|(seq, _)| *seq).collect();
        let back: Vec<u64> =
            self.handover.elsewhere.iter().copied().filter(|seq| !known.contains(seq)).collect();
        back.into_iter().for_each(|seq| self.is_back(seq));
        for (seq, whereabouts) in away {
            if self.outbox.withhold(seq) {
                self.handover.elsewhere.insert(seq);
            }
            let verdict = match whereabouts {
                // In flight here, or on its way to the ledger.
                _ if !self.handover.elsewhere.contains(&seq) => continue,
                Whereabouts::Claimed(_) => continue,
                Whereabouts::Ended(Fate::Sent) => Verdict::Taken,
                Whereabouts::Ended(Fate::Refused) => Verdict::Refused,
                Whereabouts::Ended(Fate::Expired | Fate::GivenBack) => {
                    self.is_back(seq);
                    continue;
                }
            };
            self.handover.elsewhere.remove(&seq);
            let settled = self.outbox.answered(seq, verdict, self.started);
            self.settled(settled);
        }
    }

    fn is_back(&mut self, seq: u64) {
        self.handover.elsewhere.remove(&seq);
        self.outbox.unanswered(seq);
    }

    /// How many own replies others hold.
    #[must_use]
    pub fn elsewhere(&self) -> usize {
        self.handover.elsewhere.len()
    }

    /// A reply's story has ended: the ledger is to say so, or whoever lent it.
    pub(super) fn settled(&mut self, settled: Option<Settled>) {
        let Some(settled) = settled else { return };
        match self.handover.adopted.remove(&settled.seq) {
            Some(origin) => {
                let fate = match settled.mark {
                    Mark::Sent | Mark::Delivered => Fate::Sent,
                    Mark::Rejected | Mark::Undelivered => Fate::Refused,
                    Mark::Expired => Fate::Expired,
                };
                self.handover.ended.insert(origin, fate);
            }
            None => self.marks.push(settled),
        }
    }
}
