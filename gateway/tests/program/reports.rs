//! Reports for health authorities: a gateway on a ledger whose decisions are known, and everything counted a second way.

use std::collections::{BTreeMap, BTreeSet};

use icaze_store::ledger::{Decision, Facts, Interval};
use icaze_store::{Outcome, Reason};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::lookups::get;
use crate::past::{grant, write};
use crate::support::{Gateway, Site, until};

const COUNT: u64 = 2000;
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// What the test knows of a decision.
struct Known {
    at: Timestamp,
    person: u64,
    region: &'static str,
    age_band: u8,
    purpose: u8,
    reason: Option<Reason>,
}

impl Known {
    fn outcome(&self) -> Outcome {
        self.reason.map_or(Outcome::Granted, Reason::outcome)
    }
}

/// At a full hour.
fn seven_hours_ago() -> Timestamp {
    Timestamp::from_second((Timestamp::now() - MINUTE * 420).as_second() / 3600 * 3600).unwrap()
}

/// A decision every ten seconds, over five and a half hours; the last three people live where hardly anybody does.
fn known(start: Timestamp) -> Vec<Known> {
    let known = |number: u64| Known {
        at: start + MINUTE / 6 * number as i32,
        person: number % 700,
        region: if number > COUNT - 3 { "Shusha" } else { ["Baku", "Lerik", "Ganja"][number as usize % 3] },
        age_band: (number % 700 % 9 * 10) as u8,
        purpose: 1 + (number % 3) as u8,
        reason: [None, None, Some(Reason::Quota), Some(Reason::Age)][number as usize % 4],
    };
    (1..=COUNT).map(known).collect()
}

/// A gateway that has them in closed segments and in the one that is written to.
fn start(site: &Site, decisions: &[Known]) -> Gateway {
    let first = decisions[0].at;
    let intervals = [Interval { start: first, end: first + MINUTE * 60 }];
    let phones: Vec<String> = (0..=COUNT).map(|number| format!("99450{number:07}")).collect();
    let written = (1..).zip(decisions).map(|(number, known)| {
        let grant = grant(number, &phones[number as usize], &intervals);
        let (person, purpose) = (Some(known.person as u32), Some(known.purpose));
        let facts = Some(Facts { region: known.region, age_band: known.age_band, flags: 0 });
        let permit = grant.permit.clone().filter(|_| known.reason.is_none());
        (
            known.at,
            Decision {
                person,
                purpose,
                facts,
                permit,
                outcome: known.outcome(),
                reason: known.reason,
                ..grant
            },
        )
    });
    write(site, written);
    let gateway = site.start_with(&["HTTP__RATE=0"]);
    // The newest segment stays open, and so is never in the history.
    let lag = || {
        let metrics = gateway.metrics();
        let line = metrics.lines().find(|line| line.starts_with("icaze_view_lag_records")).map(str::to_owned);
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).unwrap_or(f64::MAX)
    };
    until("the history has the closed segments", || (1.0..COUNT as f64 / 2.0).contains(&lag()));
    gateway
}

fn path(route: &str, from: Timestamp, to: Timestamp, more: &str) -> String {
    format!("/v1/{route}?from={from}&to={to}{more}")
}

/// Counts or, where they are not told, `None`, by the groups' values.
fn groups(statistics: &Value) -> BTreeMap<String, Option<u64>> {
    let groups = statistics["groups"].as_array().unwrap();
    groups.iter().map(|group| (group["values"].to_string(), group["count"].as_u64())).collect()
}

#[test]
fn statistics_count_what_the_ledger_has() {
    let site = Site::new("");
    let start_at =
        Timestamp::from_second((Timestamp::now() - MINUTE * 420).as_second() / 3600 * 3600).unwrap();
    let decisions = known(start_at);
    let gateway = start(&site, &decisions);
    let end = start_at + MINUTE * 360;
    let ask = |from, to, more: &str| {
        let answer = get(&gateway, "health", &path("statistics", from, to, more));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    };

    type By = fn(&Known) -> Value;
    let cases: [(&str, By); 7] = [
        ("purpose", |known| json!([known.purpose])),
        ("outcome", |known| json!([known.outcome().name()])),
        ("reason", |known| json!([known.reason.map(Reason::name)])),
        ("region,age_band", |known| json!([known.region, known.age_band])),
        ("age_band", |known| json!([known.age_band])),
        ("hour", |known| {
            json!([Timestamp::from_second(known.at.as_second() / 3600 * 3600).unwrap().to_string()])
        }),
        ("", |_| json!([])),
    ];
    // All of them, and those of a few quarters of an hour.
    for (from, to) in [(start_at, end), (start_at + MINUTE * 45, start_at + MINUTE * 300)] {
        let within = || decisions.iter().filter(|known| (from..to).contains(&known.at));
        for (by, value) in cases {
            let mut expected: BTreeMap<String, (u64, BTreeSet<u64>)> = BTreeMap::new();
            for known in within() {
                let (count, persons) = expected.entry(value(known).to_string()).or_default();
                *count += 1;
                persons.insert(known.person);
            }
            let told = groups(&ask(from, to, &format!("&by={by}")));
            let persons = groups(&ask(from, to, &format!("&by={by}&measure=persons")));
            assert!(told.keys().eq(expected.keys()) && persons.keys().eq(expected.keys()), "{by}: {told:?}");
            let mut untold = 0;
            for (group, (count, of)) in &expected {
                match told[group] {
                    None => untold += 1,
                    told => assert_eq!(told, Some(*count), "{by}: {group}"),
                }
                if let Some(told) = persons[group] {
                    assert_eq!(told, of.len() as u64, "{by}: {group}");
                }
                assert!(*count >= 5 || told[group].is_none(), "{by}: {group} is small");
            }
            // But for few, all is told: nobody learns more by hiding everything.
            assert!(untold == 0 || (by == "region,age_band" && untold <= 6), "{by}: {told:?}");
        }
        let all = ask(from, to, "&measure=persons");
        assert_eq!(all["total"], json!(within().map(|known| known.person).collect::<BTreeSet<_>>().len()));
    }

    // Three people of Shusha are not told of, and so that nobody subtracts, neither is the next smallest region.
    let regions = ask(start_at, end, "&by=region");
    assert_eq!(
        regions["groups"].as_array().unwrap().iter().filter(|group| group["suppressed"] == true).count(),
        2
    );
    // The demo register: some hundred thousand people live in Baku, and none in Ganja.
    let before_shusha = start_at + MINUTE * 300;
    let baku = &ask(start_at, before_shusha, "&by=region,outcome")["groups"][0];
    assert_eq!(baku["values"], json!(["Baku", "granted"]));
    let rate = baku["per_1000"].as_f64().unwrap() * 100.0 / baku["count"].as_f64().unwrap();
    assert!((0.99..1.01).contains(&rate), "{baku}");
    assert_eq!(ask(start_at, before_shusha, "&by=purpose,region")["groups"][2]["per_1000"], Value::Null);

    let csv = get(
        &gateway,
        "health",
        &path("statistics", start_at, before_shusha, "&by=region,outcome&format=csv"),
    );
    assert!(csv.header("content-type").starts_with("text/csv"), "{csv:?}");
    let mut lines = csv.body.lines();
    assert_eq!(lines.next(), Some("region,outcome,count,per_1000,suppressed"));
    assert!(lines.next().unwrap().starts_with(&format!("Baku,granted,{},", baku["count"])), "{csv:?}");
}

#[test]
fn decisions_are_read_page_by_page_and_name_nobody() {
    let site = Site::new("");
    let start_at = seven_hours_ago();
    let decisions = known(start_at);
    let gateway = start(&site, &decisions);
    let (from, to) = (decisions[99].at, decisions[1899].at);
    let (mut seqs, mut persons, mut cursor) = (Vec::new(), BTreeMap::new(), String::new());
    loop {
        let answer = get(&gateway, "health", &path("decisions", from, to, &format!("&limit=170{cursor}")));
        assert_eq!(answer.status, 200, "{answer:?}");
        // All phones begin so; fewer digits would be in a pseudonym now and then.
        assert!(!answer.body.contains("99450000") && !answer.body.contains("AZE"), "{answer:?}");
        let page = answer.json();
        for decision in page["decisions"].as_array().unwrap() {
            seqs.push(decision["seq"].as_u64().unwrap());
            let known = decisions.iter().find(|known| decision["decided_at"] == json!(known.at.to_string()));
            let known = known.unwrap_or_else(|| panic!("{decision}"));
            let told = ["outcome", "region", "purpose"].map(|field| &decision[field]);
            assert_eq!(told, [&json!(known.outcome().name()), &json!(known.region), &json!(known.purpose)]);
            let pseudonym = decision["person"].as_str().unwrap().to_owned();
            assert_eq!(*persons.entry(pseudonym).or_insert(known.person), known.person);
        }
        let Some(next) = page["next"].as_u64() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seqs.len(), 1800);
    assert!(seqs.is_sorted_by(|newer, older| newer > older), "newest first, each once");
    assert_eq!(persons.len(), 700);

    // The same as CSV, from link to link.
    let mut next = Some(path("decisions", from, to, "&limit=700&format=csv"));
    let mut rows = Vec::new();
    while let Some(path) = next {
        let page = get(&gateway, "health", &path);
        let (header, body) = page.body.split_once('\n').unwrap();
        assert!(header.starts_with("seq,node,received_at,decided_at,operator,person,"), "{header}");
        rows.extend(body.lines().map(|row| row.split(',').next().unwrap().parse::<u64>().unwrap()));
        let link = page.header("link");
        next = link.strip_prefix('<').and_then(|link| link.split_once('>')).map(|(path, _)| path.to_owned());
    }
    assert_eq!(rows, seqs);
}

#[test]
fn reports_are_for_health_authorities_and_say_what_they_need() {
    let site = Site::new("");
    let gateway = site.start();
    let now = Timestamp::now();
    for route in ["statistics", "decisions"] {
        let sound = path(route, now - MINUTE, now, "");
        until("an answer from an empty ledger", || match get(&gateway, "health", &sound).status {
            // The history is not open yet.
            503 => false,
            status => {
                assert_eq!(status, 200);
                true
            }
        });
        assert_eq!(get(&gateway, "inspector", &sound).status, 403);
        for bad in [
            path(route, now, now, ""),
            path(route, now - MINUTE * 60 * 24 * 400, now, ""),
            path(route, now - MINUTE, now, "&format=xml"),
            path(route, now - MINUTE, now, "&phone=994501234567"),
            format!("/v1/{route}"),
        ] {
            let answer = get(&gateway, "health", &bad);
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (422, "application/problem+json"),
                "{bad}"
            );
        }
    }
    for bad in ["&limit=0", "&limit=10001", "&cursor=x"] {
        assert_eq!(get(&gateway, "health", &path("decisions", now - MINUTE, now, bad)).status, 422, "{bad}");
    }
    for bad in ["&by=phone", "&by=day,day", "&measure=documents"] {
        assert_eq!(get(&gateway, "health", &path("statistics", now - MINUTE, now, bad)).status, 422, "{bad}");
    }
}
