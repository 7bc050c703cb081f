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
use super::shared::{self, Said};
use super::{Accepted, Pipeline};
use crate::permit::Request;
use crate::permit::answer::Answer;
use crate::permit::code::Code;
use crate::permit::decide::{self, History, PersonFacts, Standing, Subject};
use crate::permit::moment::Moment;
use crate::permit::read::{Reading, read};
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
        whole: Whole<'_>,
        world: &World,
        moment: &Moment<'_>,
    ) -> Result<Accepted, Full> {
        let unread;
        let reading = if let Content::Text(reading) = &message.content {
            reading
        } else {
            let text = if matches!(message.content, Content::Unread) { message.text } else { "" };
            unread = read(text, &world.names);
            &unread
        };
        let case = Case {
            operator,
            from: message.from,
            to: message.to,
            identity: message.identity,
            received_at: message.received_at,
            whole,
            text: message.text,
            language: reading.language,
            latin: reading.latin,
        };
        let ruling = match (message.content, message.phone) {
            (Content::Ignored(reason), _) => Ruling::of(reason),
            (_, None) => Ruling::of(Reason::Loop),
            (content, Some(phone)) => match self.limits.peek(phone, self.time) {
                Allowed::Silent => Ruling { answered: false, ..Ruling::of(Reason::Phone) },
                Allowed::Notice(until) => Ruling { again: Some(until), ..Ruling::of(Reason::Phone) },
                Allowed::Yes => match (content, reading.request) {
                    (Content::Binary, _) => Ruling::of(Reason::Binary),
                    (_, Err(help)) => Ruling::of(help.reason()),
                    (_, Ok(request)) => self.rule(request, message, phone, world, moment)?,
                },
            },
        };
        self.record(&case, ruling, reading, world, moment)
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
        let joined = Message {
            content: Content::Text(read(&text, &world.names)),
            found: None,
            text: &text,
            ..*message
        };
        let whole = Whole { parts: &parts, help: help.map(|help| help.seq) };
        self.decide(key.operator, &joined, whole, world, moment)
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
            person: person.map(|(person, _)| person),
            facts: person.and_then(recorded),
            interval: decision.interval,
            standing: standing.filter(|_| decision.outcome == Outcome::Repeated),
            again: decision.again,
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
            let answer = Answer {
                reason: ruling.reason,
                language: case.language,
                latin,
                request: ruling.request,
                tail: reading.tail,
                permit,
                again: ruling.again,
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
            refers_to: ruling.standing.and_then(|(seq, _)| seq).or(case.whole.help),
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
            }
        }
        self.reply = text;
        appended.map(|seq| Accepted { seq })
    }

    fn name(&self, operator: u16) -> Arc<str> {
        self.operators.get(usize::from(operator)).map_or_else(|| Arc::from(""), |o| Arc::clone(&o.name))
    }
}
