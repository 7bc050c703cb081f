//! The register: look-ups one by one and in batches, snapshots, and damaged files.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::fs;
use std::path::Path;

use icaze_store::Document;
use icaze_store::register::{
    Builder, COLUMNS, Conflict, Entry, Flags, LoadError, Register, Row, RowStatus, SnapshotError, Status,
    import, synth,
};
use jiff::Timestamp;
use jiff::civil::date;
use proptest::prelude::*;
use tempfile::tempdir;

/// Of a snapshot's header, whose last four bytes are its checksum.
const HEADER: usize = 640;

fn document(text: &str) -> Document {
    text.parse().unwrap()
}

fn row(document: Document, person: u32) -> Row<'static> {
    Row {
        document,
        person,
        birth_date: date(1980, 1, 1),
        document_expires: Some(date(2040, 1, 1)),
        status: RowStatus::Valid,
        region: "Baku",
        flags: Flags::default(),
    }
}

fn synthetic(count: u32) -> Builder {
    let mut builder = Builder::default();
    for (line, row) in (2..).zip(synth::rows(count, 1)) {
        builder.add(line, &row).unwrap();
    }
    builder
}

fn finish(builder: Builder) -> Register {
    builder.finish(3, Timestamp::from_second(1_608_000_000).unwrap())
}

/// Small, with something in every section.
fn small() -> Register {
    let mut builder = synthetic(20);
    let flags = Flags { blocked: 8, arrival_until: Some(date(2021, 1, 1)), ..Flags::default() };
    let odd = row(document("P123456789"), 77);
    builder.add(99, &Row { flags, status: RowStatus::Revoked, document_expires: None, ..odd }).unwrap();
    finish(builder)
}

fn bytes(register: &Register) -> Vec<u8> {
    let mut bytes = Vec::new();
    register.write(&mut bytes).unwrap();
    bytes
}

fn read(bytes: &[u8]) -> Result<Register, SnapshotError> {
    Register::read(bytes, bytes.len() as u64)
}

/// Makes a header's checksum right again.
fn seal(snapshot: &mut [u8]) {
    let crc = crc32c::crc32c(&snapshot[..HEADER - 4]);
    snapshot[HEADER - 4..HEADER].copy_from_slice(&crc.to_le_bytes());
}

/// Series and lengths of both kinds, packed and odd, few enough to collide.
fn any_document() -> impl Strategy<Value = Document> {
    let series = prop::sample::select(vec!["AZE", "AA", "MYI", "DYI", "MOM", "P", "AZ"]);
    (series, 5..=9_usize, 0..40_u32)
        .prop_map(|(series, digits, number)| Document::new(series, &format!("{number:0digits$}")).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_register_is_a_map_and_a_batch_is_its_look_ups(
        rows in prop::collection::vec((any_document(), 0..10_000_u32), 0..300),
        asked in prop::collection::vec(any_document(), 0..100),
    ) {
        let mut oracle = hashbrown::HashMap::new();
        let mut builder = Builder::default();
        for (line, &(document, person)) in (2..).zip(&rows) {
            let earlier = oracle.get(&document).map(|&(line, _)| Conflict::Duplicate { line });
            prop_assert_eq!(builder.add(line, &row(document, person)).err(), earlier);
            oracle.entry(document).or_insert((line, person));
        }
        let register = finish(builder);
        prop_assert_eq!(register.documents(), oracle.len() as u64);
        let snapshot = read(&bytes(&register)).unwrap();
        let asked: Vec<Document> = rows.iter().map(|row| row.0).chain(asked).collect();
        let mut found = vec![None; 3];
        register.find_batch(&asked, &mut found);
        prop_assert_eq!(found.len(), asked.len());
        for (document, found) in asked.into_iter().zip(found) {
            let expected = oracle.get(&document).map(|&(_, person)| Entry {
                person,
                status: Status::Valid,
                expires: Some(date(2040, 1, 1)),
            });
            prop_assert_eq!(found, expected);
            prop_assert_eq!(register.find(document), expected);
            prop_assert_eq!(snapshot.find(document), expected);
        }
    }

    #[test]
    fn a_register_with_changes_is_the_register_of_the_later_rows(
        rows in prop::collection::vec((any_document(), 0..40_u32), 0..200),
        changes in prop::collection::vec((any_document(), 0..60_u32), 0..60),
    ) {
        let add = |rows: &[(Document, u32)], region: &str| {
            let mut builder = Builder::default();
            let mut taken = Vec::new();
            for (line, &(document, person)) in (2..).zip(rows) {
                if builder.add(line, &Row { region, ..row(document, person) }).is_ok() {
                    taken.push((document, person));
                }
            }
            (builder, taken)
        };
        let (builder, taken) = add(&rows, "Baku");
        let (before, documents_before) = (finish(builder), hashbrown::HashMap::<_, _>::from_iter(taken));
        let (builder, taken) = add(&changes, "Lerik");
        let moved: Vec<u32> = taken.iter().map(|&(_, person)| person).collect();
        let mut oracle = documents_before.clone();
        oracle.extend(taken);
        let after = before.with(&builder, Timestamp::UNIX_EPOCH).unwrap();
        prop_assert_eq!(after.generation(), before.generation() + 1);
        prop_assert_eq!(after.documents(), oracle.len() as u64);
        let stored = read(&bytes(&after)).unwrap();
        for (&document, &person) in &oracle {
            for register in [&after, &stored] {
                prop_assert_eq!(register.find(document).map(|entry| entry.person), Some(person));
            }
            let region = after.person(person).unwrap().region;
            prop_assert_eq!(region, if moved.contains(&person) { "Lerik" } else { "Baku" });
        }
        for (&document, &person) in &documents_before {
            prop_assert_eq!(before.find(document).map(|entry| entry.person), Some(person), "the old one stays");
            prop_assert_eq!(before.person(person).unwrap().region, "Baku");
        }
    }

    #[test]
    fn a_changed_byte_is_refused(place in any::<prop::sample::Index>(), change in 1..=u8::MAX) {
        let mut bytes = bytes(&small());
        let place = place.index(bytes.len());
        bytes[place] ^= change;
        prop_assert!(read(&bytes).is_err(), "byte {}", place);
    }

    #[test]
    fn hostile_bytes_are_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..2000), sealed: bool) {
        if sealed && bytes.len() >= HEADER {
            bytes[..12].copy_from_slice(b"ICAZEREG\x01\0\0\0");
            seal(&mut bytes);
        }
        prop_assert!(read(&bytes).is_err());
    }
}

#[test]
fn a_batch_finds_what_is_beyond_the_first_line() {
    let register = finish(synthetic(20_000));
    let documents: Vec<Document> = synth::rows(40_000, 1).map(|row| row.document).collect();
    let mut found = Vec::new();
    register.find_batch(&documents, &mut found);
    for (place, (&document, found)) in documents.iter().zip(found).enumerate() {
        assert_eq!(found.is_some(), place < 20_012);
        assert_eq!(found, register.find(document));
    }
}

#[test]
fn a_snapshot_holds_the_same_register() {
    for register in [small(), finish(synthetic(5000)), finish(Builder::default())] {
        let written = bytes(&register);
        let again = read(&written).unwrap();
        assert_eq!(bytes(&again), written);
        assert_eq!((again.documents(), again.persons()), (register.documents(), register.persons()));
        assert_eq!((again.generation(), again.made_at()), (3, register.made_at()));
    }
    let again = read(&bytes(&small())).unwrap();
    let entry = again.find(document("P123456789")).unwrap();
    assert_eq!((entry.person, entry.status, entry.expires), (77, Status::Revoked, None));
    let person = again.person(77).unwrap();
    assert_eq!((person.region, person.blocked, person.arrival_until), ("Baku", 8, Some(date(2021, 1, 1))));
}

#[test]
fn every_truncation_is_refused() {
    let bytes = bytes(&small());
    // The long pages of persons are cut in steps, everything else at every byte.
    let dense = 8000;
    let lengths =
        (0..bytes.len()).filter(|length| *length < dense || bytes.len() - length < dense || length % 61 == 0);
    for length in lengths {
        let cut = &bytes[..length];
        assert!(read(cut).is_err(), "{length} bytes");
        assert!(Register::read(cut, bytes.len() as u64).is_err(), "{length} bytes that were to be more");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(read(&longer), Err(SnapshotError::Size { .. })));
}

/// A header whose checksum is right asks for memory that the file does not justify.
#[test]
fn forged_sizes_are_refused_before_anything_is_allocated() {
    let good = bytes(&small());
    for at in (40..52).chain(64..320).step_by(4) {
        let mut forged = good.clone();
        forged[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        seal(&mut forged);
        assert!(matches!(read(&forged), Err(SnapshotError::Size { .. })), "at {at}");
    }
}

#[test]
fn more_regions_than_there_are_numbers_are_refused() {
    let mut builder = Builder::default();
    for number in 0..16_383_u32 {
        let document = Document::new("AZE", &format!("{number:08}")).unwrap();
        let region = format!("region {number}");
        builder.add(u64::from(number) + 2, &Row { region: &region, ..row(document, number) }).unwrap();
    }
    let one_more = Row { region: "one more", ..row(Document::new("AA", "1000001").unwrap(), 20_000) };
    assert_eq!(builder.add(20_000, &one_more), Err(Conflict::Regions));
    let register = finish(builder);
    assert_eq!(register.person(16_382).unwrap().region, "region 16382");
}

/// Slots, lines and counts that no register has, under checksums that are right.
#[test]
fn forged_contents_are_refused() {
    let good = bytes(&small());
    let forge = |section: &std::ops::Range<usize>, crc_at: usize, change: &dyn Fn(&mut [u8])| {
        let mut forged = good.clone();
        change(&mut forged[section.clone()]);
        let crc = crc32c::crc32c(&forged[section.clone()]);
        forged[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
        seal(&mut forged);
        match read(&forged) {
            Ok(_) => None,
            Err(SnapshotError::Damaged { section }) => Some(section),
            Err(error) => panic!("{error}"),
        }
    };
    let shard_bytes = |shard: usize| {
        u32::from_le_bytes(good[64 + shard * 4..68 + shard * 4].try_into().unwrap()) as usize * 64
    };
    let shard = (0..64).find(|&shard| shard_bytes(shard) > 0).unwrap();
    let (lines, lines_crc) = (HEADER..HEADER + shard_bytes(shard), 320 + shard * 4);
    assert_eq!(forge(&lines, lines_crc, &|_| {}), None, "the forger is good at it");
    assert_eq!(forge(&lines, lines_crc, &|lines| lines.fill(0xFF)), Some("shards"));
    assert_eq!(forge(&lines, lines_crc, &|lines| lines.fill(0)), Some("header"), "too few documents");

    let start = HEADER + (0..64).map(shard_bytes).sum::<usize>();
    let (pages, pages_crc) = (start..start + 4 + 4096 * 10, 52);
    let person_1 = 4 + 10..4 + 20;
    assert_eq!(forge(&pages, pages_crc, &|_| {}), None, "the forger is good at it");
    let damaged = Some("pages of persons");
    assert_eq!(forge(&pages, pages_crc, &|pages| pages[..4].fill(0xFF)), damaged, "beyond all numbers");
    assert_eq!(forge(&pages, pages_crc, &|pages| pages[4 + 10 + 8] = 9), damaged, "an unknown region");
    assert_eq!(forge(&pages, pages_crc, &|pages| pages[person_1.clone()].fill(0)), damaged, "one too few");
}

#[test]
fn a_file_is_replaced_as_a_whole() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("residents.reg");
    assert_eq!(Register::next_generation(&path).unwrap(), 1);
    fs::write(folder.path().join("residents.reg.partial"), "left by a crash").unwrap();
    small().save(&path).unwrap();
    assert_eq!(Register::next_generation(&path).unwrap(), 4);
    assert_eq!(Register::load(&path).unwrap().documents(), 33);
    finish(synthetic(100)).save(&path).unwrap();
    assert_eq!(Register::load(&path).unwrap().documents(), 112);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn either_form_is_loaded_and_a_bad_file_is_named_with_a_remedy() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("residents");
    let mut csv = Vec::new();
    synth::write_csv(&mut csv, 10, 1).unwrap();
    fs::write(&path, &csv).unwrap();
    let register = Register::load(&path).unwrap();
    assert_eq!((register.documents(), register.generation()), (22, 0));

    let says = |path: &Path, parts: &[&str]| {
        let message = Register::load(path).unwrap_err().to_string();
        for part in parts.iter().chain(&[path.to_str().unwrap()]) {
            assert!(message.contains(part), "{message}");
        }
    };
    csv.extend(b"AZE99999999,5,2000-01-01,,lost,Baku,\n");
    fs::write(&path, &csv).unwrap();
    says(&path, &["1 lines rejected", "line 24: birth_date", "line 7", "--accept-rejects"]);
    let mut snapshot = bytes(&small());
    let last = snapshot.pop().unwrap();
    fs::write(&path, &snapshot).unwrap();
    says(&path, &["not copied as a whole", "copy it again"]);
    snapshot.push(!last);
    fs::write(&path, &snapshot).unwrap();
    says(&path, &["damaged in the section `regions`", "icaze register import"]);
    says(&folder.path().join("none"), &["[register]"]);
}

#[test]
fn a_register_that_shrank_beyond_agreement_is_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("residents.reg");
    finish(synthetic(88)).save(&path).unwrap();
    let cases = [
        (50, 0, true),
        (100, 0, true),
        (101, 0, false),
        (200, 50, true),
        (201, 50, false),
        (u64::MAX, 99, false),
        (u64::MAX, 100, true),
        (u64::MAX, 255, true),
    ];
    for (previous, percent, is_loaded) in cases {
        match Register::load_after(&path, previous, percent) {
            Ok(_) => assert!(is_loaded, "{previous} {percent}"),
            Err(LoadError::Shrunk { documents: 100, .. }) => assert!(!is_loaded, "{previous} {percent}"),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn debug_tells_nothing_of_people() {
    let register = small();
    let entry = register.find(document("AZE20000003")).unwrap();
    let text = format!("{register:?} {entry:?} {:?}", register.person(entry.person));
    for personal in ["20000003", "1003", "Baku", "birth"] {
        assert!(!text.contains(personal), "{text}");
    }
}

#[test]
fn a_lost_document_does_not_bring_its_holder_back_to_life() {
    let csv = |line: &str| {
        import(format!("{}\n{line}\n", COLUMNS.join(",")).as_bytes(), Builder::default(), false, |_| {})
            .unwrap()
    };
    let before = finish(csv("AZE10000006,6,1950-01-01,,deceased,Baku,"));
    let died = |register: &Register| register.person(6).unwrap().deceased;
    let after = before.with(&csv("AZE10000006,6,1950-01-01,,lost,Baku,"), Timestamp::UNIX_EPOCH).unwrap();
    assert!(died(&after), "the line says nothing of it");
    assert_eq!(after.find("AZE10000006".parse().unwrap()).unwrap().status, Status::Lost);
    let after = before.with(&csv("AZE10000006,6,1950-01-01,,valid,Baku,"), Timestamp::UNIX_EPOCH).unwrap();
    assert!(!died(&after), "the line says so");
}

#[test]
fn a_file_is_applied_as_changes_or_as_a_whole() {
    let dir = tempdir().unwrap();
    let (changes, whole) = (dir.path().join("changes.csv"), dir.path().join("whole.snapshot"));
    let before = small();
    fs::write(&changes, format!("{}\nAZE77777777,77,1990-01-01,,valid,Baku,\n", COLUMNS.join(","))).unwrap();
    let after = before.apply(&changes, 0).unwrap();
    assert_eq!((after.documents(), after.generation()), (before.documents() + 1, before.generation() + 1));
    before.save(&whole).unwrap();
    assert!(matches!(after.apply(&whole, 0), Err(LoadError::Shrunk { .. })));
    let replaced = after.apply(&whole, 50).unwrap();
    assert_eq!((replaced.documents(), replaced.generation()), (before.documents(), after.generation() + 1));
}
