//! The load generator against its own echo.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;

use serde_json::Value;

/// Runs `floor`, which has to succeed, and reads its figures.
fn floor(args: &[&str]) -> (String, Value) {
    let dir = tempfile::tempdir().unwrap();
    let floor = Command::new(env!("CARGO_BIN_EXE_icaze-load-tests"))
        .arg("floor")
        .args(args)
        .arg("--report")
        .arg(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8(floor.stdout).unwrap();
    assert!(floor.status.success(), "{said}\n{}", String::from_utf8_lossy(&floor.stderr));
    let figures = fs::read_to_string(dir.path().join("figures.json")).unwrap();
    (said, serde_json::from_str(&figures).unwrap())
}

#[test]
fn every_message_is_matched_with_its_ack_and_its_reply() {
    let (said, figures) = floor(&["--sessions", "5", "--window", "7", "--messages", "3001"]);
    assert_eq!((&figures["acks_ms"]["count"], &figures["replies_ms"]["count"]), (&3001.into(), &3001.into()));
    for none in ["unacked", "unanswered", "duplicates", "refused", "throttled"] {
        assert_eq!(figures[none], 0, "{none}");
    }
    assert_eq!((&figures["distinct"], &figures["grants_percent"]), (&3001.into(), &100.0.into()));
    assert!(said.contains("messages/s") && said.contains("echo CPU"), "{said}");
}

#[test]
fn operators_have_their_own_figures_and_junk_its_own_latency() {
    let operators = ["--system-id", "north,south,west", "--password", "one,two,three"];
    let load = ["--sessions", "4", "--messages", "2000", "--profile", "junk", "--rate", "50000"];
    let (said, figures) = floor(&[&operators[..], &load[..]].concat());
    let operators = figures["operators"].as_array().unwrap();
    let of = |operator: &Value| {
        let name = operator["system_id"].as_str().unwrap().to_owned();
        (name, operator["sessions"].as_u64().unwrap(), operator["replies_ms"]["count"].as_u64().unwrap())
    };
    let expected = [("north", 2, 667), ("south", 1, 667), ("west", 1, 666)];
    let expected = expected.map(|(name, sessions, replies)| (name.to_owned(), sessions, replies));
    assert_eq!(operators.iter().map(of).collect::<Vec<_>>(), expected);
    let count = |kind: &str| figures[kind]["count"].as_u64().unwrap();
    assert_eq!(count("valid_ms") + count("junk_ms"), 2000);
    assert!((1700..1900).contains(&count("junk_ms")), "{} are junk", count("junk_ms"));
    assert!(said.contains("junk, p99") && said.contains("operator south"), "{said}");
}

#[test]
fn a_redelivery_may_be_answered_twice() {
    let (_, figures) = floor(&["--profile", "duplicates", "--sessions", "2", "--messages", "1001"]);
    let counts = ["unacked", "unanswered", "duplicates"].map(|name| figures[name].as_u64().unwrap());
    assert_eq!((counts, figures["replies_ms"]["count"].as_u64()), ([0, 0, 0], Some(501)));
}
