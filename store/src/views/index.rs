//! Look-ups in the history.

use std::ops::Range;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::ViewsError;
use super::key::{self, Keying};
use super::run::RunFile;
use crate::{Document, Msisdn};

/// Answers look-ups with sequence numbers, from the runs that were there when it was cloned. Reads from disk: a block or two in
/// each run that covers the wanted records, so say which are wanted.
///
/// A key has 36 bits of a hash: once in some thousand look-ups a stranger's record is among the answers, so compare the record.
#[derive(Clone)]
pub struct Index {
    /// Oldest first.
    runs: Arc<Vec<Arc<RunFile>>>,
    keying: Keying,
}

impl Index {
    pub(super) fn new(runs: Vec<Arc<RunFile>>, keying: Keying) -> Self {
        Self { runs: Arc::new(runs), keying }
    }

    pub(super) fn add(&mut self, run: RunFile) {
        Arc::make_mut(&mut self.runs).push(Arc::new(run));
    }

    /// Puts a run in place of the one that covers the same records.
    pub(super) fn replace(&mut self, run: RunFile) {
        let runs = Arc::make_mut(&mut self.runs);
        if let Some(place) = runs.iter_mut().find(|place| place.header.first == run.header.first) {
            *place = Arc::new(run);
        }
    }

    /// The oldest run that is like that.
    pub(super) fn find(&self, like: impl Fn(&RunFile) -> bool) -> Option<Arc<RunFile>> {
        self.runs.iter().find(|run| like(run)).map(Arc::clone)
    }

    pub(super) fn remove_oldest(&mut self) {
        let runs = Arc::make_mut(&mut self.runs);
        if !runs.is_empty() {
            runs.remove(0);
        }
    }

    pub(super) fn keying(&self) -> Keying {
        self.keying
    }

    pub(super) fn runs(&self) -> impl Iterator<Item = &RunFile> {
        self.runs.iter().map(|run| &**run)
    }

    /// The last that a record was made in; 0 before the first.
    pub(super) fn last_second(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.header.seconds.1)
    }

    /// The last record that is in the views; 0 before the first.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.header.position)
    }

    /// The decisions that may have issued the permit with this code, newest first.
    ///
    /// # Errors
    /// As all look-ups: if the index cannot be read, which puts it in doubt.
    pub fn by_code(&self, code: u64) -> Result<Vec<u64>, ViewsError> {
        self.newest(key::CODE, self.keying.code(code), 0..u64::MAX, usize::MAX)
    }

    /// At most `limit` of those decisions on this document that are `within` these records, newest first.
    ///
    /// # Errors
    /// As [`by_code`](Self::by_code).
    pub fn by_document(
        &self,
        document: Document,
        within: Range<u64>,
        limit: usize,
    ) -> Result<Vec<u64>, ViewsError> {
        self.newest(key::DOCUMENT, self.keying.document(document), within, limit)
    }

    /// The same by the person, who may hold several documents.
    ///
    /// # Errors
    /// As [`by_code`](Self::by_code).
    pub fn by_person(&self, person: u32, within: Range<u64>, limit: usize) -> Result<Vec<u64>, ViewsError> {
        self.newest(key::PERSON, self.keying.person(person), within, limit)
    }

    /// The same by the phone that asked.
    ///
    /// # Errors
    /// As [`by_code`](Self::by_code).
    pub fn by_phone(&self, phone: Msisdn, within: Range<u64>, limit: usize) -> Result<Vec<u64>, ViewsError> {
        self.newest(key::PHONE, self.keying.phone(phone), within, limit)
    }

    /// The records of the seconds that a half-open range of time touches: they follow one another.
    ///
    /// # Errors
    /// As [`by_code`](Self::by_code).
    pub fn by_time(&self, range: Range<Timestamp>) -> Result<Range<u64>, ViewsError> {
        let almost = SignedDuration::new(0, 999_999_999);
        let from = self.since(key::second(range.start))?;
        let to = self.since(key::second(range.end.saturating_add(almost).unwrap_or(Timestamp::MAX)))?;
        Ok(from..to.max(from))
    }

    /// The marks on this decision's reply, oldest first: sent, delivered, expired and so on.
    ///
    /// # Errors
    /// As [`by_code`](Self::by_code).
    pub fn marks(&self, decision: u64) -> Result<Vec<u64>, ViewsError> {
        let mut found = Vec::new();
        for run in self.runs.iter() {
            let (first, last) = run.header.marked;
            if (first..=last).contains(&decision) {
                let high = decision - first;
                let keys =
                    run.last(key::MARKS, key::key(high, 0)..=key::key(high, key::RECORD_MAX), usize::MAX)?;
                found.extend(keys.into_iter().rev().map(|key| run.header.first + key::record(key)));
            }
        }
        Ok(found)
    }

    fn newest(
        &self,
        section: usize,
        hash: u64,
        within: Range<u64>,
        limit: usize,
    ) -> Result<Vec<u64>, ViewsError> {
        let mut found = Vec::new();
        for run in self.runs.iter().rev() {
            let header = &run.header;
            if header.first >= within.end {
                continue;
            }
            if header.position < within.start || found.len() >= limit {
                break;
            }
            let least = within.start.saturating_sub(header.first);
            let greatest = within.end - 1 - header.first;
            let range = key::hashed(hash, least)..=key::hashed(hash, greatest);
            let keys = run.last(section, range, limit - found.len())?;
            found.extend(keys.into_iter().map(|key| header.first + key::record(key)));
        }
        Ok(found)
    }

    /// The first record that was made in this second or later; the one behind the last if none was.
    fn since(&self, second: u64) -> Result<u64, ViewsError> {
        let before = self.runs.partition_point(|run| run.header.seconds.1 < second);
        let Some(run) = self.runs.get(before) else { return Ok(self.position() + 1) };
        let high = second.saturating_sub(run.header.seconds.0);
        let found = run.first(key::SECONDS, key::key(high, 0))?;
        Ok(found.map_or(run.header.position + 1, |key| run.header.first + key::record(key)))
    }
}
