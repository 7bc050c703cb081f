//! What whoever runs the gateway sees of its operators while it runs.

use icaze_codec::pdu::{Command, Status};

use crate::cli::{config, granted, refused};
use crate::operator::{Peer, submit};
use crate::support::{Gateway, Site};

const PHONE: &str = "994507391846";

/// What `icaze operators` prints, line by line.
fn operators(site: &Site) -> Vec<String> {
    granted(&["operators", "--config", &config(site)]).lines().map(str::to_owned).collect()
}

/// Some line that has all of `words`, in any order.
fn told(lines: &[String], words: &[&str]) {
    assert!(lines.iter().any(|line| words.iter().all(|word| line.contains(word))), "{words:?} in {lines:#?}");
}

fn text(peer: &mut Peer, sequence: u32, to: &str) -> Status {
    peer.send(&submit(sequence, PHONE, to, "2 AZE20000000"));
    peer.read_until(Command::SUBMIT_SM_RESP).unwrap().status
}

#[test]
fn binds_windows_and_errors_are_seen_while_the_gateway_runs() {
    let site = Site::new("");
    refused(&["operators", "--config", &config(&site)], &["no gateway runs", "control.sock", "icaze serve"]);
    let gateway: Gateway = site.start_with(&["OPERATORS__DEMO__WINDOW_IN=7"]);
    told(&operators(&site), &["demo: 0 binds open"]);
    let mut first = Peer::bound(&gateway.smpp);
    let mut second = Peer::bound(&gateway.smpp);
    assert_eq!(text(&mut first, 2, "8103"), Status::ESME_ROK);
    assert_eq!(text(&mut second, 2, "8104"), Status::ESME_RINVDSTADR);
    let seen = operators(&site);
    told(&seen, &["demo: 2 binds open", "0 replies waiting"]);
    told(&seen, &["  1 transceiver", "3.4", "0/7", "1/1000"]);
    told(&seen, &["  2 transceiver", "0/7", "0/1000"]);
    told(&seen, &["we answered submit_sm_resp ESME_RINVDSTADR (0x0b)"]);
    // A length that cannot be: the session's end is in the list before the connection's.
    second.send(&[0; 16]);
    while second.read().is_some() {}
    let seen = operators(&site);
    told(&seen, &["demo: 1 bind open"]);
    told(&seen, &["the session ended: a command_length out of bounds"]);
    assert!(!seen.join("\n").contains(PHONE), "{seen:#?}");
    let json = granted(&["operators", "--json", "--config", &config(&site)]);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["operators"][0]["binds"][0]["received"]["messages"], 1);
}

#[test]
fn refused_binds_are_seen_with_their_cause_and_never_a_password() {
    let site = Site::new("");
    let gateway = site.start_with(&["SMPP__UNBOUND_SESSIONS_MAX=20"]);
    for (system_id, times) in [("demo", 2), ("nobody", 1)] {
        for _ in 0..times {
            let mut peer = Peer::connect(&gateway.smpp);
            assert!(peer.bind(system_id, "s3cr3t").is_some_and(|pdu| !pdu.status.is_ok()));
            assert!(peer.is_closed());
        }
    }
    let mut stranger = Peer::connect(&gateway.smpp);
    stranger.send(b"GET / HTTP/1.1\r\nHost: icaze\r\n\r\n");
    while stranger.read().is_some() {}
    let mut early = Peer::connect(&gateway.smpp);
    assert_eq!(text(&mut early, 2, "8103"), Status::ESME_RINVBNDSTS);
    drop(early);
    let mut crowd: Vec<Peer> = (0..21).map(|_| Peer::connect(&gateway.smpp)).collect();
    assert!(crowd.pop().unwrap().is_closed(), "twenty have not bound");
    let seen = operators(&site);
    told(&seen, &["127.0.0.1", "transceiver as \"demo\", version 3.4: wrong password, 2 times since"]);
    told(&seen, &["\"nobody\"", "no operator has this system_id"]);
    told(&seen, &["no bind: a command_length out of bounds, after generic_nack ESME_RINVCMDLEN (0x02)"]);
    told(&seen, &["too many connections; see smpp.sessions_max"]);
    assert!(!seen.join("\n").contains("s3cr3t"), "{seen:#?}");
}
