//! Our requests that await a response, and our sequence numbers.

use std::collections::{HashMap, VecDeque};
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
    overdue: Overdue,
}

/// Requests whose time is up: they have no place in the window any more, but their responses may still come.
#[derive(Default)]
struct Overdue {
    requests: HashMap<u32, (MessageKind, u64)>,
    /// Oldest first. May name requests that have been answered since.
    order: VecDeque<u32>,
}

impl Overdue {
    fn keep(&mut self, Slot { sequence, kind, token, .. }: Slot, max: usize) {
        self.requests.insert(sequence, (kind, token));
        self.order.push_back(sequence);
        while self.order.len() > max
            && let Some(oldest) = self.order.pop_front()
        {
            self.requests.remove(&oldest);
        }
    }

    fn close(&mut self, sequence: u32, response: Command) -> Option<u64> {
        let &(kind, token) = self.requests.get(&sequence)?;
        answers(kind, response).then(|| {
            self.requests.remove(&sequence);
            token
        })
    }
}

impl Window {
    pub(super) fn new(now: Instant) -> Self {
        let free = Slot { sequence: 0, kind: MessageKind::SubmitSm, token: 0, sent: now };
        Self { slots: Vec::new(), free, len: 0, next: 1, oldest: 1, overdue: Overdue::default() }
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
        while self.slot(sequence).sequence != 0 || self.overdue.requests.contains_key(&sequence) {
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
        (slot.sequence == sequence && answers(slot.kind, response)).then(|| self.free(sequence).token)
    }

    /// The token of the request that this response answers after its time was up; once.
    pub(super) fn close_overdue(&mut self, sequence: u32, response: Command) -> Option<u64> {
        self.overdue.close(sequence, response)
    }

    /// When the oldest open request was sent.
    pub(super) fn oldest(&self) -> Option<Instant> {
        (self.len > 0).then(|| self.slot(self.oldest).sent)
    }

    /// Closes the oldest request if it was sent `lifetime` ago or earlier. At most `keep` that were closed so are
    /// remembered, for their responses may still come.
    pub(super) fn expire(&mut self, now: Instant, lifetime: Duration, keep: usize) -> Option<u64> {
        let due = self.oldest()? + lifetime <= now;
        due.then(|| {
            let slot = self.free(self.oldest);
            self.overdue.keep(slot, keep);
            slot.token
        })
    }

    /// Closes the oldest request.
    pub(super) fn pop(&mut self) -> Option<u64> {
        (self.len > 0).then(|| self.free(self.oldest).token)
    }

    fn free(&mut self, sequence: u32) -> Slot {
        let free = self.free;
        let slot = std::mem::replace(self.slot_mut(sequence), free);
        self.len -= 1;
        while self.len > 0 && self.slot(self.oldest).sequence != self.oldest {
            self.oldest = after(self.oldest);
        }
        slot
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

fn answers(kind: MessageKind, response: Command) -> bool {
    response == kind.command().response() || response == Command::GENERIC_NACK
}

const fn after(sequence: u32) -> u32 {
    if sequence >= SEQUENCE_MAX { 1 } else { sequence + 1 }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Requests whose time is up that are remembered.
    const KEEP: usize = 3;

    #[derive(Debug, Clone)]
    enum Step {
        Open(MessageKind),
        /// A request that is not a message takes a sequence number.
        Sequence,
        Close(prop::sample::Index),
        /// The last ones first, so that an old one stays.
        CloseNewest,
        Pass(u64),
        Expire,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => prop_oneof![Just(MessageKind::SubmitSm), Just(MessageKind::DataSm)].prop_map(Step::Open),
            1 => Just(Step::Sequence),
            3 => any::<prop::sample::Index>().prop_map(Step::Close),
            3 => Just(Step::CloseNewest),
            2 => (0_u64..4).prop_map(Step::Pass),
            1 => Just(Step::Expire),
        ]
    }

    proptest! {
        /// Against an ordered map, from a few numbers before the wrap.
        #[test]
        fn it_is_an_ordered_map(steps in prop::collection::vec(step(), 0..400), before_wrap in 0_u32..300) {
            #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
            let mut now = Instant::now();
            let mut window = Window::new(now);
            window.next = SEQUENCE_MAX - before_wrap;
            let lifetime = Duration::from_secs(5);
            // Token to sequence number, kind and time: tokens count up, so the first is the oldest.
            let mut model: BTreeMap<u64, (u32, MessageKind, Instant)> = BTreeMap::new();
            let mut overdue: VecDeque<(u32, MessageKind, Option<u64>)> = VecDeque::new();
            for (token, step) in (0_u64..).zip(steps) {
                match step {
                    Step::Open(kind) => {
                        let sequence = window.open(kind, token, now);
                        prop_assert!((1..=SEQUENCE_MAX).contains(&sequence));
                        prop_assert!(model.values().all(|(open, ..)| *open != sequence));
                        prop_assert!(overdue.iter().all(|(open, ..)| *open != sequence));
                        model.insert(token, (sequence, kind, now));
                    }
                    Step::Sequence => drop(window.sequence()),
                    Step::Close(index) if !model.is_empty() => {
                        let (token, (sequence, kind, _)) = model.iter().nth(index.index(model.len())).map(|(t, v)| (*t, *v)).unwrap();
                        prop_assert_eq!(window.close(sequence, Command::DELIVER_SM_RESP), None);
                        prop_assert_eq!(window.close(sequence, kind.command().response()), Some(token));
                        prop_assert_eq!(window.close(sequence, kind.command().response()), None);
                        model.remove(&token);
                    }
                    Step::CloseNewest => if let Some((token, (sequence, ..))) = model.pop_last() {
                        prop_assert_eq!(window.close(sequence, Command::GENERIC_NACK), Some(token));
                    },
                    Step::Pass(seconds) => now += Duration::from_secs(seconds),
                    Step::Expire => {
                        let due = model.first_key_value().filter(|(_, (.., sent))| *sent + lifetime <= now).map(|(token, _)| *token);
                        prop_assert_eq!(window.expire(now, lifetime, KEEP), due);
                        if let Some((sequence, kind, _)) = due.and_then(|token| model.remove(&token)) {
                            overdue.push_back((sequence, kind, due));
                            if overdue.len() > KEEP { overdue.pop_front(); }
                        }
                    }
                    Step::Close(_) => {}
                }
                prop_assert_eq!(window.len(), model.len());
                prop_assert_eq!(window.oldest(), model.values().next().map(|(.., sent)| *sent));
            }
            while let Some((token, _)) = model.pop_first() {
                prop_assert_eq!(window.pop(), Some(token));
            }
            prop_assert_eq!(window.pop(), None);
            for (sequence, kind, token) in overdue {
                prop_assert_eq!(window.close_overdue(sequence, Command::DELIVER_SM_RESP), None);
                prop_assert_eq!(window.close_overdue(sequence, kind.command().response()), token);
                prop_assert_eq!(window.close_overdue(sequence, kind.command().response()), None);
            }
        }
    }

    #[test]
    fn an_old_request_does_not_stop_the_numbers_going_round() {
        #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
        let now = Instant::now();
        let mut window = Window::new(now);
        let old = window.open(MessageKind::SubmitSm, 0, now);
        for token in 1..10_000 {
            let sequence = window.open(MessageKind::SubmitSm, token, now);
            assert_eq!(window.close(sequence, Command::SUBMIT_SM_RESP), Some(token));
        }
        assert_eq!(window.slots.len(), SLOTS_MIN, "memory follows what is open");
        assert_eq!(window.close(old, Command::SUBMIT_SM_RESP), Some(0));
    }
}
