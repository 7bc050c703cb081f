//! Instructions of each stage of a message's way, counted by valgrind: the same in each run, whatever else the machine does. Each bench
//! is for 500 messages. `./check instructions`.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]
#![allow(unused_qualifications, missing_docs, reason = "the macros write them")]

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};
use icaze_bench::sample;
use icaze_codec::frame::split;
use icaze_codec::pdu::Pdu;
use icaze_gateway::permit::read::{PurposeNames, read};
use icaze_gateway::pipeline::Pipeline;
use icaze_gateway::pipeline::intake::Intake;
use icaze_gateway::world::World;
use icaze_store::Document;
use icaze_store::ledger::Batch;
use icaze_store::register::{Entry, Register};

const MESSAGES: u32 = 500;

fn frames() -> Vec<Vec<u8>> {
    (0..MESSAGES).map(sample::frame).collect()
}

#[library_benchmark]
#[bench::submit_sm(frames())]
fn decode(frames: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    for octets in &frames {
        let (frame, _) = split(black_box(octets), 1024).unwrap().unwrap();
        black_box(Pdu::decode(frame.header.command, frame.body).unwrap());
    }
    frames
}

fn requests() -> (Vec<String>, PurposeNames) {
    ((0..MESSAGES).map(sample::text).collect(), sample::names())
}

fn junk() -> (Vec<String>, PurposeNames) {
    let texts = vec![
        "Salam necəsən? Sabah saat 7-də görüşək, mən evdəyəm, zəng elə 0501234567".to_owned();
        MESSAGES as usize
    ];
    (texts, sample::names())
}

#[library_benchmark]
#[bench::requests(requests())]
#[bench::junk(junk())]
fn reading((texts, names): (Vec<String>, PurposeNames)) -> (Vec<String>, PurposeNames) {
    texts.iter().for_each(|text| {
        black_box(read(black_box(text), &names));
    });
    (texts, names)
}

type Found = Vec<Option<Entry>>;

fn register() -> (Register, Vec<Document>, Found) {
    let documents = sample::documents(MESSAGES).take(MESSAGES as usize).collect();
    (sample::register(MESSAGES), documents, Found::with_capacity(MESSAGES as usize))
}

#[library_benchmark]
#[bench::in_batches(register())]
fn look_up(
    (register, documents, mut found): (Register, Vec<Document>, Found),
) -> (Register, Vec<Document>, Found) {
    register.find_batch(black_box(&documents), &mut found);
    (register, documents, found)
}

struct Node {
    world: World,
    pipeline: Pipeline,
    intake: Intake,
    spare: Batch,
}

fn node() -> Node {
    let batch = sample::batch();
    let world = sample::world(MESSAGES);
    let mut intake = Intake::default();
    sample::fill(&mut intake, 0, MESSAGES);
    intake.look_up(&world);
    Node { world, pipeline: sample::pipeline(batch.spare()), intake, spare: batch.spare() }
}

// Identity, limits, deciding, permits, outbox, the reply and its record.
#[library_benchmark]
#[bench::grants(node())]
fn receive(mut node: Node) -> Node {
    let mut accepted = 0;
    let count = |answer: Result<_, _>| accepted += u32::from(answer.is_ok());
    node.pipeline.receive(0, &node.intake, &node.world, sample::now(), count);
    node.pipeline.take_batch(&mut node.spare);
    assert_eq!(accepted, MESSAGES);
    node
}

library_benchmark_group!(name = stages; benchmarks = decode, reading, look_up, receive);
main!(library_benchmark_groups = stages);
