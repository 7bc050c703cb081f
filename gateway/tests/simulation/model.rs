//! What must hold, whatever happened: kept apart from the gateway, from what operators saw and what the ledger says.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use icaze_codec::frame;
use icaze_codec::pdu::{Command, Message, MessageKind, Status};
use icaze_codec::text::{self, Alphabet};

use crate::operator::Pdu;
use crate::story::Story;

/// A reply of which at least a byte has left.
pub(crate) struct Exposure {
    pub(crate) operator: usize,
    pub(crate) phone: String,
    pub(crate) text: String,
    /// What the operator said, or will say.
    pub(crate) status: Option<Status>,
    /// Whether the response may have been too late for the gateway or been lost, or what it made of it may have been.
    pub(crate) unheard: bool,
    /// It was taken for this connection no earlier.
    taken_after: Instant,
    /// In which life of the gateway it left.
    run: usize,
}

/// What left the gateway, and what the operators made of it.
#[derive(Default)]
pub(crate) struct Model {
    /// Acknowledged entries, and the operator and phone whose message each holds.
    pub(crate) acked: BTreeMap<u64, (usize, String)>,
    pub(crate) exposures: Vec<Exposure>,
    /// By connection and sequence number.
    places: HashMap<(usize, u32), usize>,
    /// The senders of the messages that each connection carried, by sequence number.
    senders: HashMap<(usize, u32), String>,
    /// What each phone has texted.
    texted: BTreeSet<(usize, String, Vec<u8>)>,
    /// How often it came again, from the phone or the operator: each time may bring one more copy of a reply.
    repeats: BTreeMap<(usize, String), usize>,
    /// The replies that were answered on each connection, until the gateway has read all that was written on it.
    answered: HashMap<usize, Vec<usize>>,
    /// How many responses and replies left.
    pub(crate) left: u64,
    /// Lives of the gateway so far.
    pub(crate) run: usize,
}

/// What one life of the gateway may send of a reply that is not refused: the reply, and `copies_max` copies.
const SENDS_MAX: usize = 4;

/// A response within this is one before the gateway's timer, which begins a little before the reply leaves.
const SOON: Duration = Duration::from_secs(5);

/// What operators took of the copies of one text.
#[derive(Default)]
struct Taken {
    copies: usize,
    /// By life of the gateway: what left and was not refused.
    sends: BTreeMap<usize, usize>,
    /// The gateway knows, and nothing has made it forget.
    known: usize,
    /// How many more copies the phone's repeated messages may bring.
    repeats: usize,
}

/// What keeps bytes in, as the disk knows it.
pub(crate) struct Held {
    pub(crate) position: u64,
    /// What was on it when a sync failed.
    pub(crate) failed_at: Option<u64>,
}

impl Model {
    /// A message comes in, again or for the first time.
    pub(crate) fn arrives(&mut self, connection: usize, sequence: u32, pdu: &Pdu) {
        self.senders.insert((connection, sequence), pdu.phone.clone());
        let fresh = self.texted.insert((pdu.operator, pdu.phone.clone(), pdu.payload.clone()));
        *self.repeats.entry((pdu.operator, pdu.phone.clone())).or_default() += usize::from(!fresh);
    }

    /// The first byte of a frame leaves the gateway.
    pub(crate) fn leaves(
        &mut self,
        connection: usize,
        operator: usize,
        bytes: &[u8],
        held: &Held,
        taken_after: Instant,
    ) -> Result<usize, String> {
        let split = frame::split(bytes, usize::MAX).map_err(|error| error.to_string())?;
        let (frame, length) = split.ok_or("half a frame may be written")?;
        match frame.header.command {
            Command::SUBMIT_SM_RESP if frame.header.status.is_ok() => {
                self.left += 1;
                let id = frame.body.split_last().map_or(&[][..], |(_, id)| id);
                let seq = std::str::from_utf8(id).ok().and_then(|id| u64::from_str_radix(id, 16).ok());
                let seq = seq.ok_or("a response without a message_id")?;
                if seq > held.position {
                    return Err(format!("entry {seq} is acked, and the disk has {}", held.position));
                }
                if held.failed_at.is_some_and(|last| seq > last) {
                    return Err(format!("entry {seq} is acked after a failed sync"));
                }
                let phone = self.senders.get(&(connection, frame.header.sequence)).cloned();
                self.acked.insert(seq, (operator, phone.ok_or("a response to nothing")?));
            }
            Command::DELIVER_SM => {
                self.left += 1;
                let message =
                    Message::decode(MessageKind::DeliverSm, frame.body).map_err(|e| e.to_string())?;
                let mut text = String::new();
                let alphabet = Alphabet::of(message.data_coding, Alphabet::Gsm7).map_err(|_| "binary")?;
                text::read(alphabet, false, message.payload, &mut text);
                let phone = String::from_utf8_lossy(message.destination.digits).into_owned();
                self.places.insert((connection, frame.header.sequence), self.exposures.len());
                self.exposures.push(Exposure {
                    operator,
                    phone,
                    text,
                    status: None,
                    unheard: false,
                    taken_after,
                    run: self.run,
                });
            }
            _ => {}
        }
        Ok(length)
    }

    pub(crate) fn replied(&mut self, connection: usize, sequence: u32, status: Option<Status>, late: bool) {
        let Some(&at) = self.places.get(&(connection, sequence)) else { return };
        let exposure = &mut self.exposures[at];
        exposure.status = status;
        exposure.unheard |= late;
        self.answered.entry(connection).or_default().push(at);
    }

    /// The gateway has read all that was written on a connection.
    pub(crate) fn heard(&mut self, connection: usize, now: Instant) {
        for at in self.answered.remove(&connection).unwrap_or_default() {
            let exposure = &mut self.exposures[at];
            exposure.unheard |= now.duration_since(exposure.taken_after) > SOON;
        }
    }

    /// A connection ends; what was not read of it never will be.
    pub(crate) fn ends(&mut self, connection: usize) {
        for at in self.answered.remove(&connection).unwrap_or_default() {
            self.exposures[at].unheard = true;
        }
    }

    /// A process dies, and what it had not synced with it.
    pub(crate) fn crashes(&mut self) {
        self.exposures.iter_mut().for_each(|exposure| exposure.unheard = true);
    }

    /// What holds whenever the ledger can be read: what was acked is there.
    pub(crate) fn check_acked(&self, story: &Story) -> Result<(), String> {
        for (seq, (operator, phone)) in &self.acked {
            let Some((name, from)) = story.sender(*seq) else {
                return Err(format!("entry {seq} was acked and holds no message"));
            };
            if name != crate::world::OPERATORS[*operator].0 || from != phone {
                return Err(format!("entry {seq} was acked for another's message"));
            }
        }
        Ok(())
    }

    /// What holds at the end, once everything has been answered or has expired.
    pub(crate) fn check_end(&self, story: &Story) -> Result<(), String> {
        self.check_acked(story)?;
        story.check_parts()?;
        story.check_marks()?;
        self.check_texts(story)?;
        self.check_given_back(story)
    }

    /// Each text that left is one of the ledger's, and the ledger's marks are what operators said.
    fn check_texts(&self, story: &Story) -> Result<(), String> {
        type Key<'a> = (&'a str, &'a str, &'a str);
        let mut taken: BTreeMap<Key<'_>, Taken> = BTreeMap::new();
        for exposure in &self.exposures {
            let name = crate::world::OPERATORS[exposure.operator].0;
            let repeats = self.repeats.get(&(exposure.operator, exposure.phone.clone()));
            let count = taken.entry((name, &exposure.phone, &exposure.text)).or_default();
            count.repeats = repeats.copied().unwrap_or_default();
            if exposure.status.is_none_or(Status::is_ok) {
                *count.sends.entry(exposure.run).or_default() += 1;
            }
            if exposure.status == Some(Status::ESME_ROK) {
                count.copies += 1;
                count.known += usize::from(!exposure.unheard);
            }
        }
        let mut told: BTreeMap<Key<'_>, (usize, usize)> = BTreeMap::new();
        for (seq, name, phone, text) in story.replies() {
            let count = told.entry((name, phone, text)).or_default();
            count.0 += story.sent(seq);
            count.1 += 1;
        }
        for (key, Taken { known, repeats, sends, .. }) in &taken {
            let Some(&(sent, decisions)) = told.get(key) else {
                return Err("a reply left that no entry of the ledger holds".to_owned());
            };
            let sends = sends.values().max().copied().unwrap_or_default();
            if sends > SENDS_MAX * (decisions + repeats) {
                return Err(format!("a reply left {sends} times in one life of the gateway"));
            }
            if *known > decisions + repeats {
                return Err(format!("{known} copies are known to be taken, of {decisions} replies"));
            }
            if *known > *repeats && sent == 0 {
                return Err(format!("{known} copies are known to be taken, and none is marked as sent"));
            }
        }
        for (key, &(sent, _)) in &told {
            let copies = taken.get(key).map_or(0, |taken| taken.copies);
            if sent > copies {
                return Err(format!("{sent} replies are marked as sent, and operators took {copies}"));
            }
        }
        Ok(())
    }

    /// An allowance came back only where no byte of any reply with the code can have been of use.
    fn check_given_back(&self, story: &Story) -> Result<(), String> {
        for (seq, code) in story.undelivered() {
            let refused = |status: Status| {
                !status.is_ok() && status != Status::ESME_RTHROTTLED && status != Status::ESME_RMSGQFUL
            };
            let carrying: Vec<_> = self.exposures.iter().filter(|e| e.text.contains(&code)).collect();
            if let Some(kept) = carrying.iter().find(|e| e.status.is_none_or(Status::is_ok)) {
                return Err(format!(
                    "the permit of entry {seq} was given back, and the operator has a reply with its code ({:?})",
                    kept.status
                ));
            }
            if !carrying.is_empty() && !carrying.iter().any(|e| e.status.is_some_and(refused)) {
                return Err(format!(
                    "the permit of entry {seq} was given back, and nobody refused its reply"
                ));
            }
        }
        Ok(())
    }

    /// Nothing that names a person stands in what may be printed.
    pub(crate) fn check_debug(&self, printed: &str, documents: &[String]) -> Result<(), String> {
        let phones: BTreeSet<_> = self.acked.values().map(|(_, phone)| phone).collect();
        let named = phones.into_iter().chain(documents).any(|personal| printed.contains(personal));
        if named { Err("something personal in a Debug".to_owned()) } else { Ok(()) }
    }
}
