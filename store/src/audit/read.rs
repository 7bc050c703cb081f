//! Reads the trail, also beside its writer.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use super::line::{self, Broken, Head, What};
use super::record::{Keys, Record, Sealed, Subject};
use super::{TrailError, failed};

/// Records, newest first.
#[derive(Debug, Default)]
pub struct Page {
    /// The records.
    pub records: Vec<Record>,
    /// Ask for records before this one for the next page; `None` if there are no more.
    pub next: Option<u64>,
}

/// Checks every record of the trail in `dir`, and that it reaches `known`, a head that was kept elsewhere. Needs no key. Returns
/// the head.
///
/// # Errors
/// [`Broken`] names the first record that is not what was written; or the system fails.
pub fn verify(dir: &Path, known: Option<Head>) -> Result<Head, TrailError> {
    let mut head = Head::default();
    let mut met = known.is_none_or(|known| known == head);
    for (first, path) in files(dir)? {
        if first != head.number + 1 {
            return Err(Broken { number: head.number + 1, what: What::Missing }.into());
        }
        head = line::check(&whole_lines(&path)?, head, |head, _| met |= Some(head) == known)?;
    }
    match known.filter(|_| !met) {
        None => Ok(head),
        Some(known) if known.number > head.number => {
            Err(Broken { number: head.number + 1, what: What::CutOff }.into())
        }
        Some(known) => Err(Broken { number: known.number, what: What::Changed }.into()),
    }
}

impl Page {
    /// At most `limit` records before the one numbered `before`, newest first; with `about`, only those about that subject.
    ///
    /// # Errors
    /// As [`verify`], for the files that are read.
    pub fn read(
        dir: &Path,
        keys: &Keys,
        before: Option<u64>,
        limit: usize,
        about: Option<Subject>,
    ) -> Result<Self, TrailError> {
        let before = before.unwrap_or(u64::MAX);
        let mut page = Self::default();
        for (first, path) in files(dir)?.into_iter().rev().filter(|&(first, _)| first < before) {
            let mut kept: VecDeque<Sealed> = VecDeque::new();
            line::check(&whole_lines(&path)?, head_before(dir, first)?, |_, record| {
                if record.number < before && about.is_none_or(|about| record.is_about(about)) {
                    kept.push_back(record);
                    // One more tells whether there is a next page.
                    if kept.len() > limit + 1 {
                        kept.pop_front();
                    }
                }
            })?;
            page.records.extend(kept.into_iter().rev().map(|record| record.open(keys)));
            if page.records.len() > limit {
                page.records.truncate(limit);
                page.next = page.records.last().map(|record| record.number);
                break;
            }
        }
        Ok(page)
    }
}

/// The files with the numbers of their first records, in order.
pub(super) fn files(dir: &Path) -> Result<Vec<(u64, PathBuf)>, TrailError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed(dir, "list"))? {
        let path = entry.map_err(failed(dir, "list"))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let first = name.and_then(|name| name.strip_suffix(".log")?.parse().ok());
        files.extend(first.map(|first| (first, path)));
    }
    files.sort_unstable();
    Ok(files)
}

/// The head that the file of record `first` begins behind: the last line of the file before it.
pub(super) fn head_before(dir: &Path, first: u64) -> Result<Head, TrailError> {
    let Some((_, path)) = files(dir)?.into_iter().rev().find(|&(other, _)| other < first) else {
        return Ok(Head::default());
    };
    let lines = whole_lines(&path)?;
    let last = lines.trim_ascii_end().rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
    let hash =
        last.get(..64).and_then(|hash| std::str::from_utf8(hash).ok()).and_then(crate::hex::decode_array);
    let hash = hash.ok_or(Broken { number: first - 1, what: What::Changed })?;
    Ok(Head { number: first - 1, hash })
}

/// A file's lines without an unfinished one at its end: a record that is being written, or never was.
fn whole_lines(path: &Path) -> Result<Vec<u8>, TrailError> {
    let mut text = fs::read(path).map_err(failed(path, "read"))?;
    let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
    text.truncate(whole);
    Ok(text)
}
