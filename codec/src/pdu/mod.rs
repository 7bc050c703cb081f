//! PDUs: octets to fields and back.
//!
//! The messages and their responses, which are nearly all the traffic, are read in place and leniently: a citizen's
//! message is not lost because an operator wrote an odd optional parameter. Binds and outbinds go through `rusmpp-core`.
//! Operations that the gateway does not perform are never decoded: the session answers them from their header.

mod bind;
mod command;
mod field;
mod message;
mod status;
pub mod tlv;

pub use bind::{BadBind, BadCredential, BindKind, BindRequest, BindResp, Credentials, Outbind, Version};
pub use command::Command;
pub use field::Malformed;
pub use message::{Address, Message, MessageKind, MessageResp, Unwritable};
pub use status::Status;
pub use tlv::Tlvs;

/// The body of one PDU that a session acts upon.
#[derive(Debug)]
pub enum Pdu<'a> {
    /// submit_sm, deliver_sm or data_sm.
    Message(Message<'a>),
    /// Their responses.
    MessageResp(MessageResp<'a>),
    /// bind_receiver, bind_transmitter or bind_transceiver.
    Bind(BindRequest<'a>),
    /// Their responses.
    BindResp(BindResp),
    /// outbind.
    Outbind(Outbind<'a>),
    /// enquire_link, unbind, generic_nack: the header says it all. Octets after it are ignored.
    Bare,
    /// An operation that the gateway does not perform, undecoded.
    Other,
}

impl<'a> Pdu<'a> {
    /// Reads the body of a PDU. Total: any octets give a PDU or the field that is at fault.
    ///
    /// # Errors
    /// [`Malformed`], which names the status to answer with.
    pub fn decode(command: Command, body: &'a [u8]) -> Result<Self, Malformed> {
        Ok(match command {
            Command::SUBMIT_SM => Self::Message(Message::decode(MessageKind::SubmitSm, body)?),
            Command::DELIVER_SM => Self::Message(Message::decode(MessageKind::DeliverSm, body)?),
            Command::DATA_SM => Self::Message(Message::decode(MessageKind::DataSm, body)?),
            Command::SUBMIT_SM_RESP | Command::DELIVER_SM_RESP | Command::DATA_SM_RESP => {
                Self::MessageResp(MessageResp::decode(body))
            }
            Command::BIND_RECEIVER => Self::Bind(BindRequest::decode(BindKind::Receiver, body)?),
            Command::BIND_TRANSMITTER => Self::Bind(BindRequest::decode(BindKind::Transmitter, body)?),
            Command::BIND_TRANSCEIVER => Self::Bind(BindRequest::decode(BindKind::Transceiver, body)?),
            Command::BIND_RECEIVER_RESP | Command::BIND_TRANSMITTER_RESP | Command::BIND_TRANSCEIVER_RESP => {
                Self::BindResp(BindResp::decode(body))
            }
            Command::OUTBIND => Self::Outbind(Outbind::decode(body)?),
            Command::ENQUIRE_LINK
            | Command::ENQUIRE_LINK_RESP
            | Command::UNBIND
            | Command::UNBIND_RESP
            | Command::GENERIC_NACK => Self::Bare,
            _ => Self::Other,
        })
    }
}
