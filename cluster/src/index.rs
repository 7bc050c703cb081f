//! Whose a permit's code is: the persons of a node's codes in the order of their counters, in blocks.
//!
//! A batch of grants has neighbouring counters, so that it writes one piece of one block, or of two.

use redis::Cmd;

use crate::call::{Call, PERSON_SLOTS, tag};

/// Codes of one block.
const BLOCK: u32 = 4096;
/// A person's number and one; 0 where no code was granted.
const ENTRY: usize = 4;

/// The calls that write down whose codes these are: pairs of a counter of this node's and a person.
#[must_use]
pub fn index(mut entries: Vec<(u32, u32)>) -> Vec<Call> {
    entries.sort_unstable();
    entries.dedup();
    let mut calls = Vec::new();
    for run in entries.chunk_by(|(a, _), (b, _)| a + 1 == *b && a / BLOCK == b / BLOCK) {
        let Some(&(counter, _)) = run.first() else { continue };
        let persons = run.iter().flat_map(|(_, person)| person.saturating_add(1).to_be_bytes()).collect();
        calls.push(Call::Index { counter, persons });
    }
    calls
}

pub(crate) fn slot(counter: u32) -> u32 {
    counter / BLOCK % PERSON_SLOTS
}

fn key(node: &str, counter: u32) -> String {
    format!("{}:n:{node}:{}", tag(slot(counter)), counter / BLOCK)
}

fn offset(counter: u32) -> usize {
    (counter % BLOCK) as usize * ENTRY
}

pub(crate) fn write(cmd: &mut Cmd, node: &str, counter: u32, persons: &[u8]) {
    cmd.arg("icaze_index").arg(1).arg(key(node, counter)).arg(offset(counter)).arg(persons);
}

pub(crate) fn read(node: &str, counter: u32) -> Cmd {
    let mut cmd = redis::cmd("GETRANGE");
    cmd.arg(key(node, counter)).arg(offset(counter)).arg(offset(counter) + ENTRY - 1);
    cmd
}

pub(crate) fn person(entry: &[u8]) -> Option<u32> {
    u32::from_be_bytes(entry.try_into().ok()?).checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_one_piece_of_a_block_and_ends_with_it() {
        let entries = vec![(4095, 7), (4096, 0), (4094, u32::MAX - 1), (9, 1), (4096, 0)];
        let pieces: Vec<_> = index(entries)
            .into_iter()
            .map(|call| match call {
                Call::Index { counter, persons } => (counter, persons),
                _ => panic!("{call:?}"),
            })
            .collect();
        let expected =
            [(9, vec![0, 0, 0, 2]), (4094, vec![255, 255, 255, 255, 0, 0, 0, 8]), (4096, vec![0, 0, 0, 1])];
        assert_eq!(pieces, expected);
        assert!(index(Vec::new()).is_empty());
        assert_eq!((offset(4095), offset(4096)), (4095 * 4, 0));
        assert_ne!(key("1", 4095), key("1", 4096));
        assert_eq!((person(&[0, 0, 0, 8]), person(&[0; 4]), person(&[])), (Some(7), None, None));
    }
}
