//! The data keys of one segment: fresh and random, one per kind of data, wrapped by the master key in a file beside
//! the segment (FORMAT.md, "Key file"). A kind's data is gone when its wrapped key is.

use std::io;
use std::ops::Range;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;

use super::MasterKey;
use super::bytes::Cursor;

/// What sealing adds to a section.
pub(super) const TAG_BYTES: usize = 16;
/// The length of a key file.
pub(super) const KEY_FILE_BYTES: usize = 176;
const KEY_MAGIC: &[u8; 8] = b"ICAZEKEY";
const KEY_VERSION: u16 = 1;
/// Where the first wrapped key lies.
const SLOTS_START: usize = 48;
const WRAPPED_BYTES: usize = NONCE_LEN + 32 + TAG_BYTES;

/// The kinds of personal data, each with a key and a life of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// From, identity, document, person, permit code, reply text.
    Person = 1,
    /// What was texted, where it explains a `help`, and the parts of longer texts.
    Text = 2,
}

/// Wraps and unwraps data keys. Derived from the master key.
#[derive(Debug)]
pub(super) struct WrappingKey {
    /// Tells master keys apart, and nothing else about them. Stays through rotations.
    pub(super) id: [u8; 16],
    /// Tells apart what data keys are wrapped by.
    wrapping_id: [u8; 16],
    key: LessSafeKey,
}

/// The segment that keys belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentId {
    pub(super) node: u8,
    pub(super) number: u64,
    pub(super) salt: u64,
}

/// A segment's data keys. `None` where retention destroyed one.
#[derive(Debug)]
pub(super) struct SegmentKeys {
    person: Option<LessSafeKey>,
    text: Option<LessSafeKey>,
}

/// A key file as it lies on disk: which keys are there can be told, and they can be destroyed, without the master key.
pub(super) struct KeySlots(Vec<u8>);

impl KeySlots {
    pub(super) fn parse(file: Vec<u8>) -> Result<Self, KeyFileError> {
        check(&file)?;
        Ok(Self(file))
    }

    fn place(kind: Kind) -> Range<usize> {
        let start = match kind {
            Kind::Person => SLOTS_START,
            Kind::Text => SLOTS_START + WRAPPED_BYTES,
        };
        start..start + WRAPPED_BYTES
    }

    /// Whether the key is there.
    pub(super) fn has(&self, kind: Kind) -> bool {
        self.0.get(Self::place(kind)).is_some_and(|slot| slot.iter().any(|&byte| byte != 0))
    }

    pub(super) fn clear(&mut self, kind: Kind) {
        if let Some(slot) = self.0.get_mut(Self::place(kind)) {
            slot.fill(0);
        }
    }

    pub(super) fn into_file(mut self) -> Vec<u8> {
        if let Some((content, crc)) = self.0.split_last_chunk_mut() {
            *crc = crc32c::crc32c(content).to_le_bytes();
        }
        self.0
    }
}

/// Whether a key file is whole, and of this version.
fn check(file: &[u8]) -> Result<(), KeyFileError> {
    let damaged = |_| KeyFileError::Damaged;
    let mut cursor = Cursor::new(file);
    if cursor.take(8).map_err(damaged)? != KEY_MAGIC {
        return Err(KeyFileError::Damaged);
    }
    let version = cursor.u16().map_err(damaged)?;
    if version != KEY_VERSION {
        return Err(KeyFileError::Version(version));
    }
    let (content, crc) = file.split_last_chunk::<4>().ok_or(KeyFileError::Damaged)?;
    if file.len() != KEY_FILE_BYTES || crc32c::crc32c(content) != u32::from_le_bytes(*crc) {
        return Err(KeyFileError::Damaged);
    }
    Ok(())
}

/// Why a key file gives no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyFileError {
    #[error("it is damaged")]
    Damaged,
    #[error("it has format version {0}, which this program does not know")]
    Version(u16),
    #[error("it belongs to another segment")]
    Stray,
    #[error("it was wrapped by another master key")]
    WrongKey,
}

impl WrappingKey {
    pub(super) fn new(master: &MasterKey) -> io::Result<Self> {
        const NAME: &str = "ledger: name the master key";
        let key = bind(&master.derive_for_wrapping::<32>("ledger: wrap data keys"))?;
        Ok(Self { id: master.derive(NAME), wrapping_id: master.derive_for_wrapping(NAME), key })
    }

    /// Draws the keys of a new segment. Returns them and the content of their file.
    pub(super) fn draw(&self, segment: SegmentId) -> io::Result<(SegmentKeys, Vec<u8>)> {
        let mut file = Vec::with_capacity(KEY_FILE_BYTES);
        file.extend_from_slice(KEY_MAGIC);
        file.extend_from_slice(&KEY_VERSION.to_le_bytes());
        file.push(segment.node);
        file.extend_from_slice(&[0; 5]);
        file.extend_from_slice(&segment.number.to_le_bytes());
        file.extend_from_slice(&segment.salt.to_le_bytes());
        file.extend_from_slice(&self.wrapping_id);
        let person = self.draw_one(segment, Kind::Person, &mut file)?;
        let text = self.draw_one(segment, Kind::Text, &mut file)?;
        file.extend_from_slice(&[0; 8]);
        Ok((SegmentKeys { person: Some(person), text: Some(text) }, KeySlots(file).into_file()))
    }

    fn draw_one(&self, segment: SegmentId, kind: Kind, file: &mut Vec<u8>) -> io::Result<LessSafeKey> {
        let mut key = [0; 32];
        rand::fill(&mut key).map_err(|_| no_crypto())?;
        self.wrap_one(segment, kind, key, file)?;
        bind(&key)
    }

    fn wrap_one(
        &self,
        segment: SegmentId,
        kind: Kind,
        mut key: [u8; 32],
        file: &mut Vec<u8>,
    ) -> io::Result<()> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| no_crypto())?;
        let aad = Aad::from(wrap_aad(segment, kind));
        let tag = self
            .key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut key)
            .map_err(|_| no_crypto())?;
        file.extend_from_slice(&nonce);
        file.extend_from_slice(&key);
        file.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// A key file with the keys of `file`, which `before` wrapped, wrapped by this; `None` if they are already. What was destroyed
    /// stays so.
    pub(super) fn rewrap(
        &self,
        before: &Self,
        segment: SegmentId,
        file: &[u8],
    ) -> Result<Option<Vec<u8>>, KeyFileError> {
        if self.unwrap(segment, file).is_ok() {
            return Ok(None);
        }
        before.unwrap(segment, file)?;
        let start = SLOTS_START - self.wrapping_id.len();
        let mut new = file.get(..start).ok_or(KeyFileError::Damaged)?.to_vec();
        new.extend_from_slice(&self.wrapping_id);
        for kind in [Kind::Person, Kind::Text] {
            let slot = file.get(KeySlots::place(kind)).and_then(|slot| slot.try_into().ok());
            match before.unwrap_bytes(segment, kind, slot.ok_or(KeyFileError::Damaged)?)? {
                Some(key) => {
                    self.wrap_one(segment, kind, key, &mut new).map_err(|_| KeyFileError::Damaged)?;
                }
                None => new.extend_from_slice(&[0; WRAPPED_BYTES]),
            }
        }
        new.extend_from_slice(&[0; 8]);
        Ok(Some(KeySlots(new).into_file()))
    }

    /// The keys in a key file.
    pub(super) fn unwrap(&self, segment: SegmentId, file: &[u8]) -> Result<SegmentKeys, KeyFileError> {
        check(file)?;
        let damaged = |_| KeyFileError::Damaged;
        let mut cursor = Cursor::new(file);
        cursor.take(10).map_err(damaged)?;
        let node = cursor.u8().map_err(damaged)?;
        cursor.take(5).map_err(damaged)?;
        let number = cursor.u64().map_err(damaged)?;
        let salt = cursor.u64().map_err(damaged)?;
        if (SegmentId { node, number, salt }) != segment {
            return Err(KeyFileError::Stray);
        }
        if cursor.take(16).map_err(damaged)? != self.wrapping_id {
            return Err(KeyFileError::WrongKey);
        }
        let person = self.unwrap_one(segment, Kind::Person, cursor.array().map_err(damaged)?)?;
        let text = self.unwrap_one(segment, Kind::Text, cursor.array().map_err(damaged)?)?;
        Ok(SegmentKeys { person, text })
    }

    fn unwrap_one(
        &self,
        segment: SegmentId,
        kind: Kind,
        wrapped: [u8; WRAPPED_BYTES],
    ) -> Result<Option<LessSafeKey>, KeyFileError> {
        let key = self.unwrap_bytes(segment, kind, wrapped)?;
        key.map(|key| bind(&key)).transpose().map_err(|_| KeyFileError::Damaged)
    }

    fn unwrap_bytes(
        &self,
        segment: SegmentId,
        kind: Kind,
        mut wrapped: [u8; WRAPPED_BYTES],
    ) -> Result<Option<[u8; 32]>, KeyFileError> {
        if wrapped.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        let (nonce, sealed) = wrapped.split_first_chunk_mut().ok_or(KeyFileError::Damaged)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let aad = Aad::from(wrap_aad(segment, kind));
        let key = self.key.open_in_place(nonce, aad, sealed).map_err(|_| KeyFileError::Damaged)?;
        <[u8; 32]>::try_from(&*key).map(Some).map_err(|_| KeyFileError::Damaged)
    }
}

impl SegmentKeys {
    /// Seals `frame[section]` in place and appends the tag to `frame`, which must end with the section. `plain` is the
    /// part of `frame` that the section is bound to. Nothing is sealed twice for one `first_seq` in one segment, so
    /// that no nonce repeats under a key.
    pub(super) fn seal(
        &self,
        kind: Kind,
        first_seq: u64,
        frame: &mut Vec<u8>,
        plain: Range<usize>,
        section: Range<usize>,
    ) -> io::Result<()> {
        if section.is_empty() {
            return Ok(());
        }
        let key = self.key(kind).ok_or_else(no_crypto)?;
        let (before, sealed) = frame.split_at_mut_checked(section.start).ok_or_else(no_crypto)?;
        let aad = Aad::from(before.get(plain).ok_or_else(no_crypto)?);
        let tag = key.seal_in_place_separate_tag(nonce(first_seq), aad, sealed).map_err(|_| no_crypto())?;
        frame.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// Opens a sealed section in place. `Ok(None)` if its key was destroyed, `Err` if the seal is broken.
    pub(super) fn open<'s>(
        &self,
        kind: Kind,
        first_seq: u64,
        plain: &[u8],
        sealed: &'s mut [u8],
    ) -> Result<Option<&'s [u8]>, SealBroken> {
        if sealed.is_empty() {
            return Ok(self.key(kind).map(|_| &*sealed));
        }
        let Some(key) = self.key(kind) else { return Ok(None) };
        let opened = key.open_in_place(nonce(first_seq), Aad::from(plain), sealed).map_err(|_| SealBroken)?;
        Ok(Some(opened))
    }

    fn key(&self, kind: Kind) -> Option<&LessSafeKey> {
        match kind {
            Kind::Person => self.person.as_ref(),
            Kind::Text => self.text.as_ref(),
        }
    }
}

/// The bytes are not what this key sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SealBroken;

fn bind(key: &[u8]) -> io::Result<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new).map_err(|_| no_crypto())
}

fn nonce(first_seq: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    if let Some(counter) = nonce.last_chunk_mut() {
        *counter = first_seq.to_be_bytes();
    }
    Nonce::assume_unique_for_key(nonce)
}

fn wrap_aad(segment: SegmentId, kind: Kind) -> [u8; 18] {
    let mut aad = [0; 18];
    let fields = segment.number.to_le_bytes().into_iter().chain(segment.salt.to_le_bytes());
    for (to, from) in aad.iter_mut().zip(fields.chain([segment.node, kind as u8])) {
        *to = from;
    }
    aad
}

fn no_crypto() -> io::Error {
    io::Error::other("the cryptographic library failed")
}
