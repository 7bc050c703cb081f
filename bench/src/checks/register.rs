//! The register's snapshot.

use std::io::{self, Read};
use std::sync::LazyLock;

use icaze_store::register::Register;

use super::bound_memory;
use crate::sample;

/// The file that the edits are made to. `snapshot.rs` of the store draws it.
static SNAPSHOT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut bytes = Vec::new();
    sample::register(100).write(&mut bytes).unwrap();
    bytes
});

const HEADER_BYTES: usize = 640;
const PAGE_BYTES: usize = 4 + 4096 * 16;

/// A snapshot, or what edits make of one: an octet 0 and the file; or an octet 1 and, for each edit, an offset of three
/// octets and the byte that is put there, after which the checksums are set right, so that the edit is not found by
/// them. It is refused, or it is a register that can be asked anything and is written as it was read.
///
/// # Panics
/// If not.
pub fn snapshot(input: &[u8]) {
    bound_memory();
    match input {
        [0, file @ ..] => read(file),
        [1, edits @ ..] => read(&edited(edits)),
        _ => {}
    }
}

fn edited(edits: &[u8]) -> Vec<u8> {
    let mut file = SNAPSHOT.clone();
    let (edits, _) = edits.as_chunks::<4>();
    for &[a, b, c, value] in edits {
        let at = u32::from_le_bytes([a, b, c, 0]) as usize % file.len();
        file[at] = value;
    }
    seal(&mut file);
    file
}

/// Sets the checksums right, as far as the header says where the sections are.
fn seal(file: &mut [u8]) {
    let number =
        |file: &[u8], at: usize| file[at..].first_chunk().map(|n| u32::from_le_bytes(*n)).unwrap() as usize;
    let [pages, side, regions] = [40, 44, 48].map(|at| number(file, at));
    let shards = (0..64).map(|shard| (number(file, 64 + 4 * shard) * 64, 320 + 4 * shard));
    let others = [(pages * PAGE_BYTES, 52), (side * 20, 56), (regions, 60)];
    let mut start = HEADER_BYTES;
    for (length, crc_at) in shards.chain(others).collect::<Vec<_>>() {
        let end = start.saturating_add(length).min(file.len());
        let crc = crc32c::crc32c(&file[start..end]);
        file[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
        start = end;
    }
    let crc = crc32c::crc32c(&file[..HEADER_BYTES - 4]);
    file[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
}

fn read(file: &[u8]) {
    let Ok(register) = Register::read(Watched { rest: file, size: file.len() }, file.len() as u64) else {
        return;
    };
    let documents: Vec<_> = sample::documents(120).collect();
    let mut found = Vec::new();
    register.find_batch(&documents, &mut found);
    for (document, found) in documents.iter().zip(&found) {
        assert!(register.find(*document) == *found, "one by one and in a batch");
        if let Some(person) = found.and_then(|entry| register.person(entry.person)) {
            assert!(register.regions().any(|region| region == person.region), "a region of the register");
        }
    }
    let mut written = Vec::new();
    register.write(&mut written).unwrap();
    let again = Register::read(&*written, written.len() as u64).unwrap();
    assert_eq!((again.documents(), again.persons()), (register.documents(), register.persons()));
    let mut rewritten = Vec::new();
    again.write(&mut rewritten).unwrap();
    assert!(rewritten == written, "a register is written as it was read");
}

/// Input that sees how much space a reader has made for it.
struct Watched<'a> {
    rest: &'a [u8],
    size: usize,
}

impl Read for Watched<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        assert!(to.len() <= self.size, "space for {} bytes of a file of {}", to.len(), self.size);
        self.rest.read(to)
    }
}
