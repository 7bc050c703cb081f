//! What is wrong with a file, where, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong with a file, said to the person who must put it right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1, where one can be named.
    pub line: Option<usize>,
    /// The key, where one can be named.
    pub key: Option<String>,
    /// What is wrong: reads on after the key.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl Problem {
    /// Of a file as a whole.
    pub(crate) fn of_file(file: &Path, what: String, remedy: &str) -> Self {
        Self { file: file.to_owned(), line: None, key: None, what, remedy: remedy.to_owned() }
    }

    /// Of a key.
    pub(crate) fn of_key(file: &Path, key: &str, what: String, remedy: &str) -> Self {
        Self { key: Some(key.to_owned()), ..Self::of_file(file, what, remedy) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": ")?;
        if let Some(key) = &self.key {
            write!(f, "`{key}` ")?;
        }
        write!(f, "{}; {}", self.what, self.remedy)
    }
}

impl std::error::Error for Problem {}
