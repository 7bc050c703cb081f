//! Which message was answered by what: shared by all sessions of an operator, for a reply may come on another bind than its
//! message.

use std::sync::atomic::{AtomicU64, Ordering};

/// Replies beyond so many are no longer counted, so that they never run over into the other bits.
const REPLIES_MAX: u64 = 200;
const REPLIES: u64 = 0xFF;
const ACKED: u64 = 1 << 8;
const REFUSED: u64 = 1 << 9;
const JUNK: u64 = 1 << 10;
/// From here on: when it should have been sent, in µs from the start, plus 1; 0 before. Enough for eight years.
const DUE: u32 = 16;

/// A message that the gateway said something about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    /// When it should have been sent, in µs from the start.
    pub(crate) due: u64,
    /// Whether it is none that can be granted.
    pub(crate) junk: bool,
}

/// What a reply is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The first to this phone.
    First(Sent),
    /// One more.
    Again,
    /// To a phone that has not texted.
    Stray,
}

/// What became of an operator's messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Messages without a response.
    pub(crate) unacked: u64,
    /// Phones that a reply is due to and that got none.
    pub(crate) unanswered: u64,
    /// Replies beyond one for each message.
    pub(crate) duplicates: u64,
}

/// Every message of an operator, 8 bytes each; the replies to a phone are counted at its first message.
#[derive(Debug)]
pub(crate) struct Board {
    /// By session, then in the order in which it sends: two threads rarely share a cache line.
    slots: Vec<AtomicU64>,
    sessions: u64,
    each: u64,
    messages: u64,
    /// Messages of one phone.
    deliveries: u64,
    stray: AtomicU64,
}

impl Board {
    /// So many messages, sent by so many sessions in turn, `deliveries` for each phone.
    pub(crate) fn new(messages: u64, sessions: u64, deliveries: u64) -> Self {
        let each = messages.div_ceil(sessions);
        let slots = (0..each * sessions).map(|_| AtomicU64::new(0)).collect();
        Self { slots, sessions, each, messages, deliveries, stray: AtomicU64::new(0) }
    }

    fn slot(&self, number: u64) -> Option<&AtomicU64> {
        let place = number % self.sessions * self.each + number / self.sessions;
        self.slots.get(usize::try_from(place).ok()?)
    }

    /// A message goes out for the first time.
    pub(crate) fn sent(&self, number: u64, Sent { due, junk }: Sent) {
        let Some(slot) = self.slot(number) else { return };
        slot.fetch_or((due + 1) << DUE | if junk { JUNK } else { 0 }, Ordering::Relaxed);
    }

    /// The gateway has taken a message.
    pub(crate) fn acked(&self, number: u64) -> Sent {
        sent(self.slot(number).map_or(0, |slot| slot.fetch_or(ACKED, Ordering::Relaxed))).unwrap_or(NONE)
    }

    /// The gateway refused a message for good. Whether its phone had heard nothing before.
    pub(crate) fn refused(&self, number: u64) -> bool {
        let Some(slot) = self.slot(number) else { return false };
        slot.fetch_or(REFUSED, Ordering::Relaxed);
        let first = self.slot(number - number % self.deliveries).unwrap_or(slot);
        self.settle(first) == 0
    }

    /// A reply has come to the phone whose first message is `number`.
    pub(crate) fn replied(&self, number: Option<u64>) -> Seen {
        let messages = |first: u64| (first..first + self.deliveries).filter_map(|number| self.slot(number));
        let Some((first, sent)) = number.and_then(|number| {
            let of_phone = messages(number).filter_map(|slot| sent(slot.load(Ordering::Relaxed)));
            Some((self.slot(number)?, of_phone.min_by_key(|sent| sent.due)?))
        }) else {
            self.stray.fetch_add(1, Ordering::Relaxed);
            return Seen::Stray;
        };
        if self.settle(first) == 0 { Seen::First(sent) } else { Seen::Again }
    }

    /// How many replies, and refusals that stand for one, there were before this one.
    fn settle(&self, first: &AtomicU64) -> u64 {
        let before = first.load(Ordering::Relaxed) & REPLIES;
        if before < REPLIES_MAX { first.fetch_add(1, Ordering::Relaxed) & REPLIES } else { before }
    }

    /// What there is to say at the end.
    pub(crate) fn count(&self) -> Count {
        let mut count = Count { duplicates: self.stray.load(Ordering::Relaxed), ..Count::default() };
        let read = |number| self.slot(number).map_or(0, |slot| slot.load(Ordering::Relaxed));
        for number in 0..self.messages {
            let slot = read(number);
            count.unacked += u64::from(slot & (ACKED | REFUSED) == 0);
            if number % self.deliveries == 0 {
                let replies = slot & REPLIES;
                count.unanswered += u64::from(replies == 0);
                count.duplicates += replies.saturating_sub(self.deliveries);
            }
        }
        count
    }
}

const NONE: Sent = Sent { due: 0, junk: false };

/// What a slot says of its message, once that has been sent.
fn sent(slot: u64) -> Option<Sent> {
    let due = (slot >> DUE).checked_sub(1)?;
    Some(Sent { due, junk: slot & JUNK != 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(due: u64) -> Sent {
        Sent { due, junk: due % 2 == 1 }
    }

    #[test]
    fn responses_and_first_replies_find_their_message() {
        let board = Board::new(10, 3, 1);
        for number in 0..10 {
            board.sent(number, sent(100 * number + number % 2));
        }
        for number in (0..10).rev() {
            let expected = sent(100 * number + number % 2);
            assert_eq!(board.acked(number), expected);
            assert_eq!(board.replied(Some(number)), Seen::First(expected));
        }
        assert_eq!(board.count(), Count::default());
        assert_eq!(board.replied(Some(9)), Seen::Again);
        assert_eq!(board.count(), Count { duplicates: 1, ..Count::default() });
    }

    #[test]
    fn a_phone_that_sent_twice_may_have_two_replies_timed_from_the_first() {
        let board = Board::new(4, 2, 2);
        board.sent(1, sent(50));
        assert_eq!(
            board.replied(Some(0)),
            Seen::First(sent(50)),
            "its second message went out before its first"
        );
        board.sent(0, sent(60));
        assert_eq!((board.acked(0), board.acked(1)), (sent(60), sent(50)));
        assert_eq!(board.replied(Some(0)), Seen::Again);
        assert_eq!(board.count(), Count { unacked: 2, unanswered: 1, duplicates: 0 });
        assert_eq!(board.replied(Some(0)), Seen::Again);
        assert_eq!(board.count(), Count { unacked: 2, unanswered: 1, duplicates: 1 });
    }

    #[test]
    fn a_refused_message_waits_for_nothing() {
        let board = Board::new(1, 1, 1);
        board.sent(0, sent(0));
        assert!(board.refused(0));
        assert_eq!(board.count(), Count::default());
    }

    #[test]
    fn a_reply_that_nobody_asked_for_is_one_too_many() {
        let board = Board::new(1, 1, 1);
        for number in [Some(0), Some(7), None] {
            assert_eq!(board.replied(number), Seen::Stray);
        }
        assert_eq!(board.count(), Count { unacked: 1, unanswered: 1, duplicates: 3 });
    }

    #[test]
    fn no_number_of_replies_runs_over() {
        let board = Board::new(1, 1, 1);
        board.sent(0, sent(4));
        for _ in 0..1000 {
            board.replied(Some(0));
        }
        assert_eq!(board.acked(0), sent(4));
        assert_eq!(board.count(), Count { duplicates: REPLIES_MAX - 1, ..Count::default() });
    }
}
