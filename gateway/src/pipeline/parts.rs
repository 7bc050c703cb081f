//! Messages in several parts, until the last one comes.
//!
//! A text whose parts do not all come in time is answered with help, and its parts are kept for a
//! while: a missing one that comes late still makes the text whole.

use std::collections::{HashMap, VecDeque};

use icaze_codec::text::{Part, part};
use icaze_store::Msisdn;
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

/// Texts of one phone that wait for parts, at most.
const PHONE_MAX: usize = 8;
/// Texts of one phone that were answered with help and may still be made whole, at most.
const HELPED_MAX: usize = 32;
/// Parts of texts that cannot be told apart, at most: the help for them is one entry.
const MIXED_MAX: usize = 255;

/// What the parts of one message have in common. However its operator spells a phone, it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageKey {
    /// The operator that delivered them.
    pub operator: u16,
    /// The sender.
    pub phone: Msisdn,
    /// The message's reference number.
    pub reference: u16,
    /// Of how many parts.
    pub total: u8,
}

impl MessageKey {
    /// The message of an operator that `message` is this part of; `None` if its sender is nobody's.
    #[must_use]
    pub fn of(operator: u16, message: &Message<'_>, part: Part) -> Option<Self> {
        Some(Self { operator, phone: message.phone?, reference: part.reference, total: part.total })
    }
}

/// One accepted part.
#[derive(Clone)]
pub struct Piece {
    /// Its entry in the ledger.
    pub seq: u64,
    /// Its text.
    pub text: Box<str>,
    /// Whether the same part came before, and made a text that is decided: it is a redelivery, or the
    /// beginning of another text.
    pub repeated: bool,
}

/// A message whose parts were awaited for too long, or that had to make room.
pub struct Incomplete {
    /// Which message.
    pub key: MessageKey,
    /// Who texted, as the first of its parts says.
    pub from: OwnedAddress,
    /// Whom.
    pub to: OwnedAddress,
    /// The entries of its parts that came, in order.
    pub seqs: Vec<u64>,
    /// Their text.
    pub text: String,
}

/// A message of which one part was missing.
pub struct Siblings {
    /// The other parts, in order.
    pub pieces: Vec<Piece>,
    /// What was answered while they were not there.
    pub help: Option<Help>,
}

/// What was answered to a text whose parts were not all there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Help {
    /// Its entry.
    pub seq: u64,
    /// Whether the phone has asked for something since.
    pub overtaken: bool,
}

struct Pending {
    pieces: Vec<(u8, Piece)>,
    from: OwnedAddress,
    to: OwnedAddress,
    begun_at: Timestamp,
    /// Tells this message from an earlier one with the same key in the queues.
    first_seq: u64,
    help: Option<Help>,
    /// The first part once more: of a redelivery, or of another text that begins with the same words.
    copy: Option<Piece>,
    /// Whether parts of different texts came, which nobody can tell apart: they are never joined.
    mixed: bool,
}

impl Pending {
    /// Whether part `number` came with these very words.
    fn is_same(&self, number: u8, text: &str) -> bool {
        self.pieces.iter().any(|(other, piece)| *other == number && *piece.text == *text)
    }

    /// Whether a different part `number` came for this text: another text has begun.
    fn differs(&self, number: u8, text: &str) -> bool {
        self.has(number) && !self.is_same(number, text)
    }

    /// Whether nothing can come that would still be joined with these parts, so that those of
    /// another text are not mistaken for theirs.
    fn is_over(&self) -> bool {
        self.is_repeated() || self.help.is_some_and(|help| help.overtaken)
    }

    /// Whether all parts of two texts are there.
    fn is_full(&self, total: u8) -> bool {
        self.mixed && self.pieces.len() >= MIXED_MAX.min(usize::from(total) * 2)
    }

    fn has(&self, number: u8) -> bool {
        self.pieces.iter().any(|&(other, _)| other == number)
    }

    fn is_repeated(&self) -> bool {
        self.pieces.iter().all(|(_, piece)| piece.repeated)
    }

    fn sorted(&self) -> Vec<(u8, &Piece)> {
        let mut pieces: Vec<_> = self.pieces.iter().map(|(number, piece)| (*number, piece)).collect();
        pieces.sort_unstable_by_key(|&(number, _)| number);
        pieces
    }
}

/// A place in a queue: when it is due, and of which message.
type Due = (Timestamp, u64, MessageKey);

/// Parts that wait for their siblings: bounded in messages and in time.
pub struct Parts {
    messages: HashMap<MessageKey, Pending>,
    /// Which message an entry is a part of.
    by_seq: HashMap<u64, MessageKey>,
    /// The messages of each phone, oldest first.
    by_phone: HashMap<Msisdn, Vec<MessageKey>>,
    /// Messages that are to be answered with help, and those that were and are to be forgotten.
    waiting: VecDeque<Due>,
    kept: VecDeque<Due>,
    timeout: SignedDuration,
    keep: SignedDuration,
    messages_max: usize,
}

impl Parts {
    /// Nothing is awaited yet. A message gets help `timeout` after its first part came, and is
    /// forgotten `keep` after it; sooner if it is the oldest and there are more than `messages_max`,
    /// or too many of its phone.
    #[must_use]
    pub fn new(timeout: SignedDuration, keep: SignedDuration, messages_max: usize) -> Self {
        Self {
            messages: HashMap::new(),
            by_seq: HashMap::new(),
            by_phone: HashMap::new(),
            waiting: VecDeque::new(),
            kept: VecDeque::new(),
            timeout,
            keep,
            messages_max,
        }
    }

    /// The first entry that still lacks an outcome. What has got its help does not lengthen a start.
    #[must_use]
    pub fn oldest(&self) -> Option<u64> {
        let waiting = self.messages.values().filter(|pending| pending.help.is_none());
        waiting.flat_map(|pending| pending.pieces.iter().map(|(_, piece)| piece.seq)).min()
    }

    /// Whether entry `seq` is a part that is kept under this key: the same part again is a redelivery.
    #[must_use]
    pub fn holds(&self, key: &MessageKey, seq: u64) -> bool {
        self.by_seq.get(&seq) == Some(key)
    }

    /// Whether this is the first part of the text that waits under this key, for the second time. A
    /// text that begins with the same words may be cut in the same place, so it is kept too.
    #[must_use]
    pub fn repeats(&self, key: &MessageKey, number: u8, text: &str) -> bool {
        let pending = self.messages.get(key).filter(|pending| !pending.mixed && pending.copy.is_none());
        number == 1 && pending.is_some_and(|pending| pending.is_same(number, text))
    }

    /// Whether a text has begun under this key that lacks this part. What came again and nothing else
    /// is no beginning.
    #[must_use]
    pub fn lacks(&self, key: &MessageKey, number: u8) -> bool {
        self.messages.get(key).is_some_and(|pending| !pending.has(number) && !pending.is_repeated())
    }

    /// If part `number` is the last one missing: its siblings. Nothing is changed.
    #[must_use]
    pub fn complete(&self, key: &MessageKey, number: u8) -> Option<Siblings> {
        let pending = self.messages.get(key)?;
        if pending.mixed || pending.has(number) || pending.pieces.len() + 1 < usize::from(key.total) {
            return None;
        }
        let pieces = pending.sorted().into_iter().map(|(_, piece)| piece.clone()).collect();
        Some(Siblings { pieces, help: pending.help })
    }

    /// The text of which the last of `parts` (message, number, text) is the last one missing, if the others are among those that
    /// are kept, or among `parts` themselves. Nothing is changed.
    #[must_use]
    pub fn joined(&self, parts: &[(MessageKey, u8, &str)]) -> Option<String> {
        let (key, last, _) = parts.last()?;
        if self.messages.get(key).is_some_and(|pending| pending.mixed) {
            return None;
        }
        let kept = self.messages.get(key).map_or(&[][..], |pending| &pending.pieces);
        if kept.iter().any(|(number, _)| number == last) {
            return None;
        }
        let text = |number: u8| {
            let newer = parts.iter().rev().find(|(other, at, _)| (other, *at) == (key, number));
            let older = || kept.iter().find(|(at, _)| *at == number).map(|(_, piece)| &*piece.text);
            newer.map(|&(_, _, text)| text).or_else(older)
        };
        let texts: Vec<&str> = (1..=key.total).map(text).collect::<Option<_>>()?;
        let mut joined = String::new();
        part::join(texts.into_iter(), &mut joined);
        Some(joined)
    }

    /// The message that has to be answered before a part of `key` is kept: texts of this key that
    /// cannot be told apart and are all there; or the phone's oldest one, if too many wait.
    #[must_use]
    pub fn displaced(&self, key: &MessageKey) -> Option<Incomplete> {
        let displaced = match self.messages.get(key) {
            Some(pending) => pending.is_full(key.total).then_some(*key),
            None => self.oldest_of(key.phone, PHONE_MAX, false),
        };
        self.incomplete(&displaced?)
    }

    /// The oldest text of a phone of those that were `helped` or wait, if there are `max` of them.
    fn oldest_of(&self, phone: Msisdn, max: usize, helped: bool) -> Option<MessageKey> {
        let keys = self.by_phone.get(&phone)?;
        let is_one = |key: &&MessageKey| self.messages.get(key).is_some_and(|it| it.help.is_some() == helped);
        let mut those = keys.iter().filter(is_one);
        let oldest = those.next().copied()?;
        (those.count() + 1 >= max).then_some(oldest)
    }

    /// A message that is to get help; `None` if it has got it, or is nothing but a redelivery.
    fn incomplete(&self, key: &MessageKey) -> Option<Incomplete> {
        let pending = self.messages.get(key)?;
        if pending.help.is_some() || pending.is_repeated() {
            return None;
        }
        let pieces = pending.sorted();
        // What nobody wrote is not read either.
        let joined = if pending.mixed { 1 } else { pieces.len() };
        let mut text = String::new();
        part::join(pieces.iter().take(joined).map(|(_, piece)| &*piece.text), &mut text);
        let seqs = pieces.iter().map(|(_, piece)| piece.seq).collect();
        Some(Incomplete { key: *key, from: pending.from.clone(), to: pending.to.clone(), seqs, text })
    }

    /// Keeps a part. If its message has another one of this number, two texts are mixed.
    pub fn insert(
        &mut self,
        key: MessageKey,
        number: u8,
        piece: Piece,
        addresses: [Address<'_>; 2],
        at: Timestamp,
    ) {
        let repeats = self.repeats(&key, number, &piece.text);
        let pending = self.messages.get(&key);
        if pending.is_some_and(|pending| pending.is_over() && pending.differs(number, &piece.text)) {
            self.drop(&key);
        }
        let seq = piece.seq;
        self.by_seq.insert(seq, key);
        let Some(pending) = self.messages.get_mut(&key) else {
            let [from, to] = addresses.map(OwnedAddress::from);
            return self.begin(key, vec![(number, piece)], from, to, at);
        };
        if repeats {
            pending.copy = Some(Piece { repeated: true, ..piece });
            return;
        }
        if !pending.mixed && pending.is_same(number, &piece.text) {
            self.by_seq.remove(&seq);
            return;
        }
        let mixed = pending.mixed || pending.has(number);
        if mixed && pending.help.take().is_some() {
            // They have their outcome; what comes now has not.
            for (_, piece) in pending.pieces.drain(..) {
                self.by_seq.remove(&piece.seq);
            }
        }
        pending.pieces.push((number, piece));
        if mixed {
            pending.mixed = true;
            pending.pieces.extend(pending.copy.take().map(|copy| (1, copy)));
            (pending.begun_at, pending.first_seq) = (at, seq);
            if pending.is_full(key.total) {
                self.waiting.push_front((at, seq, key));
            } else {
                self.waiting.push_back((at + self.timeout, seq, key));
            }
            return;
        }
        let whole = pending.pieces.len() == usize::from(key.total);
        if whole && pending.help.is_some_and(|help| help.overtaken) {
            self.drop(&key);
        }
    }

    fn begin(
        &mut self,
        key: MessageKey,
        pieces: Vec<(u8, Piece)>,
        from: OwnedAddress,
        to: OwnedAddress,
        at: Timestamp,
    ) {
        let Some(first_seq) = pieces.first().map(|(_, piece)| piece.seq) else { return };
        for (max, helped) in [(PHONE_MAX, false), (HELPED_MAX, true)] {
            if let Some(oldest) = self.oldest_of(key.phone, max, helped) {
                self.drop(&oldest);
            }
        }
        self.by_phone.entry(key.phone).or_default().push(key);
        let (begun_at, help, copy, mixed) = (at, None, None, false);
        let pending = Pending { pieces, from, to, begun_at, first_seq, help, copy, mixed };
        self.messages.insert(key, pending);
        self.waiting.push_back((at + self.timeout, first_seq, key));
    }

    /// Entry `help` answered the message of part `seq`, whose other parts had not come.
    pub fn helped(&mut self, seq: u64, help: u64) {
        let Some(key) = self.by_seq.get(&seq).copied() else { return };
        let Some(pending) = self.messages.get_mut(&key) else { return };
        if pending.mixed {
            // A late part cannot be told from one of the next text.
            self.drop(&key);
        } else if pending.help.is_none() {
            pending.help = Some(Help { seq: help, overtaken: false });
            self.kept.push_back((pending.begun_at + self.keep, pending.first_seq, key));
        }
    }

    /// The phone has asked for something: what it lacked before is not to be decided any more.
    pub fn asked(&mut self, phone: Msisdn) {
        for key in self.by_phone.get(&phone).into_iter().flatten() {
            if let Some(help) = self.messages.get_mut(key).and_then(|pending| pending.help.as_mut()) {
                help.overtaken = true;
            }
        }
    }

    /// The part with this entry belongs to a message that is decided at `at`: forgets that message.
    /// If its first part came twice, the other one waits for the rest of another text.
    pub fn forget(&mut self, seq: u64, at: Timestamp) {
        let Some(key) = self.by_seq.get(&seq).copied() else { return };
        if let Some(Pending { copy: Some(copy), from, to, .. }) = self.drop(&key) {
            self.by_seq.insert(copy.seq, key);
            self.begin(key, vec![(1, copy)], from, to, at);
        }
    }

    fn drop(&mut self, key: &MessageKey) -> Option<Pending> {
        let pending = self.messages.remove(key)?;
        let pieces = pending.pieces.iter().map(|(_, piece)| piece);
        for piece in pieces.chain(&pending.copy) {
            self.by_seq.remove(&piece.seq);
        }
        if let Some(keys) = self.by_phone.get_mut(&key.phone) {
            keys.retain(|other| other != key);
            if keys.is_empty() {
                self.by_phone.remove(&key.phone);
            }
        }
        Some(pending)
    }

    /// The next message that is to get help at `now`; those whose time is over are forgotten.
    pub fn expire(&mut self, now: Timestamp) -> Option<Incomplete> {
        while let Some(key) = self.due(now) {
            let incomplete = self.incomplete(&key);
            if incomplete.is_some() {
                return incomplete;
            }
            self.drop(&key);
        }
        None
    }

    /// Takes the next message from its queue whose time has passed, or the oldest if there are too many.
    fn due(&mut self, now: Timestamp) -> Option<MessageKey> {
        for (queue, helped) in [(&mut self.waiting, false), (&mut self.kept, true)] {
            while queue.front().is_some_and(|(_, seq, key)| {
                let pending = self.messages.get(key);
                pending.is_none_or(|it| it.first_seq != *seq || it.help.is_some() != helped)
            }) {
                queue.pop_front();
            }
        }
        let full = self.messages.len() > self.messages_max;
        let is_due = |queue: &VecDeque<Due>| queue.front().is_some_and(|&(at, ..)| full || at <= now);
        let first = |queue: &VecDeque<Due>| queue.front().map_or(u64::MAX, |&(_, seq, _)| seq);
        let kept = is_due(&self.kept) && (!full || first(&self.kept) < first(&self.waiting));
        let queue = if kept { &mut self.kept } else { &mut self.waiting };
        if !is_due(queue) {
            return None;
        }
        queue.pop_front().map(|(_, _, key)| key)
    }

    /// Takes back what [`expire`](Self::expire) gave out but found no room in the ledger: it is due again at once.
    pub fn restore(&mut self, incomplete: &Incomplete, now: Timestamp) {
        if let Some(pending) = self.messages.get(&incomplete.key) {
            self.waiting.push_front((now, pending.first_seq, incomplete.key));
        }
    }
}

#[cfg(test)]
mod tests;
