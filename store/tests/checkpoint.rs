//! The checkpoint: it comes back as it was, or not at all.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use icaze_store::ledger::{Faults, FaultyStorage, MasterKey, Storage};
use icaze_store::{Checkpoint, CheckpointError, Day, Head, UsageTable};
use jiff::Timestamp;
use jiff::civil::Date;

const NAME: &str = "usage.checkpoint";
const PERSONS: [u32; 5] = [0, 7, 4095, 4096, 10_000_000];

fn today() -> Day {
    Date::constant(2020, 12, 14).into()
}

fn checkpoint(position: u64) -> Checkpoint {
    let mut usage = UsageTable::default();
    for person in PERSONS {
        (0..=person % 3).for_each(|_| {
            usage.spend(person, 2, today(), 77);
        });
    }
    let time = Timestamp::from_second(1_607_940_000).unwrap();
    let receivers = vec!["azercell".to_owned()];
    Checkpoint {
        head: Head { position, time, visit_from: 12, receivers, next_code: 345, first_permit: 7 },
        usage,
    }
}

/// Of no format, and of different lengths.
const PERMITS: [&[u8]; 3] = [b"first block", b"second", b""];

fn write(position: u64, storage: &FaultyStorage, key: &MasterKey, node: u8) -> Result<(), CheckpointError> {
    checkpoint(position).write(PERMITS.into_iter(), storage, key, node)
}

fn read(storage: &FaultyStorage, key: &MasterKey, node: u8) -> Result<Option<Checkpoint>, CheckpointError> {
    let mut permits = PERMITS.iter();
    let found = Checkpoint::read(storage, key, node, |bytes| permits.next() == Some(&bytes));
    assert!(permits.next().is_none() || !matches!(found, Ok(Some(_))), "every block is read");
    found
}

#[test]
fn it_comes_back_as_it_was() {
    let (storage, key) = (FaultyStorage::new(1), MasterKey::random().unwrap());
    assert!(read(&storage, &key, 3).unwrap().is_none());
    for position in [99, 100] {
        write(position, &storage, &key, 3).unwrap();
        let found = read(&storage.crash(), &key, 3).unwrap().unwrap();
        assert_eq!(found.head, checkpoint(position).head);
        for person in PERSONS {
            assert_eq!(found.usage.get(person, today()), checkpoint(position).usage.get(person, today()));
            assert_eq!(found.usage.newest(person), Some(77));
        }
        assert_eq!(found.usage.get(1, today()).day[2], 0);
    }
}

#[test]
fn a_byte_that_was_changed_a_piece_that_lacks_another_key_or_node_make_it_useless() {
    let (storage, key) = (FaultyStorage::new(1), MasterKey::random().unwrap());
    write(9, &storage, &key, 3).unwrap();
    let size = storage.size(&storage.open(NAME).unwrap()).unwrap();
    let useless = |storage: &FaultyStorage, key, node| {
        matches!(read(storage, key, node), Err(CheckpointError::Unusable { .. }))
    };
    let other = MasterKey::random().unwrap();
    assert!(useless(&storage, &other, 3) && useless(&storage, &key, 4));
    for offset in (0..300).chain((300..size).step_by(9973)).chain([size - 1]) {
        let copy = storage.kill();
        copy.flip(NAME, offset, 0x10);
        assert!(useless(&copy, &key, 3), "byte {offset}");
    }
    for left in [0, 1, 40, 300, size / 2, size - 1] {
        let copy = storage.kill();
        copy.truncate(&copy.open(NAME).unwrap(), left).unwrap();
        assert!(useless(&copy, &key, 3), "cut to {left} bytes");
    }
}

#[test]
fn a_crash_while_it_is_written_leaves_the_earlier_one_or_the_later_one() {
    let key = MasterKey::random().unwrap();
    let storage = FaultyStorage::new(5);
    write(1, &storage, &key, 0).unwrap();
    let steps = storage.steps();
    write(2, &storage, &key, 0).unwrap();
    let (mut earlier, mut later) = (0, 0);
    for step in 1..=storage.steps() - steps + 1 {
        for seed in 0..20 {
            let storage = FaultyStorage::new(seed);
            write(1, &storage, &key, 0).unwrap();
            storage.set_faults(Faults { crash_at: Some(storage.steps() + step), ..Faults::default() });
            let written = write(2, &storage, &key, 0).is_ok();
            let found = read(&storage.crash(), &key, 0).unwrap().unwrap().head.position;
            assert!(found == 2 || (found == 1 && !written), "step {step}, seed {seed}");
            (earlier, later) = (earlier + usize::from(found == 1), later + usize::from(found == 2));
        }
    }
    assert!(earlier > 0 && later > 0, "{earlier}, {later}");
}

#[test]
fn without_room_the_earlier_one_stands_and_nothing_is_left_behind() {
    let (storage, key) = (FaultyStorage::new(1), MasterKey::random().unwrap());
    write(1, &storage, &key, 0).unwrap();
    storage.set_faults(Faults { space_bytes: Some(1000), ..Faults::default() });
    assert!(matches!(write(2, &storage, &key, 0), Err(CheckpointError::Io { .. })));
    assert_eq!(read(&storage, &key, 0).unwrap().unwrap().head.position, 1);
    assert_eq!(storage.list().unwrap(), [NAME]);
}
