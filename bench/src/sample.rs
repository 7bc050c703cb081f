//! The real thing, in small or in large: the synthetic register, the shipped rules and texts, and what people write.

#![expect(clippy::unwrap_used, reason = "a bench or a check fails by panicking")]

use std::path::Path;

use icaze_codec::frame::{self, Header};
use icaze_codec::pdu::{Address, Command, Message, MessageKind, Status, Version};
use icaze_config::gateway::{Config, Settings};
use icaze_config::regime::Regimes;
use icaze_config::replies::Texts;
use icaze_gateway::clock::Now;
use icaze_gateway::permit::code::CodeKey;
use icaze_gateway::permit::read::PurposeNames;
use icaze_gateway::pipeline::codes::Codes;
use icaze_gateway::pipeline::intake::{Body, Intake};
use icaze_gateway::pipeline::{self, Operator, Pipeline};
use icaze_gateway::world::{Contacts, World};
use icaze_store::ledger::{self, Batch, FaultyStorage, Ledger, MasterKey, Options};
use icaze_store::register::{Builder, Register, synth};
use icaze_store::{Document, Msisdn};
use jiff::Timestamp;

/// The number of the first synthetic adult's document.
const FIRST: u32 = 20_000_000;

/// A Monday in the demo regime, 13:20 in Baku.
pub const NOON: Timestamp = Timestamp::constant(1_607_937_600, 0);

/// A register of the known documents and `count` synthetic adults, always the same.
#[must_use]
pub fn register(count: u32) -> Register {
    let mut builder = Builder::default();
    for (line, row) in (1..).zip(synth::rows(count, 1)) {
        builder.add(line, &row).unwrap();
    }
    let mut snapshot = Vec::new();
    builder.finish(1, NOON).write(&mut snapshot).unwrap();
    // As a gateway reads it.
    Register::read(snapshot.as_slice(), snapshot.len() as u64).unwrap()
}

/// The document of its `index`th synthetic adult.
#[must_use]
pub fn document(index: u32) -> Document {
    Document::from_number("AZE", FIRST + index, 8).unwrap()
}

/// The documents of that register, in its order.
pub fn documents(count: u32) -> impl Iterator<Item = Document> {
    synth::rows(count, 1).map(|row| row.document)
}

/// The purposes' names in the demo regime.
#[must_use]
pub fn names() -> PurposeNames {
    PurposeNames::of(&regimes())
}

fn regimes() -> Regimes {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/regimes/demo");
    Regimes::load(&dir).unwrap()
}

/// Everything that decisions are made from, as shipped, with `count` synthetic adults.
#[must_use]
pub fn world(count: u32) -> World {
    let config = config();
    let contacts = Contacts::of(&config.replies);
    World::new(register(count), regimes(), Texts::shipped().unwrap(), contacts)
}

/// The shipped configuration.
#[must_use]
pub fn config() -> Config {
    Settings::shipped().validate().unwrap()
}

/// The time that the samples have.
#[must_use]
pub fn now() -> Now {
    Now { wall: NOON, ..Now::read() }
}

/// A batch of a new ledger, whose [`spare`](Batch::spare) is one more.
#[must_use]
pub fn batch() -> Batch {
    let key = MasterKey::random().unwrap();
    let opened = Ledger::open(FaultyStorage::new(1), &key, 0, Options::default(), |_| ());
    opened.unwrap().1
}

/// Requests and phones that a sample's pipeline remembers.
const REMEMBERED: usize = 200_000;

/// A pipeline as at the start of an empty node, with `batch` open and its memory taken.
#[must_use]
pub fn pipeline(batch: Batch) -> Pipeline {
    let config = config();
    let codes = Codes::new(CodeKey::new(*b"a key of benches"), config.node);
    let mut settings = pipeline::Settings::of(&config, &names());
    (settings.requests_max, settings.phone.phones_max) = (REMEMBERED, REMEMBERED);
    let mut pipeline = Pipeline::new(settings, Operator::of(&config), codes, now()).unwrap();
    pipeline.populate(&register(0));
    pipeline.start(batch, now());
    pipeline
}

/// The `index`th citizen's text.
#[must_use]
pub fn text(index: u32) -> String {
    format!("2 AZE{}", FIRST + index)
}

/// The `index`th citizen's message as an operator writes it, header and all.
#[must_use]
pub fn frame(index: u32) -> Vec<u8> {
    let (phone, text) = (phone(index), text(index));
    let message = Message {
        kind: MessageKind::SubmitSm,
        source: Address { ton: 1, npi: 1, digits: phone.as_bytes() },
        destination: Address { ton: 0, npi: 1, digits: b"8103" },
        payload: text.as_bytes(),
        ..Message::default()
    };
    let mut out = Vec::new();
    let header = Header { command: Command::SUBMIT_SM, status: Status::ESME_ROK, sequence: index };
    frame::write(&mut out, header, |out| message.encode(out, Version::V3_4));
    out
}

fn phone(index: u32) -> String {
    format!("99450{:07}", index % 10_000_000)
}

/// Puts the messages of `count` citizens from the `first` on, one each and read, into `intake`.
pub fn fill(intake: &mut Intake, first: u32, count: u32) {
    intake.clear();
    for index in first..first + count {
        let from = phone(index);
        let from = ledger::Address { ton: 1, npi: 1, digits: from.as_bytes() };
        let to = ledger::Address { ton: 0, npi: 1, digits: b"8103" };
        let phone = Msisdn::parse(phone(index), 994, 9);
        intake.push(from, to, phone, u128::from(index) + 1, NOON, Body::Text(&text(index)));
    }
}
