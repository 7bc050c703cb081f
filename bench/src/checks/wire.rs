//! Frames and PDUs.

use icaze_codec::frame::{self, BadLength, HEADER_LEN};
use icaze_codec::pdu::{BindKind, Command, Message, MessageKind, Pdu, Status, Tlvs, Version, tlv};

/// The largest command_length that is accepted here.
const LIMIT: usize = 1024;

/// A stream of octets falls into frames that are the octets again, or ends at a length that is told at once.
///
/// # Panics
/// If not.
pub fn framing(octets: &[u8]) {
    let mut rest = octets;
    loop {
        let claimed = rest.first_chunk::<4>().map(|length| u32::from_be_bytes(*length));
        match (frame::split(rest, LIMIT), claimed) {
            (Ok(None), None) => return,
            (Ok(None), Some(claimed)) => {
                assert!((HEADER_LEN..=LIMIT).contains(&(claimed as usize)) && rest.len() < claimed as usize);
                return;
            }
            (Ok(Some((found, length))), Some(claimed)) => {
                assert_eq!(length, claimed as usize);
                let (octets, behind) = rest.split_at(length);
                let mut written = Vec::new();
                frame::write(&mut written, found.header, |out| out.extend_from_slice(found.body));
                assert_eq!(written, octets, "a frame is not its octets");
                let short = octets.split_last().map(|(_, short)| short).unwrap_or_default();
                assert!(matches!(frame::split(short, LIMIT), Ok(None)), "a frame one octet short is a frame");
                // Whatever its body holds, it is a PDU or a fault with a status, and the next frame is where it was.
                if let Err(fault) = Pdu::decode(found.header.command, found.body) {
                    assert!(!fault.status().is_ok());
                }
                rest = behind;
            }
            (Err(BadLength { command_length, limit }), Some(claimed)) => {
                assert_eq!((command_length, limit), (claimed, LIMIT));
                assert!(!(HEADER_LEN..=LIMIT).contains(&(claimed as usize)));
                return;
            }
            (_, None) => panic!("a frame or a bad length of fewer than four octets"),
        }
    }
}

/// A message body, behind an octet for the kind: what is read can be written, and reads as the same message.
///
/// # Panics
/// If not.
pub fn messages(input: &[u8]) {
    let Some((selector, body)) = input.split_first() else { return };
    let kind = match selector % 3 {
        0 => MessageKind::SubmitSm,
        1 => MessageKind::DeliverSm,
        _ => MessageKind::DataSm,
    };
    let message = match Message::decode(kind, body) {
        Ok(message) => message,
        Err(fault) => return assert_ne!(fault.status(), Status::ESME_ROK),
    };
    message.check(Version::V5_0).unwrap();
    let written = encoded(&message);
    let again = Message::decode(kind, &written).unwrap();
    // The payload's own TLV comes and goes with its place; stray octets and what is cut at the end go.
    assert_eq!(again.refused, None);
    assert_eq!(Message { tlvs: message.tlvs, refused: message.refused, ..again }, message);
    assert!(optional(again.tlvs).eq(optional(message.tlvs)));
    assert_eq!(encoded(&again), written);
}

fn encoded(message: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(&mut out, Version::V5_0);
    out
}

fn optional(tlvs: Tlvs<'_>) -> impl Iterator<Item = (u16, &[u8])> {
    tlvs.into_iter().filter(|&(tag, _)| tag != tlv::MESSAGE_PAYLOAD)
}

/// The body of a bind or an outbind, behind an octet for which: its fields, put together again, are its octets, and
/// each fits its place.
///
/// # Panics
/// If not.
pub fn binds(input: &[u8]) {
    let Some((selector, body)) = input.split_first() else { return };
    let command = match selector % 4 {
        0 => Command::BIND_RECEIVER,
        1 => Command::BIND_TRANSMITTER,
        2 => Command::BIND_TRANSCEIVER,
        _ => Command::OUTBIND,
    };
    let fields = match Pdu::decode(command, body) {
        Ok(Pdu::Bind(bind)) => {
            assert_eq!(Some(bind.kind), BindKind::of(command));
            let range = bind.address_range();
            within(&[
                (bind.system_id().as_bytes(), 15),
                (bind.password(), 8),
                (bind.system_type().as_bytes(), 12),
                (range.digits, 40),
            ]);
            let version = [bind.interface_version().0, range.ton, range.npi];
            let names =
                [bind.system_id().as_bytes(), bind.password(), bind.system_type().as_bytes(), &version];
            [names.join(&0).as_slice(), range.digits, &[0]].concat()
        }
        Ok(Pdu::Outbind(outbind)) => {
            within(&[(outbind.system_id().as_bytes(), 15), (outbind.password(), 8)]);
            [outbind.system_id().as_bytes(), outbind.password(), &[]].join(&0)
        }
        Ok(other) => panic!("a bind that is {other:?}"),
        Err(fault) => return assert_ne!(fault.status(), Status::ESME_ROK),
    };
    assert!(body.starts_with(&fields), "the fields are not the body's octets");
}

fn within(fields: &[(&[u8], usize)]) {
    for (value, max) in fields {
        assert!(value.len() <= *max && value.is_ascii() && !value.contains(&0));
    }
}

/// The body of a response: always read, for its header has told the outcome, and nothing of it is lost.
///
/// # Panics
/// If not.
pub fn responses(body: &[u8]) {
    for command in [Command::SUBMIT_SM_RESP, Command::DELIVER_SM_RESP, Command::DATA_SM_RESP] {
        let Ok(Pdu::MessageResp(response)) = Pdu::decode(command, body) else { panic!("not a response") };
        let parts = [response.message_id, response.tlvs.as_bytes()];
        let whole = if body.contains(&0) { parts.join(&0) } else { parts.concat() };
        assert_eq!(whole, body);
    }
    for command in
        [Command::BIND_RECEIVER_RESP, Command::BIND_TRANSMITTER_RESP, Command::BIND_TRANSCEIVER_RESP]
    {
        let Ok(Pdu::BindResp(response)) = Pdu::decode(command, body) else { panic!("not a response") };
        for ours in [Version::V3_3, Version::V3_4, Version::V5_0] {
            let agreed = ours.agreed(response.version);
            assert!(agreed <= ours && [Version::V3_3, Version::V3_4, Version::V5_0].contains(&agreed));
        }
    }
}
