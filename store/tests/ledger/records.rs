//! What is written is what is read.

use icaze_store::ledger::{
    DumpWith, Faults, FaultyStorage, Ledger, MasterKey, Options, Storage, dump_json, read, verify,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::entries::{self, Written};

fn options() -> Options {
    Options { segment_bytes: 64 << 10, ..Options::default() }
}

const WITH: DumpWith = DumpWith { code: |code| code.to_string(), reply_parts: |_| 1 };

/// A ledger of node 3 with one batch for each slice.
fn filled(key: &MasterKey, batches: &[Vec<Written>]) -> FaultyStorage {
    let storage = FaultyStorage::new(1);
    let (mut ledger, mut batch) = Ledger::open(storage.clone(), key, 3, options(), |_| {}).unwrap();
    for entries in batches {
        for written in entries {
            written.append_to(&mut batch).unwrap();
        }
        let durable = ledger.commit(&mut batch).unwrap();
        assert!(durable.covers(batch.last_seq()) && batch.is_empty());
    }
    storage
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_entry_comes_back(batches in vec(vec(entries::written(), 0..5), 0..5)) {
        let key = MasterKey::random().unwrap();
        let storage = filled(&key, &batches);
        let all: Vec<&Written> = batches.iter().flatten().collect();
        let mut found = 0;
        let summary = read(&storage, Some(&key), |record, visible| {
            let written = all[found];
            found += 1;
            assert_eq!((record.seq, record.node), (found as u64, 3));
            assert_eq!(record.received_at, written.received_at);
            assert_eq!(record.decided_at, written.decided_at);
            assert_eq!(record.entry, written.entry());
            assert!(visible.person && visible.text);
        }).unwrap();
        prop_assert_eq!(found, all.len());
        prop_assert_eq!(summary.records, all.len() as u64);

        // The same again by a restart, and once more by the next one, when the last batch has moved.
        for _ in 0..2 {
            let mut found = 0;
            let (ledger, batch) = Ledger::open(storage.clone(), &key, 3, options(), |record| {
                assert_eq!(record.entry, all[found].entry());
                found += 1;
                assert_eq!(record.seq, found as u64);
            }).unwrap();
            prop_assert_eq!(found, all.len());
            prop_assert_eq!(batch.next_seq(), all.len() as u64 + 1);
            prop_assert!(ledger.durable().covers(batch.last_seq()));
        }
    }

    #[test]
    fn without_the_key_only_personal_fields_are_missing(entries in vec(entries::written(), 1..6)) {
        let key = MasterKey::random().unwrap();
        let storage = filled(&key, std::slice::from_ref(&entries));
        let lines = |key: Option<&MasterKey>| {
            let mut lines = Vec::new();
            read(&storage, key, |record, visible| {
                let line = dump_json(record, visible, WITH);
                lines.push(serde_json::from_str::<serde_json::Value>(&line).unwrap());
            }).unwrap();
            lines
        };
        for (mut full, plain) in lines(Some(&key)).into_iter().zip(lines(None)) {
            let fields = full.as_object_mut().unwrap();
            for personal in ["from", "identity", "document", "person", "text"] {
                fields.remove(personal);
            }
            if let Some(permit) = fields.get_mut("permit") {
                permit.as_object_mut().unwrap().remove("code");
            }
            if let Some(reply) = fields.get_mut("reply") {
                reply.as_object_mut().unwrap().remove("text");
                reply.as_object_mut().unwrap().remove("parts");
            }
            prop_assert_eq!(full, plain);
        }
    }
}

#[test]
fn personal_data_is_nowhere_in_the_files() {
    let key = MasterKey::random().unwrap();
    let storage = filled(&key, &[vec![entries::numbered(31_415_926_535)]]);
    for name in storage.list().unwrap() {
        let file = storage.open(&name).unwrap();
        let mut bytes = vec![0; storage.size(&file).unwrap() as usize];
        storage.read_at(&file, 0, &mut bytes).unwrap();
        for personal in [&b"994501234567"[..], b"31415926535", &31_415_926_535_u64.to_le_bytes()] {
            assert!(!bytes.windows(personal.len()).any(|window| window == personal), "{name}");
        }
    }
}

#[test]
fn two_batches_under_one_key_never_share_a_key_stream() {
    let key = MasterKey::random().unwrap();
    let same = || vec![entries::numbered(1)];
    let storage = filled(&key, &[same(), same()]);
    let file = storage.open("0000000001.log").unwrap();
    let mut bytes = vec![0; 4096];
    storage.read_at(&file, 4096, &mut bytes).unwrap();
    // The sealed `person` sections of equal records: 12 digits with their TON, NPI and length, and 16 bytes of identity.
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let (plain, person, text) = (word(28), word(32), word(36));
    let frame = (48 + plain + person + text).next_multiple_of(8);
    let sealed = |at: usize| &bytes[at + 48 + plain..at + 48 + plain + person];
    assert_eq!(person, 15 + 16 + 16);
    assert_eq!(word(frame + 32), person);
    assert_ne!(sealed(0), sealed(frame));
}

#[test]
fn a_reader_beside_the_writer_ends_at_the_last_commit() {
    let key = MasterKey::random().unwrap();
    let storage = FaultyStorage::new(1);
    let (mut ledger, mut batch) = Ledger::open(storage.clone(), &key, 0, options(), |_| {}).unwrap();
    // Far enough to pass through several segments.
    for number in 1..=2000 {
        entries::numbered(number).append_to(&mut batch).unwrap();
        if number % 7 == 0 {
            ledger.commit(&mut batch).unwrap();
        }
        if number % 311 == 0 {
            let summary = verify(&storage).unwrap();
            assert_eq!(summary.last_seq, number / 7 * 7);
            assert_eq!(summary.records, summary.last_seq);
            assert!(!summary.torn);
        }
    }
    assert!(storage.list().unwrap().len() > 4);
    storage.set_faults(Faults { sync_error_at: Some(0), ..Faults::default() });
    assert!(ledger.commit(&mut batch).is_err());
}
