//! Opening a ledger: what is on disk is checked and visited, what was never durable is cut off, and a new segment is
//! begun. Nothing that exists is overwritten, so that a crash on the way changes nothing.

use std::io;

use super::batch::Batch;
use super::encode::Sections;
use super::ledger::{Ledger, Options, Segment, is_full};
use super::reader::{LastSegment, ReadError, Walker};
use super::seal::WrappingKey;
use super::segment::{self, Frame, Header};
use super::storage::Storage;
use super::{MasterKey, Record};

/// Why a ledger does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// What is there cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is another node's.
    #[error(
        "the ledger {location} belongs to node {found}, and this is node {node}: give each node its own store.dir"
    )]
    Node {
        /// Where it is.
        location: String,
        /// Whose it is.
        found: u8,
        /// Who opens it.
        node: u8,
    },
    /// No space for a new segment.
    #[error("no space in {location} for a segment of {bytes} bytes: free some of the disk, then start again")]
    NoRoom {
        /// Where it is.
        location: String,
        /// What is needed.
        bytes: u64,
    },
    /// The system failed.
    #[error("cannot {action} {location}: {source}")]
    Io {
        /// Where it is.
        location: String,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl<S: Storage> Ledger<S> {
    /// Opens the ledger in `storage`, or makes a new one in an empty one, and calls `visit` with every record in order.
    /// Returns it with the batch that numbers what follows.
    ///
    /// The newest batch may have been written but never synced, and so never acknowledged; if it is whole, it counts. It
    /// is written again into the new segment, because a page cache that lived through a failed sync shows bytes that the
    /// disk does not have.
    ///
    /// # Errors
    /// [`OpenError`]. Nothing was acknowledged or lost then; records already visited must be discarded.
    pub fn open(
        storage: S,
        key: &MasterKey,
        node: u8,
        options: Options,
        mut visit: impl FnMut(&Record<'_>),
    ) -> Result<(Self, Batch), OpenError> {
        let io = |action| {
            let location = storage.location();
            move |source| OpenError::Io { location, action, source }
        };
        let wrapping = WrappingKey::new(key).map_err(io("derive the keys of"))?;
        let walked = Walker::new(&storage, Some(&wrapping), options.visit_from)
            .walk(&mut |record, _| visit(record))?;
        let last = walked.last;
        if let Some(found) = last.map(|last| last.header.id.node)
            && found != node
        {
            return Err(OpenError::Node { location: storage.location(), found, node });
        }
        let number = last.map_or(1, |last| last.header.id.number + 1);
        // What a writer had prepared has keys that only it knew, and takes the space that the new segment needs.
        remove_leftovers(&storage, number).map_err(io("tidy up"))?;
        let next_seq = last.map_or(1, |last| last.next_seq);
        let again = match &last {
            Some(last) => last_batch(&storage, &wrapping, last).map_err(io("read the last batch of"))?,
            None => None,
        };
        let size = options.segment_bytes().max(again.as_ref().map_or(0, |batch| 4 * batch.bytes() as u64));
        let mut segment = Segment::prepare(&storage, &wrapping, node, number, size).map_err(|source| {
            let location = storage.location();
            if is_full(&source) {
                OpenError::NoRoom { location, bytes: size }
            } else {
                OpenError::Io { location, action: "prepare a segment in", source }
            }
        })?;
        let mut frame = Vec::new();
        if let Some(batch) = &again {
            segment.frame(&mut frame, batch.first_seq - 1, batch).map_err(io("seal a batch for"))?;
        }
        let previous_end = match (&last, &again) {
            (None, _) => 0,
            (Some(last), Some(_)) => last.last_frame.unwrap_or(last.end),
            (Some(last), None) => last.end,
        };
        let first_seq = again.as_ref().map_or(next_seq, |batch| batch.first_seq);
        let header = Header { id: segment.id(), first_seq, previous_end, key_id: wrapping.id };
        segment.begin(&storage, &header, &frame).map_err(io("begin a segment in"))?;
        segment.advance(&frame);
        if let Some(last) = &last {
            give_back(&storage, last).map_err(io("give back the unused space of"))?;
        }
        let ledger = Self::new(storage, wrapping, options, node, segment, next_seq - 1);
        Ok((ledger, Batch::new(next_seq, options.batch_bytes_max())))
    }
}

/// How a key file's name ends that was to replace another.
const UNFINISHED: &str = ".keys.new";

fn remove_leftovers(storage: &impl Storage, number: u64) -> io::Result<()> {
    for name in storage.list()? {
        let stray_keys = segment::number_of_keys(&name).is_some_and(|of| of >= number);
        if stray_keys || name.ends_with(UNFINISHED) || segment::number_of_prepared(&name).is_some() {
            storage.remove(&name)?;
        }
    }
    storage.sync_names()
}

/// The records of the last good frame, unless there is none or retention destroyed its keys.
fn last_batch<S: Storage>(
    storage: &S,
    wrapping: &WrappingKey,
    last: &LastSegment,
) -> io::Result<Option<Batch>> {
    let unreadable = || io::Error::new(io::ErrorKind::InvalidData, "it changed while it was read");
    let Some(start) = last.last_frame else { return Ok(None) };
    let file = storage.open(&segment::log_name(last.header.id.number))?;
    let mut bytes = vec![0; usize::try_from(last.end - start).map_err(|_| unreadable())?];
    storage.read_at(&file, start, &mut bytes)?;
    let key_file = storage.open(&segment::keys_name(last.header.id.number))?;
    let mut wrapped = [0; super::seal::KEY_FILE_BYTES];
    storage.read_at(&key_file, 0, &mut wrapped)?;
    let keys = wrapping.unwrap(last.header.id, &wrapped).map_err(|_| unreadable())?;
    let (frame, _) = Frame::split(&mut bytes, last.header.id.salt).map_err(|_| unreadable())?;
    let opened = frame.open(Some(&keys)).map_err(|_| unreadable())?;
    let (Some(person), Some(text)) = (opened.person, opened.text) else {
        // Retention reaches only what is long durable.
        storage.sync(&file)?;
        return Ok(None);
    };
    let sections = Sections { plain: opened.plain.to_vec(), person: person.to_vec(), text: text.to_vec() };
    Ok(Some(Batch::of(opened.header.first_seq, opened.header.count, sections)))
}

/// Cuts the space behind the last good frame of a segment that will not be written to again. Where that frame moved, its
/// old place stays, for a reader who does not know of the new one yet.
fn give_back<S: Storage>(storage: &S, last: &LastSegment) -> io::Result<()> {
    let file = storage.open(&segment::log_name(last.header.id.number))?;
    storage.truncate(&file, last.end)
}
