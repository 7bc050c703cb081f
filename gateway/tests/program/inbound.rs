//! Octets that live networks send and that other gateways lost, to the real link (rows 53 and 54 of docs/faults.md).

use icaze_codec::pdu::{Command, Message, MessageKind, Status};
use icaze_codec::text::{self, Alphabet, Shifts};

use crate::cli::{config, granted};
use crate::operator::{Peer, pdu};
use crate::support::{Gateway, Site};

/// A transceiver's bind of the demo account.
const BIND: &str = "0000002300000009000000000000000164656d6f0064656d6f31323334000034000000";

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hexadecimal[at..at + 2], 16).unwrap();
    (0..hexadecimal.len()).step_by(2).map(digit).collect()
}

fn bound(gateway: &Gateway) -> Peer {
    let mut peer = Peer::connect(&gateway.smpp);
    peer.send(&bytes(BIND));
    assert_eq!(peer.read().unwrap().status, Status::ESME_ROK);
    peer
}

/// The text of the next reply, and its source and destination.
fn reply(peer: &mut Peer) -> (String, [Vec<u8>; 2]) {
    let pdu = peer.read_until(Command::DELIVER_SM).unwrap();
    peer.answer(&pdu);
    let message = Message::decode(MessageKind::DeliverSm, &pdu.body).unwrap();
    let mut words = String::new();
    let alphabet = Alphabet::of(message.data_coding, Alphabet::Gsm7).unwrap();
    text::decode(alphabet, Shifts::default(), message.payload, &mut words);
    (words, [message.source.digits.to_vec(), message.destination.digits.to_vec()])
}

/// Each of `pdus` is taken, and together they get one reply, a permit for `document`.
fn grants(peer: &mut Peer, pdus: &[&[u8]], document: &str) {
    for pdu in pdus {
        peer.send(pdu);
        assert_eq!(peer.read_until(Command::SUBMIT_SM_RESP).unwrap().status, Status::ESME_ROK, "{document}");
    }
    let (text, _) = reply(peer);
    assert!(text.contains(&format!("İCAZƏ VAR: {document}")), "{document}: {text}");
}

/// The body of a submit_sm.
fn body(source: &[u8], esm_class: u8, data_coding: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    let before = [&[0, 1, 1][..], source, &[0, 0, 1], b"8103", &[0, esm_class, 0, 0, 0, 0, 0, 0]].concat();
    [&before[..], &[data_coding, 0, length], payload].concat()
}

fn submit(source: &[u8], esm_class: u8, data_coding: u8, payload: &[u8]) -> Vec<u8> {
    pdu(Command::SUBMIT_SM, 7, &body(source, esm_class, data_coding, payload))
}

const PHONE: &[u8] = b"994501200001";

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

#[test]
fn what_other_gateways_lost_is_read() {
    let site = Site::new("");
    let gateway = site.start();
    let mut peer = bound(&gateway);
    for (document, pdus) in [
        // UDHI, and no header.
        (
            "AZE20000014",
            &[
                "0000004b00000004000000000000000200010139393435303132303030303100000138313033004000000000000008001a003200200041005a004500320030003000300030003000310034",
            ][..],
        ),
        // A header's length that counts itself.
        (
            "AZE20000015",
            &[
                "00000041000000040000000000000002000101393934353031323030303031000001383130330040000000000000080010060003f30201003200200041005a0045",
                "00000047000000040000000000000003000101393934353031323030303031000001383130330040000000000000080016060003f3020200320030003000300030003000310035",
            ],
        ),
        // A reference of one octet by TLV.
        (
            "AZE20000017",
            &[
                "000000450000000400000000000000020001013939343530313230303030310000013831303300000000000000000000053220415a45020c000107020e000102020f000101",
                "000000480000000400000000000000030001013939343530313230303030310000013831303300000000000000000000083230303030303137020c000107020e000102020f000102",
            ],
        ),
        // The text in message_payload, beside a short_message of one blank.
        (
            "AZE20000018",
            &[
                "00000043000000040000000000000002000101393934353031323030303031000001383130330000000000000000000001200424000d3220415a453230303030303138",
            ],
        ),
        // An acknowledgement's bit in a text.
        (
            "AZE20000020",
            &[
                "0000003c00000004000000000000000200010139393435303132303030303100000138313033004800000000000000000b0500030102013220415a45",
                "0000003f00000004000000000000000300010139393435303132303030303100000138313033004800000000000000000e0500030102023230303030303230",
            ],
        ),
    ] {
        let pdus: Vec<_> = pdus.iter().map(|pdu| bytes(pdu)).collect();
        let pdus: Vec<&[u8]> = pdus.iter().map(Vec::as_slice).collect();
        grants(&mut peer, &pdus, document);
    }
}

#[test]
fn a_stray_nul_or_a_cut_parameter_costs_no_text_and_is_counted() {
    let site = Site::new("");
    let gateway = site.start();
    let mut peer = bound(&gateway);
    let text = |document: &str| body(PHONE, 0, 0, format!("2 {document}").as_bytes());
    for (document, behind) in [
        ("AZE20000001", &[0, 0x02, 0x04, 0, 2, 0, 9][..]),
        ("AZE20000002", &[0x02, 0x04, 0, 2, 0, 9, 0x04, 0x27, 0, 1]),
    ] {
        let whole = pdu(Command::SUBMIT_SM, 7, &[&text(document)[..], behind].concat());
        grants(&mut peer, &[&whole], document);
    }
    let cut = [&body(PHONE, 0, 0, b"")[..], &[0x04, 0x24, 0, 40], b"2 AZE2000"].concat();
    peer.send(&pdu(Command::SUBMIT_SM, 7, &cut));
    let status = peer.read_until(Command::SUBMIT_SM_RESP).unwrap().status;
    assert_eq!(status, Status::ESME_RINVTLVSTREAM, "half a text is none");
    let metrics = gateway.metrics();
    for parameter in ["message_state", "message_payload"] {
        let counted =
            format!("icaze_parameters_refused_total{{operator=\"demo\",parameter=\"{parameter}\"}} 1");
        assert!(metrics.contains(&counted), "{counted}");
    }
    let told = granted(&["operators", "--config", &config(&site)]);
    assert!(told.contains("optional parameters refused: message_payload 1, message_state 1"), "{told}");
}

#[test]
fn a_text_whose_length_is_too_small_is_refused_whole() {
    let site = Site::new("");
    let gateway = site.start();
    let mut peer = bound(&gateway);
    // A length in characters, and one that is one octet short.
    for (data_coding, payload, length) in
        [(8, wide("2 AZE20000001"), 13), (0, b"2 AZE20000001".to_vec(), 12), (8, wide("2 MYI2000001"), 12)]
    {
        let mut short = submit(PHONE, 0, data_coding, &payload);
        let sm_length = short.len() - payload.len() - 1;
        short[sm_length] = length;
        peer.send(&short);
        let status = peer.read_until(Command::SUBMIT_SM_RESP).unwrap().status;
        assert_eq!(status, Status::ESME_RINVMSGLEN, "{data_coding}");
    }
    // Whatever was answered would stand before this.
    grants(&mut peer, &[&submit(PHONE, 0, 0, b"2 AZE20000002")], "AZE20000002");
}

#[test]
fn texts_are_read_in_the_alphabet_that_they_are_in() {
    let site = Site::new("");
    let gateway = site.start();
    let mut peer = bound(&gateway);
    let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    for (document, data_coding, payload) in [
        ("AZE20000001", 4, b"2 AZE20000001".to_vec()),
        ("AZE20000002", 2, "ərzaq 2 AZE20000002".into()),
        ("AZE20000003", 0xF4, b"2 AZE20000003".to_vec()),
        ("AZE20000004", 8, little("2 AZE20000004")),
        ("AZE20000005", 8, b"2 AZE20000005".to_vec()),
        ("AZE20000006", 8, b"2AZE20000006".to_vec()),
        ("AZE20000007", 0, b"\x05\x00\x03\x07\x01\x012 AZE20000007".to_vec()),
    ] {
        let esm_class = if document == "AZE20000007" { 0x40 } else { 0 };
        grants(&mut peer, &[&submit(PHONE, esm_class, data_coding, &payload)], document);
    }
    // A port is a program's.
    peer.send(&submit(PHONE, 0x40, 4, b"\x06\x05\x04\x0B\x84\x0B\x842 AZE20000008"));
    assert!(!reply(&mut peer).0.contains("AZE20000008"));
}

#[test]
fn parts_are_joined_however_they_were_cut() {
    let site = Site::new("");
    let gateway = site.start();
    let mut peer = bound(&gateway);
    let mut joined = |document: &str, data_coding: u8, esm_class: u8, octets: &[u8], at: usize| {
        let parts = [(1, &octets[..at]), (2, &octets[at..])].map(|(number, text)| {
            let reference = document.as_bytes()[10];
            let header = [5, 0, 3, reference, 2, number];
            submit(PHONE, esm_class, data_coding, &[&header, text].concat())
        });
        grants(&mut peer, &[&parts[0], &parts[1]], document);
    };
    let request = |document: &str| wide(&format!("ərzaq 2 {document}"));
    joined("AZE20000001", 8, 0x40, &request("AZE20000001"), 21);
    joined("AZE20000002", 8, 0, &request("AZE20000002"), 20);
    let little = "\u{FEFF}ərzaq 2 AZE20000003".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    joined("AZE20000003", 8, 0x40, &little, 18);
    joined("AZE20000004", 8, 0x40, b"2 AZE20000004", 5);
    joined("AZE20000005", 4, 0x40, "ə 2 AZE20000005".as_bytes(), 1);
}

#[test]
fn one_phone_is_one_however_its_parts_spell_it_and_replies_go_where_they_came_from() {
    let site = Site::new("");
    let gateway = site.start_with(&["SMPP__SHORT_NUMBERS=8103,9948103"]);
    let mut peer = bound(&gateway);
    for (number, source) in (1..).zip([
        &b"+994 50 120 00 01"[..],
        b"0994501200001",
        b"00994501200001",
        b"(050) 120-00-01",
        b"50.120.00.01",
    ]) {
        let document = format!("AZE2000000{number}");
        peer.send(&submit(source, 0, 0, format!("2 {document}").as_bytes()));
        let (text, addresses) = reply(&mut peer);
        assert!(text.contains(&format!("İCAZƏ VAR: {document}")), "{text}");
        assert_eq!(addresses, [b"8103".to_vec(), source.to_vec()]);
    }
    let parts = [
        submit(b"+994501200001", 0x40, 0, b"\x05\x00\x03\x09\x02\x012 AZE20"),
        submit(b"0501200001", 0x40, 0, b"\x05\x00\x03\x09\x02\x02000010"),
    ];
    grants(&mut peer, &[&parts[0], &parts[1]], "AZE20000010");
    for (to, status) in [
        (&b"+8103"[..], Status::ESME_ROK),
        (b"9948103", Status::ESME_ROK),
        (b"+9948103", Status::ESME_ROK),
        (b"8104", Status::ESME_RINVDSTADR),
    ] {
        let before =
            [&[0, 1, 1][..], PHONE, &[0, 1, 1], to, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, b'?']].concat();
        peer.send(&pdu(Command::SUBMIT_SM, 8, &before));
        assert_eq!(peer.read_until(Command::SUBMIT_SM_RESP).unwrap().status, status);
    }
}

#[test]
fn receipts_and_loops_are_put_aside_and_counted() {
    let site = Site::new("");
    // One of ours that could be a subscriber's by its length.
    let gateway = site.start_with(&["SMPP__SHORT_NUMBERS=8103,+994500008103"]);
    let mut peer = bound(&gateway);
    let receipt = b"id:5001 submit date:2204152009 done date:2204152009 stat:DELIVRD err:000";
    for (source, esm_class, payload) in [
        (PHONE, 0x04, &receipt[..]),
        (PHONE, 0x00, receipt),
        (PHONE, 0x08, b"thank you"),
        (b"8103", 0, b"2 AZE20000001"),
        (b"994500008103", 0, b"2 AZE20000001"),
        (b"+994500008103", 0, b"2 AZE20000001"),
    ] {
        peer.send(&submit(source, esm_class, 0, payload));
        assert_eq!(peer.read_until(Command::SUBMIT_SM_RESP).unwrap().status, Status::ESME_ROK);
    }
    // Whatever was answered would stand before this.
    grants(&mut peer, &[&submit(PHONE, 0x08, 0, b"2 AZE20000002")], "AZE20000002");
    let metrics = gateway.metrics();
    for counted in ["cause=\"receipt\"} 3", "cause=\"loop\"} 3"] {
        assert!(
            metrics.contains(&format!("icaze_texts_put_aside_total{{operator=\"demo\",{counted}")),
            "{counted}"
        );
    }
    let told = granted(&["operators", "--config", &config(&site)]);
    assert!(told.contains("texts put aside: loop 3, receipt 3"), "{told}");
}

#[test]
fn a_bind_that_is_too_long_is_named_with_its_account_and_its_length() {
    let site = Site::new("");
    let gateway = site.start();
    for (system_id, password, system_type, told, cause) in [
        ("demo", "demo12345", "", "demo: password of 9 octets, at most 8", "password_length"),
        (
            "demo",
            "demo1234",
            "1234567890123",
            "demo: system_type of 13 octets, at most 12",
            "system_type_length",
        ),
        (
            "a-system-id-of-18-",
            "x",
            "",
            "a-system-id-of-: system_id of 18 octets, at most 15",
            "system_id_length",
        ),
    ] {
        let mut peer = Peer::connect(&gateway.smpp);
        let strings =
            [system_id.as_bytes(), &[0], password.as_bytes(), &[0], system_type.as_bytes()].concat();
        peer.send(&pdu(Command::BIND_TRANSCEIVER, 1, &[&strings[..], &[0, 0x34, 0, 0, 0]].concat()));
        assert!(!peer.read().unwrap().status.is_ok());
        let shown = granted(&["operators", "--config", &config(&site)]);
        assert!(shown.contains(told), "{shown}");
        let counted = format!("icaze_smpp_binds_refused_total{{cause=\"{cause}\"}} 1");
        assert!(gateway.metrics().contains(&counted), "{counted}");
    }
}
