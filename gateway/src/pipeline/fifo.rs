//! A queue that grows without moving what it holds.

use std::collections::VecDeque;

use icaze_store::CopyOnWrite;

/// Items in one chunk.
const CHUNK: usize = 4096;
/// Chunks that are kept to be filled again, at most.
const SPARE_MAX: usize = 16;

/// Items numbered in the order they came, in chunks. A number stays an item's own until it is popped.
#[derive(Debug)]
pub(super) struct Fifo<T> {
    /// Each of [`CHUNK`] items but the last one.
    chunks: VecDeque<CopyOnWrite<Vec<T>>>,
    /// The number of the first item that is held.
    first: u64,
    /// The number of the next one.
    end: u64,
    /// Popped chunks, to be filled again.
    spare: Vec<Vec<T>>,
}

impl<T> Default for Fifo<T> {
    fn default() -> Self {
        Self { chunks: VecDeque::new(), first: 0, end: 0, spare: Vec::new() }
    }
}

impl<T: Clone> Fifo<T> {
    /// What [`chunks`](Self::chunks) gave, where the first item that is held has this number; `None` if it cannot be that.
    pub(super) fn restore(first: u64, chunks: impl Iterator<Item = Vec<T>>) -> Option<Self> {
        let chunks: VecDeque<CopyOnWrite<Vec<T>>> = chunks.map(CopyOnWrite::from).collect();
        let whole = chunks.iter().rev().skip(1).all(|chunk| chunk.len() == CHUNK);
        let last = chunks.back().map_or(0, |chunk| chunk.len());
        let begin = first - first % CHUNK as u64;
        let end = begin + (chunks.len().saturating_sub(1) * CHUNK + last) as u64;
        (whole && last <= CHUNK && first <= end).then_some(Self { chunks, first, end, spare: Vec::new() })
    }

    /// What is held, from the beginning of the first item's chunk on.
    pub(super) fn chunks(&self) -> impl Iterator<Item = &[T]> + Clone {
        self.chunks.iter().map(|chunk| chunk.as_slice())
    }

    /// The same items, which stay as they are now. Both share the chunks, and copy one when they write to it.
    pub(super) fn share(&mut self) -> Self {
        let chunks = self.chunks.iter_mut().map(CopyOnWrite::share).collect();
        Self { chunks, first: self.first, end: self.end, spare: Vec::new() }
    }

    /// Every item that is held.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        (self.first..self.end).filter_map(|number| self.get(number))
    }

    /// Appends an item and returns its number.
    pub(super) fn push(&mut self, item: T) -> u64 {
        if self.chunks.back().is_none_or(|chunk| chunk.len() == CHUNK) {
            let chunk = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(CHUNK));
            self.chunks.push_back(chunk.into());
        }
        if let Some(chunk) = self.chunks.back_mut() {
            let items = chunk.to_mut();
            // A copy has no room to spare.
            if items.capacity() < CHUNK {
                items.reserve_exact(CHUNK - items.len());
            }
            items.push(item);
        }
        self.end += 1;
        self.end - 1
    }

    /// The item of this number, while it is held.
    pub(super) fn get(&self, number: u64) -> Option<&T> {
        let (chunk, place) = self.place(number)?;
        self.chunks.get(chunk)?.get(place)
    }

    /// The same for writing.
    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let (chunk, place) = self.place(number)?;
        self.chunks.get_mut(chunk)?.to_mut().get_mut(place)
    }

    /// Forgets the first item; its memory is used again.
    pub(super) fn pop(&mut self) {
        if self.first == self.end {
            return;
        }
        self.first += 1;
        if self.first.is_multiple_of(CHUNK as u64) {
            let popped = self.chunks.pop_front().filter(|_| self.spare.len() < SPARE_MAX);
            self.spare.extend(popped.and_then(CopyOnWrite::into_inner).map(|mut items| {
                items.clear();
                items
            }));
        }
    }

    /// The number of the first item that is held, or of the next one.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The number of the next item.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The first item.
    pub(super) fn front(&self) -> Option<&T> {
        self.get(self.first)
    }

    /// How many items are held.
    pub(super) fn len(&self) -> usize {
        (self.end - self.first) as usize
    }

    /// Numbers begin on a chunk's first place, so that the rest is arithmetic.
    fn place(&self, number: u64) -> Option<(usize, usize)> {
        if !(self.first..self.end).contains(&number) {
            return None;
        }
        let base = self.first - self.first % CHUNK as u64;
        let offset = (number - base) as usize;
        Some((offset / CHUNK, offset % CHUNK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_while_chunks_come_and_go() {
        let mut fifo = Fifo::default();
        for number in 0..20_000_u64 {
            assert_eq!(fifo.push(number * 3), number);
            if number >= 5000 {
                fifo.pop();
            }
            assert_eq!(fifo.get(number), Some(&(number * 3)));
            assert_eq!(fifo.front(), Some(&(number.saturating_sub(4999) * 3)));
        }
        assert_eq!((fifo.first(), fifo.end(), fifo.len()), (15_000, 20_000, 5000));
        assert_eq!((fifo.get(14_999), fifo.get(20_000)), (None, None));
        assert!(fifo.chunks.len() <= 3, "what is popped is given back");
    }

    #[test]
    fn what_is_shared_stays_as_it_was_and_is_taken_back_without_a_copy() {
        let mut fifo = Fifo::default();
        for number in 0..CHUNK as u64 + 1 {
            fifo.push(number);
        }
        let where_it_is = |fifo: &Fifo<u64>| fifo.get(0).map(std::ptr::from_ref);
        let (at, snapshot) = (where_it_is(&fifo), fifo.share());
        fifo.push(0);
        assert_eq!(where_it_is(&fifo), where_it_is(&snapshot), "what nobody writes to is shared");
        *fifo.get_mut(0).unwrap() = 7;
        assert_eq!((fifo.get(0), fifo.len()), (Some(&7), CHUNK + 2));
        assert!(snapshot.iter().copied().eq(0..CHUNK as u64 + 1));
        assert_eq!(where_it_is(&snapshot), at);
        drop(snapshot);
        let at = where_it_is(&fifo);
        drop(fifo.share());
        *fifo.get_mut(0).unwrap() = 8;
        assert_eq!(where_it_is(&fifo), at);
    }

    #[test]
    fn an_empty_one_goes_on_counting() {
        let mut fifo = Fifo::default();
        for number in 0..2 * CHUNK as u64 {
            fifo.pop();
            assert_eq!(fifo.push(()), number);
            fifo.pop();
            assert_eq!((fifo.front(), fifo.len()), (None, 0));
        }
    }
}
