//! What a start need not read the whole ledger for, and where it begins to read instead.

use icaze_store::{Checkpoint, Head};
use jiff::Timestamp;

use super::landmarks::{Landmark, Landmarks};
use super::{Pipeline, Settings};

impl Pipeline {
    /// Begins with what a checkpoint holds, before the ledger is replayed from the entry on that it names.
    pub fn resume(&mut self, checkpoint: Checkpoint) {
        let Checkpoint { head, usage } = checkpoint;
        self.time = head.time;
        self.usage = usage;
        self.counted = head.position;
        self.codes.resume(head.next_code);
        for operator in &mut self.operators {
            operator.receivers = usize::from(head.receivers.iter().any(|name| **name == *operator.name));
        }
        self.landmarks = Landmarks::new(Landmark { seq: head.visit_from, receivers: head.receivers });
    }

    /// What a start could begin with, once all that has been appended is durable.
    pub fn checkpoint(&mut self) -> Checkpoint {
        let oldest =
            [self.permits.oldest().map(|permit| permit.seq), self.parts.oldest(), self.outbox.first()];
        let oldest = oldest.into_iter().flatten().min().unwrap_or(u64::MAX);
        let Settings { lifetime, dedupe, parts_timeout, phone, .. } = &self.settings;
        let remembered = [*lifetime, *dedupe, *parts_timeout, phone.window, phone.notice];
        let longest = remembered.into_iter().max().unwrap_or_default();
        let landmark =
            self.landmarks.choose(self.time.saturating_sub(longest).unwrap_or(Timestamp::MIN), oldest);
        let landmark = landmark.cloned().unwrap_or(Landmark { seq: 1, receivers: Vec::new() });
        let head = Head {
            position: self.open.last_seq(),
            time: self.time,
            visit_from: landmark.seq,
            receivers: landmark.receivers,
            next_code: self.codes.next(),
        };
        Checkpoint { head, usage: self.usage.clone() }
    }

    /// The last entry that a checkpoint had counted when this run began.
    #[must_use]
    pub fn counted(&self) -> u64 {
        self.counted
    }

    /// Notes where a later start could begin to read, before entry `seq`.
    pub(super) fn pass_landmark(&mut self, seq: u64) {
        if self.landmarks.is_due(self.time, seq) {
            let receiving = self.operators.iter().filter(|operator| operator.receivers > 0);
            let receivers = receiving.map(|operator| operator.name.to_string()).collect();
            self.landmarks.push(self.time, Landmark { seq, receivers });
        }
    }
}
