//! What is remembered for a while by key: the table of one generation, forgotten as a whole.

use std::hash::{BuildHasher, Hash};
use std::io;

use foldhash::fast::RandomState;
use icaze_store::Table;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What a [`Generation`] holds.
pub(super) trait Record: Copy + FromBytes + IntoBytes + Immutable + KnownLayout {
    /// What it is found by.
    type Key: Copy + Eq + Hash;

    /// Its key.
    fn key(&self) -> Self::Key;
    /// The generation that it belongs to.
    fn stamp(&self) -> u32;
    /// Makes it one of the generation `stamp`.
    fn set_stamp(&mut self, stamp: u32);
}

/// Records by key in open addressing.
///
/// Nothing moves and none is removed alone, so a look-up is one access to memory; and forgetting all of them costs nothing,
/// because each slot bears the stamp of the generation that it was filled in.
#[derive(Debug)]
pub(super) struct Generation<R> {
    slots: Table<R>,
    hasher: RandomState,
    /// From 1: a slot of zeros is empty.
    stamp: u32,
    len: usize,
    max: usize,
}

impl<R: Record> Generation<R> {
    /// An empty one for `max` records, whose memory is set aside now and taken as it fills.
    ///
    /// # Errors
    /// If the system has no address space for it.
    pub(super) fn new(max: usize) -> io::Result<Self> {
        let slots = Table::zeroed(max * 2 + 1)?;
        Ok(Self { slots, hasher: RandomState::default(), stamp: 1, len: 0, max })
    }

    /// Takes its memory now.
    pub(super) fn populate(&self) {
        self.slots.populate();
    }

    /// The record with this key.
    pub(super) fn get(&self, key: R::Key) -> Option<&R> {
        let slots = &*self.slots;
        slots.get(self.find(slots, key)?).filter(|slot| self.is_live(slot))
    }

    /// The same for writing; where there is none, `fresh` if there is room. `None`: full.
    pub(super) fn get_or_insert(&mut self, key: R::Key, fresh: impl FnOnce() -> R) -> Option<&mut R> {
        let (stamp, place) = (self.stamp, self.find(&self.slots, key)?);
        let slot = self.slots.get_mut(place)?;
        if slot.stamp() != stamp {
            if self.len >= self.max {
                return None;
            }
            self.len += 1;
            *slot = fresh();
            slot.set_stamp(stamp);
        }
        Some(slot)
    }

    /// Reads the place where the record of `key` would be, so that it is in the processor's cache when it is wanted. What
    /// is returned is of no use but to be used.
    pub(super) fn touch(&self, key: R::Key) -> u32 {
        let slots = &*self.slots;
        slots.get(self.home(slots, key)).map_or(0, R::stamp)
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.len = 0;
        self.stamp = self.stamp.wrapping_add(1).max(1);
    }

    /// Whether there is room for none more.
    pub(super) fn is_full(&self) -> bool {
        self.len >= self.max
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    fn is_live(&self, slot: &R) -> bool {
        slot.stamp() == self.stamp
    }

    fn home(&self, slots: &[R], key: R::Key) -> usize {
        ((u128::from(self.hasher.hash_one(key)) * slots.len() as u128) >> u64::BITS) as usize
    }

    /// The place of the record of `key`, or the empty one where it would be. Half of the places are always empty, so that few of them
    /// are looked at.
    fn find(&self, slots: &[R], key: R::Key) -> Option<usize> {
        let home = self.home(slots, key);
        let (before, from) = slots.split_at_checked(home)?;
        let meant = |slot: &R| !self.is_live(slot) || slot.key() == key;
        from.iter().position(meant).map(|place| home + place).or_else(|| before.iter().position(meant))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[derive(Debug, Clone, Copy, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
    #[repr(C)]
    struct Count {
        key: u64,
        count: u32,
        stamp: u32,
    }

    impl Record for Count {
        type Key = u64;

        fn key(&self) -> u64 {
            self.key
        }

        fn stamp(&self) -> u32 {
            self.stamp
        }

        fn set_stamp(&mut self, stamp: u32) {
            self.stamp = stamp;
        }
    }

    #[test]
    fn it_counts_as_a_map_does_and_forgets_at_once() {
        let (mut table, mut random) = (Generation::<Count>::new(100).unwrap(), fastrand::Rng::with_seed(7));
        for _ in 0..5 {
            let mut map = HashMap::new();
            for _ in 0..2000 {
                let key = random.u64(..100);
                table.get_or_insert(key, || Count { key, count: 0, stamp: 0 }).unwrap().count += 1;
                *map.entry(key).or_insert(0) += 1;
            }
            assert_eq!(table.len(), map.len());
            let counts = (0..200).map(|key| table.get(key).map(|slot| slot.count));
            assert!(counts.eq((0..200).map(|key| map.get(&key).copied())));
            table.clear();
            assert_eq!((table.len(), table.get(1)), (0, None));
        }
    }

    #[test]
    fn a_full_one_takes_no_more_and_loses_none() {
        let mut table = Generation::<Count>::new(10).unwrap();
        for key in 0..10 {
            assert!(table.get_or_insert(key, || Count { key, count: 1, stamp: 0 }).is_some());
        }
        assert!(table.is_full());
        assert_eq!(table.get_or_insert(10, || unreachable!()), None);
        assert!((0..10).all(|key| table.get(key).is_some()));
        assert!(table.get_or_insert(3, || unreachable!()).is_some());
    }
}
