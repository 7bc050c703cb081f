//! Bodies that real and hostile peers send, and the status that each is answered with.
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, which the helpers here are not to clippy"
)]

use icaze_codec::pdu::{BadBind, BindKind, Command, Pdu, Status};

const SUBMIT_SM: &[u8] = b"\0\x01\x01994501234567\0\0\x018103\0\0\0\0\0\0\0\0\0\0\x032 A";

fn status(command: Command, body: &[u8]) -> Result<(), Status> {
    Pdu::decode(command, body).map(drop).map_err(|malformed| malformed.status())
}

fn with(edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut body = SUBMIT_SM.to_vec();
    edit(&mut body);
    body
}

#[test]
fn messages() {
    let end = SUBMIT_SM.len();
    let table: &[(&str, Vec<u8>, Result<(), Status>)] = &[
        ("sound", SUBMIT_SM.to_vec(), Ok(())),
        ("empty body", vec![], Err(Status::ESME_RINVCMDLEN)),
        ("ends in the fixed octets", SUBMIT_SM[..end - 5].to_vec(), Err(Status::ESME_RINVCMDLEN)),
        ("sm_length past the body", with(|body| body[end - 4] = 4), Err(Status::ESME_RINVMSGLEN)),
        ("service_type of 6", [b"ABCDEF", SUBMIT_SM].concat(), Err(Status::ESME_RINVSERTYP)),
        ("source without its NUL", SUBMIT_SM[..10].to_vec(), Err(Status::ESME_RINVSRCADR)),
        (
            "source of 21",
            with(|body| drop(body.splice(3..15, *b"123456789012345678901"))),
            Err(Status::ESME_RINVSRCADR),
        ),
        ("source of 20", with(|body| drop(body.splice(3..15, *b"12345678901234567890"))), Ok(())),
        ("destination without its NUL", SUBMIT_SM[..20].to_vec(), Err(Status::ESME_RINVDSTADR)),
        ("schedule of 17", with(|body| drop(body.splice(26..26, [b'0'; 17]))), Err(Status::ESME_RINVSCHED)),
        ("validity of 17", with(|body| drop(body.splice(27..27, [b'0'; 17]))), Err(Status::ESME_RINVEXPIRY)),
        // What rusmpp-core rejects, and what costs a citizen's message for nothing.
        ("schedule of an odd length", with(|body| drop(body.splice(26..26, [b'0'; 12]))), Ok(())),
        ("a source that is not ASCII", with(|body| body[3] = 0xFC), Ok(())),
        ("TLV of unknown tag", [SUBMIT_SM, &[0x99, 0x99, 0, 1, 7]].concat(), Ok(())),
        ("TLV of odd length for its tag", [SUBMIT_SM, &[0x02, 0x0C, 0, 1, 7]].concat(), Ok(())),
        ("a stray NUL after the message", [SUBMIT_SM, &[0]].concat(), Ok(())),
        (
            "TLV length past the body, of a part's",
            [SUBMIT_SM, &[0x02, 0x0C, 0, 3, 0, 7]].concat(),
            Err(Status::ESME_RINVTLVSTREAM),
        ),
        (
            "the same of the text's",
            [SUBMIT_SM, &[0x04, 0x24, 0, 9, b'2']].concat(),
            Err(Status::ESME_RINVTLVSTREAM),
        ),
        ("the same of one that says nothing of the text", [SUBMIT_SM, &[0x14, 0, 0, 9, 1]].concat(), Ok(())),
        (
            "the same where there is no text",
            [&SUBMIT_SM[..end - 4], &[0, 0x14, 0, 0, 9, 1]].concat(),
            Err(Status::ESME_RINVTLVSTREAM),
        ),
        ("text behind the message", [SUBMIT_SM, b"20000001"].concat(), Err(Status::ESME_RINVMSGLEN)),
        ("one octet of it", [SUBMIT_SM, b"1"].concat(), Err(Status::ESME_RINVMSGLEN)),
        ("UCS-2", [SUBMIT_SM, b"\0\x30\0\x31\0\x32"].concat(), Err(Status::ESME_RINVMSGLEN)),
        ("a stray NUL before a TLV", [SUBMIT_SM, &[0, 0x02, 0x0C, 0, 2, 0, 7]].concat(), Ok(())),
    ];
    for (name, body, expected) in table {
        assert_eq!(status(Command::SUBMIT_SM, body), *expected, "submit_sm, {name}");
        assert_eq!(status(Command::DELIVER_SM, body), *expected, "deliver_sm, {name}");
    }
}

#[test]
fn every_cut_of_a_message_is_refused() {
    for end in 0..SUBMIT_SM.len() {
        assert!(status(Command::SUBMIT_SM, &SUBMIT_SM[..end]).is_err(), "{end} octets");
    }
}

#[test]
fn the_payload_is_the_tlv_only_where_short_message_is_empty() {
    let payload = |body: &[u8]| match Pdu::decode(Command::SUBMIT_SM, body) {
        Ok(Pdu::Message(message)) => message.payload.to_vec(),
        other => panic!("{other:?}"),
    };
    let tlv = [0x04, 0x24, 0, 2, b'h', b'i'];
    assert_eq!(payload(&[SUBMIT_SM, &tlv].concat()), b"2 A");
    let empty = &SUBMIT_SM[..SUBMIT_SM.len() - 4];
    assert_eq!(payload(&[empty, &[0], &tlv].concat()), b"hi");
    assert_eq!(payload(&[empty, &[0]].concat()), b"");
}

#[test]
fn binds() {
    let bind = b"operator\0secret08\0VMS\0\x34\x01\x01\0";
    let table: &[(&str, Vec<u8>, Result<(), Status>)] = &[
        ("sound", bind.to_vec(), Ok(())),
        ("with a vendor's TLV", [&bind[..], &[0x14, 0, 0, 1, 9]].concat(), Ok(())),
        ("empty", vec![], Err(Status::ESME_RINVSYSID)),
        ("system_id of 16", [b"12345678", &bind[..]].concat(), Err(Status::ESME_RINVSYSID)),
        ("system_id without its NUL", b"operator".to_vec(), Err(Status::ESME_RINVSYSID)),
        ("password of 9", b"operator\0secret089\0VMS\0\x34\x01\x01\0".to_vec(), Err(Status::ESME_RINVPASWD)),
        (
            "system_type of 13",
            b"operator\0secret08\x001234567890123\0\x34\x01\x01\0".to_vec(),
            Err(Status::ESME_RINVSYSTYP),
        ),
        (
            "address_range without its NUL",
            b"operator\0secret08\0VMS\0\x34\x01\x0199".to_vec(),
            Err(Status::ESME_RBINDFAIL),
        ),
        ("ends before its fields do", bind[..23].to_vec(), Err(Status::ESME_RINVCMDLEN)),
        ("goes on after its fields", [&bind[..], &[9; 9]].concat(), Err(Status::ESME_RINVCMDLEN)),
    ];
    for (name, body, expected) in table {
        for command in [Command::BIND_RECEIVER, Command::BIND_TRANSMITTER, Command::BIND_TRANSCEIVER] {
            assert_eq!(status(command, body), *expected, "{name}");
        }
    }
}

#[test]
fn a_bind_that_is_too_long_is_told_by_its_account_and_its_length() {
    for (body, octets) in [
        (&b"operator\0secret089\0VMS\0\x34\x01\x01\0"[..], 9),
        (b"operator\0secret08\x001234567890123\0\x34\x01\x01\0", 13),
        (b"operator12345678\0secret08\0VMS\0\x34\x01\x01\0", 16),
        (b"operator\0secret0890", 10),
    ] {
        let command = Command::BIND_TRANSMITTER;
        let fault = Pdu::decode(command, body).map(drop).unwrap_err();
        let bad = BadBind::of(command, body, fault).unwrap();
        assert_eq!((bad.kind, bad.octets), (BindKind::Transmitter, octets));
        assert!(bad.system_id.starts_with(b"operator"));
        assert_eq!(BadBind::of(Command::SUBMIT_SM, body, fault), None);
    }
}

#[test]
fn debug_tells_nothing_about_anyone() {
    let body = b"\0\x01\x01994501234567\0\0\x018103\0\0\0\0\0\0\0\0\0\0\x0d2 AZE10000001";
    let message = format!("{:?}", Pdu::decode(Command::SUBMIT_SM, body).unwrap());
    assert!(message.contains("ton 1 npi 1 (12 octets)"), "{message}");
    for secret in ["994501234567", "8103", "AZE", "57, 57, 52"] {
        assert!(!message.contains(secret), "{message}");
    }
    let bind = Pdu::decode(Command::BIND_RECEIVER, b"operator\0secret08\0VMS\0\x34\x01\x01\0").unwrap();
    assert!(!format!("{bind:?}").contains("secret08"));
}
