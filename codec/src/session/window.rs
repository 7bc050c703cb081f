//! Our requests that await a response, and our sequence numbers.

use std::time::{Duration, Instant};

use crate::pdu::{Command, MessageKind};

/// Highest sequence number (SMPP v3.4 3.2); 1 follows it.
const SEQUENCE_MAX: u32 = 0x7FFF_FFFF;
/// Slots of a new window.
const SLOTS_MIN: usize = 64;

#[derive(Clone, Copy)]
struct Slot {
    /// 0 where the slot is free.
    sequence: u32,
    kind: MessageKind,
    token: u64,
    sent: Instant,
}

/// A ring of slots, each at its sequence number modulo their count, so that every operation is O(1).
///
/// A sequence number whose slot is still taken by an older request is skipped. The slots are at least twice the requests,
/// which bounds the skips to one for each request, amortised.
pub(super) struct Window {
    slots: Vec<Slot>,
    free: Slot,
    len: usize,
    /// The sequence number given next.
    next: u32,
    /// The oldest open request's; anything where none is open.
    oldest: u32,
}

impl Window {
    pub(super) fn new(now: Instant) -> Self {
        let free = Slot { sequence: 0, kind: MessageKind::SubmitSm, token: 0, sent: now };
        Self { slots: Vec::new(), free, len: 0, next: 1, oldest: 1 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// A sequence number for a request that is not a message.
    pub(super) fn sequence(&mut self) -> u32 {
        let sequence = self.next;
        self.next = after(sequence);
        sequence
    }

    /// Opens a request for a message and gives its sequence number.
    #[inline]
    pub(super) fn open(&mut self, kind: MessageKind, token: u64, now: Instant) -> u32 {
        if self.len * 2 >= self.slots.len() {
            self.grow();
        }
        let mut sequence = self.sequence();
        while self.slot(sequence).sequence != 0 {
            sequence = self.sequence();
        }
        *self.slot_mut(sequence) = Slot { sequence, kind, token, sent: now };
        if self.len == 0 {
            self.oldest = sequence;
        }
        self.len += 1;
        sequence
    }

    /// Closes the request that this response answers, and gives its token. `None` for a response to nothing.
    #[inline]
    pub(super) fn close(&mut self, sequence: u32, response: Command) -> Option<u64> {
        if self.len == 0 || sequence == 0 {
            return None;
        }
        let slot = self.slot(sequence);
        let answers = response == slot.kind.command().response() || response == Command::GENERIC_NACK;
        (slot.sequence == sequence && answers).then(|| self.free(sequence))
    }

    /// When the oldest open request was sent.
    pub(super) fn oldest(&self) -> Option<Instant> {
        (self.len > 0).then(|| self.slot(self.oldest).sent)
    }

    /// Closes the oldest request if it was sent `lifetime` ago or earlier.
    pub(super) fn expire(&mut self, now: Instant, lifetime: Duration) -> Option<u64> {
        (self.oldest()? + lifetime <= now).then(|| self.free(self.oldest))
    }

    /// Closes the oldest request.
    pub(super) fn pop(&mut self) -> Option<u64> {
        (self.len > 0).then(|| self.free(self.oldest))
    }

    fn free(&mut self, sequence: u32) -> u64 {
        let free = self.free;
        let token = std::mem::replace(self.slot_mut(sequence), free).token;
        self.len -= 1;
        while self.len > 0 && self.slot(self.oldest).sequence != self.oldest {
            self.oldest = after(self.oldest);
        }
        token
    }

    fn index(&self, sequence: u32) -> usize {
        // The count is a power of two and divides the range of sequence numbers.
        sequence as usize & (self.slots.len() - 1)
    }

    fn slot(&self, sequence: u32) -> &Slot {
        &self.slots[self.index(sequence)]
    }

    fn slot_mut(&mut self, sequence: u32) -> &mut Slot {
        let index = self.index(sequence);
        &mut self.slots[index]
    }

    /// Doubles the slots. Requests that had slots of their own keep them: they differ modulo the double, too.
    #[cold]
    fn grow(&mut self) {
        let count = (self.slots.len() * 2).max(SLOTS_MIN);
        let slots = std::mem::replace(&mut self.slots, vec![self.free; count]);
        for slot in slots.into_iter().filter(|slot| slot.sequence != 0) {
            *self.slot_mut(slot.sequence) = slot;
        }
    }
}

const fn after(sequence: u32) -> u32 {
    if sequence >= SEQUENCE_MAX { 1 } else { sequence + 1 }
}
