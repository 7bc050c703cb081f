//! Messages as one read brought them: decoded and read, before anything is decided.

use std::hint;
use std::ops::Range;

use icaze_cluster::Reserved;
use icaze_codec::text::Part;
use icaze_store::ledger::Address;
use icaze_store::register::Entry;
use icaze_store::{Document, Msisdn, Reason};
use jiff::Timestamp;

use crate::permit::read::{PurposeNames, Reading, read};
use crate::world::World;

/// All messages that one read brought, in two buffers that are used again.
#[derive(Default)]
pub struct Intake {
    addresses: Vec<u8>,
    texts: String,
    messages: Vec<Slot>,
    /// What the register says of the documents that are asked with, in the order of their messages.
    found: Vec<Option<Entry>>,
    documents: Vec<Document>,
    /// What other nodes say, by message; empty where there are none.
    answers: Vec<Option<Reserved>>,
}

/// What a message holds.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// A whole text.
    Text(&'a str),
    /// A whole text that says of itself that it is a receipt, and does not look like one: a request
    /// if it reads as one, and else never answered.
    Doubtful(&'a str),
    /// A part of one.
    Part(Part, &'a str),
    /// No text: octets that are plainly none.
    Binary,
    /// Never answered: a receipt.
    Receipt,
}

struct Slot {
    from: AddressSlot,
    to: AddressSlot,
    phone: Option<Msisdn>,
    identity: u128,
    received_at: Timestamp,
    content: Content,
    text: Range<usize>,
}

struct AddressSlot {
    ton: u8,
    npi: u8,
    digits: Range<usize>,
}

/// One message of an [`Intake`].
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// Who texted.
    pub from: Address<'a>,
    /// Whom.
    pub to: Address<'a>,
    /// The sender, if it is a subscriber.
    pub phone: Option<Msisdn>,
    /// All that makes a message the same message, hashed.
    pub identity: u128,
    /// When it was read.
    pub received_at: Timestamp,
    /// What it says.
    pub content: Content,
    /// What the register says of its document; `None` if it was not [looked up](Intake::look_up).
    pub found: Option<Option<Entry>>,
    /// What other nodes say of what it asks for, if they were asked.
    pub answer: Option<&'a Reserved>,
    /// Its text.
    pub text: &'a str,
}

/// What a message says.
#[derive(Debug, Clone, Copy)]
pub enum Content {
    /// A whole text.
    Unread,
    /// A whole text that is a request or is never answered.
    Doubtful,
    /// A whole text, [read](Intake::look_up).
    Text(Reading),
    /// A part of a text.
    Part(Part),
    /// No text.
    Binary,
    /// Nothing that is ever answered, and why.
    Ignored(Reason),
}

impl Message<'_> {
    /// What its text says; that of no text, while it is not whole.
    #[must_use]
    pub fn reading(&self) -> Reading {
        match self.content {
            Content::Text(reading) => reading,
            _ => read("", &PurposeNames::default()),
        }
    }
}

impl Content {
    /// The document that is asked with.
    fn document(&self) -> Option<Document> {
        match self {
            Self::Text(reading) => reading.request.ok().map(|request| request.document),
            Self::Unread | Self::Doubtful | Self::Part(_) | Self::Binary | Self::Ignored(_) => None,
        }
    }
}

/// Whether a text asks for something: it has a request, or most of one.
fn asks(reading: &Reading) -> bool {
    reading.request.is_ok() || reading.tail.is_some()
}

impl Intake {
    /// Forgets the messages, keeps the buffers.
    pub fn clear(&mut self) {
        self.addresses.clear();
        self.texts.clear();
        self.messages.clear();
        self.found.clear();
        self.answers.clear();
    }

    /// How many messages there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Adds a message. A sender that is no subscriber (`phone` is `None`) makes it one that is never answered: an
    /// answer to a short code or a name could set off another.
    pub fn push(
        &mut self,
        from: Address<'_>,
        to: Address<'_>,
        phone: Option<Msisdn>,
        identity: u128,
        received_at: Timestamp,
        body: Body<'_>,
    ) {
        let (from, to) = (self.keep(from), self.keep(to));
        let start = self.texts.len();
        let content = match body {
            Body::Receipt => Content::Ignored(Reason::Receipt),
            _ if phone.is_none() => Content::Ignored(Reason::Loop),
            Body::Binary => Content::Binary,
            Body::Part(part, text) => {
                self.texts.push_str(text);
                Content::Part(part)
            }
            Body::Text(text) => {
                self.texts.push_str(text);
                Content::Unread
            }
            Body::Doubtful(text) => {
                self.texts.push_str(text);
                Content::Doubtful
            }
        };
        let text = start..self.texts.len();
        self.messages.push(Slot { from, to, phone, identity, received_at, content, text });
    }

    /// Reads all texts, then looks all documents up together, so that the waits for memory overlap, and before anybody
    /// waits for this batch.
    pub fn look_up(&mut self, world: &World) {
        let register = &world.register;
        for slot in &mut self.messages {
            let doubtful = match slot.content {
                Content::Unread => false,
                Content::Doubtful => true,
                _ => continue,
            };
            let reading = read(self.texts.get(slot.text.clone()).unwrap_or_default(), &world.names);
            slot.content = if doubtful && !asks(&reading) {
                Content::Ignored(Reason::Receipt)
            } else {
                Content::Text(reading)
            };
        }
        self.documents.clear();
        self.documents.extend(self.messages.iter().filter_map(|slot| slot.content.document()));
        register.find_batch(&self.documents, &mut self.found);
        hint::black_box(self.persons().fold(0, |read, person| read ^ register.touch(person)));
    }

    /// What makes each message the same message.
    pub fn identities(&self) -> impl Iterator<Item = u128> {
        self.messages.iter().map(|slot| slot.identity)
    }

    /// The senders that are subscribers.
    pub fn phones(&self) -> impl Iterator<Item = Msisdn> {
        self.messages.iter().filter_map(|slot| slot.phone)
    }

    /// Those who are asked for and known to the register.
    pub fn persons(&self) -> impl Iterator<Item = u32> {
        self.found.iter().flatten().map(|entry| entry.person)
    }

    /// Notes what other nodes said of the message at `place`.
    pub fn answered(&mut self, place: usize, answer: Reserved) {
        self.answers.resize(self.messages.len(), None);
        if let Some(slot) = self.answers.get_mut(place) {
            *slot = Some(answer);
        }
    }

    /// The messages, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = Message<'_>> {
        let mut found = self.found.iter().copied();
        let mut answers = self.answers.iter();
        self.messages.iter().map(move |slot| Message {
            answer: answers.next().and_then(Option::as_ref),
            found: slot.content.document().and_then(|_| found.next()),
            from: self.address(&slot.from),
            to: self.address(&slot.to),
            phone: slot.phone,
            identity: slot.identity,
            received_at: slot.received_at,
            content: slot.content,
            text: self.texts.get(slot.text.clone()).unwrap_or_default(),
        })
    }

    fn keep(&mut self, address: Address<'_>) -> AddressSlot {
        let start = self.addresses.len();
        self.addresses.extend_from_slice(address.digits);
        AddressSlot { ton: address.ton, npi: address.npi, digits: start..self.addresses.len() }
    }

    fn address(&self, slot: &AddressSlot) -> Address<'_> {
        let digits = self.addresses.get(slot.digits.clone()).unwrap_or_default();
        Address { ton: slot.ton, npi: slot.npi, digits }
    }
}
