//! Message PDUs against an independent implementation, both ways: what we write `rusmpp-core` reads as the same fields
//! and writes as the same octets, and what it builds we read.
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, which the helpers here are not to clippy"
)]

use icaze_codec::frame::{self, Header};
use icaze_codec::pdu::{
    Address, Command, Message, MessageKind, MessageResp, Pdu, Status, Tlvs, Version, tlv,
};
use proptest::prelude::*;
use rusmpp_core::CommandStatus;
use rusmpp_core::decode::borrowed::DecodeWithLength;
use rusmpp_core::encode::{Encode, Length};
use rusmpp_core::pdus::borrowed::{self as theirs, DataSm, DeliverSm, SubmitSm};
use rusmpp_core::types::borrowed::{COctetString, EmptyOrFullCOctetString, OctetString};
use rusmpp_core::values::borrowed::ServiceType;

/// More TLVs than any generated message has.
const TLVS: usize = 8;
type TheirCommand<'a> = rusmpp_core::command::borrowed::Command<'a, TLVS>;
type TheirPdu<'a> = theirs::Pdu<'a, TLVS>;

#[derive(Debug, Clone)]
struct Fields {
    service_type: Vec<u8>,
    source: (u8, u8, Vec<u8>),
    destination: (u8, u8, Vec<u8>),
    bytes: [u8; 7],
    schedule: Vec<u8>,
    validity: Vec<u8>,
    payload: Vec<u8>,
    tlvs: Vec<u8>,
}

impl Fields {
    fn message(&self, kind: MessageKind) -> Message<'_> {
        let address = |(ton, npi, digits): &'_ (u8, u8, Vec<u8>)| (*ton, *npi, digits.len());
        assert!(address(&self.source).2 <= 20);
        let [esm_class, protocol_id, priority_flag, registered_delivery, replace, data_coding, canned] =
            self.bytes;
        let message = Message {
            kind,
            service_type: &self.service_type,
            source: Address { ton: self.source.0, npi: self.source.1, digits: &self.source.2 },
            destination: Address {
                ton: self.destination.0,
                npi: self.destination.1,
                digits: &self.destination.2,
            },
            esm_class,
            registered_delivery,
            data_coding,
            payload: &self.payload,
            tlvs: Tlvs::new(&self.tlvs),
            ..Message::default()
        };
        if kind == MessageKind::DataSm {
            return message;
        }
        Message {
            protocol_id,
            priority_flag,
            schedule_delivery_time: &self.schedule,
            validity_period: &self.validity,
            replace_if_present: replace,
            sm_default_msg_id: canned,
            ..message
        }
    }
}

fn ascii(max: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(1_u8..=0x7F, 0..=max)
}

fn time() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![Just(Vec::new()), prop::collection::vec(b'0'..=b'9', 16)]
}

fn tlvs() -> impl Strategy<Value = Vec<u8>> {
    let known = prop_oneof![
        any::<[u8; 2]>().prop_map(|value| (tlv::SAR_MSG_REF_NUM, value.to_vec())),
        any::<[u8; 2]>().prop_map(|value| (tlv::USER_MESSAGE_REFERENCE, value.to_vec())),
        // A vendor's own.
        (0x1400_u16..0x3FFF, prop::collection::vec(any::<u8>(), 1..9)),
    ];
    prop::collection::vec(known, 0..TLVS - 1).prop_map(|tlvs| {
        let mut out = Vec::new();
        tlvs.iter().for_each(|(tag, value)| tlv::put(&mut out, *tag, value));
        out
    })
}

fn fields() -> impl Strategy<Value = Fields> {
    let address = || (any::<u8>(), any::<u8>(), ascii(20));
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..=254),
        prop::collection::vec(any::<u8>(), 255..600)
    ];
    (ascii(5), address(), address(), any::<[u8; 7]>(), time(), time(), payload, tlvs()).prop_map(
        |(service_type, source, destination, bytes, schedule, validity, payload, tlvs)| Fields {
            service_type,
            source,
            destination,
            bytes,
            schedule,
            validity,
            payload,
            tlvs,
        },
    )
}

fn kind() -> impl Strategy<Value = MessageKind> {
    prop_oneof![Just(MessageKind::SubmitSm), Just(MessageKind::DeliverSm), Just(MessageKind::DataSm)]
}

fn encode(message: &Message<'_>, sequence: u32) -> Vec<u8> {
    message.check(Version::V3_4).unwrap();
    let mut out = Vec::new();
    let header = Header { command: message.kind.command(), status: Status::ESME_ROK, sequence };
    frame::write(&mut out, header, |out| message.encode(out, Version::V3_4));
    out
}

fn decode(frame: &[u8]) -> Message<'_> {
    let (frame, length) = frame::split(frame, usize::MAX).unwrap().unwrap();
    assert_eq!(length, frame.body.len() + 16);
    match Pdu::decode(frame.header.command, frame.body).unwrap() {
        Pdu::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

fn their_decode(frame: &[u8]) -> TheirCommand<'_> {
    let (command, length) = TheirCommand::decode(&frame[4..], frame.len() - 4).unwrap();
    assert_eq!(length, frame.len() - 4);
    command
}

fn their_encode(command: &TheirCommand<'_>) -> Vec<u8> {
    let length = command.length() + 4;
    let mut out = vec![0; length];
    out[..4].copy_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
    assert_eq!(command.encode(&mut out[4..]) + 4, length);
    out
}

fn nul(value: &[u8]) -> Vec<u8> {
    [value, &[0]].concat()
}

proptest! {
    #[test]
    fn they_read_what_we_write(fields in fields(), kind in kind(), sequence: u32) {
        let message = fields.message(kind);
        let ours = encode(&message, sequence);
        let command = their_decode(&ours);
        prop_assert_eq!(command.sequence_number(), sequence);
        let (source, destination, data_coding) = match command.pdu().unwrap() {
            TheirPdu::SubmitSm(sm) => (sm.source_addr.as_str(), sm.destination_addr.as_str(), sm.data_coding),
            TheirPdu::DeliverSm(sm) => (sm.source_addr.as_str(), sm.destination_addr.as_str(), sm.data_coding),
            TheirPdu::DataSm(sm) => (sm.source_addr.as_str(), sm.destination_addr.as_str(), sm.data_coding),
            other => panic!("{other:?}"),
        };
        prop_assert_eq!(source.as_bytes(), message.source.digits);
        prop_assert_eq!(destination.as_bytes(), message.destination.digits);
        prop_assert_eq!(u8::from(data_coding), message.data_coding);
        prop_assert_eq!(&their_encode(&command), &ours);
    }

    #[test]
    fn we_read_what_we_write(fields in fields(), kind in kind()) {
        let message = fields.message(kind);
        let ours = encode(&message, 1);
        let read = decode(&ours);
        // A payload in a TLV is among the TLVs, too.
        prop_assert_eq!(Message { tlvs: message.tlvs, ..read }, message);
        let without = |tlvs: Tlvs<'_>| {
            tlvs.into_iter().filter(|(tag, _)| *tag != tlv::MESSAGE_PAYLOAD).map(|(t, v)| (t, v.to_vec())).collect::<Vec<_>>()
        };
        prop_assert_eq!(without(read.tlvs), without(message.tlvs));
        prop_assert_eq!(&encode(&read, 1), &ours);
    }

    #[test]
    fn we_read_what_they_build(mut fields in fields(), kind in kind(), sequence: u32) {
        fields.payload.truncate(255);
        fields.tlvs.clear();
        if kind == MessageKind::DataSm {
            fields.payload.clear();
        }
        let message = fields.message(kind);
        let [service_type, source, destination] =
            [&fields.service_type, &fields.source.2, &fields.destination.2].map(|value| nul(value));
        let service_type = ServiceType::new(COctetString::new(&service_type).unwrap());
        let source = COctetString::new(&source).unwrap();
        let destination = COctetString::new(&destination).unwrap();
        let (schedule, validity) = (nul(&fields.schedule), nul(&fields.validity));
        let schedule = EmptyOrFullCOctetString::new(&schedule).unwrap();
        let validity = EmptyOrFullCOctetString::new(&validity).unwrap();
        let payload = OctetString::new(&fields.payload).unwrap();
        macro_rules! sm {
            ($kind:ident) => {
                $kind::<TLVS>::new(
                    service_type,
                    message.source.ton.into(),
                    message.source.npi.into(),
                    source,
                    message.destination.ton.into(),
                    message.destination.npi.into(),
                    destination,
                    message.esm_class.into(),
                    message.protocol_id,
                    message.priority_flag.into(),
                    schedule,
                    validity,
                    message.registered_delivery.into(),
                    message.replace_if_present.into(),
                    message.data_coding.into(),
                    message.sm_default_msg_id,
                    payload,
                    Default::default(),
                ).into()
            };
        }
        let pdu: TheirPdu<'_> = match kind {
            MessageKind::SubmitSm => sm!(SubmitSm),
            MessageKind::DeliverSm => sm!(DeliverSm),
            MessageKind::DataSm => DataSm::<TLVS>::new(
                service_type,
                message.source.ton.into(),
                message.source.npi.into(),
                source,
                message.destination.ton.into(),
                message.destination.npi.into(),
                destination,
                message.esm_class.into(),
                message.registered_delivery.into(),
                message.data_coding.into(),
                Default::default(),
            ).into(),
        };
        let octets = their_encode(&TheirCommand::new(CommandStatus::EsmeRok, sequence, pdu));
        prop_assert_eq!(decode(&octets), message);
    }

    #[test]
    fn responses_carry_their_message_id(id in ascii(64), sequence: u32) {
        for command in [Command::SUBMIT_SM_RESP, Command::DELIVER_SM_RESP, Command::DATA_SM_RESP] {
            let mut octets = Vec::new();
            frame::write(&mut octets, Header { command, status: Status::ESME_ROK, sequence }, |out| {
                out.extend_from_slice(&nul(&id));
            });
            // They take our framing, and we take their encoding of what they took.
            let octets = their_encode(&their_decode(&octets));
            let (frame, _) = frame::split(&octets, 1024).unwrap().unwrap();
            prop_assert_eq!(MessageResp::decode(frame.body).message_id, &id[..]);
        }
    }

    #[test]
    fn reading_is_total(command in prop_oneof![0_u32..0x200, 0x8000_0000_u32..0x8000_0200], body in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(Pdu::Message(message)) = Pdu::decode(Command(command), &body) {
            prop_assert!(message.payload.len() <= body.len());
        }
    }

    /// Damage to a real message is likelier to reach the far fields than noise is.
    #[test]
    fn reading_a_damaged_message_is_total(fields in fields(), kind in kind(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), cut: prop::sample::Index) {
        let mut octets = encode(&fields.message(kind), 1);
        for (at, octet) in damage {
            let at = at.index(octets.len() - 16) + 16;
            octets[at] = octet;
        }
        let body = &octets[16..];
        let _ = Pdu::decode(kind.command(), body);
        let _ = Pdu::decode(kind.command(), &body[..cut.index(body.len())]);
    }
}
