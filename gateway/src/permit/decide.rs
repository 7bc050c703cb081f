//! One request, the person's facts and past, and the moment: what is decided.
//!
//! The order of the checks is part of the rules, because the first that fails is the one that the citizen reads:
//!
//! 1. no regime is in force: no permit is needed, whoever asks;
//! 2. a permit for the purpose stands already;
//! 3. the regime lacks the purpose;
//! 4. the document: unknown, invalid, lost, expired, of a series that is not accepted;
//! 5. the person's region is not restricted;
//! 6. the person is blocked from the purpose, must stay at home, is too old;
//! 7. the hours;
//! 8. the quotas.
//!
//! A standing permit comes before all that might have changed since it was granted, the document's last day too: a repeat is
//! answered with its permit and costs nothing. Documents come before all that is known of the person.

use icaze_config::regime::{Exemption, OutsideArea, Period, Quota};
use icaze_store::ledger::{Facts, Interval};
use icaze_store::{Outcome, Reason, Usage};
use jiff::Timestamp;
use jiff::civil::Date;

use super::Request;
use super::moment::{Moment, Offer, Rules};

/// Whose document it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// The register lacks it.
    Unknown,
    /// What the register says.
    Known(&'a PersonFacts<'a>),
}

/// What the register says of a document and of its holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PersonFacts<'a> {
    /// The document's standing.
    pub status: DocumentStatus,
    /// The last day on which the document is valid.
    pub document_expires: Option<Date>,
    /// The holder's date of birth.
    pub birth_date: Date,
    /// Where the holder is registered.
    pub region: &'a str,
    /// The holder has died.
    pub deceased: bool,
    /// The holder is exempt from some rules.
    pub exempt: bool,
    /// The last day of isolation.
    pub isolation_until: Option<Date>,
    /// The last day on which a recent arrival stays at home.
    pub arrival_until: Option<Date>,
    /// The purposes that the holder may not use: bit 0 is purpose 0.
    pub blocked: u16,
}

/// A document's standing in the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DocumentStatus {
    /// In use.
    Valid,
    /// Reported lost.
    Lost,
    /// Withdrawn.
    Revoked,
}

/// What the person has had so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct History {
    /// Permits granted on [`Rules::date`] and in its week, by purpose.
    pub usage: Usage,
    /// The latest permit for the purpose asked for, if it has not been revoked or given back.
    pub standing: Option<Standing>,
}

/// A permit granted before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// When it was granted.
    pub decided_at: Timestamp,
    /// Its times.
    pub interval: Interval,
    /// Whether the phone that asks is the one that asked for it.
    pub same_phone: bool,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The class.
    pub outcome: Outcome,
    /// Why; `None` if granted.
    pub reason: Option<Reason>,
    /// The permit's times: of the new one, or of the standing one if the citizen may be told.
    pub interval: Option<Interval>,
    /// When to ask again: the end of the quota's day or week, or the beginning of the next regime.
    pub again: Option<Timestamp>,
}

impl Decision {
    fn of(outcome: Outcome, reason: Reason) -> Self {
        Self { outcome, reason: Some(reason), interval: None, again: None }
    }

    fn refused(reason: Reason) -> Self {
        Self::of(Outcome::Refused, reason)
    }
}

/// Decides. Total and pure; allocates nothing.
#[must_use]
pub fn decide(request: &Request, subject: Subject<'_>, history: &History, moment: &Moment<'_>) -> Decision {
    match checked(request, subject, history, moment) {
        Ok(interval) => {
            Decision { outcome: Outcome::Granted, reason: None, interval: Some(interval), again: None }
        }
        Err(decision) => decision,
    }
}

/// The new permit's times, or what else becomes of the request.
fn checked(
    request: &Request,
    subject: Subject<'_>,
    history: &History,
    moment: &Moment<'_>,
) -> Result<Interval, Decision> {
    let rules = moment
        .rules()
        .map_err(|again| Decision { again, ..Decision::of(Outcome::NotNeeded, Reason::NoRegime) })?;
    let known = matches!(subject, Subject::Known(_));
    let stands = |permit: &Standing| known && moment.stands(permit.decided_at, permit.interval);
    if let Some(permit) = history.standing.filter(stands) {
        return Err(repeated(permit));
    }
    let offer = rules.offer(request.purpose).ok_or(Decision::refused(Reason::PurposeUnknown))?;
    let person = document(request, subject, rules)?;
    if rules.regime.outside_area == OutsideArea::NotNeeded && !rules.regime.restricts(person.region) {
        return Err(Decision::of(Outcome::NotNeeded, Reason::Area));
    }
    persons(person, offer, rules)?;
    let exempt = |rule| person.exempt && rules.regime.exempts(rule);
    let interval = if exempt(Exemption::Hours) { Some(offer.unlimited) } else { offer.within_hours };
    let interval = interval.ok_or(Decision::refused(Reason::Hours))?;
    if !exempt(Exemption::Quota) {
        quotas(request.purpose, &history.usage, rules)?;
    }
    Ok(interval)
}

fn document<'a>(
    request: &Request,
    subject: Subject<'a>,
    rules: &Rules<'_>,
) -> Result<&'a PersonFacts<'a>, Decision> {
    let Subject::Known(person) = subject else {
        return Err(Decision::refused(Reason::UnknownDocument));
    };
    let accepted =
        rules.regime.documents.iter().any(|series| series.as_bytes() == request.document.series_bytes());
    let reason = if person.deceased || person.status == DocumentStatus::Revoked {
        Reason::DocumentInvalid
    } else if person.status == DocumentStatus::Lost {
        Reason::DocumentLost
    } else if person.document_expires.is_some_and(|last| last < rules.date) {
        Reason::DocumentExpired
    } else if !accepted {
        Reason::DocumentInvalid
    } else {
        return Ok(person);
    };
    Err(Decision::refused(reason))
}

/// To another phone the permit's times are not told.
fn repeated(permit: Standing) -> Decision {
    if permit.same_phone {
        let interval = Some(permit.interval);
        Decision { interval, ..Decision::of(Outcome::Repeated, Reason::Standing) }
    } else {
        Decision::of(Outcome::Repeated, Reason::OtherPhone)
    }
}

/// The rules that hang on who the person is.
fn persons(person: &PersonFacts<'_>, offer: &Offer<'_>, rules: &Rules<'_>) -> Result<(), Decision> {
    let bound = |rule| !(person.exempt && rules.regime.exempts(rule));
    let purpose = offer.purpose;
    let stays_home = person.isolated(rules.date) || person.arrived(rules.date);
    let too_old = purpose.age_over.is_some_and(|age| completed_years(person.birth_date, rules.date) > age);
    if person.is_blocked(purpose.code) {
        Err(Decision::refused(Reason::Blocked))
    } else if purpose.stay_home && stays_home && bound(Exemption::StayHome) {
        Err(Decision::refused(Reason::StayHome))
    } else if too_old && bound(Exemption::Age) {
        Err(Decision::refused(Reason::Age))
    } else {
        Ok(())
    }
}

/// The quotas that a permit for this purpose counts towards, of a person with these facts.
pub fn quotas_of<'r>(
    purpose: u8,
    person: &PersonFacts<'_>,
    rules: &Rules<'r>,
) -> impl Iterator<Item = &'r Quota> {
    let exempt = person.exempt && rules.regime.exempts(Exemption::Quota);
    let quotas = rules.regime.quotas.iter();
    quotas.filter(move |quota| !exempt && quota.purposes.contains(&purpose))
}

/// Every quota that the purpose counts towards must have room; the last one to have room again says when.
fn quotas(purpose: u8, usage: &Usage, rules: &Rules<'_>) -> Result<(), Decision> {
    let mut again = None;
    for quota in rules.regime.quotas.iter().filter(|quota| quota.purposes.contains(&purpose)) {
        let end = match quota.per {
            Period::Day => rules.next_day,
            Period::Week => rules.next_week,
        };
        if used(quota, usage) >= u32::from(quota.limit) {
            again = again.max(Some(end));
        }
    }
    match again {
        None => Ok(()),
        Some(_) => Err(Decision { again, ..Decision::refused(Reason::Quota) }),
    }
}

fn used(quota: &Quota, usage: &Usage) -> u32 {
    let counts = match quota.per {
        Period::Day => &usage.day,
        Period::Week => &usage.week,
    };
    let used = quota.purposes.iter().filter_map(|&code| counts.get(usize::from(code)));
    used.map(|&count| u32::from(count)).sum()
}

/// How many more permits for this purpose the person may have today; `None` where no quota says.
#[must_use]
pub fn left(purpose: u8, person: &PersonFacts<'_>, usage: &Usage, rules: &Rules<'_>) -> Option<u32> {
    let quotas = quotas_of(purpose, person, rules);
    quotas.map(|quota| u32::from(quota.limit).saturating_sub(used(quota, usage))).min()
}

impl<'a> PersonFacts<'a> {
    /// Under isolation; the last day is one of them.
    #[must_use]
    pub fn isolated(&self, today: Date) -> bool {
        self.isolation_until.is_some_and(|last| today <= last)
    }

    /// Lately arrived; the last day is one of them.
    #[must_use]
    pub fn arrived(&self, today: Date) -> bool {
        self.arrival_until.is_some_and(|last| today <= last)
    }

    /// Barred from one purpose.
    #[must_use]
    pub fn is_blocked(&self, purpose: u8) -> bool {
        1_u16.checked_shl(u32::from(purpose)).is_some_and(|bit| self.blocked & bit != 0)
    }

    /// What the ledger keeps of the facts, so that the decision explains itself.
    #[must_use]
    pub fn recorded(&self, purpose: u8, today: Date) -> Facts<'a> {
        let flags =
            [self.isolated(today), self.arrived(today), self.exempt, self.deceased, self.is_blocked(purpose)];
        Facts {
            region: self.region,
            age_band: completed_years(self.birth_date, today) / 10 * 10,
            flags: flags.iter().rev().fold(0, |bits, &flag| bits << 1 | u8::from(flag)),
        }
    }
}

/// A person's age on a day: birthdays passed. One born on 29 February has a birthday on 1 March in common years.
/// 0 before birth, at most 255.
#[must_use]
pub fn completed_years(birth: Date, today: Date) -> u8 {
    let had_birthday = (today.month(), today.day()) >= (birth.month(), birth.day());
    let years = i32::from(today.year()) - i32::from(birth.year()) - i32::from(!had_birthday);
    u8::try_from(years.max(0)).unwrap_or(u8::MAX)
}
