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
