//! A reply as the message that carries it.

use icaze_codec::pdu::{Address, Message, MessageKind};
use icaze_codec::session::Role;
use icaze_codec::text;
use icaze_config::gateway::Validity;
use icaze_store::ledger;
use jiff::Timestamp;
use jiff::tz::Offset;

use super::port::Terms;
use crate::pipeline::outbox::Envelope;

/// Where a reply is written before it is sent.
#[derive(Default)]
pub(super) struct Draft {
    payload: Vec<u8>,
    validity: String,
}

impl Draft {
    /// The message for `envelope`: deliver_sm from an SMSC, submit_sm from an ESME.
    pub(super) fn message<'a>(
        &'a mut self,
        envelope: &Envelope<'a>,
        role: Role,
        terms: &Terms,
        now: Timestamp,
    ) -> Message<'a> {
        self.payload.clear();
        let coding = text::encode_in(terms.alphabet, envelope.text, &mut self.payload);
        let message = Message {
            kind: MessageKind::DeliverSm,
            source: on_wire(envelope.source),
            destination: on_wire(envelope.destination),
            data_coding: coding.data_coding(),
            payload: &self.payload,
            ..Message::default()
        };
        if role == Role::Smsc {
            return message;
        }
        self.validity = validity(terms.validity, envelope.expires_at, now);
        Message {
            kind: MessageKind::SubmitSm,
            validity_period: self.validity.as_bytes(),
            registered_delivery: terms.registered_delivery,
            ..message
        }
    }
}

/// validity_period until `expires_at` (SMPP v3.4, 7.1.1); empty: as long as the SMSC likes.
fn validity(validity: Validity, expires_at: Timestamp, now: Timestamp) -> String {
    match validity {
        Validity::None => String::new(),
        Validity::Relative => {
            // Replies are of use for a day at most.
            let seconds = expires_at.duration_since(now).as_secs().clamp(1, 86_400);
            let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
            format!("0000{days:02}{hours:02}{minutes:02}{:02}000R", seconds % 60)
        }
        Validity::Absolute => {
            let at = Offset::UTC.to_datetime(expires_at);
            let (year, month, day) = (at.year().rem_euclid(100), at.month(), at.day());
            format!("{year:02}{month:02}{day:02}{:02}{:02}{:02}000+", at.hour(), at.minute(), at.second())
        }
    }
}

fn on_wire(address: ledger::Address<'_>) -> Address<'_> {
    Address { ton: address.ton, npi: address.npi, digits: address.digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validity_is_what_is_left_or_the_instant() {
        let now: Timestamp = "2020-12-14T23:55:30Z".parse().unwrap();
        let after = |seconds| Timestamp::from_second(now.as_second() + seconds).unwrap();
        assert_eq!(validity(Validity::None, after(600), now), "");
        assert_eq!(validity(Validity::Relative, after(600), now), "000000001000000R");
        assert_eq!(validity(Validity::Relative, after(86_400), now), "000001000000000R");
        assert_eq!(validity(Validity::Relative, after(-5), now), "000000000001000R", "never 0, nor the past");
        assert_eq!(validity(Validity::Absolute, after(600), now), "201215000530000+");
    }
}
