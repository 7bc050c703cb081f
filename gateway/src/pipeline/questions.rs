//! What phones were asked and have not answered, and what a text means in the light of it.

use std::collections::HashMap;
use std::iter;

use foldhash::fast::RandomState;
use icaze_store::ledger::{Decision, Language};
use icaze_store::{Msisdn, Outcome, Reason};
use jiff::{SignedDuration, Timestamp};

use super::Pipeline;
use super::intake::Message;
use crate::permit::Request;
use crate::permit::question::{Answer, Question};
use crate::permit::read::{Help, Reading};
use crate::permit::reply::Instead;

/// Questions to one phone in an hour, at most; beyond that plain help.
const ASKED_MAX: usize = 3;
const HOUR_S: u32 = 3600;

/// What a text means to a phone, given what that phone was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// What is asked for, or what keeps the text from asking.
    pub request: Result<Request, Help>,
    /// What it is to the questions of its phone.
    pub turn: Turn,
    /// The language to answer in.
    pub language: Language,
    /// What the questions that it is about add to its identity.
    salt: u128,
}

/// What a text is to the questions of its phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Turn {
    /// Nothing: it is for itself.
    #[default]
    Own,
    /// One thing is missing, and is asked for.
    Asks(Question),
    /// The answer to the question of this entry, which this help asked.
    Answers(u64, Help),
    /// A digit to the confirmation that this entry asked for: it is asked once more.
    Repeats(u64, Question),
    /// An answer to any of several questions, of which this entry asked the newest.
    Several(u64),
}

/// What one phone was asked.
#[derive(Debug, Clone, Copy, Default)]
struct Asked {
    /// The last questions, newest first.
    questions: [Option<Asking>; ASKED_MAX],
    /// The newest decision about a text of it.
    decided: u64,
}

/// A question to a phone. Instants are whole seconds since 1970.
#[derive(Debug, Clone, Copy)]
struct Asking {
    /// The help that asked it.
    seq: u64,
    at: u32,
    /// From then on nothing answers it.
    until: u32,
    language: Language,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Open(Question),
    /// The same, asked once more.
    Again(Question),
    /// A request that it could have become was made without it. The answer that would have made the same one
    /// is told what that came to.
    Overtaken(Question, Request),
    Closed,
}

/// Questions by phone, in two generations as those of [`Limits`](super::limits::Limits): a phone is
/// remembered for `window` after its last question, unless more than `max` phones are asked in it.
#[derive(Debug)]
pub struct Questions {
    young: HashMap<Msisdn, Asked, RandomState>,
    old: HashMap<Msisdn, Asked, RandomState>,
    /// When the young ones become the old ones.
    turn: u32,
    /// The entries that the young ones and the old ones begin with.
    young_from: u64,
    old_from: u64,
    /// Seconds.
    window: u32,
    /// Phones in one generation, at most.
    max: usize,
}

impl Turn {
    /// The reply's text, where it is not that of the help's `reason`.
    #[must_use]
    pub fn instead(&self, reason: Option<Reason>) -> Option<Instead> {
        match self {
            Self::Asks(Question::Purpose(_)) => Some(Instead::AskPurpose),
            Self::Asks(Question::Series { .. }) => Some(Instead::AskSeries),
            Self::Asks(Question::Confirm(_) | Question::Document(_)) | Self::Repeats(..) => None,
            Self::Several(_) => Some(Instead::SeveralQuestions),
            // No yes would be understood, because nothing was asked.
            Self::Own if reason == Some(Reason::Confirm) => Some(Instead::Series),
            Self::Own | Self::Answers(..) => None,
        }
    }

    /// The question that is put to the citizen.
    #[must_use]
    pub fn question(&self) -> Option<Question> {
        match *self {
            Self::Asks(question) | Self::Repeats(_, question) => Some(question),
            Self::Own | Self::Answers(..) | Self::Several(_) => None,
        }
    }

    /// The entry of the question that the text is about.
    #[must_use]
    pub fn about(&self) -> Option<u64> {
        match *self {
            Self::Answers(seq, _) | Self::Repeats(seq, _) | Self::Several(seq) => Some(seq),
            Self::Own | Self::Asks(_) => None,
        }
    }
}

impl Meaning {
    /// That of a text by itself.
    fn own(reading: &Reading) -> Self {
        Self { request: reading.request, turn: Turn::Own, language: reading.language, salt: 0 }
    }

    /// Whether it is no request, and nothing to a question either.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.request.is_err() && self.salt == 0
    }

    /// What makes the text the same text: the same answer to another question is another one.
    #[must_use]
    pub fn identity(&self, message: u128) -> u128 {
        message ^ self.salt
    }
}

impl Asked {
    fn push(&mut self, asking: Asking) {
        self.questions.rotate_right(1);
        if let Some(newest) = self.questions.first_mut() {
            *newest = Some(asking);
        }
    }
}

impl Asking {
    fn is_open(&self, now: Timestamp) -> bool {
        second(now) < self.until && matches!(self.state, State::Open(_) | State::Again(_))
    }

    /// Whether it is open, but for its time, and this help is the one that asks it.
    fn is_asked_by(&self, help: Help) -> bool {
        matches!(self.state, State::Open(question) | State::Again(question) if question.help() == help)
    }

    /// A request is made without it.
    fn overtake(&mut self, made: Option<Request>) {
        self.state = match (self.state, made) {
            (State::Open(question) | State::Again(question), Some(request)) if question.fits(&request) => {
                State::Overtaken(question, request)
            }
            _ => State::Closed,
        };
    }

    /// What a text with this reading is to it at `now`.
    fn answer(&self, reading: &Reading, now: Timestamp) -> Option<(&Self, Question, Answer)> {
        let (State::Open(question) | State::Again(question) | State::Overtaken(question, _)) = self.state
        else {
            return None;
        };
        let answer = question.answer(reading);
        let answers = match (self.state, answer) {
            (_, Answer::Nothing) | (State::Again(_), Answer::Digit) => false,
            (State::Overtaken(_, request), answer) => answer == Answer::Completes(request),
            _ => true,
        };
        (answers && second(now) < self.until).then_some((self, question, answer))
    }
}

impl Questions {
    /// Nobody has been asked. Two generations share `max` phones, each of which is remembered for an
    /// hour, and for as long as an answer and its redelivery may take.
    #[must_use]
    pub fn new(ask: SignedDuration, dedupe: SignedDuration, max: usize) -> Self {
        let max = max / 2;
        Self {
            young: HashMap::with_capacity_and_hasher(max, RandomState::default()),
            old: HashMap::with_capacity_and_hasher(max, RandomState::default()),
            turn: 0,
            young_from: 0,
            old_from: 0,
            window: HOUR_S.max(u32::try_from((ask + dedupe).as_secs()).unwrap_or(u32::MAX)),
            max,
        }
    }

    /// What a text of `phone` with this reading means at `now`.
    #[must_use]
    pub fn meaning(&self, phone: Msisdn, reading: &Reading, now: Timestamp) -> Meaning {
        let own = Meaning::own(reading);
        if reading.request.is_ok() {
            return own;
        }
        let mut answers = self.of(phone).filter_map(|asking| asking.answer(reading, now));
        let Some((asking, question, answer)) = answers.next() else {
            let asks = Question::of(reading).filter(|question| self.may_ask(phone, question, now));
            let turn = asks.map_or(Turn::Own, Turn::Asks);
            // Nobody is told that there is no document while we ask whether it is the right one.
            let doubts = |asking: &Asking| asking.is_open(now) && asking.is_asked_by(Help::Confirm);
            let doubted = own.request == Err(Help::NoDocument) && self.of(phone).any(doubts);
            let request = if doubted { Err(Help::Series) } else { own.request };
            return Meaning { request, turn, ..own };
        };
        let others = answers.map(|(other, ..)| salted(other.seq)).reduce(|salt, other| salt ^ other);
        let (request, turn) = match answer {
            _ if others.is_some() => (Err(Help::NoPurpose), Turn::Several(asking.seq)),
            Answer::Completes(request) => (Ok(request), Turn::Answers(asking.seq, question.help())),
            Answer::Denies => (Err(Help::Series), Turn::Answers(asking.seq, question.help())),
            Answer::Digit | Answer::Nothing => (Err(question.help()), Turn::Repeats(asking.seq, question)),
        };
        // A digit has no language, and is read as if it had the first one.
        let language = if reading.language == Language::Az { asking.language } else { reading.language };
        Meaning { request, turn, language, salt: salted(asking.seq) ^ others.unwrap_or(0) }
    }

    /// Whether another question may be put. A purpose alone opens none while one of another kind is open: it
    /// could be a slip in answering that one.
    fn may_ask(&self, phone: Msisdn, question: &Question, now: Timestamp) -> bool {
        let lately = |asking: &&Asking| second(now) < asking.at.saturating_add(HOUR_S);
        let other =
            || self.of(phone).any(|asking| asking.is_open(now) && !asking.is_asked_by(question.help()));
        self.of(phone).filter(lately).count() < ASKED_MAX
            && !(matches!(question, Question::Document(_)) && other())
    }

    /// Whether entry `seq` is the newest decision about a text of `phone`, which was asked.
    #[must_use]
    pub fn is_newest(&self, phone: Msisdn, seq: u64) -> bool {
        self.asked_of(phone).is_some_and(|asked| asked.decided == seq)
    }

    /// The identities under which a message of `phone` may have been decided already: its own, or one
    /// as an answer to a question that is over.
    pub fn identities(&self, phone: Msisdn, message: u128) -> impl Iterator<Item = u128> {
        iter::once(message).chain(self.of(phone).map(move |asking| message ^ salted(asking.seq)))
    }

    /// Whether entry `seq` is no answer to the same text of `phone`, which means this: what it asked is
    /// over, or it asked nothing, something else was decided since, and the text would be asked about.
    #[must_use]
    pub fn is_asked_anew(&self, phone: Msisdn, seq: u64, meaning: &Meaning) -> bool {
        let asks = matches!(meaning.turn, Turn::Asks(_)) && self.asked_of(phone).is_some();
        let asked = || self.of(phone).any(|asking| asking.seq == seq);
        self.is_over(phone, seq) || (asks && !self.is_newest(phone, seq) && !asked())
    }

    /// Whether what entry `seq` asked `phone` is over. What only expired is not told apart from what
    /// never was.
    #[must_use]
    pub fn is_over(&self, phone: Msisdn, seq: u64) -> bool {
        self.of(phone)
            .any(|asking| asking.seq == seq && matches!(asking.state, State::Overtaken(..) | State::Closed))
    }

    /// Takes the effect of entry `seq`, a decision about a text of `phone`. `read` is how texts are read: of a
    /// help, `again` says until when its question is open, and its text which question it is.
    pub fn apply(
        &mut self,
        phone: Msisdn,
        seq: u64,
        at: Timestamp,
        decision: &Decision<'_>,
        read: impl Fn(&str) -> Reading,
    ) {
        match (decision.outcome, decision.reason, decision.refers_to) {
            (Outcome::Help, _, None) => {
                if let (Some(until), Some(reply)) = (decision.again, &decision.reply)
                    && let Some(question) = Question::of(&read(decision.text))
                {
                    let (at, until) = (second(at), second(until));
                    let state = State::Open(question);
                    self.ask(phone, question, Asking { seq, at, until, language: reply.language, state });
                } else if self.of(phone).next().is_some() {
                    let reading = read(decision.text);
                    // The text of parts that did not all come is no whole one.
                    if reading.request.is_err_and(|help| Some(help.reason()) == decision.reason) {
                        self.helped(phone, &reading);
                    }
                }
            }
            (Outcome::Help, Some(Reason::Confirm), Some(question)) => self.repeat(phone, question),
            // No was said.
            (Outcome::Help, Some(Reason::Series), Some(question)) => self.answered(phone, question, seq, at),
            (Outcome::Help | Outcome::Limited | Outcome::Ignored, ..) => {}
            // A code that the regime lacks: another one may follow.
            (_, Some(Reason::PurposeUnknown), Some(_)) => {}
            // A whole request, whoever's. What a repeat refers to is a permit, so that an answer is not told
            // from it.
            (Outcome::Repeated, ..) | (_, _, None) => {
                let made = decision.purpose.zip(decision.document);
                let made = made.map(|(purpose, document)| Request { purpose, document });
                self.of_mut(phone).for_each(|asking| asking.overtake(made));
            }
            (_, _, Some(question)) => self.answered(phone, question, seq, at),
        }
        if let Some(asked) = self.asked_of_mut(phone) {
            asked.decided = seq;
        }
    }

    /// What was asked before and is of another kind, or the same, is over.
    fn ask(&mut self, phone: Msisdn, question: Question, asking: Asking) {
        let Some(asked) = self.asked(phone, asking.seq, asking.at) else { return };
        for earlier in asked.questions.iter_mut().flatten() {
            let stays = match earlier.state {
                State::Open(other) | State::Again(other) => other.stays_beside(&question),
                State::Overtaken(..) | State::Closed => false,
            };
            if !stays {
                earlier.state = State::Closed;
            }
        }
        asked.push(asking);
    }

    /// A text with this reading got plain help. What it would have been asked takes the place of what is open
    /// all the same: an answer could be meant for it. A purpose alone takes that of another purpose only.
    fn helped(&mut self, phone: Msisdn, reading: &Reading) {
        let Err(help) = reading.request else { return };
        let asks = Question::of(reading).is_some_and(|question| !matches!(question, Question::Document(_)));
        for asking in self.of_mut(phone).filter(|asking| asks || asking.is_asked_by(help)) {
            asking.state = State::Closed;
        }
    }

    fn repeat(&mut self, phone: Msisdn, question: u64) {
        if let Some(asking) = self.of_mut(phone).find(|asking| asking.seq == question)
            && let State::Open(what) = asking.state
        {
            asking.state = State::Again(what);
        }
    }

    /// Entry `seq` answers the question of entry `question`. One that was asked before this memory begins
    /// is remembered as over, because the answer may come again.
    fn answered(&mut self, phone: Msisdn, question: u64, seq: u64, at: Timestamp) {
        let at = second(at);
        if let Some(asking) = self.of_mut(phone).find(|asking| asking.seq == question) {
            asking.state = State::Closed;
        } else if let Some(asked) = self.asked(phone, seq, at) {
            let (language, state) = (Language::Az, State::Closed);
            asked.push(Asking { seq: question, at, until: at, language, state });
        }
    }

    /// Every question of this entry and those after it is remembered.
    #[must_use]
    pub fn from(&self) -> u64 {
        self.old_from
    }

    /// Fetches what [`meaning`](Self::meaning) will read. What is returned is of no use but to be used.
    #[must_use]
    pub fn touch(&self, phone: Msisdn) -> u32 {
        self.of(phone).map(|asking| asking.at).fold(0, |read, at| read ^ at)
    }

    fn of(&self, phone: Msisdn) -> impl Iterator<Item = &Asking> {
        self.asked_of(phone).into_iter().flat_map(|asked| &asked.questions).flatten()
    }

    fn of_mut(&mut self, phone: Msisdn) -> impl Iterator<Item = &mut Asking> {
        self.asked_of_mut(phone).into_iter().flat_map(|asked| &mut asked.questions).flatten()
    }

    fn asked_of(&self, phone: Msisdn) -> Option<&Asked> {
        self.young.get(&phone).or_else(|| self.old.get(&phone))
    }

    fn asked_of_mut(&mut self, phone: Msisdn) -> Option<&mut Asked> {
        self.young.get_mut(&phone).or_else(|| self.old.get_mut(&phone))
    }

    /// The questions to `phone`, to add one of entry `seq`; `None` if there is no room.
    fn asked(&mut self, phone: Msisdn, seq: u64, at: u32) -> Option<&mut Asked> {
        if at >= self.turn || self.young.len() >= self.max {
            self.turn = at.saturating_add(self.window);
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
            self.old_from = std::mem::replace(&mut self.young_from, seq);
        }
        let old = &self.old;
        let fresh = || old.get(&phone).copied().unwrap_or_default();
        (self.max > 0).then(|| self.young.entry(phone).or_insert_with(fresh))
    }
}

impl Pipeline {
    /// What a text of `phone` asks for, given what that phone was asked.
    pub(super) fn meaning(&self, phone: Option<Msisdn>, reading: &Reading) -> Meaning {
        match phone {
            Some(phone) => self.questions.meaning(phone, reading, self.time),
            None => Meaning::own(reading),
        }
    }

    /// The entry of the same message. One that is no answer now may have been one to a question that is
    /// over, but only if nothing was decided for its phone since: otherwise it is said of something else.
    pub(super) fn decided_before(&self, message: &Message<'_>, meaning: &Meaning) -> Option<u64> {
        let find = |identity| self.requests.find(identity, self.time);
        match message.phone.filter(|_| meaning.is_nothing()) {
            Some(phone) => {
                let own = find(message.identity);
                let same = |&seq: &u64| own == Some(seq) || self.questions.is_newest(phone, seq);
                self.questions.identities(phone, message.identity).filter_map(find).filter(same).max()
            }
            None => find(meaning.identity(message.identity)),
        }
    }

    /// The newest entry of a message of `phone` with this identity, by itself or as an answer.
    pub(super) fn found_before(&self, phone: Msisdn, identity: u128) -> Option<u64> {
        let identities = self.questions.identities(phone, identity);
        identities.filter_map(|identity| self.requests.find(identity, self.time)).max()
    }
}

/// What the question of entry `seq` adds to an identity: spread, so that no two sums are alike.
fn salted(seq: u64) -> u128 {
    u128::from(seq).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
}

fn second(at: Timestamp) -> u32 {
    u32::try_from(at.as_second().max(0)).unwrap_or(u32::MAX)
}
