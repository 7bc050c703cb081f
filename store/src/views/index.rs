//! Look-ups in the history.

use std::ops::Range;

use fjall::{Guard, Keyspace};
use jiff::Timestamp;

use super::key::{self, Keying};
use super::{Reached, ViewsError};
use crate::{Document, Msisdn};

/// Answers look-ups with sequence numbers. A clone is the same index.
///
/// Hashes have 64 bits: once in billions of look-ups a stranger's record is among the answers, so compare the record.
/// Take the [`position`](Self::position) *before* a look-up: it covers at least the records up to there.
#[derive(Clone)]
pub struct Index {
    keyspace: Keyspace,
    keying: Keying,
}

impl Index {
    pub(super) fn new(keyspace: Keyspace, keying: Keying) -> Self {
        Self { keyspace, keying }
    }

    pub(super) fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    pub(super) fn keying(&self) -> Keying {
        self.keying
    }

    pub(super) fn reached(&self) -> Result<Reached, ViewsError> {
        let Some(value) = self.keyspace.get(key::REACHED)? else { return Ok(Reached::default()) };
        let (position, instant) = value.split_first_chunk().ok_or(ViewsError::Malformed)?;
        let instant = instant.try_into().map_err(|_| ViewsError::Malformed)?;
        Ok(Reached { position: u64::from_be_bytes(*position), instant: u64::from_be_bytes(instant) })
    }

    /// The last record that is in the views; 0 before the first.
    ///
    /// # Errors
    /// As all look-ups: if the index cannot be read, which puts it in doubt.
    pub fn position(&self) -> Result<u64, ViewsError> {
        Ok(self.reached()?.position)
    }

    /// The decision that issued the permit with this code; the newest, should a code have come up again.
    ///
    /// # Errors
    /// As [`position`](Self::position).
    pub fn by_code(&self, code: u64) -> Result<Option<u64>, ViewsError> {
        Ok(self.newest(key::CODE, self.keying.code(code), None, 1)?.pop())
    }

    /// At most `limit` decisions on this document, newest first; with `before`, only those older than that record.
    ///
    /// # Errors
    /// As [`position`](Self::position).
    pub fn by_document(
        &self,
        document: Document,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<u64>, ViewsError> {
        self.newest(key::DOCUMENT, self.keying.document(document), before, limit)
    }

    /// The same by the person, who may hold several documents.
    ///
    /// # Errors
    /// As [`position`](Self::position).
    pub fn by_person(&self, person: u32, before: Option<u64>, limit: usize) -> Result<Vec<u64>, ViewsError> {
        self.newest(key::PERSON, self.keying.person(person), before, limit)
    }

    /// The same by the phone that asked.
    ///
    /// # Errors
    /// As [`position`](Self::position).
    pub fn by_phone(&self, phone: Msisdn, before: Option<u64>, limit: usize) -> Result<Vec<u64>, ViewsError> {
        self.newest(key::PHONE, self.keying.phone(phone), before, limit)
    }

    /// The records that were made in a half-open range of time: they follow one another.
    ///
    /// # Errors
    /// As [`position`](Self::position).
    pub fn by_time(&self, range: Range<Timestamp>) -> Result<Range<u64>, ViewsError> {
        // Before the rest: what is loaded meanwhile lies behind it.
        let end = self.position()? + 1;
        let from = self.first_at(range.start)?.unwrap_or(end);
        let to = self.first_at(range.end)?.unwrap_or(end);
        Ok(from..to.max(from))
    }

    /// The marks on this decision's reply, oldest first: sent, delivered, expired and so on.
    ///
    /// # Errors
    /// As [`position`](Self::position).
    pub fn marks(&self, decision: u64) -> Result<Vec<u64>, ViewsError> {
        let range = key::key(key::MARKS, decision, 0)..=key::key(key::MARKS, decision, u64::MAX);
        self.keyspace.range(range).map(last).collect()
    }

    fn newest(&self, tag: u8, hash: u64, before: Option<u64>, limit: usize) -> Result<Vec<u64>, ViewsError> {
        let range = key::key(tag, hash, 0)..key::key(tag, hash, before.unwrap_or(u64::MAX));
        self.keyspace.range(range).rev().take(limit).map(last).collect()
    }

    /// The first record at `at` or later.
    fn first_at(&self, at: Timestamp) -> Result<Option<u64>, ViewsError> {
        let range = key::key(key::TIME, key::instant(at), 0)..key::key(key::TIME + 1, 0, 0);
        self.keyspace.range(range).next().map(last).transpose()
    }
}

fn last(entry: Guard) -> Result<u64, ViewsError> {
    key::last(&entry.key()?).ok_or(ViewsError::Malformed)
}
