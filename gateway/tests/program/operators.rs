//! What whoever runs the gateway sees of its operators while it runs.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use icaze_codec::pdu::{Command, Status};

use crate::cli::{config, granted, icaze, refused};
use crate::operator::{Peer, submit};
use crate::support::{Gateway, Site, until};

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
    let counted = "icaze_bind_messages{operator=\"demo\",bind=\"1\",direction=\"in\"} 1
";
    assert!(gateway.metrics().contains(counted), "{}", gateway.metrics());
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

#[test]
fn an_operator_is_added_from_its_bind_sheet_and_can_bind_after_a_reload() {
    let site = Site::new("# The company's own remark.\n");
    let gateway = site.start();
    let add = |more: &[&str]| {
        [&["operator", "add", "azercell", "--defaults", "--config", &config(&site)], more].concat().join("\n")
    };
    let run = |line: String| icaze(&line.split('\n').collect::<Vec<_>>());
    let before = fs::read_to_string(site.config()).unwrap();
    let wrong = run(add(&["--set", "system_id=far too long a system_id", "--set", "retry_status=0"]));
    assert!(
        !wrong.ok && wrong.err.contains("system_id") && wrong.err.contains("retry_status"),
        "{}",
        wrong.err
    );
    assert_eq!(fs::read_to_string(site.config()).unwrap(), before, "nothing was changed");
    let sheet =
        run(add(&["--set", "system_id=azercell", "--set", "password=s3cret", "--set", "rate_out=200"]));
    assert!(sheet.ok, "{}", sheet.err);
    assert!(
        sheet.out.contains("azercell") && sheet.out.contains("200") && sheet.out.contains("by telephone")
    );
    assert!(!sheet.out.contains("s3cret"), "{}", sheet.out);
    let after = fs::read_to_string(site.config()).unwrap();
    assert!(
        after.contains("# The company's own remark.\n") && after.contains("\n[operators.azercell]\n"),
        "{after}"
    );
    assert!(run(add(&[])).err.contains("already"));
    gateway.reload();
    until("the new operator", || {
        Peer::connect(&gateway.smpp).bind("azercell", "s3cret").is_some_and(|pdu| pdu.status.is_ok())
    });
}

#[test]
fn the_pdus_of_one_operator_are_seen_as_they_pass_and_only_while_somebody_looks() {
    let site = Site::new("");
    let gateway = site.start();
    let trace = |more: &[&str]| {
        let config = config(&site);
        let args = [&["trace", "demo", "--config", &config], more].concat();
        let mut trace = std::process::Command::new(env!("CARGO_BIN_EXE_icaze"))
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut begun = String::new();
        BufReader::new(trace.stderr.take().unwrap()).read_line(&mut begun).unwrap();
        assert!(begun.contains("tracing demo"), "{begun}");
        trace
    };
    let run = trace(&["--count", "2"]);
    let mut peer = Peer::bound(&gateway.smpp);
    let seen = String::from_utf8(run.wait_with_output().unwrap().stdout).unwrap();
    assert!(seen.contains("bind 1 <- bind_transceiver 1\n"), "{seen}");
    assert!(seen.contains("-> bind_transceiver_resp 1 ESME_ROK\n") && !seen.contains("demo1234"), "{seen}");

    let mut superseded = trace(&[]);
    for (sequence, more) in [(2, &["--count", "3"][..]), (3, &["--count", "3", "--show-texts"])] {
        let run = trace(more);
        assert_eq!(text(&mut peer, sequence, "8103"), Status::ESME_ROK);
        let output = run.wait_with_output().unwrap();
        let seen = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = seen.lines().collect();
        assert!(output.status.success() && lines.len() == 3, "{seen}");
        let submitted = format!("bind 1 <- submit_sm {sequence}");
        assert!(lines.iter().any(|line| line.contains(&submitted)), "{seen}");
        assert!(seen.contains("-> submit_sm_resp") && seen.contains("ESME_ROK"), "{seen}");
        assert_eq!(seen.contains(PHONE), more.contains(&"--show-texts"), "{seen}");
        peer.read_until(Command::DELIVER_SM).map(|reply| peer.answer(&reply)).unwrap();
    }
    assert!(!superseded.wait().unwrap().success(), "somebody else has begun a trace");
    assert!(site.log().contains("PDUs are being traced"), "{}", site.log());
    refused(&["trace", "nobody", "--config", &config(&site)], &["no operator is called nobody"]);
}
