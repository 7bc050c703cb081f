//! The permit codes of this node, one for each permit.

use crate::permit::code::{Code, CodeKey};

/// Hands out codes by counting.
pub struct Codes {
    key: CodeKey,
    node: u8,
    next: u32,
}

impl Codes {
    /// Codes of `node` that have not been used, until [`used`](Self::used) says otherwise.
    #[must_use]
    pub fn new(key: CodeKey, node: u8) -> Self {
        Self { key, node, next: 0 }
    }

    /// The next permit's code. It stays the next one until it is [`used`](Self::used).
    #[must_use]
    pub fn peek(&self) -> Option<Code> {
        self.key.code(self.node, self.next).or_else(|| self.key.code(self.node, 0))
    }

    /// A permit with this code is in the ledger. After the last of 2³¹ codes of a node the first is used again: far
    /// beyond any retention.
    pub fn used(&mut self, code: Code) {
        let (node, counter) = self.key.origin(code);
        if node == self.node {
            self.next = counter.wrapping_add(1);
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
