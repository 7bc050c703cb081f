//! One record as a line, chained to the line before it.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256};

use super::record::Sealed;
use crate::hex;

/// A record's number and hash: vouches for every record up to it.
///
/// Written as `NUMBER:HASH`, the hash in 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// Records are numbered from 1; 0 before the first.
    pub number: u64,
    /// SHA-256; zeros before the first record.
    pub hash: [u8; 32],
}

/// The text is no [`Head`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a head is NUMBER:HASH, the hash in 64 hexadecimal digits")]
pub struct NoHead;

/// The first record that is not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("record {number} {what}; the records before it are as they were written")]
pub struct Broken {
    /// Its number.
    pub number: u64,
    /// What is wrong with it.
    pub what: What,
}

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum What {
    /// It does not hold what its hash, or that of the record before it, vouches for.
    #[error("was changed, or one before it was put in or taken out")]
    Changed,
    /// It is not there, though later ones are.
    #[error("is missing")]
    Missing,
    /// The trail ends before it, though a head was taken of it or of a later one.
    #[error("is missing: the trail was cut off")]
    CutOff,
}

/// The line of a record behind `before`.
pub(super) fn write(before: Head, record: &Sealed) -> (Head, String) {
    let json = serde_json::to_string(record).unwrap_or_default();
    let head = before.next(json.as_bytes());
    (head, format!("{} {json}\n", hex::encode(&head.hash)))
}

/// Checks whole lines that follow `before`, and visits their records with the heads they make. Returns the last head.
pub(super) fn check(lines: &[u8], before: Head, mut visit: impl FnMut(Head, Sealed)) -> Result<Head, Broken> {
    let mut head = before;
    for line in lines.split_inclusive(|&byte| byte == b'\n') {
        let number = head.number + 1;
        let changed = Broken { number, what: What::Changed };
        let line = line.strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok()).ok_or(changed)?;
        let (hash, json) = line.split_once(' ').ok_or(changed)?;
        let record: Sealed = serde_json::from_str(json).map_err(|_| changed)?;
        head = head.next(json.as_bytes());
        if hash != hex::encode(&head.hash) {
            let what = if record.number > number { What::Missing } else { What::Changed };
            return Err(Broken { number, what });
        }
        if record.number != number {
            return Err(changed);
        }
        visit(head, record);
    }
    Ok(head)
}

impl Head {
    fn next(self, json: &[u8]) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(&self.hash);
        context.update(json);
        let mut hash = [0; 32];
        for (to, from) in hash.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        Self { number: self.number + 1, hash }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, hex::encode(&self.hash))
    }
}

impl FromStr for Head {
    type Err = NoHead;

    fn from_str(text: &str) -> Result<Self, NoHead> {
        let parsed = text.trim().split_once(':').and_then(|(number, hash)| {
            Some(Self { number: number.parse().ok()?, hash: hex::decode_array(hash)? })
        });
        parsed.ok_or(NoHead)
    }
}
