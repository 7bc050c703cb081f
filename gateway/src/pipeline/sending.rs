//! Replies on their way to operators, and what operators say of them.

use std::borrow::Cow;
use std::time::Instant;

use icaze_store::ledger::{Entry, Full, Mark};

use super::Pipeline;
use super::outbox::{ADOPTED, Envelope, Verdict};
use crate::clock::Now;

impl Pipeline {
    /// A number for a bind, by which the next try of a reply can go by another one.
    pub fn number_bind(&mut self) -> u32 {
        self.binds = self.binds.wrapping_add(1);
        self.binds
    }

    /// The bind, if its operator has others that take replies.
    fn avoiding(&self, operator: u16, bind: u32) -> Option<u32> {
        let receivers = self.operators.get(usize::from(operator)).map_or(0, |operator| operator.receivers);
        (receivers > 1).then_some(bind)
    }

    /// A bind of `operator` that takes replies opened, or closed.
    pub fn receiver(&mut self, operator: u16, open: bool) {
        let Some(entry) = self.operators.get_mut(usize::from(operator)) else { return };
        let before = entry.receivers;
        entry.receivers = if open { before + 1 } else { before.saturating_sub(1) };
        let changed = (before == 0) != (entry.receivers == 0);
        if changed {
            self.note_receiver(operator);
        }
    }

    /// Writes down whether `operator` has a bind that receives; its entry if it has one and there was room.
    fn note_receiver(&mut self, operator: u16) -> Option<u64> {
        let entry = self.operators.get_mut(usize::from(operator))?;
        let open = entry.receivers > 0;
        let appended = self.open.append(self.time, self.time, &Entry::Receiver(&entry.name, open)).ok();
        entry.receiver_entry = appended.filter(|_| open);
        self.urgent |= open && appended.is_some();
        entry.receiver_entry
    }

    /// The next reply for a bind of `operator`, with this number, that has room in its window, and the entry that has to be
    /// durable before a byte of it leaves: the decision's, or the one which says that replies may be leaving. Without the
    /// latter a start would take the reply for one that nobody can have seen.
    pub fn take_reply(&mut self, operator: u16, bind: u32, now: Now) -> Option<(u64, u64, Envelope<'_>)> {
        let wall = self.advance(now);
        self.expire(wall);
        if self.outbox.waiting(operator) == 0 || !self.handover.may_send(now.monotonic) {
            return None;
        }
        let noted = self.operators.get(usize::from(operator)).and_then(|operator| operator.receiver_entry);
        let noted = noted.or_else(|| self.note_receiver(operator))?;
        let (seq, envelope) =
            self.outbox.take(operator, self.avoiding(operator, bind), now.monotonic, wall)?;
        // No ledger of this node has the decision of an adopted one.
        let after = if seq & ADOPTED == 0 { seq.max(noted) } else { noted };
        Some((seq, after, envelope))
    }

    /// What the operator said of reply `seq`.
    pub fn answered(&mut self, seq: u64, verdict: Verdict, now: Now) {
        let settled = self.outbox.answered(seq, verdict, now.monotonic);
        self.settled(settled);
    }

    /// When [`take_reply`](Self::take_reply) may succeed, if only the operator's rate or what goes again later forbids it now.
    #[must_use]
    pub fn next_send(&self, operator: u16, bind: u32, now: Instant) -> Option<Instant> {
        self.outbox.next_send(operator, self.avoiding(operator, bind), now)
    }

    /// What the operator said of a copy of reply `seq` after its time.
    pub fn late(&mut self, seq: u64, verdict: Verdict, now: Now) {
        let settled = self.outbox.late(seq, verdict, now.monotonic);
        self.settled(settled);
    }

    /// Reply `seq` got no response in time from the bind of this number.
    pub fn overdue(&mut self, seq: u64, bind: u32, now: Now) {
        let wall = self.advance(now);
        let settled = self.outbox.overdue(seq, bind, now.monotonic, wall);
        self.settled(settled);
    }

    /// Reply `seq` will get no response, for its session has ended.
    pub fn unanswered(&mut self, seq: u64, now: Now) {
        let settled = self.outbox.unanswered(seq, now.monotonic);
        self.settled(settled);
    }

    /// What the operator's receipt says of reply `seq`: the entry that holds it, or [`Full`], which asks for the receipt again.
    ///
    /// # Errors
    /// [`Full`] if the ledger has no room for it now.
    pub fn receipt(&mut self, seq: u64, mark: Mark, now: Now) -> Result<u64, Full> {
        self.advance(now);
        // The ledger that has its decision is another node's; or its story has ended with another copy.
        if seq & ADOPTED != 0 || self.outbox.is_delivered(seq) {
            return Ok(0);
        }
        self.write_marks();
        if !self.room || !self.marks.is_empty() {
            return Err(Full);
        }
        let entry = self.open.append(self.time, self.time, &Entry::Mark(mark, Cow::Borrowed(&[seq])))?;
        self.urgent = true;
        self.apply_marks(entry, mark, &[seq], self.time);
        Ok(entry)
    }
}
