//! The operator of a run of kills: its binds for as long as one life of the gateway, and what it does on them.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use icaze_codec::pdu::{BindKind, Message, Status};
use icaze_codec::text::{self, Alphabet};

use super::script::Script;
use super::witness::Witness;
use crate::connection::{Account, Connection, Incoming, Text, UDHI};
use crate::phone::Phones;
use crate::random::Random;

/// Messages of one bind that may await their responses.
const WINDOW: usize = 50;
/// A message is delivered again though it was acked only if it is one of the last so many: far within the time for which
/// the gateway knows a message as the same (`smpp.dedupe_s`). Later it is a new request, and so no fault.
const RECENT: u64 = 1000;
/// How often the binds are looked at.
const TURN: Duration = Duration::from_millis(1);
/// How long what was written before a death is read.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Who is in a run, whichever life it is in.
pub(crate) struct Operator {
    pub(crate) account: Account,
    pub(crate) phones: Phones,
    pub(crate) script: Script,
    pub(crate) witness: Witness,
    pub(crate) random: Random,
    /// New messages/s.
    pub(crate) rate: u64,
    seed: u64,
}

/// The binds of one life.
pub(crate) struct Binds(Vec<(BindKind, Connection)>);

impl Operator {
    pub(crate) fn new(account: Account, seed: u64, documents: u64, rate: u64) -> Self {
        Self {
            account,
            phones: Phones::of(seed),
            script: Script::new(seed, documents),
            witness: Witness::default(),
            random: Random::of(seed, 1),
            rate,
            seed,
        }
    }

    /// Two transceivers, or one, a transmitter and a receiver.
    pub(crate) fn bind(&mut self, target: SocketAddr) -> anyhow::Result<Binds> {
        let kinds: &[_] = if self.random.percent(50) {
            &[BindKind::Transceiver, BindKind::Transceiver]
        } else {
            &[BindKind::Transceiver, BindKind::Transmitter, BindKind::Receiver]
        };
        let mut binds = Vec::new();
        for &kind in kinds {
            binds.push((kind, Connection::bind(target, &self.account, kind, WINDOW)?));
        }
        Ok(Binds(binds))
    }

    /// Texts until `until`; whether the gateway kept every bind open.
    pub(crate) fn text(&mut self, binds: &mut Binds, until: Instant) -> bool {
        let began = Instant::now();
        let mut sent = 0;
        loop {
            let now = Instant::now();
            if now >= until {
                return true;
            }
            if !self.turn(binds) {
                return false;
            }
            let elapsed = u64::try_from(now.duration_since(began).as_millis()).unwrap_or(u64::MAX);
            while sent < elapsed.saturating_mul(self.rate) / 1000 {
                sent += 1;
                let mo = self.script.next();
                let token = self.witness.hand(mo);
                self.send(binds, token, now);
                if self.random.percent(3) {
                    self.witness.forget(token - self.random.below(RECENT.min(token + 1)));
                }
            }
            self.redeliver(binds, now);
            thread::sleep(TURN);
        }
    }

    /// Brings what is to be brought again, and takes replies, until there is nothing more to come; whether that was
    /// within `patience`.
    pub(crate) fn finish(&mut self, binds: &mut Binds, quiet: Duration, patience: Duration) -> bool {
        let began = Instant::now();
        let mut heard = (0, began);
        while began.elapsed() < patience && self.turn(binds) {
            let now = Instant::now();
            self.redeliver(binds, now);
            let replies = self.witness.replies_seen();
            if heard.0 != replies || !self.witness.has_all_acked() {
                heard = (replies, now);
            }
            if now.duration_since(heard.1) > quiet {
                return true;
            }
            thread::sleep(TURN);
        }
        false
    }

    /// Reads what the gateway wrote before it died, and puts what is without a response on the pile.
    pub(crate) fn bury(&mut self, binds: &mut Binds) {
        let began = Instant::now();
        while began.elapsed() < LAST_WORDS && binds.0.iter().any(|(_, connection)| !connection.is_closed()) {
            self.turn(binds);
            thread::sleep(TURN);
        }
        self.witness.bring_all_again();
    }

    /// Everything that can be without waiting; whether all binds are open.
    fn turn(&mut self, binds: &mut Binds) -> bool {
        let Self { witness, phones, random, seed, .. } = self;
        let mut open = true;
        for (_, connection) in &mut binds.0 {
            connection.pump();
            connection.take(Instant::now(), |incoming| {
                match incoming {
                    Incoming::Response { token, status, message_id } => match status {
                        Status::ESME_ROK => witness.acked(token, message_id),
                        Status::ESME_RTHROTTLED => {
                            witness.throttled += 1;
                            witness.bring_again(token);
                        }
                        other => witness.refused(token, other.name()),
                    },
                    Incoming::Unanswered { token } => witness.bring_again(token),
                    Incoming::Reply(message) => {
                        let Some(phone) = phones.index(message.destination.digits) else {
                            witness.impossible.push("a reply to a phone of nobody".to_owned());
                            return Status::ESME_ROK;
                        };
                        // Some phones are gone for good, some are out of reach for a while.
                        if Random::of(*seed, phone).percent(1) {
                            witness.replied(phone, read(&message));
                            return Status::ESME_RINVDSTADR;
                        }
                        if random.below(500) == 0 {
                            return Status::ESME_RX_T_APPN;
                        }
                        witness.replied(phone, read(&message));
                    }
                }
                Status::ESME_ROK
            });
            open &= !connection.is_closed();
        }
        open
    }

    fn redeliver(&mut self, binds: &mut Binds, now: Instant) {
        while binds.has_room()
            && let Some(token) = self.witness.next_again()
        {
            self.send(binds, token, now);
        }
    }

    /// Sends a message on the first transmitting bind with room, beginning behind the one it was on before.
    fn send(&mut self, binds: &mut Binds, token: u64, now: Instant) {
        let count = binds.0.len();
        let first = self.witness.bind_of(token) + 1;
        let place = (first..first + count).map(|place| place % count).find(|&place| {
            binds.0.get(place).is_some_and(|(kind, bind)| kind.transmits() && bind.window_free() > 0)
        });
        let Some(place) = place else { return self.witness.keep(token) };
        let Some((_, bind)) = binds.0.get_mut(place) else { return };
        let Some(mo) = self.witness.send(token, place) else { return };
        let text = Text {
            from: &self.phones.digits(mo.phone),
            to: self.account.to.as_bytes(),
            esm_class: mo.esm_class,
            data_coding: mo.data_coding,
            payload: &mo.payload,
        };
        if bind.text(&text, token, now).is_err() {
            self.witness.bring_again(token);
        }
    }
}

impl Binds {
    fn has_room(&self) -> bool {
        self.0.iter().any(|(kind, bind)| kind.transmits() && bind.window_free() > 0)
    }
}

fn read(message: &Message<'_>) -> String {
    let mut body = String::new();
    if let Ok(alphabet) = Alphabet::of(message.data_coding, Alphabet::Gsm7) {
        text::read(alphabet, message.esm_class & UDHI != 0, message.payload, &mut body);
    }
    body
}
