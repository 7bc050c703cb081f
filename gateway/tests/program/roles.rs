//! The gateway as an ESME: bound to operators' SMSCs, over to other addresses, with receipts and outbinds.

use icaze_codec::pdu::{Address, BindKind, Command, Message, MessageKind, Status};
use icaze_codec::session::CloseReason;

use crate::cli::{config, granted};
use crate::operator::{Peer, submit};
use crate::smsc::{Bind, Smsc};
use crate::support::{Gateway, Site};

const PHONE: &str = "994507391846";

/// A gateway that binds to `smsc` as operator `north`, with `more` in its section.
pub(crate) fn bound_to(smsc: &[&Smsc], more: &str) -> (Site, Gateway) {
    connected("role = \"connect\"", smsc, more)
}

fn connected(role: &str, smsc: &[&Smsc], more: &str) -> (Site, Gateway) {
    let site = site_of(role, smsc, more);
    let gateway = site.start();
    (site, gateway)
}

/// The site of such a gateway.
pub(crate) fn site_of(role: &str, smsc: &[&Smsc], more: &str) -> Site {
    let addresses: Vec<String> = smsc.iter().map(|smsc| format!("{:?}", smsc.address())).collect();
    Site::new(&format!(
        "[operators.north]\n{role}\naddresses = [{}]\nsystem_id = \"icaze8103\"\npassword = \"s3cr3t\"\n{more}\n",
        addresses.join(", ")
    ))
}

/// Ends it in order.
fn end(mut gateway: Gateway) {
    gateway.terminate();
    assert_eq!(gateway.wait(), Some(0));
}

/// The number of the first decision in the ledger.
fn granted_seq(site: &Site) -> String {
    let dump = granted(&["ledger", "dump", site.dir.path().join("data").to_str().unwrap()]);
    let records = dump.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    records
        .filter(|record| record["kind"] == "decision")
        .map(|record| record["seq"].to_string())
        .next()
        .unwrap()
}

fn read(payload: &[u8]) -> String {
    let units: Vec<u16> = payload.as_chunks::<2>().0.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
    String::from_utf16_lossy(&units)
}

#[test]
fn a_text_that_the_smsc_delivers_is_answered_with_a_submission() {
    let smsc = Smsc::listen();
    let (_site, gateway) = bound_to(&[&smsc], "validity = \"relative\"");
    let mut bind = smsc.bound();
    assert_eq!((bind.kind, &*bind.system_id), (Some(BindKind::Transceiver), "icaze8103"));
    assert_eq!(bind.password, b"s3cr3t");
    assert_eq!(bind.text(PHONE, "2 AZE20000000"), Status::ESME_ROK);
    let reply = bind.take("7");
    assert_eq!((&*reply.to, reply.registered_delivery), (PHONE, 0));
    assert!(read(&reply.payload).contains("AZE20000000"), "{}", read(&reply.payload));
    assert!(reply.validity_period.starts_with("00000000") && reply.validity_period.ends_with("000R"));
    let data = Message {
        kind: MessageKind::DataSm,
        source: Address { ton: 1, npi: 1, digits: PHONE.as_bytes() },
        destination: Address { ton: 3, npi: 1, digits: b"8103" },
        payload: b"2 AZE20000001",
        ..Message::default()
    };
    assert_eq!(bind.deliver(&data), Status::ESME_ROK);
    assert!(read(&bind.take("8").payload).contains("AZE20000001"));
    gateway.terminate();
    assert_eq!(bind.closed(), CloseReason::PeerUnbound);
}

#[test]
fn a_transmitter_carries_what_a_receiver_brought() {
    let smsc = Smsc::listen();
    let (_site, _gateway) = bound_to(&[&smsc], "binds = [\"transmitter\", \"receiver\"]");
    let (mut transmitter, mut receiver) = (smsc.bound(), smsc.bound());
    if transmitter.kind == Some(BindKind::Receiver) {
        std::mem::swap(&mut transmitter, &mut receiver);
    }
    assert_eq!((transmitter.kind, receiver.kind), (Some(BindKind::Transmitter), Some(BindKind::Receiver)));
    assert_eq!(receiver.text(PHONE, "2 AZE20000000"), Status::ESME_ROK);
    assert_eq!(transmitter.take("1").to, PHONE);
}

#[test]
fn both_roles_serve_one_operator_at_once() {
    let smsc = Smsc::listen();
    let (_site, gateway) = connected("role = \"both\"", &[&smsc], "");
    let mut ours = smsc.bound();
    let mut theirs = Peer::connect(&gateway.smpp);
    assert_eq!(theirs.bind("icaze8103", "s3cr3t").unwrap().status, Status::ESME_ROK);
    theirs.send(&submit(2, PHONE, "8103", "2 AZE20000000"));
    assert_eq!(theirs.read_until(Command::SUBMIT_SM_RESP).unwrap().status, Status::ESME_ROK);
    assert!(theirs.read_until(Command::DELIVER_SM).is_some(), "by the session that brought the text");
    assert_eq!(ours.text(PHONE, "2 AZE20000001"), Status::ESME_ROK);
    assert_eq!(ours.take("1").to, PHONE);
}

#[test]
fn a_lost_bind_and_a_refused_one_go_over_to_the_next_address() {
    let (first, second) = (Smsc::listen(), Smsc::listen());
    let (site, gateway) = bound_to(&[&first, &second], "");
    drop(first.bound());
    second.refused(Status::ESME_RALYBND);
    // After a round without success there is a wait.
    let mut bind = first.bound();
    assert_eq!(bind.text(PHONE, "2 AZE20000000"), Status::ESME_ROK);
    bind.take("1");
    let seen = granted(&["operators", "--config", &config(&site)]);
    assert!(seen.contains("it refused our bind: ESME_RALYBND (0x05)"), "{seen}");
    assert!(!seen.contains("s3cr3t"));
    drop(gateway);
    assert!(!site.log().contains("s3cr3t"));
}

#[test]
fn a_receipt_ends_the_story_of_its_reply_and_others_are_acknowledged_and_counted() {
    let smsc = Smsc::listen();
    let (site, gateway) = bound_to(&[&smsc], "registered_delivery = 1");
    let mut bind = smsc.bound();
    assert_eq!(bind.text(PHONE, "2 AZE20000000"), Status::ESME_ROK);
    assert_eq!(bind.take("0000002A").registered_delivery, 1);
    assert_eq!(bind.receipt("id:42 sub:001 dlvrd:000 done date:? stat:ACCEPTD"), Status::ESME_ROK);
    assert_eq!(bind.receipt("id:42 sub:001 dlvrd:001 done date:? stat:DELIVRD err:000"), Status::ESME_ROK);
    for unknown in ["id:43 stat:DELIVRD", "stat:UNDELIV", "2 AZE20000002"] {
        assert_eq!(bind.receipt(unknown), Status::ESME_ROK, "{unknown}");
    }
    let metrics = gateway.metrics();
    for (result, count) in [("delivered", 1), ("underway", 1), ("failed", 0), ("unknown", 3)] {
        let line = format!("icaze_receipts_total{{operator=\"north\",result=\"{result}\"}} {count}");
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
    }
    assert!(!metrics.contains("reason=\"receipt\""), "no receipt is a citizen's message");
    // What a receipt says is durable before it is acknowledged.
    drop(gateway);
    let story = granted(&["explain", "--config", &config(&site), &granted_seq(&site)]);
    assert!(story.contains("sent: the operator took it"), "{story}");
    assert!(story.contains("delivered: the handset has it"), "{story}");
}

#[test]
fn a_reply_that_is_refused_for_good_ends_and_one_that_is_put_off_comes_again() {
    let smsc = Smsc::listen();
    let (site, gateway) = bound_to(&[&smsc], "");
    let mut bind = smsc.bound();
    assert_eq!(bind.text(PHONE, "2 AZE20000000"), Status::ESME_ROK);
    let first = bind.submitted();
    bind.respond(&first, Status::ESME_RMSGQFUL, "");
    let again = bind.submitted();
    assert_eq!(again.payload, first.payload);
    bind.respond(&again, Status::ESME_RINVDSTADR, "");
    // Its mark is in the ledger at the latest when the gateway has ended.
    end(gateway);
    let story = granted(&["explain", "--config", &config(&site), &granted_seq(&site)]);
    assert!(story.contains("undelivered: refused for good"), "{story}");
}

#[test]
fn an_outbind_is_taken_from_the_smsc_that_was_agreed_and_replies_leave_by_our_transmitter() {
    let smsc = Smsc::listen();
    let outbind = "outbind_system_id = \"SMSC\"\noutbind_password = \"calls\"\nallow = [\"127.0.0.1\"]\n";
    let (site, gateway) = bound_to(&[&smsc], &format!("{outbind}binds = [\"transmitter\"]"));
    let mut transmitter = smsc.bound();
    for (system_id, password) in [("SMSC", "wrong"), ("other", "calls")] {
        let mut stranger = Bind::outbind(&gateway.smpp, system_id, password);
        assert_eq!(stranger.closed(), CloseReason::Disconnected);
    }
    let mut receiver = Bind::outbind(&gateway.smpp, "SMSC", "calls");
    receiver.accept();
    assert_eq!((receiver.kind, &*receiver.system_id), (Some(BindKind::Receiver), "icaze8103"));
    assert_eq!(receiver.text(PHONE, "2 AZE20000000"), Status::ESME_ROK);
    assert_eq!(transmitter.take("1").to, PHONE);
    let seen = granted(&["operators", "--config", &config(&site)]);
    assert!(seen.contains("receiver as \"SMSC\"") && seen.contains("wrong password"), "{seen}");
}

#[test]
fn an_outbind_without_a_transmitter_says_that_it_is_missing() {
    let site = Site::new(
        "[operators.north]\nrole = \"connect\"\nsystem_id = \"icaze8103\"\npassword = \"s3cr3t\"\n\
         outbind_system_id = \"SMSC\"\nallow = [\"127.0.0.1\"]\n",
    );
    let gateway = site.start();
    let mut receiver = Bind::outbind(&gateway.smpp, "SMSC", "");
    receiver.accept();
    assert_eq!(receiver.text(PHONE, "2 AZE20000000"), Status::ESME_ROK, "it is taken, and its answer waits");
    assert!(site.log().contains("no bind that replies can leave by"), "{}", site.log());
}
