//! A table indexed by person numbers, which are lifelong and therefore not consecutive.

use crate::CopyOnWrite;

/// Lines in one page.
pub(crate) const PAGE_LINES: usize = 4096;
/// Pages that the numbers of 32 bits can reach.
pub(crate) const PAGES: usize = (1 << 32) / PAGE_LINES;

/// A line for each `u32`, in pages that exist from the first write to one of their lines.
///
/// The directory takes 24 bytes for each page up to the highest one, 24 MiB at most. A snapshot shares the pages, and each is
/// copied when it is written to, so a checkpoint can be taken while the original goes on.
#[derive(Clone)]
pub(crate) struct Paged<T> {
    directory: Vec<Option<CopyOnWrite<Box<[T]>>>>,
    pages: usize,
}

impl<T: Copy + Default> Paged<T> {
    /// The line, where its page exists.
    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        let (page, line) = split(index);
        self.directory.get(page)?.as_ref()?.get(line)
    }

    /// The line for writing, where its page exists.
    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        let (page, line) = split(index);
        self.directory.get_mut(page)?.as_mut()?.to_mut().get_mut(line)
    }

    /// The line for writing; its page is made where it lacks.
    pub(crate) fn line_mut(&mut self, index: u32) -> &mut T {
        let (page, line) = split(index);
        &mut self.page_mut(page)[line]
    }

    /// The lines of a page (below [`PAGES`]) for writing; it is made where it lacks.
    pub(crate) fn page_mut(&mut self, page: usize) -> &mut [T] {
        if page >= self.directory.len() {
            self.directory.resize_with(page + 1, || None);
        }
        let pages = &mut self.pages;
        let lines = self.directory[page].get_or_insert_with(|| {
            *pages += 1;
            CopyOnWrite::from(vec![T::default(); PAGE_LINES].into_boxed_slice())
        });
        lines.to_mut()
    }

    /// The same lines, which stay as they are now.
    pub(crate) fn share(&mut self) -> Self {
        let directory = self.directory.iter_mut().map(|page| page.as_mut().map(CopyOnWrite::share)).collect();
        Self { directory, pages: self.pages }
    }

    /// How many pages exist.
    pub(crate) fn pages(&self) -> usize {
        self.pages
    }

    /// Every page with its number, in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &[T])> {
        (0..).zip(&self.directory).filter_map(|(number, page)| page.as_ref().map(|page| (number, &***page)))
    }
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self { directory: Vec::new(), pages: 0 }
    }
}

/// The page of a line, and its place there.
fn split(index: u32) -> (usize, usize) {
    let index = index as usize;
    (index / PAGE_LINES, index % PAGE_LINES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_apart_lines_take_a_page_each() {
        assert!(size_of::<Option<CopyOnWrite<Box<[u64]>>>>() <= 24);
        let mut table = Paged::default();
        for index in [0, 4095, 4096, u32::MAX] {
            *table.line_mut(index) = u64::from(index) + 1;
        }
        assert_eq!(table.pages(), 3);
        assert_eq!(table.iter().map(|(page, _)| page).collect::<Vec<_>>(), [0, 1, u32::MAX / 4096]);
        for index in [0, 4095, 4096, u32::MAX] {
            assert_eq!(table.get(index), Some(&(u64::from(index) + 1)));
        }
        assert_eq!(table.get(4094), Some(&0));
        assert_eq!(table.get(1_000_000), None);
        assert_eq!(table.get_mut(1_000_000), None);
    }

    #[test]
    fn a_snapshot_keeps_what_it_saw() {
        let mut table = Paged::default();
        *table.line_mut(7) = 1;
        let earlier = table.share();
        *table.line_mut(7) = 2;
        assert_eq!((earlier.get(7), table.get(7)), (Some(&1), Some(&2)));
    }
}
