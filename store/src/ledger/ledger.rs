//! The writer: one batch, one write, one sync.

use std::io;

use aws_lc_rs::rand;

use super::batch::Batch;
use super::seal::{KEY_FILE_BYTES, SegmentId, SegmentKeys, WrappingKey};
use super::segment::{self, FRAME_OVERHEAD_MAX, FRAMES_START, Header};
use super::storage::Storage;

/// Proof that every record up to a position is on disk. Only [`Ledger::commit`] and [`Ledger::open`] make one; to
/// acknowledge a message or to answer it takes one that covers its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Durable(u64);

impl Durable {
    /// Whether the record `seq` is on disk.
    #[must_use]
    pub fn covers(self, seq: u64) -> bool {
        seq <= self.0
    }

    /// The newest record that is on disk; 0 if there is none.
    #[must_use]
    pub fn position(self) -> u64 {
        self.0
    }
}

/// How a ledger lays out its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The length of a segment in bytes, set aside in advance. 16 KiB to 1 GiB; what is beyond is taken for the bound.
    /// A start reads the last segment as a whole into memory, and each start begins a new one.
    pub segment_bytes: u64,
    /// [`Ledger::open`] visits the records from this one on, and does not read segments that lie before it as a whole:
    /// what lies before them is in a checkpoint.
    pub visit_from: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, visit_from: 1 }
    }
}

impl Options {
    const SEGMENT_BYTES_MIN: u64 = 16 << 10;
    const SEGMENT_BYTES_MAX: u64 = 1 << 30;
    /// So many of the largest batches fit a segment.
    const BATCHES_MIN: u64 = 8;

    pub(super) fn segment_bytes(&self) -> u64 {
        self.segment_bytes.clamp(Self::SEGMENT_BYTES_MIN, Self::SEGMENT_BYTES_MAX)
    }

    pub(super) fn batch_bytes_max(&self) -> usize {
        let share = (self.segment_bytes() - FRAMES_START) / Self::BATCHES_MIN;
        (share as usize - FRAME_OVERHEAD_MAX).min(super::BATCH_BYTES_MAX)
    }
}

/// Why a batch is not on disk. After anything but [`NoRoom`](Self::NoRoom) the ledger refuses every commit: what
/// reached the disk is unknown, and only a restart finds out.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The disk is full. Nothing was written and nothing is lost: the batch can be committed once there is room.
    #[error("the disk is full: free some of it, and the ledger goes on by itself")]
    NoRoom,
    /// Writing or syncing failed.
    #[error("cannot {action} {file}: {source}: nothing more is acknowledged; check the disk, then restart")]
    Io {
        /// The file.
        file: String,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The batch does not follow what was committed last.
    #[error(
        "a batch begins with record {found}, and {expected} is next: nothing more is acknowledged; restart"
    )]
    OutOfOrder {
        /// The record that is next.
        expected: u64,
        /// The batch's first.
        found: u64,
    },
    /// An earlier commit failed.
    #[error(
        "an earlier write to the ledger failed: nothing more is acknowledged; check the disk, then restart"
    )]
    Poisoned,
}

/// The durable log of decisions. One writer; made by [`open`](Self::open).
pub struct Ledger<S: Storage> {
    storage: S,
    wrapping: WrappingKey,
    options: Options,
    node: u8,
    current: Segment<S::File>,
    /// The next segment, with its space set aside.
    spare: Option<Segment<S::File>>,
    position: u64,
    /// The frame that is being written; kept for its space.
    frame: Vec<u8>,
    poisoned: bool,
}

/// A segment that is written to, or will be.
pub(super) struct Segment<F> {
    file: F,
    id: SegmentId,
    keys: SegmentKeys,
    /// Where the next frame goes.
    end: u64,
    /// Up to where zeros were written, beyond `end` or not.
    zeroed: u64,
    size: u64,
}

impl<S: Storage> Ledger<S> {
    pub(super) fn new(
        storage: S,
        wrapping: WrappingKey,
        options: Options,
        node: u8,
        current: Segment<S::File>,
        position: u64,
    ) -> Self {
        let frame = Vec::new();
        Self { storage, wrapping, options, node, current, spare: None, position, frame, poisoned: false }
    }

    /// Proof of what is on disk.
    #[must_use]
    pub fn durable(&self) -> Durable {
        Durable(self.position)
    }

    /// Writes the batch, syncs once, and clears it for reuse. An empty batch costs nothing.
    ///
    /// # Errors
    /// [`CommitError`]: nothing in the batch may be acknowledged then. After [`CommitError::NoRoom`] it can be tried
    /// again; after any other error this ledger commits nothing more.
    pub fn commit(&mut self, batch: &mut Batch) -> Result<Durable, CommitError> {
        if self.poisoned {
            return Err(CommitError::Poisoned);
        }
        if batch.is_empty() {
            return Ok(self.durable());
        }
        let committed = self.try_commit(batch);
        match &committed {
            Ok(durable) => {
                self.position = durable.0;
                batch.clear();
            }
            Err(CommitError::NoRoom) => {}
            Err(_) => self.poisoned = true,
        }
        committed
    }

    fn try_commit(&mut self, batch: &Batch) -> Result<Durable, CommitError> {
        if batch.first_seq != self.position + 1 {
            return Err(CommitError::OutOfOrder { expected: self.position + 1, found: batch.first_seq });
        }
        let needed = batch.bytes() + FRAME_OVERHEAD_MAX;
        if self.current.end + needed as u64 > self.current.size {
            self.next_segment()?;
        }
        let name = segment::log_name(self.current.id.number);
        let place = self.storage.location();
        let io = |action| {
            let file = format!("{place}/{name}");
            move |source| CommitError::Io { file, action, source }
        };
        self.current.frame(&mut self.frame, self.position, batch).map_err(io("seal a batch for"))?;
        let Segment { file, end, .. } = &mut self.current;
        self.storage.write_at(file, *end, &self.frame).map_err(io("write to"))?;
        self.storage.sync(file).map_err(io("sync"))?;
        *end += self.frame.len() as u64;
        Ok(Durable(batch.last_seq()))
    }

    /// Begins the next segment although there is room in this one, so that the keys of what is in this one can be destroyed before
    /// those of what comes. Whether there was anything in it. Gives back the space that it does not need.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn roll(&mut self) -> Result<bool, CommitError> {
        if self.poisoned {
            return Err(CommitError::Poisoned);
        }
        if self.current.end == FRAMES_START {
            return Ok(false);
        }
        match self.roll_on() {
            Err(error @ CommitError::Io { .. }) => {
                self.poisoned = true;
                Err(error)
            }
            rolled => rolled.map(|()| true),
        }
    }

    fn roll_on(&mut self) -> Result<(), CommitError> {
        let (number, end) = (self.current.id.number, self.current.end);
        self.next_segment()?;
        let name = segment::log_name(number);
        let closed = self.storage.open(&name).and_then(|file| self.storage.truncate(&file, end));
        closed.map_err(|source| self.segment_error("cut", SegmentId { number, ..self.current.id }, source))
    }

    fn next_segment(&mut self) -> Result<(), CommitError> {
        if !self.prepare()? {
            return Err(CommitError::NoRoom);
        }
        let Some(spare) = self.spare.take() else { return Err(CommitError::NoRoom) };
        let header = Header {
            id: spare.id,
            first_seq: self.position + 1,
            previous_end: self.current.end,
            key_id: self.wrapping.id,
        };
        spare
            .begin(&self.storage, &header, &[])
            .map_err(|source| self.segment_error("begin", header.id, source))?;
        self.current = spare;
        Ok(())
    }

    /// Whether everything that a full batch in the making, one on its way to the disk and the marks that follow them
    /// need is set aside. Once this is `false`, refuse new messages with the retry status, commit what there is, and
    /// call [`make_room`](Self::make_room) from time to time.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let batch = (self.options.batch_bytes_max() + FRAME_OVERHEAD_MAX) as u64;
        !self.poisoned && (self.spare.is_some() || self.current.end + 3 * batch <= self.current.size)
    }

    /// Sets the next segment's space aside and writes zeros ahead of the frames, as far as that was not done. Call it
    /// after each commit, once the commit's messages were acknowledged: it mostly costs nothing. Returns
    /// [`has_room`](Self::has_room).
    ///
    /// # Errors
    /// [`CommitError`], but never for a full disk. Nothing may be committed after it.
    pub fn make_room(&mut self) -> Result<bool, CommitError> {
        if self.poisoned {
            return Err(CommitError::Poisoned);
        }
        let prepared = self.prepare().and_then(|_| self.write_zeros_ahead());
        self.poisoned = prepared.is_err();
        prepared.map(|()| self.has_room())
    }

    /// Whether the next segment is there. A full disk is no error.
    fn prepare(&mut self) -> Result<bool, CommitError> {
        if self.spare.is_some() {
            return Ok(true);
        }
        let number = self.current.id.number + 1;
        let size = self.options.segment_bytes();
        match Segment::prepare(&self.storage, &self.wrapping, self.node, number, size) {
            Ok(spare) => self.spare = Some(spare),
            Err(error) if is_full(&error) => {}
            Err(source) => {
                let id = SegmentId { number, ..self.current.id };
                return Err(self.segment_error("prepare", id, source));
            }
        }
        Ok(self.spare.is_some())
    }

    /// The first write to a block that was only set aside changes the file system's metadata, and the sync then waits
    /// for its journal. Zeros written ahead take that off the path of most commits. The next commit's sync takes them
    /// along; losing them does no harm.
    fn write_zeros_ahead(&mut self) -> Result<(), CommitError> {
        static ZEROS: [u8; 256 << 10] = [0; 256 << 10];
        let Segment { file, end, zeroed, size, id, .. } = &mut self.current;
        if *zeroed >= *size || *zeroed >= *end + ZEROS.len() as u64 / 2 {
            return Ok(());
        }
        let start = (*zeroed).max(*end);
        let count = (*size - start).min(ZEROS.len() as u64);
        let written = self.storage.write_at(file, start, ZEROS.get(..count as usize).unwrap_or(&ZEROS));
        *zeroed = start + count;
        let id = *id;
        written.map_err(|source| self.segment_error("write zeros to", id, source))
    }

    fn segment_error(&self, action: &'static str, id: SegmentId, source: io::Error) -> CommitError {
        let file = format!("{}/{}", self.storage.location(), segment::log_name(id.number));
        CommitError::Io { file, action, source }
    }
}

/// Whether an error only says that there is no space.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl<F> Segment<F> {
    /// Sets the space for a segment aside and draws its keys. It counts for nothing before it [begins](Self::begin).
    pub(super) fn prepare<S: Storage<File = F>>(
        storage: &S,
        wrapping: &WrappingKey,
        node: u8,
        number: u64,
        size: u64,
    ) -> io::Result<Self> {
        let mut salt = [0; 8];
        rand::fill(&mut salt).map_err(|_| io::Error::other("the system has no random bytes"))?;
        let id = SegmentId { node, number, salt: u64::from_le_bytes(salt) };
        let (keys, key_file) = wrapping.draw(id)?;
        let prepared = prepare_files(storage, number, size, &key_file);
        if prepared.is_err() {
            // Half a preparation would only take space. What cannot be removed now is removed at the next start.
            let _ = storage.remove(&segment::keys_name(number));
            let _ = storage.remove(&segment::prepared_name(number));
        }
        Ok(Self { file: prepared?, id, keys, end: FRAMES_START, zeroed: FRAMES_START, size })
    }

    /// Writes the header and the first frames, if there are any, and gives the segment its name: from then on it is
    /// part of the ledger, with all of that in it.
    pub(super) fn begin<S: Storage<File = F>>(
        &self,
        storage: &S,
        header: &Header,
        frames: &[u8],
    ) -> io::Result<()> {
        storage.write_at(&self.file, 0, &header.encode())?;
        if !frames.is_empty() {
            storage.write_at(&self.file, FRAMES_START, frames)?;
        }
        storage.sync(&self.file)?;
        storage.rename(&segment::prepared_name(self.id.number), &segment::log_name(self.id.number))?;
        storage.sync_names()
    }

    /// Builds the frame of `batch` in `frame`.
    pub(super) fn frame(&self, frame: &mut Vec<u8>, synced_through: u64, batch: &Batch) -> io::Result<()> {
        let records = (batch.first_seq, batch.count);
        segment::build_frame(frame, self.id.salt, &self.keys, synced_through, records, &batch.sections)
    }

    pub(super) fn id(&self) -> SegmentId {
        self.id
    }

    /// Takes note of frames that were written when the segment began.
    pub(super) fn advance(&mut self, frames: &[u8]) {
        self.end += frames.len() as u64;
    }
}

fn prepare_files<S: Storage>(storage: &S, number: u64, size: u64, key_file: &[u8]) -> io::Result<S::File> {
    let file = storage.create(&segment::prepared_name(number), size)?;
    storage.sync(&file)?;
    let keys = storage.create(&segment::keys_name(number), KEY_FILE_BYTES as u64)?;
    storage.write_at(&keys, 0, key_file)?;
    storage.sync(&keys)?;
    storage.sync_names()?;
    Ok(file)
}
