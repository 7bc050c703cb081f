//! The end of personal data: what is destroyed cannot be read, all else can, and a crash leaves one state or the other.

use icaze_store::ledger::retention::{Kind, SegmentAge, destroy, remove_oldest, survey};
use icaze_store::ledger::{
    Batch, Faults, FaultyStorage, Ledger, MasterKey, Options, Storage, Visible, read, verify,
};

use crate::entries;

type Opened = (Ledger<FaultyStorage>, Batch);

fn open(storage: &FaultyStorage, key: &MasterKey) -> Opened {
    let options = Options { segment_bytes: 16 << 10, ..Options::default() };
    Ledger::open(storage.clone(), key, 0, options, |_| {}).unwrap()
}

/// Four segments of ten records each, the last one open.
fn store(key: &MasterKey) -> FaultyStorage {
    let storage = FaultyStorage::new(1);
    let (mut ledger, mut batch) = open(&storage, key);
    for number in 1..=40 {
        assert_eq!(entries::numbered(number).append_to(&mut batch), Ok(number));
        ledger.commit(&mut batch).unwrap();
        if number % 10 == 0 && number < 40 {
            assert!(ledger.roll().unwrap());
            assert!(!ledger.roll().unwrap(), "nothing is in it");
        }
    }
    storage
}

/// What can be read of each record.
fn visible(storage: &FaultyStorage, key: &MasterKey) -> Vec<(u64, Visible)> {
    let mut found = Vec::new();
    read(storage, Some(key), |record, visible| found.push((record.seq, visible))).unwrap();
    found
}

fn left(storage: &FaultyStorage) -> Vec<(u64, bool, bool)> {
    survey(storage).unwrap().iter().map(|age| (age.number, age.person, age.text)).collect()
}

#[test]
fn what_is_destroyed_cannot_be_read_and_all_else_can() {
    let key = MasterKey::random().unwrap();
    let storage = store(&key);
    let ages = survey(&storage).unwrap();
    let expected = |number: u64| SegmentAge {
        number,
        first_seq: number * 10 - 9,
        began: Some(entries::numbered(number * 10 - 9).decided_at),
        closed: (number < 4).then_some(number * 10 + 1),
        person: true,
        text: true,
    };
    assert_eq!(ages, [1, 2, 3, 4].map(expected));

    destroy(&storage, 1, &[Kind::Person, Kind::Text]).unwrap();
    destroy(&storage, 2, &[Kind::Text]).unwrap();
    destroy(&storage, 2, &[Kind::Text]).unwrap();
    assert_eq!(left(&storage), [(1, false, false), (2, true, false), (3, true, true), (4, true, true)]);
    for (seq, visible) in visible(&storage, &key) {
        assert_eq!((visible.person, visible.text), (seq > 10, seq > 20), "{seq}");
    }
    assert_eq!(verify(&storage).unwrap().records, 40, "sums are of what is sealed");

    // A start and what it writes know nothing of it.
    let (mut ledger, mut batch) = open(&storage, &key);
    entries::numbered(41).append_to(&mut batch).unwrap();
    ledger.commit(&mut batch).unwrap();
    drop(ledger);

    remove_oldest(&storage).unwrap();
    assert_eq!(visible(&storage, &key).first().map(|(seq, _)| *seq), Some(11));
    assert!(!storage.list().unwrap().iter().any(|name| name.starts_with("0000000001.")));
    let (ledger, _) = open(&storage, &key);
    assert_eq!(ledger.durable().position(), 41);
}

#[test]
fn the_segment_that_is_written_to_is_never_removed() {
    let key = MasterKey::random().unwrap();
    let storage = store(&key);
    for _ in 0..9 {
        remove_oldest(&storage).unwrap();
    }
    assert_eq!(left(&storage), [(4, true, true)]);
}

#[test]
fn a_crash_leaves_the_state_before_or_the_one_after() {
    let key = MasterKey::random().unwrap();
    let (mut before, mut after) = (0, 0);
    for step in 1..20 {
        for seed in 0..4 {
            // Steps count from here on.
            let storage = store(&key).kill();
            storage.set_faults(Faults { crash_at: Some(step), ..Faults::default() });
            let done = destroy(&storage, 1, &[Kind::Text]).and_then(|()| remove_oldest(&storage));
            let storage = if seed % 2 == 0 { storage.crash() } else { storage.kill() };
            drop(open(&storage, &key));
            match left(&storage)[0] {
                (1, true, true) => before += 1,
                (1, true, false) | (2, true, true) => after += 1,
                other => panic!("step {step}: {other:?}"),
            }
            assert!(done.is_err() || left(&storage)[0].0 == 2, "step {step}");
            let records = visible(&storage, &key);
            let text_is_left = left(&storage)[0] == (1, true, true);
            assert!(records.iter().all(|(seq, visible)| visible.text == (*seq > 10 || text_is_left)));
            assert!(!storage.list().unwrap().iter().any(|name| name.ends_with(".new")));
        }
    }
    assert!(before > 5 && after > 5, "{before} before, {after} after");
}
