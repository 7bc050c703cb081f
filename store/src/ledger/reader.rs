//! Walks the segments in order, checks every frame, and hands out its records. Recovery walks the same way, and so does
//! a reader beside a running writer.

mod find;

use std::io;

pub use self::find::read_some;

use super::Record;
use super::bytes::Malformed;
use super::decode::Decoder;
use super::key::MasterKey;
use super::seal::{KEY_FILE_BYTES, KeyFileError, SealBroken, SegmentKeys, WrappingKey};
use super::segment::{self, FRAMES_START, Frame, FrameError, FrameHeader, HEADER_BYTES, Header, HeaderError};
use super::storage::Storage;

/// Where a ledger is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the ledger is damaged: {file}, byte {offset}, at record {seq} or behind it: {what}. What is damaged was \
     acknowledged, so nothing is skipped and nothing was changed: restore this file from a copy, then run \
     `icaze ledger verify`"
)]
pub struct Damage {
    /// The file.
    pub file: String,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// The records before this one are sound.
    pub seq: u64,
    /// What is wrong.
    pub what: String,
}

/// Why a ledger cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file is not what was written.
    #[error(transparent)]
    Damaged(Damage),
    /// Segments are numbered without gaps.
    #[error("the segment {file} is missing, though later ones are there: restore it from a copy")]
    MissingSegment {
        /// The file that should be there.
        file: String,
    },
    /// Written by another version of this program.
    #[error(
        "{file} has format version {version}, and this program knows version 1 only: use a newer program"
    )]
    Version {
        /// The file.
        file: String,
        /// Its version.
        version: u16,
    },
    /// Sealed under another master key.
    #[error(
        "{file} was sealed under another master key than the one given: set store.key_file to the key that this \
         store was written with"
    )]
    WrongKey {
        /// The file.
        file: String,
    },
    /// The file of a segment's wrapped keys cannot be used.
    #[error("the segment's key file {file} cannot be used: {what}: restore it from a copy")]
    KeyFile {
        /// The file.
        file: String,
        /// What is wrong.
        what: String,
    },
    /// The system failed.
    #[error("cannot {action} {file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Which personal fields of a record could be read. The others are empty: without the key, or with it destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visible {
    /// From, identity, document, person, permit code, reply text.
    pub person: bool,
    /// The user data.
    pub text: bool,
}

/// What a reader came across.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Segment files.
    pub segments: u64,
    /// Batches that were checked.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// The first record's number; 0 if there is none.
    pub first_seq: u64,
    /// The last record's number; 0 if there is none.
    pub last_seq: u64,
    /// Whether the last segment ends in the remains of a batch that was never durable, or is being written now.
    pub torn: bool,
}

/// Checks every batch's sum and every record's plain part. Needs no key, and may run beside a writer.
///
/// # Errors
/// [`ReadError`] names the file, the place, and what to do.
pub fn verify<S: Storage>(storage: &S) -> Result<Summary, ReadError> {
    Walker::new(storage, None, 0).walk(&mut |_, _| {}).map(|walked| walked.summary)
}

/// Visits every record in order. Without `key` the personal fields are empty. May run beside a writer: ends where the
/// written part did.
///
/// # Errors
/// As [`verify`], and if `key` is not the store's.
pub fn read<S: Storage>(
    storage: &S,
    key: Option<&MasterKey>,
    mut visit: impl FnMut(&Record<'_>, Visible),
) -> Result<Summary, ReadError> {
    let wrapping = wrapping(storage, key)?;
    Walker::new(storage, wrapping.as_ref(), 0).walk(&mut visit).map(|walked| walked.summary)
}

/// Visits the records behind `after` that the first closed segment with such records holds, and returns the number of
/// its last one; `None` if no segment that is closed has any. A closed segment has a successor and never changes again.
/// Without `key` the personal fields are empty. May run beside a writer. The system is told that the segment
/// will hardly be read again.
///
/// # Errors
/// As [`read`].
pub fn read_closed<S: Storage>(
    storage: &S,
    key: Option<&MasterKey>,
    after: u64,
    mut visit: impl FnMut(&Record<'_>, Visible),
) -> Result<Option<u64>, ReadError> {
    let wrapping = wrapping(storage, key)?;
    Walker::new(storage, wrapping.as_ref(), after.saturating_add(1)).walk_closed(&mut visit)
}

/// The number of the first record that is there, or would be; `None` if there is no segment.
///
/// # Errors
/// As [`verify`].
pub fn first_seq<S: Storage>(storage: &S) -> Result<Option<u64>, ReadError> {
    let walker = Walker::new(storage, None, 0);
    let first = walker.segments()?.first().copied();
    first.map(|number| walker.header(number).map(|header| header.first_seq)).transpose()
}

fn wrapping<S: Storage>(storage: &S, key: Option<&MasterKey>) -> Result<Option<WrappingKey>, ReadError> {
    key.map(WrappingKey::new).transpose().map_err(|source| ReadError::Io {
        file: storage.location(),
        action: "derive keys for",
        source,
    })
}

/// Where a walk ended.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub(super) summary: Summary,
    pub(super) last: Option<LastSegment>,
}

/// The newest segment, as far as it is good.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastSegment {
    pub(super) header: Header,
    /// Behind its last good frame.
    pub(super) end: u64,
    /// Where its last good frame begins, if it has one. No later frame proves that this one is durable.
    pub(super) last_frame: Option<u64>,
    pub(super) next_seq: u64,
}

/// How much of a segment is read at a time, in bytes: memory that the processor's cache holds, and that is used again.
const WINDOW: usize = 1 << 20;

type Visit<'v> = &'v mut dyn FnMut(&Record<'_>, Visible);

/// A walk through the segments.
pub(super) struct Walker<'s, S> {
    storage: &'s S,
    wrapping: Option<&'s WrappingKey>,
    /// Segments that lie before this record as a whole are not read.
    visit_from: u64,
    summary: Summary,
}

impl<'s, S: Storage> Walker<'s, S> {
    pub(super) fn new(storage: &'s S, wrapping: Option<&'s WrappingKey>, visit_from: u64) -> Self {
        Self { storage, wrapping, visit_from, summary: Summary::default() }
    }

    pub(super) fn walk(mut self, visit: Visit<'_>) -> Result<Walked, ReadError> {
        let Some(&first) = self.segments()?.first() else { return Ok(Walked::default()) };
        let mut segment = self.begin(self.header(first)?);
        while let Some(next) = self.header_if_there(segment.header.id.number + 1)? {
            if next.first_seq > self.visit_from {
                self.scan(&mut segment, Some(next.previous_end), visit)?;
                self.check_joint(&segment, &next)?;
            }
            segment = self.begin(next);
        }
        self.scan(&mut segment, None, visit)?;
        let Scan { header, end, last_frame, next_seq, .. } = segment;
        Ok(Walked { summary: self.summary, last: Some(LastSegment { header, end, last_frame, next_seq }) })
    }

    /// Reads the first segment that has a successor and a record to visit.
    fn walk_closed(mut self, visit: Visit<'_>) -> Result<Option<u64>, ReadError> {
        let segments = self.segments()?;
        let Some((header, next)) = self.closed_with(&segments, self.visit_from)? else { return Ok(None) };
        let mut segment = self.begin(header);
        self.scan(&mut segment, Some(next.previous_end), visit)?;
        self.check_joint(&segment, &next)?;
        self.storage.release(&segment::log_name(segment.header.id.number));
        Ok(Some(next.first_seq.saturating_sub(1)))
    }

    /// The closed one of `segments` that holds record `seq` or, where that lies before all, the first; and its successor.
    fn closed_with(&self, segments: &[u64], seq: u64) -> Result<Option<(Header, Header)>, ReadError> {
        // The first successor that begins behind the record.
        let (mut low, mut high) = (1, segments.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let header = segments.get(middle).map(|&number| self.header(number)).transpose()?;
            if header.is_some_and(|header| header.first_seq > seq) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        let Some(&[number, next]) = segments.get(low - 1..=low).and_then(|pair| pair.first_chunk()) else {
            return Ok(None);
        };
        Ok(Some((self.header(number)?, self.header(next)?)))
    }

    /// The segments' numbers, in order and without gaps.
    pub(super) fn segments(&self) -> Result<Vec<u64>, ReadError> {
        let names = self.storage.list().map_err(|source| ReadError::Io {
            file: self.storage.location(),
            action: "list",
            source,
        })?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment::number_of_log(name)).collect();
        numbers.sort_unstable();
        for pair in numbers.windows(2) {
            if let [before, after] = *pair
                && after != before + 1
            {
                return Err(ReadError::MissingSegment { file: self.path(&segment::log_name(before + 1)) });
            }
        }
        Ok(numbers)
    }

    fn header_if_there(&self, number: u64) -> Result<Option<Header>, ReadError> {
        match self.header(number) {
            Err(ReadError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            header => header.map(Some),
        }
    }

    pub(super) fn header(&self, number: u64) -> Result<Header, ReadError> {
        let name = segment::log_name(number);
        let mut bytes = [0; HEADER_BYTES];
        let file = self.storage.open(&name).map_err(self.io(&name, "open"))?;
        self.storage.read_at(&file, 0, &mut bytes).map_err(self.io(&name, "read"))?;
        let header = match Header::decode(&bytes) {
            Ok(header) if header.id.number == number => header,
            Ok(_) => return Err(self.damage(&name, 0, self.summary.last_seq + 1, "it is another segment's")),
            Err(HeaderError::Version(version)) => {
                return Err(ReadError::Version { file: self.path(&name), version });
            }
            Err(HeaderError::Damaged) => {
                let what = "its header is not what was written";
                return Err(self.damage(&name, 0, self.summary.last_seq + 1, what));
            }
        };
        match self.wrapping {
            Some(wrapping) if wrapping.id != header.key_id => {
                Err(ReadError::WrongKey { file: self.path(&name) })
            }
            _ => Ok(header),
        }
    }

    fn begin(&mut self, header: Header) -> Scan {
        self.summary.segments += 1;
        Scan { header, end: FRAMES_START, last_frame: None, next_seq: header.first_seq, keys: None }
    }

    /// The segment must end where the next one says, with the record before the next one's first.
    fn check_joint(&self, segment: &Scan, next: &Header) -> Result<(), ReadError> {
        if segment.end == next.previous_end && segment.next_seq == next.first_seq {
            return Ok(());
        }
        let what = format!(
            "it ends with record {} and the next segment begins with {}",
            segment.next_seq.saturating_sub(1),
            next.first_seq
        );
        Err(self.damage(&segment::log_name(segment.header.id.number), segment.end, segment.next_seq, what))
    }

    /// Reads frames from where `segment` stands to `limit`, or to the end of what was written.
    fn scan(&mut self, segment: &mut Scan, limit: Option<u64>, visit: Visit<'_>) -> Result<(), ReadError> {
        if self.wrapping.is_some() && segment.keys.is_none() {
            segment.keys = Some(self.keys(&segment.header)?);
        }
        let name = segment::log_name(segment.header.id.number);
        let file = self.storage.open(&name).map_err(self.io(&name, "open"))?;
        let salt = segment.header.id.salt;
        let (mut suspect, mut window, mut buffer) = (None, WINDOW, Vec::new());
        loop {
            let size = self.storage.size(&file).map_err(self.io(&name, "read"))?;
            let left = limit.map_or(size, |limit| limit.min(size)).saturating_sub(segment.end);
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            if buffer.len() < left.min(window) {
                buffer.resize(left.min(window), 0);
            }
            let to = buffer.get_mut(..left.min(window)).unwrap_or_default();
            let count = self.storage.read_at(&file, segment.end, to).map_err(self.io(&name, "read"))?;
            let bytes = to.get_mut(..count).unwrap_or_default();
            let start = segment.end;
            let read = self.frames(segment, &name, bytes, visit)?;
            if count < left && count == window {
                // What is wrong may be that the window cuts a frame. If not, all that is left has to be looked at.
                if segment.end == start {
                    window = usize::MAX;
                }
                continue;
            }
            let Err(bad) = read else { return Ok(()) };
            if limit.is_some() || suspect == Some(segment.end) {
                return Err(self.damage(&name, segment.end, segment.next_seq, bad.to_string()));
            }
            let rest = bytes.get((segment.end - start) as usize..).unwrap_or_default();
            if !segment::proves_durable(rest, salt, segment.next_seq) {
                self.summary.torn = rest.iter().any(|&byte| byte != 0);
                return Ok(());
            }
            // A writer may have finished this batch and the next while we read. Looked at once more, it is sound.
            suspect = Some(segment.end);
        }
    }

    /// Hands out the frames in `bytes`, and moves `segment` behind them. The inner error is of the first bad one.
    fn frames(
        &mut self,
        segment: &mut Scan,
        name: &str,
        mut bytes: &mut [u8],
        visit: Visit<'_>,
    ) -> Result<Result<(), FrameError>, ReadError> {
        while !bytes.is_empty() {
            let (frame, rest) = match Frame::split(bytes, segment.header.id.salt) {
                Ok(split) => split,
                Err(bad) => return Ok(Err(bad)),
            };
            let header = frame.header;
            self.records(segment, frame, visit)
                .map_err(|what| self.damage(name, segment.end, segment.next_seq, what))?;
            self.count(&header);
            segment.last_frame = Some(segment.end);
            segment.end += header.frame_bytes() as u64;
            segment.next_seq = header.next_seq();
            bytes = rest;
        }
        Ok(Ok(()))
    }

    /// Hands out the records of a frame whose sum is right. What is wrong all the same is no torn write.
    fn records(&self, segment: &Scan, frame: Frame<'_>, visit: Visit<'_>) -> Result<(), &'static str> {
        let header = frame.header;
        if header.first_seq != segment.next_seq || header.synced_through >= header.first_seq {
            return Err("a batch does not follow the one before it");
        }
        let opened = frame
            .open(segment.keys.as_ref())
            .map_err(|SealBroken| "personal data was not sealed by this key")?;
        let visible = Visible { person: opened.person.is_some(), text: opened.text.is_some() };
        let node = segment.header.id.node;
        let mut decoder = Decoder::new(node, header.first_seq, opened.plain, opened.person, opened.text);
        for _ in 0..header.count {
            let record = decoder.record().map_err(|Malformed| "a record cannot be read")?;
            if record.seq >= self.visit_from {
                visit(&record, visible);
            }
        }
        if decoder.is_at_end() { Ok(()) } else { Err("a batch holds more than its records") }
    }

    fn count(&mut self, header: &FrameHeader) {
        let summary = &mut self.summary;
        if summary.first_seq == 0 {
            summary.first_seq = header.first_seq;
        }
        summary.batches += 1;
        summary.records += u64::from(header.count);
        summary.last_seq = header.next_seq().saturating_sub(1);
    }

    fn keys(&self, header: &Header) -> Result<SegmentKeys, ReadError> {
        let name = segment::keys_name(header.id.number);
        let unusable = |what: String| ReadError::KeyFile { file: self.path(&name), what };
        let Some(wrapping) = self.wrapping else { return Err(unusable("there is no master key".to_owned())) };
        let file = match self.storage.open(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(unusable("it is missing".to_owned()));
            }
            opened => opened.map_err(self.io(&name, "open"))?,
        };
        let mut bytes = [0; KEY_FILE_BYTES];
        let count = self.storage.read_at(&file, 0, &mut bytes).map_err(self.io(&name, "read"))?;
        let bytes = bytes.get(..count).unwrap_or_default();
        wrapping.unwrap(header.id, bytes).map_err(|error| match error {
            KeyFileError::WrongKey => ReadError::WrongKey { file: self.path(&name) },
            other => unusable(other.to_string()),
        })
    }

    fn damage(&self, name: &str, offset: u64, seq: u64, what: impl Into<String>) -> ReadError {
        ReadError::Damaged(Damage { file: self.path(name), offset, seq, what: what.into() })
    }

    fn io<'a>(&'a self, name: &'a str, action: &'static str) -> impl FnOnce(io::Error) -> ReadError + 'a {
        move |source| ReadError::Io { file: self.path(name), action, source }
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.storage.location())
    }
}

/// How far a segment was read.
struct Scan {
    header: Header,
    end: u64,
    last_frame: Option<u64>,
    next_seq: u64,
    keys: Option<SegmentKeys>,
}
