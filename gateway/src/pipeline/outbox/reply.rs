//! A reply and what has become of it.

use std::fmt;

use icaze_store::ledger::{Address, Mark};
use jiff::Timestamp;
use jiff::civil::Date;

use super::super::permits::{Holder, Number};
use super::texts::Place;

/// What a reply consists of.
#[derive(Clone, Copy)]
pub struct Envelope<'a> {
    /// The number that was texted; at most 65 bytes, which no PDU exceeds.
    pub source: Address<'a>,
    /// Who texted it; at most 65 bytes.
    pub destination: Address<'a>,
    /// What is answered.
    pub text: &'a str,
    /// Until when it is of use.
    pub expires_at: Timestamp,
}

impl fmt::Debug for Envelope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Envelope({} bytes)", self.text.len())
    }
}

/// A permit that a decision issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Issued {
    /// Where it is.
    pub number: Number,
    /// Whose, for what.
    pub holder: Holder,
    /// The day whose allowance it spent.
    pub day: Date,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Waiting,
    InFlight,
    Settled,
}

/// A reply whose text and addresses lie elsewhere, one behind the other.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) place: Place,
    /// Microseconds since 1970.
    pub(super) expires_at: i64,
    /// The permit that the reply carries the code of, if this very decision issued it.
    pub(super) permit: Option<Issued>,
    pub(super) operator: u16,
    pub(super) state: State,
    /// Whether a byte of it may have been written.
    pub(super) touched: bool,
    /// How its story ended; a reply that is sent once more because its request came again has ended before.
    pub(super) ended: Option<Mark>,
    /// Whether the ledger says so.
    pub(super) marked: bool,
    /// Whether the operator may have it, though it has not said so.
    pub(super) uncertain: bool,
    text_len: u16,
    source_len: u8,
    destination_len: u8,
    source_type: (u8, u8),
    destination_type: (u8, u8),
}

impl Reply {
    /// A reply that waits to be sent, and its three texts: source, destination and what is answered.
    pub(super) fn new<'a>(
        operator: u16,
        envelope: &Envelope<'a>,
        permit: Option<Issued>,
        keep: impl FnOnce([&'a str; 3]) -> Place,
    ) -> Self {
        // Nobody is answered whose address is not made of digits.
        let digits = |address: Address<'a>| {
            std::str::from_utf8(address.digits.get(..65).unwrap_or(address.digits)).unwrap_or_default()
        };
        let (source, destination) = (digits(envelope.source), digits(envelope.destination));
        // No PDU carries a longer one.
        let text =
            envelope.text.get(..envelope.text.floor_char_boundary(u16::MAX.into())).unwrap_or_default();
        Self {
            place: keep([source, destination, text]),
            expires_at: envelope.expires_at.as_microsecond(),
            permit,
            operator,
            state: State::Waiting,
            touched: false,
            ended: None,
            marked: false,
            uncertain: false,
            text_len: text.len() as u16,
            source_len: source.len() as u8,
            destination_len: destination.len() as u8,
            source_type: (envelope.source.ton, envelope.source.npi),
            destination_type: (envelope.destination.ton, envelope.destination.npi),
        }
    }

    /// How long its texts are together.
    pub(super) fn len(&self) -> usize {
        usize::from(self.source_len) + usize::from(self.destination_len) + usize::from(self.text_len)
    }

    /// The reply with its `texts`.
    pub(super) fn envelope<'a>(&self, texts: &'a str) -> Envelope<'a> {
        let split = |texts: &'a str, len: u8| texts.split_at_checked(len.into()).unwrap_or_default();
        let (source, rest) = split(texts, self.source_len);
        let (destination, text) = split(rest, self.destination_len);
        let address = |(ton, npi), digits: &'a str| Address { ton, npi, digits: digits.as_bytes() };
        Envelope {
            source: address(self.source_type, source),
            destination: address(self.destination_type, destination),
            text,
            expires_at: Timestamp::from_microsecond(self.expires_at).unwrap_or(Timestamp::MAX),
        }
    }
}

const _: () = assert!(size_of::<Option<Reply>>() == 64, "a reply takes no more than a permit");
