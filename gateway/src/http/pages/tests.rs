//! The pages as a browser gets them, made from facts.

use std::time::Duration;

use askama::Template;
use icaze_config::regime::{Regime, Regimes};
use icaze_store::Reason;
use icaze_store::ledger::Language;
use jiff::{SignedDuration, Timestamp};

use super::dashboard::{Dashboard, Facts, OperatorFacts, RegisterFacts, View};
use super::figures::Clock;
use super::login::Login;
use super::officer::{By, Form, Found, Officer, Verdict};
use super::page::{Page, Place, Reader};
use super::words::{LANGUAGES, Words};
use crate::clock::Now;
use crate::pipeline::stats::Stats;
use crate::timeline::{Timeline, Totals, no_answers};

fn page(language: Language, place: Place) -> Page {
    let reader = Reader {
        name: "demo".to_owned(),
        institution: "Icaze".to_owned(),
        csrf: "0123".to_owned(),
        places: vec![Place::Dashboard, Place::Officer],
    };
    Page { words: Words::of(language), language, place, reader: Some(reader) }
}

fn regimes() -> Regimes {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/regimes/demo");
    Regimes::load(&dir).unwrap()
}

fn noon() -> Timestamp {
    "2020-12-14T10:10:00Z".parse().unwrap()
}

/// Ten minutes of grants and refusals.
fn timeline() -> Timeline {
    let mut now = Now { wall: noon() - SignedDuration::from_mins(10), ..Now::read() };
    let (mut timeline, mut stats) = (Timeline::new(now), Stats::default());
    for second in 0..600_u64 {
        let mut answers = no_answers();
        for n in 0..(second % 90) / 9 + 3 {
            stats.decided(None, Some(u8::try_from(1 + n % 2).unwrap()), Some("Baku"));
            answers.record(700 + 13 * n * second % 900).unwrap();
        }
        for n in 0..second % 7 {
            let reason = [Reason::Quota, Reason::Age, Reason::Unreadable, Reason::Standing, Reason::Area];
            stats.decided(Some(reason[usize::try_from(n % 5).unwrap()]), Some(2), Some("Ganja"));
        }
        if second % 100 == 0 {
            stats.decided(Some(Reason::StayHome), Some(1), Some("Lerik"));
        }
        now = Now {
            wall: now.wall + SignedDuration::from_secs(1),
            monotonic: now.monotonic + Duration::from_secs(1),
        };
        timeline.sample(now, Totals::of(&stats), &answers);
    }
    timeline
}

fn facts<'a>(timeline: &'a Timeline, regime: Option<&'a Regime>) -> Facts<'a> {
    let operator = |name: &str, sessions, waiting| OperatorFacts {
        name: name.to_owned(),
        sessions,
        received: 12.3,
        sent: 11.9,
        waiting,
    };
    Facts {
        now: noon(),
        not_ready: None,
        timeline,
        operators: vec![operator("azercell", vec![("transceiver", 2)], 0), operator("nar", Vec::new(), 1234)],
        oldest: SignedDuration::from_secs(95),
        permits: 4321,
        register: RegisterFacts { documents: 100_012, generation: 7, age: SignedDuration::from_hours(27) },
        regime,
    }
}

fn dashboard(language: Language) -> String {
    let (timeline, regimes) = (timeline(), regimes());
    let facts = facts(&timeline, regimes.at(noon()));
    Dashboard::new(page(language, Place::Dashboard), View::default(), &facts).render().unwrap()
}

fn officer(language: Language, found: &[Found]) -> String {
    let words = Words::of(language);
    let clock = Clock(jiff::tz::TimeZone::get("Asia/Baku").unwrap());
    let form =
        Form { by: By::Document, reason: "roadside".to_owned(), at: String::new(), value: String::new() };
    let verdict = Verdict::new(words, &clock, found, None, noon());
    Officer {
        page: page(language, Place::Officer),
        form,
        problem: None,
        verdict: Some(verdict),
        by_phone: false,
        zone: "Asia/Baku".to_owned(),
    }
    .render()
    .unwrap()
}

fn found(state: &'static str, delivered: bool) -> Found {
    Found {
        document: "AZE10000002".to_owned(),
        purpose: "2 shopping".to_owned(),
        code: "7K3M-9QXF".to_owned(),
        start: noon(),
        end: noon() + SignedDuration::from_hours(3),
        state,
        decided_at: noon(),
        delivered,
    }
}

#[test]
fn samples() {
    let dir = std::path::Path::new("/tmp/t").join("pages");
    std::fs::create_dir_all(&dir).unwrap();
    for (language, tag, _) in LANGUAGES {
        std::fs::write(dir.join(format!("dashboard-{tag}.html")), dashboard(language)).unwrap();
        std::fs::write(dir.join(format!("officer-{tag}.html")), officer(language, &[found("valid", false)]))
            .unwrap();
        std::fs::write(
            dir.join(format!("officer-no-{tag}.html")),
            officer(language, &[found("ended", true)]),
        )
        .unwrap();
        let login = Login {
            page: Page { reader: None, ..page(language, Place::Login) },
            failed: true,
            elsewhere: None,
        };
        std::fs::write(dir.join(format!("login-{tag}.html")), login.render().unwrap()).unwrap();
    }
}
