//! What citizens write, and how it is read. The texts and their readings are in `texts/*.tsv`:
//!
//! ```text
//! text <TAB> `2 AZE20000001` or `help:reason` [<TAB> lang=en|ru] [<TAB> lat]
//! ```
//!
//! `2 AZE20000001|help` is a request that a person could read and a careful reader may ask about;
//! `help` is any help, never a request. The files in `texts/kinds/` were written by somebody who had
//! not seen the reader. A text may have the escapes `\n`, `\r`, `\t`, `\\` and `\u{…}`. Lines that begin
//! with `;` are remarks.

#![allow(clippy::unwrap_used)] // Helpers of tests; clippy.toml covers only the tests themselves.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use icaze_config::regime::Regimes;
use icaze_gateway::permit::Request;
use icaze_gateway::permit::read::{self, Help, Partial, Place, PurposeNames, Reading};
use icaze_store::Document;
use icaze_store::ledger::Language;
use proptest::prelude::*;

/// The names that the demo regime gives its purposes.
static NAMES: LazyLock<PurposeNames> = LazyLock::new(|| {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/regimes/demo");
    PurposeNames::of(&Regimes::load(&dir).unwrap())
});

fn read(text: &str) -> Reading {
    read::read(text, &NAMES)
}

fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('\\') {
        plain.push_str(before);
        rest = &escape[1..];
        match escape.as_bytes()[0] {
            b'n' => plain.push('\n'),
            b't' => plain.push('\t'),
            b'r' => plain.push('\r'),
            b'\\' => plain.push('\\'),
            b'u' => {
                let (code, after) = rest[1..].split_once('}').unwrap();
                plain.push(char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap());
                rest = after;
            }
            other => panic!("unknown escape \\{}", char::from(other)),
        }
    }
    plain + rest
}

/// A reading in the words of the files.
fn shown(reading: &Reading) -> String {
    let mut row = match reading.request {
        Ok(request) => format!("{} {}", request.purpose, request.document),
        Err(help) => format!("help:{}", help.reason()),
    };
    if reading.language != Language::Az {
        write!(row, "\tlang={}", reading.language.name()).unwrap();
    }
    if reading.latin {
        row.push_str("\tlat");
    }
    row
}

/// What became of a text, by what the file says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Right,
    /// A request that a person could read, answered with a question or help; the file allows it.
    Asked,
    /// Another help, or a help for what the file grants.
    WrongHelp,
    /// A permit that nobody asked for.
    WrongPermit,
}

fn verdict(expected: &str, found: &str) -> Verdict {
    let helped = found.starts_with("help:");
    let request = |row: &str| !row.starts_with("help");
    let (expected_row, expected_language) = expected.split_once('\t').unwrap_or((expected, ""));
    let (found_row, found_language) = found.split_once('\t').unwrap_or((found, ""));
    let same_language = expected_language == found_language;
    let (claimed, may_ask) = match expected_row.split_once('|') {
        Some((claimed, "help")) => (claimed, true),
        Some(_) => panic!("unknown expectation {expected}"),
        None => (expected_row, false),
    };
    match () {
        () if request(found_row) && found_row != claimed => Verdict::WrongPermit,
        () if claimed == "help" && helped && same_language => Verdict::Right,
        () if found_row == claimed && same_language => Verdict::Right,
        () if may_ask && helped && same_language => Verdict::Asked,
        () => Verdict::WrongHelp,
    }
}

/// Every text of the corpus: file, line, text, expectation.
fn corpus() -> Vec<(String, usize, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/texts");
    let mut rows = Vec::new();
    for (folder, prefix) in [(root.clone(), ""), (root.join("kinds"), "kinds/")] {
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.retain(|file| file.is_file());
        files.sort();
        for file in files {
            let name = format!("{prefix}{}", file.file_name().unwrap().to_string_lossy());
            for (line, row) in fs::read_to_string(&file).unwrap().lines().enumerate() {
                if row.is_empty() || row.starts_with(';') {
                    continue;
                }
                let (text, expected) = row.split_once('\t').unwrap_or_else(|| panic!("{name}:{}", line + 1));
                rows.push((name.clone(), line + 1, text.to_owned(), expected.to_owned()));
            }
        }
    }
    rows
}

#[test]
fn texts_are_read_as_the_files_say() {
    let rows = corpus();
    let mut wrong = String::new();
    for (name, line, text, expected) in &rows {
        let found = shown(&read(&unescape(text)));
        let verdict = verdict(expected, &found);
        if matches!(verdict, Verdict::WrongHelp | Verdict::WrongPermit) {
            writeln!(wrong, "{verdict:?} {name}:{line}: {text}\n  expected {expected}\n  read     {found}")
                .unwrap();
        }
    }
    assert!(rows.len() >= 1800, "only {} texts", rows.len());
    assert!(wrong.is_empty(), "of {} texts:\n{wrong}", rows.len());
}

/// The corpus's figures by file, as docs/citizens.md has them.
#[test]
fn the_figures_of_the_corpus_are_those_in_the_docs() {
    let mut figures: BTreeMap<String, [usize; 4]> = BTreeMap::new();
    for (name, _, text, expected) in corpus() {
        let verdict = verdict(&expected, &shown(&read(&unescape(&text))));
        let all = figures.entry("all".to_owned()).or_default();
        all[verdict as usize] += 1;
        figures.entry(name.trim_end_matches(".tsv").to_owned()).or_default()[verdict as usize] += 1;
    }
    let mut table =
        "| kind | texts | as expected | asked instead of granted | wrong help | wrong permit |\n".to_owned();
    table.push_str("|---|---|---|---|---|---|\n");
    for (name, counts) in &figures {
        let [right, asked, wrong_help, wrong_permit] = counts;
        let total: usize = counts.iter().sum();
        writeln!(table, "| {name} | {total} | {right} | {asked} | {wrong_help} | {wrong_permit} |").unwrap();
    }
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/citizens.md");
    assert!(fs::read_to_string(docs).unwrap().contains(&table), "docs/citizens.md should have:\n{table}");
}

#[test]
fn the_tail_is_the_end_of_the_one_serial() {
    for (text, tail) in [
        ("2 AZE20000001", Some("001")),
        ("AZE 2000 0045", Some("045")),
        ("2 AZE2OOOOOOI", Some("001")),
        ("2 АА٧٦٥٤٣٢١", Some("321")),
        ("2 AZE12", Some("E12")),
        ("2 AA12", Some("A12")),
        ("2 AZE123", Some("123")),
        ("2 AZE1234567890123456789012345", Some("345")),
        ("2 AZE12345678", Some("678")),
        ("2 AZE20000001 AZE20000002", None),
        ("2", None),
        ("", None),
    ] {
        assert_eq!(read(text).tail.map(|tail| tail.to_string()).as_deref(), tail, "{text}");
    }
}

#[test]
fn debug_shows_nothing_personal() {
    let shown = format!("{:?}", read("2 AZE20004711"));
    assert!(!shown.contains("711"), "{shown}");
}

#[test]
fn the_longest_text_is_read() {
    let longest = 255 * 153;
    for filler in ["AZE ", "A Z E 1 ", "1234 ", "OIL", "0", "* ", "ы"] {
        let mut text = filler.repeat(longest / filler.chars().count());
        let _ = read(&text);
        text.push_str(" 2 AZE20000001");
        let _ = read(&text);
    }
    let text = format!("{} 2 AZE20000001", "salam ".repeat(longest / 6));
    assert_eq!(shown(&read(&text)), "2 AZE20000001");
}

fn document() -> impl Strategy<Value = String> {
    prop_oneof!["AZE[0-9]{8}", "AA[0-9]{7}", "MYI[0-9]{7}", "DYI[0-9]{7}", "MOM[0-9]{7}",]
        .prop_filter("the example has help", |serial| serial != "AZE12345678")
}

fn request() -> impl Strategy<Value = (u8, String)> {
    (0..=9_u8, document())
}

fn separators(least: usize) -> impl Strategy<Value = String> {
    const SEPARATORS: &str = "[ *#,./_:;()\"'\t\n\u{A0}\u{200B}\u{FEFF}👍🙏№«»=~!?-]";
    proptest::collection::vec(SEPARATORS, least..4).prop_map(|all| all.concat())
}

/// Words that say nothing, without digits.
fn chatter() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "salam",
        "zəhmət olmasa",
        "icazə verin",
        "icaze",
        "bazara gedirəm",
        "please",
        "can I go out",
        "apteka",
        "Əliyev Vaqif Məmməd oğlu",
        "aa",
        "mom",
        "kömək edin",
        "sağ olun",
        "👍🏻",
        "...",
        "🇦🇿",
    ])
}

/// How people group eight digits and seven, beside digit by digit.
const OF_EIGHT: [&[usize]; 9] =
    [&[8], &[4, 4], &[2, 2, 2, 2], &[2, 6], &[2, 3, 3], &[3, 3, 2], &[2, 2, 4], &[4, 2, 2], &[1; 8]];
const OF_SEVEN: [&[usize]; 8] =
    [&[7], &[3, 4], &[4, 3], &[3, 2, 2], &[2, 2, 3], &[1, 3, 3], &[2, 5], &[1; 7]];

fn grouped(digits: &str, sizes: &[usize], mark: &str) -> String {
    let mut rest = digits;
    let groups = sizes.iter().map(|&size| {
        let (group, behind) = rest.split_at(size);
        rest = behind;
        group
    });
    groups.collect::<Vec<_>>().join(mark)
}

/// What people add to a request: nothing of it is a document or a purpose.
fn distractor() -> impl Strategy<Value = String> {
    const WORDS: &str = "[a-zəüıöğşç]{3,9}";
    prop_oneof![
        (0..24_u8, 0..60_u8).prop_map(|(hour, minute)| format!("saat {hour:02}:{minute:02}")),
        (0..24_u8, 0..60_u8).prop_map(|(hour, minute)| format!("{hour}:{minute:02}")),
        (1..32_u8, 1..13_u8, 1930..2021_u16).prop_map(|(d, m, y)| format!("{d:02}.{m:02}.{y}")),
        (1..32_u8, "(yanvar|mart|dekabr|may|декабря|december)")
            .prop_map(|(day, month)| format!("{day} {month}")),
        "(050|055|070|077) [1-9][0-9]{2} [0-9]{2} [0-9]{2}",
        "\\+994[1-9][0-9]{8}",
        (1..99_u8, "(nəfər|uşaq|yaş|kq|manat|gün|kişi|qrup|saylı məktəb|nömrəli ev|человека|kids|people)")
            .prop_map(|(count, what)| format!("{count} {what}")),
        ("(mənzil|ev|küç\\.|blok|дом|flat|tel)", 1..99_u8)
            .prop_map(|(what, number)| format!("{what} {number}")),
        ("(Galaxy S|iPhone |Redmi |Note )", 2..20_u8).prop_map(|(model, number)| format!("{model}{number}")),
        "(bir yerə|bir icazə|iki gözüm|one child|один раз|bir də|birinci dəfə)",
        "(salam|zəhmət olmasa|sağ olun|bazara gedirəm|please|спасибо|Əliyev Anar|👍)",
        WORDS,
    ]
}

/// What stands between the parts of a text.
fn mark() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![" ", " ", ", ", "\n", ". ", " - "])
}

/// Anything that texts are made of.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        document(),
        document(),
        "[0-9]",
        "[0-9]",
        "[0-9]{1,8}",
        "(kod|kod 2|2-ci|iki|bir|AZE|AA|MYİ|nömrə|səbəb:|yox|və|II|ərzaq|tibb)",
        distractor(),
    ]
}

fn looks_of(c: char) -> &'static str {
    match c {
        'A' => "AaАаΑαＡａ𝐀",
        'Z' => "ZzЗзΖζＺ𝗓",
        'E' => "EeЕеΕεƏəЭ",
        'M' => "MmМмΜｍ",
        'Y' => "YyУуΥ",
        'I' => "IiІіİıΙlL",
        'D' => "DdДдΔ",
        'O' => "OoОоΟο",
        '0' => "0٠۰०０𝟎OoОоΟ",
        '1' => "1١۱१１𝟏IiІіlLı",
        '2' => "2٢۲२２𝟐②",
        '3' => "3٣۳३３𝟑",
        '4' => "4٤۴४４𝟒",
        '5' => "5٥۵५５𝟓",
        '6' => "6٦۶६６𝟔",
        '7' => "7٧۷७７𝟕",
        '8' => "8٨۸८８𝟖",
        _ => "9٩۹९９𝟗",
    }
}

/// The same serial in letters that look alike, and digits of other scripts.
fn disguised(serial: &str, choices: &[usize]) -> String {
    let pick = |c, choice: usize| {
        let looks: Vec<char> = looks_of(c).chars().collect();
        looks[choice % looks.len()]
    };
    serial.chars().zip(choices).map(|(c, &choice)| pick(c, choice)).collect()
}

proptest! {
    #[test]
    fn any_text_has_a_reading(text in any::<String>()) {
        let _ = read(&text);
    }

    #[test]
    fn what_is_read_stood_there(text in "[2AZEMYDIOLaze0-9 .,:+|-]{0,60}") {
        if let Ok(request) = read(&text).request {
            let mut typed = text.chars().map(|c| match c {
                'O' => '0',
                'I' | 'L' => '1',
                c => c,
            });
            let serial = request.document.to_string();
            for digit in serial.chars().filter(char::is_ascii_digit) {
                prop_assert!(typed.any(|c| c == digit), "{} in {}", serial, text);
            }
        }
    }

    #[test]
    fn purpose_and_document_may_stand_apart_or_together(
        (purpose, serial) in request(), before in separators(0), between in separators(0), after in separators(0),
    ) {
        let text = format!("{before}{purpose}{between}{serial}{after}");
        prop_assert_eq!(shown(&read(&text)), format!("{purpose} {serial}"));
    }

    #[test]
    fn the_document_may_come_first(
        (purpose, serial) in request(), before in separators(0), between in separators(0), after in separators(0),
    ) {
        let text = format!("{before}{serial} {between}{purpose}{after}");
        prop_assert_eq!(shown(&read(&text)), format!("{purpose} {serial}"));
    }

    #[test]
    fn case_does_not_matter((purpose, serial) in request(), lower in proptest::collection::vec(any::<bool>(), 11)) {
        let case = |(c, lower): (char, bool)| if lower { c.to_ascii_lowercase() } else { c };
        let mixed: String = serial.chars().zip(lower).map(case).collect();
        prop_assert_eq!(shown(&read(&format!("{purpose} {mixed}"))), format!("{purpose} {serial}"));
    }

    #[test]
    fn look_alikes_do_not_matter(
        (purpose, serial) in request(), choices in proptest::collection::vec(any::<usize>(), 11),
    ) {
        let text = format!("{purpose} {}", disguised(&serial, &choices));
        prop_assert_eq!(shown(&read(&text)), format!("{purpose} {serial}"), "{}", text);
    }

    #[test]
    fn a_serial_may_be_grouped_as_people_do(
        (purpose, serial) in request(), choice in any::<prop::sample::Index>(), mark in "[ ./_-]", letters in "[ .-]?",
    ) {
        let at = serial.len() - serial.chars().filter(char::is_ascii_digit).count();
        let (series, digits) = serial.split_at(at);
        let groupings: &[&[usize]] = if digits.len() == 8 { &OF_EIGHT } else { &OF_SEVEN };
        let grouped = grouped(digits, groupings[choice.index(groupings.len())], &mark);
        let series: String = series.chars().map(|c| format!("{c}{letters}")).collect();
        let reading = read(&format!("{purpose} {series}{grouped}"));
        // A last group that may be a year is asked about, and a group that is a day and a month is a date.
        if reading.request != Err(Help::Confirm) && !(mark == "-" || mark == "." || mark == "/") {
            prop_assert_eq!(shown(&reading), format!("{purpose} {serial}"), "{}{}", series, grouped);
        }
        if let Ok(request) = reading.request {
            prop_assert_eq!(format!("{} {}", request.purpose, request.document), format!("{purpose} {serial}"));
        }
    }

    #[test]
    fn chatter_never_makes_another_document(
        (purpose, serial) in request(), before in chatter(), between in chatter(), after in chatter(),
    ) {
        let expected: Document = serial.parse().unwrap();
        let reading = read(&format!("{before} {purpose} {between} {serial} {after}"));
        let claimed = Request { purpose, document: expected };
        let read = match (reading.request, reading.partial) {
            (Ok(request), _) | (_, Partial::Doubtful(request)) => request,
            (_, Partial::Document(document)) => Request { purpose, document },
            // "MOM AA1000001": nobody knows which series it is.
            (Err(help), _) => {
                prop_assert_eq!(help, Help::Series);
                claimed
            }
        };
        prop_assert_eq!(read, claimed);
    }

    #[test]
    fn what_else_a_text_says_changes_no_request(
        (purpose, serial) in request(), choice in any::<prop::sample::Index>(),
        distractors in proptest::collection::vec(distractor(), 0..4), order in any::<[u8; 5]>(),
        marks in proptest::collection::vec(mark(), 5),
    ) {
        let at = serial.len() - serial.chars().filter(char::is_ascii_digit).count();
        let groupings: &[&[usize]] = if serial.len() - at == 8 { &OF_EIGHT } else { &OF_SEVEN };
        let grouped = format!("{}{}", &serial[..at], grouped(&serial[at..], groupings[choice.index(groupings.len())], " "));
        let mut pieces = vec![purpose.to_string(), grouped];
        pieces.extend(distractors);
        let mut pieces: Vec<_> = order.iter().zip(pieces).collect();
        pieces.sort_by_key(|(place, _)| **place);
        let text: String = pieces.iter().zip(&marks).map(|((_, piece), mark)| format!("{piece}{mark}")).collect();
        let reading = read(&text);
        let asked = match reading.partial {
            Partial::Doubtful(request) => Ok(request),
            _ => reading.request,
        };
        if let Ok(request) = asked {
            let found = format!("{} {}", request.purpose, request.document);
            prop_assert_eq!(found, format!("{purpose} {serial}"), "{}", text);
        }
    }

    #[test]
    fn digits_that_lack_come_from_nowhere(
        (purpose, serial) in request(), cut in 1..5_usize, distractors in proptest::collection::vec(distractor(), 1..4),
        marks in proptest::collection::vec(mark(), 4), first in any::<bool>(),
    ) {
        let serial = &serial[..serial.len() - cut];
        let rest: String = distractors.iter().zip(&marks).map(|(piece, mark)| format!("{mark}{piece}")).collect();
        let text = if first { format!("{purpose} {serial}{rest}") } else { format!("{serial} {purpose}{rest}") };
        let reading = read(&text);
        prop_assert!(reading.request.is_err(), "{text}: {}", shown(&reading));
    }

    #[test]
    fn a_request_is_read_from_its_own_words(
        pieces in proptest::collection::vec(piece(), 1..8),
        marks in proptest::collection::vec(prop_oneof![mark(), Just(""), Just("-"), Just(":")], 8),
    ) {
        let text: String = pieces.iter().zip(&marks).map(|(piece, mark)| format!("{piece}{mark}")).collect();
        let reading = read(&text);
        if let (Ok(request), Some((purpose, serial))) = (reading.request, reading.places) {
            let slice = |place: Place| &text[place.start as usize..place.end as usize];
            let (first, second) = if purpose.start < serial.start {
                (slice(purpose), slice(serial))
            } else {
                (slice(serial), slice(purpose))
            };
            prop_assert_eq!(read(&format!("{first} {second}")).request, Ok(request), "{}", text);
            let serial = slice(serial);
            let (series, digits) = serial.split_at(serial.find(|c: char| c.is_ascii_digit()).unwrap_or(0));
            // The number may stand before its series.
            if !series.is_empty() {
                prop_assert!(!digits.contains(", ") && !digits.contains(':'), "{serial} in {text}");
                prop_assert!(digits.matches('\n').count() <= 1, "{serial} in {text}");
            }
        }
    }

    #[test]
    fn a_digit_too_many_or_too_few_is_never_mended(
        (purpose, serial) in request(), digits in prop_oneof![2..7_usize, 9..20_usize],
    ) {
        let series = serial.trim_end_matches(|c: char| c.is_ascii_digit());
        let text = format!("{purpose} {series}{}", "7".repeat(digits));
        prop_assert_eq!(shown(&read(&text)), "help:wrong_length");
    }

    #[test]
    fn another_letter_among_the_digits_is_never_mended(
        (purpose, serial) in request(), letter in "[B-HJKMNP-Zb-hjkmnp-z]", at in 0..8_usize,
    ) {
        let series = serial.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let at = series + at % (serial.len() - series);
        let mut wrong = serial.clone();
        wrong.replace_range(at..=at, &letter);
        prop_assert!(read(&format!("{purpose} {wrong}")).request.is_err(), "{}", wrong);
    }
}
