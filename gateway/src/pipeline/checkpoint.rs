//! What a start need not read the whole ledger for, and where it begins to read instead.

use icaze_store::ledger::{MasterKey, Storage};
use icaze_store::{Checkpoint, CheckpointError, Head};
use jiff::{SignedDuration, Timestamp};

use super::landmarks::{Landmark, Landmarks};
use super::permits::{Block, Permits};
use super::{Pipeline, Settings};

/// What is remembered for longer than a few minutes: allowances and permits.
#[derive(Debug)]
pub struct Snapshot {
    checkpoint: Checkpoint,
    permits: Permits,
}

impl Snapshot {
    /// The entries that it holds: every one up to this.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.checkpoint.head.position
    }

    /// From which entry on the ledger is to be replayed behind it.
    #[must_use]
    pub fn visit_from(&self) -> u64 {
        self.checkpoint.head.visit_from
    }

    /// Takes the place of the snapshot in `storage`, as [`Checkpoint::write`] does.
    ///
    /// # Errors
    /// If the system fails, or has no room.
    pub fn write(&self, storage: &impl Storage, key: &MasterKey, node: u8) -> Result<(), CheckpointError> {
        self.checkpoint.write(self.permits.blocks(), storage, key, node)
    }

    /// The snapshot in `storage`; `None` if there is none.
    ///
    /// # Errors
    /// [`CheckpointError`]; the ledger then is to be read from its beginning.
    pub fn read(storage: &impl Storage, key: &MasterKey, node: u8) -> Result<Option<Self>, CheckpointError> {
        let mut blocks = Vec::new();
        let keep = |bytes: &[u8]| Block::read(bytes).map(|block| blocks.push(block)).is_some();
        let Some(checkpoint) = Checkpoint::read(storage, key, node, keep)? else { return Ok(None) };
        let permits = Permits::restore(checkpoint.head.first_permit, blocks);
        let unusable = || CheckpointError::Unusable { location: storage.location() };
        Ok(Some(Self { permits: permits.ok_or_else(unusable)?, checkpoint }))
    }
}

impl Pipeline {
    /// Begins with what a snapshot holds, before the ledger is replayed from the entry on that it names.
    pub fn resume(&mut self, snapshot: Snapshot) {
        let Snapshot { checkpoint: Checkpoint { head, usage }, permits } = snapshot;
        self.time = head.time;
        (self.usage, self.permits) = (usage, permits);
        self.counted = head.position;
        self.codes.resume(head.next_code);
        for operator in &mut self.operators {
            operator.receivers = usize::from(head.receivers.iter().any(|name| **name == *operator.name));
        }
        self.landmarks = Landmarks::new(Landmark { seq: head.visit_from, receivers: head.receivers });
    }

    /// What a start could begin with, once all that has been appended is durable. Costs no more than a few microseconds for each
    /// million of persons and permits; what is changed while the snapshot lives is copied, some 100 KiB at a time.
    pub fn snapshot(&mut self) -> Snapshot {
        let landmark = self.landmark();
        let head = Head {
            position: self.open.last_seq(),
            time: self.time,
            visit_from: landmark.seq,
            receivers: landmark.receivers,
            next_code: self.codes.next(),
            first_permit: self.permits.first(),
        };
        let checkpoint = Checkpoint { head, usage: self.usage.share() };
        Snapshot { checkpoint, permits: self.permits.share() }
    }

    /// The newest place in the ledger behind which is all that is remembered, but for allowances and permits.
    fn landmark(&mut self) -> Landmark {
        let Settings { dedupe, phone, ask, .. } = &self.settings;
        let ago = |time: SignedDuration| self.time.saturating_sub(time).unwrap_or(Timestamp::MIN);
        let (requests_at, requests_from) = (ago(*dedupe), self.requests.from());
        let (limits_at, limits_from) = (ago(phone.window.max(phone.notice)), self.limits.from());
        let (questions_at, questions_from) = (ago(*ask), self.questions.from());
        let oldest = self
            .parts
            .oldest()
            .into_iter()
            .chain(self.outbox.first())
            .chain(self.guesses.oldest())
            .min()
            .unwrap_or(u64::MAX);
        let landmark = self.landmarks.choose(|at, seq| {
            (at <= requests_at || seq <= requests_from)
                && (at <= limits_at || seq <= limits_from)
                && (at <= questions_at || seq <= questions_from)
                && seq <= oldest
        });
        landmark.cloned().unwrap_or_default()
    }

    /// The last entry that a snapshot held when this run began.
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
