//! What the ledger tells, read with nothing but the ledger's own reader, and what must hold of it by itself.

use std::collections::{BTreeMap, BTreeSet};

use icaze_config::regime::Period;
use icaze_gateway::permit::Request;
use icaze_gateway::permit::code::Code;
use icaze_gateway::permit::decide::{History, Standing, Subject, decide};
use icaze_gateway::world::World;
use icaze_store::ledger::{Entry, Interval, Mark, MasterKey, Storage, read};
use icaze_store::{Document, Outcome, Reason};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::world::Person;

/// One decision, as far as it is checked.
pub(crate) struct Decided {
    at: Timestamp,
    operator: String,
    from: String,
    parts: Vec<u64>,
    request: Option<Request>,
    /// The hash of the rules that it names.
    regime: Option<u64>,
    outcome: Outcome,
    reason: Option<Reason>,
    permit: Option<(u64, Date, Option<Interval>)>,
    reply: Option<String>,
    /// When the same message would be decided anew at the latest.
    again: Option<Timestamp>,
    identity: u128,
    refers_to: Option<u64>,
    text: String,
}

#[derive(Default)]
pub(crate) struct Story {
    decided: BTreeMap<u64, Decided>,
    /// Parts: operator, sender, identity and when.
    parts: BTreeMap<u64, (String, String, u128, Timestamp)>,
    marks: Vec<(u64, Mark, Vec<u64>)>,
    /// When which decision's permit was revoked, by the entry that says so.
    revoked: BTreeMap<u64, (Timestamp, u64)>,
    pub(crate) last_seq: u64,
}

/// A grant while the story is told again.
struct Grant {
    seq: u64,
    person: u32,
    purpose: u8,
    day: Date,
    at: Timestamp,
    interval: Interval,
    from: String,
    given_back: bool,
    revoked: bool,
}

impl Story {
    pub(crate) fn read(disk: &impl Storage, key: &MasterKey) -> Result<Self, String> {
        let mut story = Self::default();
        let mut ledger_time = Timestamp::MIN;
        let mut back = false;
        let summary = read(disk, Some(key), |record, _| {
            back |= record.decided_at < ledger_time;
            ledger_time = record.decided_at;
            let digits = |digits: &[u8]| String::from_utf8_lossy(digits).into_owned();
            match &record.entry {
                Entry::Decision(decision) => {
                    let request = decision.document.zip(decision.purpose);
                    let decided = Decided {
                        at: record.decided_at,
                        operator: decision.operator.to_owned(),
                        from: digits(decision.from.digits),
                        parts: decision.parts.to_vec(),
                        request: request.map(|(document, purpose)| Request { purpose, document }),
                        regime: decision.regime.as_ref().map(|regime| regime.hash),
                        outcome: decision.outcome,
                        reason: decision.reason,
                        permit: decision
                            .permit
                            .as_ref()
                            .map(|permit| (permit.code, permit.day, permit.intervals.first().copied())),
                        reply: decision.reply.as_ref().map(|reply| reply.text.to_owned()),
                        again: decision.again,
                        identity: decision.identity,
                        refers_to: decision.refers_to,
                        text: decision.text.to_owned(),
                    };
                    story.decided.insert(record.seq, decided);
                }
                Entry::Part(part) => {
                    let (operator, from) = (part.operator.to_owned(), digits(part.from.digits));
                    story.parts.insert(record.seq, (operator, from, part.identity, record.decided_at));
                }
                Entry::Mark(mark, seqs) => story.marks.push((record.seq, *mark, seqs.to_vec())),
                Entry::Revocation(of) => {
                    story.revoked.insert(record.seq, (record.decided_at, *of));
                }
                Entry::Receiver(..) | Entry::Start | Entry::Stop => {}
            }
        });
        story.last_seq = summary.map_err(|error| error.to_string())?.last_seq;
        if back { Err("the ledger's time went back".to_owned()) } else { Ok(story) }
    }

    pub(crate) fn decisions(&self) -> usize {
        self.decided.len()
    }

    pub(crate) fn grants(&self) -> usize {
        self.decided.values().filter(|decided| decided.outcome == Outcome::Granted).count()
    }

    /// Whose message an entry holds.
    pub(crate) fn sender(&self, seq: u64) -> Option<(&str, &str)> {
        let decided = self.decided.get(&seq).map(|decided| (&*decided.operator, &*decided.from));
        decided.or_else(|| self.parts.get(&seq).map(|(operator, from, ..)| (&**operator, &**from)))
    }

    pub(crate) fn replies(&self) -> impl Iterator<Item = (u64, &str, &str, &str)> {
        let replies = self.decided.iter().filter_map(|(seq, d)| Some((*seq, d, d.reply.as_deref()?)));
        replies.map(|(seq, decided, text)| (seq, &*decided.operator, &*decided.from, text))
    }

    /// How many replies of an operator have no mark.
    pub(crate) fn unmarked(&self, operator: &str) -> usize {
        let marked: BTreeSet<u64> = self.marks.iter().flat_map(|(_, _, seqs)| seqs.iter().copied()).collect();
        self.replies().filter(|(seq, name, ..)| *name == operator && !marked.contains(seq)).count()
    }

    fn count(&self, seq: u64, mark: Mark) -> usize {
        let of = self.marks.iter().filter(|(_, other, _)| *other == mark);
        of.flat_map(|(_, _, seqs)| seqs).filter(|&&other| other == seq).count()
    }

    pub(crate) fn sent(&self, seq: u64) -> usize {
        self.count(seq, Mark::Sent)
    }

    /// The entries whose permits ended with their replies, and their codes as they are written.
    pub(crate) fn undelivered(&self) -> Vec<(u64, String)> {
        let marks = self.marks.iter().filter(|(_, mark, _)| *mark == Mark::Undelivered);
        let seqs = marks.flat_map(|(_, _, seqs)| seqs.iter().copied());
        let code = |seq| {
            let (code, ..) = self.decided.get(&seq)?.permit?;
            Some((seq, String::from_utf8(Code::from_u64(code)?.letters().to_vec()).ok()?))
        };
        seqs.filter_map(code).collect()
    }

    /// Each part is named by exactly one decision, but for texts whose parts did not all come in time: help named those that
    /// had come, and one that came late made one more decision, which refers to the help, or none. Nor does one have an outcome
    /// that came again.
    pub(crate) fn check_parts(&self) -> Result<(), String> {
        let mut named: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for (seq, decided) in &self.decided {
            decided.parts.iter().for_each(|part| named.entry(*part).or_default().push(*seq));
        }
        let is_help = |seq: &u64| self.decided[seq].identity == 0;
        for (part, (operator, from, identity, _)) in &self.parts {
            match named.get(part).map(Vec::as_slice).unwrap_or_default() {
                [_] => {}
                [help, late] if is_help(help) && !is_help(late) => {
                    let Decided { refers_to, outcome, .. } = &self.decided[late];
                    // What repeats a permit refers to the permit's own decision.
                    if *refers_to != Some(*help) && *outcome != Outcome::Repeated {
                        return Err(format!("part {part} is named by {late}, which does not say why"));
                    }
                }
                [] => {
                    let helped = self.decided.range(..part).any(|(_, decided)| {
                        decided.identity == 0 && (&decided.operator, &decided.from) == (operator, from)
                    });
                    let before = self.parts.range(..part).map(|(_, (_, _, other, _))| *other);
                    let mut before = before.chain(self.decided.range(..part).map(|(_, it)| it.identity));
                    if !helped && !before.any(|other| other == *identity) {
                        return Err(format!("part {part} has no outcome"));
                    }
                }
                seqs => return Err(format!("part {part} is named by {seqs:?}")),
            }
        }
        Ok(())
    }

    /// Each reply has a mark in the end, and no allowance comes back twice.
    pub(crate) fn check_marks(&self) -> Result<(), String> {
        let marked: BTreeSet<u64> = self.marks.iter().flat_map(|(_, _, seqs)| seqs.iter().copied()).collect();
        if let Some((seq, ..)) = self.replies().find(|(seq, ..)| !marked.contains(seq)) {
            return Err(format!("the reply of entry {seq} was neither sent nor given up"));
        }
        for (seq, _) in self.undelivered() {
            if self.count(seq, Mark::Undelivered) > 1 {
                return Err(format!("the allowance of entry {seq} came back twice"));
            }
            if self.sent(seq) > 0 {
                return Err(format!("the permit of entry {seq} was given back though its reply was sent"));
            }
        }
        Ok(())
    }

    /// The same message is decided once for as long as it is remembered, unless what was decided is no answer any more.
    pub(crate) fn check_once(&self, dedupe: SignedDuration) -> Result<(), String> {
        let mut earlier: BTreeMap<Vec<u128>, u64> = BTreeMap::new();
        for (&seq, decided) in self.decided.iter().filter(|(_, decided)| decided.identity != 0) {
            // The last part alone does not make a text the same.
            let parts = decided.parts.iter().map(|part| self.parts.get(part).map_or(0, |(_, _, it, _)| *it));
            let mut identities: Vec<u128> = parts.chain([decided.identity]).collect();
            identities.sort_unstable();
            let Some(first) = earlier.insert(identities, seq) else { continue };
            let before = &self.decided[&first];
            let over =
                decided.at >= before.at + dedupe || before.again.is_some_and(|again| decided.at >= again);
            // Its parts came before it, and are forgotten before it.
            let part_is_over = |part| self.parts.get(part).is_some_and(|(.., at)| decided.at >= *at + dedupe);
            let over = over || before.parts.iter().any(part_is_over);
            let notice = decided.reason == Some(Reason::Phone);
            let refused = self.marks.iter().any(|(at, mark, seqs)| {
                *at < seq && matches!(mark, Mark::Undelivered | Mark::Rejected) && seqs.contains(&first)
            });
            // A revocation makes all that was told to its phone before no answer.
            let phone = |seq: &u64| self.decided.get(seq).map(|decided| &decided.from);
            let revoked = self.revoked.range(first..seq).any(|(_, (_, of))| phone(of) == phone(&first));
            // Nor is a question that was answered, or took another's place, nor a help that asked nothing
            // once something else was decided.
            let between = self.decided.range(first + 1..seq).filter(|(_, later)| later.from == before.from);
            let asks = |reason| {
                use Reason::{Confirm, NoDocument, NoPurpose, Series};
                matches!(reason, Some(NoPurpose | NoDocument | Series | Confirm))
            };
            let answered = asks(before.reason)
                && between.clone().any(|(_, later)| {
                    before.again.is_none()
                        || later.request.is_some()
                        || later.refers_to == Some(first)
                        || later.again.is_some()
                        || asks(later.reason)
                });
            if !over && !notice && !refused && !revoked && !answered {
                return Err(format!(
                    "entries {first} ({:?}) and {seq} ({:?}) are decisions of one message",
                    before.reason, decided.reason
                ));
            }
        }
        Ok(())
    }

    /// What completes a request is a timely answer of the phone that was asked, about what it was asked, and one
    /// question brings one permit. How many were completed.
    pub(crate) fn check_asked(&self) -> Result<usize, String> {
        let mut completed = BTreeSet::new();
        for (seq, decided) in &self.decided {
            let (Some(request), Some(question)) = (decided.request, decided.refers_to) else { continue };
            if decided.outcome == Outcome::Repeated {
                continue;
            }
            let asked = self.decided.get(&question).filter(|asked| asked.outcome == Outcome::Help);
            let asked =
                asked.ok_or_else(|| format!("entry {seq} answers {question}, which asked nothing"))?;
            if asked.reason == Some(Reason::Incomplete) {
                // The last part of a text came late.
                continue;
            }
            let serial = request.document.to_string();
            let number = serial.trim_start_matches(|c: char| c.is_ascii_uppercase());
            let about = asked.text.contains(number) || asked.text == request.purpose.to_string();
            let open = question < *seq && asked.again.is_some_and(|until| decided.at < until);
            if asked.from != decided.from || !about || !open {
                return Err(format!("entry {seq} is no answer to entry {question}"));
            }
            if decided.reason != Some(Reason::PurposeUnknown) && !completed.insert(question) {
                return Err(format!("entry {seq} answers entry {question} once more"));
            }
        }
        Ok(completed.len())
    }

    /// Tells the story again with books of its own: who had what permits, and what each request had to become.
    pub(crate) fn check_rules(&self, world: &World, people: &[Person]) -> Result<(), String> {
        let holder = |document: Document| people.iter().find(|person| person.documents.contains(&document));
        let mut grants: Vec<Grant> = Vec::new();
        let mut codes = BTreeSet::new();
        let mut marks = self.marks.iter().peekable();
        let mut revoked = self.revoked.iter().peekable();
        for (&seq, decided) in &self.decided {
            while let Some((_, mark, seqs)) = marks.next_if(|(at, ..)| *at < seq) {
                let ended = grants.iter_mut().filter(|grant| seqs.contains(&grant.seq));
                ended.filter(|_| *mark == Mark::Undelivered).for_each(|grant| grant.given_back = true);
            }
            while let Some((_, (at, of))) = revoked.next_if(|(at, _)| **at < seq) {
                // It ends, and stays spent.
                let ended = grants.iter_mut().filter(|grant| grant.seq == *of);
                ended.for_each(|grant| {
                    (grant.interval.end, grant.revoked) = (grant.interval.end.min(*at), true)
                });
            }
            let Some(request) = decided.request else { continue };
            let person = holder(request.document);
            self.check_again(seq, decided, &request, person, &grants, world)?;
            if decided.outcome != Outcome::Granted {
                continue;
            }
            let (code, day, interval) = decided.permit.ok_or("a grant without a permit")?;
            let (interval, person) =
                (interval.ok_or("a grant without times")?, person.ok_or("a grant to nobody")?);
            if !codes.insert(code) {
                return Err(format!("the code of entry {seq} was given before"));
            }
            let grant = Grant {
                seq,
                person: person.number,
                purpose: request.purpose,
                day,
                at: decided.at,
                interval,
                from: decided.from.clone(),
                given_back: false,
                revoked: false,
            };
            check_grant(&grant, &grants, person, world)?;
            grants.push(grant);
        }
        Ok(())
    }

    /// The same request, facts, past and moment give the same decision.
    fn check_again(
        &self,
        seq: u64,
        decided: &Decided,
        request: &Request,
        person: Option<&Person>,
        grants: &[Grant],
        world: &World,
    ) -> Result<(), String> {
        let moment = world.moment(decided.at);
        let entry = world.register.find(request.document);
        let facts = entry.as_ref().and_then(|entry| world.facts(entry));
        let mut history = History::default();
        if let (Some(person), Ok(rules)) = (person, moment.rules()) {
            let mut counted =
                grants.iter().filter(|grant| grant.person == person.number && !grant.given_back);
            for grant in counted.clone() {
                history.usage.day[usize::from(grant.purpose)] += u8::from(grant.day == rules.date);
                history.usage.week[usize::from(grant.purpose)] +=
                    u8::from(monday(grant.day) == monday(rules.date));
            }
            let latest = counted.rfind(|grant| grant.purpose == request.purpose);
            history.standing = latest.filter(|grant| decided.at < grant.interval.end).map(|grant| Standing {
                decided_at: grant.at,
                interval: grant.interval,
                same_phone: grant.from == decided.from,
            });
        }
        let subject = facts.as_ref().map_or(Subject::Unknown, Subject::Known);
        let in_force = world.regimes.at(decided.at).map(|regime| regime.hash());
        if decided.regime != in_force {
            return Err(format!("entry {seq} names another regime than the one in force"));
        }
        let again = decide(request, subject, &history, &moment);
        if (again.outcome, again.reason) != (decided.outcome, decided.reason) {
            return Err(format!(
                "entry {seq} says {:?} {:?}, and the books {:?} {:?}",
                decided.outcome, decided.reason, again.outcome, again.reason
            ));
        }
        Ok(())
    }
}

/// No two permits at once, and no more than the regime allows.
fn check_grant(grant: &Grant, grants: &[Grant], person: &Person, world: &World) -> Result<(), String> {
    let seq = grant.seq;
    let regime = world.regimes.at(grant.at).ok_or("a grant without a regime")?;
    let others: Vec<_> = grants.iter().filter(|g| g.person == grant.person && !g.given_back).collect();
    for other in others.iter().filter(|other| other.purpose == grant.purpose) {
        // A permit begins at its minute's start, within which another may have been revoked.
        let begins = if other.revoked { grant.at } else { grant.interval.start };
        if world.regimes.standing_end(other.at, other.interval.end) > begins {
            return Err(format!("entries {} and {seq} are two permits at once", other.seq));
        }
    }
    if person.exempt {
        return Ok(());
    }
    for quota in regime.quotas.iter().filter(|quota| quota.purposes.contains(&grant.purpose)) {
        let same = |day: Date| match quota.per {
            Period::Day => day == grant.day,
            Period::Week => monday(day) == monday(grant.day),
        };
        let used = others.iter().filter(|other| quota.purposes.contains(&other.purpose) && same(other.day));
        let used = used.count() + 1;
        if used > usize::from(quota.limit) {
            return Err(format!("entry {seq} is permit {used} of {} a {}", quota.limit, quota.per.name()));
        }
    }
    Ok(())
}

fn monday(day: Date) -> (i16, i8) {
    let week = day.iso_week_date();
    (week.year(), week.week())
}
