//! The register's CSV form: what is taken, and what is rejected with its line and column.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::io::Read;

use icaze_store::Document;
use icaze_store::register::{
    Builder, COLUMNS, Conflict, CsvError, Person, Problem, Register, Reject, Status, import, synth,
};
use jiff::Timestamp;
use jiff::civil::date;

const GOOD: &str = "AZE00000001,1,1980-02-29,2030-01-01,valid,Baku,";
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/demo/residents.csv");

fn csv(lines: &[&str]) -> String {
    [&[COLUMNS.join(",").as_str()], lines].concat().join("\n")
}

fn document(text: &str) -> Document {
    text.parse().unwrap()
}

/// The register of the good lines, and the rejects.
fn accept(input: &[u8]) -> (Register, Vec<Reject>) {
    let mut rejects = Vec::new();
    let builder = import(input, Builder::default(), true, |reject| rejects.push(reject)).unwrap();
    (builder.finish(1, Timestamp::UNIX_EPOCH), rejects)
}

#[test]
fn good_lines_are_taken_as_they_stand() {
    let text = csv(&[
        "AZE00000001,1,1980-02-29,2030-01-01,valid,Xırdalan,infected:2021-01-04|arrival:2021-02-05|exempt|blocked:0|blocked:9",
        "AA0000001,2,1990-01-01,,lost,Baku,",
        "P123456789,4294967295,1990-01-01,,revoked,Baku,",
        "MYI1000001,4,1900-01-01,2199-12-31,deceased,Baku,",
    ]);
    for text in [text.clone(), text.replace('\n', "\r\n"), format!("\u{feff}{text}\n")] {
        let (register, rejects) = accept(text.as_bytes());
        assert_eq!(rejects, []);
        assert_eq!((register.documents(), register.persons()), (4, 4));
        let entry = register.find(document("AZE00000001")).unwrap();
        assert_eq!((entry.person, entry.status, entry.expires), (1, Status::Valid, Some(date(2030, 1, 1))));
        let expected = Person {
            birth_date: date(1980, 2, 29),
            region: "Xırdalan",
            deceased: false,
            isolation_until: Some(date(2021, 1, 4)),
            arrival_until: Some(date(2021, 2, 5)),
            exempt: true,
            blocked: 0b10_0000_0001,
        };
        assert!(register.person(1) == Some(expected));
        let lost = register.find(document("AA0000001")).unwrap();
        assert_eq!((lost.status, lost.expires), (Status::Lost, None));
        let odd = register.find(document("P123456789")).unwrap();
        assert_eq!((odd.status, odd.person), (Status::Revoked, u32::MAX));
        assert_eq!(register.find(document("MYI1000001")).unwrap().status, Status::Valid);
        assert!(register.person(4).unwrap().deceased);
        assert!(register.find(document("AZE00000002")).is_none());
        assert!(register.find(document("P123456780")).is_none());
    }
}

#[test]
fn a_serial_of_the_examples_is_left_out_and_reported_and_fails_nothing() {
    let text = csv(&[
        "AZE12345678,2,1980-01-01,,valid,Baku,",
        "AA1111111,3,1980-01-01,,valid,Baku,",
        "AA1111112,4,1980-01-01,,valid,Baku,",
    ]);
    let mut lines = Vec::new();
    let builder = Builder::reserving(vec![document("AA1111111")]);
    let builder = import(text.as_bytes(), builder, false, |reject| {
        assert_eq!(reject.problem, Problem::Conflict(Conflict::Reserved));
        lines.push(reject.line);
    });
    assert_eq!((builder.unwrap().documents(), lines), (1, vec![2, 3]));
}

#[test]
fn a_bad_line_is_rejected_for_its_reason() {
    let (birth, expires) = (Problem::Date("birth_date"), Problem::Date("document_expires"));
    let disagrees = |column| Problem::Conflict(Conflict::Person { line: 2, column });
    let cases = [
        ("AZE00000002,2,1980-01-01,,valid,Baku", Problem::Columns),
        ("AZE00000002,2,1980-01-01,,valid,Baku,,", Problem::Columns),
        ("aze00000002,2,1980-01-01,,valid,Baku,", Problem::Document),
        ("AZE 00000002,2,1980-01-01,,valid,Baku,", Problem::Document),
        ("AZE-00000002,2,1980-01-01,,valid,Baku,", Problem::Document),
        ("AZE00000002,,1980-01-01,,valid,Baku,", Problem::Person),
        ("AZE00000002,+2,1980-01-01,,valid,Baku,", Problem::Person),
        ("AZE00000002,4294967296,1980-01-01,,valid,Baku,", Problem::Person),
        ("AZE00000002,2,,,valid,Baku,", birth),
        ("AZE00000002,2,1981-02-29,,valid,Baku,", birth),
        ("AZE00000002,2,19800101,,valid,Baku,", birth),
        ("AZE00000002,2,1980-1-01,,valid,Baku,", birth),
        ("AZE00000002,2,1980-01-01-01,,valid,Baku,", birth),
        ("AZE00000002,2,1899-12-31,,valid,Baku,", birth),
        ("AZE00000002,2,1980-01-01,2200-01-01,valid,Baku,", expires),
        ("AZE00000002,2,1980-01-01,never,valid,Baku,", expires),
        ("AZE00000002,2,1980-01-01,,Valid,Baku,", Problem::Status),
        ("AZE00000002,2,1980-01-01,,,Baku,", Problem::Status),
        ("AZE00000002,2,1980-01-01,,valid,,", Problem::Region),
        ("AZE00000002,2,1980-01-01,,valid, Baku,", Problem::Region),
        ("AZE00000002,2,1980-01-01,,valid,\"Baku\",", Problem::Region),
        ("AZE00000002,2,1980-01-01,,valid,Baku,sick", Problem::Flag),
        ("AZE00000002,2,1980-01-01,,valid,Baku,infected", Problem::Flag),
        ("AZE00000002,2,1980-01-01,,valid,Baku,infected:", Problem::Flag),
        ("AZE00000002,2,1980-01-01,,valid,Baku,infected:2021-01-01|infected:2021-01-02", Problem::Flag),
        ("AZE00000002,2,1980-01-01,,valid,Baku,exempt:", Problem::Flag),
        ("AZE00000002,2,1980-01-01,,valid,Baku,exempt|", Problem::Flag),
        ("AZE00000002,2,1980-01-01,,valid,Baku,exempt|exempt", Problem::Flag),
        ("AZE00000002,2,1980-01-01,,valid,Baku,blocked:10", Problem::Flag),
        ("AZE00000002,2,1980-01-01,,valid,Baku,blocked:", Problem::Flag),
        ("AZE00000002,2,1980-01-01,,valid,Baku,blocked:3|blocked:3", Problem::Flag),
        (GOOD, Problem::Conflict(Conflict::Duplicate { line: 2 })),
        ("AZE00000002,1,1980-02-28,,valid,Baku,", disagrees("birth_date")),
        ("AZE00000002,1,1980-02-29,,valid,Lerik,", disagrees("region")),
        ("AZE00000002,1,1980-02-29,,deceased,Baku,", disagrees("status")),
        ("AZE00000002,1,1980-02-29,,lost,Baku,exempt", disagrees("flags")),
    ];
    for (line, problem) in cases {
        let text = csv(&[GOOD, line, "AZE00000003,3,1980-01-01,,valid,Baku,"]);
        let (register, rejects) = accept(text.as_bytes());
        assert_eq!(rejects, [Reject { line: 3, problem }], "{line}");
        assert_eq!(register.documents(), 2, "{line}");
        assert!(register.regions().eq(["Baku"]), "{line}: it left something behind");
        let message = rejects[0].to_string();
        assert!(message.starts_with("line 3: "), "{message}");
        assert!(!message.contains("00000002") && !message.contains("1980"), "{message}");

        let strict = import(text.as_bytes(), Builder::default(), false, |_| {});
        let Err(CsvError::Rejected { count: 1, first }) = strict else { panic!("{line}: taken") };
        assert_eq!(first, rejects[0]);
    }
}

#[test]
fn bytes_that_are_no_text_are_rejected_by_column() {
    let text = [csv(&[GOOD]).as_bytes(), b"\nAZE00000002,2,1980-01-01,,valid,Bak\xff,"].concat();
    let (register, rejects) = accept(&text);
    assert_eq!(rejects, [Reject { line: 3, problem: Problem::Encoding("region") }]);
    assert_eq!(register.documents(), 1);
}

#[test]
fn every_reject_has_its_own_line() {
    let text = csv(&["x", GOOD, "", "y", "AZE00000002,2,1980-01-01,,valid,Baku,", "z"]);
    for end in ["\n", "\r\n"] {
        let (_, rejects) = accept(text.replace('\n', end).as_bytes());
        assert_eq!(rejects.iter().map(|reject| reject.line).collect::<Vec<_>>(), [2, 5, 7], "{end:?}");
    }
}

#[test]
fn a_person_may_hold_several_documents_and_dies_for_all() {
    let (register, rejects) = accept(
        csv(&[
            "AZE00000001,1,1980-02-29,2030-01-01,lost,Baku,exempt",
            "AZE00000002,1,1980-02-29,,deceased,Baku,exempt",
            "AZE00000003,1,1980-02-29,,revoked,Baku,exempt",
            "AZE00000004,1,1980-02-29,,valid,Baku,exempt",
        ])
        .as_bytes(),
    );
    let problem = Problem::Conflict(Conflict::Person { line: 3, column: "status" });
    assert_eq!(rejects, [Reject { line: 5, problem }]);
    assert_eq!((register.documents(), register.persons()), (3, 1));
    assert!(register.person(1).unwrap().deceased);
}

#[test]
fn other_files_are_refused_early() {
    for other in ["", "document", "person,document\n", GOOD] {
        assert!(
            matches!(import(other.as_bytes(), Builder::default(), true, |_| {}), Err(CsvError::Header)),
            "{other}"
        );
    }
    let start = csv(&[GOOD, ""]);
    for start in ["", &start] {
        let endless = start.as_bytes().chain(std::io::repeat(b'A'));
        assert!(matches!(import(endless, Builder::default(), true, |_| {}), Err(CsvError::Read(_))));
    }
}

#[test]
fn the_shipped_register_is_what_the_generator_makes() {
    let shipped = std::fs::read(SHIPPED).unwrap();
    let mut made = Vec::new();
    synth::write_csv(&mut made, 100_000, 8103).unwrap();
    assert!(shipped == made, "make it again: icaze register synth --count 100000 --seed 8103 --out FILE");
    assert_eq!(Register::load(SHIPPED.as_ref()).unwrap().documents(), 100_012);
}

#[test]
fn the_known_documents_are_in_every_synthetic_register() {
    let mut made = Vec::new();
    synth::write_csv(&mut made, 3, 1).unwrap();
    let register =
        import(made.as_slice(), Builder::default(), false, |_| {}).unwrap().finish(1, Timestamp::UNIX_EPOCH);
    assert_eq!(register.documents(), 12 + 3);
    let of = |text: &str| {
        let entry = register.find(document(text)).unwrap();
        (entry, register.person(entry.person).unwrap())
    };
    let known = ["AZE10000001", "AA1000001", "AZE10000002", "MYI1000001", "DYI1000001", "MOM1000001"];
    for good in known.into_iter().chain(["AZE20000000", "AZE20000001", "AZE20000002"]) {
        let (entry, person) = of(good);
        assert_eq!((entry.status, person.region), (Status::Valid, "Baku"), "{good}");
        assert!(entry.expires.unwrap() >= date(2035, 1, 1), "{good}");
        assert!((1972..=2001).contains(&person.birth_date.year()), "{good}");
        assert!(!person.deceased && !person.exempt && person.blocked == 0, "{good}");
        assert!(person.isolation_until.is_none() && person.arrival_until.is_none(), "{good}");
    }
    assert_eq!(of("AZE10000001").0.person, of("AA1000001").0.person);
    assert_ne!(of("AZE20000000").0.person, of("AZE20000001").0.person);
    assert_eq!(of("AZE10000003").1.birth_date, date(1950, 6, 15));
    assert!(of("AZE10000004").0.expires.unwrap() < date(2020, 1, 1));
    assert_eq!(of("AZE10000005").0.status, Status::Lost);
    assert!(of("AZE10000006").1.deceased);
    assert!(of("AZE10000007").1.isolation_until.unwrap() >= date(2099, 1, 1));
    assert_eq!(of("AZE10000008").1.region, "Lerik");
    assert!(register.find(Document::EXAMPLE).is_none());
}

#[test]
fn a_seed_makes_one_register() {
    let make = |seed| {
        let mut made = Vec::new();
        synth::write_csv(&mut made, 50, seed).unwrap();
        made
    };
    assert_eq!(make(1), make(1));
    assert_ne!(make(1), make(2));
}
