//! The bytes of replies, in the order they were decided.

use std::collections::VecDeque;

/// Bytes in one chunk.
const CHUNK: usize = 1 << 20;
/// Chunks that are kept to be filled again, at most.
const SPARE_MAX: usize = 16;

/// Byte strings in chunks that are used again: none is allocated or freed alone.
#[derive(Default)]
pub(super) struct Texts {
    chunks: VecDeque<Vec<u8>>,
    /// The number of the first chunk.
    first: u32,
    /// Chunks that were forgotten, to be filled again.
    spare: Vec<Vec<u8>>,
}

/// Where a byte string is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Span {
    chunk: u32,
    start: u32,
    len: u32,
}

impl Texts {
    /// Keeps `pieces` one behind the other.
    pub(super) fn push(&mut self, pieces: [&[u8]; 3]) -> Span {
        let len: usize = pieces.iter().map(|piece| piece.len()).sum();
        if self.chunks.back().is_none_or(|chunk| chunk.len() + len > CHUNK) {
            let chunk = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(CHUNK));
            self.chunks.push_back(chunk);
        }
        let number = self.first.wrapping_add(self.chunks.len() as u32).wrapping_sub(1);
        let Some(chunk) = self.chunks.back_mut() else { return Span { chunk: number, start: 0, len: 0 } };
        let start = chunk.len() as u32;
        pieces.iter().for_each(|piece| chunk.extend_from_slice(piece));
        Span { chunk: number, start, len: len as u32 }
    }

    /// The byte string; empty if it was forgotten.
    pub(super) fn get(&self, span: Span) -> &[u8] {
        let chunk = self.chunks.get(span.chunk.wrapping_sub(self.first) as usize);
        let range = span.start as usize..(span.start + span.len) as usize;
        chunk.and_then(|chunk| chunk.get(range)).unwrap_or_default()
    }

    /// Forgets what was kept in chunks before that of `span`.
    pub(super) fn forget_before(&mut self, span: Span) {
        while self.first != span.chunk && self.chunks.len() > 1 {
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
        let (mut texts, mut spans) = (Texts::default(), VecDeque::new());
        for number in 0..100_000_u32 {
            let (text, pad) = (number.to_string(), vec![b'.'; 200]);
            let span = texts.push([b"8103", text.as_bytes(), &pad]);
            spans.push_back((span, text));
            if spans.len() > 10_000
                && let Some((span, _)) = spans.pop_front()
            {
                texts.forget_before(span);
            }
        }
        assert!(texts.chunks.len() <= 4);
        for (span, text) in spans {
            let expected = [b"8103", text.as_bytes(), &[b'.'; 200]].concat();
            assert_eq!(texts.get(span), expected);
        }
    }
}
