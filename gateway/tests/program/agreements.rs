//! What was agreed with one operator holds for it, and for nobody else: addresses, number ranges, and changes while it runs.

use std::fs;

use icaze_codec::pdu::{Command, Status};

use crate::cli::sms;
use crate::operator::{Peer, submit};
use crate::support::{Gateway, Site, until};

const OURS: &str = "994507391846";
const THEIRS: &str = "994557391846";

/// Two operators: the demo's, and one whose bind sheet is `sheet`.
fn two(sheet: &str) -> (Site, Gateway) {
    let site =
        Site::new(&format!("[operators.azercell]\nsystem_id = \"azercell\"\npassword = \"s3cret\"\n{sheet}"));
    let gateway = site.start();
    (site, gateway)
}

fn azercell(gateway: &Gateway) -> (Peer, Option<Status>) {
    let mut peer = Peer::connect(&gateway.smpp);
    let status = peer.bind("azercell", "s3cret").map(|pdu| pdu.status);
    (peer, status)
}

fn text(peer: &mut Peer, sequence: u32, from: &str) -> Status {
    peer.send(&submit(sequence, from, "8103", &format!("2 AZE{}", 20_000_000 + sequence)));
    peer.read_until(Command::SUBMIT_SM_RESP).unwrap().status
}

#[test]
fn an_address_that_nobody_agreed_to_is_closed_before_anything_is_read() {
    let site = Site::new("[operators.demo]\nallow = [\"192.0.2.0/24\", \"2001:db8::/32\"]\n");
    let gateway = site.start();
    let mut peer = Peer::connect(&gateway.smpp);
    assert!(peer.is_closed(), "without a byte from either side");
    let log = gateway.ask("GET /metrics", &[], "").body;
    assert!(!log.contains("icaze_decisions_total{"), "{log}");
}

#[test]
fn an_address_that_another_operator_agreed_to_cannot_bind_as_this_one() {
    let (_site, gateway) = two("allow = [\"192.0.2.0/24\"]\n");
    let (mut stranger, status) = azercell(&gateway);
    assert!(status.is_none_or(|status| !status.is_ok()), "{status:?}");
    assert!(stranger.is_closed());
    Peer::bound(&gateway.smpp);
}

#[test]
fn a_number_of_another_operator_is_taken_and_counted_or_refused_as_was_agreed() {
    for (policy, expected) in [("take", Status::ESME_ROK), ("refuse", Status::ESME_RINVSRCADR)] {
        let (_site, gateway) =
            two(&format!("ranges = [\"99450\", \"99451\"]\noutside_ranges = \"{policy}\"\n"));
        let (mut peer, status) = azercell(&gateway);
        assert_eq!(status, Some(Status::ESME_ROK));
        assert_eq!(text(&mut peer, 2, OURS), Status::ESME_ROK);
        assert_eq!(text(&mut peer, 3, THEIRS), expected, "{policy}");
        assert_eq!(text(&mut peer, 4, OURS), Status::ESME_ROK, "the session goes on");
        let counted = "icaze_mo_outside_ranges_total{operator=\"azercell\"} 1";
        assert!(gateway.metrics().contains(counted), "{policy}: {}", gateway.metrics());
        let mut demo = Peer::bound(&gateway.smpp);
        assert_eq!(text(&mut demo, 5, THEIRS), Status::ESME_ROK, "nothing was agreed with that one");
    }
}

#[test]
fn a_reload_changes_one_operator_and_ends_no_session_of_another() {
    let (site, gateway) = two("");
    let mut demo = Peer::bound(&gateway.smpp);
    let before = fs::read_to_string(site.config()).unwrap();
    fs::write(site.config(), before.replace("s3cret", "changed")).unwrap();
    gateway.reload();
    until("the new password", || {
        Peer::connect(&gateway.smpp).bind("azercell", "changed").is_some_and(|pdu| pdu.status.is_ok())
    });
    assert_eq!(text(&mut demo, 2, OURS), Status::ESME_ROK);
}

#[test]
fn a_test_handset_and_a_test_document_are_answered_and_counted_in_no_statistics() {
    let site = Site::new("[probe]\nphones = [\"+994507391846\"]\ndocuments = [\"AZE20000003\"]\n");
    let gateway = site.start();
    let decided = || gateway.metrics().contains("icaze_decisions_total{");
    assert!(sms(&gateway, "+994507391846", "2 AZE20000001").contains("AZE20000001"));
    assert!(sms(&gateway, "+994507391847", "2 AZE20000003").contains("AZE20000003"));
    assert!(!decided(), "{}", gateway.metrics());
    assert!(sms(&gateway, "+994507391847", "2 AZE20000002").contains("AZE20000002"));
    assert!(decided());
}
