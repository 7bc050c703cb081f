//! What an exchange has decided to send, until the pipeline is free for others and it can be encoded.

use std::ops::Range;

use icaze_codec::session::RequestId;
use icaze_store::ledger::Address;
use jiff::Timestamp;

use crate::pipeline::outbox::Envelope;

/// Responses and replies that are not encoded yet, in buffers that are used again.
#[derive(Default)]
pub(super) struct Outgoing {
    /// To requests, with the entry that holds each; `None` asks for the request again.
    pub(super) responses: Vec<(RequestId, Option<u64>)>,
    /// The last entry that one of all these waits for.
    pub(super) last: u64,
    /// Replies that stay behind.
    pub(super) waiting: usize,
    /// The ledger's time.
    pub(super) time: Timestamp,
    replies: Vec<Slot>,
    addresses: Vec<u8>,
    texts: String,
}

struct Slot {
    seq: u64,
    source: (u8, u8, Range<usize>),
    destination: (u8, u8, Range<usize>),
    text: Range<usize>,
    expires_at: Timestamp,
}

impl Outgoing {
    /// The reply to entry `seq`.
    pub(super) fn reply(&mut self, seq: u64, envelope: &Envelope<'_>) {
        let mut keep = |Address { ton, npi, digits }: Address<'_>| {
            let start = self.addresses.len();
            self.addresses.extend_from_slice(digits);
            (ton, npi, start..self.addresses.len())
        };
        let (source, destination) = (keep(envelope.source), keep(envelope.destination));
        let start = self.texts.len();
        self.texts.push_str(envelope.text);
        let (text, expires_at) = (start..self.texts.len(), envelope.expires_at);
        self.replies.push(Slot { seq, source, destination, text, expires_at });
    }

    /// How many replies there are.
    pub(super) fn replies_len(&self) -> usize {
        self.replies.len()
    }

    /// The replies, with the entries that they answer, in the order they came.
    pub(super) fn replies(&self) -> impl Iterator<Item = (u64, Envelope<'_>)> {
        let address = |(ton, npi, digits): &(u8, u8, Range<usize>)| {
            let digits = self.addresses.get(digits.clone()).unwrap_or_default();
            Address { ton: *ton, npi: *npi, digits }
        };
        self.replies.iter().map(move |slot| {
            let envelope = Envelope {
                source: address(&slot.source),
                destination: address(&slot.destination),
                text: self.texts.get(slot.text.clone()).unwrap_or_default(),
                expires_at: slot.expires_at,
            };
            (slot.seq, envelope)
        })
    }

    /// Forgets all of it, keeps the buffers.
    pub(super) fn clear(&mut self) {
        self.responses.clear();
        self.replies.clear();
        self.addresses.clear();
        self.texts.clear();
        (self.last, self.waiting) = (0, 0);
    }
}
