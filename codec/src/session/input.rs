//! The octets that have arrived and are not read yet.

use std::time::Instant;

use crate::frame::{self, BadLength, Frame};

/// A buffer that frames are read out of in place. Octets move only when more arrive.
#[derive(Default)]
pub(super) struct Input {
    pub(super) bytes: Vec<u8>,
    pub(super) cursor: Cursor,
}

/// How far the buffer is read.
#[derive(Default)]
pub(super) struct Cursor {
    read: usize,
    /// When a frame was first seen to be incomplete.
    begun: Option<Instant>,
}

impl Input {
    /// Makes room of what was read, and adds what has arrived.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.cursor.read);
        self.cursor.read = 0;
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn begun(&self) -> Option<Instant> {
        self.cursor.begun
    }
}

impl Cursor {
    /// The next whole frame of `bytes`.
    #[inline]
    pub(super) fn next<'a>(
        &mut self,
        bytes: &'a [u8],
        limit: usize,
        now: Instant,
    ) -> Result<Option<Frame<'a>>, BadLength> {
        let rest = bytes.get(self.read..).unwrap_or_default();
        let Some((frame, length)) = frame::split(rest, limit)? else {
            if !rest.is_empty() {
                self.begun.get_or_insert(now);
            }
            return Ok(None);
        };
        self.read += length;
        self.begun = None;
        Ok(Some(frame))
    }
}
