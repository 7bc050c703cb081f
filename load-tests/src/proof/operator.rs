//! The operator of a run: its binds to one gateway or several, and what it does on them.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use icaze_codec::pdu::{BindKind, Message, Status};
use icaze_codec::text::{self, Alphabet};

use super::script::{Mo, Script};
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
pub(crate) const TURN: Duration = Duration::from_millis(1);
/// How long what was written before a death is read.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Who is in a run, whichever lives the gateways are in.
pub(crate) struct Operator {
    pub(crate) account: Account,
    pub(crate) phones: Phones,
    pub(crate) script: Script,
    pub(crate) witness: Witness,
    pub(crate) random: Random,
    /// New messages/s.
    pub(crate) rate: u64,
    /// One phone in so many is out of reach for a while. The gateway takes that for a wish to slow down.
    out_of_reach: u64,
    seed: u64,
}

/// The binds that are open, or were when they were last looked at.
#[derive(Default)]
pub(crate) struct Binds(Vec<Bind>);

struct Bind {
    /// Which gateway it is to.
    gateway: u8,
    kind: BindKind,
    connection: Connection,
}

impl Operator {
    pub(crate) fn new(account: Account, seed: u64, documents: u64, rate: u64, out_of_reach: u64) -> Self {
        Self {
            account,
            phones: Phones::of(seed),
            script: Script::new(seed, documents),
            witness: Witness::default(),
            random: Random::of(seed, 1),
            rate,
            out_of_reach,
            seed,
        }
    }

    /// One more bind to a gateway.
    pub(crate) fn bind(
        &self,
        binds: &mut Binds,
        gateway: u8,
        target: SocketAddr,
        kind: BindKind,
    ) -> anyhow::Result<()> {
        let connection = Connection::bind(target, &self.account, kind, WINDOW)?;
        binds.0.push(Bind { gateway, kind, connection });
        Ok(())
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
            self.hand_over(binds, began, &mut sent, now);
            self.redeliver(binds, now);
            thread::sleep(TURN);
        }
    }

    /// Sends the new messages that are due at `now`, where `sent` were since `began`.
    pub(crate) fn hand_over(&mut self, binds: &mut Binds, began: Instant, sent: &mut u64, now: Instant) {
        let elapsed = u64::try_from(now.duration_since(began).as_millis()).unwrap_or(u64::MAX);
        while *sent < elapsed.saturating_mul(self.rate) / 1000 {
            *sent += 1;
            let mo = self.script.next();
            let token = self.hand(binds, mo, now);
            if self.random.percent(3) {
                self.witness.forget(token - self.random.below(RECENT.min(token + 1)));
            }
        }
    }

    fn hand(&mut self, binds: &mut Binds, mo: Mo, now: Instant) -> u64 {
        let bind = self.random.below(binds.0.len() as u64);
        let token = self.witness.hand(mo, usize::try_from(bind).unwrap_or_default(), now);
        self.send(binds, token, now);
        token
    }

    /// Hands over what a text in parts still lacks.
    pub(crate) fn complete(&mut self, binds: &mut Binds, now: Instant) {
        while let Some(mo) = self.script.rest() {
            self.hand(binds, mo, now);
        }
    }

    /// Hands over what a text in parts still lacks, brings what is to be brought again, and takes replies, until there is
    /// nothing more to come; whether that was within `patience`.
    pub(crate) fn finish(&mut self, binds: &mut Binds, quiet: Duration, patience: Duration) -> bool {
        let began = Instant::now();
        let mut heard = Heard { replies: 0, at: began };
        self.complete(binds, began);
        while began.elapsed() < patience && self.turn(binds) {
            let now = Instant::now();
            self.redeliver(binds, now);
            if heard.nothing_for(quiet, &self.witness, now) {
                return true;
            }
            thread::sleep(TURN);
        }
        false
    }

    /// Reads what the gateway wrote before it died, and puts what is without a response on the pile.
    pub(crate) fn bury(&mut self, binds: &mut Binds) {
        let began = Instant::now();
        while began.elapsed() < LAST_WORDS && binds.0.iter().any(|bind| !bind.connection.is_closed()) {
            self.turn(binds);
            thread::sleep(TURN);
        }
        self.witness.bring_all_again();
    }

    /// Everything that can be without waiting; whether all binds are open.
    pub(crate) fn turn(&mut self, binds: &mut Binds) -> bool {
        let Self { witness, phones, random, seed, out_of_reach, .. } = self;
        let mut open = true;
        for Bind { gateway, connection, .. } in &mut binds.0 {
            let now = Instant::now();
            connection.pump();
            connection.take(now, |incoming| {
                match incoming {
                    Incoming::Response { token, status, message_id } => match status {
                        Status::ESME_ROK => witness.acked(token, *gateway, message_id, now),
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
                            witness.replied(phone, read(&message), now);
                            return Status::ESME_RINVDSTADR;
                        }
                        if random.below(*out_of_reach) == 0 {
                            return Status::ESME_RX_T_APPN;
                        }
                        witness.replied(phone, read(&message), now);
                    }
                }
                Status::ESME_ROK
            });
            open &= !connection.is_closed();
        }
        open
    }

    /// Sends what is to be brought again, as far as there is room.
    pub(crate) fn redeliver(&mut self, binds: &mut Binds, now: Instant) {
        while binds.has_room()
            && let Some(token) = self.witness.next_again()
        {
            self.send(binds, token, now);
        }
    }

    /// Sends a message on the first transmitting bind with room, beginning behind the one it was on before. The parts of one
    /// text begin at the same one: nobody else can put them together.
    fn send(&mut self, binds: &mut Binds, token: u64, now: Instant) {
        let count = binds.0.len();
        let Some((mo, last)) = self.witness.last(token) else { return };
        let by_phone = usize::try_from(mo.phone).unwrap_or_default();
        let first = if mo.esm_class & UDHI != 0 { by_phone } else { last + 1 };
        let place = (0..count)
            .map(|step| (first + step) % count)
            .find(|&place| binds.0.get(place).is_some_and(Bind::has_room));
        let Some(place) = place else { return self.witness.keep(token) };
        let Some(Bind { connection: bind, .. }) = binds.0.get_mut(place) else { return };
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

/// When something last happened.
pub(crate) struct Heard {
    pub(crate) replies: u64,
    pub(crate) at: Instant,
}

impl Heard {
    /// Whether all is acknowledged, and no reply has come for so long.
    pub(crate) fn nothing_for(&mut self, quiet: Duration, witness: &Witness, now: Instant) -> bool {
        let replies = witness.replies_seen();
        if self.replies != replies || !witness.has_all_acked() {
            *self = Self { replies, at: now };
        }
        now.duration_since(self.at) > quiet
    }
}

impl Bind {
    fn has_room(&self) -> bool {
        self.kind.transmits() && !self.connection.is_closed() && self.connection.window_free() > 0
    }
}

impl Binds {
    fn has_room(&self) -> bool {
        self.0.iter().any(Bind::has_room)
    }

    /// Ends those to a gateway as a broken network does.
    pub(crate) fn cut(&mut self, gateway: u8) {
        self.0.iter_mut().filter(|bind| bind.gateway == gateway).for_each(|bind| bind.connection.reset());
    }

    /// Lets those go that have ended, once [`Operator::turn`] has taken what came before.
    pub(crate) fn sweep(&mut self) {
        self.0.retain(|bind| !bind.connection.is_closed());
    }

    /// How many there are to a gateway.
    pub(crate) fn to(&self, gateway: u8) -> usize {
        self.0.iter().filter(|bind| bind.gateway == gateway).count()
    }
}

fn read(message: &Message<'_>) -> String {
    let mut body = String::new();
    if let Ok(alphabet) = Alphabet::of(message.data_coding, Alphabet::Gsm7) {
        text::read(alphabet, message.esm_class & UDHI != 0, message.payload, &mut body);
    }
    body
}
