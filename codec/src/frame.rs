//! Frames: the 16-octet header, and where one PDU ends and the next begins (SMPP v3.4 3.2, v5.0 3.1).
//!
//! The length is all that framing looks at, so a body of any content never moves the next frame's boundary.

use crate::pdu::{Command, Status};

/// Octets of a PDU header, and so the least command_length.
pub const HEADER_LEN: usize = 16;

/// The header after its command_length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Which operation.
    pub command: Command,
    /// Zero in requests.
    pub status: Status,
    /// Pairs a response with its request.
    pub sequence: u32,
}

/// One whole PDU.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    /// Its header.
    pub header: Header,
    /// What follows the header, undecoded.
    pub body: &'a [u8],
}

/// A command_length under 16 or over the limit: the stream has no frame boundaries any more, and must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("command_length {command_length} is outside 16..={limit}: answer generic_nack and close")]
pub struct BadLength {
    /// What the peer claimed.
    pub command_length: u32,
    /// The most that was allowed, in octets.
    pub limit: usize,
}

/// Takes the first frame off `bytes`: the frame and its length in octets, or `None` while it is incomplete.
///
/// `limit` is the largest command_length accepted, in octets. Nothing is allocated; a bad length is told from its four
/// octets alone.
///
/// # Errors
/// [`BadLength`] for a command_length under 16 or over `limit`.
#[inline]
pub fn split(bytes: &[u8], limit: usize) -> Result<Option<(Frame<'_>, usize)>, BadLength> {
    let Some((length, _)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
    let command_length = u32::from_be_bytes(*length);
    let length = command_length as usize;
    if !(HEADER_LEN..=limit).contains(&length) {
        return Err(BadLength { command_length, limit });
    }
    let Some(frame) = bytes.get(..length) else { return Ok(None) };
    let Some((header, body)) = frame.split_first_chunk::<HEADER_LEN>() else { return Ok(None) };
    let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let header = Header { command: Command(word(4)), status: Status(word(8)), sequence: word(12) };
    Ok(Some((Frame { header, body }, length)))
}

/// Appends one PDU to `out`: the header, then the body that `body` writes.
#[inline]
pub fn write(out: &mut Vec<u8>, header: Header, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    let mut octets = [0; HEADER_LEN];
    octets[4..8].copy_from_slice(&header.command.0.to_be_bytes());
    octets[8..12].copy_from_slice(&header.status.0.to_be_bytes());
    octets[12..].copy_from_slice(&header.sequence.to_be_bytes());
    out.extend_from_slice(&octets);
    body(out);
    let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ENQUIRE_LINK: Header =
        Header { command: Command::ENQUIRE_LINK, status: Status::ESME_ROK, sequence: 7 };

    #[test]
    fn a_bad_length_is_told_from_four_octets() {
        for length in [0_u32, 15, 1025, u32::MAX] {
            let error = split(&length.to_be_bytes(), 1024).err();
            assert_eq!(error, Some(BadLength { command_length: length, limit: 1024 }));
        }
        assert_eq!(split(b"GET / HTTP/1.1\r\n", 70_000).err().map(|e| e.command_length), Some(0x4745_5420));
    }

    #[test]
    fn an_incomplete_frame_waits() {
        let mut bytes = Vec::new();
        write(&mut bytes, ENQUIRE_LINK, |_| ());
        for end in 0..bytes.len() {
            assert!(split(&bytes[..end], 1024).unwrap().is_none(), "{end} octets");
        }
        let (frame, length) = split(&bytes, 16).unwrap().unwrap();
        assert_eq!((frame.header, frame.body.len(), length), (ENQUIRE_LINK, 0, 16));
    }

    proptest! {
        #[test]
        fn splitting_is_total_and_undoes_writing(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            command: u32, status: u32, sequence: u32,
        ) {
            let _ = split(&bytes, 1024);
            let header = Header { command: Command(command), status: Status(status), sequence };
            let mut out = b"before".to_vec();
            write(&mut out, header, |out| out.extend_from_slice(&bytes));
            let (frame, length) = split(&out[6..], 1024).unwrap().unwrap();
            prop_assert_eq!(frame.header, header);
            prop_assert_eq!(frame.body, &bytes[..]);
            prop_assert_eq!(length, 16 + bytes.len());
        }
    }
}
