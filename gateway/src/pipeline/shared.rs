//! What is asked of the other gateways, and told to them, where several share their allowances.
//!
//! Before a batch is decided, [`Pipeline::wanted`] says what has to be reserved for it; what was answered comes back with the
//! [`Intake`], and a permit is granted only on a reservation. What is decided becomes [`Change`]s, which the committer tells the
//! others once the entry that says so is durable, and before anybody hears of it.

use std::collections::HashSet;
use std::fmt::{self, Write as _};
use std::hash::Hasher as _;
use std::ops::Range;

use icaze_cluster::{Allowance, Call, Confirm, Grant, Hold, Per, Quota, Reserved, Text};
use icaze_config::regime::{Away, Period};
use icaze_store::ledger::{Batch, Full, Interval, Mark};
use icaze_store::{Day, Msisdn, Outcome, Usage, UsageTable};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use siphasher::sip::SipHasher24;

use super::Pipeline;
use super::intake::{Content, Intake, Message};
use super::limits::Allowed;
use super::outbox::Settled;
use super::parts::MessageKey;
use super::permits::{Ending, Permit};
use crate::clock::Now;
use crate::permit::code::Code;
use crate::permit::decide::{self, PersonFacts, Standing, Subject};
use crate::permit::moment::{Moment, Rules};
use crate::permit::read::{Reading, read};
use crate::world::World;

/// How long a reservation holds, in milliseconds: far longer than a decision takes to be durable, and as long as others may be
/// told to ask again for a gateway that died.
const HOLD_MS: u64 = 10_000;

/// The name of a reservation that nobody has made: it lets a gateway grant without the others.
pub const ALONE: &str = "alone";

/// A message of an [`Intake`] that needs a reservation.
#[derive(Debug)]
pub struct Wanted {
    /// Its place there.
    pub place: usize,
    /// What is to be asked.
    pub call: Call,
    /// What is to become of it if nobody answers for long.
    pub away: Away,
}

/// What the others have to be told.
#[derive(Debug, Clone)]
pub struct Change {
    /// The entry that says so, of the decision or of what ended its permit.
    pub seq: u64,
    /// How it is told.
    pub call: Call,
}

/// What was answered about a message that would be granted.
pub(super) enum Said {
    /// It may be.
    Held(Grant),
    /// Another node's permit stands: with this code.
    Standing(Standing, u64),
    /// Other nodes' permits have used the allowance.
    Used(Usage),
}

/// What the others are to know of one commit.
#[derive(Debug, Default)]
pub struct News {
    /// Its entries.
    pub entries: Range<u64>,
    /// What became of allowances.
    pub changes: Vec<Change>,
    /// Replies whose ends it has: operator and entry.
    pub ended: Vec<(u16, u64)>,
}

/// What a pipeline needs to share allowances.
pub struct Shared {
    /// So that phones can be compared and not read.
    phone_key: [u8; 16],
    changes: Vec<Change>,
    ended: Vec<(u16, u64)>,
}

impl Shared {
    /// `phone_key` is the same on every node.
    #[must_use]
    pub fn new(phone_key: [u8; 16]) -> Self {
        Self { phone_key, changes: Vec::new(), ended: Vec::new() }
    }

    /// What `answer` means for a request of `phone`. Without a clear answer the sender is asked to come again, and so it is if a
    /// regime with another choice came into force since nobody answered.
    pub(super) fn said(
        &self,
        answer: Option<&Reserved>,
        away: Away,
        used: Usage,
        phone: Msisdn,
    ) -> Result<Said, Full> {
        match answer {
            Some(Reserved::Held(Grant(name))) if name == ALONE && away == Away::Refuse => Err(Full),
            Some(&Reserved::Held(grant)) => Ok(Said::Held(grant)),
            Some(Reserved::Same(_, permit) | Reserved::Standing(_, permit)) => {
                let permit = SharedPermit::read(permit).ok_or(Full)?;
                let standing = Standing {
                    decided_at: permit.decided_at,
                    interval: permit.interval,
                    same_phone: permit.phone == self.hashed(phone),
                };
                Ok(Said::Standing(standing, permit.code))
            }
            Some(&Reserved::Used { day, week }) => {
                let full = [UsageTable::COUNT_MAX; 10];
                let counts = |is_full, counts| if is_full { full } else { counts };
                Ok(Said::Used(Usage { day: counts(day, used.day), week: counts(week, used.week) }))
            }
            Some(Reserved::Busy) | None => Err(Full),
        }
    }

    fn hashed(&self, phone: Msisdn) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.phone_key);
        hasher.write_u64(phone.as_u64());
        hasher.finish()
    }

    /// What a permit has come to, as something that a ledger holds as acknowledged. `None` if no rules are known for its day.
    #[must_use]
    pub fn replay(&self, permit: &Permit, world: &World) -> Option<Change> {
        let Change { seq, call } = self.again(permit, Hold::Own, world)?;
        Some(Change { seq, call: call.replayed() })
    }

    /// What a permit has come to. `None` if no rules are known for its day.
    fn again(&self, permit: &Permit, hold: Hold, world: &World) -> Option<Change> {
        let allowance = of_permit(permit, world)?;
        let call = match permit.ended {
            Some((_, Ending::Undelivered)) => Call::Release { allowance, grant: name(permit) },
            // A reply that was sent was acknowledged before, so it was confirmed; any other may have been neither.
            _ => {
                let told = permit.delivery.is_some() || permit.ended.is_some();
                let mode = if told { Confirm::Replay } else { Confirm::Live };
                self.confirm(allowance, permit, hold, mode)
            }
        };
        Some(Change { seq: permit.seq, call })
    }

    fn confirm(&self, allowance: Allowance, permit: &Permit, hold: Hold, mode: Confirm) -> Call {
        let Permit { code, interval, decided_at, .. } = *permit;
        let end = permit.ended.map_or(interval.end, |(at, _)| at.min(interval.end));
        let shared = SharedPermit { code, interval, decided_at, phone: self.hashed(permit.phone) };
        Call::Confirm {
            allowance,
            grant: name(permit),
            hold,
            now_ms: milliseconds(decided_at),
            until_ms: milliseconds(end),
            permit: shared.write(),
            mode,
        }
    }
}

/// What a node keeps for the others of a permit: they can answer with it.
pub struct SharedPermit {
    /// Its code.
    pub code: u64,
    /// When it holds, unless it ended earlier.
    pub interval: Interval,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// Hashed.
    phone: u64,
}

impl SharedPermit {
    fn write(&self) -> Text {
        let Self { code, interval: Interval { start, end }, decided_at, phone } = self;
        let (start, end, decided_at) = (start.as_second(), end.as_second(), decided_at.as_microsecond());
        text(format_args!("{code} {start} {end} {decided_at} {phone}"))
    }

    /// `None` if another version wrote it.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let code = words.next()?.parse().ok()?;
        let mut number = || words.next()?.parse().ok();
        let (start, end, decided_at) = (number()?, number()?, number()?);
        let phone = words.next()?.parse().ok()?;
        let second = |second| Timestamp::from_second(second).ok();
        Some(Self {
            code,
            interval: Interval { start: second(start)?, end: second(end)? },
            decided_at: Timestamp::from_microsecond(decided_at).ok()?,
            phone,
        })
    }
}

/// The code of a permit that this call grants, and whose it is.
#[must_use]
pub fn coded(call: &Call) -> Option<(Code, u32)> {
    match call {
        Call::Confirm { allowance, permit, mode: Confirm::Live | Confirm::Replay, .. } => {
            let code = permit.split(' ').next()?.parse().ok()?;
            Some((Code::from_u64(code)?, allowance.person))
        }
        _ => None,
    }
}

/// The name of a permit among all nodes': codes are of one node each, and come round after years.
fn name(permit: &Permit) -> Grant {
    Grant(text(format_args!("{}@{}", permit.code, milliseconds(permit.decided_at))))
}

/// Numbers that always have room: five of them have at most 79 digits and blanks.
fn text(numbers: fmt::Arguments<'_>) -> Text {
    let mut text = Text::new();
    let written = text.write_fmt(numbers);
    debug_assert!(written.is_ok(), "there is room");
    text
}

fn milliseconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or_default()
}

/// What `person` is granted with a permit for this purpose, of the rules' day.
pub(super) fn allowance(
    purpose: u8,
    (person, facts): (u32, &PersonFacts<'_>),
    rules: &Rules<'_>,
) -> Allowance {
    let quotas = decide::quotas_of(purpose, facts, rules).map(|quota| Quota {
        purposes: quota.purposes.iter().copied().take(10).collect(),
        per: match quota.per {
            Period::Day => Per::Day,
            Period::Week => Per::Week,
        },
        limit: quota.limit,
    });
    Allowance { quotas: quotas.collect(), ..bare(person, purpose, rules.date) }
}

fn bare(person: u32, purpose: u8, date: Date) -> Allowance {
    let day = Day::from(date);
    Allowance { person, purpose, day: day.number(), week: day.week(), quotas: Vec::new() }
}

impl Pipeline {
    /// From now on permits are granted on reservations only.
    pub fn share(&mut self, shared: Shared) {
        self.shared = Some(shared);
    }

    /// What has to be reserved before these messages are decided: once for each person and purpose that, as far as this node
    /// knows, are granted. Nothing is changed by it but the time.
    pub fn wanted(&mut self, operator: u16, intake: &Intake, world: &World, now: Now) -> Vec<Wanted> {
        let moment = world.moment(self.advance(now));
        self.touch(intake);
        let away = self.away(&moment);
        let mut wanted: Vec<Wanted> = Vec::new();
        let (mut parts, mut subjects) = (Vec::new(), HashSet::new());
        for (place, message) in intake.iter().enumerate() {
            let reading = match message.content {
                Content::Unread => Some(read(message.text, &world.names)),
                Content::Text(reading) => Some(reading),
                Content::Part(part) => {
                    let Some(key) = MessageKey::of(operator, &message, part) else { continue };
                    parts.push((key, part.number, message.text));
                    self.parts.joined(&parts).map(|text| read(&text, &world.names))
                }
                Content::Doubtful | Content::Binary | Content::Ignored(_) => None,
            };
            let call = reading.and_then(|reading| self.reservation(&reading, &message, world, &moment));
            if let Some(call) = call
                && subjects.insert(call.subject())
            {
                wanted.push(Wanted { place, call, away });
            }
        }
        wanted
    }

    /// What becomes of requests of this moment while the others are away.
    pub(super) fn away(&self, moment: &Moment<'_>) -> Away {
        moment.rules().ok().and_then(|rules| rules.regime.without_cluster).unwrap_or(self.settings.away)
    }

    fn reservation(
        &self,
        reading: &Reading,
        message: &Message<'_>,
        world: &World,
        moment: &Moment<'_>,
    ) -> Option<Call> {
        let meaning = self.meaning(message.phone, reading);
        let request = meaning.request.ok()?;
        // A phone beyond its limit must not hold what is another's.
        let phone =
            message.phone.filter(|&phone| matches!(self.limits.peek(phone, self.time), Allowed::Yes))?;
        let guess = || self.guess(phone, request.document, message.found, world);
        if world.is_example(request.document) || guess() != Allowed::Yes {
            return None;
        }
        let past = self.past(request, message.found, phone, world, moment);
        let (person, facts) = past.person.as_ref()?;
        let decision = decide::decide(&request, Subject::Known(facts), &past.history, moment);
        let rules = moment.rules().ok().filter(|_| decision.outcome == Outcome::Granted)?;
        Some(Call::Reserve {
            allowance: allowance(request.purpose, (*person, facts), rules),
            identity: text(format_args!("{:032x}", meaning.identity(message.identity))),
            now_ms: milliseconds(self.time),
            timeout_ms: HOLD_MS,
            repeat_ms: u64::try_from(self.settings.dedupe.as_millis()).unwrap_or_default(),
            standing_from_ms: moment.standing_from().map_or(0, milliseconds),
        })
    }

    /// Entry `permit.seq` grants what was reserved.
    pub(super) fn share_grant(&mut self, permit: &Permit, (hold, allowance): (Grant, Allowance)) {
        if let Some(shared) = &mut self.shared {
            let call = shared.confirm(allowance, permit, Hold::Named(hold), Confirm::Live);
            shared.changes.push(Change { seq: permit.seq, call });
        }
    }

    /// Entry `seq` gave the allowance of `permit` back, which was one of this day.
    pub(super) fn share_return(&mut self, seq: u64, permit: &Permit, day: Date) {
        if let Some(shared) = &mut self.shared {
            let allowance = bare(permit.person, permit.purpose, day);
            shared.changes.push(Change { seq, call: Call::Release { allowance, grant: name(permit) } });
        }
    }

    /// Entry `seq` revoked `permit`: its end comes sooner, and its allowance stays spent.
    pub(super) fn share_end(&mut self, seq: u64, permit: &Permit) {
        if let Some(shared) = &mut self.shared {
            let allowance = bare(permit.person, permit.purpose, Date::default());
            let call = shared.confirm(allowance, permit, Hold::Own, Confirm::End);
            shared.changes.push(Change { seq, call });
        }
    }

    /// The reply of entry `seq` has ended: nobody else need keep it.
    pub(super) fn share_reply_end(&mut self, operator: u16, seq: u64) {
        if let Some(shared) = &mut self.shared {
            shared.ended.push((operator, seq));
        }
    }

    /// What the others have to be told of the entries of `batch`, which was just [taken](Self::take_batch).
    pub fn take_news(&mut self, batch: &Batch, news: &mut News) {
        if let Some(shared) = &mut self.shared {
            news.entries = batch.next_seq() - batch.len() as u64..batch.next_seq();
            news.changes.append(&mut shared.changes);
            news.ended.append(&mut shared.ended);
        }
    }

    /// What the others may have been told, or not, of the last `count` permits when an earlier run ended.
    #[must_use]
    pub fn unsettled(&self, world: &World, count: usize) -> Vec<Change> {
        let Some(shared) = &self.shared else { return Vec::new() };
        self.last_permits(count).filter_map(|permit| shared.again(&permit, Hold::Orphaned, world)).collect()
    }

    /// What the others were told of permits of the last `time`, `count` of them at most: it is to be told again.
    #[must_use]
    pub fn told_lately(&self, world: &World, time: SignedDuration, count: usize) -> Vec<Change> {
        let Some(shared) = &self.shared else { return Vec::new() };
        let lately =
            self.last_permits(count).filter(|permit| self.time.duration_since(permit.decided_at) < time);
        lately.filter_map(|permit| shared.replay(&permit, world)).collect()
    }

    fn last_permits(&self, count: usize) -> impl Iterator<Item = Permit> {
        let first = self.permits.end().saturating_sub(count as u64).max(self.permits.first());
        (first..self.permits.end()).filter_map(|number| self.permits.get(number))
    }

    /// Decisions that nobody has heard of lost their reservations, and others have the allowances: their permits end, and their
    /// replies are not sent. Returns those that cannot be undone, because another reply carries the code already.
    pub fn void(&mut self, seqs: &[u64]) -> Vec<u64> {
        let (void, left): (Vec<u64>, Vec<u64>) =
            seqs.iter().partition(|&&seq| self.outbox.carries_permit(seq));
        self.marks.extend(void.into_iter().map(|seq| Settled { seq, mark: Mark::Undelivered }));
        self.write_marks();
        self.urgent = true;
        left
    }
}

/// What a permit has used, as far as the register and the rules are still as they were.
fn of_permit(permit: &Permit, world: &World) -> Option<Allowance> {
    let moment = world.moment(permit.decided_at);
    let rules = moment.rules().ok()?;
    let facts = world.register.find(permit.document).and_then(|entry| world.facts(&entry));
    Some(match &facts {
        Some(facts) => allowance(permit.purpose, (permit.person, facts), rules),
        None => bare(permit.person, permit.purpose, rules.date),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_reserved_is_granted_only_where_the_choice_is_local() {
        let shared = Shared::new([1; 16]);
        let phone = Msisdn::parse("+994501234567", 994, 9).unwrap();
        let granted = |name: &str, away| {
            let answer = Reserved::Held(Grant(Text::from(name).unwrap()));
            shared.said(Some(&answer), away, Usage::default(), phone).is_ok()
        };
        assert!(granted(ALONE, Away::Local) && granted("x@1", Away::Local) && granted("x@1", Away::Refuse));
        assert!(!granted(ALONE, Away::Refuse), "a regime that refuses has come into force since");
    }

    #[test]
    fn the_longest_names_and_permits_have_room() {
        let decided_at: Timestamp = "9999-12-29T23:59:59Z".parse().unwrap();
        let interval = Interval { start: decided_at, end: decided_at };
        let permit = SharedPermit { code: (1 << 40) - 1, interval, decided_at, phone: u64::MAX };
        assert_eq!(SharedPermit::read(&permit.write()).unwrap().decided_at, decided_at);
        assert_eq!(text(format_args!("{:032x}@{}", u128::MAX, u64::MAX)).len(), 53);
    }

    #[test]
    fn a_permit_is_read_as_it_was_written_and_nothing_else_is() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let permit = SharedPermit {
            code: 12_345,
            interval: Interval { start: at(60), end: at(3660) },
            decided_at: Timestamp::from_microsecond(61_000_001).unwrap(),
            phone: u64::MAX,
        };
        let text = permit.write();
        assert_eq!(text.as_str(), "12345 60 3660 61000001 18446744073709551615");
        let read = SharedPermit::read(&text).unwrap();
        assert_eq!((read.code, read.interval, read.decided_at), (12_345, permit.interval, permit.decided_at));
        assert_eq!(read.phone, u64::MAX);
        for wrong in ["", "1 2 3 4", "1 2 3 4 x", "a 2 3 4 5", "1 9999999999999999 3 4 5", "-1 2 3 4 5"] {
            assert!(SharedPermit::read(wrong).is_none(), "{wrong}");
        }
    }
}
