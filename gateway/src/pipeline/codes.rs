//! The permit codes of this node, one for each permit.

use crate::permit::code::{Code, CodeKey};

/// Hands out codes by counting.
pub struct Codes {
    key: CodeKey,
    node: u8,
    next: u32,
    /// The code of `next`, so that it is worked out once.
    code: Option<Code>,
}

impl Codes {
    /// Codes of `node` that have not been used, until [`used`](Self::used) says otherwise.
    #[must_use]
    pub fn new(key: CodeKey, node: u8) -> Self {
        let code = key.code(node, 0);
        Self { key, node, next: 0, code }
    }

    /// The next permit's code. It stays the next one until it is [`used`](Self::used).
    #[must_use]
    pub fn peek(&self) -> Option<Code> {
        self.code
    }

    /// The counter of the next permit's code.
    #[must_use]
    pub fn next(&self) -> u32 {
        self.next
    }

    /// Goes on with this counter.
    pub fn resume(&mut self, next: u32) {
        self.next = next % CodeKey::COUNTER_END;
        self.code = self.key.code(self.node, self.next);
    }

    /// The place of a code among those of this node; `None` if it is another node's.
    #[must_use]
    pub fn counter(&self, code: Code) -> Option<u32> {
        let (node, counter) = self.key.origin(code);
        (node == self.node).then_some(counter)
    }

    /// A permit with this code is in the ledger. After the last of 2³¹ codes of a node the first is used again: far
    /// beyond any retention.
    pub fn used(&mut self, code: Code) {
        let counter = if self.code == Some(code) { Some(self.next) } else { self.counter(code) };
        if let Some(counter) = counter {
            self.resume(counter + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_on_where_the_ledger_ends() {
        let key = || CodeKey::new([7; 16]);
        let mut codes = Codes::new(key(), 3);
        let first = codes.peek().unwrap();
        assert_eq!(codes.peek(), Some(first), "not used, so not spent");
        codes.used(first);
        let second = codes.peek().unwrap();
        assert_ne!(first, second);
        let mut restarted = Codes::new(key(), 3);
        restarted.used(first);
        restarted.used(Codes::new(key(), 4).peek().unwrap());
        assert_eq!(restarted.peek(), Some(second), "another node's codes do not count");
    }
}
