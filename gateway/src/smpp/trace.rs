//! PDUs of one operator as they pass, for whoever looks for what goes wrong. Nothing is kept while nobody looks.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use icaze_codec::frame;
use icaze_codec::pdu::{Address, Message, Pdu};
use icaze_codec::text::{self, Alphabet};
use jiff::Timestamp;

use crate::clock::Now;

/// PDUs that wait to be looked at, at most; later ones are counted only. Some 2 MiB.
const KEPT_MAX: usize = 10_000;
/// Whoever looks comes again within this.
const ATTENTION: Duration = Duration::from_secs(5);
/// No frame is longer.
const FRAME_MAX: usize = 70_000;

/// A PDU that has passed.
#[derive(Debug, Clone)]
pub struct Traced {
    /// When.
    pub at: Timestamp,
    /// The bind's number among the operator's.
    pub bind: usize,
    /// Whether it was ours.
    pub sent: bool,
    /// All of it.
    pdu: Vec<u8>,
}

/// What was traced since the last look.
#[derive(Debug)]
pub struct Look {
    /// Who looks: to be named at the next look.
    pub viewer: u64,
    /// Numbers and texts are shown.
    pub shows: bool,
    /// The PDUs, in the order they passed.
    pub pdus: Vec<Traced>,
    /// How many more there was no room for.
    pub lost: u64,
    /// The trace begins, and it should be noted that somebody looks.
    pub begins: bool,
}

/// One operator's PDUs, as long as somebody looks.
#[derive(Debug, Default)]
pub struct Traces {
    /// The operator's id and one; 0: none.
    watched: AtomicU32,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The last who began; earlier ones see nothing more.
    viewer: u64,
    until: Option<Instant>,
    shows: bool,
    pdus: VecDeque<Traced>,
    lost: u64,
}

impl Traces {
    /// What has passed since the viewer's last look. A look without a viewer begins a trace, in place of any other; one that is
    /// not followed by another in time ends it. `None`: somebody else has begun one.
    pub fn look(&self, operator: u16, viewer: Option<u64>, shows: bool, now: Now) -> Option<Look> {
        let mut kept = self.kept();
        if viewer.is_some_and(|viewer| viewer != kept.viewer) {
            return None;
        }
        let ended = kept.until.is_none_or(|until| now.monotonic >= until);
        let begins = viewer.is_none() || ended;
        if begins {
            *kept = Kept { viewer: kept.viewer + 1, shows, ..Kept::default() };
            self.watched.store(u32::from(operator) + 1, Ordering::Relaxed);
        }
        kept.until = Some(now.monotonic + ATTENTION);
        let (pdus, lost) = (kept.pdus.drain(..).collect(), std::mem::take(&mut kept.lost));
        Some(Look { viewer: kept.viewer, shows: kept.shows, pdus, lost, begins })
    }

    /// Whether somebody looks at `operator`.
    #[must_use]
    pub fn watches(&self, operator: u16) -> bool {
        self.watched.load(Ordering::Relaxed) == u32::from(operator) + 1
    }

    fn keep(&self, traced: Traced, now: Instant) {
        let mut kept = self.kept();
        if kept.until.is_none_or(|until| now >= until) {
            *kept = Kept { viewer: kept.viewer, ..Kept::default() };
            self.watched.store(0, Ordering::Relaxed);
        } else if kept.pdus.len() < KEPT_MAX {
            kept.pdus.push_back(traced);
        } else {
            kept.lost += 1;
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's bytes on their way into the trace: those from the first PDU on that begins while somebody looks.
#[derive(Debug, Default)]
pub struct Tap {
    received: Stream,
    sent: Stream,
}

#[derive(Debug, Default)]
struct Stream {
    /// Where the next PDU begins is known.
    begun: bool,
    bytes: Vec<u8>,
}

impl Tap {
    /// Nobody looks any more.
    pub fn clear(&mut self) {
        if self.received.begun || self.sent.begun {
            *self = Self::default();
        }
    }

    /// Bytes were received; `between`: the first of them begins a PDU, as far as is known.
    pub fn received(&mut self, traces: &Traces, bind: usize, bytes: &[u8], between: bool, now: Now) {
        self.received.begun |= between;
        self.received.pass(traces, bind, false, bytes, now);
    }

    /// The same of bytes that were sent.
    pub fn sent(&mut self, traces: &Traces, bind: usize, bytes: &[u8], between: bool, now: Now) {
        self.sent.begun |= between;
        self.sent.pass(traces, bind, true, bytes, now);
    }
}

impl Stream {
    fn pass(&mut self, traces: &Traces, bind: usize, sent: bool, bytes: &[u8], now: Now) {
        if !self.begun {
            return;
        }
        self.bytes.extend_from_slice(bytes);
        loop {
            let length = match frame::split(&self.bytes, FRAME_MAX) {
                Ok(Some((_, length))) => length,
                Ok(None) => return,
                // The session ends because of it.
                Err(_) => return self.bytes.clear(),
            };
            let pdu = self.bytes.drain(..length).collect();
            traces.keep(Traced { at: now.wall, bind, sent, pdu }, now.monotonic);
        }
    }
}

impl Traced {
    /// The PDU in one line. Numbers are shortened and texts counted, unless they are to be shown.
    #[must_use]
    pub fn describe(&self, shows: bool) -> String {
        let way = if self.sent { "->" } else { "<-" };
        let mut line = format!("{} bind {} {way} ", self.at, self.bind);
        let Ok(Some((frame, _))) = frame::split(&self.pdu, FRAME_MAX) else { return line };
        let header = frame.header;
        let _ = write!(line, "{} {}", header.command.name(), header.sequence);
        if header.command.is_response() {
            let _ = write!(line, " {}", header.status.name());
        }
        match Pdu::decode(header.command, frame.body) {
            Ok(Pdu::Message(message)) => describe_message(&mut line, &message, shows),
            Ok(Pdu::MessageResp(response)) if !response.message_id.is_empty() => {
                let _ = write!(line, " message_id {}", String::from_utf8_lossy(response.message_id));
            }
            Ok(_) => {}
            Err(malformed) => {
                let _ = write!(line, " malformed: {malformed}");
            }
        }
        line
    }
}

fn describe_message(line: &mut String, message: &Message<'_>, shows: bool) {
    let (from, to) = (number(&message.source, shows), number(&message.destination, shows));
    let (class, coding, octets) = (message.esm_class, message.data_coding, message.payload.len());
    let _ =
        write!(line, " {from} to {to}, esm_class {class:#04x}, data_coding {coding:#04x}, {octets} octets");
    if shows {
        let mut words = String::new();
        if let Ok(alphabet) = Alphabet::of(coding, Alphabet::Gsm7) {
            text::read(alphabet, class & 0x40 != 0, message.payload, &mut words);
        }
        let _ = write!(line, ": {words:?}");
    }
}

/// A subscriber's number without its middle; short ones are services'.
fn number(address: &Address<'_>, shows: bool) -> String {
    let digits = String::from_utf8_lossy(address.digits);
    let characters: Vec<char> = digits.chars().collect();
    match characters.as_slice() {
        [a, b, c, middle @ .., y, z] if !shows && middle.len() > 2 => {
            format!("{a}{b}{c}{}{y}{z}", "*".repeat(middle.len()))
        }
        _ => digits.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENQUIRE_LINK: [u8; 16] = [0, 0, 0, 16, 0, 0, 0, 0x15, 0, 0, 0, 0, 0, 0, 0, 7];

    fn submit() -> Vec<u8> {
        let body = b"\0\x01\x01994501234567\0\0\x018103\0\0\0\0\0\0\0\0\0\0\x052 AZE";
        let length = u32::try_from(16 + body.len()).unwrap();
        [&length.to_be_bytes()[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 9], body].concat()
    }

    fn now(seconds: u64) -> Now {
        static ORIGIN: std::sync::LazyLock<Now> = std::sync::LazyLock::new(Now::read);
        Now { monotonic: ORIGIN.monotonic + Duration::from_secs(seconds), ..*ORIGIN }
    }

    #[test]
    fn pdus_are_found_in_whatever_pieces_they_pass_from_the_first_whole_one_on() {
        let (traces, mut tap) = (Traces::default(), Tap::default());
        assert!(!traces.watches(3));
        let look = traces.look(3, None, false, now(0)).unwrap();
        assert!(look.begins && traces.watches(3));
        tap.received(&traces, 1, &ENQUIRE_LINK[4..], false, now(1));
        let bytes = [&submit()[..], &ENQUIRE_LINK].concat();
        for (index, piece) in bytes.chunks(7).enumerate() {
            tap.received(&traces, 1, piece, index == 0, now(1));
        }
        tap.sent(&traces, 1, &ENQUIRE_LINK[4..], false, now(1));
        tap.sent(&traces, 1, &ENQUIRE_LINK, true, now(1));
        let seen = traces.look(3, Some(look.viewer), false, now(2)).unwrap();
        let commands: Vec<u8> = seen.pdus.iter().map(|traced| traced.pdu[7]).collect();
        assert_eq!((commands, seen.lost, seen.begins), (vec![4, 0x15, 0x15], 0, false));
    }

    #[test]
    fn the_last_who_began_sees_what_passes_and_a_trace_ends_unless_they_come_again() {
        let (traces, mut tap) = (Traces::default(), Tap::default());
        let first = traces.look(3, None, false, now(0)).unwrap().viewer;
        let second = traces.look(4, None, true, now(1)).unwrap();
        assert!(second.begins && second.shows && traces.watches(4) && !traces.watches(3));
        assert!(traces.look(3, Some(first), false, now(2)).is_none());
        let second = Some(second.viewer);
        tap.received(&traces, 1, &ENQUIRE_LINK, true, now(2));
        let seen = traces.look(4, second, true, now(2)).unwrap();
        assert_eq!((seen.pdus.len(), seen.begins), (1, false));
        tap.received(&traces, 1, &ENQUIRE_LINK, true, now(3));
        let late = traces.look(4, second, true, now(20)).unwrap();
        assert!(late.pdus.is_empty() && late.begins && late.shows, "what nobody came for is gone");
        tap.received(&traces, 1, &ENQUIRE_LINK, true, now(26));
        assert!(!traces.watches(4), "nobody came again");
        assert!(traces.look(4, Some(late.viewer), true, now(27)).unwrap().begins);
    }

    #[test]
    fn more_than_is_looked_at_is_counted() {
        let (traces, mut tap) = (Traces::default(), Tap::default());
        let viewer = traces.look(0, None, false, now(0)).unwrap().viewer;
        (0..KEPT_MAX + 5).for_each(|_| tap.received(&traces, 1, &ENQUIRE_LINK, true, now(1)));
        let seen = traces.look(0, Some(viewer), false, now(1)).unwrap();
        assert_eq!((seen.pdus.len(), seen.lost), (KEPT_MAX, 5));
    }

    #[test]
    fn numbers_and_texts_are_shown_to_whoever_asks_for_them_only() {
        let traced = Traced { at: now(0).wall, bind: 2, sent: false, pdu: submit() };
        let hidden = traced.describe(false);
        assert!(hidden.contains("bind 2 <- submit_sm 9 994*******67 to 8103"), "{hidden}");
        assert!(hidden.ends_with("5 octets") && !hidden.contains("AZE"), "{hidden}");
        let shown = traced.describe(true);
        assert!(shown.contains("994501234567") && shown.ends_with("\"2 AZE\""), "{shown}");
    }
}
