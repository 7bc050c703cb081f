//! The end of personal data: the keys of a segment are destroyed, kind by kind, and at last the oldest segments removed
//! (FORMAT.md, "Key file"). All of it may run beside the writer, and a crash leaves the state before or the one after.

use std::io;

use jiff::Timestamp;

use super::reader::Walker;
use super::seal::{KEY_FILE_BYTES, KeyFileError, KeySlots};
use super::storage::Storage;
use super::{ReadError, Record, Visible, read_some, segment};

pub use super::seal::Kind;

/// A segment, how old it is, and which of its personal data can still be read with the master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentAge {
    /// The segment's number.
    pub number: u64,
    /// The number that its first record has, or would have.
    pub first_seq: u64,
    /// When its first record was made; `None` if it has none.
    pub began: Option<Timestamp>,
    /// The record behind its last one; `None`: it is being written to.
    pub closed: Option<u64>,
    /// Whether the key of people's data is there.
    pub person: bool,
    /// Whether the key of unreadable texts is there.
    pub text: bool,
}

/// Looks at every segment, oldest first. Needs no key; reads a few blocks of each.
///
/// # Errors
/// [`ReadError`] names the file, the place, and what to do.
pub fn survey<S: Storage>(storage: &S) -> Result<Vec<SegmentAge>, ReadError> {
    let walker = Walker::new(storage, None, 0);
    let mut ages: Vec<SegmentAge> = Vec::new();
    for number in walker.segments()? {
        let first_seq = walker.header(number)?.first_seq;
        let slots = slots(storage, number)?;
        if let Some(before) = ages.last_mut() {
            before.closed = Some(first_seq);
        }
        let (person, text) = (slots.has(Kind::Person), slots.has(Kind::Text));
        ages.push(SegmentAge { number, first_seq, began: None, closed: None, person, text });
    }
    let firsts: Vec<u64> = ages.iter().map(|age| age.first_seq).collect();
    let mut note = |record: &Record<'_>, _: Visible| {
        // Of segments that begin with the same number only the last one has the record.
        if let Some(age) = ages.iter_mut().rfind(|age| age.first_seq == record.seq) {
            age.began = Some(record.decided_at);
        }
    };
    if let Some((&last, closed)) = firsts.split_last() {
        read_some(storage, None, closed.to_vec(), &mut note)?;
        match read_some(storage, None, vec![last], &mut note) {
            // The first batch is being written.
            Err(ReadError::Damaged(_)) => {}
            read => read?,
        }
    }
    Ok(ages)
}

/// Destroys the keys of these kinds of data in a segment. What is destroyed already stays so.
///
/// # Errors
/// [`ReadError`] if the key file is not what was written, or cannot be replaced.
pub fn destroy<S: Storage>(storage: &S, number: u64, kinds: &[Kind]) -> Result<(), ReadError> {
    let mut slots = slots(storage, number)?;
    kinds.iter().for_each(|&kind| slots.clear(kind));
    replace(storage, number, &slots.into_file())
}

/// Puts `content` in place of a segment's key file.
pub(super) fn replace<S: Storage>(storage: &S, number: u64, content: &[u8]) -> Result<(), ReadError> {
    let name = segment::keys_name(number);
    let unfinished = format!("{name}.new");
    let io = |action| io_error(storage, &name, action);
    match storage.remove(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io("clear the way for")(error)),
        _ => {}
    }
    let file = storage.create(&unfinished, content.len() as u64).map_err(io("replace"))?;
    storage.write_at(&file, 0, content).map_err(io("write"))?;
    storage.sync(&file).map_err(io("sync"))?;
    storage.rename(&unfinished, &name).map_err(io("replace"))?;
    storage.sync_names().map_err(io("replace"))
}

/// Removes the oldest segment, which must be closed, with all that is in it.
///
/// # Errors
/// [`ReadError`] if its files cannot be removed.
pub fn remove_oldest<S: Storage>(storage: &S) -> Result<(), ReadError> {
    if let [oldest, _, ..] = Walker::new(storage, None, 0).segments()?[..] {
        let name = segment::log_name(oldest);
        let removed = storage.remove(&name).and_then(|()| storage.sync_names());
        removed.map_err(io_error(storage, &name, "remove"))?;
        // And what an end in the middle of an earlier removal left.
        let names = storage.list().map_err(io_error(storage, &name, "look beside"))?;
        for name in
            names.iter().filter(|name| segment::number_of_keys(name).is_some_and(|number| number <= oldest))
        {
            storage.remove(name).map_err(io_error(storage, name, "remove"))?;
        }
    }
    Ok(())
}

fn slots<S: Storage>(storage: &S, number: u64) -> Result<KeySlots, ReadError> {
    KeySlots::parse(key_file(storage, number)?).map_err(|error| unusable(storage, number, error))
}

/// The bytes of a segment's key file.
pub(super) fn key_file<S: Storage>(storage: &S, number: u64) -> Result<Vec<u8>, ReadError> {
    let name = segment::keys_name(number);
    let file = storage.open(&name).map_err(io_error(storage, &name, "open"))?;
    let mut bytes = vec![0; KEY_FILE_BYTES];
    let count = storage.read_at(&file, 0, &mut bytes).map_err(io_error(storage, &name, "read"))?;
    bytes.truncate(count);
    Ok(bytes)
}

pub(super) fn unusable<S: Storage>(storage: &S, number: u64, error: KeyFileError) -> ReadError {
    let file = format!("{}/{}", storage.location(), segment::keys_name(number));
    match error {
        KeyFileError::WrongKey => ReadError::WrongKey { file },
        other => ReadError::KeyFile { file, what: other.to_string() },
    }
}

fn io_error<S: Storage>(
    storage: &S,
    name: &str,
    action: &'static str,
) -> impl FnOnce(io::Error) -> ReadError {
    let file = format!("{}/{name}", storage.location());
    move |source| ReadError::Io { file, action, source }
}
