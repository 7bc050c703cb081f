//! The texts of replies with their addresses, in the order they were decided.

use std::collections::VecDeque;

/// Bytes in one chunk.
const CHUNK: usize = 1 << 20;
/// Chunks that are kept to be filled again, at most.
const SPARE_MAX: usize = 16;

/// Texts in chunks that are used again: none is allocated or freed alone.
#[derive(Default)]
pub(super) struct Texts {
    chunks: VecDeque<String>,
    /// The number of the first chunk.
    first: u32,
    /// Chunks that were forgotten, to be filled again.
    spare: Vec<String>,
}

/// Where a text begins.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    chunk: u32,
    start: u32,
}

impl Texts {
    /// Keeps `pieces` one behind the other.
    pub(super) fn push(&mut self, pieces: [&str; 3]) -> Place {
        let len: usize = pieces.iter().map(|piece| piece.len()).sum();
        if self.chunks.back().is_none_or(|chunk| chunk.len() + len > CHUNK) {
            let chunk = self.spare.pop().unwrap_or_else(|| String::with_capacity(CHUNK));
            self.chunks.push_back(chunk);
        }
        let number = self.first.wrapping_add(self.chunks.len() as u32).wrapping_sub(1);
        let Some(chunk) = self.chunks.back_mut() else { return Place { chunk: number, start: 0 } };
        let start = chunk.len() as u32;
        pieces.iter().for_each(|piece| chunk.push_str(piece));
        Place { chunk: number, start }
    }

    /// The text of `len` bytes; empty if it was forgotten.
    pub(super) fn get(&self, place: Place, len: usize) -> &str {
        let chunk = self.chunks.get(place.chunk.wrapping_sub(self.first) as usize);
        let start = place.start as usize;
        chunk.and_then(|chunk| chunk.get(start..start + len)).unwrap_or_default()
    }

    /// Forgets what was kept in chunks before that of `place`.
    pub(super) fn forget_before(&mut self, place: Place) {
        while self.first != place.chunk && self.chunks.len() > 1 {
            let forgotten = self.chunks.pop_front().filter(|_| self.spare.len() < SPARE_MAX);
            self.spare.extend(forgotten.map(|mut chunk| {
                chunk.clear();
                chunk
            }));
            self.first = self.first.wrapping_add(1);
        }
    }
}

impl std::fmt::Debug for Texts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Texts({} chunks)", self.chunks.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_stays_readable_and_chunks_are_used_again() {
        let (mut texts, mut places) = (Texts::default(), VecDeque::new());
        for number in 0..100_000_u32 {
            let (text, pad) = (number.to_string(), "ə".repeat(100));
            let place = texts.push(["8103", &text, &pad]);
            places.push_back((place, ["8103", &text, &pad].concat()));
            if places.len() > 10_000
                && let Some((place, _)) = places.pop_front()
            {
                texts.forget_before(place);
            }
        }
        assert!(texts.chunks.len() <= 4);
        for (place, text) in places {
            assert_eq!(texts.get(place, text.len()), text);
        }
    }
}
