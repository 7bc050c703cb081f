//! What happened, as a hash, and as lines where someone wants to read them.

use std::fmt;

/// Notes of a run. Its hash tells whether two runs were the same.
#[derive(Default)]
pub(crate) struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    pub(crate) fn keep(&mut self) {
        self.lines = Some(Vec::new());
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        let line = line();
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if let Some(lines) = &mut self.lines {
            lines.push(line);
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn take(&mut self) -> Vec<String> {
        self.lines.take().unwrap_or_default()
    }
}

/// A run in which everything held.
pub(crate) struct Report {
    pub(crate) hash: u64,
    pub(crate) decisions: usize,
    pub(crate) grants: usize,
    /// Requests that an answer completed.
    pub(crate) completed: usize,
    /// Responses and replies that left.
    pub(crate) left: u64,
    pub(crate) lines: Vec<String>,
}

/// Something that must never be.
pub(crate) struct Violation {
    pub(crate) seed: u64,
    pub(crate) what: String,
    pub(crate) lines: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, what, .. } = self;
        write!(
            f,
            "seed {seed}: {what}\nreplay: ICAZE_SEED={seed} cargo test -p icaze-gateway --test simulation one_seed -- --nocapture"
        )
    }
}
