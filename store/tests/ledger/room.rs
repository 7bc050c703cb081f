//! A full disk: refused before it hurts, and over when there is space again.

use icaze_store::ledger::{CommitError, Faults, FaultyStorage, Ledger, MasterKey, OpenError, Options};

use crate::entries;

const SEGMENT: u64 = 16 << 10;

fn options() -> Options {
    Options { segment_bytes: SEGMENT, ..Options::default() }
}

fn disk_of(space_bytes: u64) -> Faults {
    Faults { space_bytes: Some(space_bytes), ..Faults::default() }
}

#[test]
fn what_was_taken_in_before_the_disk_was_full_is_committed_and_then_it_goes_on() {
    let key = MasterKey::random().unwrap();
    let storage = FaultyStorage::new(5);
    let (mut ledger, mut batch) = Ledger::open(storage.clone(), &key, 0, options(), |_| {}).unwrap();
    storage.set_faults(disk_of(2 * SEGMENT + 2000));
    let mut number = 0;
    while ledger.make_room().unwrap() {
        assert!(ledger.has_room());
        number += 1;
        entries::numbered(number).append_to(&mut batch).unwrap();
        ledger.commit(&mut batch).unwrap();
    }
    assert!(number > 100, "the spare segment was used");
    // A full batch on its way and another in the making.
    for _ in 0..2 {
        while entries::numbered(number + 1).append_to(&mut batch).is_ok() {
            number += 1;
        }
        ledger.commit(&mut batch).unwrap();
    }
    // Whoever goes on all the same loses nothing either.
    loop {
        number += 1;
        entries::numbered(number).append_to(&mut batch).unwrap();
        match ledger.commit(&mut batch) {
            Ok(_) => {}
            Err(CommitError::NoRoom) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(batch.len(), 1);
    assert!(!ledger.make_room().unwrap());

    storage.set_faults(Faults::default());
    assert!(ledger.make_room().unwrap());
    assert!(ledger.commit(&mut batch).unwrap().covers(number));
    let mut seen = 0;
    Ledger::open(storage, &key, 0, options(), |record| {
        seen += 1;
        assert_eq!(entries::number_of(&record.entry), seen);
    })
    .unwrap();
    assert_eq!(seen, number);
}

#[test]
fn a_start_on_a_full_disk_says_so_and_harms_nothing() {
    let key = MasterKey::random().unwrap();
    let storage = FaultyStorage::new(5);
    let (mut ledger, mut batch) = Ledger::open(storage.clone(), &key, 0, options(), |_| {}).unwrap();
    entries::numbered(1).append_to(&mut batch).unwrap();
    ledger.commit(&mut batch).unwrap();
    storage.set_faults(disk_of(SEGMENT + 1000));
    let error = Ledger::open(storage.clone(), &key, 0, options(), |_| {}).err().unwrap();
    assert!(matches!(error, OpenError::NoRoom { bytes: SEGMENT, .. }), "{error}");
    storage.set_faults(Faults::default());
    let mut seen = 0;
    Ledger::open(storage, &key, 0, options(), |_| seen += 1).unwrap();
    assert_eq!(seen, 1);
}
