//! The permit codes of this node, one for each permit.

use crate::permit::code::{Code, CodeKey};

/// How many codes are worked out at a time: together they take a third of what they take one by one.
const AHEAD: usize = 16;

/// Hands out codes by counting.
pub struct Codes {
    key: CodeKey,
    node: u8,
    next: u32,
    /// The codes from that of the counter `first` on; `None` if the node has none.
    ahead: Option<[Code; AHEAD]>,
    first: u32,
}

impl Codes {
    /// Codes of `node` that have not been used, until [`used`](Self::used) says otherwise.
    #[must_use]
    pub fn new(key: CodeKey, node: u8) -> Self {
        Self { ahead: key.codes(node, 0), key, node, next: 0, first: 0 }
    }

    /// The next permit's code. It stays the next one until it is [`used`](Self::used).
    #[must_use]
    pub fn peek(&self) -> Option<Code> {
        self.ahead.as_ref()?.get(self.next.wrapping_sub(self.first) as usize).copied()
    }

    /// The counter of the next permit's code.
    #[must_use]
    pub fn next(&self) -> u32 {
        self.next
    }

    /// Goes on with this counter.
    pub fn resume(&mut self, next: u32) {
        self.next = next % CodeKey::COUNTER_END;
        if self.peek().is_none() {
            (self.first, self.ahead) = (self.next, self.key.codes(self.node, self.next));
        }
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
        let counter = if self.peek() == Some(code) { Some(self.next) } else { self.counter(code) };
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

    #[test]
    fn each_counter_has_its_code_however_many_are_worked_out_at_a_time() {
        let key = CodeKey::new([7; 16]);
        let mut codes = Codes::new(key.clone(), 3);
        let last = CodeKey::COUNTER_END - 1;
        for start in [0, 5, 1_000_000, 3, last - AHEAD as u32] {
            codes.resume(start);
            for counter in (start..=last).chain(0..).take(3 * AHEAD) {
                assert_eq!((codes.next(), codes.peek()), (counter, key.code(3, counter)));
                codes.used(key.code(3, counter).unwrap());
            }
        }
    }
}
