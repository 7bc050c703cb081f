//! What holds of every decision, whatever the person, the past and the time.

#![cfg(test)]

use std::path::Path;
use std::sync::LazyLock;

use icaze_config::regime::{Exemption, Period, Regime, Regimes, local_day};
use icaze_gateway::permit::Request;
use icaze_gateway::permit::decide::{
    Decision, DocumentStatus, History, PersonFacts, Standing, Subject, completed_years, decide,
};
use icaze_gateway::permit::moment::Moment;
use icaze_store::ledger::Interval;
use icaze_store::{Document, Outcome, Reason, Usage};
use jiff::civil::{Date, date};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

static ALL: LazyLock<Vec<Regimes>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tables = "tests/decisions/regimes";
    ["../config/regimes/az-2020", "../config/regimes/demo"]
        .into_iter()
        .map(|dir| root.join(dir))
        .chain(["nicosia", "changeover", "clock"].map(|name| root.join(tables).join(name)))
        .map(|dir| Regimes::load(&dir).unwrap())
        .collect()
});

/// From 1 April 2020 to 31 January 2022: all regimes and the gaps between them.
fn any_time() -> impl Strategy<Value = Timestamp> {
    (1_585_699_200..1_643_673_600_i64).prop_map(|second| Timestamp::from_second(second).unwrap())
}

fn any_date() -> impl Strategy<Value = Date> {
    (1900..2030_i16, 1..=12_i8, 1..=28_i8).prop_map(|(year, month, day)| date(year, month, day))
}

fn any_document() -> impl Strategy<Value = Document> {
    prop_oneof![Just("AZE10000001"), Just("CY1000001"), Just("XX1000001")]
        .prop_map(|text| text.parse().unwrap())
}

fn any_person() -> impl Strategy<Value = PersonFacts<'static>> {
    let status = prop_oneof![8 => Just(DocumentStatus::Valid), 1 => Just(DocumentStatus::Lost), 1 => Just(DocumentStatus::Revoked)];
    let last_day = || proptest::option::weighted(0.2, any_date());
    let region = prop_oneof![Just("baku"), Just("nicosia"), Just("lerik"), Just("")];
    let flag = || proptest::bool::weighted(0.1);
    (status, last_day(), any_date(), region, flag(), flag(), last_day(), last_day(), any::<u16>()).prop_map(
        |(status, document_expires, birth_date, region, deceased, exempt, isolation, arrival, blocked)| {
            PersonFacts {
                status,
                document_expires,
                birth_date,
                region,
                deceased,
                exempt,
                isolation_until: isolation,
                arrival_until: arrival,
                blocked: if blocked % 8 == 0 { blocked } else { 0 },
            }
        },
    )
}

fn any_history(now: Timestamp) -> impl Strategy<Value = History> {
    let count = || prop_oneof![3 => Just(0), 2 => 0..4_u8, 1 => any::<u8>()];
    let counts = || proptest::collection::vec(count(), 10).prop_map(|counts| counts.try_into().unwrap());
    let standing =
        (-30_000..30_000_i64, 0..30_000_i64, any::<bool>()).prop_map(move |(from, length, same_phone)| {
            let start = now + SignedDuration::from_secs(from);
            let interval = Interval { start, end: start + SignedDuration::from_secs(length) };
            Standing { decided_at: start.min(now), interval, same_phone }
        });
    (counts(), counts(), proptest::option::weighted(0.3, standing))
        .prop_map(|(day, week, standing)| History { usage: Usage { day, week }, standing })
}

/// The minutes of an interval, each as the clock on the wall shows it.
fn within_hours(regime: &Regime, purpose: u8, interval: Interval) -> bool {
    let hours = &regime.purpose(purpose).unwrap().hours;
    let mut at = interval.start;
    while at < interval.end {
        let clock = regime.zone.to_datetime(at).time();
        let minute = u16::try_from(clock.hour()).unwrap() * 60 + u16::try_from(clock.minute()).unwrap();
        let open = hours.iter().any(|hours| {
            let (from, until) = (hours.from_minute(), hours.until_minute());
            if from < until { (from..until).contains(&minute) } else { minute >= from || minute < until }
        });
        if !open {
            return false;
        }
        at += SignedDuration::from_mins(1);
    }
    true
}

fn check_grant(
    regime: &Regime,
    request: &Request,
    person: &PersonFacts<'_>,
    now: Timestamp,
    interval: Interval,
) {
    let purpose = regime.purpose(request.purpose).unwrap();
    let excused = person.exempt && regime.exempts(Exemption::Hours);
    let length = interval.end.duration_since(interval.start);
    let least = if excused { purpose.minutes } else { regime.minimum_minutes };
    assert!(length >= SignedDuration::from_mins(i64::from(least)), "{length}");
    assert!(length <= SignedDuration::from_mins(i64::from(purpose.minutes)), "{length}");
    let begun = now + SignedDuration::from_mins(i64::from(purpose.delay_minutes));
    let late = begun.duration_since(interval.start);
    assert!(late >= SignedDuration::ZERO && late < SignedDuration::from_mins(1), "{late}");
    // In the night of a change the wall clock alone does not say where hours end: the table `clock` does.
    assert!(excused || regime.id == "clock" || within_hours(regime, request.purpose, interval));
    assert!(regime.covers(now));
}

/// What must be there for each outcome, and what must not.
fn check_shape(decision: &Decision, history: &History) {
    let Decision { outcome, reason, interval, again } = *decision;
    match (outcome, reason) {
        (Outcome::Granted, None) => assert!(interval.is_some() && again.is_none()),
        (Outcome::Repeated, Some(Reason::Standing)) => {
            assert_eq!(interval, history.standing.map(|permit| permit.interval));
        }
        (Outcome::Repeated, Some(Reason::OtherPhone)) => assert_eq!((interval, again), (None, None)),
        (Outcome::Refused, Some(Reason::Quota)) => assert!(again.is_some() && interval.is_none()),
        (Outcome::NotNeeded, Some(Reason::NoRegime)) => assert_eq!(interval, None),
        (Outcome::NotNeeded, Some(Reason::Area)) | (Outcome::Refused, Some(_)) => {
            assert_eq!((interval, again), (None, None));
        }
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn every_request_is_decided_soundly(
        regimes in 0..5_usize,
        purpose: u8,
        common in 0..12_u8,
        document in any_document(),
        person in proptest::option::weighted(0.95, any_person()),
        (now, history) in any_time().prop_flat_map(|now| (Just(now), any_history(now))),
    ) {
        let regimes = &ALL[regimes];
        let request = Request { purpose: if common < 10 { common } else { purpose }, document };
        let subject = person.as_ref().map_or(Subject::Unknown, Subject::Known);
        let moment = Moment::at(regimes, now);
        let decision = decide(&request, subject, &history, &moment);
        check_shape(&decision, &history);
        prop_assert_eq!(decide(&request, subject, &history, &Moment::at(regimes, now)), decision);
        prop_assert_eq!(decision.reason == Some(Reason::NoRegime), regimes.at(now).is_none());
        if decision.outcome == Outcome::Granted {
            let (regime, person) = (regimes.at(now).unwrap(), person.unwrap());
            check_grant(regime, &request, &person, now, decision.interval.unwrap());
        }
    }

    #[test]
    fn one_moment_serves_its_whole_minute(regimes in 0..5_usize, now in any_time(), person in any_person(), purpose in 0..5_u8) {
        let regimes = &ALL[regimes];
        let moment = Moment::at(regimes, now);
        let request = Request { purpose, document: "AZE10000001".parse().unwrap() };
        let first = decide(&request, Subject::Known(&person), &History::default(), &moment);
        for second in 0..60 {
            let then = moment.start() + SignedDuration::from_secs(second);
            if moment.covers(then) {
                let fresh = Moment::at(regimes, then);
                prop_assert_eq!(decide(&request, Subject::Known(&person), &History::default(), &fresh), first);
            }
        }
        prop_assert!(moment.covers(now));
        prop_assert!(!moment.covers(moment.start() + SignedDuration::from_mins(1)));
    }

    #[test]
    fn a_year_older_by_one_on_each_birthday(birth in any_date(), today in any_date()) {
        let years = completed_years(birth, today);
        if birth <= today {
            let years = i16::from(years);
            prop_assert!(date(birth.year() + years, birth.month(), birth.day()) <= today);
            prop_assert!(date(birth.year() + years + 1, birth.month(), birth.day()) > today);
        } else {
            prop_assert_eq!(years, 0);
        }
    }
}

/// A grant as the ledger holds it.
struct Grant {
    at: Timestamp,
    purpose: u8,
    interval: Interval,
}

/// The past as the store would tell it, from nothing but the grants.
fn history(grants: &[Grant], regime: &Regime, purpose: u8, now: Timestamp) -> History {
    let today = local_day(&regime.zone, now);
    let mut usage = Usage::default();
    for grant in grants {
        let day = local_day(&regime.zone, grant.at);
        let place = usize::from(grant.purpose);
        usage.day[place] += u8::from(day == today);
        usage.week[place] += u8::from(day.iso_week_date().week() == today.iso_week_date().week());
    }
    let standing = grants.iter().rev().find(|grant| grant.purpose == purpose).map(|grant| Standing {
        decided_at: grant.at,
        interval: grant.interval,
        same_phone: true,
    });
    History { usage, standing }
}

fn check_quotas(grants: &[Grant], regime: &Regime) {
    for quota in &regime.quotas {
        for grant in grants {
            let period = |at: Timestamp| {
                let day = local_day(&regime.zone, at);
                match quota.per {
                    Period::Day => (day.year(), day.day_of_year()),
                    Period::Week => (day.iso_week_date().year(), day.iso_week_date().week().into()),
                }
            };
            let counted = |other: &&Grant| {
                regime.covers(other.at)
                    && quota.purposes.contains(&other.purpose)
                    && period(other.at) == period(grant.at)
            };
            let used = grants.iter().filter(counted).count();
            assert!(used <= usize::from(quota.limit), "{used} of {} a {}", quota.limit, quota.per.name());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// One person asks again and again over weeks, also around midnights, changes of clock and of regime.
    #[test]
    fn nobody_gets_more_than_the_regime_allows(
        regimes in 0..5_usize,
        start in any_time(),
        requests in proptest::collection::vec((0..40_000_i64, 0..5_u8), 1..120),
    ) {
        let regimes = &ALL[regimes];
        let adult = PersonFacts {
            status: DocumentStatus::Valid,
            document_expires: None,
            birth_date: date(1980, 1, 1),
            region: if regimes.get("nicosia").is_some() { "nicosia" } else { "baku" },
            deceased: false,
            exempt: false,
            isolation_until: None,
            arrival_until: None,
            blocked: 0,
        };
        let mut grants: Vec<Grant> = Vec::new();
        let mut now = start;
        for (wait, purpose) in requests {
            now += SignedDuration::from_secs(wait);
            let Some(regime) = regimes.at(now) else { continue };
            let document = format!("{}1000001", regime.documents[0]).parse().unwrap();
            let past = history(&grants, regime, purpose, now);
            let decision =
                decide(&Request { purpose, document }, Subject::Known(&adult), &past, &Moment::at(regimes, now));
            if decision.outcome == Outcome::Granted {
                let interval = decision.interval.unwrap();
                if let Some(before) = past.standing {
                    let ended = regimes.standing_end(before.decided_at, before.interval.end);
                    prop_assert!(ended <= now, "two permits at once");
                }
                grants.push(Grant { at: now, purpose, interval });
            }
        }
        for regime in regimes.as_slice() {
            check_quotas(&grants, regime);
        }
    }
}
