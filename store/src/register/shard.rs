//! One of the tables that documents are looked up in.

use std::ops::{Deref, Range};
use std::sync::Arc;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::entry::{Key, Slot};
use crate::Table;

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

/// The lines of a shard: its own or, as they were read, a piece of a table that all shards share. Small tables of their own would be
/// in no huge pages.
#[derive(Clone, Default)]
pub(super) struct Lines {
    shared: Option<(Arc<Table<Line>>, Range<usize>)>,
    own: Vec<Line>,
}

impl Lines {
    /// A piece of a table.
    pub(super) fn shared(table: Arc<Table<Line>>, range: Range<usize>) -> Self {
        Self { shared: Some((table, range)), own: Vec::new() }
    }

    /// For writing: they become the shard's own.
    fn own(&mut self) -> &mut Vec<Line> {
        if let Some((table, range)) = self.shared.take() {
            self.own = table.get(range).unwrap_or_default().to_vec();
        }
        &mut self.own
    }
}

impl From<Vec<Line>> for Lines {
    fn from(own: Vec<Line>) -> Self {
        Self { shared: None, own }
    }
}

impl Deref for Lines {
    type Target = [Line];

    fn deref(&self) -> &[Line] {
        match &self.shared {
            None => &self.own,
            Some((table, range)) => table.get(range.clone()).unwrap_or_default(),
        }
    }
}

/// Documents by open addressing: a key is in the first line, from the one that its hash gives, that had room.
#[derive(Clone, Default)]
pub(super) struct Shard {
    lines: Lines,
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
        Self { lines: vec![Line::EMPTY; lines].into(), documents: 0 }
    }

    /// A shard as it was stored; none if its bytes were never those of a shard.
    pub(super) fn from_lines(lines: Lines) -> Option<Self> {
        let mut documents = 0;
        for line in &*lines {
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
        let lines: &[Line] = &self.lines;
        lines.get(home(key, lines.len())).copied().unwrap_or(Line::EMPTY)
    }

    pub(super) fn get(&self, key: Key) -> Option<Slot> {
        let lines: &[Line] = &self.lines;
        let home = home(key, lines.len());
        match lines.get(home)?.probe(key) {
            Probe::Found(slot) => Some(slot),
            Probe::Absent => None,
            Probe::Next => beyond(key, lines, home + 1),
        }
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
        let home = home(key, self.lines.len());
        let (before, from) = self.lines.own().split_at_mut(home);
        let mut slots = from.iter_mut().chain(before).flat_map(|line| &mut line.0);
        slots.find(|slot| slot.key() == key || slot.is_empty())
    }

    fn is_within(&self, percent: usize) -> bool {
        self.documents * 100 <= self.lines.len() * WAYS * percent
    }
}

/// Where among so many lines the search for a key begins. The shard's number is in the hash's top bits, so the line is taken from
/// the lower half.
fn home(key: Key, lines: usize) -> usize {
    let half = key.hash() & u64::from(u32::MAX);
    ((half * lines as u64) >> 32) as usize
}

/// The search from line `next` on, round to the line before it.
#[cold]
fn beyond(key: Key, lines: &[Line], next: usize) -> Option<Slot> {
    let (before, from) = lines.split_at_checked(next)?;
    for line in from.iter().chain(before) {
        match line.probe(key) {
            Probe::Found(slot) => return Some(slot),
            Probe::Absent => return None,
            Probe::Next => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use hashbrown::HashMap;
    use proptest::prelude::*;

    use super::super::entry::{Entry, Status};
    use super::*;
    use crate::Document;

    fn key(number: u32) -> Key {
        Key::new(Document::new("AZE", &format!("{number:08}")).unwrap()).unwrap()
    }

    fn slot(number: u32, person: u32) -> Slot {
        Slot::new(key(number), Entry { person, status: Status::Valid, expires: None })
    }

    fn person(slot: Option<Slot>) -> Option<u32> {
        slot.map(|slot| slot.entry().person)
    }

    proptest! {
        /// Few numbers, so that replacing and finding happen as often as inserting and missing.
        #[test]
        fn a_shard_is_a_map(steps in prop::collection::vec((0..200_u32, any::<u32>()), 0..400)) {
            let (mut shard, mut oracle) = (Shard::default(), HashMap::new());
            for (number, value) in steps {
                prop_assert_eq!(person(shard.insert(slot(number, value))), oracle.insert(number, value));
                prop_assert_eq!(shard.documents(), oracle.len());
                let probe = value % 200;
                prop_assert_eq!(person(shard.get(key(probe))), oracle.get(&probe).copied());
            }
            for number in 0..200 {
                prop_assert_eq!(person(shard.get(key(number))), oracle.get(&number).copied());
            }
        }
    }

    #[test]
    fn consecutive_numbers_fill_a_shard_to_its_maximum() {
        let mut shard = Shard::for_documents(30_000);
        let lines = shard.lines().len();
        let full = (lines * WAYS * LOAD_MAX / 100) as u32;
        for number in 0..full {
            shard.insert(slot(number, number));
        }
        assert_eq!(shard.lines().len(), lines, "remade too early");
        for number in 0..full {
            assert_eq!(person(shard.get(key(number))), Some(number));
            assert!(shard.get(key(number + full)).is_none());
        }
        let elsewhere = (0..full)
            .filter(|&number| matches!(shard.home_line(key(number)).probe(key(number)), Probe::Next));
        assert!(elsewhere.count() < full as usize / 4, "the hash does not spread consecutive numbers");
        shard.insert(slot(full, full));
        assert!(shard.lines().len() > lines, "not remade");
        assert!((0..=full).all(|number| person(shard.get(key(number))) == Some(number)));
    }

    #[test]
    fn a_change_leaves_what_is_shared_alone() {
        let mut made = Shard::for_documents(8);
        made.insert(slot(1, 1));
        let mut table = Table::<Line>::zeroed(made.lines().len() + 1).unwrap();
        table[1..].copy_from_slice(made.lines());
        let table = Arc::new(table);
        let shared = || Lines::shared(Arc::clone(&table), 1..table.len());
        let (before, mut changed) =
            (Shard::from_lines(shared()).unwrap(), Shard::from_lines(shared()).unwrap());
        changed.insert(slot(1, 7));
        changed.insert(slot(2, 2));
        assert_eq!((person(before.get(key(1))), person(before.get(key(2)))), (Some(1), None));
        assert_eq!((person(changed.get(key(1))), person(changed.get(key(2)))), (Some(7), Some(2)));
        assert_eq!((before.documents(), changed.documents()), (1, 2));
    }

    #[test]
    fn consecutive_numbers_spread_over_the_shards() {
        let mut counts = [0; SHARDS];
        (0..64_000).for_each(|number| counts[Shard::of(key(20_000_000 + number))] += 1);
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }

    #[test]
    fn an_empty_shard_has_nothing() {
        assert!(Shard::default().get(key(1)).is_none());
        assert!(matches!(Shard::default().home_line(key(1)).probe(key(1)), Probe::Absent));
    }

    #[test]
    fn lines_that_were_never_a_shard_are_refused() {
        let mut shard = Shard::for_documents(8);
        shard.insert(slot(1, 1));
        let lines = shard.lines().to_vec();
        assert!(Shard::from_lines(lines.clone().into()).is_some_and(|it| it.documents() == 1));
        let mut gap = lines.clone();
        gap.iter_mut().for_each(|line| line.0.rotate_right(1));
        assert!(Shard::from_lines(gap.into()).is_none(), "an empty slot before a taken one");
        let full = vec![Line([slot(1, 1); WAYS]); 2];
        assert!(Shard::from_lines(full.into()).is_none(), "no empty slot");
    }
}
