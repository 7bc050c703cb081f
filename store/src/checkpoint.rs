//! A checkpoint of what is remembered for long: what a start would otherwise have to read weeks of the ledger for.
//!
//! One file beside the ledger's, replaced as a whole (FORMAT.md, "Checkpoint"). Whatever is in doubt about it, the ledger is read
//! from its beginning instead.

use std::io;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::UsageTable;
use crate::hex;
use crate::ledger::{MasterKey, Storage};
use crate::usage::PAGE_BYTES;

const NAME: &str = "usage.checkpoint";
const UNFINISHED: &str = "usage.checkpoint.new";
const MAGIC: &[u8; 8] = b"ICAZECKP";
const VERSION: u16 = 1;
const TAG_BYTES: usize = 16;
/// Magic, version, node, five zeros, the file's own random id, and the length of its sealed head.
const PREFIX_BYTES: usize = 8 + 2 + 1 + 5 + 16 + 4;
/// No head is longer: it names operators.
const HEAD_BYTES_MAX: usize = 1 << 20;
const FRAME_BYTES: usize = PAGE_BYTES + TAG_BYTES;

/// The allowances at one point of the ledger, and what goes with them.
#[derive(Debug)]
pub struct Checkpoint {
    /// Where in the ledger, and what else was so there.
    pub head: Head,
    /// What everybody had used.
    pub usage: UsageTable,
}

/// All of a [`Checkpoint`] but the allowances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The allowances and the permits hold every entry up to this one.
    pub position: u64,
    /// The ledger's time at that entry.
    pub time: Timestamp,
    /// Whatever else is remembered comes from this entry and those after it.
    pub visit_from: u64,
    /// The operators of whom a bind received before entry `visit_from`.
    pub receivers: Vec<String>,
    /// The counter of the next permit's code.
    pub next_code: u32,
    /// The number of the first permit in the blocks.
    pub first_permit: u64,
}

/// Why there is no checkpoint, or none that is of use.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The system failed.
    #[error("cannot {action} the checkpoint in {location}: {source}")]
    Io {
        /// The store.
        location: String,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It is not what was written, or not under this master key.
    #[error("the checkpoint in {location} is damaged, or of another key, node or version")]
    Unusable {
        /// The store.
        location: String,
    },
}

impl Checkpoint {
    /// Takes the place of the checkpoint in `storage`: whatever happens, that holds the earlier one or this one. Write it only
    /// once `position` is durable. `permits` are blocks of the caller's own format, each below 4 GiB.
    ///
    /// # Errors
    /// If the system fails, or has no room.
    pub fn write<'p>(
        &self,
        permits: impl Iterator<Item = &'p [u8]> + Clone,
        storage: &impl Storage,
        key: &MasterKey,
        node: u8,
    ) -> Result<(), CheckpointError> {
        let io = |action| move |source| CheckpointError::Io { location: storage.location(), action, source };
        match storage.remove(UNFINISHED) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io("make way for")(error)),
            _ => {}
        }
        let written = self.write_unfinished(permits, storage, key, node);
        if written.is_err() {
            let _ = storage.remove(UNFINISHED);
        }
        written.map_err(io("write"))?;
        storage.rename(UNFINISHED, NAME).map_err(io("name"))?;
        storage.sync_names().map_err(io("name"))
    }

    fn write_unfinished<'p, S: Storage>(
        &self,
        permits: impl Iterator<Item = &'p [u8]> + Clone,
        storage: &S,
        key: &MasterKey,
        node: u8,
    ) -> io::Result<()> {
        let mut id = [0; 16];
        rand::fill(&mut id).map_err(|_| io::Error::other("the system has no random bytes"))?;
        let seal = Seal::new(key, node, id).ok_or_else(|| io::Error::other("no key"))?;
        let pages = self.usage.pages().count();
        let blocks: Vec<usize> = permits.clone().map(<[u8]>::len).collect();
        let mut head = serde_json::to_vec(&(&self.head, pages, &blocks))?;
        seal.seal(0, &mut head)?;
        let head_len = u32::try_from(head.len()).map_err(io::Error::other)?;
        let mut prefix = Vec::with_capacity(PREFIX_BYTES);
        prefix.extend_from_slice(MAGIC);
        prefix.extend_from_slice(&VERSION.to_le_bytes());
        prefix.extend_from_slice(&[node, 0, 0, 0, 0, 0]);
        prefix.extend_from_slice(&id);
        prefix.extend_from_slice(&head_len.to_le_bytes());
        let mut offset = (PREFIX_BYTES + head.len()) as u64;
        let sealed = pages * FRAME_BYTES + blocks.iter().map(|block| block + TAG_BYTES).sum::<usize>();
        let file = storage.create(UNFINISHED, offset + sealed as u64)?;
        storage.write_at(&file, 0, &[prefix, head].concat())?;
        let mut frame = Vec::with_capacity(FRAME_BYTES);
        let mut place = 0;
        let mut write = |fill: &dyn Fn(&mut Vec<u8>)| {
            frame.clear();
            fill(&mut frame);
            place += 1;
            seal.seal(place, &mut frame)?;
            storage.write_at(&file, offset, &frame)?;
            offset += frame.len() as u64;
            io::Result::Ok(())
        };
        for page in self.usage.pages() {
            write(&|frame| page.write(frame))?;
        }
        for block in permits {
            write(&|frame| frame.extend_from_slice(block))?;
        }
        storage.sync(&file)
    }

    /// The checkpoint in `storage`; `None` if there is none. `permit` gets the blocks of permits, and says whether each is one.
    ///
    /// # Errors
    /// [`CheckpointError`]; the ledger then is to be read from its beginning, and what `permit` got to be forgotten.
    pub fn read(
        storage: &impl Storage,
        key: &MasterKey,
        node: u8,
        permit: impl FnMut(&[u8]) -> bool,
    ) -> Result<Option<Self>, CheckpointError> {
        let location = || storage.location();
        let read = Self::try_read(storage, key, node, permit);
        let read =
            read.map_err(|source| CheckpointError::Io { location: location(), action: "read", source })?;
        read.ok_or_else(|| CheckpointError::Unusable { location: location() })
    }

    /// `Ok(None)`: it is unusable. `Ok(Some(None))`: there is none.
    fn try_read<S: Storage>(
        storage: &S,
        key: &MasterKey,
        node: u8,
        mut permit: impl FnMut(&[u8]) -> bool,
    ) -> io::Result<Option<Option<Self>>> {
        let file = match storage.open(NAME) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(None)),
            Err(error) => return Err(error),
        };
        let mut prefix = [0; PREFIX_BYTES];
        storage.read_at(&file, 0, &mut prefix)?;
        let Some((id, head_len)) = prefix_of(&prefix, node) else { return Ok(None) };
        let Some(seal) = Seal::new(key, node, id) else { return Ok(None) };
        let mut head = vec![0; head_len];
        storage.read_at(&file, PREFIX_BYTES as u64, &mut head)?;
        let head = seal.open(0, &mut head).and_then(|head| serde_json::from_slice(head).ok());
        let Some((head, pages, blocks)): Option<(Head, usize, Vec<u32>)> = head else { return Ok(None) };
        let mut usage = UsageTable::default();
        let mut frame = Vec::new();
        let mut offset = (PREFIX_BYTES + head_len) as u64;
        let lengths =
            std::iter::repeat_n(PAGE_BYTES, pages).chain(blocks.iter().map(|&block| block as usize));
        for (place, length) in (0..).zip(lengths) {
            frame.resize(length + TAG_BYTES, 0);
            let whole = storage.read_at(&file, offset, &mut frame)? == frame.len();
            let opened = if whole { seal.open(place + 1, &mut frame) } else { None };
            let taken = opened.is_some_and(|bytes| {
                if place < pages as u64 { usage.read_page(bytes).is_some() } else { permit(bytes) }
            });
            if !taken {
                return Ok(None);
            }
            offset += frame.len() as u64;
        }
        Ok(Some(Some(Self { head, usage })))
    }
}

/// The file's id and the length of its sealed head.
fn prefix_of(prefix: &[u8; PREFIX_BYTES], node: u8) -> Option<([u8; 16], usize)> {
    let (start, rest) = prefix.split_first_chunk::<16>()?;
    let (id, length) = rest.split_first_chunk::<16>()?;
    let length = u32::from_le_bytes(*length.first_chunk()?) as usize;
    let mut expected = [0; 16];
    for (to, from) in expected.iter_mut().zip(MAGIC.iter().chain(&VERSION.to_le_bytes()).chain([&node])) {
        *to = *from;
    }
    (*start == expected && length <= HEAD_BYTES_MAX).then_some((*id, length))
}

/// Seals one file's frames under a key of its own, so that none fits another place or file.
struct Seal(LessSafeKey);

impl Seal {
    fn new(master: &MasterKey, node: u8, id: [u8; 16]) -> Option<Self> {
        let key: [u8; 32] = master.derive(&format!("checkpoint of node {node}: {}", hex::encode(&id)));
        UnboundKey::new(&AES_256_GCM, &key).ok().map(|key| Self(LessSafeKey::new(key)))
    }

    fn nonce(place: u64) -> Nonce {
        let [a, b, c, d, e, f, g, h] = place.to_le_bytes();
        Nonce::assume_unique_for_key([a, b, c, d, e, f, g, h, 0, 0, 0, 0])
    }

    fn seal(&self, place: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
        let sealed = self.0.seal_in_place_append_tag(Self::nonce(place), Aad::empty(), bytes);
        sealed.map_err(|_| io::Error::other("it cannot be sealed"))
    }

    fn open<'b>(&self, place: u64, bytes: &'b mut [u8]) -> Option<&'b [u8]> {
        self.0.open_in_place(Self::nonce(place), Aad::empty(), bytes).ok().map(|opened| &*opened)
    }
}
