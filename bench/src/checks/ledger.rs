//! The ledger: recovery from what is left of one, and records under sums that are right.

use std::sync::LazyLock;

use icaze_store::ledger::{
    Batch, Entry, FaultyStorage, Ledger, Mark, MasterKey, OpenError, Options, Storage, read, verify,
};
use jiff::Timestamp;

use super::bound_memory;

/// A ledger that is whole: one record to a batch, in two segments.
struct Whole {
    key: MasterKey,
    disk: FaultyStorage,
    /// As recovery shows them.
    records: Vec<String>,
}

const OPTIONS: Options = Options { segment_bytes: 16 << 10, visit_from: 1 };
const RECORDS: u64 = 12;
const FIRST_SEGMENT: &str = "0000000001.log";

static WHOLE: LazyLock<Whole> = LazyLock::new(|| {
    let (key, disk) = (MasterKey::random().unwrap(), FaultyStorage::new(1));
    for _ in 0..2 {
        let (mut ledger, mut batch) = Ledger::open(disk.clone(), &key, 0, OPTIONS, |_| ()).unwrap();
        for _ in 0..RECORDS / 2 {
            append(&mut batch);
            ledger.commit(&mut batch).unwrap();
        }
    }
    let records = open(&disk.kill(), &key).unwrap().records;
    assert_eq!(records.len() as u64, RECORDS);
    Whole { key, disk, records }
});

struct Opened {
    ledger: Ledger<FaultyStorage>,
    batch: Batch,
    records: Vec<String>,
}

fn open(disk: &FaultyStorage, key: &MasterKey) -> Result<Opened, OpenError> {
    let mut records = Vec::new();
    let visit = |record: &icaze_store::ledger::Record<'_>| records.push(format!("{record:?}"));
    let (ledger, batch) = Ledger::open(disk.clone(), key, 0, OPTIONS, visit)?;
    Ok(Opened { ledger, batch, records })
}

/// Appends a record that differs from all others.
fn append(batch: &mut Batch) {
    let number = batch.next_seq();
    let at = Timestamp::from_second(number as i64).unwrap();
    let entry = if number.is_multiple_of(2) {
        Entry::Mark(Mark::Sent, vec![number; 20].into())
    } else {
        Entry::Receiver("operator", true)
    };
    batch.append(at, at, &entry).unwrap();
}

/// A whole ledger after damage, six octets each: what is done, to which file, at which offset (two octets), how far
/// (two octets). It does not open, or it has the first records and goes on from there; and one flipped byte
/// costs at most the newest record, which nothing written later vouches for.
///
/// # Panics
/// If not.
pub fn recovery(input: &[u8]) {
    bound_memory();
    let whole = &*WHOLE;
    let disk = whole.disk.kill();
    let (damages, _) = input.as_chunks::<6>();
    let damages = &damages[..damages.len().min(16)];
    let flips_one = matches!(damages, [[0, ..]]);
    for damage in damages {
        let _ = do_harm(&disk, *damage);
    }
    let first_is_there = disk.list().unwrap().iter().any(|name| name == FIRST_SEGMENT);
    let verified = verify(&disk);
    let Ok(mut opened) = open(&disk, &whole.key) else { return };
    let left = opened.records.len();
    assert_eq!(verified.unwrap().records, left as u64, "verify and recovery disagree");
    // The loss of the oldest segment cannot be told from retention: then the first records are gone.
    let mut starts = if first_is_there { 0..1 } else { 0..whole.records.len() };
    let follows = |from: usize| whole.records[from..].starts_with(&opened.records);
    assert!(starts.any(follows), "{left} records, not those that were written");
    assert!(!flips_one || left as u64 >= RECORDS - 1, "{left} records after one flipped byte");
    append(&mut opened.batch);
    opened.ledger.commit(&mut opened.batch).unwrap();
    let again = open(&disk, &whole.key).unwrap();
    assert_eq!(again.records.len(), left + 1);
    assert!(again.records.starts_with(&opened.records), "records changed by a start");
}

fn do_harm(disk: &FaultyStorage, [what, file, a, b, c, d]: [u8; 6]) -> std::io::Result<()> {
    let names = disk.list()?;
    let Some(name) = names.get(usize::from(file) % names.len().max(1)) else { return Ok(()) };
    let [at, far] = [u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])];
    let file = disk.open(name)?;
    let size = disk.size(&file)?;
    let at = u64::from(at) % size.max(1);
    let far = u64::from(far).min(size - at);
    let bytes = |from: u64| {
        let mut bytes = vec![0; far as usize];
        disk.read_at(&file, from, &mut bytes).map(|_| bytes)
    };
    match what {
        0 => disk.flip(name, at, c | 1),
        1 => disk.write_at(&file, at, &vec![0; far as usize])?,
        2 => disk.write_at(&file, at, &vec![d; far as usize])?,
        3 => disk.truncate(&file, at)?,
        4 => disk.remove(name)?,
        5 => disk.rename(name, &names[usize::from(d) % names.len()])?,
        // A piece of the file, or of another one, over this one.
        6 => disk.write_at(&file, at, &bytes(u64::from(c) * 8)?)?,
        7 => disk.write_at(&disk.open(&names[usize::from(d) % names.len()])?, at, &bytes(at)?)?,
        _ => {}
    }
    Ok(())
}

/// The plain section of a batch, behind an octet for the count of its records, under sums that are right: it is
/// refused, or its records are numbered without gaps, as many as were counted.
///
/// # Panics
/// If not.
pub fn records(input: &[u8]) {
    bound_memory();
    let Some((&count, plain)) = input.split_first() else { return };
    let disk = FaultyStorage::new(1);
    let bytes = segment(count.into(), plain);
    let file = disk.create(FIRST_SEGMENT, bytes.len() as u64).unwrap();
    disk.write_at(&file, 0, &bytes).unwrap();
    let mut next = 1;
    let summary = read(&disk, None, |record, _| {
        assert_eq!(record.seq, next);
        next += 1;
    });
    assert_eq!(summary.is_ok(), verify(&disk).is_ok());
    if let Ok(summary) = summary {
        assert_eq!((summary.records, next - 1, summary.torn), (count.into(), count.into(), false));
    }
}

/// A segment of one frame (FORMAT.md of the store).
fn segment(count: u32, plain: &[u8]) -> Vec<u8> {
    const SALT: u64 = 7;
    let mut header = b"ICAZELOG\x01\0\0\0\0\0\0\0".to_vec();
    // Number, salt, first_seq, previous_end.
    for number in [1, SALT, 1, 0] {
        header.extend(u64::to_le_bytes(number));
    }
    header.extend([0; 20]);
    let mut bytes = summed(header);
    bytes.resize(4096, 0);
    let mut body = plain.to_vec();
    body.resize(plain.len().next_multiple_of(8), 0);
    let mut frame = Vec::new();
    // Salt, first_seq, synced_through.
    for number in [SALT, 1, 0] {
        frame.extend(u64::to_le_bytes(number));
    }
    for number in [count, plain.len() as u32, 0, 0, crc32c::crc32c(&body)] {
        frame.extend(number.to_le_bytes());
    }
    bytes.extend(summed(frame));
    bytes.extend(body);
    bytes
}

fn summed(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32c::crc32c(&bytes);
    bytes.extend(crc.to_le_bytes());
    bytes
}
