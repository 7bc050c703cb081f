//! Single records, found by their numbers: frames say which records they hold, so that only those with a wanted one are
//! read whole and opened.

use super::super::segment::{FRAME_HEADER_BYTES, FRAMES_START, Frame, FrameHeader, Header, log_name};
use super::{MasterKey, ReadError, Scan, Storage, Visible, Visit, Walker, wrapping};
use crate::ledger::Record;

/// Bytes that are read at once where the next frame's header lies.
const WINDOW: usize = 16 << 10;

/// Visits, in order, the records with these numbers, which are durable. Without `key` the personal fields are
/// empty. May run beside a writer; takes memory for one batch. Each segment that holds one of them costs reading the headers of
/// its batches: some milliseconds.
///
/// # Errors
/// As [`read`](super::read).
pub fn read_some<S: Storage>(
    storage: &S,
    key: Option<&MasterKey>,
    mut wanted: Vec<u64>,
    mut visit: impl FnMut(&Record<'_>, Visible),
) -> Result<(), ReadError> {
    wanted.sort_unstable();
    wanted.dedup();
    let wrapping = wrapping(storage, key)?;
    let mut walker = Walker::new(storage, wrapping.as_ref(), 0);
    let segments = walker.segments()?;
    let mut rest = wanted.as_slice();
    while let Some(&first) = rest.first() {
        let Some((header, next)) = walker.closed_with(&segments, first)? else {
            // The one that is being written to.
            let Some(&last) = segments.last() else { return Ok(()) };
            return walker.visit_some(walker.header(last)?, None, rest, &mut visit);
        };
        let (here, later) = rest.split_at(rest.partition_point(|&seq| seq < next.first_seq));
        walker.visit_some(header, Some(next.previous_end), here, &mut visit)?;
        rest = later;
    }
    Ok(())
}

impl<S: Storage> Walker<'_, S> {
    /// Visits the records `wanted`, in order, of the segment that ends at `end` or, without, where the written part does.
    fn visit_some(
        &mut self,
        header: Header,
        end: Option<u64>,
        wanted: &[u64],
        visit: Visit<'_>,
    ) -> Result<(), ReadError> {
        let name = log_name(header.id.number);
        let file = self.storage.open(&name).map_err(self.io(&name, "open"))?;
        let mut segment = self.begin(header);
        if self.wrapping.is_some() {
            segment.keys = Some(self.keys(&header)?);
        }
        let mut window = Window { start: 0, bytes: Vec::new() };
        let (mut rest, closed, end) = (wanted, end.is_some(), end.unwrap_or(u64::MAX));
        while let Some(&seq) = rest.first().filter(|_| segment.end < end) {
            let sound =
                window.frame(segment.end).and_then(|bytes| FrameHeader::decode(bytes, header.id.salt));
            let Some(frame) = sound else {
                if window.start == segment.end && !window.bytes.is_empty() {
                    if !closed {
                        return Ok(());
                    }
                    let what = "the header of a batch is not what was written";
                    return Err(self.damage(&name, segment.end, segment.next_seq, what));
                }
                window.start = segment.end;
                let length = (end - segment.end).min(WINDOW as u64) as usize;
                window.bytes.resize(length.max(FRAME_HEADER_BYTES), 0);
                let count = self.storage.read_at(&file, window.start, &mut window.bytes);
                window.bytes.truncate(count.map_err(self.io(&name, "read"))?);
                if window.bytes.is_empty() {
                    return Ok(());
                }
                continue;
            };
            if frame.next_seq() > seq {
                let mut bytes = vec![0; frame.frame_bytes()];
                let count = self.storage.read_at(&file, segment.end, &mut bytes);
                bytes.truncate(count.map_err(self.io(&name, "read"))?);
                self.visit_frame(&segment, &name, &mut bytes, rest, visit)?;
                rest = rest.split_at(rest.partition_point(|&seq| seq < frame.next_seq())).1;
            }
            segment.end += frame.frame_bytes() as u64;
            segment.next_seq = frame.next_seq();
        }
        Ok(())
    }

    fn visit_frame(
        &self,
        segment: &Scan,
        name: &str,
        bytes: &mut [u8],
        wanted: &[u64],
        visit: Visit<'_>,
    ) -> Result<(), ReadError> {
        let damaged = |what: String| self.damage(name, segment.end, segment.next_seq, what);
        let (frame, _) =
            Frame::split(bytes, segment.header.id.salt).map_err(|bad| damaged(bad.to_string()))?;
        let mut picked = |record: &Record<'_>, visible: Visible| {
            if wanted.binary_search(&record.seq).is_ok() {
                visit(record, visible);
            }
        };
        self.records(segment, frame, &mut picked).map_err(|what| damaged(what.to_owned()))
    }
}

/// Some of a file's bytes.
struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// What lies at `offset`, if a frame's header may be there as a whole.
    fn frame(&self, offset: u64) -> Option<&[u8]> {
        let place = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        self.bytes.get(place..).filter(|bytes| bytes.len() >= FRAME_HEADER_BYTES)
    }
}

const _: () = assert!(WINDOW as u64 >= FRAMES_START, "a window holds a header");
