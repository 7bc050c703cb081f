//! What a subscriber's message says: who sent it, and its text, however its operator wrote them.

use icaze_codec::pdu::{Message, tlv};
use icaze_codec::text::{self, Alphabet, Part};
use icaze_store::Msisdn;

use super::port::Tallies;
use super::receipt;
use crate::pipeline::Numbering;
use crate::pipeline::intake::Body;

/// The user data begins with a header (SMPP v3.4, 5.2.12).
const UDHI: u8 = 0x40;
/// Type of number: alphanumeric (SMPP v3.4, 5.2.5).
const TON_ALPHANUMERIC: u8 = 5;

/// The sender, if it is a subscriber.
pub(super) fn phone(message: &Message<'_>, numbering: Numbering) -> Option<Msisdn> {
    if message.source.ton == TON_ALPHANUMERIC {
        return None;
    }
    Msisdn::parse(message.source.digits, numbering.country, numbering.national)
}

/// The message with the payload that counts: of short_message and message_payload, where it has
/// both, the one that holds more to read. The other one is counted.
pub(super) fn choose<'a>(message: &Message<'a>, alphabet: Alphabet, tallies: &Tallies) -> Message<'a> {
    let other = message.tlvs.get(tlv::MESSAGE_PAYLOAD).filter(|other| *other != message.payload);
    let Some(other) = other else { return *message };
    let readable = |message: &Message<'_>| {
        let mut text = String::new();
        let coding = Alphabet::of(message.data_coding, alphabet);
        let read = text::read_as(coding, message.esm_class & UDHI != 0, None, message.payload, &mut text);
        read.map_or(0, |_| text.chars().filter(|c| c.is_alphanumeric()).count())
    };
    let instead = Message { payload: other, ..*message };
    if readable(&instead) > readable(message) {
        return instead;
    }
    tallies.refused_parameter(tlv::MESSAGE_PAYLOAD);
    *message
}

/// Reads a message's text into `text`.
pub(super) fn read<'t>(
    message: &Message<'_>,
    alphabet: Alphabet,
    tallies: &Tallies,
    text: &'t mut String,
) -> Body<'t> {
    text.clear();
    let coding = Alphabet::of(message.data_coding, alphabet);
    let part = sar(message, tallies);
    let read = text::read_as(coding, message.esm_class & UDHI != 0, part, message.payload, text);
    let marked = receipt::is_marked(message.esm_class);
    match read {
        Err(text::Binary) if marked => Body::Receipt,
        Err(text::Binary) => Body::Binary,
        // Some stacks set these bits in each message, others in no receipt.
        Ok(_) if receipt::looks_like_receipt(text) => Body::Receipt,
        Ok(Some(part)) => Body::Part(part, text),
        Ok(None) if marked => Body::Doubtful(text),
        Ok(None) => Body::Text(text),
    }
}

/// Which part of a text this is, by its TLVs (SMPP v3.4, 5.3.2.22 to 5.3.2.24), in as many octets
/// as they have. Those that say nothing are counted.
fn sar(message: &Message<'_>, tallies: &Tallies) -> Option<Part> {
    let number = |tag| {
        message.tlvs.get(tag)?;
        let number = message.tlvs.get_number(tag);
        if number.is_none() {
            tallies.refused_parameter(tag);
        }
        number
    };
    let [reference, total, number] =
        [tlv::SAR_MSG_REF_NUM, tlv::SAR_TOTAL_SEGMENTS, tlv::SAR_SEGMENT_SEQNUM].map(number);
    // The low half of a longer one tells texts apart as well.
    let reference = reference? as u16;
    Part::new(reference, u8::try_from(total?).ok()?, u8::try_from(number?).ok()?)
}
