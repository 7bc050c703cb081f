//! One message: what becomes of it, its entry in the ledger, and what that changes.

use std::borrow::Cow;
use std::sync::Arc;

use icaze_cluster::{Allowance, Grant};
use icaze_codec::text::part;
use icaze_store::ledger::{
    self, Address, Channel, Decision, Facts, Full, Interval, Language, Part, Permit, RegimeRef, Reply,
};
use icaze_store::register::Entry;
use icaze_store::{Msisdn, Outcome, Reason};
use jiff::Timestamp;

use super::intake::{Content, Message};
use super::limits::Allowed;
use super::parts::{Incomplete, MessageKey, Siblings};
use super::questions::{Meaning, Turn};
use super::shared::{self, Said};
use super::{Accepted, Pipeline, permits};
use crate::permit::Request;
use crate::permit::answer::Answer;
use crate::permit::code::Code;
use crate::permit::decide::{self, History, PersonFacts, Standing, Subject};
use crate::permit::moment::Moment;
use crate::permit::question::Question;
use crate::permit::read::{Partial, Reading, read};
use crate::permit::reply::Instead;
use crate::world::World;

/// What is ruled on a message, before it has an entry.
struct Ruling<'a> {
    outcome: Outcome,
    reason: Option<Reason>,
    request: Option<Request>,
    person: Option<u32>,
    facts: Option<Facts<'a>>,
    /// The permit's times and, unless it is new, its code and, if it is of this node, its entry.
    interval: Option<Interval>,
    standing: Option<(Option<u64>, u64)>,
    again: Option<Timestamp>,
    /// Another text than the reason's, the request that it is about, and how many it tells of.
    instead: Option<Instead>,
    about: Option<Request>,
    count: Option<u32>,
    turn: Turn,
    answered: bool,
    /// The reservation that a grant rests on, and what it uses.
    hold: Option<(Grant, Allowance)>,
}

/// What is known of who is asked for.
pub(super) struct Past<'w> {
    pub(super) person: Option<(u32, PersonFacts<'w>)>,
    pub(super) history: History,
    /// The standing permit's entry, if it is of this node, and code.
    standing: Option<(Option<u64>, u64)>,
}

impl Ruling<'_> {
    fn of(reason: Reason) -> Self {
        Self {
            outcome: reason.outcome(),
            reason: Some(reason),
            request: None,
            person: None,
            facts: None,
            interval: None,
            standing: None,
            again: None,
            instead: None,
            about: None,
            count: None,
            turn: Turn::Own,
            answered: reason.outcome() != Outcome::Ignored,
            hold: None,
        }
    }
}

/// What a text was made of, if it came in parts.
#[derive(Clone, Copy, Default)]
pub(super) struct Whole<'a> {
    /// The entries of its other parts.
    pub(super) parts: &'a [u64],
    /// The help that was given while they were not all there.
    pub(super) help: Option<u64>,
}

/// Where a message came from, and what it says.
struct Case<'a> {
    operator: u16,
    from: Address<'a>,
    to: Address<'a>,
    identity: u128,
    received_at: Timestamp,
    whole: Whole<'a>,
    text: &'a str,
    language: Language,
    latin: bool,
}

impl Pipeline {
    /// Decides a message that is whole.
    pub(super) fn decide(
        &mut self,
        operator: u16,
        message: &Message<'_>,
        meaning: Meaning,
        whole: Whole<'_>,
        world: &World,
        moment: &Moment<'_>,
    ) -> Result<Accepted, Full> {
        let reading = message.reading();
        let case = Case {
            operator,
            from: message.from,
            to: message.to,
            identity: meaning.identity(message.identity),
            received_at: message.received_at,
            whole,
            text: message.text,
            language: meaning.language,
            latin: reading.latin,
        };
        let ruling = match (message.content, message.phone) {
            (Content::Ignored(reason), _) => Ruling::of(reason),
            (_, None) => Ruling::of(Reason::Loop),
            (content, Some(phone)) => match self.limits.peek(phone, self.time) {
                Allowed::Silent => Ruling { answered: false, ..Ruling::of(Reason::Phone) },
                Allowed::Notice(until) => Ruling { again: Some(until), ..Ruling::of(Reason::Phone) },
                Allowed::Yes => match (content, meaning.request) {
                    (Content::Binary, _) => Ruling::of(Reason::Binary),
                    (_, Err(help)) => match reading.partial {
                        Partial::Forwarded(code) => self.forwarded(code, phone, world, moment),
                        _ => {
                            let asks = matches!(meaning.turn, Turn::Asks(_));
                            let again = asks.then(|| message.received_at + self.settings.ask);
                            Ruling { again, turn: meaning.turn, ..Ruling::of(help.reason()) }
                        }
                    },
                    (_, Ok(request)) if world.is_example(request.document) => Ruling::of(Reason::Example),
                    (_, Ok(request)) => match self.guess(phone, request.document, message.found, world) {
                        Allowed::Silent => Ruling { answered: false, ..Ruling::of(Reason::Guesses) },
                        Allowed::Notice(until) => Ruling {
                            again: Some(until),
                            count: Some(self.settings.guesses.unknown_max),
                            ..Ruling::of(Reason::Guesses)
                        },
                        Allowed::Yes => Ruling {
                            turn: meaning.turn,
                            ..self.rule(request, message, phone, world, moment)?
                        },
                    },
                },
            },
        };
        self.record(&case, ruling, &reading, world, moment)
    }

    /// Decides a text whose last part has come.
    pub(super) fn decide_joined(
        &mut self,
        message: &Message<'_>,
        key: MessageKey,
        number: u8,
        siblings: Siblings,
        world: &World,
        moment: &Moment<'_>,
    ) -> Result<Accepted, Full> {
        let Siblings { pieces, help } = siblings;
        let before = usize::from(number.saturating_sub(1)).min(pieces.len());
        let mut texts: Vec<&str> = pieces.iter().map(|piece| &*piece.text).collect();
        texts.insert(before, message.text);
        let mut text = String::new();
        part::join(texts.into_iter(), &mut text);
        let parts: Vec<u64> = pieces.iter().map(|piece| piece.seq).collect();
        let reading = read(&text, &world.names);
        let meaning = self.meaning(message.phone, &reading);
        let joined = Message { content: Content::Text(reading), found: None, text: &text, ..*message };
        let whole = Whole { parts: &parts, help: help.map(|help| help.seq) };
        self.decide(key.operator, &joined, meaning, whole, world, moment)
    }

    /// Answers a text whose parts did not all come.
    pub(super) fn decide_incomplete(
        &mut self,
        incomplete: &Incomplete,
        world: &World,
        moment: &Moment<'_>,
    ) -> Result<Accepted, Full> {
        let Incomplete { key, from, to, seqs, text } = incomplete;
        let reading = read(text, &world.names);
        let case = Case {
            operator: key.operator,
            from: from.get(),
            to: to.get(),
            // Nothing can come again under it.
            identity: 0,
            received_at: self.time,
            whole: Whole { parts: seqs, help: None },
            text,
            language: reading.language,
            latin: reading.latin,
        };
        let ruling = match self.limits.peek(key.phone, self.time) {
            Allowed::Silent => Ruling { answered: false, ..Ruling::of(Reason::Phone) },
            Allowed::Notice(until) => Ruling { again: Some(until), ..Ruling::of(Reason::Phone) },
            Allowed::Yes => Ruling::of(Reason::Incomplete),
        };
        self.record(&case, ruling, &reading, world, moment)
    }

    /// Accepts a part whose siblings are awaited.
    pub(super) fn keep_part(
        &mut self,
        message: &Message<'_>,
        key: MessageKey,
        number: u8,
    ) -> Result<Accepted, Full> {
        let name = self.name(key.operator);
        let entry = ledger::Entry::Part(Part {
            channel: Channel::Sms,
            operator: &name,
            from: message.from,
            to: message.to,
            identity: message.identity,
            reference: key.reference,
            total: key.total,
            number,
            text: message.text,
        });
        let seq = self.open.append(message.received_at, self.time, &entry)?;
        self.urgent = true;
        self.apply(seq, self.time, &entry);
        self.stats.parts += 1;
        Ok(Accepted { seq })
    }

    /// What is known of who is asked for; `found` in the register, if it was looked up.
    pub(super) fn past<'w>(
        &self,
        request: Request,
        found: Option<Option<Entry>>,
        phone: Msisdn,
        world: &'w World,
        moment: &Moment<'_>,
    ) -> Past<'w> {
        let found = found.unwrap_or_else(|| world.register.find(request.document));
        let person = found.and_then(|entry| Some((entry.person, world.facts(&entry)?)));
        let standing = person.and_then(|(person, _)| self.standing((person, request.purpose), self.time));
        let today = moment.rules().ok().map(|rules| rules.date);
        let history = History {
            usage: match (person, today) {
                (Some((person, _)), Some(today)) => self.usage.get(person, today.into()),
                _ => Default::default(),
            },
            standing: standing.map(|permit| Standing {
                decided_at: permit.decided_at,
                interval: permit.interval,
                same_phone: permit.phone == phone,
            }),
        };
        Past { person, history, standing: standing.map(|permit| (Some(permit.seq), permit.code)) }
    }

    /// A reply of ours that came back. The phone that asked for its permit is told what that is;
    /// every other one the same, whether the code is genuine or not.
    fn forwarded(&self, code: Code, phone: Msisdn, world: &World, moment: &Moment<'_>) -> Ruling<'static> {
        let theirs = |permit: &permits::Permit| permit.phone == phone && permit.ended.is_none();
        let permit = self.permit_by_code(code).filter(theirs);
        let Some((permit, rules)) = permit.zip(moment.rules().ok()) else {
            return Ruling::of(Reason::Forwarded);
        };
        let entry = world.register.find(permit.document);
        let facts = entry.and_then(|entry| world.facts(&entry));
        let usage = self.usage.get(permit.person, rules.date.into());
        Ruling {
            instead: Some(Instead::Status),
            about: Some(Request { purpose: permit.purpose, document: permit.document }),
            interval: Some(permit.interval),
            standing: Some((Some(permit.seq), permit.code)),
            count: facts.and_then(|facts| decide::left(permit.purpose, &facts, &usage, rules)),
            ..Ruling::of(Reason::Forwarded)
        }
    }

    /// What the rules say of a request.
    fn rule<'w>(
        &self,
        request: Request,
        message: &Message<'_>,
        phone: Msisdn,
        world: &'w World,
        moment: &Moment<'_>,
    ) -> Result<Ruling<'w>, Full> {
        let past = self.past(request, message.found, phone, world, moment);
        let Past { person, mut history, mut standing } = past;
        let subject = person.as_ref().map_or(Subject::Unknown, |(_, facts)| Subject::Known(facts));
        let mut decision = decide::decide(&request, subject, &history, moment);
        let mut hold = None;
        if let Some(shared) = self.shared.as_ref().filter(|_| decision.outcome == Outcome::Granted) {
            match shared.said(message.answer, self.away(moment), history.usage, phone)? {
                Said::Held(grant) => {
                    let person = person.as_ref().map(|(person, facts)| (*person, facts));
                    let allowance =
                        |rules| person.map(|person| shared::allowance(request.purpose, person, rules));
                    hold = moment.rules().ok().and_then(allowance).map(|allowance| (grant, allowance));
                }
                Said::Standing(permit, code) => {
                    (history.standing, standing) = (Some(permit), Some((None, code)))
                }
                Said::Used(usage) => history.usage = usage,
            }
            if hold.is_none() {
                decision = decide::decide(&request, subject, &history, moment);
                if decision.outcome == Outcome::Granted {
                    return Err(Full);
                }
            }
        }
        let today = moment.rules().ok().map(|rules| rules.date);
        let recorded = |(_, facts): (u32, PersonFacts<'w>)| Some(facts.recorded(request.purpose, today?));
        Ok(Ruling {
            outcome: decision.outcome,
            reason: decision.reason,
            request: Some(request),
            instead: None,
            about: None,
            count: None,
            person: person.map(|(person, _)| person),
            facts: person.and_then(recorded),
            interval: decision.interval,
            standing: standing.filter(|_| decision.outcome == Outcome::Repeated),
            again: decision.again,
            turn: Turn::Own,
            answered: true,
            hold,
        })
    }

    /// Writes the ruling into the open batch and takes its effect.
    fn record(
        &mut self,
        case: &Case<'_>,
        mut ruling: Ruling<'_>,
        reading: &Reading,
        world: &World,
        moment: &Moment<'_>,
    ) -> Result<Accepted, Full> {
        let granted = ruling.outcome == Outcome::Granted;
        let code = match ruling.standing {
            Some((_, code)) => Code::from_u64(code),
            None => self.codes.peek().filter(|_| granted),
        };
        let permit = code.zip(ruling.interval);
        let mut text = std::mem::take(&mut self.reply);
        text.clear();
        if ruling.answered {
            let latin = case.latin || self.operators.get(usize::from(case.operator)).is_some_and(|o| o.latin);
            let doubtful = match (ruling.turn.question(), reading.partial) {
                (Some(Question::Confirm(request)), _) | (_, Partial::Doubtful(request)) => Some(request),
                _ => None,
            };
            let answer = Answer {
                reason: ruling.reason,
                instead: ruling.instead.or_else(|| ruling.turn.instead(ruling.reason)),
                language: case.language,
                latin,
                request: ruling.request.or(ruling.about).or(doubtful),
                tail: reading.tail,
                series: reading.series,
                permit,
                again: ruling.again,
                count: ruling.count,
            };
            self.writer.write(&answer, world, moment, &mut text);
        }
        let name = self.name(case.operator);
        let day = moment.rules().map(|rules| rules.date).unwrap_or_default();
        let interval: &[Interval] =
            permit.as_ref().map_or(&[], |(_, interval)| std::slice::from_ref(interval));
        let entry = ledger::Entry::Decision(Decision {
            channel: Channel::Sms,
            operator: &name,
            from: case.from,
            to: case.to,
            parts: Cow::Borrowed(case.whole.parts),
            identity: case.identity,
            document: ruling.request.map(|request| request.document),
            person: ruling.person,
            purpose: ruling.request.map(|request| request.purpose),
            regime: moment
                .rules()
                .ok()
                .map(|rules| RegimeRef { id: &rules.regime.id, hash: rules.regime.hash() }),
            register: world.register.generation(),
            facts: ruling.facts,
            outcome: ruling.outcome,
            reason: ruling.reason,
            permit: code.map(|code| Permit { code: code.as_u64(), day, intervals: Cow::Borrowed(interval) }),
            reply: ruling.answered.then(|| Reply {
                text: &text,
                language: case.language,
                expires_at: self.time + self.settings.lifetime,
            }),
            refers_to: ruling.standing.and_then(|(seq, _)| seq).or(ruling.turn.about()).or(case.whole.help),
            again: ruling.again,
            text: if ruling.outcome == Outcome::Help { case.text } else { "" },
        });
        let appended = self.open.append(case.received_at, self.time, &entry);
        if let Ok(seq) = appended {
            self.urgent = true;
            self.apply(seq, self.time, &entry);
            if let Some(hold) = ruling.hold.take()
                && let Some(permit) = self.permits.last().filter(|permit| permit.seq == seq)
            {
                self.share_grant(&permit, hold);
            }
            let (purpose, region) =
                (ruling.request.map(|r| r.purpose), ruling.facts.map(|facts| facts.region));
            let document = ruling.request.map(|request| request.document);
            if let Some(cause) = ruling.reason.filter(|_| ruling.outcome == Outcome::Ignored) {
                self.stats.ignored(case.operator, cause);
            }
            let probe = &self.settings.probe;
            if probe.is_empty() || !probe.holds(self.phone(&case.from), document) {
                self.stats.decided(ruling.reason, purpose, region);
                if let Turn::Answers(_, help) = ruling.turn
                    && purpose.is_some()
                    && ruling.reason != Some(Reason::PurposeUnknown)
                {
                    self.stats.completed(help.reason());
                }
            }
        }
        self.reply = text;
        appended.map(|seq| Accepted { seq })
    }

    fn name(&self, operator: u16) -> Arc<str> {
        self.operators.get(usize::from(operator)).map_or_else(|| Arc::from(""), |o| Arc::clone(&o.name))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use icaze_config::gateway::Settings;
    use icaze_config::regime::Regimes;
    use icaze_config::replies::Texts;
    use icaze_store::ledger::{FaultyStorage, Ledger, MasterKey, Options};
    use icaze_store::register::{Builder, synth};

    use super::*;
    use crate::clock::Now;
    use crate::permit::code::CodeKey;
    use crate::permit::read::{Help, PurposeNames};
    use crate::pipeline::codes::Codes;
    use crate::pipeline::{self, Operator};
    use crate::world::Contacts;

    /// What is sent to `phone` for a text that reads so.
    fn reply(pipeline: &mut Pipeline, world: &World, phone: &str, reading: Reading) -> String {
        let address = Address { ton: 1, npi: 1, digits: phone.as_bytes() };
        let message = Message {
            from: address,
            to: Address { ton: 1, npi: 1, digits: b"8103" },
            phone: Msisdn::parse(phone, 994, 9),
            identity: 0,
            received_at: pipeline.time(),
            content: Content::Text(reading),
            found: None,
            answer: None,
            text: "",
        };
        let moment = world.moment(pipeline.time());
        let meaning = pipeline.meaning(message.phone, &reading);
        pipeline.decide(0, &message, meaning, Whole::default(), world, &moment).unwrap();
        std::mem::take(&mut pipeline.reply)
    }

    #[test]
    fn a_forwarded_reply_tells_its_permit_to_the_phone_that_asked_and_nothing_to_others() {
        let config = Settings::shipped().validate().unwrap();
        let mut builder = Builder::default();
        for (line, row) in (1..).zip(synth::rows(3, 1)) {
            builder.add(line, &row).unwrap();
        }
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/regimes/demo");
        let now = Now { wall: "2024-03-06T08:00:00Z".parse().unwrap(), ..Now::read() };
        let world = World::new(
            builder.finish(1, now.wall),
            Regimes::load(&dir).unwrap(),
            Texts::shipped().unwrap(),
            Contacts::of(&config.replies),
        );
        let codes = Codes::new(CodeKey::new([7; 16]), 0);
        let settings = pipeline::Settings::of(&config, &world.names);
        let mut pipeline = Pipeline::new(settings, Operator::of(&config), codes, now).unwrap();
        let key = MasterKey::random().unwrap();
        let opened = Ledger::open(FaultyStorage::new(1), &key, 0, Options::default(), |_| {});
        pipeline.start(opened.unwrap().1, now);
        let (anna, boris) = ("994501111111", "994502222222");
        let granted = |purpose: u8, serial: u32| {
            read(&format!("{purpose} AZE200000{serial:02}"), &PurposeNames::default())
        };
        let forwarded = |code: Code| Reading {
            request: Err(Help::Forwarded),
            partial: Partial::Forwarded(code),
            ..granted(2, 0)
        };
        reply(&mut pipeline, &world, anna, granted(2, 0));
        let shopping = Code::from_u64(pipeline.permits.last().unwrap().code).unwrap();
        let told = reply(&mut pipeline, &world, anna, forwarded(shopping));
        let letters = shopping.letters();
        let letters = std::str::from_utf8(&letters).unwrap();
        assert_eq!(told, format!("AZE20000000 kod 2: 06.03 12:00-15:00, № {letters}. Bu gün daha: 0"));
        let nothing = "Bu bizim cavabdır. Yeni icazə üçün yazın: 2 AZE12345678. T. 9108";
        assert_eq!(reply(&mut pipeline, &world, boris, forwarded(shopping)), nothing);
        let unknown = CodeKey::new([1; 16]).code(0, 7).unwrap();
        assert_eq!(reply(&mut pipeline, &world, anna, forwarded(unknown)), nothing, "no such permit");
        reply(&mut pipeline, &world, anna, granted(1, 1));
        let medical = Code::from_u64(pipeline.permits.last().unwrap().code).unwrap();
        let told = reply(&mut pipeline, &world, anna, forwarded(medical));
        assert!(told.starts_with("AZE20000001 kod 1: 06.03 12:00-"), "{told}");
        assert!(!told.contains("Bu gün daha"), "no quota: {told}");
    }
}
