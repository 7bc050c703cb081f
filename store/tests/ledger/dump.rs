//! The dump's names, which others rely on.

use std::borrow::Cow;

use icaze_store::ledger::{
    Address, Channel, Decision, DumpWith, Entry, Facts, Interval, Language, Mark, Permit, Record, RegimeRef,
    Reply, Visible, dump_json,
};
use icaze_store::{Document, Outcome};
use jiff::Timestamp;
use serde_json::{Value, json};

const ALL: Visible = Visible { person: true, text: true };

fn dump(seq: u64, entry: Entry<'_>, visible: Visible) -> Value {
    let at = Timestamp::from_second(1_607_940_900).unwrap();
    let record = Record { seq, node: 2, received_at: at, decided_at: at, entry };
    let line = dump_json(&record, visible, DumpWith { code: |code| code.to_string(), reply_parts: |_| 1 });
    assert!(!line.contains('\n'));
    serde_json::from_str(&line).unwrap()
}

fn grant() -> Entry<'static> {
    let start = Timestamp::from_second(1_607_940_900).unwrap();
    let end = Timestamp::from_second(1_607_951_700).unwrap();
    Entry::Decision(Decision {
        channel: Channel::Sms,
        operator: "demo",
        from: Address { ton: 1, npi: 1, digits: b"994501234567" },
        to: Address { ton: 0, npi: 1, digits: b"8103" },
        parts: Cow::Borrowed(&[3, 4]),
        identity: 0xabc,
        document: Some(Document::EXAMPLE),
        person: Some(17),
        purpose: Some(2),
        regime: Some(RegimeRef { id: "2020-12", hash: 255 }),
        register: 9,
        facts: Some(Facts { region: "Baku", age_band: 30, flags: 4 }),
        outcome: Outcome::Granted,
        reason: None,
        permit: Some(Permit {
            code: 1,
            day: jiff::civil::date(2020, 12, 14),
            intervals: Cow::Owned(vec![Interval { start, end }]),
        }),
        reply: Some(Reply { text: "İCAZƏ VAR", language: Language::Az, expires_at: end }),
        refers_to: None,
        again: Some(end),
        text: "",
    })
}

#[test]
fn a_grant_has_the_contracts_fields() {
    let expected = json!({
        "seq": 5, "node": 2, "received_at": "2020-12-14T10:15:00Z", "decided_at": "2020-12-14T10:15:00Z",
        "channel": "sms", "kind": "decision", "message_id": "00000005", "operator": "demo",
        "from": "994501234567", "to": "8103", "parts": [3, 4], "identity": "00000000000000000000000000000abc",
        "document": "AZE12345678", "person": 17, "purpose": 2,
        "regime": {"id": "2020-12", "hash": "00000000000000ff"}, "register": 9,
        "facts": {"region": "Baku", "age_band": 30, "flags": 4}, "outcome": "granted",
        "again": "2020-12-14T13:15:00Z",
        "permit": {"code": "1", "day": "2020-12-14",
            "intervals": [{"start": "2020-12-14T10:15:00Z", "end": "2020-12-14T13:15:00Z"}]},
        "reply": {"text": "İCAZƏ VAR", "language": "az", "parts": 1, "expires_at": "2020-12-14T13:15:00Z"},
    });
    assert_eq!(dump(5, grant(), ALL), expected);
}

#[test]
fn what_is_not_visible_is_absent() {
    let line = dump(5, grant(), Visible { person: false, text: false });
    for personal in ["from", "identity", "document", "person", "text"] {
        assert_eq!(line.get(personal), None, "{personal}");
    }
    assert_eq!(line["permit"].get("code"), None);
    assert_eq!(line["reply"].get("text"), None);
    assert_eq!(line["outcome"], "granted");
}

#[test]
fn marks_name_all_their_decisions() {
    let line = dump(8, Entry::Mark(Mark::Delivered, Cow::Borrowed(&[5, 6])), ALL);
    assert_eq!((&line["kind"], &line["refers_to"]), (&json!("delivered"), &json!([5, 6])));
    assert_eq!(line.get("message_id"), None);
    let line = dump(8, Entry::Mark(Mark::Unconfirmed, Cow::Borrowed(&[5])), ALL);
    assert_eq!(line["kind"], "unconfirmed");
    let line = dump(8, Entry::Revocation(5), ALL);
    assert_eq!((&line["kind"], &line["refers_to"]), (&json!("revocation"), &json!(5)));
    let line = dump(9, Entry::Receiver("demo", false), ALL);
    assert_eq!(
        (&line["kind"], &line["operator"], &line["open"]),
        (&json!("receiver"), &json!("demo"), &json!(false))
    );
}
