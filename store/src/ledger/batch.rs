//! The open batch: entries that are decided but not yet on disk.

use jiff::Timestamp;

use super::Entry;
use super::encode::Sections;

/// What one batch holds at most, in bytes of its records; less where segments are small.
pub const BATCH_BYTES_MAX: usize = 4 << 20;

/// The batch has no room for the entry, which was left out: commit first.
///
/// An entry is bounded by an SMPP PDU (64 KiB) and so fits an empty batch, unless segments were made tiny.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the batch is full: commit it, then append again")]
pub struct Full;

/// Entries in the order that they will have in the ledger, encoded. Its buffers are reused from commit to commit.
///
/// One comes from [`Ledger::open`](super::Ledger::open) and numbers all entries; [`take_into`](Self::take_into) a
/// [`spare`](Self::spare) lets one go on filling while another is committed. The default one is always full.
#[derive(Debug, Default)]
pub struct Batch {
    pub(super) first_seq: u64,
    pub(super) count: u32,
    pub(super) sections: Sections,
    bytes_max: usize,
}

impl Batch {
    pub(super) fn new(first_seq: u64, bytes_max: usize) -> Self {
        Self { first_seq, count: 0, sections: Sections::default(), bytes_max }
    }

    /// A batch read back from disk.
    pub(super) fn of(first_seq: u64, count: u32, sections: Sections) -> Self {
        Self { first_seq, count, sections, bytes_max: 0 }
    }

    /// Appends `entry` and returns the sequence number that it will have. Instants are kept to the microsecond.
    ///
    /// # Errors
    /// [`Full`] if the batch would exceed its bound; it is as before then.
    pub fn append(
        &mut self,
        received_at: Timestamp,
        decided_at: Timestamp,
        entry: &Entry<'_>,
    ) -> Result<u64, Full> {
        let before = self.sections.lengths();
        self.sections.put(received_at, decided_at, entry);
        if self.sections.len() > self.bytes_max {
            self.sections.truncate(before);
            return Err(Full);
        }
        let seq = self.next_seq();
        self.count += 1;
        Ok(seq)
    }

    /// Whether nothing was appended since the last commit or hand-over.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many records it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// The bytes of its records, before they are framed.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.sections.len()
    }

    /// The number that the next entry will have.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.first_seq + u64::from(self.count)
    }

    /// The number of the newest entry, in this batch or before it; 0 in an empty ledger.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.next_seq().saturating_sub(1)
    }

    /// An empty batch to take this one's content.
    #[must_use]
    pub fn spare(&self) -> Self {
        Self::new(self.next_seq(), self.bytes_max)
    }

    /// Hands the content over to `spare` by swapping the buffers, and goes on counting behind it.
    ///
    /// What `spare` held is discarded: pass one that was committed.
    pub fn take_into(&mut self, spare: &mut Self) {
        let next_seq = self.next_seq();
        std::mem::swap(self, spare);
        self.clear_to(next_seq);
        self.bytes_max = spare.bytes_max;
    }

    /// Forgets the records, which are on disk now.
    pub(super) fn clear(&mut self) {
        self.clear_to(self.next_seq());
    }

    fn clear_to(&mut self, next_seq: u64) {
        self.sections.clear();
        self.first_seq = next_seq;
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(batch: &mut Batch) -> Result<u64, Full> {
        batch.append(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, &Entry::Receiver("demo", true))
    }

    #[test]
    fn numbers_go_on_across_a_hand_over() {
        let mut open = Batch::new(7, 1000);
        let mut spare = open.spare();
        assert_eq!((append(&mut open), append(&mut open)), (Ok(7), Ok(8)));
        open.take_into(&mut spare);
        assert_eq!((spare.first_seq, spare.len(), spare.last_seq()), (7, 2, 8));
        assert!(open.is_empty());
        assert_eq!(open.last_seq(), 8);
        assert_eq!(append(&mut open), Ok(9));
    }

    #[test]
    fn debug_hides_the_records() {
        let mut batch = Batch::new(1, 1000);
        batch.sections.person.extend_from_slice(&[77, 78, 79]);
        assert!(!format!("{batch:?}").contains("77"));
    }

    #[test]
    fn a_full_batch_leaves_the_entry_out() {
        let mut batch = Batch::new(1, 60);
        while append(&mut batch).is_ok() {}
        let (count, bytes) = (batch.len(), batch.bytes());
        assert!(count > 0 && bytes <= 60);
        assert_eq!(append(&mut batch), Err(Full));
        assert_eq!((batch.len(), batch.bytes()), (count, bytes));
    }
}
