//! Personal data ends in time: what was due is gone from the store, all else is there, and the report says so.

use icaze_store::ledger::{Decision, Facts, Interval};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cli::{config, granted, icaze, refused, sms};
use crate::lookups::{get, look_up};
use crate::past::{grant, write};
use crate::support::{Site, until};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The ledger as whoever holds the key reads it.
fn dump(site: &Site) -> Vec<Value> {
    let data = site.dir.path().join("data").to_str().unwrap().to_owned();
    let lines = granted(&["ledger", "dump", &data, "--config", &config(site)]);
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_unreadable_text_is_gone_when_its_time_has_come_and_its_sender_is_not() {
    let site = Site::new("[retention]\ntexts_s = 4\n[limits]\nask_s = 4\n");
    let gateway = site.start();
    let code = sms(&gateway, "+994501234567", "2 AZE10000002");
    sms(&gateway, "+994507654321", "hər vaxtınız xeyir olsun");
    let text = |site: &Site| dump(site).iter().any(|record| record.to_string().contains("xeyir"));
    assert!(text(&site), "it explains the help that was sent");
    until("the text is gone", || !text(&site));
    let help = dump(&site).into_iter().find(|record| record["outcome"] == "help").unwrap();
    assert_eq!(help["from"], "994507654321", "{help}");
    granted(&["retention", "--config", &config(&site)]);
    let metrics = gateway.metrics();
    assert!(metrics.contains("icaze_retention_limit_seconds{kind=\"texts\"} 4\n"), "{metrics}");

    // What a start reads has lost its texts, and nothing else.
    drop(gateway);
    let gateway = site.start();
    assert_eq!(sms(&gateway, "+994501234567", "2 AZE10000002"), code);
    let found = look_up(&gateway, "inspector", "document", "AZE10000002");
    assert_eq!(found["permits"].as_array().unwrap().len(), 1);
}

#[test]
fn people_are_forgotten_after_their_days_and_records_after_theirs() {
    let site = Site::new("");
    let now = Timestamp::now();
    // Of 900 days, 200 days and today, in segments of their own.
    let old = |number: u64| {
        now - DAY
            * if number < 1000 {
                900
            } else if number < 2000 {
                200
            } else {
                0
            }
    };
    let intervals = [Interval { start: now, end: now + DAY / 24 }];
    let phones: Vec<String> = (0..=3000).map(|number| format!("99450{number:07}")).collect();
    let decisions = (1..=3000).map(|number| {
        let facts = Some(Facts { region: "Baku", age_band: 40, flags: 0 });
        (old(number), Decision { facts, ..grant(number, &phones[number as usize], &intervals) })
    });
    write(&site, decisions);
    let report = || icaze(&["retention", "--config", &config(&site)]);
    assert!(report().out.contains("people   kept for 90 d"), "{:?}", report().out);
    refused(&["retention", "--config", &config(&site)], &["overdue", "texts", "people", "records"]);

    for restarted in [false, true] {
        let gateway = site.start_with(&["HTTP__RATE=0"]);
        until("all that is due is destroyed", || report().ok);
        let records = dump(&site);
        let decisions = || records.iter().filter(|record| record["outcome"] == "granted");
        let at = |record: &Value| record["decided_at"].as_str().unwrap().parse::<Timestamp>().unwrap();
        // Segments are destroyed as a whole, so a few records of the next age may share one.
        assert!(decisions().all(|record| now.duration_since(at(record)) < DAY * 730), "{restarted}");
        let aged = |record: &&Value| now.duration_since(at(record)) > DAY;
        let (of_old, of_today): (Vec<_>, Vec<_>) = decisions().partition(aged);
        assert!(of_old.len() > 900 && of_old.iter().all(|record| record.get("from").is_none()));
        assert!(
            of_today.len() > 900
                && of_today.iter().rev().take(900).all(|record| record.get("from").is_some())
        );

        let statistics = |measure| {
            let (from, to) = (now - DAY * 300, now - DAY * 100);
            let answer =
                get(&gateway, "health", &format!("/v1/statistics?from={from}&to={to}&measure={measure}"));
            if answer.status == 200 { answer.json()["total"].clone() } else { Value::Null }
        };
        until("the history counts on without persons", || {
            statistics("decisions") == json!(of_old.len()) && statistics("persons") == json!(0)
        });
    }
}

#[test]
fn after_a_rotation_old_copies_of_the_key_open_nothing_and_citizens_notice_nothing() {
    let site = Site::new("");
    let mut gateway = site.start();
    let code = sms(&gateway, "+994501234567", "2 AZE10000002");
    refused(&["key", "rotate", "--config", &config(&site)], &["in use by another process"]);
    gateway.terminate();
    assert_eq!(gateway.wait(), Some(0));
    let (key, copy) = (site.dir.path().join("ledger.key"), site.dir.path().join("copy.key"));
    std::fs::copy(&key, &copy).unwrap();
    assert!(granted(&["key", "rotate", "--config", &config(&site)]).contains("rotated"));
    let data = site.dir.path().join("data").to_str().unwrap().to_owned();
    refused(&["ledger", "dump", &data, "--key", copy.to_str().unwrap()], &["another master key"]);
    assert!(dump(&site).iter().any(|record| record["from"] == "994501234567"));

    let gateway = site.start();
    assert_eq!(sms(&gateway, "+994501234567", "2 AZE10000002"), code);
    let found = look_up(&gateway, "inspector", "code", crate::cli::code(&code).unwrap());
    assert_eq!(found["verdict"], "valid");
}
