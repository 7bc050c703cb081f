//! What is wrong with a file, where, and what to do about it.

use std::fmt;
use std::path::Path;

/// One thing wrong with one key. Shown as one line: where, which key, why, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, with its line where one can be named: `config/regimes/demo/demo.toml:12`.
    pub place: String,
    /// The key, such as `quota.limit`; empty if none can be named.
    pub key: String,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

impl Problem {
    /// `line` counts from 1; `key` may be empty.
    pub(super) fn new(file: &Path, line: Option<usize>, key: &str, reason: String, remedy: &str) -> Self {
        let mut place = file.display().to_string();
        if let Some(line) = line {
            place = format!("{place}:{line}");
        }
        Self { place, key: key.to_owned(), reason, remedy: remedy.to_owned() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}; {}", self.reason, self.remedy)
    }
}
