//! The history views: they answer as the records themselves would, whatever runs they came in, however the process
//! ended between two of them, and whatever became of their files.

// The configuration that allows it in tests does not reach their helpers.
#![allow(clippy::unwrap_used)]

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use icaze_store::ledger::{
    Address, Channel, Decision, Entry, Facts, FaultyStorage, Interval, Ledger, Mark, MasterKey, Options,
    Permit, Record, Storage, read_closed,
};
use icaze_store::views::{self, Index, Keying, QUARTER_S, Someone, Views, ViewsError};
use icaze_store::{Document, Msisdn, Outcome, Reason};
use jiff::Timestamp;
use jiff::civil::date;
use proptest::prelude::*;

const KEYING: Keying = Keying { secret: *b"secret of a test", country: 994, national: 9 };

/// What the test remembers of a record.
#[derive(Debug, Clone)]
enum Fact {
    Decision { code: Option<u64>, granted: bool, document: u32, person: Option<u32>, phone: u32 },
    Marks(Vec<u64>),
    Start,
}

#[derive(Debug, Clone)]
struct Fed {
    seq: u64,
    at: Timestamp,
    fact: Fact,
}

impl Fed {
    fn with<T>(&self, use_it: impl FnOnce(&Record<'_>) -> T) -> T {
        let phone = phone_digits(match self.fact {
            Fact::Decision { phone, .. } => phone,
            _ => 0,
        });
        let entry = match &self.fact {
            Fact::Decision { code, granted, document, person, .. } => {
                Entry::Decision(decision(phone.as_bytes(), *code, *granted, serial(*document), *person))
            }
            Fact::Marks(decisions) => Entry::Mark(Mark::Sent, Cow::Borrowed(decisions)),
            Fact::Start => Entry::Start,
        };
        use_it(&Record { seq: self.seq, node: 0, received_at: self.at, decided_at: self.at, entry })
    }
}

fn serial(number: u32) -> Document {
    Document::new("AZE", &format!("{:08}", 20_000_000 + number)).unwrap()
}

fn phone_digits(number: u32) -> String {
    format!("05012345{number:02}")
}

fn phone(number: u32) -> Msisdn {
    Msisdn::parse(format!("+99450123{:04}", 4500 + number), 994, 9).unwrap()
}

fn decision<'a>(
    from: &'a [u8],
    code: Option<u64>,
    granted: bool,
    document: Document,
    person: Option<u32>,
) -> Decision<'a> {
    let start = Timestamp::from_second(1_607_900_000).unwrap();
    let intervals = vec![Interval { start, end: Timestamp::from_second(1_607_910_800).unwrap() }];
    Decision {
        channel: Channel::Sms,
        operator: "demo",
        from: Address { ton: 1, npi: 1, digits: from },
        to: Address { ton: 0, npi: 1, digits: b"8103" },
        parts: Cow::Borrowed(&[]),
        identity: 7,
        document: Some(document),
        person,
        purpose: Some(2),
        regime: None,
        register: 1,
        facts: Some(Facts { region: "Baku", age_band: 40, flags: 0 }),
        outcome: if granted { Outcome::Granted } else { Outcome::Repeated },
        reason: (!granted).then_some(Reason::Standing),
        permit: code.map(|code| Permit { code, day: date(2020, 12, 14), intervals: intervals.into() }),
        reply: None,
        refers_to: None,
        again: None,
        text: "",
    }
}

/// Two and a half of them make a second.
fn tick(at: i64) -> Timestamp {
    Timestamp::from_millisecond(1_607_900_000_000 + at * 400).unwrap()
}

/// What the index must say, by looking at every record.
fn assert_answers(index: &Index, records: &[Fed]) {
    let position = records.last().map_or(0, |record| record.seq);
    assert_eq!(index.position(), position);
    let seqs = |wanted: &dyn Fn(&Fact) -> bool| -> Vec<u64> {
        records.iter().rev().filter(|record| wanted(&record.fact)).map(|record| record.seq).collect()
    };
    for number in 0..6 {
        let issued = seqs(
            &|fact| matches!(fact, Fact::Decision { code: Some(code), granted: true, .. } if *code == u64::from(number)),
        );
        assert_eq!(index.by_code(number.into()).unwrap(), issued);
        let of = seqs(&|fact| matches!(fact, Fact::Decision { document, .. } if *document == number));
        assert_eq!(index.by_document(serial(number), 0..u64::MAX, 1000).unwrap(), of);
        let of =
            seqs(&|fact| matches!(fact, Fact::Decision { person: Some(person), .. } if *person == number));
        assert_eq!(index.by_person(number, 0..u64::MAX, 1000).unwrap(), of);
        let of = seqs(&|fact| matches!(fact, Fact::Decision { phone, .. } if *phone == number));
        assert_eq!(index.by_phone(phone(number), 0..u64::MAX, 1000).unwrap(), of);
        // In pages of two.
        let (mut paged, mut end) = (Vec::new(), u64::MAX);
        loop {
            let page = index.by_phone(phone(number), 0..end, 2).unwrap();
            let Some(&oldest) = page.last() else { break };
            end = oldest;
            paged.extend(page);
        }
        assert_eq!(paged, of);
        let within = position / 3..position / 2;
        let some = Vec::from_iter(of.into_iter().filter(|seq| within.contains(seq)));
        assert_eq!(index.by_phone(phone(number), within, 1000).unwrap(), some);
    }
    for decision in 0..10 {
        let mut of = seqs(&|fact| matches!(fact, Fact::Marks(decisions) if decisions.contains(&decision)));
        of.reverse();
        assert_eq!(index.marks(decision).unwrap(), of);
    }
    let first_at = |second| {
        records
            .iter()
            .find(|record| record.at.as_second() >= second)
            .map_or(position + 1, |record| record.seq)
    };
    for (from, to) in [(0, 40), (1, 2), (3, 3), (2, 9), (5, 30), (9, 4), (-5, 0)] {
        let (from, to) = (tick(from), tick(to));
        // Whole seconds.
        let first = first_at(from.as_second());
        let expected = first..first_at((to.as_millisecond() + 999).div_euclid(1000)).max(first);
        assert_eq!(index.by_time(from..to).unwrap(), expected);
    }
    assert_counts(index, records);
}

/// What statistics must count, by looking at every record.
fn assert_counts(index: &Index, records: &[Fed]) {
    let decisions = || {
        records.iter().filter_map(|record| match record.fact {
            Fact::Decision { granted, person, .. } => Some((granted, person)),
            _ => None,
        })
    };
    let mut expected = [true, false].map(|wanted| {
        let of = || decisions().filter(|(granted, _)| *granted == wanted).map(|(_, person)| person);
        (of().count(), of().flatten().collect::<BTreeSet<_>>().len(), of().filter(Option::is_none).count())
    });
    let quarter = u32::try_from(tick(0).as_second().unsigned_abs() / QUARTER_S).unwrap();
    for quarters in [0..u32::MAX, quarter..quarter + 1, quarter + 1..u32::MAX, 0..quarter] {
        let mut counted = [(); 2].map(|()| (0, BTreeSet::new(), 0));
        let middle = u64::MAX >> 25;
        for persons in [0..=middle, middle + 1..=u64::MAX >> 24] {
            let class = |fact: &views::Fact<'_>| {
                assert_eq!((fact.purpose, fact.region, fact.age_band), (Some(2), Some("Baku"), Some(40)));
                Some(u32::from(fact.outcome != Outcome::Granted))
            };
            let count = |class: u32, someone: Option<Someone>| {
                let (decisions, persons, nobody) = &mut counted[class as usize];
                *decisions += 1;
                *nobody += usize::from(someone.is_none());
                persons.extend(someone);
            };
            index.count(quarters.clone(), persons, class, count).unwrap();
        }
        if !quarters.contains(&quarter) {
            expected = Default::default();
        }
        assert_eq!(counted.map(|(decisions, persons, nobody)| (decisions, persons.len(), nobody)), expected);
    }
}

/// Offers the records of `range` to the views as one run.
fn feed(views: &mut Views, records: &[Fed], range: Range<usize>) {
    let mut run = views.run();
    records[range].iter().for_each(|record| record.with(|record| run.add(record)));
    run.load().unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::write(&target, content(&entry.path())).unwrap();
            let length = entry.metadata().unwrap().len();
            fs::File::options().write(true).open(target).unwrap().set_len(length).unwrap();
        }
    }
}

/// Every file below `dir`.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// A file without the zeros at its end, which are space set aside.
fn content(file: &Path) -> Vec<u8> {
    let mut bytes = fs::read(file).unwrap();
    bytes.truncate(bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1));
    bytes
}

fn facts() -> impl Strategy<Value = Vec<(i64, Fact)>> {
    let decision =
        (proptest::option::of(0..6_u64), any::<bool>(), 0..6_u32, proptest::option::of(0..6_u32), 0..6_u32)
            .prop_map(|(code, granted, document, person, phone)| Fact::Decision {
                code,
                granted,
                document,
                person,
                phone,
            });
    let marks = prop::collection::vec(0..10_u64, 1..4).prop_map(Fact::Marks);
    let fact = prop_oneof![6 => decision, 2 => marks, 1 => Just(Fact::Start)];
    prop::collection::vec((0..3_i64, fact), 1..60)
}

/// A ledger that begins with `first`, as retention may have left it.
fn ledger(first: u64, facts: Vec<(i64, Fact)>) -> Vec<Fed> {
    let mut at = 0;
    let record = |(seq, (later, fact)): (u64, (i64, Fact))| {
        at += later;
        Fed { seq, at: tick(at), fact }
    };
    (first..).zip(facts).map(record).collect()
}

fn some_records() -> Vec<Fed> {
    let decision = |number: u32| Fact::Decision {
        code: Some(u64::from(number % 6)),
        granted: true,
        document: number % 6,
        person: Some(number % 6),
        phone: number % 6,
    };
    ledger(1, (0..200).map(|number| (1, decision(number))).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_runs_and_any_restarts_answer_as_the_records_would(
        facts in facts(),
        first in 1..5_u64,
        steps in prop::collection::vec((0..20_usize, 0..20_usize, 0..3_u8), 1..5),
    ) {
        let records = ledger(first, facts);
        let root = tempfile::tempdir().unwrap();
        let mut dir = root.path().join("0");
        let mut views = Views::open(&dir, KEYING).unwrap();
        let mut done = 0;
        for (step, (again, more, then)) in steps.into_iter().enumerate() {
            let end = (done + more).min(records.len());
            feed(&mut views, &records, done.saturating_sub(again)..end);
            done = end;
            match then {
                // Goes on.
                0 => {}
                // Ends in order.
                1 => {
                    drop(views);
                    views = Views::open(&dir, KEYING).unwrap();
                }
                // Is killed in the middle of the next run: what it left behind is opened.
                _ => {
                    let mut run = views.run();
                    records.iter().for_each(|record| record.with(|record| run.add(record)));
                    drop(run);
                    let left = root.path().join(format!("{}", step + 1));
                    copy(&dir, &left);
                    dir = left;
                    fs::write(dir.join("9.unfinished"), "some of it").unwrap();
                    views = Views::open(&dir, KEYING).unwrap();
                }
            }
            prop_assert_eq!(views.position(), records[..done].last().map_or(0, |record| record.seq));
            assert_answers(views.index(), &records[..done]);
        }
    }
}

#[test]
fn views_of_another_version_or_keying_are_built_again() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("views");
    let records = some_records();
    let fill = |keying| {
        let mut views = Views::open(&dir, keying).unwrap();
        let found = views.position();
        feed(&mut views, &records, 0..records.len());
        assert_answers(views.index(), &records);
        found
    };
    assert_eq!(fill(KEYING), 0);
    assert_eq!(fill(KEYING), 200);
    fs::write(dir.join("stamp"), "of another version").unwrap();
    assert_eq!(fill(KEYING), 0, "another version");
    assert!(!dir.join("stamp").exists());
    assert_eq!(fill(Keying { secret: [9; 16], ..KEYING }), 0, "another secret");
    assert_eq!(fill(KEYING), 0, "back again");
    let mut views = Views::open(&dir, Keying { national: 8, ..KEYING }).unwrap();
    assert_eq!(views.position(), 0, "another numbering");
    feed(&mut views, &records, 0..10);
    views.discard().unwrap();
    assert_eq!(fill(KEYING), 0, "discarded");
}

#[test]
fn people_are_forgotten_and_old_runs_removed_and_both_outlive_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let records = some_records();
    let mut views = Views::open(root.path(), KEYING).unwrap();
    for start in [0, 50, 100, 150] {
        feed(&mut views, &records, start..start + 50);
    }
    let decisions = |index: &Index| {
        let (mut all, mut persons) = (0, BTreeSet::new());
        let count = |_, someone: Option<Someone>| {
            all += 1;
            persons.extend(someone);
        };
        index.count(0..u32::MAX, 0..=u64::MAX >> 24, |_| Some(0), count).unwrap();
        (all, persons.len())
    };
    assert_eq!(decisions(views.index()), (200, 6));
    let before = views.index().clone();
    // The run of the record itself is not before it.
    views.forget_people(150).unwrap();
    for restarted in [false, true] {
        if restarted {
            drop(views);
            views = Views::open(root.path(), KEYING).unwrap();
        }
        let found = views.index().by_phone(phone(3), 0..u64::MAX, 1000).unwrap();
        assert_eq!(found.last(), Some(&106), "the first of them behind the 100th");
        assert_eq!(views.index().by_code(3).unwrap(), found);
        assert_eq!(decisions(views.index()), (200, 6));
        assert_eq!(views.index().by_time(tick(0)..tick(1000)).unwrap(), 1..201);
    }
    views.forget_people(201).unwrap();
    assert_eq!(decisions(views.index()), (200, 0));
    assert!(before.by_phone(phone(3), 0..u64::MAX, 1000).is_ok_and(|found| found.is_empty()), "nor here");

    views.remove_before(101).unwrap();
    for restarted in [false, true] {
        if restarted {
            drop(views);
            views = Views::open(root.path(), KEYING).unwrap();
        }
        assert_eq!((views.begin(), views.position()), (101, 200));
        assert_eq!(decisions(views.index()), (100, 0));
    }
}

#[test]
fn views_that_are_in_use_are_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let records = some_records();
    let mut views = Views::open(root.path(), KEYING).unwrap();
    feed(&mut views, &records, 0..records.len());
    assert!(Views::open(root.path(), KEYING).is_err());
    assert_answers(views.index(), &records);
}

/// Some of everything, as a look-up would find it.
fn answers(index: &Index) -> Result<Vec<Vec<u64>>, ViewsError> {
    let mut found = vec![Vec::from_iter(index.by_time(tick(3)..tick(150))?)];
    for number in 0..6 {
        found.push(Vec::from_iter(index.by_code(number.into())?));
        found.push(index.by_phone(phone(number), 0..u64::MAX, 1000)?);
    }
    Ok(found)
}

/// Whatever happened to a file: opening gives views that are whole or empty, at the next start if the first one panics,
/// and a look-up has the right answer or an error.
#[test]
fn damage_never_gives_a_wrong_answer() {
    let root = tempfile::tempdir().unwrap();
    let sound = root.path().join("sound");
    let records = some_records();
    let mut views = Views::open(&sound, KEYING).unwrap();
    feed(&mut views, &records, 0..100);
    feed(&mut views, &records, 100..200);
    let right = answers(views.index()).unwrap();
    drop(views);
    let mut rebuilt = 0;
    for file in files(&sound) {
        let name = file.strip_prefix(&sound).unwrap().display();
        for (what, damage) in [("flipped", (|bytes| flip(bytes)) as fn(&mut Vec<u8>)), ("cut", cut)] {
            let dir = root.path().join("damaged");
            copy(&sound, &dir);
            let mut bytes = content(&file);
            damage(&mut bytes);
            fs::write(dir.join(file.strip_prefix(&sound).unwrap()), bytes).unwrap();
            let opened = catch_unwind(|| Views::open(&dir, KEYING).unwrap());
            let views = opened.unwrap_or_else(|_| Views::open(&dir, KEYING).unwrap());
            match (views.position(), answers(views.index())) {
                (200, Ok(answers)) => assert_eq!(answers, right, "{name} {what}"),
                (200, Err(_)) => {}
                (0, _) => rebuilt += 1,
                (position, _) => panic!("{name} {what}: {position}"),
            }
            drop(views);
            fs::remove_dir_all(&dir).unwrap();
        }
    }
    assert!(rebuilt > 0, "no damage was noticed at opening");
}

#[expect(clippy::ptr_arg, reason = "one kind of damage among others")]
fn flip(bytes: &mut Vec<u8>) {
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 0x10;
    }
}

fn cut(bytes: &mut Vec<u8>) {
    bytes.truncate(bytes.len() / 2);
}

#[test]
fn a_copy_of_the_views_names_nobody() {
    let root = tempfile::tempdir().unwrap();
    let records = some_records();
    let mut views = Views::open(root.path(), KEYING).unwrap();
    feed(&mut views, &records, 0..200);
    drop(views);
    let number = phone(3).as_u64();
    let serial = serial(3).number();
    let secrets: [Vec<u8>; 7] = [
        phone_digits(3).into_bytes(),
        number.to_string().into_bytes(),
        number.to_be_bytes().to_vec(),
        number.to_le_bytes().to_vec(),
        serial.to_string().into_bytes(),
        serial.to_be_bytes().to_vec(),
        serial.to_le_bytes().to_vec(),
    ];
    for file in files(root.path()) {
        let bytes = content(&file);
        for secret in &secrets {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{}", file.display());
        }
    }
}

/// The views follow a ledger that is being written, and go on after its restarts.
#[test]
fn closed_segments_come_once_and_in_order() {
    let root = tempfile::tempdir().unwrap();
    let storage = FaultyStorage::new(1);
    let key = MasterKey::random().unwrap();
    let options = Options { segment_bytes: 16 << 10, ..Options::default() };
    let mut views = Views::open(root.path(), KEYING).unwrap();
    let mut records = Vec::new();
    assert_eq!(follow(&mut views, &storage, &key), 0, "an empty store");
    for _ in 0..3 {
        let (mut ledger, mut batch) = Ledger::open(storage.clone(), &key, 0, options, |_| {}).unwrap();
        for _ in 0..120 {
            let number = records.len() as u32;
            let fact = Fact::Decision {
                code: Some(u64::from(number % 6)),
                granted: number.is_multiple_of(2),
                document: number % 6,
                person: None,
                phone: number % 5,
            };
            let record = Fed { seq: batch.next_seq(), at: tick(number.into()), fact };
            record.with(|record| batch.append(record.received_at, record.decided_at, &record.entry)).unwrap();
            records.push(record);
            let durable = ledger.commit(&mut batch).unwrap();
            let before = views.position();
            let fed = follow(&mut views, &storage, &key);
            assert_eq!(views.position(), before + fed);
            assert!(views.position() < durable.position(), "the open segment has the newest record");
        }
    }
    assert!(views.position() >= 240, "two runs of the node have ended: {}", views.position());
    assert_answers(views.index(), &records[..views.position() as usize]);
}

/// Feeds what is closed; how many records that were.
fn follow<S: Storage>(views: &mut Views, storage: &S, key: &MasterKey) -> u64 {
    let mut fed = 0;
    loop {
        let position = views.position();
        let mut run = views.run();
        let mut expected = position;
        let closed = read_closed(storage, Some(key), position, |record, _| {
            expected += 1;
            assert_eq!(record.seq, expected);
            run.add(record);
        })
        .unwrap();
        run.load().unwrap();
        let Some(last) = closed else { return fed };
        assert_eq!((last, views.position()), (expected, expected));
        fed += last - position;
    }
}
