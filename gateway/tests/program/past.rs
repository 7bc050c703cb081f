//! What stood long ago: a gateway on a store whose ledger was written hours before it starts.

use std::borrow::Cow;

use icaze_store::Outcome;
use icaze_store::ledger::{
    Address, Channel, Decision, Entry, FileStorage, Interval, Ledger, MasterKey, Options, Permit,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::lookups::{ask, post};
use crate::support::{Gateway, Site, until};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// The permit of AZE10000001 that ended five hours ago is this one of the ledger; the others are a synthetic person's each.
const KNOWN: u64 = 7;

/// Writes the ledger of a site whose gateway has not started yet: decisions and their instants, in the order of time.
pub(crate) fn write<'a>(site: &Site, decisions: impl Iterator<Item = (Timestamp, Decision<'a>)>) {
    let key = MasterKey::create(&site.dir.path().join("ledger.key")).unwrap();
    let storage = FileStorage::open(&site.dir.path().join("data")).unwrap();
    let options = Options { segment_bytes: 64 << 10, ..Options::default() };
    let (mut ledger, mut batch) = Ledger::open(storage, &key, 0, options, |_| {}).unwrap();
    for (at, decision) in decisions {
        batch.append(at, at, &Entry::Decision(decision)).unwrap();
        if batch.len() == 20 {
            ledger.commit(&mut batch).unwrap();
        }
    }
    if !batch.is_empty() {
        ledger.commit(&mut batch).unwrap();
    }
}

/// A grant to a synthetic person; `phone` is the digits that asked.
pub(crate) fn grant<'a>(number: u64, phone: &'a str, intervals: &'a [Interval]) -> Decision<'a> {
    Decision {
        channel: Channel::Sms,
        operator: "demo",
        from: Address { ton: 1, npi: 1, digits: phone.as_bytes() },
        to: Address { ton: 0, npi: 1, digits: b"8103" },
        parts: Cow::Borrowed(&[]),
        identity: number.into(),
        document: format!("AZE{}", 20_000_000 + number).parse().ok(),
        person: Some(1000 + number as u32),
        purpose: Some(2),
        regime: None,
        register: 0,
        facts: None,
        outcome: Outcome::Granted,
        reason: None,
        permit: Some(Permit {
            code: code(number),
            day: Default::default(),
            intervals: Cow::Borrowed(intervals),
        }),
        reply: None,
        refers_to: None,
        again: None,
        text: "",
    }
}

/// A code of eight characters with its check character right: what a key unknown to the test has made is as good as any.
fn code(number: u64) -> u64 {
    (0..32)
        .map(|check| number << 5 | check)
        .find(|&bits| icaze_gateway::permit::code::Code::from_u64(bits).is_some())
        .unwrap()
}

fn look_up(gateway: &Gateway, by: &str, value: &str, at: Option<Timestamp>) -> Option<Value> {
    let mut asked = ask(by, value);
    if let Some(at) = at {
        asked["at"] = json!(at.to_string());
    }
    let scope = if by == "phone" { "health" } else { "inspector" };
    let answer = post(gateway, scope, "/v1/lookups", &asked);
    assert!([200, 503].contains(&answer.status), "{answer:?}");
    (answer.status == 200).then(|| answer.json())
}

#[test]
fn a_permit_of_hours_ago_is_told_of_by_code_and_as_it_stood_then() {
    let site = Site::new("");
    let then = Timestamp::now() - HOUR * 8;
    let phones: Vec<String> = (0..=2000).map(|number| format!("99450{number:07}")).collect();
    let intervals = [Interval { start: then, end: then + HOUR * 3 }];
    let grants = (1..=2000_u64).map(|number| {
        let grant = grant(number, &phones[number as usize], &intervals);
        let known = Decision { document: "AZE10000001".parse().ok(), person: Some(1), ..grant.clone() };
        (then, if number == KNOWN { known } else { grant })
    });
    write(&site, grants);
    let gateway = site.start_with(&["HTTP__RATE=0"]);
    let code = icaze_gateway::permit::code::Code::from_u64(code(KNOWN)).unwrap().to_string();
    // Once the history has been made, memory forgets what it has.
    let of_code = |at| look_up(&gateway, "code", &code, at);
    let forgotten = || {
        let now = look_up(&gateway, "document", "AZE10000001", None);
        now.is_some_and(|now| now["permits"] == json!([]))
    };
    until("memory has forgotten", forgotten);
    let ended = of_code(None).unwrap();
    assert_eq!(
        (&ended["verdict"], &ended["permits"][0]["state"], &ended["permits"][0]["document"]),
        (&json!("not_valid"), &json!("ended"), &json!("AZE10000001"))
    );
    for (by, value) in [
        ("code", code.as_str()),
        ("document", "AZE10000001"),
        ("document", "AA1000001"),
        ("phone", "+994500000007"),
    ] {
        let stood = look_up(&gateway, by, value, Some(then + HOUR)).unwrap();
        assert_eq!(
            (&stood["verdict"], &stood["permits"][0]["code"]),
            (&json!("valid"), &json!(code)),
            "{by}: {stood}"
        );
        assert_eq!(stood["permits"].as_array().unwrap().len(), 1);
        let before = look_up(&gateway, by, value, Some(then - HOUR)).unwrap();
        assert_eq!(before["permits"], json!([]), "{by}");
    }
}
