//! submit_sm, deliver_sm and data_sm (SMPP v3.4 4.4.1, 4.6.1, 4.7.1; v5.0 4.2, 4.3.1), and their responses.
//!
//! Read in place, without allocation. Lenient where nothing is lost by it: any value in the one-octet fields, times of
//! odd lengths, unknown or odd optional parameters, octets of any alphabet in the strings.

use std::fmt;

use super::field::{Fields, put_c_octets};
use super::tlv::{self, Tlvs};
use super::{Command, Malformed, Status, Version};

/// Longest service_type, with its NUL.
const SERVICE_TYPE_MAX: usize = 6;
/// Longest time, with its NUL (v5.0 4.7.23).
const TIME_MAX: usize = 17;
/// Longest short_message that SMPP v3.4 allows, in octets; more goes to message_payload.
const SHORT_MESSAGE_MAX: usize = 254;
/// Longest message_id, without its NUL.
const MESSAGE_ID_MAX: usize = 64;

/// Which of the three operations that carry a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MessageKind {
    /// From an ESME to an SMSC.
    #[default]
    SubmitSm,
    /// From an SMSC to an ESME.
    DeliverSm,
    /// Either way, with fewer fields and the text in message_payload. Not in SMPP 3.3.
    DataSm,
}

impl MessageKind {
    /// Its command_id.
    #[must_use]
    pub const fn command(self) -> Command {
        match self {
            Self::SubmitSm => Command::SUBMIT_SM,
            Self::DeliverSm => Command::DELIVER_SM,
            Self::DataSm => Command::DATA_SM,
        }
    }

    /// Longest address, with its NUL.
    const fn address_max(self) -> usize {
        match self {
            Self::SubmitSm | Self::DeliverSm => 21,
            Self::DataSm => 65,
        }
    }
}

/// An address as it is on the wire. Debug shows the kind of number and its length, never its digits.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Address<'a> {
    /// Type of number: 1 international, 5 alphanumeric…
    pub ton: u8,
    /// Numbering plan indicator: 1 E.164…
    pub npi: u8,
    /// At most 20 octets, 64 in data_sm; no NUL.
    pub digits: &'a [u8],
}

impl fmt::Debug for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ton {} npi {} ({} octets)", self.ton, self.npi, self.digits.len())
    }
}

/// One message. To send one, fill in what matters and take the rest from `Default`.
///
/// data_sm has no `protocol_id`, `priority_flag`, `schedule_delivery_time`, `validity_period`, `replace_if_present` and
/// `sm_default_msg_id`: they are read as zero and empty, and not written.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Message<'a> {
    /// Which operation carries it.
    pub kind: MessageKind,
    /// At most 5 octets.
    pub service_type: &'a [u8],
    /// Who sends it.
    pub source: Address<'a>,
    /// Whom it is for.
    pub destination: Address<'a>,
    /// Mode, type, and whether the payload begins with a user data header (0x40).
    pub esm_class: u8,
    /// GSM TP-PID.
    pub protocol_id: u8,
    /// 0 to 4.
    pub priority_flag: u8,
    /// Empty, or 16 octets (v5.0 4.7.23). Empty in deliver_sm.
    pub schedule_delivery_time: &'a [u8],
    /// Empty, or 16 octets. Belongs to submit_sm; leave it empty in deliver_sm.
    pub validity_period: &'a [u8],
    /// Whether a receipt is wanted.
    pub registered_delivery: u8,
    /// Whether it takes another message's place.
    pub replace_if_present: u8,
    /// The alphabet.
    pub data_coding: u8,
    /// A canned message's number, or 0.
    pub sm_default_msg_id: u8,
    /// short_message, or message_payload where short_message is empty. At most 65,535 octets.
    pub payload: &'a [u8],
    /// All optional parameters. What is written is these without message_payload, whose place `payload` takes.
    pub tlvs: Tlvs<'a>,
    /// The tag of an optional parameter at the end that goes past the body, and was passed over.
    pub refused: Option<u16>,
}

impl fmt::Debug for Message<'_> {
    /// Nothing that could name a person or quote a text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("kind", &self.kind)
            .field("source", &self.source)
            .field("destination", &self.destination)
            .field("esm_class", &self.esm_class)
            .field("data_coding", &self.data_coding)
            .field("payload_octets", &self.payload.len())
            .field("tlvs", &self.tlvs)
            .finish_non_exhaustive()
    }
}

/// A message that cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// The kind of message does not exist in the peer's version of SMPP.
    #[error("data_sm does not exist in SMPP 3.3")]
    Kind,
    /// A field is longer than the specification allows, or holds a NUL.
    #[error("{0} is too long for this peer, or holds a NUL")]
    Field(&'static str),
}

impl<'a> Message<'a> {
    /// Reads the body of a message PDU.
    ///
    /// # Errors
    /// [`Malformed`]: a string without its NUL or over its length, an sm_length that goes past the
    /// body or ends before its text does, a TLV that does so and is needed to read the text, or a body that ends too early.
    #[inline]
    pub fn decode(kind: MessageKind, body: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Fields(body);
        let address_max = kind.address_max();
        let service_type = fields.c_octets(SERVICE_TYPE_MAX, Malformed::ServiceType)?;
        let source = address(&mut fields, address_max, Malformed::SourceAddress)?;
        let destination = address(&mut fields, address_max, Malformed::DestinationAddress)?;
        let mut message = Self { kind, service_type, source, destination, ..Self::default() };
        if kind == MessageKind::DataSm {
            [message.esm_class, message.registered_delivery, message.data_coding] = fields.octets()?;
        } else {
            [message.esm_class, message.protocol_id, message.priority_flag] = fields.octets()?;
            message.schedule_delivery_time = fields.c_octets(TIME_MAX, Malformed::ScheduleDeliveryTime)?;
            message.validity_period = fields.c_octets(TIME_MAX, Malformed::ValidityPeriod)?;
            let sm_length;
            [
                message.registered_delivery,
                message.replace_if_present,
                message.data_coding,
                message.sm_default_msg_id,
                sm_length,
            ] = fields.octets()?;
            message.payload = fields.slice(sm_length.into(), Malformed::MessageLength)?;
        }
        if kind != MessageKind::DataSm && !tlv::are_parameters(fields.0) {
            return Err(Malformed::MessageLength);
        }
        (message.tlvs, message.refused) = Tlvs::read(fields.0);
        if message.payload.is_empty() {
            message.payload = message.tlvs.get(tlv::MESSAGE_PAYLOAD).unwrap_or_default();
        }
        match message.refused {
            // Without it the text would be another one, or none.
            Some(tag) if message.payload.is_empty() || tlv::is_of_text(tag) => Err(Malformed::TlvStream(tag)),
            _ => Ok(message),
        }
    }

    /// Whether `peer` can be sent this message.
    ///
    /// # Errors
    /// [`Unwritable`] if a field does not fit its place on the wire, or the peer's version lacks it.
    #[inline]
    pub fn check(&self, peer: Version) -> Result<(), Unwritable> {
        if self.kind == MessageKind::DataSm && !peer.has_tlvs() {
            return Err(Unwritable::Kind);
        }
        let payload_max = if peer.has_tlvs() { u16::MAX.into() } else { SHORT_MESSAGE_MAX };
        if self.payload.len() > payload_max {
            return Err(Unwritable::Field("short_message"));
        }
        if !self.tlvs.is_sound() {
            return Err(Unwritable::Field("the optional parameters"));
        }
        let address_max = self.kind.address_max();
        for (value, max, field) in [
            (self.service_type, SERVICE_TYPE_MAX, "service_type"),
            (self.source.digits, address_max, "source_addr"),
            (self.destination.digits, address_max, "destination_addr"),
            (self.schedule_delivery_time, TIME_MAX, "schedule_delivery_time"),
            (self.validity_period, TIME_MAX, "validity_period"),
        ] {
            if value.len() >= max || value.contains(&0) {
                return Err(Unwritable::Field(field));
            }
        }
        Ok(())
    }

    /// Appends the body. To a peer of version 3.3 it has no optional parameters. [`Message::check`] comes first.
    #[inline]
    pub fn encode(&self, out: &mut Vec<u8>, peer: Version) {
        put_c_octets(out, self.service_type);
        for address in [self.source, self.destination] {
            out.extend_from_slice(&[address.ton, address.npi]);
            put_c_octets(out, address.digits);
        }
        let in_tlv = self.kind == MessageKind::DataSm || self.payload.len() > SHORT_MESSAGE_MAX;
        if self.kind == MessageKind::DataSm {
            out.extend_from_slice(&[self.esm_class, self.registered_delivery, self.data_coding]);
        } else {
            out.extend_from_slice(&[self.esm_class, self.protocol_id, self.priority_flag]);
            put_c_octets(out, self.schedule_delivery_time);
            put_c_octets(out, self.validity_period);
            let short_message = if in_tlv { &[] } else { self.payload };
            out.extend_from_slice(&[
                self.registered_delivery,
                self.replace_if_present,
                self.data_coding,
                self.sm_default_msg_id,
                u8::try_from(short_message.len()).unwrap_or_default(),
            ]);
            out.extend_from_slice(short_message);
        }
        if peer.has_tlvs() {
            self.encode_tlvs(out, in_tlv);
        }
    }

    fn encode_tlvs(&self, out: &mut Vec<u8>, payload: bool) {
        for (tag, value) in self.tlvs.into_iter().filter(|(tag, _)| *tag != tlv::MESSAGE_PAYLOAD) {
            tlv::put(out, tag, value);
        }
        if payload {
            tlv::put(out, tlv::MESSAGE_PAYLOAD, self.payload);
        }
    }
}

#[inline]
fn address<'a>(fields: &mut Fields<'a>, max: usize, error: Malformed) -> Result<Address<'a>, Malformed> {
    let [ton, npi] = fields.octets()?;
    Ok(Address { ton, npi, digits: fields.c_octets(max, error)? })
}

/// submit_sm_resp, deliver_sm_resp or data_sm_resp.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageResp<'a> {
    /// Empty in deliver_sm_resp and in most refusals.
    pub message_id: &'a [u8],
    /// Why a delivery failed, perhaps.
    pub tlvs: Tlvs<'a>,
}

impl fmt::Debug for MessageResp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageResp (message_id of {} octets)", self.message_id.len())
    }
}

impl<'a> MessageResp<'a> {
    /// Reads a response: never fails, for its header already tells the outcome. An absent body is an empty
    /// message_id; without a NUL all of the body is the message_id.
    #[must_use]
    #[inline]
    pub fn decode(body: &'a [u8]) -> Self {
        match body.iter().position(|&octet| octet == 0) {
            Some(end) => {
                let (message_id, rest) = body.split_at(end);
                Self { message_id, tlvs: Tlvs::new(rest.get(1..).unwrap_or_default()) }
            }
            None => Self { message_id: body, tlvs: Tlvs::default() },
        }
    }

    /// Appends the body that a response of this kind and status has: none where a submission failed (v3.4 4.4.2), an
    /// empty message_id in every deliver_sm_resp (4.6.2), and none in responses to anything but a message (4.2.2,
    /// 4.11.2). A message_id is cut at 64 octets.
    #[inline]
    pub(crate) fn encode(out: &mut Vec<u8>, command: Command, status: Status, message_id: &[u8]) {
        match command {
            Command::DELIVER_SM_RESP => out.push(0),
            Command::SUBMIT_SM_RESP | Command::DATA_SM_RESP if status.is_ok() => {
                put_c_octets(out, message_id.get(..MESSAGE_ID_MAX).unwrap_or(message_id));
            }
            _ => {}
        }
    }
}
