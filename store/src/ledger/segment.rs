//! A segment file: its header, and the frames behind it, one for each batch (FORMAT.md, "Segment").

use std::io;

use super::bytes::Cursor;
use super::encode::Sections;
use super::seal::{Kind, SealBroken, SegmentId, SegmentKeys, TAG_BYTES};

/// Where the first frame begins. The header has the first page to itself, so that no later write touches it.
pub(super) const FRAMES_START: u64 = 4096;
/// The header's own bytes; zeros follow.
pub(super) const HEADER_BYTES: usize = 72;
/// Frames begin at multiples of this.
pub(super) const FRAME_ALIGN: usize = 8;
/// A frame before its sections.
pub(super) const FRAME_HEADER_BYTES: usize = 48;
/// What a frame adds to the bytes of its records, at most.
pub(super) const FRAME_OVERHEAD_MAX: usize = FRAME_HEADER_BYTES + 2 * TAG_BYTES + FRAME_ALIGN;

const MAGIC: &[u8; 8] = b"ICAZELOG";
const VERSION: u16 = 1;

/// The segment file with this number.
pub(super) fn log_name(number: u64) -> String {
    format!("{number:010}.log")
}

/// A segment that is prepared but not begun.
pub(super) fn prepared_name(number: u64) -> String {
    format!("{number:010}.log.new")
}

/// The file of the segment's wrapped keys.
pub(super) fn keys_name(number: u64) -> String {
    format!("{number:010}.keys")
}

/// The number of a segment file; `None` for other files.
pub(super) fn number_of_log(name: &str) -> Option<u64> {
    number_of(name, ".log")
}

/// The number of a key file; `None` for other files.
pub(super) fn number_of_keys(name: &str) -> Option<u64> {
    number_of(name, ".keys")
}

/// The number of a prepared segment; `None` for other files.
pub(super) fn number_of_prepared(name: &str) -> Option<u64> {
    number_of(name, ".log.new")
}

fn number_of(name: &str, suffix: &str) -> Option<u64> {
    let digits = name.strip_suffix(suffix)?;
    // Nineteen digits leave room for the number that follows.
    if !(10..=19).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) id: SegmentId,
    /// The number of its first record.
    pub(super) first_seq: u64,
    /// Where the previous segment ends: what lies behind was cut off. 0 if there was none.
    pub(super) previous_end: u64,
    /// Of the master key.
    pub(super) key_id: [u8; 16],
}

/// Why bytes are no segment header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderError {
    Damaged,
    Version(u16),
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.push(self.id.node);
        bytes.extend_from_slice(&[0; 5]);
        bytes.extend_from_slice(&self.id.number.to_le_bytes());
        bytes.extend_from_slice(&self.id.salt.to_le_bytes());
        bytes.extend_from_slice(&self.first_seq.to_le_bytes());
        bytes.extend_from_slice(&self.previous_end.to_le_bytes());
        bytes.extend_from_slice(&self.key_id);
        bytes.extend_from_slice(&[0; 4]);
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, HeaderError> {
        let damaged = |_| HeaderError::Damaged;
        let mut cursor = Cursor::new(bytes);
        if cursor.take(8).map_err(damaged)? != MAGIC {
            return Err(HeaderError::Damaged);
        }
        // Read before the sum is checked: another version may keep its sum elsewhere.
        let version = cursor.u16().map_err(damaged)?;
        if version != VERSION {
            return Err(HeaderError::Version(version));
        }
        let (content, crc) = bytes.split_last_chunk::<4>().ok_or(HeaderError::Damaged)?;
        if crc32c::crc32c(content) != u32::from_le_bytes(*crc) {
            return Err(HeaderError::Damaged);
        }
        let node = cursor.u8().map_err(damaged)?;
        cursor.take(5).map_err(damaged)?;
        let number = cursor.u64().map_err(damaged)?;
        let salt = cursor.u64().map_err(damaged)?;
        Ok(Self {
            id: SegmentId { node, number, salt },
            first_seq: cursor.u64().map_err(damaged)?,
            previous_end: cursor.u64().map_err(damaged)?,
            key_id: cursor.array().map_err(damaged)?,
        })
    }
}

/// What a frame says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) first_seq: u64,
    /// The last record known to be durable when the frame was written.
    pub(super) synced_through: u64,
    pub(super) count: u32,
    plain: usize,
    person: usize,
    text: usize,
    body_crc: u32,
}

impl FrameHeader {
    /// The frame's length, padding included.
    pub(super) fn frame_bytes(&self) -> usize {
        (FRAME_HEADER_BYTES + self.plain + self.person + self.text).next_multiple_of(FRAME_ALIGN)
    }

    /// The number of the record behind its last one.
    pub(super) fn next_seq(&self) -> u64 {
        self.first_seq.saturating_add(u64::from(self.count))
    }

    fn encode(&self, salt: u64) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        let numbers = [salt, self.first_seq, self.synced_through];
        let words = [self.count, self.plain as u32, self.person as u32, self.text as u32, self.body_crc];
        let fields = numbers
            .into_iter()
            .flat_map(u64::to_le_bytes)
            .chain(words.into_iter().flat_map(u32::to_le_bytes));
        for (to, from) in bytes.iter_mut().zip(fields) {
            *to = from;
        }
        if let Some((content, crc)) = bytes.split_last_chunk_mut() {
            *crc = crc32c::crc32c(content).to_le_bytes();
        }
        bytes
    }

    /// The header at the start of `bytes`, if it is sound and this segment's.
    pub(super) fn decode(bytes: &[u8], salt: u64) -> Option<Self> {
        let bytes = bytes.first_chunk::<FRAME_HEADER_BYTES>()?;
        let mut cursor = Cursor::new(bytes);
        if cursor.u64().ok()? != salt {
            return None;
        }
        let (content, crc) = bytes.split_last_chunk()?;
        if crc32c::crc32c(content) != u32::from_le_bytes(*crc) {
            return None;
        }
        Some(Self {
            first_seq: cursor.u64().ok()?,
            synced_through: cursor.u64().ok()?,
            count: cursor.u32().ok()?,
            plain: cursor.u32().ok()? as usize,
            person: cursor.u32().ok()? as usize,
            text: cursor.u32().ok()? as usize,
            body_crc: cursor.u32().ok()?,
        })
    }
}

/// A frame whose sum is right.
pub(super) struct Frame<'b> {
    pub(super) header: FrameHeader,
    pub(super) plain: &'b [u8],
    person: &'b mut [u8],
    text: &'b mut [u8],
}

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    #[error("the header of a batch is not what was written")]
    Header,
    #[error("a batch is cut off")]
    Short,
    #[error("a batch is not what was written (CRC32C)")]
    Sum,
}

impl<'b> Frame<'b> {
    /// The frame at the start of `bytes`, and what is behind it.
    pub(super) fn split(bytes: &'b mut [u8], salt: u64) -> Result<(Self, &'b mut [u8]), FrameError> {
        let header = FrameHeader::decode(bytes, salt).ok_or(FrameError::Header)?;
        let (frame, rest) = bytes.split_at_mut_checked(header.frame_bytes()).ok_or(FrameError::Short)?;
        let (_, body) = frame.split_at_mut_checked(FRAME_HEADER_BYTES).ok_or(FrameError::Short)?;
        if crc32c::crc32c(body) != header.body_crc {
            return Err(FrameError::Sum);
        }
        let (plain, sealed) = body.split_at_mut_checked(header.plain).ok_or(FrameError::Short)?;
        let (person, sealed) = sealed.split_at_mut_checked(header.person).ok_or(FrameError::Short)?;
        let (text, _) = sealed.split_at_mut_checked(header.text).ok_or(FrameError::Short)?;
        Ok((Self { header, plain, person, text }, rest))
    }

    /// Its sections, those sealed opened by `keys`. `None` for a section that cannot be read: without keys, or with
    /// its key destroyed.
    pub(super) fn open(self, keys: Option<&SegmentKeys>) -> Result<Opened<'b>, SealBroken> {
        let Self { header, plain, person, text } = self;
        let (person, text) = match keys {
            None => (None, None),
            Some(keys) => (
                keys.open(Kind::Person, header.first_seq, plain, person)?,
                keys.open(Kind::Text, header.first_seq, plain, text)?,
            ),
        };
        Ok(Opened { header, plain, person, text })
    }
}

/// A frame that can be read as far as there are keys for it.
pub(super) struct Opened<'b> {
    pub(super) header: FrameHeader,
    pub(super) plain: &'b [u8],
    pub(super) person: Option<&'b [u8]>,
    pub(super) text: Option<&'b [u8]>,
}

/// Builds in `frame` the frame of `sections`, whose records are `count` from `first_seq` on.
pub(super) fn build_frame(
    frame: &mut Vec<u8>,
    salt: u64,
    keys: &SegmentKeys,
    synced_through: u64,
    (first_seq, count): (u64, u32),
    sections: &Sections,
) -> io::Result<()> {
    frame.clear();
    frame.resize(FRAME_HEADER_BYTES, 0);
    frame.extend_from_slice(&sections.plain);
    let plain = FRAME_HEADER_BYTES..frame.len();
    frame.extend_from_slice(&sections.person);
    keys.seal(Kind::Person, first_seq, frame, plain.clone(), plain.end..frame.len())?;
    let person = plain.end..frame.len();
    frame.extend_from_slice(&sections.text);
    keys.seal(Kind::Text, first_seq, frame, plain.clone(), person.end..frame.len())?;
    let text = person.end..frame.len();
    frame.resize(frame.len().next_multiple_of(FRAME_ALIGN), 0);
    let body_crc = frame.get(FRAME_HEADER_BYTES..).map(crc32c::crc32c).unwrap_or_default();
    let header = FrameHeader {
        first_seq,
        synced_through,
        count,
        plain: plain.len(),
        person: person.len(),
        text: text.len(),
        body_crc,
    };
    if let Some(head) = frame.first_chunk_mut() {
        *head = header.encode(salt);
    }
    Ok(())
}

/// Whether `bytes` hold, anywhere, the header of a frame that was written when record `seq` was durable already. The
/// header alone proves it: it can be there only if it was written, whatever became of its frame.
pub(super) fn proves_durable(bytes: &[u8], salt: u64, seq: u64) -> bool {
    let pattern = salt.to_le_bytes();
    let mut rest = bytes;
    while let Some((word, next)) = rest.split_first_chunk::<FRAME_ALIGN>() {
        if *word == pattern
            && FrameHeader::decode(rest, salt).is_some_and(|header| header.synced_through >= seq)
        {
            return true;
        }
        rest = next;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_numbers() {
        for number in [1, 42, 9_999_999_999, 10_000_000_000, 9_999_999_999_999_999_999] {
            assert_eq!(number_of_log(&log_name(number)), Some(number));
            assert_eq!(number_of_keys(&keys_name(number)), Some(number));
            assert_eq!(number_of_prepared(&prepared_name(number)), Some(number));
            assert_eq!(number_of_log(&prepared_name(number)), None);
        }
        for other in ["lock", ".log", "1.log", "18446744073709551615.log", "+000000001.log", "000000000x.log"]
        {
            assert_eq!(number_of_log(other), None, "{other}");
        }
    }

    #[test]
    fn each_bit_of_a_header_counts() {
        let header = Header {
            id: SegmentId { node: 3, number: 9, salt: 0x1234_5678_9abc_def0 },
            first_seq: 77,
            previous_end: 4096,
            key_id: [5; 16],
        };
        let bytes: [u8; HEADER_BYTES] = header.encode().try_into().unwrap();
        assert_eq!(Header::decode(&bytes), Ok(header));
        for at in 0..HEADER_BYTES {
            for bit in 0..8 {
                let mut broken = bytes;
                broken[at] ^= 1 << bit;
                assert!(Header::decode(&broken).is_err(), "byte {at} bit {bit}");
            }
        }
        let mut newer = bytes;
        newer[8] = 2;
        assert_eq!(Header::decode(&newer), Err(HeaderError::Version(2)));
    }

    #[test]
    fn hostile_lengths_are_no_frame() {
        let header = FrameHeader {
            first_seq: 1,
            synced_through: 0,
            count: 1,
            plain: u32::MAX as usize,
            person: u32::MAX as usize,
            text: u32::MAX as usize,
            body_crc: 0,
        };
        let mut bytes = header.encode(1).to_vec();
        assert_eq!(Frame::split(&mut bytes, 1).err(), Some(FrameError::Short));
        assert_eq!(Frame::split(&mut bytes, 2).err(), Some(FrameError::Header));
        assert_eq!(Frame::split(&mut [], 2).err(), Some(FrameError::Header));
    }
}
