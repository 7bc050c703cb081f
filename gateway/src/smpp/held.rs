//! Encoded responses and replies that wait for the ledger.

use std::collections::VecDeque;
use std::time::Instant;

use icaze_store::ledger::Durable;

/// Up to where a session's output may be written.
///
/// The session encodes into one buffer, in the order of the wire. A mark says: everything up to `end` may leave once
/// entry `seq` is durable. Bytes that no mark covers (a bind's response, an enquire_link) have a mark with entry 0.
#[derive(Debug, Default)]
pub struct Held {
    marks: VecDeque<Mark>,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    end: usize,
    seq: u64,
    /// Replies up to here, and when the messages that they answer were read.
    replies: u32,
    received: Instant,
}

/// Replies that have just been released, for the answer latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Released {
    /// When their messages were read.
    pub received: Instant,
    /// How many.
    pub replies: u32,
}

impl Held {
    /// Everything that was appended since the last mark, up to `end`, waits for entry `seq` (0: for nothing).
    pub fn mark(&mut self, end: usize, seq: u64, replies: u32, received: Instant) {
        if self.marks.back().map_or(0, |last| last.end) < end {
            self.marks.push_back(Mark { end, seq, replies, received });
        }
    }

    /// How many bytes from the front of the output may be written, given what is durable. Calls `released` for the
    /// replies among them, once.
    pub fn writable(&mut self, durable: Durable, mut released: impl FnMut(Released)) -> usize {
        let mut writable = 0;
        for mark in &mut self.marks {
            if !durable.covers(mark.seq) {
                break;
            }
            writable = mark.end;
            if mark.replies > 0 {
                released(Released { received: mark.received, replies: std::mem::take(&mut mark.replies) });
            }
        }
        writable
    }

    /// `count` bytes have been written and taken from the front of the output.
    pub fn written(&mut self, count: usize) {
        for mark in &mut self.marks {
            mark.end = mark.end.saturating_sub(count);
        }
        while self.marks.front().is_some_and(|mark| mark.end == 0) {
            self.marks.pop_front();
        }
    }

    /// Whether something waits for the ledger or for the peer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use icaze_store::ledger::{Batch, Entry, FaultyStorage, Ledger, MasterKey, Options};
    use jiff::Timestamp;

    /// Proof that 1, 2 and so on up to `count` entries are durable.
    fn tokens(count: usize) -> Vec<Durable> {
        let key = MasterKey::random().unwrap();
        let opened = Ledger::open(FaultyStorage::new(1), &key, 0, Options::default(), |_| {});
        let (mut ledger, mut batch): (_, Batch) = opened.unwrap();
        let mut commit = || {
            batch.append(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, &Entry::Start).unwrap();
            ledger.commit(&mut batch).unwrap()
        };
        (0..count).map(|_| commit()).collect()
    }

    fn origin() -> Instant {
        Instant::now()
    }

    #[test]
    fn bytes_leave_in_order_and_not_before_their_entries() {
        let (tokens, now) = (tokens(3), origin());
        let mut held = Held::default();
        held.mark(10, 0, 0, now);
        held.mark(30, 2, 1, now);
        held.mark(40, 0, 0, now);
        held.mark(50, 3, 2, now);
        let mut replies = 0;
        let mut writable =
            |held: &mut Held, token| held.writable(token, |released| replies += released.replies);
        assert_eq!(writable(&mut held, tokens[0]), 10);
        assert_eq!(writable(&mut held, tokens[1]), 40, "what follows waits for nothing of its own");
        assert_eq!(writable(&mut held, tokens[1]), 40);
        assert_eq!(writable(&mut held, tokens[2]), 50);
        assert_eq!(replies, 3, "each is told once");
    }

    #[test]
    fn what_is_written_in_pieces_moves_every_mark() {
        let (tokens, now) = (tokens(2), origin());
        let mut held = Held::default();
        held.mark(10, 1, 0, now);
        held.mark(30, 2, 0, now);
        held.written(4);
        assert_eq!(held.writable(tokens[0], |_| {}), 6);
        held.written(6);
        assert_eq!((held.writable(tokens[0], |_| {}), held.writable(tokens[1], |_| {})), (0, 20));
        held.written(20);
        assert!(held.is_empty());
        held.mark(0, 1, 0, now);
        assert!(held.is_empty(), "no bytes, no mark");
    }
}
