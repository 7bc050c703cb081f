//! What becomes of replies and responses when operators answer late, never or oddly, or end behind their messages (rows 49
//! to 52 of docs/faults.md).

use std::net::Shutdown;

use icaze_codec::pdu::{Command, Status};
use icaze_codec::session::CloseReason;

use crate::cli::{config, granted};
use crate::operator::{Peer, pdu, submit};
use crate::roles::{bound_to, site_of};
use crate::smsc::Smsc;
use crate::support::{Gateway, Site, until};

const PHONE: &str = "994507391846";
const OTHER: &str = "994507391847";

/// A gateway that binds to `smsc` and waits a second for a response.
fn impatient(smsc: &Smsc, more: &str) -> (Site, Gateway) {
    let site = site_of("role = \"connect\"", &[smsc], more);
    let gateway = site.start_with(&["SMPP__RESPONSE_TIMER_S=1"]);
    (site, gateway)
}

/// Waits until the metrics have a line.
fn counted(gateway: &Gateway, line: &str) {
    until(line, || gateway.metrics().contains(line));
}

/// The responses to two messages, whatever replies come between.
fn answered(peer: &mut Peer) {
    for sequence in [2, 3] {
        let response = peer.read_until(Command::SUBMIT_SM_RESP).unwrap();
        assert_eq!((response.sequence, response.status), (sequence, Status::ESME_ROK));
    }
}

fn two_messages() -> Vec<u8> {
    [submit(2, PHONE, "8103", "2 AZE20000000"), submit(3, PHONE, "8103", "2 AZE20000001")].concat()
}

#[test]
fn what_ends_a_session_is_answered_behind_the_messages_before_it() {
    let site = Site::new("");
    let gateway = site.start();
    let mut peer = Peer::bound(&gateway.smpp);
    peer.send(&[two_messages(), pdu(Command::UNBIND, 4, &[])].concat());
    answered(&mut peer);
    assert_eq!(peer.read_until(Command::UNBIND_RESP).unwrap().sequence, 4);
    assert!(peer.is_closed());

    let mut peer = Peer::bound(&gateway.smpp);
    peer.send(&[two_messages(), vec![0, 0, 0, 5]].concat());
    answered(&mut peer);
    assert_eq!(peer.read_until(Command::GENERIC_NACK).unwrap().status, Status::ESME_RINVCMDLEN);
    assert!(peer.is_closed());
}

#[test]
fn a_peer_that_sends_nothing_more_still_reads_its_responses() {
    let site = Site::new("");
    let gateway = site.start();
    let mut peer = Peer::bound(&gateway.smpp);
    peer.send(&two_messages());
    peer.sender().shutdown(Shutdown::Write).unwrap();
    for sequence in [2, 3] {
        let response = loop {
            let pdu = peer.read().unwrap();
            if pdu.command == Command::SUBMIT_SM_RESP {
                break pdu;
            }
        };
        assert_eq!((response.sequence, response.status), (sequence, Status::ESME_ROK));
    }
    while peer.read().is_some() {}
}

#[test]
fn a_late_response_settles_its_reply_and_the_copy_is_seen() {
    let smsc = Smsc::listen();
    let (site, gateway) = impatient(&smsc, "");
    let mut bind = smsc.bound();
    assert_eq!(bind.text(PHONE, "2 AZE20000000"), Status::ESME_ROK);
    let first = bind.submitted();
    let copy = bind.submitted();
    assert_eq!((&*copy.to, &copy.payload), (PHONE, &first.payload));
    bind.respond(&first, Status::ESME_ROK, "7");
    counted(&gateway, "icaze_replies_total{operator=\"north\",result=\"sent\"} 1");
    counted(&gateway, "icaze_reply_copies_total{operator=\"north\"} 1");
    bind.respond(&copy, Status::ESME_RINVDSTADR, "");
    let seen = granted(&["operators", "--config", &config(&site)]);
    assert!(
        seen.contains("1 copy sent of replies that it had not answered; 0 replies unconfirmed"),
        "{seen}"
    );
    // The look at it was before the response, or after it.
    let told = ["the operator leaves replies unanswered", "replies without a response went again"];
    until("the log", || told.iter().any(|told| site.log().contains(told)));
}

#[test]
fn a_reply_that_is_never_answered_is_unconfirmed_and_its_permit_stands() {
    let smsc = Smsc::listen();
    let (site, gateway) = impatient(&smsc, "copies_max = 0");
    let mut bind = smsc.bound();
    assert_eq!(bind.text(PHONE, "2 AZE20000000"), Status::ESME_ROK);
    let silent = bind.submitted();
    counted(&gateway, "icaze_replies_total{operator=\"north\",result=\"unconfirmed\"} 1");
    let seen = granted(&["operators", "--config", &config(&site)]);
    for told in ["1 reply unanswered in a row, since ", "0 copies sent", "1 reply unconfirmed"] {
        assert!(seen.contains(told), "{told} in {seen}");
    }
    assert_eq!(bind.text(PHONE, "2 aze20000000"), Status::ESME_ROK);
    let again = bind.take("8");
    let permit = |payload: &[u8]| payload[payload.len() - 18..].to_vec();
    assert_eq!(permit(&again.payload), permit(&silent.payload), "the same code");
}

#[test]
fn a_bind_that_is_none_is_ended_alone_and_made_anew_and_the_reply_is_kept() {
    let smsc = Smsc::listen();
    let (site, _gateway) = bound_to(&[&smsc], "");
    let mut bind = smsc.bound();
    assert_eq!(bind.text(PHONE, "2 AZE20000000"), Status::ESME_ROK);
    for _ in 0..2 {
        let reply = bind.submitted();
        bind.respond(&reply, Status::ESME_RINVBNDSTS, "");
    }
    assert_eq!(bind.closed(), CloseReason::PeerUnbound);
    assert_eq!(smsc.bound().take("1").to, PHONE);
    let seen = granted(&["operators", "--config", &config(&site)]);
    assert!(seen.contains("it answered replies ESME_RINVBNDSTS (0x04) twice within a minute"), "{seen}");
    assert!(site.log().contains("it is ended, to be made anew"), "{}", site.log());
}

#[test]
fn a_reply_that_is_always_denied_ends_one_bind_at_most_and_is_given_up() {
    let smsc = Smsc::listen();
    let (_site, gateway) = bound_to(&[&smsc], "");
    let mut bind = smsc.bound();
    assert_eq!(bind.text(PHONE, "2 AZE20000000"), Status::ESME_ROK);
    for _ in 0..2 {
        let reply = bind.submitted();
        bind.respond(&reply, Status::ESME_RINVBNDSTS, "");
    }
    assert_eq!(bind.closed(), CloseReason::PeerUnbound);
    let mut bind = smsc.bound();
    for _ in 0..3 {
        let reply = bind.submitted();
        bind.respond(&reply, Status::ESME_RINVBNDSTS, "");
    }
    counted(&gateway, "icaze_replies_total{operator=\"north\",result=\"undelivered\"} 1");
    assert_eq!(bind.text(OTHER, "2 AZE20000001"), Status::ESME_ROK);
    assert_eq!(bind.take("1").to, OTHER, "by the same bind");
}

#[test]
fn a_marked_text_that_only_has_an_id_is_a_request() {
    let smsc = Smsc::listen();
    let (_site, gateway) = bound_to(&[&smsc], "registered_delivery = 1");
    let mut bind = smsc.bound();
    for (phone, esm_class, text) in [(PHONE, 0x08, "2 ID:AZE20000000"), (OTHER, 0x04, "kod:2 id:AZE20000001")]
    {
        assert_eq!(bind.receipt_from(phone, esm_class, text), Status::ESME_ROK);
        assert_eq!(bind.take(phone).to, phone);
    }
    counted(&gateway, "icaze_decisions_total{outcome=\"granted\",reason=\"\",purpose=\"2\"} 2");
    // An id that is awaited makes a receipt, whatever else it lacks.
    assert_eq!(bind.receipt_from(PHONE, 0x04, &format!("id:{PHONE}")), Status::ESME_ROK);
    counted(&gateway, "icaze_receipts_total{operator=\"north\",result=\"underway\"} 1");
}

#[test]
fn receipts_settle_their_own_reply_once_and_are_never_answered() {
    let smsc = Smsc::listen();
    let (_site, gateway) = bound_to(&[&smsc], "registered_delivery = 1");
    let mut bind = smsc.bound();
    for (phone, text, id) in [(PHONE, "2 AZE20000000", "30"), (OTHER, "2 AZE20000001", "48")] {
        assert_eq!(bind.text(phone, text), Status::ESME_ROK);
        bind.take(id);
    }
    let receipt = "id:48 sub:001 dlvrd:000 submit date:2204152009 done date:2204152009 stat:UNDELIV err:001";
    for _ in 0..2 {
        assert_eq!(bind.receipt(receipt), Status::ESME_ROK);
    }
    // No mark of a receipt but its text, with the phone of its reply and of another; and of nothing that is known.
    let told = "id:30 submit date:2204152009 done date:2204152009 stat:DELIVRD err:000";
    assert_eq!(bind.receipt_from(OTHER, 0, told), Status::ESME_ROK);
    assert_eq!(bind.receipt_from(PHONE, 0, told), Status::ESME_ROK);
    assert_eq!(bind.receipt_from(PHONE, 0, &told.replace("id:30", "id:5001")), Status::ESME_ROK);
    let metrics = gateway.metrics();
    for line in [
        "icaze_receipts_total{operator=\"north\",result=\"failed\"} 1",
        "icaze_receipts_total{operator=\"north\",result=\"delivered\"} 1",
        "icaze_texts_put_aside_total{operator=\"north\",cause=\"receipt\"} 3",
        "icaze_decisions_total{outcome=\"granted\",reason=\"\",purpose=\"2\"} 2",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    assert!(!metrics.contains("outcome=\"help\""), "{metrics}");
}
