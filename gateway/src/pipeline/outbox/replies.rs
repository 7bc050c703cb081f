//! Where replies are kept: those whose requests are remembered in the order of the ledger, the few older ones that are not
//! settled by their entry.

use std::collections::HashMap;
use std::fmt;

use super::super::fifo::Fifo;
use super::ADOPTED;
use super::reply::{Envelope, Issued, Reply, State};
use super::texts::{Place, Texts};

/// Forgotten for each reply that comes, so that forgetting never takes long.
const FORGET_STEP: usize = 4;

/// Replies by the entries that decided them.
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// One place for each entry, empty where it has no reply.
    recent: Fifo<Option<Reply>>,
    /// The entry of the place with number 0, wrapping.
    offset: u64,
    texts: Texts,
    /// Replies whose requests are forgotten, that wait, are in flight or have no mark yet, with their texts.
    late: HashMap<u64, Late>,
    /// Entries before this one are forgotten little by little.
    forget_before: u64,
}

/// A reply that is kept apart from the others, with its texts.
struct Late {
    reply: Reply,
    texts: Box<str>,
}

/// Without its texts, which are personal.
impl fmt::Debug for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reply.fmt(f)
    }
}

impl Late {
    fn is_done(&self) -> bool {
        self.reply.state == State::Settled && self.reply.marked
    }
}

impl Replies {
    /// The entry that has the next place.
    pub(super) fn end(&self) -> u64 {
        self.offset.wrapping_add(self.recent.end())
    }

    /// The first entry that has a place.
    pub(super) fn first(&self) -> Option<u64> {
        let recent = (self.recent.len() > 0).then(|| self.offset.wrapping_add(self.recent.first()));
        self.late.keys().copied().filter(|seq| seq & ADOPTED == 0).chain(recent).min()
    }

    /// Skips the next place, or all up to that of entry `seq` if nothing is kept.
    pub(super) fn skip(&mut self, seq: u64) {
        if self.recent.len() == 0 {
            self.offset = seq.wrapping_sub(self.recent.end());
        } else {
            self.recent.push(None);
        }
    }

    /// Keeps the reply of the entry that has the next place.
    pub(super) fn insert(
        &mut self,
        seq: u64,
        operator: u16,
        envelope: &Envelope<'_>,
        permit: Option<Issued>,
    ) {
        debug_assert_eq!(self.end(), seq, "the places between have been skipped");
        let texts = &mut self.texts;
        self.recent.push(Some(Reply::new(operator, envelope, permit, |pieces| texts.push(pieces))));
    }

    /// Keeps a reply that no entry decided: as one that another run may have written, and that no entry marks.
    pub(super) fn adopt(&mut self, id: u64, operator: u16, envelope: &Envelope<'_>) {
        let mut texts = String::new();
        let mut reply = Reply::new(operator, envelope, None, |pieces| {
            pieces.iter().for_each(|piece| texts.push_str(piece));
            Place::default()
        });
        (reply.touched, reply.uncertain, reply.marked) = (true, true, true);
        self.late.insert(id, Late { reply, texts: texts.into() });
    }

    /// The reply of entry `seq`.
    pub(super) fn get(&self, seq: u64) -> Option<&Reply> {
        match self.recent.get(seq.wrapping_sub(self.offset)) {
            Some(reply) => reply.as_ref(),
            None => self.late.get(&seq).map(|late| &late.reply),
        }
    }

    /// The same for writing.
    pub(super) fn get_mut(&mut self, seq: u64) -> Option<&mut Reply> {
        match self.recent.get_mut(seq.wrapping_sub(self.offset)) {
            Some(reply) => reply.as_mut(),
            None => self.late.get_mut(&seq).map(|late| &mut late.reply),
        }
    }

    /// What the reply of entry `seq` consists of.
    pub(super) fn envelope(&self, seq: u64) -> Option<Envelope<'_>> {
        match self.recent.get(seq.wrapping_sub(self.offset)) {
            Some(reply) => {
                reply.as_ref().map(|reply| reply.envelope(self.texts.get(reply.place, reply.len())))
            }
            None => self.late.get(&seq).map(|late| late.reply.envelope(&late.texts)),
        }
    }

    /// Whether entry `seq` waits for its reply.
    pub(super) fn waits(&self, seq: u64) -> bool {
        self.get(seq).is_some_and(|reply| reply.state == State::Waiting)
    }

    /// The first entry from `seq` on that may have a reply in its place; `None` beyond the last.
    pub(super) fn next(&self, seq: u64) -> Option<u64> {
        let number = seq.wrapping_sub(self.offset);
        // An entry before the first place is beyond the last number, modulo 2⁶⁴.
        let number = if number > self.recent.end() || number < self.recent.first() {
            self.recent.first()
        } else {
            number
        };
        (number < self.recent.end()).then(|| self.offset.wrapping_add(number))
    }

    /// The requests of entries before `seq` are no longer remembered: their replies go once they are settled and marked.
    pub(super) fn forget_before(&mut self, seq: u64) {
        self.forget_before = self.forget_before.max(seq);
    }

    /// Forgets a few; hears of those that have to stay.
    pub(super) fn forget(&mut self, mut stays: impl FnMut(u64, &Reply)) {
        for _ in 0..FORGET_STEP {
            let seq = self.offset.wrapping_add(self.recent.first());
            let Some(kept) = self.recent.front() else { return };
            if seq >= self.forget_before {
                return;
            }
            if let Some(reply) = kept {
                let (place, done) = (reply.place, reply.state == State::Settled && reply.marked);
                if !done {
                    stays(seq, reply);
                    let texts = self.texts.get(place, reply.len()).into();
                    self.late.insert(seq, Late { reply: reply.clone(), texts });
                }
                self.texts.forget_before(place);
            }
            self.recent.pop();
        }
    }

    /// Forgets a reply whose request is forgotten, once it is settled and marked.
    pub(super) fn release(&mut self, seq: u64) {
        if self.late.get(&seq).is_some_and(Late::is_done) {
            self.late.remove(&seq);
        }
    }
}
