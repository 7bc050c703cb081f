//! A reader beside a writer: whatever the writer does between two of the reader's steps, the reader sees a sound ledger.

use std::cell::{Cell, RefCell};
use std::io;

use icaze_store::ledger::{
    FaultyStorage, Ledger, MasterKey, Options, ReadError, Storage, read, read_closed, verify,
};

use crate::entries;

fn options() -> Options {
    Options { segment_bytes: 16 << 10, ..Options::default() }
}

/// A storage whose reads are slow: in the middle of its `when`-th one something else happens.
struct Slow<F> {
    storage: FaultyStorage,
    reads: Cell<u64>,
    when: u64,
    what: RefCell<Option<F>>,
    released: RefCell<Vec<String>>,
}

impl<F: FnOnce()> Slow<F> {
    fn new(storage: FaultyStorage, when: u64, what: F) -> Self {
        Self {
            storage,
            reads: Cell::new(0),
            when,
            what: RefCell::new(Some(what)),
            released: RefCell::default(),
        }
    }

    fn now(&self) {
        self.reads.set(self.reads.get() + 1);
        if self.reads.get() == self.when
            && let Some(what) = self.what.take()
        {
            what();
        }
    }
}

impl<F: FnOnce()> Storage for Slow<F> {
    type File = <FaultyStorage as Storage>::File;

    fn location(&self) -> String {
        self.storage.location()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let names = self.storage.list();
        self.now();
        names
    }

    fn open(&self, name: &str) -> io::Result<Self::File> {
        let file = self.storage.open(name);
        self.now();
        file
    }

    fn size(&self, file: &Self::File) -> io::Result<u64> {
        self.storage.size(file)
    }

    fn read_at(&self, file: &Self::File, offset: u64, to: &mut [u8]) -> io::Result<usize> {
        // Not at a frame's border, and early enough for whole frames to follow.
        let (early, late) = to.split_at_mut(to.len().min(200));
        let count = self.storage.read_at(file, offset, early)?;
        self.now();
        if count < early.len() {
            return Ok(count);
        }
        Ok(count + self.storage.read_at(file, offset + count as u64, late)?)
    }

    fn release(&self, name: &str) {
        self.released.borrow_mut().push(name.to_owned());
    }

    fn create(&self, _: &str, _: u64) -> io::Result<Self::File> {
        unreachable!("a reader changes nothing")
    }

    fn write_at(&self, _: &Self::File, _: u64, _: &[u8]) -> io::Result<()> {
        unreachable!("a reader changes nothing")
    }

    fn truncate(&self, _: &Self::File, _: u64) -> io::Result<()> {
        unreachable!("a reader changes nothing")
    }

    fn sync(&self, _: &Self::File) -> io::Result<()> {
        unreachable!("a reader changes nothing")
    }

    fn sync_names(&self) -> io::Result<()> {
        unreachable!("a reader changes nothing")
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        unreachable!("a reader changes nothing")
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        unreachable!("a reader changes nothing")
    }
}

/// Commits batches of three records.
fn write(ledger: &mut Ledger<FaultyStorage>, batch: &mut icaze_store::ledger::Batch, batches: usize) {
    for _ in 0..batches {
        for _ in 0..3 {
            entries::numbered(batch.next_seq()).append_to(batch).unwrap();
        }
        ledger.commit(batch).unwrap();
    }
}

/// Whatever `meanwhile` commits, at every step of the reader: it sees 1, 2, 3 and so on, at least to where it began.
fn reads_soundly(
    before: usize,
    meanwhile: impl Fn(&FaultyStorage, &MasterKey, Ledger<FaultyStorage>, icaze_store::ledger::Batch),
) {
    let key = MasterKey::random().unwrap();
    for when in 1..=24 {
        let storage = FaultyStorage::new(when);
        let (mut ledger, mut batch) = Ledger::open(storage.clone(), &key, 0, options(), |_| {}).unwrap();
        write(&mut ledger, &mut batch, before);
        let slow = Slow::new(storage.clone(), when, || meanwhile(&storage, &key, ledger, batch));
        let mut last = 0;
        let summary = read(&slow, Some(&key), |record, _| {
            last += 1;
            assert_eq!(record.seq, last, "step {when}");
        });
        let summary = summary.unwrap_or_else(|error| panic!("step {when}: {error}"));
        assert!(last >= 3 * before as u64);
        assert_eq!((summary.records, summary.last_seq), (last, last), "step {when}");
    }
}

#[test]
fn commits_in_the_middle_of_a_read_are_no_damage() {
    reads_soundly(0, |_, _, mut ledger, mut batch| write(&mut ledger, &mut batch, 5));
    reads_soundly(4, |_, _, mut ledger, mut batch| write(&mut ledger, &mut batch, 5));
}

#[test]
fn a_new_segment_in_the_middle_of_a_read_is_no_damage() {
    reads_soundly(40, |_, _, mut ledger, mut batch| write(&mut ledger, &mut batch, 100));
}

#[test]
fn a_restart_in_the_middle_of_a_read_shows_no_record_twice() {
    reads_soundly(4, |storage, key, ledger, _| {
        drop(ledger);
        let (mut ledger, mut batch) = Ledger::open(storage.clone(), key, 0, options(), |_| {}).unwrap();
        write(&mut ledger, &mut batch, 2);
    });
}

#[test]
fn a_misdirected_write_is_damage() {
    let key = MasterKey::random().unwrap();
    let storage = FaultyStorage::new(1);
    let (mut ledger, mut batch) = Ledger::open(storage.clone(), &key, 0, options(), |_| {}).unwrap();
    write(&mut ledger, &mut batch, 3);
    // The first frame once more, where the second one was. Both have the same length.
    let file = storage.open("0000000001.log").unwrap();
    let mut bytes = vec![0; 12 << 10];
    storage.read_at(&file, 4096, &mut bytes).unwrap();
    let second = bytes.windows(8).skip(8).position(|window| *window == bytes[..8]).unwrap() + 8;
    storage.write_at(&file, 4096 + second as u64, &bytes[..second]).unwrap();
    let error = verify(&storage).unwrap_err();
    assert!(
        matches!(&error, ReadError::Damaged(damage) if damage.offset == 4096 + second as u64 && damage.seq == 4),
        "{error}"
    );
}

#[test]
fn only_a_closed_segment_that_was_read_may_leave_the_systems_memory() {
    let (storage, key) = (FaultyStorage::new(7), MasterKey::random().unwrap());
    let (mut ledger, mut batch) = Ledger::open(storage.clone(), &key, 0, options(), |_| {}).unwrap();
    write(&mut ledger, &mut batch, 1);
    ledger.roll().unwrap();
    write(&mut ledger, &mut batch, 1);
    let slow = Slow::new(storage, u64::MAX, || {});
    read(&slow, Some(&key), |_, _| {}).unwrap();
    assert!(slow.released.borrow().is_empty(), "whoever reads all may read it again");
    let last = read_closed(&slow, Some(&key), 0, |_, _| {}).unwrap();
    assert_eq!(read_closed(&slow, Some(&key), last.unwrap(), |_, _| {}).unwrap(), None);
    assert_eq!(*slow.released.borrow(), ["0000000001.log"]);
}
