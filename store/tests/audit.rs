//! The trail of look-ups as its writer, its readers and those who would change it meet it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::fs;
use std::path::{Path, PathBuf};

use icaze_store::audit::{Action, Detail, Head, Keys, Page, Record, Trail, TrailError, verify};
use icaze_store::ledger::MasterKey;
use jiff::Timestamp;
use proptest::prelude::*;

struct Bench {
    dir: tempfile::TempDir,
    keys: Keys,
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), keys: Keys::new(&MasterKey::random().unwrap()) }
    }

    fn open(&self) -> Result<Trail, TrailError> {
        Trail::open(self.dir.path(), self.keys.clone())
    }

    fn record(&self, person: u32) -> Record {
        Record {
            number: 0,
            at: Timestamp::from_second(1_607_940_000).unwrap(),
            who: "patrol-12".into(),
            institution: "Baku police".into(),
            action: Action::LookUpByDocument,
            allowed: true,
            covert: false,
            subjects: vec![self.keys.person(person)],
            detail: Some(Detail { asked: "AZE10000001".into(), reason: "roadside check".into() }),
        }
    }

    /// A trail of so many records, each about a person of its number.
    fn filled(records: u32) -> (Self, Head) {
        let bench = Self::new();
        let mut trail = bench.open().unwrap();
        (1..=records).for_each(|person| {
            trail.append(&bench.record(person)).unwrap();
        });
        let head = trail.head();
        (bench, head)
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("000000000001.log")
    }

    fn lines(&self) -> Vec<String> {
        fs::read_to_string(self.file()).unwrap().split_inclusive('\n').map(str::to_owned).collect()
    }

    fn page(&self, before: Option<u64>, limit: usize) -> Page {
        Page::read(self.dir.path(), &self.keys, before, limit, None).unwrap()
    }
}

fn broken(dir: &Path, known: Option<Head>) -> String {
    verify(dir, known).unwrap_err().to_string()
}

#[test]
fn what_was_written_is_read_back_across_restarts() {
    let (bench, head) = Bench::filled(3);
    let mut trail = bench.open().unwrap();
    assert_eq!(trail.head(), head);
    trail.append(&bench.record(9)).unwrap();
    assert_eq!(verify(bench.dir.path(), Some(head)).unwrap(), trail.head());
    let page = bench.page(None, 2);
    assert_eq!(page.records.iter().map(|record| record.number).collect::<Vec<_>>(), [4, 3]);
    let expected = Record { number: 4, ..bench.record(9) };
    assert_eq!((page.records[0].clone(), page.next), (expected, Some(3)));
    let page = bench.page(page.next, 2);
    assert_eq!((page.records.len(), page.next), (2, None));
    assert_eq!(head.to_string().parse(), Ok(head));
}

#[test]
fn a_persons_records_are_found_and_nobody_is_named_in_the_file() {
    let (bench, _) = Bench::filled(5);
    let about = Page::read(bench.dir.path(), &bench.keys, None, 10, Some(bench.keys.person(2))).unwrap();
    assert_eq!(about.records.iter().map(|record| record.number).collect::<Vec<_>>(), [2]);
    let text = fs::read_to_string(bench.file()).unwrap();
    assert!(!text.contains("AZE10000001") && !text.contains("roadside"), "{text}");
    let other = Keys::new(&MasterKey::random().unwrap());
    let page = Page::read(bench.dir.path(), &other, None, 1, None).unwrap();
    assert_eq!(page.records[0].detail, None, "another key opens nothing");
}

#[test]
fn the_first_record_that_was_changed_taken_out_or_put_in_is_named() {
    let (bench, head) = Bench::filled(5);
    let lines = bench.lines();
    let with = |lines: &[String]| fs::write(bench.file(), lines.concat()).unwrap();
    let mut changed = lines.clone();
    changed[2] = changed[2].replace("patrol-12", "patrol-13");
    with(&changed);
    assert!(broken(bench.dir.path(), None).contains("record 3 was changed"));
    assert!(matches!(bench.open(), Err(TrailError::Broken(broken)) if broken.number == 3));
    with(&[&lines[..1], &lines[2..]].concat());
    assert!(broken(bench.dir.path(), None).contains("record 2 is missing"));
    with(&[&lines[..3], &lines[2..]].concat());
    assert!(broken(bench.dir.path(), None).contains("record 4 was changed"));
    with(&lines[..4]);
    assert_eq!(verify(bench.dir.path(), None).unwrap().number, 4, "the chain alone cannot tell");
    assert!(broken(bench.dir.path(), Some(head)).contains("record 5 is missing: the trail was cut off"));
}

#[test]
fn a_trail_that_was_written_anew_does_not_meet_the_head_that_was_kept() {
    let (_, head) = Bench::filled(5);
    let (forged, _) = Bench::filled(6);
    assert!(broken(forged.dir.path(), Some(head)).contains("record 5 was changed"));
}

#[test]
fn what_a_crash_left_of_a_record_is_cut_off() {
    let (bench, head) = Bench::filled(3);
    let whole = fs::read(bench.file()).unwrap();
    for cut in 1..40 {
        fs::write(bench.file(), [&whole[..], &whole[..cut]].concat()).unwrap();
        assert_eq!(verify(bench.dir.path(), Some(head)).unwrap(), head, "a reader leaves it out");
        assert_eq!(bench.open().unwrap().head(), head);
        assert_eq!(fs::read(bench.file()).unwrap(), whole);
    }
}

proptest! {
    #[test]
    fn no_flipped_bit_goes_unnoticed(place in 0..2000_usize, bit in 0..8_u8) {
        let (bench, head) = Bench::filled(4);
        let mut bytes = fs::read(bench.file()).unwrap();
        let place = place % bytes.len();
        bytes[place] ^= 1 << bit;
        fs::write(bench.file(), bytes).unwrap();
        prop_assert!(verify(bench.dir.path(), Some(head)).is_err());
    }
}
