//! One of the tables that documents are looked up in.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use super::entry::{Key, Slot};

/// Shards in a register. A key's shard is given by the top bits of its hash.
pub(super) const SHARDS: usize = 64;
/// Slots in a line.
const WAYS: usize = 4;
/// A shard is made with a quarter of its slots empty: one line answers most look-ups.
const LOAD_NEW: usize = 75;
/// A shard is remade before more of its slots, in percent, are taken: beyond, searches run through many lines.
const LOAD_MAX: usize = 85;

/// A cache line of slots, taken from the first one on.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub(super) struct Line([Slot; WAYS]);

/// What one line says of a key.
pub(super) enum Probe {
    Found(Slot),
    Absent,
    /// The line is full of others: the next one may have it.
    Next,
}

impl Line {
    pub(super) const EMPTY: Self = zerocopy::transmute!([0_u8; size_of::<Self>()]);

    pub(super) fn probe(&self, key: Key) -> Probe {
        for slot in self.0 {
            if slot.key() == key {
                return Probe::Found(slot);
            }
        }
        // Slots fill from the front, so the last one tells.
        if self.0[WAYS - 1].is_empty() { Probe::Absent } else { Probe::Next }
    }
}

/// Documents by open addressing: a key is in the first line, from the one that its hash gives, that had room.
#[derive(Clone, Default)]
pub(super) struct Shard {
    lines: Vec<Line>,
    documents: usize,
}

impl Shard {
    /// The number of the shard that holds a key.
    pub(super) fn of(key: Key) -> usize {
        (key.hash() >> (u64::BITS - SHARDS.trailing_zeros())) as usize
    }

    /// An empty shard for as many documents.
    pub(super) fn for_documents(documents: usize) -> Self {
        let lines = (documents * 100).div_ceil(WAYS * LOAD_NEW);
        Self { lines: vec![Line::EMPTY; lines], documents: 0 }
    }

    /// A shard as it was stored; none if its bytes were never those of a shard.
    pub(super) fn from_lines(lines: Vec<Line>) -> Option<Self> {
        let mut documents = 0;
        for line in &lines {
            let taken = line.0.iter().take_while(|slot| !slot.is_empty()).count();
            if line.0[taken..].iter().any(|slot| !slot.is_empty())
                || !line.0.iter().all(|slot| slot.is_sound())
            {
                return None;
            }
            documents += taken;
        }
        let shard = Self { lines, documents };
        shard.is_within(LOAD_MAX).then_some(shard)
    }

    pub(super) fn documents(&self) -> usize {
        self.documents
    }

    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The line where the search for a key begins.
    pub(super) fn home_line(&self, key: Key) -> Line {
        self.lines.get(self.home(key)).copied().unwrap_or(Line::EMPTY)
    }

    pub(super) fn get(&self, key: Key) -> Option<Slot> {
        let (before, from) = self.lines.split_at(self.home(key));
        for line in from.iter().chain(before) {
            match line.probe(key) {
                Probe::Found(slot) => return Some(slot),
                Probe::Absent => return None,
                Probe::Next => {}
            }
        }
        None
    }

    /// Puts a slot in and returns the one that it replaces.
    pub(super) fn insert(&mut self, slot: Slot) -> Option<Slot> {
        if let Some(old) = self.place(slot.key()).filter(|old| !old.is_empty()) {
            return Some(std::mem::replace(old, slot));
        }
        self.documents += 1;
        if !self.is_within(LOAD_MAX) {
            self.remake();
        }
        if let Some(free) = self.place(slot.key()) {
            *free = slot;
        }
        None
    }

    /// Moves everything to more lines.
    fn remake(&mut self) {
        let mut larger = Self::for_documents(self.documents.max(WAYS));
        for slot in self.lines.iter().flat_map(|line| line.0).filter(|slot| !slot.is_empty()) {
            if let Some(free) = larger.place(slot.key()) {
                *free = slot;
            }
        }
        self.lines = larger.lines;
    }

    /// The slot that holds a key, or else the empty one where it belongs; none in a full table.
    fn place(&mut self, key: Key) -> Option<&mut Slot> {
        let home = self.home(key);
        let (before, from) = self.lines.split_at_mut(home);
        let mut slots = from.iter_mut().chain(before).flat_map(|line| &mut line.0);
        slots.find(|slot| slot.key() == key || slot.is_empty())
    }

    /// The shard's number is in the hash's top bits, so the line is taken from the lower half.
    fn home(&self, key: Key) -> usize {
        let half = key.hash() & u64::from(u32::MAX);
        ((half * self.lines.len() as u64) >> 32) as usize
    }

    fn is_within(&self, percent: usize) -> bool {
        self.documents * 100 <= self.lines.len() * WAYS * percent
    }
}

/// Lines of zeros, to be read into.
pub(super) fn blank_lines(count: usize) -> Option<Vec<Line>> {
    Line::new_vec_zeroed(count).ok()
}
