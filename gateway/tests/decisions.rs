//! The decision tables of `tests/decisions`: rows of a request and of what is decided.
//!
//! A file begins with `regimes DIR`, `zone NAME` and `document SERIAL`; each row is
//! `TIME | PURPOSE | PERSON | PAST | EXPECTED`, words in a cell separated by spaces.
//!
//! * TIME: local; with an offset where the clock passes it twice.
//! * PERSON: an adult of 1980 in `baku` but for: `unknown`, `lost`, `revoked`, `deceased`, `exempt`, `born=DATE`,
//!   `expires=DATE`, `isolation=DATE`, `arrival=DATE`, `region=NAME`, `blocked=PURPOSE`, `document=SERIAL`.
//! * PAST: `dayN=COUNT` (of purpose N, counted in the week too), `weekN=COUNT`, `standing=TIME..TIME`, `decided=TIME`
//!   (else the standing permit's start), `other_phone`.
//! * EXPECTED: the outcome, the reason, the permit as `TIME..TIME`, `again=TIME`; what is not said must not be there.

#![cfg(test)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use icaze_config::regime::Regimes;
use icaze_gateway::permit::Request;
use icaze_gateway::permit::decide::{
    Decision, DocumentStatus, History, PersonFacts, Standing, Subject, decide,
};
use icaze_gateway::permit::moment::Moment;
use icaze_store::ledger::Interval;
use icaze_store::{Outcome, Reason};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, date};
use jiff::tz::TimeZone;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

struct Table {
    regimes: Regimes,
    zone: TimeZone,
    document: String,
}

impl Table {
    fn instant(&self, text: &str) -> Timestamp {
        if let Ok(instant) = text.parse() {
            return instant;
        }
        let civil: DateTime = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        self.zone
            .to_ambiguous_timestamp(civil)
            .unambiguous()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn interval(&self, text: &str) -> Interval {
        let (start, end) = text.split_once("..").unwrap_or_else(|| panic!("{text}: no TIME..TIME"));
        Interval { start: self.instant(start), end: self.instant(end) }
    }

    /// The decision of a row's request, and the one that is expected.
    fn row(&self, row: &str) -> (Decision, Decision) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [time, purpose, person, past, expected] = cells[..] else { panic!("not five cells") };
        let purpose = purpose.parse().unwrap();
        let now = self.instant(time);
        let moment = Moment::at(&self.regimes, now);
        assert!(moment.covers(now));
        let (document, person) = self.person(person);
        let subject = person.as_ref().map_or(Subject::Unknown, Subject::Known);
        let request = Request { purpose, document: document.parse().unwrap() };
        let decision = decide(&request, subject, &self.history(past), &moment);
        (decision, self.expected(expected))
    }

    fn person<'t>(&'t self, cell: &'t str) -> (&'t str, Option<PersonFacts<'t>>) {
        let day = |text: &str| text.parse::<Date>().unwrap();
        let mut document = self.document.as_str();
        let mut known = true;
        let mut person = PersonFacts {
            status: DocumentStatus::Valid,
            document_expires: None,
            birth_date: date(1980, 1, 1),
            region: "baku",
            deceased: false,
            exempt: false,
            isolation_until: None,
            arrival_until: None,
            blocked: 0,
        };
        for word in cell.split_whitespace() {
            match word.split_once('=').unwrap_or((word, "")) {
                ("adult", "") => {}
                ("unknown", "") => known = false,
                ("lost", "") => person.status = DocumentStatus::Lost,
                ("revoked", "") => person.status = DocumentStatus::Revoked,
                ("deceased", "") => person.deceased = true,
                ("exempt", "") => person.exempt = true,
                ("born", text) => person.birth_date = day(text),
                ("expires", text) => person.document_expires = Some(day(text)),
                ("isolation", text) => person.isolation_until = Some(day(text)),
                ("arrival", text) => person.arrival_until = Some(day(text)),
                ("region", text) => person.region = text,
                ("blocked", text) => person.blocked |= 1 << text.parse::<u16>().unwrap(),
                ("document", text) => document = text,
                _ => panic!("{word}: not of a person"),
            }
        }
        (document, known.then_some(person))
    }

    fn history(&self, cell: &str) -> History {
        let mut history = History::default();
        for word in cell.split_whitespace() {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            let standing = history.standing.as_mut();
            match (key.split_at_checked(key.len().saturating_sub(1)), standing) {
                _ if key == "-" => {}
                (Some(("day", purpose)), _) => {
                    let (purpose, count) = (purpose.parse::<usize>().unwrap(), value.parse().unwrap());
                    history.usage.day[purpose] = count;
                    history.usage.week[purpose] = history.usage.week[purpose].max(count);
                }
                (Some(("week", purpose)), _) => {
                    history.usage.week[purpose.parse::<usize>().unwrap()] = value.parse().unwrap();
                }
                _ if key == "standing" => {
                    let interval = self.interval(value);
                    let decided_at = interval.start;
                    history.standing = Some(Standing { decided_at, interval, same_phone: true });
                }
                (_, Some(standing)) if key == "decided" => standing.decided_at = self.instant(value),
                (_, Some(standing)) if key == "other_phone" => standing.same_phone = false,
                _ => panic!("{word}: not of a past"),
            }
        }
        history
    }

    fn expected(&self, cell: &str) -> Decision {
        let mut words = cell.split_whitespace();
        let name = words.next().unwrap_or_default();
        let outcome = Outcome::ALL.iter().find(|outcome| outcome.name() == name);
        let outcome = *outcome.unwrap_or_else(|| panic!("{name}: no outcome"));
        let mut expected = Decision { outcome, reason: None, interval: None, again: None };
        for word in words {
            if let Some(reason) = Reason::ALL.iter().find(|reason| reason.name() == word) {
                expected.reason = Some(*reason);
            } else if let Some(again) = word.strip_prefix("again=") {
                expected.again = Some(self.instant(again));
            } else {
                expected.interval = Some(self.interval(word));
            }
        }
        expected
    }

    fn show(&self, decision: &Decision) -> String {
        let local = |at: Timestamp| at.display_with_offset(self.zone.to_offset(at));
        let mut text = decision.outcome.name().to_owned();
        if let Some(reason) = decision.reason {
            let _ = write!(text, " {reason}");
        }
        if let Some(Interval { start, end }) = decision.interval {
            let _ = write!(text, " {}..{}", local(start), local(end));
        }
        if let Some(again) = decision.again {
            let _ = write!(text, " again={}", local(again));
        }
        text
    }
}

fn check(name: &str) {
    let path = root().join("gateway/tests/decisions").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let setting = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap_or_else(|| panic!("{name}: no {key}"))
            .trim()
    };
    let regimes =
        Regimes::load(&root().join(setting("regimes "))).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let table = Table {
        regimes,
        zone: TimeZone::get(setting("zone ")).unwrap(),
        document: setting("document ").to_owned(),
    };
    let mut failures = String::new();
    let mut rows = 0;
    for (index, row) in
        text.lines().enumerate().filter(|(_, line)| !line.starts_with('#') && line.contains('|'))
    {
        rows += 1;
        // A row that cannot be read panics: its place is said first.
        eprintln!("tests/decisions/{name}:{}", index + 1);
        let (decided, expected) = table.row(row);
        if decided != expected {
            let (decided, expected) = (table.show(&decided), table.show(&expected));
            let _ = writeln!(
                failures,
                "tests/decisions/{name}:{}: {row}\n  decided  {decided}\n  expected {expected}",
                index + 1
            );
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
    assert!(rows > 0, "{name} has no rows");
}

macro_rules! tables {
    ($($test:ident)+) => {
        $(#[test] fn $test() { check(concat!(stringify!($test), ".txt")); })+

        #[test]
        fn every_table_is_checked() {
            let dir = root().join("gateway/tests/decisions");
            let mut names: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.retain(|name| name.to_string_lossy().ends_with(".txt"));
            names.sort();
            assert_eq!(names, [$(concat!(stringify!($test), ".txt")),+]);
        }
    };
}

tables! { april changeover clock december demo june nicosia }
