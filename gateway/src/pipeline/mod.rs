//! What is decided about messages, in which order, and what is remembered of it.
//!
//! One [`Pipeline`] sees every message of the node, a batch at a time: the same request, the phone's limit, the parts
//! of a long text, the decision, its entry in the open ledger batch, the reply. It does no I/O and reads no clock.
//! Everything it remembers is made from ledger entries by `apply`, at start and while running alike.

mod apply;
pub mod checkpoint;
pub mod codes;
mod decide;
mod fifo;
mod generation;
mod guesses;
pub mod handover;
pub mod intake;
mod landmarks;
pub mod limits;
mod operators;
pub mod outbox;
pub mod pace;
pub mod parts;
pub mod permits;
pub mod questions;
pub mod requests;
mod sending;
mod settings;
pub mod shared;
pub mod stats;

use std::borrow::Cow;
use std::hint;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use icaze_config::gateway::Config;
use icaze_store::ledger::{Batch, Entry, Full, Mark};
use icaze_store::register::Register;
use icaze_store::{Msisdn, UsageTable};
use jiff::Timestamp;

use self::codes::Codes;
use self::decide::Whole;
use self::guesses::Guesses;
use self::handover::Handover;
use self::intake::{Content, Intake, Message};
use self::landmarks::{Landmark, Landmarks};
use self::limits::{Allowed, Limits};
use self::outbox::{Agreed, Outbox, Settled};
use self::pace::Pace;
use self::parts::{MessageKey, Parts};
use self::permits::{Holder, Number, Permit, Permits};
use self::questions::{Meaning, Questions};
use self::requests::Requests;
pub use self::settings::{Numbering, Probe, Settings};
use self::shared::Shared;
use self::stats::Stats;
use crate::clock::{ClockWatch, Now};
use crate::permit::answer::Writer;
use crate::permit::code::{Code, CodeKey};
use crate::permit::moment::Moment;
use crate::permit::read::read;
use crate::world::World;

/// Replies that one entry marks, at most: an entry has to fit a batch, however many replies expire at once.
const MARKED_MAX: usize = 100;

/// What the pipeline knows of an operator. Its index is the operator's id.
#[derive(Debug, Clone)]
pub struct Operator {
    /// Its name in configuration, ledger and metrics.
    pub name: Arc<str>,
    /// Messages/s that were agreed; 0 is unlimited.
    pub rate_in: u32,
    /// Replies/s that were agreed; 0 is unlimited.
    pub rate_out: u32,
    /// Copies of a reply that it does not answer, at most.
    pub copies_max: u8,
    /// Whether its replies are always in Latin letters.
    pub latin: bool,
    /// How many of its binds receive now.
    pub receivers: usize,
    /// The entry that says so; `None` while it has not found room.
    pub receiver_entry: Option<u64>,
}

/// What happened to one message: its response may say so once entry `seq` is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The entry that holds it; its message_id is made from it.
    pub seq: u64,
}

/// A permit was revoked: what its phone was told before is no answer any more.
#[derive(Debug, Clone, Copy)]
struct Revocation {
    /// The entry that says so.
    seq: u64,
    at: Timestamp,
    phone: Msisdn,
}

/// The node's memory, and the open batch of its ledger.
pub struct Pipeline {
    settings: Settings,
    operators: Vec<Operator>,
    /// By operator: what it may still send in this second.
    intake: Vec<Pace>,
    codes: Codes,
    open: Batch,
    /// Whether the open batch holds something that a response waits for.
    urgent: bool,
    /// Whether the ledger has room for more than has been promised.
    room: bool,
    clock: ClockWatch,
    /// Whether the wall clock could be trusted when it was last read.
    clock_is_sound: bool,
    /// Whether the node is about to stop: what is decided is sent, nothing more is decided.
    draining: bool,
    /// The ledger's time: never goes back.
    time: Timestamp,
    requests: Requests,
    limits: Limits,
    guesses: Guesses,
    questions: Questions,
    parts: Parts,
    permits: Permits,
    /// Those of which a request may still be remembered.
    revocations: Vec<Revocation>,
    /// The history has every entry up to this one: what has ended need not be kept here.
    covered: u64,
    outbox: Outbox,
    usage: UsageTable,
    /// The allowances and the permits hold every entry up to this one already, from a checkpoint.
    counted: u64,
    /// Where among the permits from the checkpoint the next one that is replayed should be.
    restored: Number,
    landmarks: Landmarks,
    /// Settled replies whose marks are not in the ledger yet.
    marks: Vec<Settled>,
    stats: Stats,
    /// What is shared with other nodes; `None` if nothing is.
    shared: Option<Shared>,
    handover: Handover,
    /// Numbers that binds have been given.
    binds: u32,
    writer: Writer,
    /// The text being written.
    reply: String,
    started: Instant,
}

impl Operator {
    /// The operators of `config`, in the order of their ids.
    #[must_use]
    pub fn of(config: &Config) -> Vec<Self> {
        let operators = config.operators.iter().map(|(name, operator)| Self {
            name: name.as_str().into(),
            rate_in: operator.rate_in.unwrap_or(0),
            rate_out: operator.rate_out.unwrap_or(0),
            copies_max: operator.copies_max,
            latin: operator.latin,
            receivers: 0,
            receiver_entry: None,
        });
        operators.collect()
    }

    /// What is agreed about its replies.
    fn replies(&self) -> Agreed {
        Agreed { rate: self.rate_out, copies_max: self.copies_max }
    }
}

impl Pipeline {
    /// A pipeline without memory, before the ledger has been replayed into it.
    ///
    /// # Errors
    /// If the system has no address space for its tables.
    pub fn new(settings: Settings, operators: Vec<Operator>, codes: Codes, now: Now) -> io::Result<Self> {
        let agreed = operators.iter().map(Operator::replies);
        let intake = operators.iter().map(|operator| Pace::new(operator.rate_in, now.monotonic)).collect();
        Ok(Self {
            intake,
            codes,
            open: Batch::default(),
            urgent: false,
            room: true,
            clock: ClockWatch::new(now),
            clock_is_sound: true,
            draining: false,
            time: Timestamp::MIN,
            requests: Requests::new(settings.dedupe, settings.requests_max)?,
            limits: Limits::new(settings.phone)?,
            guesses: Guesses::new(settings.guesses),
            questions: Questions::new(settings.ask, settings.dedupe, settings.questions_max),
            parts: Parts::new(settings.parts_timeout, settings.parts_keep, settings.parts_max),
            permits: Permits::default(),
            revocations: Vec::new(),
            covered: u64::MAX,
            outbox: Outbox::new(
                agreed,
                settings.lifetime,
                settings.response,
                settings.waiting_max,
                now.monotonic,
            ),
            usage: UsageTable::default(),
            counted: 0,
            restored: 0,
            landmarks: Landmarks::new(Landmark { seq: 1, receivers: Vec::new() }),
            marks: Vec::new(),
            stats: Stats::default(),
            shared: None,
            handover: Handover::default(),
            binds: 0,
            writer: Writer::default(),
            reply: String::new(),
            started: now.monotonic,
            settings,
            operators,
        })
    }

    /// Takes the memory of its tables, and that for what the people of the register use, before the first message rather than with it.
    pub fn populate(&mut self, register: &Register) {
        self.usage.reserve(register.some_persons());
        self.requests.populate();
        self.limits.populate();
    }

    /// Takes every message of one read: for each, in order, its entry or [`Full`], which asks the sender to come again.
    pub fn receive(
        &mut self,
        operator: u16,
        intake: &Intake,
        world: &World,
        now: Now,
        mut answer: impl FnMut(Result<Accepted, Full>),
    ) {
        let wall = self.advance(now);
        // A permit that ended with its reply must not be told to whoever asks again.
        self.write_marks();
        let moment = world.moment(wall);
        self.touch(intake);
        for message in intake.iter() {
            let agreed =
                self.intake.get_mut(usize::from(operator)).is_none_or(|pace| pace.take(now.monotonic));
            let accepted = if agreed { self.message(operator, &message, world, &moment) } else { Err(Full) };
            answer(accepted);
        }
    }

    /// Reads what the messages' decisions will read, one message beside the other: none waits for what another one's reading
    /// brings, so that the processor has them all under way at once. Each table in a loop of its own, which does nothing else:
    /// so more of them fit into what the processor looks ahead.
    fn touch(&self, intake: &Intake) {
        let requests = intake.identities().fold(0, |read, identity| read ^ self.requests.touch(identity));
        let limits = intake.phones().fold(0, |read, phone| read ^ self.limits.touch(phone));
        let questions = intake.phones().fold(0, |read, phone| read ^ self.questions.touch(phone));
        let usage = intake.persons().fold(0, |read, person| read ^ self.usage.touch(person));
        hint::black_box((requests, limits, questions, usage));
    }

    fn message(
        &mut self,
        operator: u16,
        message: &Message<'_>,
        world: &World,
        moment: &Moment<'_>,
    ) -> Result<Accepted, Full> {
        let ready = self.room && self.clock_is_sound && !self.draining && self.marks.is_empty();
        if !ready || self.outbox.is_full(operator) {
            return Err(Full);
        }
        if let Content::Part(part) = message.content
            && let Some(key) = MessageKey::of(operator, message, part)
        {
            return self.part(message, key, part.number, world, moment);
        }
        let content = match message.content {
            Content::Unread => Content::Text(read(message.text, &world.names)),
            read => read,
        };
        let message = &Message { content, ..*message };
        let meaning = self.meaning(message.phone, &message.reading());
        match self.again(message, &meaning) {
            Some(accepted) => Ok(accepted),
            None => self.decide(operator, message, meaning, Whole::default(), world, moment),
        }
    }

    /// A part of a text: a redelivery, the last one missing, or one that waits for others.
    fn part(
        &mut self,
        message: &Message<'_>,
        key: MessageKey,
        number: u8,
        world: &World,
        moment: &Moment<'_>,
    ) -> Result<Accepted, Full> {
        if let Some(seq) = self.found_before(key.phone, message.identity) {
            // Some telephones give all texts one reference: where the text that this part made is
            // decided, the same first part may begin another one. The same later part completes none,
            // because it may be a redelivery, and would make a document that nobody wrote.
            let begins = number == 1;
            let repeats = self.parts.repeats(&key, number, message.text);
            let redelivered = (self.parts.holds(&key, seq) && !repeats) || !begins;
            let meaning = self.meaning(message.phone, &message.reading());
            if redelivered && let Some(accepted) = self.again(message, &meaning) {
                return Ok(accepted);
            }
        }
        if let Some(displaced) = self.parts.displaced(&key) {
            self.decide_incomplete(&displaced, world, moment)?;
        }
        let siblings = self.parts.complete(&key, number);
        let siblings = siblings.filter(|siblings| siblings.help.is_none_or(|help| !help.overtaken));
        match siblings {
            None => self.keep_part(message, key, number),
            Some(siblings) => self.decide_joined(message, key, number, siblings, world, moment),
        }
    }

    /// The same request once more: answered with what was decided, within the phone's limit.
    fn again(&mut self, message: &Message<'_>, meaning: &Meaning) -> Option<Accepted> {
        let seq = self.decided_before(message, meaning)?;
        // A part that came again cannot be decided anew by itself: its siblings are not coming.
        let part = matches!(message.content, Content::Part(_));
        let allowed = message.phone.map_or(Allowed::Silent, |phone| self.limits.peek(phone, self.time));
        let asks_anew = message.phone.is_some_and(|phone| self.questions.is_asked_anew(phone, seq, meaning));
        let told_of_revoked =
            |revocation: &Revocation| message.phone == Some(revocation.phone) && seq < revocation.seq;
        let answers = match allowed {
            Allowed::Notice(_) => part,
            Allowed::Yes if self.revocations.iter().any(told_of_revoked) => part,
            // What it asked is answered, or it asked nothing: the same text asks anew.
            Allowed::Yes if asks_anew => part,
            Allowed::Yes if self.outbox.has(seq) => {
                let reopened = self.outbox.reopen(seq, self.time);
                if let Some(phone) = message.phone.filter(|_| reopened) {
                    self.limits.count(phone, self.open.last_seq(), self.time);
                }
                reopened || part
            }
            Allowed::Silent | Allowed::Yes => true,
        };
        answers.then_some(Accepted { seq })
    }

    /// What waits for nobody: parts and replies whose time has passed, marks, and what may be forgotten. Called at
    /// least every second.
    pub fn tick(&mut self, world: &World, now: Now) {
        let wall = self.advance(now);
        let moment = world.moment(wall);
        while self.room
            && !self.draining
            && let Some(incomplete) = self.parts.expire(wall)
        {
            if self.decide_incomplete(&incomplete, world, &moment).is_err() {
                self.parts.restore(&incomplete, wall);
                break;
            }
        }
        self.expire(wall);
        self.forget();
        self.write_marks();
        self.pass_landmark(self.open.last_seq() + 1);
    }

    /// A batch to take the open one's content.
    #[must_use]
    pub fn spare_batch(&self) -> Batch {
        self.open.spare()
    }

    /// Hands what has been appended to the committer.
    pub fn take_batch(&mut self, spare: &mut Batch) {
        self.write_marks();
        self.open.take_into(spare);
        self.urgent = false;
    }

    /// Whether a response waits for the open batch to be committed.
    #[must_use]
    pub fn wants_commit(&self) -> bool {
        self.urgent
    }

    /// Whether the ledger has room; without it every message is asked to come again.
    pub fn set_room(&mut self, room: bool) {
        self.room = room;
    }

    /// Whether the wall clock can be trusted; while it cannot, every message is asked to come again.
    #[must_use]
    pub fn clock_is_sound(&self) -> bool {
        self.clock_is_sound
    }

    /// Decides nothing more: messages are asked to come again, and parts wait for the next start.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Ends the permit with this code now. The entry that says so, or `None` if no such permit stands or will stand. A reply that
    /// waits to be sent is sent all the same; whoever texts again is decided anew.
    ///
    /// # Errors
    /// [`Full`] if the ledger has no room for it now.
    pub fn revoke(&mut self, code: Code, now: Now) -> Result<Option<u64>, Full> {
        let time = self.advance(now);
        let permit = self.permit_by_code(code);
        let Some(permit) = permit.filter(|it| it.ended.is_none() && it.interval.end > time) else {
            return Ok(None);
        };
        if !self.room {
            return Err(Full);
        }
        let entry = Entry::Revocation(permit.seq);
        let seq = self.open.append(time, time, &entry)?;
        self.urgent = true;
        self.apply(seq, time, &entry);
        Ok(Some(seq))
    }

    /// Everything in flight has ended: the ledger can be closed in order.
    pub fn stop(&mut self) {
        self.write_marks();
        let _ = self.open.append(self.time, self.time, &Entry::Stop);
    }

    /// Begins a run, once the ledger has been replayed; `open` is its open batch.
    pub fn start(&mut self, open: Batch, now: Now) {
        self.open = open;
        let wall = self.advance(now);
        for operator in &mut self.operators {
            operator.receivers = 0;
        }
        let _ = self.open.append(wall, wall, &Entry::Start);
    }

    /// Counts since the start.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The replies.
    #[must_use]
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// What phones were asked.
    #[must_use]
    pub fn questions(&self) -> &Questions {
        &self.questions
    }

    /// The permits that stand or ended lately.
    #[must_use]
    pub fn permits(&self) -> &Permits {
        &self.permits
    }

    /// The permit of `holder` that has not ended at `now`.
    #[must_use]
    pub fn standing(&self, holder: Holder, now: Timestamp) -> Option<Permit> {
        self.permits.standing(holder, self.usage.newest(holder.0), now)
    }

    /// The permits of `person` that stand or ended lately, newest first.
    pub fn permits_of(&self, person: u32) -> impl Iterator<Item = Permit> {
        self.permits.of_person(person, self.usage.newest(person))
    }

    /// The permit with this code, if it stands or ended lately.
    #[must_use]
    pub fn permit_by_code(&self, code: Code) -> Option<Permit> {
        let first = Code::from_u64(self.permits.oldest()?.code)?;
        let (first, counter) = (self.codes.counter(first)?, self.codes.counter(code)?);
        // Every counter is one permit, and they come round.
        let places = counter.wrapping_sub(first) % CodeKey::COUNTER_END;
        let permit = self.permits.get(self.permits.first() + u64::from(places))?;
        (permit.code == code.as_u64()).then_some(permit)
    }

    /// The history has every entry up to `covered`.
    pub fn set_covered(&mut self, covered: u64) {
        self.covered = covered;
    }

    /// What each person has used.
    #[must_use]
    pub fn usage(&self) -> &UsageTable {
        &self.usage
    }

    /// The operators, by id.
    #[must_use]
    pub fn operators(&self) -> &[Operator] {
        &self.operators
    }

    /// The ledger's time: the wall clock's, but never going back.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The last entry that was appended.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.open.last_seq()
    }

    fn expire(&mut self, now: Timestamp) {
        while let Some(settled) = self.outbox.expire(now) {
            self.settled(Some(settled));
        }
    }

    /// Forgets what its time has passed for.
    fn forget(&mut self) {
        self.permits.forget(self.time, self.covered);
        self.guesses.forget(self.time);
        // Requests are remembered for up to two generations.
        let remembered = self.time - self.settings.dedupe * 2;
        self.revocations.retain(|revocation| revocation.at > remembered);
    }

    /// The ledger's time at `now`: where the clock went back, the latest it has been; while it is not trusted, the latest that
    /// was. Each reading is checked, so that not one decision is made at the time of a clock that was stepped.
    fn advance(&mut self, now: Now) -> Timestamp {
        self.clock_is_sound = self.clock.check(now);
        if self.clock_is_sound {
            self.time = self.time.max(now.wall);
        }
        self.time
    }

    /// Writes down what became of replies, those of a kind together. What finds no room stays for the next time.
    fn write_marks(&mut self) {
        if self.marks.is_empty() {
            return;
        }
        let mut left = std::mem::take(&mut self.marks);
        for mark in Mark::ALL {
            let seqs: Vec<u64> = left.extract_if(.., |settled| settled.mark == mark).map(|s| s.seq).collect();
            for seqs in seqs.chunks(MARKED_MAX) {
                let entry = Entry::Mark(mark, Cow::Borrowed(seqs));
                if let Ok(entry) = self.open.append(self.time, self.time, &entry) {
                    self.apply_marks(entry, mark, seqs, self.time);
                } else {
                    self.marks.extend(seqs.iter().map(|&seq| Settled { seq, mark }));
                }
            }
        }
    }
}
