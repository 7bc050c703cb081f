//! What is wrong with a configuration, said so that it can be put right.

use std::fmt;

/// One thing wrong with one key. Shown as one line: where, which key, why, what to do.
///
/// Never holds a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it was said: `config/gateway.toml:12`, `ICAZE_SMPP__LISTEN`, `--smpp`, or `shipped default`.
    pub place: String,
    /// The key with its section, such as `smpp.listen`; empty if the place could not be read at all.
    pub key: String,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
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
