//! One file of the history: sorted keys of the records of a closed segment, written once and never changed.
//!
//! ```text
//! header   4,096 bytes: magic, keying's fingerprint, covered records, sections, zeros, CRC32C of all before
//! blocks   4,096 bytes each: 511 keys, zeros behind the last of a section; 4 bytes of zeros; CRC32C of all before and the
//!          block's number, so that one in another's place is noticed
//! ```
//!
//! Numbers have 8 bytes, the low end first. A section begins with a block of its own, and its keys ascend, but
//! for regions (names, one on a line, as bytes) and groups.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::ops::{Range, RangeInclusive};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crc32c::{crc32c, crc32c_append};

use super::key::{self, SECTIONS};
use super::{ViewsError, failed};

/// Another version's files are made again.
const MAGIC: [u8; 8] = *b"icazrun2";
const BLOCK_BYTES: usize = 4096;
const KEYS_PER_BLOCK: usize = 511;
/// Steps that guess where a key lies before the search halves: keys are spread evenly, but for those of few people.
const GUESSES: u32 = 3;

/// What a file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// Of the keying that made it.
    pub fingerprint: u64,
    /// The last record before it.
    pub previous: u64,
    /// Its last record.
    pub position: u64,
    /// What the low part of its keys counts from.
    pub first: u64,
    /// What the high part of marks' keys counts from, and the last decision that one of them is about.
    pub marked: (u64, u64),
    /// What the high part of seconds' keys counts from, and the last second.
    pub seconds: (u64, u64),
    /// Whether people are found by it.
    pub people: bool,
    /// How many keys each section has.
    pub counts: [u64; SECTIONS],
}

impl Header {
    const NUMBERS: usize = 9 + SECTIONS;

    fn encode(&self) -> Vec<u8> {
        let (marked, seconds) = (self.marked, self.seconds);
        let mut bytes = MAGIC.to_vec();
        let numbers = [self.fingerprint, self.previous, self.position, self.first];
        let ranges = [marked.0, marked.1, seconds.0, seconds.1];
        let all = numbers.into_iter().chain(ranges).chain([self.people.into()]).chain(self.counts);
        all.for_each(|number| bytes.extend(number.to_le_bytes()));
        bytes.resize(BLOCK_BYTES - 4, 0);
        bytes.extend(crc32c(&bytes).to_le_bytes());
        bytes
    }

    /// `None` for what was never written, or by another version.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, sum) = bytes.split_last_chunk()?;
        let numbers = body.strip_prefix(&MAGIC)?;
        if crc32c(body) != u32::from_le_bytes(*sum) {
            return None;
        }
        let numbers: Vec<u64> = keys(numbers).take(Self::NUMBERS).collect();
        let (
            &[fingerprint, previous, position, first, marked, marked_last, second, second_last, people],
            counts,
        ) = numbers.split_first_chunk()?;
        Some(Self {
            fingerprint,
            previous,
            position,
            first,
            marked: (marked, marked_last),
            seconds: (second, second_last),
            people: people != 0,
            counts: counts.try_into().ok()?,
        })
    }

    fn blocks(&self) -> impl Iterator<Item = u64> {
        self.counts.into_iter().map(|count| count.div_ceil(KEYS_PER_BLOCK as u64))
    }

    /// No key of the section is above this.
    fn greatest(&self, section: usize) -> u64 {
        match section {
            key::MARKS => key::key(self.marked.1.saturating_sub(self.marked.0), u64::MAX),
            key::SECONDS => key::key(self.seconds.1.saturating_sub(self.seconds.0), u64::MAX),
            _ => u64::MAX,
        }
    }

    /// The blocks of a section, by their numbers in the file; the header is block 0.
    fn section(&self, section: usize) -> Range<u64> {
        let start = 1 + self.blocks().take(section).sum::<u64>();
        start..start + self.blocks().nth(section).unwrap_or(0)
    }
}

/// Writes a file of these keys, which are sorted; synced when it returns.
pub(super) fn write(path: &Path, header: Header, sections: &[Vec<u64>; SECTIONS]) -> io::Result<RunFile> {
    let unfinished = path.with_extension(UNFINISHED);
    let mut file = BufWriter::with_capacity(64 * BLOCK_BYTES, File::create(&unfinished)?);
    file.write_all(&header.encode())?;
    let blocks = sections.iter().flat_map(|keys| keys.chunks(KEYS_PER_BLOCK));
    let mut bytes = Vec::with_capacity(BLOCK_BYTES);
    for (number, keys) in (1_u64..).zip(blocks) {
        bytes.clear();
        keys.iter().for_each(|key| bytes.extend(key.to_le_bytes()));
        bytes.resize(BLOCK_BYTES - 4, 0);
        bytes.extend(sum(&bytes, number).to_le_bytes());
        file.write_all(&bytes)?;
    }
    file.into_inner()?.sync_data()?;
    fs::rename(&unfinished, path)?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())?;
    Ok(RunFile { path: path.to_owned(), header })
}

/// The ending of a file's name while it is being written.
pub(super) const UNFINISHED: &str = "unfinished";

/// Gives back the room that a file took which could not be written whole.
pub(super) fn remove_unfinished(path: &Path) {
    // Otherwise it is removed at the next opening.
    let _ = fs::remove_file(path.with_extension(UNFINISHED));
}

fn sum(body: &[u8], number: u64) -> u32 {
    crc32c_append(crc32c(body), &number.to_le_bytes())
}

fn keys(bytes: &[u8]) -> impl DoubleEndedIterator<Item = u64> + ExactSizeIterator {
    bytes.as_chunks().0.iter().map(|key| u64::from_le_bytes(*key))
}

/// A file that was written whole.
#[derive(Debug)]
pub(super) struct RunFile {
    pub path: PathBuf,
    pub header: Header,
}

impl RunFile {
    /// The file at `path`, `None` if it is not one, or not all of one. Reads its header only.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        let mut bytes = vec![0; BLOCK_BYTES];
        match file.read_exact_at(&mut bytes, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let length = file.metadata()?.len();
        let whole = |header: &Header| {
            let blocks = header.blocks().try_fold(1_u64, u64::checked_add);
            blocks.and_then(|blocks| blocks.checked_mul(BLOCK_BYTES as u64)) == Some(length)
        };
        Ok(Header::decode(&bytes).filter(whole).map(|header| Self { path: path.to_owned(), header }))
    }

    /// The keys of a section that lie in a range: the greatest `limit` of them, in descending order.
    pub(super) fn last(
        &self,
        section: usize,
        range: RangeInclusive<u64>,
        limit: usize,
    ) -> Result<Vec<u64>, ViewsError> {
        let mut reader = self.reader(section)?;
        let end = match range.end().checked_add(1) {
            Some(above) => reader.lower_bound(above)?,
            None => reader.count,
        };
        let mut found = Vec::new();
        for place in (0..end).rev().take(limit) {
            match reader.key(place)? {
                key if key < *range.start() => break,
                key => found.push(key),
            }
        }
        Ok(found)
    }

    /// The smallest key of a section that is not below `key`.
    pub(super) fn first(&self, section: usize, key: u64) -> Result<Option<u64>, ViewsError> {
        let mut reader = self.reader(section)?;
        let place = reader.lower_bound(key)?;
        (place < reader.count).then(|| reader.key(place)).transpose()
    }

    /// Tells of the keys of a section that lie in a range, in order.
    pub(super) fn each(
        &self,
        section: usize,
        range: RangeInclusive<u64>,
        mut visit: impl FnMut(u64) -> Result<(), ViewsError>,
    ) -> Result<(), ViewsError> {
        let mut reader = self.reader(section)?;
        let start = reader.lower_bound(*range.start())?;
        for place in start..reader.count {
            match reader.key(place)? {
                key if key > *range.end() => break,
                key => visit(key)?,
            }
        }
        Ok(())
    }

    /// Tells of everything in a section, sorted or not.
    pub(super) fn all(
        &self,
        section: usize,
        mut visit: impl FnMut(u64) -> Result<(), ViewsError>,
    ) -> Result<(), ViewsError> {
        let mut reader = self.reader(section)?;
        (0..reader.count).try_for_each(|place| reader.key(place).and_then(&mut visit))
    }

    pub(super) fn damaged(&self) -> ViewsError {
        ViewsError::Damaged { path: self.path.clone() }
    }

    fn reader(&self, section: usize) -> Result<Reader<'_>, ViewsError> {
        let blocks = self.header.section(section);
        let file = File::open(&self.path).map_err(failed(&self.path, "open"))?;
        let count = self.header.counts.get(section).copied().unwrap_or(0);
        let greatest = self.header.greatest(section);
        Ok(Reader {
            path: &self.path,
            file,
            start: blocks.start,
            count,
            greatest,
            number: 0,
            keys: Vec::new(),
        })
    }
}

/// Reads a section, a block at a time.
struct Reader<'f> {
    path: &'f Path,
    file: File,
    /// The section's first block.
    start: u64,
    /// How many keys it has.
    count: u64,
    /// No key is above this.
    greatest: u64,
    /// The block that was read last; 0 before the first.
    number: u64,
    keys: Vec<u64>,
}

impl Reader<'_> {
    /// How many keys of the section are below `key`.
    fn lower_bound(&mut self, key: u64) -> Result<u64, ViewsError> {
        let (mut places, mut bounds) = (0..self.count, 0..self.greatest);
        let mut guesses = 0..GUESSES;
        while !places.is_empty() {
            let few = places.end - places.start;
            let far = match (guesses.next(), bounds.end - bounds.start) {
                (Some(_), wide @ 1..) => share(few, key.clamp(bounds.start, bounds.end) - bounds.start, wide),
                _ => few / 2,
            };
            let first = self.read(places.start + far.min(few - 1))?;
            let (Some(&least), Some(&most)) = (self.keys.first(), self.keys.last()) else { break };
            if most < key {
                (places.start, bounds.start) = (first + self.keys.len() as u64, most);
            } else if least >= key {
                (places.end, bounds.end) = (first, least);
            } else {
                return Ok(first + self.keys.partition_point(|&other| other < key) as u64);
            }
        }
        Ok(places.start)
    }

    fn key(&mut self, place: u64) -> Result<u64, ViewsError> {
        let first = self.read(place)?;
        let key = self.keys.get((place - first) as usize);
        key.copied().ok_or_else(|| ViewsError::Damaged { path: self.path.to_owned() })
    }

    /// Reads the block that has the key at `place`; the place of its first key.
    fn read(&mut self, place: u64) -> Result<u64, ViewsError> {
        let block = place / KEYS_PER_BLOCK as u64;
        let first = block * KEYS_PER_BLOCK as u64;
        let number = self.start + block;
        if number != self.number {
            let mut bytes = [0; BLOCK_BYTES];
            let offset = number * BLOCK_BYTES as u64;
            self.file.read_exact_at(&mut bytes, offset).map_err(failed(self.path, "read"))?;
            let sound = bytes
                .split_last_chunk()
                .filter(|(body, stored)| sum(body, number) == u32::from_le_bytes(**stored));
            let (body, _) = sound.ok_or_else(|| ViewsError::Damaged { path: self.path.to_owned() })?;
            let count = (self.count - first).min(KEYS_PER_BLOCK as u64);
            self.keys.clear();
            self.keys.extend(keys(body).take(count as usize));
            self.number = number;
        }
        Ok(first)
    }
}

/// `part` of `whole`, of `places`.
fn share(places: u64, part: u64, whole: u64) -> u64 {
    (u128::from(places) * u128::from(part) / u128::from(whole)) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(counts: [u64; SECTIONS]) -> Header {
        let (marked, seconds) = ((10, 10 + 5000), (20, 20 + 9));
        Header { fingerprint: 1, previous: 2, position: 3, first: 3, marked, seconds, people: true, counts }
    }

    fn written(dir: &Path, sections: &[Vec<u64>; SECTIONS]) -> RunFile {
        let counts = std::array::from_fn(|section| sections[section].len() as u64);
        let path = dir.join("1.run");
        write(&path, header(counts), sections).unwrap();
        let run = RunFile::open(&path).unwrap().unwrap();
        assert_eq!(run.header, header(counts));
        run
    }

    /// Keys that are spread evenly, and keys that are not: many of one phone, gaps, none at all.
    fn sections() -> impl Strategy<Value = [Vec<u64>; SECTIONS]> {
        let section = |greatest: u64| {
            let spread = prop::collection::vec(0..=greatest, 0..3000);
            (spread, 0..=greatest, 0..2000_u64).prop_map(move |(mut keys, from, same)| {
                keys.extend((from..=greatest).take(same as usize));
                keys.sort_unstable();
                keys.dedup();
                keys
            })
        };
        let all = u64::MAX;
        let (marks, seconds) = (key::key(5000, all), key::key(9, all));
        let [one, two, three] = [section(all), section(99), section(all)];
        (one, two, three, section(marks), section(seconds)).prop_map(|(one, two, three, marks, seconds)| {
            let mut sections: [Vec<u64>; SECTIONS] = Default::default();
            sections[key::CODE] = one;
            sections[key::PHONE] = two;
            sections[key::FACTS] = three;
            sections[key::MARKS] = marks;
            sections[key::SECONDS] = seconds;
            sections
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_section_is_searched_as_a_list_would_be(
            sections in sections(),
            wanted in prop::collection::vec((any::<u64>(), any::<prop::sample::Index>()), 20),
            limit in 1..1200_usize,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let run = written(dir.path(), &sections);
            for (section, keys) in sections.iter().enumerate() {
                let mut all = Vec::new();
                let mut push = |key| {
                    all.push(key);
                    Ok(())
                };
                run.all(section, &mut push).unwrap();
                prop_assert_eq!(&all, keys);
                for (other, index) in &wanted {
                    let near = if keys.is_empty() { *other } else { *index.get(keys) };
                    for from in [0, near.saturating_sub(1), near, near.saturating_add(1), *other, u64::MAX] {
                        let below = keys.partition_point(|&key| key < from);
                        prop_assert_eq!(run.first(section, from).unwrap(), keys.get(below).copied());
                        let to = from.saturating_add(*other >> 9);
                        let upto = keys.partition_point(|&key| key <= to);
                        let expected = keys[below..upto].iter().rev().take(limit).copied().collect::<Vec<_>>();
                        prop_assert_eq!(run.last(section, from..=to, limit).unwrap(), expected);
                        let mut each = Vec::new();
                        let push = |key| {
                            each.push(key);
                            Ok(())
                        };
                        run.each(section, from..=to, push).unwrap();
                        prop_assert_eq!(&each, &keys[below..upto]);
                    }
                }
            }
        }
    }

    #[test]
    fn a_block_in_anothers_place_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let mut sections: [Vec<u64>; SECTIONS] = Default::default();
        sections[key::PHONE] = (0..2000).map(|number| number << 52).collect();
        let run = written(dir.path(), &sections);
        let file = File::options().read(true).write(true).open(&run.path).unwrap();
        let mut block = [0; BLOCK_BYTES];
        file.read_exact_at(&mut block, BLOCK_BYTES as u64).unwrap();
        file.write_all_at(&block, 2 * BLOCK_BYTES as u64).unwrap();
        assert_eq!(run.last(key::PHONE, 0..=5 << 52, 1).unwrap(), [5 << 52], "the first block is sound");
        let found = run.last(key::PHONE, 0..=600 << 52, 1);
        assert!(matches!(found, Err(ViewsError::Damaged { .. })), "{found:?}");
    }
}
