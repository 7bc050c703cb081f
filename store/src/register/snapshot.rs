//! The register's snapshot file: the tables as they lie in memory, to be read into place.
//!
//! ```text
//! header             640 bytes   what follows, how much of it, and its checksums
//! shards 0 to 63     64 bytes a line of four slots
//! page numbers       4 bytes each, ascending
//! pages of persons   65,536 bytes each: 4096 lines of 16 bytes
//! side map           20 bytes each, ascending by document
//! regions            2 bytes of length and a name, each
//! ```
//!
//! Integers are little-endian. The header gives the size of everything, so a file of another size is refused before
//! anything is allocated. Each section has a CRC32C (RFC 3720, appendix B.4), the header's own one stands last in it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use crc32c::{crc32c, crc32c_append};
use jiff::Timestamp;
use zerocopy::little_endian::{I64, U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::date::PackedDate;
use super::entry::{Entry, Status};
use super::person::{Facts, Persons};
use super::shard::{Line, Lines, SHARDS, Shard};
use super::{Register, SideMap};
use crate::paged::{PAGE_LINES, PAGES, Paged};
use crate::{Document, Table};

/// The first bytes of a snapshot.
pub(super) const MAGIC: [u8; 8] = *b"ICAZEREG";
const VERSION: u32 = 2;

/// Why a snapshot was refused.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It could not be read.
    #[error("reading it: {0}")]
    Read(#[from] io::Error),
    /// Another program's file, or a later program's.
    #[error("not a snapshot of version {VERSION} of a register")]
    Version,
    /// It was cut short, or something was added.
    #[error("it has {actual} bytes and should have {expected}: it was not copied as a whole")]
    Size {
        /// As its header says.
        expected: u64,
        /// As the file system says.
        actual: u64,
    },
    /// A section is not what was written.
    #[error("damaged in the section `{section}`")]
    Damaged {
        /// As in the format's description.
        section: &'static str,
    },
}

#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Header {
    magic: [u8; 8],
    version: U32,
    generation: U32,
    /// Seconds since 1970.
    made_at: I64,
    documents: U64,
    persons: U64,
    pages: U32,
    side: U32,
    regions_bytes: U32,
    pages_crc: U32,
    side_crc: U32,
    regions_crc: U32,
    shard_lines: [U32; SHARDS],
    shard_crc: [U32; SHARDS],
    reserved: [u8; 60],
    crc: U32,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct SideRecord {
    series: [u8; 3],
    digits: u8,
    number: U32,
    person: U32,
    expires: PackedDate,
    status: u8,
    reserved: [u8; 3],
}

impl Header {
    fn own_crc(&self) -> u32 {
        let bytes = self.as_bytes();
        crc32c(bytes.get(..bytes.len() - size_of::<U32>()).unwrap_or_default())
    }

    /// The size of the file. No sum of so few products of 32 bits and small constants overflows.
    fn file_size(&self) -> u64 {
        let lines: u64 = self.shard_lines.iter().map(|lines| u64::from(lines.get())).sum();
        let page = size_of::<U32>() + PAGE_LINES * size_of::<Facts>();
        size_of::<Self>() as u64
            + lines * size_of::<Line>() as u64
            + u64::from(self.pages.get()) * page as u64
            + u64::from(self.side.get()) * size_of::<SideRecord>() as u64
            + u64::from(self.regions_bytes.get())
    }

    /// Reads a header and checks that the file can be its.
    fn read(input: &mut impl Read, size: u64) -> Result<Self, SnapshotError> {
        let short = SnapshotError::Size { expected: size_of::<Self>() as u64, actual: size };
        if size < size_of::<Self>() as u64 {
            return Err(short);
        }
        let mut header = Self::new_zeroed();
        input.read_exact(header.as_mut_bytes())?;
        if header.magic != MAGIC || header.version.get() != VERSION {
            return Err(SnapshotError::Version);
        }
        if header.crc.get() != header.own_crc() {
            return Err(SnapshotError::Damaged { section: "header" });
        }
        match header.file_size() {
            expected if expected == size => Ok(header),
            expected => Err(SnapshotError::Size { expected, actual: size }),
        }
    }
}

impl Register {
    /// Writes a snapshot beside its final name, syncs it and renames it, so that the name holds the old register or
    /// the new one, never a part. Readable by its owner only.
    ///
    /// # Errors
    /// As the file system has them; the old file then stands.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = Path::new(&partial);
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(partial)?;
        let mut output = BufWriter::new(file);
        self.write(&mut output)?;
        output.into_inner()?.sync_all()?;
        fs::rename(partial, path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }

    /// The generation of a snapshot that shall take the place of the one in this file; 1 where there is none.
    ///
    /// # Errors
    /// If there is a file, but no sound snapshot's.
    pub fn next_generation(path: &Path) -> Result<u32, SnapshotError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(1),
            Err(error) => return Err(error.into()),
        };
        let size = file.metadata()?.len();
        Ok(Header::read(&mut file, size)?.generation.get().saturating_add(1))
    }

    /// Writes the snapshot's bytes: the same for the same register.
    ///
    /// # Errors
    /// As `output` has them.
    pub fn write(&self, output: &mut impl Write) -> io::Result<()> {
        let (side, regions) = (side_bytes(&self.side), regions_bytes(&self.persons));
        let pages: Vec<(U32, &[Facts])> =
            self.persons.facts.iter().map(|(number, page)| (U32::new(number), page)).collect();
        let numbers: Vec<U32> = pages.iter().map(|&(number, _)| number).collect();
        let pages_crc = pages
            .iter()
            .fold(crc32c(numbers.as_bytes()), |crc, (_, page)| crc32c_append(crc, page.as_bytes()));
        let mut header = Header {
            magic: MAGIC,
            version: U32::new(VERSION),
            generation: U32::new(self.generation),
            made_at: I64::new(self.made_at.as_second()),
            documents: U64::new(self.documents),
            persons: U64::new(self.persons.count),
            pages: count(pages.len())?,
            side: count(self.side.len())?,
            regions_bytes: count(regions.len())?,
            pages_crc: U32::new(pages_crc),
            side_crc: U32::new(crc32c(&side)),
            regions_crc: U32::new(crc32c(&regions)),
            shard_lines: [U32::ZERO; SHARDS],
            shard_crc: [U32::ZERO; SHARDS],
            reserved: [0; 60],
            crc: U32::ZERO,
        };
        for (place, shard) in self.shards.iter().enumerate() {
            header.shard_lines[place] = count(shard.lines().len())?;
            header.shard_crc[place] = U32::new(crc32c(shard.lines().as_bytes()));
        }
        header.crc = U32::new(header.own_crc());
        output.write_all(header.as_bytes())?;
        for shard in &self.shards {
            output.write_all(shard.lines().as_bytes())?;
        }
        output.write_all(numbers.as_bytes())?;
        for (_, page) in pages {
            output.write_all(page.as_bytes())?;
        }
        output.write_all(&side)?;
        output.write_all(&regions)
    }

    /// Reads a snapshot of `size` bytes. Whatever the bytes are, no more is allocated than about `size`.
    ///
    /// # Errors
    /// If the input ends early, or a checksum, a count or a value is wrong.
    pub fn read(mut input: impl Read, size: u64) -> Result<Self, SnapshotError> {
        let header = Header::read(&mut input, size)?;
        let shards = read_shards(&mut input, &header)?;
        let facts = read_pages(&mut input, &header)?;
        let side =
            read_bytes(&mut input, header.side.get() as usize * size_of::<SideRecord>(), header.side_crc)
                .and_then(|bytes| bytes.as_deref().and_then(side_from).ok_or(DAMAGED_SIDE))?;
        let regions = read_bytes(&mut input, header.regions_bytes.get() as usize, header.regions_crc)
            .and_then(|bytes| bytes.as_deref().and_then(regions_from).ok_or(DAMAGED_REGIONS))?;
        let persons = Persons { facts, regions, count: header.persons.get() };
        if !persons.is_sound() {
            return Err(DAMAGED_PAGES);
        }
        let made_at = Timestamp::from_second(header.made_at.get()).map_err(|_| DAMAGED_HEADER)?;
        let shards = shards.try_into().map_err(|_| DAMAGED_SHARDS)?;
        let register = Self::new(shards, side, persons, header.generation.get(), made_at);
        if register.documents == header.documents.get() { Ok(register) } else { Err(DAMAGED_HEADER) }
    }
}

const DAMAGED_HEADER: SnapshotError = SnapshotError::Damaged { section: "header" };
const DAMAGED_SHARDS: SnapshotError = SnapshotError::Damaged { section: "shards" };
const DAMAGED_PAGES: SnapshotError = SnapshotError::Damaged { section: "pages of persons" };
const DAMAGED_SIDE: SnapshotError = SnapshotError::Damaged { section: "side map" };
const DAMAGED_REGIONS: SnapshotError = SnapshotError::Damaged { section: "regions" };

fn count(count: usize) -> io::Result<U32> {
    let count =
        u32::try_from(count).map_err(|_| io::Error::other("the register is too large for a snapshot"))?;
    Ok(U32::new(count))
}

fn out_of_memory() -> io::Error {
    io::ErrorKind::OutOfMemory.into()
}

/// Reads all shards into one table.
fn read_shards(input: &mut impl Read, header: &Header) -> Result<Vec<Arc<Shard>>, SnapshotError> {
    let ends = header.shard_lines.iter().scan(0, |end, lines| {
        *end += lines.get() as usize;
        Some(*end)
    });
    let ranges: Vec<_> =
        ends.zip(&header.shard_lines).map(|(end, lines)| end - lines.get() as usize..end).collect();
    let mut table =
        Table::<Line>::zeroed(ranges.last().map_or(0, |last| last.end)).map_err(|_| out_of_memory())?;
    for (range, crc) in ranges.iter().zip(&header.shard_crc) {
        let lines = table.get_mut(range.clone()).ok_or(DAMAGED_SHARDS)?;
        input.read_exact(lines.as_mut_bytes())?;
        if crc32c(lines.as_bytes()) != crc.get() {
            return Err(DAMAGED_SHARDS);
        }
    }
    let table = Arc::new(table);
    let shard = |range| Shard::from_lines(Lines::shared(Arc::clone(&table), range)).map(Arc::new);
    ranges.into_iter().map(shard).collect::<Option<_>>().ok_or(DAMAGED_SHARDS)
}

fn read_pages(input: &mut impl Read, header: &Header) -> Result<Paged<Facts>, SnapshotError> {
    let pages = header.pages.get() as usize;
    if pages > Persons::PAGES_MAX {
        return Err(DAMAGED_PAGES);
    }
    let mut numbers = U32::new_vec_zeroed(pages).map_err(|_| out_of_memory())?;
    input.read_exact(numbers.as_mut_slice().as_mut_bytes())?;
    let ascending = numbers.is_sorted_by(|a, b| a.get() < b.get());
    if !ascending || numbers.last().is_some_and(|last| last.get() as usize >= PAGES) {
        return Err(DAMAGED_PAGES);
    }
    let mut crc = crc32c(numbers.as_slice().as_bytes());
    let mut facts = Paged::default();
    for number in numbers {
        let page = facts.page_mut(number.get() as usize);
        input.read_exact(page.as_mut_bytes())?;
        crc = crc32c_append(crc, IntoBytes::as_bytes(page));
    }
    if crc == header.pages_crc.get() { Ok(facts) } else { Err(DAMAGED_PAGES) }
}

/// A section that is small; none if its checksum is wrong.
fn read_bytes(input: &mut impl Read, size: usize, crc: U32) -> Result<Option<Vec<u8>>, SnapshotError> {
    let mut bytes = u8::new_vec_zeroed(size).map_err(|_| out_of_memory())?;
    input.read_exact(&mut bytes)?;
    Ok((crc32c(&bytes) == crc.get()).then_some(bytes))
}

fn side_bytes(side: &SideMap) -> Vec<u8> {
    let mut rows: Vec<(&Document, &Entry)> = side.iter().collect();
    rows.sort_unstable_by_key(|&(document, _)| document);
    let records = rows.into_iter().map(|(document, entry)| SideRecord {
        series: document.padded_series(),
        digits: document.digits(),
        number: U32::new(document.number()),
        person: U32::new(entry.person),
        expires: PackedDate::new(entry.expires),
        status: entry.status as u8,
        reserved: [0; 3],
    });
    records.collect::<Vec<_>>().as_bytes().to_vec()
}

fn side_from(bytes: &[u8]) -> Option<SideMap> {
    let records = <[SideRecord]>::ref_from_bytes(bytes).ok()?;
    let mut side = SideMap::with_capacity(records.len());
    for record in records {
        let series = str::from_utf8(&record.series).ok()?.trim_end_matches('\0');
        let document = Document::from_number(series, record.number.get(), record.digits.into()).ok()?;
        let status = Status::from_byte(record.status).filter(|_| record.expires.is_sound())?;
        let entry = Entry { person: record.person.get(), status, expires: record.expires.get() };
        if side.insert(document, entry).is_some() {
            return None;
        }
    }
    Some(side)
}

fn regions_bytes(persons: &Persons) -> Vec<u8> {
    let mut bytes = Vec::new();
    for name in &persons.regions {
        let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend(name.bytes().take(length.into()));
    }
    bytes
}

fn regions_from(mut bytes: &[u8]) -> Option<Vec<Box<str>>> {
    let mut regions = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let (name, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
        regions.push(str::from_utf8(name).ok()?.into());
        bytes = rest;
    }
    bytes.is_empty().then_some(regions)
}
