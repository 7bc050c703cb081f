//! Messages in several parts, until the last one comes.

use std::collections::{HashMap, VecDeque};

use icaze_codec::text::Part;
use icaze_store::ledger::Address;
use jiff::{SignedDuration, Timestamp};

use super::intake::Message;

/// An address that outlives its PDU.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OwnedAddress {
    ton: u8,
    npi: u8,
    digits: Box<[u8]>,
}

impl OwnedAddress {
    /// The address as the ledger and the reply want it.
    #[must_use]
    pub fn get(&self) -> Address<'_> {
        Address { ton: self.ton, npi: self.npi, digits: &self.digits }
    }
}

impl From<Address<'_>> for OwnedAddress {
    fn from(address: Address<'_>) -> Self {
        Self { ton: address.ton, npi: address.npi, digits: address.digits.into() }
    }
}

/// What the parts of one message have in common.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MessageKey {
    /// The operator that delivered them.
    pub operator: u16,
    /// The sender's address, as it came.
    pub from: OwnedAddress,
    /// The number that was texted.
    pub to: OwnedAddress,
    /// The message's reference number.
    pub reference: u16,
    /// Of how many parts.
    pub total: u8,
}

impl MessageKey {
    /// The message of an operator that `message` is this part of.
    #[must_use]
    pub fn of(operator: u16, message: &Message<'_>, part: Part) -> Self {
        let (from, to) = (message.from.into(), message.to.into());
        Self { operator, from, to, reference: part.reference, total: part.total }
    }
}

/// One accepted part.
#[derive(Clone)]
pub struct Piece {
    /// Its entry in the ledger.
    pub seq: u64,
    /// Its text.
    pub text: Box<str>,
}

/// A message whose parts were awaited for too long, or that had to make room.
pub struct Incomplete {
    /// Which message.
    pub key: MessageKey,
    /// Its parts that came, with their numbers, in order.
    pub pieces: Vec<(u8, Piece)>,
}

struct Pending {
    pieces: Vec<(u8, Piece)>,
    /// Tells this message from an earlier one with the same key in the queue of deadlines.
    first_seq: u64,
}

/// Parts that wait for their siblings: bounded in messages and in time.
pub struct Parts {
    messages: HashMap<MessageKey, Pending>,
    /// Which message an entry is a part of.
    by_seq: HashMap<u64, MessageKey>,
    deadlines: VecDeque<(Timestamp, u64, MessageKey)>,
    timeout: SignedDuration,
    messages_max: usize,
}

impl Parts {
    /// Nothing is awaited yet. A message is given up `timeout` after its first part came, or when more than
    /// `messages_max` are awaited and it is the oldest.
    #[must_use]
    pub fn new(timeout: SignedDuration, messages_max: usize) -> Self {
        Self {
            messages: HashMap::new(),
            by_seq: HashMap::new(),
            deadlines: VecDeque::new(),
            timeout,
            messages_max,
        }
    }

    /// The first entry that is awaited for.
    #[must_use]
    pub fn oldest(&self) -> Option<u64> {
        self.by_seq.keys().copied().min()
    }

    /// If part `number` is the last one missing: its siblings in order, which are awaited no longer.
    pub fn complete(&mut self, key: &MessageKey, number: u8) -> Option<Vec<Piece>> {
        let pending = self.messages.get(key)?;
        let known = pending.pieces.iter().any(|&(other, _)| other == number);
        if known || pending.pieces.len() + 1 < usize::from(key.total) {
            return None;
        }
        Some(self.take(key)?.into_iter().map(|(_, piece)| piece).collect())
    }

    /// The text of which the last of `parts` (message, number, text) is the last one missing, if the others are among those that
    /// are kept, or among `parts` themselves. Nothing is changed.
    #[must_use]
    pub fn joined(&self, parts: &[(MessageKey, u8, &str)]) -> Option<String> {
        let (key, last, _) = parts.last()?;
        let kept = self.messages.get(key).map_or(&[][..], |pending| &pending.pieces);
        if kept.iter().any(|(number, _)| number == last) {
            return None;
        }
        let text = |number: u8| {
            let newer = parts.iter().rev().find(|(other, at, _)| (other, *at) == (key, number));
            let older = || kept.iter().find(|(at, _)| *at == number).map(|(_, piece)| &*piece.text);
            newer.map(|&(_, _, text)| text).or_else(older)
        };
        (1..=key.total).map(text).collect()
    }

    /// Gives a message up for another one with the same key, which begins if part `number` comes a second time with
    /// another text: the same one is told by its identity before.
    pub fn supersede(&mut self, key: &MessageKey, number: u8) -> Option<Incomplete> {
        let pending = self.messages.get(key)?;
        let known = pending.pieces.iter().any(|&(other, _)| other == number);
        if known { self.take(key).map(|pieces| Incomplete { key: key.clone(), pieces }) } else { None }
    }

    /// Keeps a part. A second one with the same number takes the first one's place.
    pub fn insert(&mut self, key: MessageKey, number: u8, piece: Piece, at: Timestamp) {
        let seq = piece.seq;
        self.by_seq.insert(seq, key.clone());
        if let Some(pending) = self.messages.get_mut(&key) {
            let by_seq = &mut self.by_seq;
            pending.pieces.retain(|(other, old)| {
                let stays = *other != number;
                if !stays {
                    by_seq.remove(&old.seq);
                }
                stays
            });
            pending.pieces.push((number, piece));
            return;
        }
        self.deadlines.push_back((at + self.timeout, seq, key.clone()));
        self.messages.insert(key, Pending { pieces: vec![(number, piece)], first_seq: seq });
    }

    /// The part with this entry belongs to a message that is decided: forgets that message.
    pub fn forget(&mut self, seq: u64) {
        let key = self.by_seq.get(&seq).cloned();
        if let Some(key) = key {
            self.take(&key);
        }
    }

    /// Forgets the message with this key; returns its parts in order.
    pub fn take(&mut self, key: &MessageKey) -> Option<Vec<(u8, Piece)>> {
        let mut pending = self.messages.remove(key)?;
        for (_, piece) in &pending.pieces {
            self.by_seq.remove(&piece.seq);
        }
        pending.pieces.sort_unstable_by_key(|&(number, _)| number);
        Some(pending.pieces)
    }

    /// The next message that is given up at `now`.
    pub fn expire(&mut self, now: Timestamp) -> Option<Incomplete> {
        while let Some((deadline, first_seq, key)) = self.deadlines.front() {
            let stale = self.messages.get(key).is_none_or(|pending| pending.first_seq != *first_seq);
            if !stale && *deadline > now && self.messages.len() <= self.messages_max {
                return None;
            }
            let (_, _, key) = self.deadlines.pop_front()?;
            if !stale {
                return self.take(&key).map(|pieces| Incomplete { key, pieces });
            }
        }
        None
    }

    /// Takes back what [`expire`](Self::expire) gave out but found no room in the ledger: it is due again at once.
    pub fn restore(&mut self, incomplete: Incomplete, now: Timestamp) {
        let Incomplete { key, pieces } = incomplete;
        let Some(first_seq) = pieces.first().map(|(_, piece)| piece.seq) else { return };
        self.deadlines.push_front((now, first_seq, key.clone()));
        self.by_seq.extend(pieces.iter().map(|(_, piece)| (piece.seq, key.clone())));
        self.messages.insert(key, Pending { pieces, first_seq });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_607_940_000 + seconds).unwrap()
    }

    fn key(reference: u16, total: u8) -> MessageKey {
        let address = |digits| Address { ton: 1, npi: 1, digits }.into();
        MessageKey { operator: 0, from: address(b"1"), to: address(b"8103"), reference, total }
    }

    fn piece(seq: u64) -> Piece {
        Piece { seq, text: seq.to_string().into() }
    }

    fn parts() -> Parts {
        Parts::new(SignedDuration::from_secs(60), 2)
    }

    #[test]
    fn parts_come_in_any_order() {
        let mut parts = parts();
        assert!(parts.complete(&key(7, 3), 3).is_none());
        parts.insert(key(7, 3), 3, piece(1), at(0));
        assert!(parts.complete(&key(7, 3), 3).is_none(), "the same part again completes nothing");
        parts.insert(key(7, 3), 1, piece(2), at(1));
        let siblings = parts.complete(&key(7, 3), 2).unwrap();
        assert_eq!(siblings.iter().map(|piece| piece.seq).collect::<Vec<_>>(), [2, 1]);
        assert!(parts.messages.is_empty());
    }

    #[test]
    fn a_message_is_given_up_after_its_time() {
        let mut parts = parts();
        parts.insert(key(1, 2), 1, piece(1), at(0));
        assert!(parts.expire(at(59)).is_none());
        assert_eq!(parts.expire(at(60)).unwrap().pieces[0].1.seq, 1);
        assert!(parts.expire(at(600)).is_none());
    }

    #[test]
    fn a_reused_reference_has_a_deadline_of_its_own() {
        let mut parts = parts();
        parts.insert(key(1, 2), 1, piece(1), at(0));
        parts.complete(&key(1, 2), 2).unwrap();
        parts.insert(key(1, 2), 1, piece(3), at(50));
        assert!(parts.expire(at(60)).is_none());
        assert_eq!(parts.expire(at(110)).unwrap().pieces[0].1.seq, 3);
    }

    #[test]
    fn too_many_messages_push_the_oldest_out() {
        let mut parts = parts();
        for reference in 0..3 {
            parts.insert(key(reference, 2), 1, piece(reference.into()), at(0));
        }
        assert_eq!(parts.expire(at(1)).unwrap().key.reference, 0);
        assert!(parts.expire(at(1)).is_none());
    }
}
