//! Which message was answered by what: shared by all sessions, for a reply may come on another bind than its message.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// One phone's messages, at most two, and the replies to it.
#[derive(Debug, Default)]
struct Slot {
    /// When its first message should have been sent, in ns from the start, plus 1; 0 before.
    sent: AtomicU64,
    /// Its messages that were sent, and the replies it got.
    messages: AtomicU32,
    replies: AtomicU32,
    /// Its messages that the gateway refused for good: no reply is due.
    refused: AtomicU32,
}

/// What a reply is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The first to this phone, so long after its message should have been sent, in ns.
    First(u64),
    /// One more.
    Again,
    /// To a phone that has not texted.
    Stray,
}

/// What became of a run's messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Phones that a reply is due to and that got none.
    pub(crate) unanswered: u64,
    /// Replies beyond one for each message.
    pub(crate) duplicates: u64,
}

/// Every phone of a run.
#[derive(Debug)]
pub(crate) struct Board {
    slots: Vec<Slot>,
    settled: AtomicU64,
    stray: AtomicU64,
}

impl Board {
    /// A run of so many phones. 24 bytes each.
    pub(crate) fn new(phones: u64) -> Self {
        let slots = (0..phones).map(|_| Slot::default()).collect();
        Self { slots, settled: AtomicU64::new(0), stray: AtomicU64::new(0) }
    }

    fn slot(&self, phone: u64) -> Option<&Slot> {
        self.slots.get(usize::try_from(phone).ok()?)
    }

    /// A message of `phone` goes out that should have gone at `intended`.
    pub(crate) fn sent(&self, phone: u64, intended: u64) {
        let Some(slot) = self.slot(phone) else { return };
        slot.messages.fetch_add(1, Ordering::Relaxed);
        let _ = slot.sent.compare_exchange(0, intended + 1, Ordering::Release, Ordering::Relaxed);
    }

    /// The gateway refused a message of `phone` for good.
    pub(crate) fn refused(&self, phone: u64) {
        let Some(slot) = self.slot(phone) else { return };
        slot.refused.fetch_add(1, Ordering::Relaxed);
        self.settled.fetch_add(1, Ordering::Relaxed);
    }

    /// A reply to `phone` has come at `now`.
    pub(crate) fn replied(&self, phone: Option<u64>, now: u64) -> Seen {
        let found = phone.and_then(|phone| self.slot(phone));
        let sent = found.map_or(0, |slot| slot.sent.load(Ordering::Acquire));
        let Some(slot) = found.filter(|_| sent > 0) else {
            self.stray.fetch_add(1, Ordering::Relaxed);
            return Seen::Stray;
        };
        if slot.replies.fetch_add(1, Ordering::Relaxed) > 0 {
            return Seen::Again;
        }
        self.settled.fetch_add(1, Ordering::Relaxed);
        Seen::First(now.saturating_sub(sent - 1))
    }

    /// How many phones have had what they wait for.
    pub(crate) fn settled(&self) -> u64 {
        self.settled.load(Ordering::Relaxed)
    }

    /// Whether all have.
    pub(crate) fn is_settled(&self) -> bool {
        self.settled() >= self.slots.len() as u64
    }

    /// What there is to say at the end.
    pub(crate) fn count(&self) -> Count {
        let mut count = Count { duplicates: self.stray.load(Ordering::Relaxed), ..Count::default() };
        for slot in &self.slots {
            let read = |number: &AtomicU32| u64::from(number.load(Ordering::Relaxed));
            let (messages, replies) = (read(&slot.messages), read(&slot.replies));
            count.unanswered += u64::from(replies == 0 && read(&slot.refused) == 0);
            count.duplicates += replies.saturating_sub(messages);
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reply_is_timed_from_the_intended_instant() {
        let board = Board::new(2);
        board.sent(0, 100);
        board.sent(0, 150);
        assert_eq!(board.replied(Some(0), 400), Seen::First(300));
        assert_eq!(board.replied(Some(0), 500), Seen::Again);
        assert_eq!(
            board.count(),
            Count { unanswered: 1, duplicates: 0 },
            "two messages may have two replies"
        );
        assert_eq!(board.replied(Some(0), 600), Seen::Again);
        assert_eq!(board.count(), Count { unanswered: 1, duplicates: 1 });
        assert!(!board.is_settled());
    }

    #[test]
    fn a_refused_message_waits_for_nothing() {
        let board = Board::new(1);
        board.sent(0, 0);
        board.refused(0);
        assert!(board.is_settled());
        assert_eq!(board.count(), Count::default());
    }

    #[test]
    fn a_reply_that_nobody_asked_for_is_one_too_many() {
        let board = Board::new(1);
        assert_eq!(board.replied(Some(0), 5), Seen::Stray, "before it texted");
        assert_eq!(board.replied(Some(7), 5), Seen::Stray);
        assert_eq!(board.replied(None, 5), Seen::Stray);
        assert_eq!(board.count(), Count { unanswered: 1, duplicates: 3 });
    }
}
