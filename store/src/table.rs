//! Memory for tables that are read at random.

use std::io;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// From this size on, in bytes, memory is asked for in huge pages.
const HUGE: usize = 2 << 20;

/// A fixed number of records, zero at first, in memory that the system gives page by page as it is touched; in huge pages
/// where it has them, so that a random access seldom waits for the page table too.
pub struct Table<T> {
    /// `None`: no records.
    memory: Option<MmapMut>,
    records: PhantomData<T>,
}

impl<T: FromBytes + IntoBytes + Immutable + KnownLayout> Table<T> {
    /// A table of `len` records of zeros.
    ///
    /// # Errors
    /// If the system has no address space for it.
    pub fn zeroed(len: usize) -> io::Result<Self> {
        let bytes = len.checked_mul(size_of::<T>()).ok_or(io::ErrorKind::OutOfMemory)?;
        if bytes == 0 {
            return Ok(Self::default());
        }
        let memory = MmapMut::map_anon(bytes)?;
        #[cfg(target_os = "linux")]
        if bytes >= HUGE {
            // A kernel without them gives small pages: slower, and nothing else.
            let _ = memory.advise(memmap2::Advice::HugePage);
        }
        Ok(Self { memory: Some(memory), records: PhantomData })
    }

    /// Takes all its memory now, so that no first touch waits for it later. A system that cannot do that gives it as it is
    /// touched.
    pub fn populate(&self) {
        #[cfg(target_os = "linux")]
        if let Some(memory) = &self.memory {
            let _ = memory.advise(memmap2::Advice::PopulateWrite);
        }
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { memory: None, records: PhantomData }
    }
}

impl<T: FromBytes + IntoBytes + Immutable + KnownLayout> Deref for Table<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        let records = self.memory.as_deref().map(<[T]>::ref_from_bytes);
        records.and_then(Result::ok).unwrap_or_default()
    }
}

impl<T: FromBytes + IntoBytes + Immutable + KnownLayout> DerefMut for Table<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        let records = self.memory.as_deref_mut().map(<[T]>::mut_from_bytes);
        records.and_then(Result::ok).unwrap_or_default()
    }
}

impl<T> std::fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Table({} bytes)", self.memory.as_ref().map_or(0, |memory| memory.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_zero_and_keep_what_is_written() {
        for len in [0, 1, 1000, HUGE / 16 + 1] {
            let mut table = Table::<[u64; 2]>::zeroed(len).unwrap();
            assert_eq!(table.len(), len);
            for (place, record) in (0..).zip(table.iter_mut()) {
                assert_eq!(*record, [0, 0]);
                *record = [place, !place];
            }
            assert!((0..).zip(&*table).all(|(place, record)| *record == [place, !place]));
        }
    }

    #[test]
    fn what_no_memory_can_hold_is_refused() {
        assert!(Table::<u64>::zeroed(usize::MAX / 4).is_err());
    }
}
