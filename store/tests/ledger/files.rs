//! On the file system: locks, keys, and what an operator reads when something is wrong.

use std::fs;
use std::path::Path;

use icaze_store::ledger::{
    Entry, FileStorage, KeyError, Ledger, MasterKey, OpenError, Options, ReadError, Storage, read,
    read_closed, read_some, verify,
};

use jiff::Timestamp;

use crate::entries;

fn options() -> Options {
    Options { segment_bytes: 64 << 10, ..Options::default() }
}

fn write(dir: &Path, key: &MasterKey, numbers: std::ops::RangeInclusive<u64>) {
    let storage = FileStorage::open(dir).unwrap();
    let (mut ledger, mut batch) = Ledger::open(storage, key, 0, options(), |_| {}).unwrap();
    for number in numbers {
        assert_eq!(entries::numbered(number).append_to(&mut batch), Ok(number));
        ledger.commit(&mut batch).unwrap();
    }
}

fn numbers(dir: &Path, key: &MasterKey) -> Vec<u64> {
    let mut numbers = Vec::new();
    read(&FileStorage::read_only(dir).unwrap(), Some(key), |record, _| {
        numbers.push(entries::number_of(&record.entry));
    })
    .unwrap();
    numbers
}

fn open_error(dir: &Path, key: &MasterKey, node: u8) -> OpenError {
    let opened = Ledger::open(FileStorage::open(dir).unwrap(), key, node, options(), |_| {});
    opened.err().unwrap()
}

#[test]
fn records_outlive_restarts_and_their_unused_space_is_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let key = MasterKey::random().unwrap();
    write(dir.path(), &key, 1..=20);
    write(dir.path(), &key, 21..=21);
    write(dir.path(), &key, 22..=30);
    assert_eq!(numbers(dir.path(), &key), (1..=30).collect::<Vec<_>>());
    assert_eq!(verify(&FileStorage::read_only(dir.path()).unwrap()).unwrap().segments, 3);
    assert!(fs::metadata(dir.path().join("0000000001.log")).unwrap().len() < 16 << 10);
    assert_eq!(fs::metadata(dir.path().join("0000000003.log")).unwrap().len(), 64 << 10);
}

/// A reader takes a mebibyte at a time: batches that lie across two of these, and one that is longer.
#[test]
fn batches_of_any_length_are_read_whole() {
    let dir = tempfile::tempdir().unwrap();
    let key = MasterKey::random().unwrap();
    let storage = FileStorage::open(dir.path()).unwrap();
    let options = Options { segment_bytes: 64 << 20, ..Options::default() };
    let (mut ledger, mut batch) = Ledger::open(storage, &key, 0, options, |_| {}).unwrap();
    for records in [5000, 7000, 3000, 40_000, 1, 9000, 2000] {
        for _ in 0..records {
            entries::numbered(batch.last_seq() + 1).append_to(&mut batch).unwrap();
        }
        assert!(records < 40_000 || batch.bytes() > 1 << 20);
        ledger.commit(&mut batch).unwrap();
    }
    assert_eq!(numbers(dir.path(), &key), (1..=66_001).collect::<Vec<_>>());

    ledger.roll().unwrap();
    let mut next = 1;
    let storage = FileStorage::read_only(dir.path()).unwrap();
    let last = read_closed(&storage, Some(&key), 0, |record, _| {
        assert_eq!(entries::number_of(&record.entry), next);
        next += 1;
    });
    assert_eq!((last.unwrap(), next), (Some(66_001), 66_002));

    // Rot in the long one is found, and where it is.
    let log = dir.path().join("0000000001.log");
    let mut bytes = fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    *bytes.get_mut(middle).unwrap() ^= 1;
    fs::write(&log, bytes).unwrap();
    assert!(matches!(verify(&storage), Err(ReadError::Damaged(damage)) if damage.seq == 15_001));
}

#[test]
fn a_second_process_is_refused_and_a_reader_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let first = FileStorage::open(dir.path()).unwrap();
    let error = FileStorage::open(dir.path()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ResourceBusy);
    assert!(error.to_string().contains("in use by another process"), "{error}");
    let reader = FileStorage::read_only(dir.path()).unwrap();
    assert!(reader.list().is_ok());
    assert!(reader.create("0000000009.log", 1).is_err());
    drop(first);
    FileStorage::open(dir.path()).unwrap();
}

#[test]
fn a_store_without_its_key_is_refused_rather_than_given_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let (store, key_file) = (dir.path().join("store"), dir.path().join("keys/ledger.key"));
    let key = MasterKey::open(&key_file, &FileStorage::open(&store).unwrap()).unwrap();
    write(&store, &key, 1..=1);
    fs::remove_file(&key_file).unwrap();
    let error = MasterKey::open(&key_file, &FileStorage::open(&store).unwrap()).unwrap_err();
    assert!(matches!(error, KeyError::Missing { .. }));
    let said = error.to_string();
    assert!(said.contains(store.to_str().unwrap()) && said.contains(key_file.to_str().unwrap()), "{said}");
    assert!(!key_file.exists());
}

#[test]
fn another_key_and_another_node_are_told_apart_from_damage() {
    let dir = tempfile::tempdir().unwrap();
    let key = MasterKey::random().unwrap();
    write(dir.path(), &key, 1..=3);
    let other = MasterKey::random().unwrap();
    assert!(matches!(open_error(dir.path(), &other, 0), OpenError::Read(ReadError::WrongKey { .. })));
    assert!(matches!(open_error(dir.path(), &key, 1), OpenError::Node { found: 0, node: 1, .. }));
    assert_eq!(numbers(dir.path(), &key), [1, 2, 3]);
}

#[test]
fn another_format_version_is_told_apart_from_damage() {
    let dir = tempfile::tempdir().unwrap();
    let key = MasterKey::random().unwrap();
    write(dir.path(), &key, 1..=3);
    let path = dir.path().join("0000000001.log");
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] = 2;
    fs::write(&path, bytes).unwrap();
    let error = open_error(dir.path(), &key, 0);
    assert!(matches!(error, OpenError::Read(ReadError::Version { version: 2, .. })), "{error}");
}

#[test]
fn a_missing_segment_or_key_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let key = MasterKey::random().unwrap();
    for start in 1..=3 {
        write(dir.path(), &key, start..=start);
    }
    let away = dir.path().join("away");
    let keys = dir.path().join("0000000002.keys");
    fs::rename(&keys, &away).unwrap();
    let error = open_error(dir.path(), &key, 0);
    assert!(
        matches!(&error, OpenError::Read(ReadError::KeyFile { file, .. }) if file.ends_with("2.keys")),
        "{error}"
    );
    verify(&FileStorage::read_only(dir.path()).unwrap()).unwrap();
    fs::rename(&away, &keys).unwrap();

    let segment = dir.path().join("0000000002.log");
    fs::rename(&segment, &away).unwrap();
    let error = open_error(dir.path(), &key, 0);
    assert!(
        matches!(&error, OpenError::Read(ReadError::MissingSegment { file }) if file.ends_with("2.log")),
        "{error}"
    );
    fs::rename(&away, &segment).unwrap();
    assert_eq!(numbers(dir.path(), &key), [1, 2, 3]);
}

#[test]
fn destroying_a_kinds_key_leaves_the_other_kinds_readable() {
    let dir = tempfile::tempdir().unwrap();
    let key = MasterKey::random().unwrap();
    write(dir.path(), &key, 1..=2);
    write(dir.path(), &key, 3..=3);
    // As FORMAT.md has it: the slot of `text` zeroed, the sum made right.
    let path = dir.path().join("0000000001.keys");
    let mut bytes = fs::read(&path).unwrap();
    bytes[108..168].fill(0);
    let sum = crc32c::crc32c(&bytes[..172]);
    bytes[172..].copy_from_slice(&sum.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let mut visible = Vec::new();
    read(&FileStorage::read_only(dir.path()).unwrap(), Some(&key), |_, what| {
        visible.push((what.person, what.text));
    })
    .unwrap();
    // The second record was written again when the third one's segment began.
    assert_eq!(visible, [(true, false), (true, true), (true, true)]);
    let opened = Ledger::open(FileStorage::open(dir.path()).unwrap(), &key, 0, options(), |_| {});
    assert!(opened.is_ok());
}

#[test]
fn a_start_from_a_checkpoint_leaves_older_segments_unread() {
    let dir = tempfile::tempdir().unwrap();
    let key = MasterKey::random().unwrap();
    write(dir.path(), &key, 1..=5);
    write(dir.path(), &key, 6..=9);
    // A byte of the first segment that only a reader of its frames can miss.
    let path = dir.path().join("0000000001.log");
    let mut bytes = fs::read(&path).unwrap();
    bytes[4200] ^= 1;
    fs::write(&path, bytes).unwrap();
    let mut seen = Vec::new();
    let from_8 = Options { visit_from: 8, ..options() };
    let storage = FileStorage::open(dir.path()).unwrap();
    Ledger::open(storage, &key, 0, from_8, |record| seen.push(record.seq)).unwrap();
    assert_eq!(seen, [8, 9]);
    assert!(matches!(open_error(dir.path(), &key, 0), OpenError::Read(ReadError::Damaged(_))));
}

#[test]
fn a_segment_that_lost_whole_batches_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let key = MasterKey::random().unwrap();
    write(dir.path(), &key, 1..=4);
    write(dir.path(), &key, 5..=5);
    let segment = fs::OpenOptions::new().write(true).open(dir.path().join("0000000001.log")).unwrap();
    let frame = (segment.metadata().unwrap().len() - 4096) / 4;
    segment.set_len(4096 + 2 * frame).unwrap();
    let error = open_error(dir.path(), &key, 0);
    assert!(matches!(&error, OpenError::Read(ReadError::Damaged(damage)) if damage.seq == 3), "{error}");
}

#[test]
fn a_segment_of_another_ledger_is_damage() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let key = MasterKey::random().unwrap();
    // Three records in one, two in the other, in batches of the same length.
    let (three, two) = (vec![Entry::Start; 3], vec![Entry::Receiver("sixsix", true); 2]);
    for (dir, first) in [(dir.path(), three), (other.path(), two)] {
        for batches in [[first, vec![Entry::Stop]], [vec![Entry::Start], vec![Entry::Stop]]] {
            let storage = FileStorage::open(dir).unwrap();
            let (mut ledger, mut batch) = Ledger::open(storage, &key, 0, options(), |_| {}).unwrap();
            for entries in batches {
                for entry in entries {
                    batch.append(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, &entry).unwrap();
                }
                ledger.commit(&mut batch).unwrap();
            }
        }
    }
    for name in ["0000000002.log", "0000000002.keys"] {
        fs::copy(other.path().join(name), dir.path().join(name)).unwrap();
    }
    let error = open_error(dir.path(), &key, 0).to_string();
    assert!(error.contains("it ends with record 3 and the next segment begins with 3"), "{error}");
}

#[test]
fn single_records_are_found_in_closed_segments() {
    let dir = tempfile::tempdir().unwrap();
    let key = MasterKey::random().unwrap();
    let storage = FileStorage::open(dir.path()).unwrap();
    let (mut ledger, mut batch) = Ledger::open(storage, &key, 0, options(), |_| {}).unwrap();
    for number in 1..=3000 {
        assert_eq!(entries::numbered(number).append_to(&mut batch), Ok(number));
        // Batches of one record and of many.
        if number % 7 == 0 || number % 50 > 30 {
            ledger.commit(&mut batch).unwrap();
        }
    }
    ledger.commit(&mut batch).unwrap();
    let storage = FileStorage::read_only(dir.path()).unwrap();
    assert!(verify(&storage).unwrap().segments > 3);
    let found = |wanted: &[u64]| {
        let mut found = Vec::new();
        read_some(&storage, Some(&key), wanted.to_vec(), |record, visible| {
            assert!(visible.person && entries::number_of(&record.entry) == record.seq);
            found.push(record.seq);
        })
        .unwrap();
        found
    };
    let closed = read_closed(&storage, Some(&key), 0, |_, _| {}).unwrap().unwrap();
    assert!(closed > 100, "{closed}");
    assert_eq!(found(&[closed, 5, 1, 1, closed + 1, 77, 9_999_999]), [1, 5, 77, closed, closed + 1]);
    assert_eq!(found(&[3000]), [3000], "in the segment that is written to");
    assert_eq!(found(&(1..=closed).collect::<Vec<_>>()), (1..=closed).collect::<Vec<_>>());
    let keyless = |record: &icaze_store::ledger::Record<'_>, visible: icaze_store::ledger::Visible| {
        assert!(record.seq == 5 && !visible.person);
    };
    read_some(&storage, None, vec![5], keyless).unwrap();

    // Damage is told with its place.
    let path = dir.path().join("0000000001.log");
    let mut bytes = fs::read(&path).unwrap();
    bytes[4096 + 48 + 5] ^= 1;
    fs::write(&path, bytes).unwrap();
    let error = read_some(&storage, Some(&key), vec![1], |_, _| {}).unwrap_err();
    assert!(matches!(&error, ReadError::Damaged(damage) if damage.offset == 4096), "{error}");
}
