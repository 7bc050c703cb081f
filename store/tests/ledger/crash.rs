//! Power cuts, kills, failing syncs, torn tails and rot, from seeds.

use icaze_store::ledger::{
    CommitError, Durable, Faults, FaultyStorage, Ledger, MasterKey, OpenError, Options, ReadError, Storage,
    verify,
};
use proptest::prelude::*;

use crate::entries;

fn options() -> Options {
    Options { segment_bytes: 16 << 10, ..Options::default() }
}

type Opened = (Ledger<FaultyStorage>, icaze_store::ledger::Batch, u64);

/// Opens, checks that the records are 1, 2, 3 and so on, and returns how many there are.
fn open(storage: &FaultyStorage, key: &MasterKey) -> Result<Opened, OpenError> {
    let mut last = 0;
    let (ledger, batch) = Ledger::open(storage.clone(), key, 0, options(), |record| {
        last += 1;
        assert_eq!(record.seq, last);
        assert_eq!(entries::number_of(&record.entry), last);
    })?;
    assert_eq!(ledger.durable().position(), last);
    assert_eq!(batch.next_seq(), last + 1);
    Ok((ledger, batch, last))
}

/// Commits `batches` of 1 to `records_max` records until something fails. Returns what was durable, and the last record
/// that was appended at all.
fn write(
    opened: Opened,
    batches: usize,
    records_max: u64,
    random: &mut impl FnMut(u64) -> u64,
) -> (u64, u64) {
    let (mut ledger, mut batch, mut durable) = opened;
    for _ in 0..batches {
        for _ in 0..1 + random(records_max) {
            let next = batch.next_seq();
            entries::numbered(next).append_to(&mut batch).unwrap();
        }
        match ledger.commit(&mut batch) {
            Ok(token) => durable = token.position(),
            Err(_) => {
                assert!(matches!(ledger.commit(&mut batch), Err(CommitError::Poisoned)));
                return (durable, batch.last_seq());
            }
        }
        if ledger.make_room().is_err() {
            break;
        }
    }
    (durable, batch.last_seq())
}

fn random_from(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed | 1;
    move |bound| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % bound
    }
}

/// The story of one seed: lives that each end in a crash, a kill or a failing sync, also while recovering.
fn live_and_die(seed: u64, lives: usize) {
    let key = MasterKey::random().unwrap();
    let mut random = random_from(seed);
    let mut storage = FaultyStorage::new(seed);
    let (mut durable, mut written) = (0, 0);
    for life in 0..lives {
        let step = 1 + random(60);
        storage.set_faults(match random(3) {
            0 => Faults { sync_error_at: Some(step), ..Faults::default() },
            _ => Faults { crash_at: Some(step), ..Faults::default() },
        });
        if let Ok(opened) = open(&storage, &key) {
            assert!(opened.2 >= durable, "seed {seed}, life {life}: {} of {durable} are there", opened.2);
            assert!(opened.2 <= written, "seed {seed}, life {life}: more than was ever written");
            durable = opened.2;
            let (then_durable, then_written) = write(opened, 25, 14, &mut random);
            (durable, written) = (durable.max(then_durable), written.max(then_written));
        }
        storage = if random(2) == 0 { storage.crash() } else { storage.kill() };
    }
    let (.., found) = open(&storage.crash(), &key).unwrap();
    assert!(found >= durable && found <= written, "seed {seed}: {found}, not {durable} to {written}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_was_durable_is_there_and_nothing_but_a_prefix(seed in any::<u64>()) {
        live_and_die(seed, 6);
    }

    #[test]
    fn any_flipped_byte_in_the_middle_is_located_and_refused(seed in any::<u64>(), at in any::<u64>(), bit in 0_u8..8) {
        let key = MasterKey::random().unwrap();
        let storage = FaultyStorage::new(seed);
        let mut random = random_from(seed);
        write(open(&storage, &key).unwrap(), 30, 10, &mut random);
        let mut names = storage.list().unwrap();
        names.retain(|name| name.ends_with(".log"));
        let name = &names[(at % names.len() as u64) as usize];
        let spans = spans(&storage, name);
        // The newest batch is another story: see below.
        let spans = if name == names.last().unwrap() { &spans[..spans.len() - 1] } else { &spans[..] };
        let span = &spans[random(spans.len() as u64) as usize];
        let offset = span.start + random(span.end - span.start);
        storage.flip(name, offset, 1 << bit);

        let refused = |error: ReadError| match error {
            ReadError::Damaged(damage) => {
                prop_assert_eq!(damage.file, format!("simulated/{name}"));
                prop_assert_eq!(damage.offset, span.start);
                Ok(())
            }
            // The two bytes of the version.
            ReadError::Version { .. } if offset == 8 || offset == 9 => Ok(()),
            // Neither node nor key is looked at before the sum.
            other => Err(TestCaseError::fail(other.to_string())),
        };
        refused(verify(&storage).unwrap_err())?;
        match open(&storage, &key).err().unwrap() {
            OpenError::Read(error) => refused(error)?,
            other => return Err(TestCaseError::fail(other.to_string())),
        }
        storage.flip(name, offset, 1 << bit);
        prop_assert!(open(&storage, &key).is_ok());
    }
}

/// The header and the frames of a segment file, as FORMAT.md draws them.
fn spans(storage: &FaultyStorage, name: &str) -> Vec<std::ops::Range<u64>> {
    let file = storage.open(name).unwrap();
    let mut bytes = vec![0; storage.size(&file).unwrap() as usize];
    storage.read_at(&file, 0, &mut bytes).unwrap();
    let mut spans = Vec::from([std::ops::Range { start: 0, end: 72 }]);
    let mut at = 4096;
    while at + 48 <= bytes.len() && bytes[at..at + 8] == bytes[24..32] {
        let word = |place: usize| u32::from_le_bytes(bytes[at + place..at + place + 4].try_into().unwrap());
        let end = at + (48 + word(28) + word(32) + word(36)).next_multiple_of(8) as usize;
        spans.push(at as u64..end as u64);
        at = end;
    }
    spans
}

#[test]
fn a_batch_is_acknowledged_only_when_its_sync_has_returned() {
    let key = MasterKey::random().unwrap();
    for seed in 0..200 {
        let storage = FaultyStorage::new(seed);
        let (mut ledger, mut batch, _) = open(&storage, &key).unwrap();
        for number in 1..=3 {
            entries::numbered(number).append_to(&mut batch).unwrap();
            let durable: Durable = ledger.commit(&mut batch).unwrap();
            assert!(durable.covers(number) && !durable.covers(number + 1));
            let (.., found) = open(&storage.crash(), &key).unwrap();
            assert_eq!(found, number, "seed {seed}");
        }
    }
}

/// After a failing sync the page cache shows what the disk does not have. A restart that trusts it would send replies
/// for records that the next power cut takes away.
#[test]
fn what_a_restart_has_shown_after_a_failed_sync_survives_a_power_cut() {
    let key = MasterKey::random().unwrap();
    for seed in 0..200 {
        let storage = FaultyStorage::new(seed);
        let (mut ledger, mut batch, _) = open(&storage, &key).unwrap();
        entries::numbered(1).append_to(&mut batch).unwrap();
        ledger.commit(&mut batch).unwrap();
        entries::numbered(2).append_to(&mut batch).unwrap();
        storage.set_faults(Faults { sync_error_at: Some(0), ..Faults::default() });
        assert!(matches!(ledger.commit(&mut batch), Err(CommitError::Io { action: "sync", .. })));
        assert!(matches!(ledger.commit(&mut batch), Err(CommitError::Poisoned)));
        assert!(matches!(ledger.make_room(), Err(CommitError::Poisoned)));
        assert!(!ledger.has_room());
        let restarted = storage.kill();
        let (.., shown) = open(&restarted, &key).unwrap();
        let (.., found) = open(&restarted.crash(), &key).unwrap();
        assert_eq!((shown, found), (2, 2), "seed {seed}");
    }
}

/// A torn tail is cut once, and is no damage to the starts that follow.
#[test]
fn a_torn_tail_is_cut_and_written_on_and_never_becomes_damage() {
    let key = MasterKey::random().unwrap();
    let mut torn = 0;
    for seed in 0..300 {
        let storage = FaultyStorage::new(seed);
        let (mut ledger, mut batch, _) = open(&storage, &key).unwrap();
        entries::numbered(1).append_to(&mut batch).unwrap();
        ledger.commit(&mut batch).unwrap();
        for number in 2..=21 {
            entries::numbered(number).append_to(&mut batch).unwrap();
        }
        // The write is the step after those so far, the sync the one behind it.
        storage.set_faults(Faults { crash_at: Some(storage.steps() + 2), ..Faults::default() });
        ledger.commit(&mut batch).unwrap_err();
        let mut storage = storage.crash();
        torn += u64::from(verify(&storage).unwrap().torn);
        let (mut ledger, mut batch, kept) = open(&storage, &key).unwrap();
        assert!(kept == 1 || kept == 21, "seed {seed}: {kept}");
        entries::numbered(kept + 1).append_to(&mut batch).unwrap();
        ledger.commit(&mut batch).unwrap();
        for _ in 0..2 {
            storage = storage.crash();
            assert_eq!(open(&storage, &key).unwrap().2, kept + 1, "seed {seed}");
            assert!(!verify(&storage).unwrap().torn);
        }
    }
    assert!(torn > 100, "{torn} of 300 were torn");
}

/// Known and documented: nothing written later proves that the newest batch was durable.
#[test]
fn rot_in_the_newest_batch_looks_like_a_torn_write() {
    let key = MasterKey::random().unwrap();
    let storage = FaultyStorage::new(1);
    write(open(&storage, &key).unwrap(), 3, 1, &mut |_| 0);
    let newest = spans(&storage, "0000000001.log").pop().unwrap();
    storage.flip("0000000001.log", newest.start + 60, 1);
    assert_eq!(open(&storage, &key).unwrap().2, 2);
}

#[test]
fn batches_out_of_order_are_refused() {
    let key = MasterKey::random().unwrap();
    let (mut ledger, mut batch, _) = open(&FaultyStorage::new(1), &key).unwrap();
    let mut first = batch.spare();
    entries::numbered(1).append_to(&mut batch).unwrap();
    batch.take_into(&mut first);
    entries::numbered(2).append_to(&mut batch).unwrap();
    assert!(matches!(ledger.commit(&mut batch), Err(CommitError::OutOfOrder { expected: 1, found: 2 })));
    assert!(matches!(ledger.commit(&mut first), Err(CommitError::Poisoned)));
}
