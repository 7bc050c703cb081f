//! What is wrong with what people write, said so that it can be put right.

use std::fmt;
use std::path::Path;

/// One thing wrong with one key. Shown as one line: where, which key, why, what to do.
///
/// Never holds a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it was said: `config/gateway.toml:12`, `ICAZE_SMPP__LISTEN`, `--smpp`, or `shipped default`.
    pub place: String,
    /// The key, such as `smpp.listen`; empty if none can be named.
    pub key: String,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

impl Problem {
    /// In a file, at a `line` from 1 if one can be named.
    pub(crate) fn in_file(file: &Path, line: Option<usize>, key: &str, reason: String, remedy: &str) -> Self {
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

/// Every problem found, in the order of the keys; never empty when returned as an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct Problems(pub Vec<Problem>);

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}
