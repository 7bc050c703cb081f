//! Each stage of a message's way through the gateway, by itself and then together. `cargo bench -p icaze-bench`.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::borrow::Cow;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use icaze_bench::sample::{self, NOON};
use icaze_codec::frame::split;
use icaze_codec::pdu::Pdu;
use icaze_gateway::permit::answer::{Answer, Writer};
use icaze_gateway::permit::code::CodeKey;
use icaze_gateway::permit::decide::{History, Subject, decide};
use icaze_gateway::permit::moment::Moment;
use icaze_gateway::permit::read::read;
use icaze_gateway::pipeline::intake::Intake;
use icaze_store::ledger::{
    Address, Batch, Channel, Decision, Entry, FileStorage, Interval, Language, Ledger, MasterKey, Options,
    Permit, Reply,
};
use icaze_store::register::Register;
use icaze_store::{Outcome, Table};
use jiff::ToSpan;

/// Residents whom look-ups choose from: their index, 85 MB, is far more than the processor's caches hold.
const RESIDENTS: u32 = 4_000_000;
/// Words in as much memory.
const WORDS: usize = 85_000_000 / 8;
/// Residents whom a pipeline grants something, each once.
const RESIDENTS_TOGETHER: u32 = 100_000;
/// Messages that one read brings when operators fill their windows.
const BATCH: u32 = 500;

fn decoding(c: &mut Criterion) {
    let octets = sample::frame(1);
    c.bench_function("decode/submit_sm", |b| {
        b.iter(|| {
            let (frame, length) = split(black_box(&octets), 1024).unwrap().unwrap();
            let message = Pdu::decode(frame.header.command, frame.body).unwrap();
            black_box((message, length));
        });
    });
}

fn reading(c: &mut Criterion) {
    let names = sample::names();
    let mut group = c.benchmark_group("read");
    for (name, text) in [
        ("request", "2 AZE20000001"),
        ("words", "salam, kod 2, seriya AZE nömrə 20000001, bazara gedirəm"),
        ("cyrillic", "код 2 АЗЕ20000001"),
        ("junk", "Salam necəsən? Sabah saat 7-də görüşək, mən evdəyəm, zəng elə 0501234567"),
    ] {
        group.bench_function(name, |b| b.iter(|| black_box(read(black_box(text), &names))));
    }
}

fn looking_up(c: &mut Criterion) {
    // With only its names asked for, nothing of this size is made.
    let register = std::cell::LazyCell::new(|| sample::register(RESIDENTS));
    // A stride that shares no factor with the number: every one is asked for, and none near the one before.
    let documents = std::cell::LazyCell::new(|| {
        let all: Vec<_> = sample::documents(RESIDENTS).collect();
        (0..all.len()).map(|index| all[index * 7_919 % all.len()]).collect::<Vec<_>>()
    });
    let mut group = c.benchmark_group("look-up");
    group.throughput(Throughput::Elements(1));
    // Each waits for the one before, as each access in the two below does.
    group.bench_function("single", |b| {
        chase(b, RESIDENTS as usize, |at| {
            let found = register.find(sample::document(at as u32)).unwrap();
            u64::from(found.person) >> u32::BITS
        });
    });
    group.bench_function("bare access, small pages", |b| {
        let words = std::cell::LazyCell::new(|| vec![1_u64; WORDS]);
        chase(b, WORDS, |at| words[at] >> 1);
    });
    group.bench_function("bare access, huge pages", |b| {
        let words = std::cell::LazyCell::new(|| {
            let mut words = Table::<u64>::zeroed(WORDS).unwrap();
            words.fill(1);
            words
        });
        chase(b, WORDS, |at| words[at] >> 1);
    });
    group.throughput(Throughput::Elements(Register::BATCH as u64));
    group.bench_function("batch of 16", |b| {
        let mut batches = documents.chunks_exact(Register::BATCH).cycle();
        let mut found = Vec::new();
        b.iter(|| {
            register.find_batch(batches.next().unwrap(), &mut found);
            black_box(&found);
        });
    });
}

/// Asks for one of `count` places at random after the other. Each answer, which is zero, has a part in where the next one lies.
fn chase(b: &mut criterion::Bencher<'_>, count: usize, ask: impl Fn(usize) -> u64) {
    let mut random = 1_u64;
    b.iter(|| {
        // Knuth's linear congruential generator.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        random = random.wrapping_add(ask((random >> 33) as usize % count));
    });
}

fn deciding(c: &mut Criterion) {
    let world = sample::world(1000);
    let moment = world.moment(NOON);
    let request = read(&sample::text(1), &sample::names()).request.unwrap();
    let entry = world.register.find(request.document).unwrap();
    let facts = world.facts(&entry).unwrap();
    let history = History::default();
    let granted = decide(&request, Subject::Known(&facts), &history, &moment);
    assert_eq!(granted.outcome, Outcome::Granted);

    c.bench_function("decide/moment", |b| b.iter(|| black_box(Moment::at(&world.regimes, black_box(NOON)))));
    c.bench_function("decide/grant", |b| {
        b.iter(|| black_box(decide(black_box(&request), Subject::Known(&facts), &history, &moment)));
    });
    let mut group = c.benchmark_group("reply");
    for (name, language) in [("az", Language::Az), ("en", Language::En)] {
        let code = CodeKey::new(*b"a key of benches").code(0, 1).unwrap();
        let answer = Answer {
            reason: None,
            text: None,
            about: None,
            language,
            latin: false,
            request: Some(request),
            tail: None,
            permit: granted.interval.map(|interval| (code, interval)),
            again: None,
        };
        let (mut writer, mut out) = (Writer::default(), String::new());
        writer.write(&answer, &world, &moment, &mut out);
        assert!(out.contains("AZE20000001"), "{out}");
        group
            .bench_function(name, |b| b.iter(|| writer.write(black_box(&answer), &world, &moment, &mut out)));
    }
}

/// A grant as the pipeline records it.
fn grant(intervals: &[Interval]) -> Entry<'_> {
    Entry::Decision(Decision {
        channel: Channel::Sms,
        operator: "demo",
        from: Address { ton: 1, npi: 1, digits: b"994501234567" },
        to: Address { ton: 0, npi: 1, digits: b"8103" },
        parts: Cow::Borrowed(&[]),
        identity: 0x0123_4567_89AB_CDEF,
        document: Some("AZE20000001".parse().unwrap()),
        person: Some(1001),
        purpose: Some(2),
        regime: None,
        register: 1,
        facts: None,
        outcome: Outcome::Granted,
        reason: None,
        permit: Some(Permit { code: 77, day: Default::default(), intervals: Cow::Borrowed(intervals) }),
        reply: Some(Reply {
            text: "İCAZƏ VAR: AZE20000001, kod 2 ərzaq, 14.12 14:15-17:15, № 7K3M-9QXF",
            language: Language::Az,
            expires_at: NOON,
        }),
        refers_to: None,
        again: None,
        text: "",
    })
}

fn append(batch: &mut Batch, entry: &Entry<'_>) {
    for _ in 0..BATCH {
        batch.append(NOON, NOON, entry).unwrap();
    }
}

fn writing(c: &mut Criterion) {
    let intervals = [Interval { start: NOON, end: NOON + 3.hours() }];
    let entry = grant(&intervals);
    let key = MasterKey::random().unwrap();
    let mut group = c.benchmark_group("ledger");
    group.throughput(Throughput::Elements(BATCH.into()));

    group.bench_function("append 500", |b| {
        let (mut open, mut spare) = (sample::batch(), sample::batch());
        b.iter(|| {
            append(&mut open, &entry);
            open.take_into(&mut spare);
        });
    });
    // One batch after the other, each with its sync, on the file system that holds temporary files.
    group.bench_function("commit 500", |b| {
        let dir = tempfile::tempdir().unwrap();
        let storage = FileStorage::open(dir.path()).unwrap();
        let (mut ledger, mut batch) = Ledger::open(storage, &key, 0, Options::default(), |_| ()).unwrap();
        b.iter(|| {
            append(&mut batch, &entry);
            ledger.commit(&mut batch).unwrap();
            ledger.make_room().unwrap();
        });
    });
}

/// From texts to entries and replies, all in memory: each message from another phone, for another person.
fn together(c: &mut Criterion) {
    let world = sample::world(RESIDENTS_TOGETHER);
    let mut group = c.benchmark_group("pipeline");
    group.throughput(Throughput::Elements(BATCH.into()));
    let mut intake = Intake::default();
    group.bench_function("read 500", |b| b.iter(|| sample::fill(&mut intake, 0, BATCH)));
    for count in [1, 16, BATCH] {
        group.throughput(Throughput::Elements(count.into()));
        group.bench_function(format!("receive {count}"), |b| {
            let (batch, mut asked) = (sample::batch(), 0);
            let (mut pipeline, mut spare) = (sample::pipeline(batch.spare()), batch.spare());
            b.iter_custom(|iterations| {
                let mut took = Duration::ZERO;
                for _ in 0..iterations {
                    if asked + count > RESIDENTS_TOGETHER {
                        (pipeline, asked) = (sample::pipeline(batch.spare()), 0);
                    }
                    sample::fill(&mut intake, asked, count);
                    asked += count;
                    intake.look_up(&world);
                    let (mut accepted, began) = (0, Instant::now());
                    let count_accepted = |answer: Result<_, _>| accepted += u32::from(answer.is_ok());
                    pipeline.receive(0, &intake, &world, sample::now(), count_accepted);
                    took += began.elapsed();
                    assert_eq!(accepted, count);
                    pipeline.take_batch(&mut spare);
                }
                took
            });
        });
    }
}

criterion_group!(stages, decoding, reading, looking_up, deciding, writing, together);
criterion_main!(stages);
