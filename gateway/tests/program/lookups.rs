//! Officers, health authorities and auditors, from outside: who may look up what, what they are told, and what remains of it.

use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::cli::{code, granted, refused, sms};
use crate::support::{Answer, Gateway, Site, until};

const HOME: &str = "+994501234567";
const OTHER: &str = "+994507654321";
const JSON: &str = "Content-Type: application/json";

pub(crate) fn post(gateway: &Gateway, scope: &str, path: &str, body: &Value) -> Answer {
    let token = format!("Authorization: Bearer demo-{scope}");
    gateway.ask(&format!("POST {path}"), &[&token, JSON], &body.to_string())
}

pub(crate) fn get(gateway: &Gateway, scope: &str, path: &str) -> Answer {
    gateway.ask(&format!("GET {path}"), &[&format!("Authorization: Bearer demo-{scope}")], "")
}

/// A look-up that must be answered.
pub(crate) fn look_up(gateway: &Gateway, scope: &str, by: &str, value: &str) -> Value {
    let answer = post(gateway, scope, "/v1/lookups", &ask(by, value));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

pub(crate) fn ask(by: &str, value: &str) -> Value {
    json!({"by": by, "value": value, "reason": "roadside check"})
}

#[test]
fn a_permit_is_found_by_code_by_any_document_of_its_holder_and_by_phone() {
    let site = Site::new("");
    let gateway = site.start();
    let reply = sms(&gateway, HOME, "2 AZE10000001");
    let code = code(&reply).unwrap();
    for (scope, by, value) in [
        ("inspector", "code", code),
        ("inspector", "code", &code.to_lowercase().replace('-', "")),
        ("inspector", "document", "AZE10000001"),
        ("inspector", "document", "aa 1000001"),
        ("health", "phone", "0501234567"),
    ] {
        let answer = look_up(&gateway, scope, by, value);
        assert_eq!(answer["verdict"], "valid", "{by} {value}: {answer}");
        let permit = &answer["permits"][0];
        assert_eq!(answer["permits"].as_array().unwrap().len(), 1);
        assert_eq!(
            (&permit["code"], &permit["document"], &permit["purpose"], &permit["state"]),
            (&json!(code), &json!("AZE10000001"), &json!(2), &json!("valid"))
        );
        assert!(permit["regime"].is_string() && permit["intervals"][0]["start"].is_string(), "{permit}");
    }
    for (scope, by, value) in [
        ("inspector", "document", "AZE10000002"),
        ("inspector", "document", "AZE99999999"),
        ("health", "phone", OTHER),
    ] {
        let answer = look_up(&gateway, scope, by, value);
        assert_eq!(
            (&answer["verdict"], &answer["permits"]),
            (&json!("not_valid"), &json!([])),
            "{by} {value}"
        );
    }
    let before = json!({"by": "code", "value": code, "reason": "court", "at": "2020-12-14T12:00:00+04:00"});
    let answer = post(&gateway, "inspector", "/v1/lookups", &before).json();
    assert_eq!(
        (&answer["verdict"], &answer["permits"]),
        (&json!("not_valid"), &json!([])),
        "not decided then"
    );
}

#[test]
fn the_delivery_of_a_reply_is_told_and_a_restart_changes_nothing() {
    let site = Site::new("");
    let mut gateway = site.start();
    let reply = sms(&gateway, HOME, "2 AZE10000002");
    let code = code(&reply).unwrap();
    // The operator's response to the reply may still be on its way.
    let sent = "icaze_replies_total{operator=\"demo\",result=\"sent\"} 1";
    until(sent, || gateway.metrics().contains(sent));
    let before = look_up(&gateway, "inspector", "code", code);
    assert_eq!(before["permits"][0]["delivery"], "sent");
    gateway.terminate();
    gateway.wait();
    let gateway = site.start();
    assert_eq!(look_up(&gateway, "inspector", "code", code)["permits"], before["permits"]);
}

/// A stream of events: the status that it begins with, and what follows.
pub(crate) fn events(gateway: &Gateway, scope: &str) -> (u16, impl BufRead) {
    let mut stream = TcpStream::connect(&gateway.http).unwrap();
    let request =
        format!("GET /v1/events HTTP/1.1\r\nHost: icaze\r\nAuthorization: Bearer demo-{scope}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let mut status = String::new();
    reader.read_line(&mut status).unwrap();
    (status.split(' ').nth(1).unwrap().parse().unwrap(), reader)
}

#[test]
fn live_counts_are_streamed_until_whoever_watches_leaves() {
    let site = Site::new("");
    let gateway = site.start_with(&["HTTP__RATE=0"]);
    let (status, reader) = events(&gateway, "health");
    assert_eq!(status, 200);
    let mut counts = reader.lines().map(Result::unwrap).filter_map(|line| {
        line.strip_prefix("data: ").map(|data| serde_json::from_str::<Value>(data).unwrap())
    });
    let before = counts.next().unwrap();
    assert_eq!((&before["decisions"], &before["permits"]), (&json!({}), &json!(0)));
    sms(&gateway, HOME, "2 AZE10000002");
    sms(&gateway, OTHER, "2 AZE10000004");
    let after = counts.find(|counts| counts["decisions"].as_object().unwrap().len() == 2).unwrap();
    assert_eq!((&after["decisions"], &after["permits"]), (&json!({"granted": 1, "refused": 1}), &json!(1)));

    let open: Vec<_> = (1..64).map(|_| events(&gateway, "health")).collect();
    assert!(open.iter().all(|(status, _)| *status == 200));
    assert_eq!(events(&gateway, "health").0, 503, "as many as may be");
    drop(open);
    until("there is room again", || events(&gateway, "health").0 == 200);
}

#[test]
fn a_revoked_permit_ends_at_once_and_for_good() {
    let site = Site::new("");
    let gateway = site.start();
    let first = sms(&gateway, HOME, "2 AZE10000002");
    let code = code(&first).unwrap();
    let path = format!("/v1/permits/{}/revocation", code.to_lowercase());
    let why = json!({"reason": "forged papers"});
    assert_eq!(post(&gateway, "admin", &path, &json!({})).status, 422, "a reason is needed");
    let before = jiff::Timestamp::now();
    // Ends are kept to the second.
    until("the next second", || jiff::Timestamp::now().as_second() > before.as_second());
    let answer = post(&gateway, "admin", &path, &why);
    assert_eq!(answer.status, 200, "{answer:?}");
    let ended = |answer: &Value| (answer["verdict"].clone(), answer["permits"][0]["state"].clone());
    let revoked = (json!("not_valid"), json!("revoked"));
    assert_eq!(ended(&answer.json()), revoked);
    assert_eq!(post(&gateway, "admin", &path, &why).status, 404, "none that stands");
    assert_eq!(post(&gateway, "admin", "/v1/permits/7K3M/revocation", &why).status, 422, "no code");

    // The very same text, within the time that a redelivery is one.
    let again = sms(&gateway, HOME, "2 AZE10000002");
    assert!(!again.contains(code), "{again}");

    // Its drop kills it.
    drop(gateway);
    let gateway = site.start();
    assert_eq!(ended(&look_up(&gateway, "inspector", "code", code)), revoked);
    let mut then = ask("code", code);
    then["at"] = json!(before.to_string());
    let stood = post(&gateway, "inspector", "/v1/lookups", &then).json();
    assert_eq!(ended(&stood), (json!("valid"), json!("valid")), "what stood then");
    assert!(!sms(&gateway, HOME, "2 AZE10000002").contains(code), "after a start as well");
    let config = site.config();
    let story = granted(&["explain", code, "--config", config.to_str().unwrap()]);
    assert!(story.contains("\nrevoked "), "{story}");
    let about = post(&gateway, "auditor", "/v1/lookups/about", &json!({"document": "AZE10000002"})).json();
    let revocation = about["lookups"].as_array().unwrap().iter().find(|entry| entry["action"] == "revoke");
    assert_eq!(revocation.unwrap()["reason"], "forged papers");
}

#[test]
fn what_cannot_be_answered_is_told_with_its_remedy_and_never_repeated() {
    let site = Site::new("");
    let gateway = site.start();
    let without = |field: &str| {
        let mut body = ask("document", "AZE10000002");
        body.as_object_mut().unwrap().remove(field);
        body
    };
    for (body, kind) in [
        (without("reason"), "reason"),
        (json!({"by": "document", "value": "AZE10000002", "reason": "  "}), "reason"),
        (json!({"by": "document", "value": "AZE10000002", "reason": "x".repeat(201)}), "reason"),
        (without("by"), "body"),
        (without("value"), "body"),
        (json!({"by": "name", "value": "AZE10000002", "reason": "check"}), "body"),
        (json!({"by": "code", "value": "AZE10000002", "reason": "check"}), "value"),
        (ask("document", "2 AZE10000002 please"), "value"),
        (json!({"by": "document", "value": "AZE10000002", "reason": "check", "at": "yesterday"}), "body"),
    ] {
        let answer = post(&gateway, "inspector", "/v1/lookups", &body);
        assert_eq!(answer.status, 422, "{body}: {answer:?}");
        assert_eq!(answer.json()["type"], format!("urn:icaze:problem:{kind}"), "{body}");
        assert!(!answer.body.contains("AZE10000002"), "{answer:?}");
    }
    let phone = json!({"by": "phone", "value": "8103", "reason": "check"});
    assert_eq!(post(&gateway, "health", "/v1/lookups", &phone).status, 422, "a short code is no subscriber");
    let token = "Authorization: Bearer demo-inspector";
    assert_eq!(gateway.ask("POST /v1/lookups", &[token, JSON], "{").status, 400);
    assert_eq!(gateway.ask("POST /v1/lookups", &[token], "{}").status, 415);
    let long = json!({"by": "document", "value": "x".repeat(20_000), "reason": "check"});
    assert_eq!(post(&gateway, "inspector", "/v1/lookups", &long).status, 413);
}

#[test]
fn a_person_learns_who_asked_but_for_covert_inquiries_which_are_counted() {
    let site = Site::new("");
    let gateway = site.start();
    look_up(&gateway, "inspector", "document", "AZE10000001");
    look_up(&gateway, "inspector", "document", "AZE10000002");
    let mut covert = ask("document", "AA1000001");
    covert["covert"] = json!(true);
    assert_eq!(post(&gateway, "inspector", "/v1/lookups", &covert).status, 200);
    let about = post(&gateway, "auditor", "/v1/lookups/about", &json!({"document": "AZE10000001"})).json();
    assert_eq!(about["withheld"], 1);
    let seen: Vec<_> =
        about["lookups"].as_array().unwrap().iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(
        seen,
        ["read_about", "look_up_by_document"],
        "newest first: this very question, and the open one"
    );
    assert_eq!(about["lookups"][1]["reason"], "roadside check");
}

#[test]
fn the_trail_is_verified_and_its_first_changed_record_named() {
    let site = Site::new("");
    let gateway = site.start();
    for _ in 0..3 {
        look_up(&gateway, "inspector", "document", "AZE10000002");
    }
    let store = site.dir.path().join("data");
    let store = store.to_str().unwrap();
    let head = granted(&["audit", "verify", store]);
    assert!(head.starts_with("3:"), "{head}");
    granted(&["audit", "verify", store, "--head", head.trim()]);
    let path = site.dir.path().join("data/audit/000000000001.log");
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("AZE10000002") && !text.contains("roadside"), "{text}");
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    fs::write(&path, [lines[0], &lines[1].replace("demo", "else"), lines[2]].concat()).unwrap();
    refused(&["audit", "verify", store], &["record 2 was changed"]);
    fs::write(&path, lines[..2].concat()).unwrap();
    refused(&["audit", "verify", store, "--head", head.trim()], &["record 3 is missing", "cut off"]);
}

#[test]
fn look_ups_in_bulk_are_counted_for_an_alert() {
    let site = Site::new("");
    let gateway = site.start_with(&["HTTP__RATE=0"]);
    (0..32).for_each(|_| {
        look_up(&gateway, "inspector", "document", "AZE10000002");
    });
    let metrics = gateway.metrics();
    let counted = |name: &str, count: u32| {
        metrics.lines().any(|line| line.starts_with(name) && line.ends_with(&format!(" {count}")))
    };
    assert!(counted("icaze_lookups_total{", 32) && counted("icaze_lookups_in_bulk_total{", 2), "{metrics}");
    assert!(!metrics.contains("AZE1"), "no serial in the metrics");
}
