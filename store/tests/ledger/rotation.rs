//! Another key for the store: all that could be read can be, by the new key alone, wherever the rotation was interrupted.

use std::fs;
use std::path::Path;

use icaze_store::ledger::retention::{Kind, destroy};
use icaze_store::ledger::{
    Faults, FaultyStorage, KeyError, Ledger, MasterKey, Options, ReadError, Storage, read, rotate,
};

use crate::entries;

fn options() -> Options {
    Options { segment_bytes: 16 << 10, ..Options::default() }
}

/// Three segments of five records; the first has lost its texts.
fn store(key: &MasterKey) -> FaultyStorage {
    let storage = FaultyStorage::new(1);
    let (mut ledger, mut batch) = Ledger::open(storage.clone(), key, 0, options(), |_| {}).unwrap();
    for number in 1..=15 {
        entries::numbered(number).append_to(&mut batch).unwrap();
        ledger.commit(&mut batch).unwrap();
        if number % 5 == 0 && number < 15 {
            ledger.roll().unwrap();
        }
    }
    destroy(&storage, 1, &[Kind::Text]).unwrap();
    storage.kill()
}

fn assert_whole(storage: &FaultyStorage, key: &MasterKey) {
    let mut count = 0;
    read(storage, Some(key), |record, visible| {
        count += 1;
        assert!(visible.person && visible.text == (record.seq > 5), "{}", record.seq);
    })
    .unwrap();
    assert_eq!(count, 15);
}

fn load(file: &Path) -> MasterKey {
    MasterKey::load(file).unwrap()
}

#[test]
fn the_new_key_opens_everything_and_the_old_one_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    let old = MasterKey::create(&file).unwrap();
    let storage = store(&old);
    assert_eq!(rotate(&storage, &file).unwrap(), 3);
    let new = load(&file);
    assert_whole(&storage, &new);
    let refused = read(&storage, Some(&old), |_, _| {}).unwrap_err();
    assert!(matches!(refused, ReadError::WrongKey { .. }), "{refused}");
    assert_eq!(old.derive::<32>("permit code"), new.derive::<32>("permit code"), "what lasts stays");

    // It goes on being written to, and is rotated again.
    let (mut ledger, mut batch) = Ledger::open(storage.clone(), &new, 0, options(), |_| {}).unwrap();
    entries::numbered(16).append_to(&mut batch).unwrap();
    ledger.commit(&mut batch).unwrap();
    drop(ledger);
    assert_eq!(rotate(&storage, &file).unwrap(), 4);
    assert!(read(&storage, Some(&load(&file)), |_, _| {}).is_ok());
    assert!(read(&storage, Some(&new), |_, _| {}).is_err());
}

#[test]
fn an_interrupted_rotation_is_ended_by_another_one() {
    let mut interrupted = 0;
    for step in 1..40 {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        let storage = store(&MasterKey::create(&file).unwrap());
        storage.set_faults(Faults { crash_at: Some(step), ..Faults::default() });
        let ended = rotate(&storage, &file).is_ok();
        let storage = if step % 2 == 0 { storage.crash() } else { storage.kill() };
        if !ended {
            interrupted += 1;
            let refused = MasterKey::load(&file).unwrap_err();
            assert!(matches!(refused, KeyError::Unfinished { .. }), "step {step}: {refused}");
            rotate(&storage, &file).unwrap();
        }
        assert_whole(&storage, &load(&file));
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 2, "the old key is gone");
        assert!(storage.list().unwrap().iter().all(|name| !name.ends_with(".new")) || !ended);
    }
    assert!(interrupted > 5, "{interrupted}");
}
