//! The table of questions: `questions.txt`, row by row, with what the reader finds in the place of texts.

use icaze_gateway::permit::Request;
use icaze_gateway::permit::question::Question;
use icaze_gateway::permit::read::{Help, Partial, PurposeNames, Reading, Tail, read};
use icaze_gateway::pipeline::questions::{Meaning, Questions, Turn};
use icaze_store::ledger::{Address, Channel, Decision, Language, Reply};
use icaze_store::{Document, Msisdn, Outcome, Reason};
use jiff::{SignedDuration, Timestamp};

const ASK: SignedDuration = SignedDuration::from_mins(10);
const SERIES: [&str; 5] = ["AZE", "AA", "MYI", "DYI", "MOM"];

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_607_940_000 + second).unwrap()
}

fn phone(number: u32) -> Msisdn {
    Msisdn::parse(format!("99450{number:07}"), 994, 9).unwrap()
}

fn questions(phones_max: usize) -> Questions {
    Questions::new(ASK, ASK, phones_max)
}

/// The reading of a text as the table writes it.
fn reading(text: &str) -> Reading {
    let words: Vec<&str> = text.split(' ').collect();
    let document = |word: &str| word.trim_end_matches('?').parse::<Document>().unwrap();
    let purpose = |word: &str| word.parse::<u8>().unwrap();
    let (request, partial) = match words[..] {
        ["yes"] => (Err(Help::Unreadable), Partial::Yes),
        ["no"] => (Err(Help::Unreadable), Partial::No),
        ["junk"] => (Err(Help::Unreadable), Partial::Nothing),
        [series] if let Some(series) = SERIES.iter().find(|known| **known == series) => {
            (Err(Help::Unreadable), Partial::Series(series))
        }
        [code] if code.len() == 1 => (Err(Help::NoDocument), Partial::Purpose(purpose(code), None)),
        [serial] => (Err(Help::NoPurpose), Partial::Document(document(serial))),
        [serial, "not"] => (Err(Help::Unreadable), Partial::Document(document(serial))),
        [code, end] if let Some(end) = end.strip_prefix("..") => {
            (Err(Help::NoDocument), Partial::Purpose(purpose(code), Some(tail(end))))
        }
        [code, number] if let Some(number) = number.strip_prefix('#') => {
            let digits = number.len().try_into().unwrap();
            let partial = Partial::Number { purpose: purpose(code), number: number.parse().unwrap(), digits };
            (Err(Help::Series), partial)
        }
        [code, serial] => {
            let request = Request { purpose: purpose(code), document: document(serial) };
            if serial.ends_with('?') {
                (Err(Help::Confirm), Partial::Doubtful(request))
            } else {
                (Ok(request), Partial::Nothing)
            }
        }
        _ => panic!("{text}"),
    };
    Reading { language: Language::Az, latin: false, request, tail: None, series: None, partial, places: None }
}

fn tail(end: &str) -> Tail {
    read(&format!("AZE20000{end}"), &PurposeNames::default()).tail.unwrap()
}

/// What the table says of a meaning.
fn told(meaning: &Meaning, outcome: &str) -> String {
    match (meaning.turn, meaning.request) {
        (Turn::Asks(question), _) => match question {
            Question::Purpose(_) => "asks purpose",
            Question::Series { .. } => "asks series",
            Question::Confirm(_) => "asks confirm",
            Question::Document(_) => "asks document",
        }
        .to_owned(),
        (Turn::Repeats(..), Err(Help::Confirm)) => "again".to_owned(),
        (Turn::Several(_), Err(Help::NoPurpose)) => "several".to_owned(),
        (_, Ok(Request { purpose, document })) => format!("{purpose} {document} {outcome}"),
        (_, Err(help)) => help.reason().name().to_owned(),
    }
}

/// Takes a text as the pipeline does: its meaning, and its record with the effect of that.
fn take(
    questions: &mut Questions,
    phone: Msisdn,
    seq: u64,
    (second, text): (i64, &str),
    standing: bool,
) -> Meaning {
    let meaning = questions.meaning(phone, &reading(text), at(second));
    questions.apply(phone, seq, at(second), &record(&meaning, (second, text), standing), reading);
    meaning
}

fn record<'a>(meaning: &Meaning, (second, text): (i64, &'a str), standing: bool) -> Decision<'a> {
    let (outcome, reason) = match meaning.request {
        Ok(request) if request.purpose == 7 => (Outcome::Refused, Some(Reason::PurposeUnknown)),
        Ok(_) if standing => (Outcome::Repeated, Some(Reason::Standing)),
        Ok(_) => (Outcome::Granted, None),
        Err(help) => (Outcome::Help, Some(help.reason())),
    };
    let address = Address { ton: 1, npi: 1, digits: b"" };
    Decision {
        channel: Channel::Sms,
        operator: "demo",
        from: address,
        to: address,
        parts: (&[]).into(),
        identity: 0,
        document: meaning.request.ok().map(|request| request.document),
        person: None,
        purpose: meaning.request.ok().map(|request| request.purpose),
        regime: None,
        register: 0,
        facts: None,
        outcome,
        reason,
        permit: None,
        reply: Some(Reply { text: "", language: meaning.language, expires_at: at(second) }),
        refers_to: if standing { Some(1) } else { meaning.turn.about() },
        again: matches!(meaning.turn, Turn::Asks(_)).then(|| at(second) + ASK),
        text: if outcome == Outcome::Help { text } else { "" },
    }
}

#[test]
fn each_row_of_the_table_is_as_it_says() {
    let mut rows = 0;
    for story in include_str!("questions.txt").split("\n\n").filter(|story| story.contains('|')) {
        let mut questions = questions(100);
        let lines = story.lines().filter(|line| !line.starts_with('#'));
        for (seq, row) in (100..).zip(lines) {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let [second, name, text, expected] = cells[..] else { panic!("not four cells: {row}") };
            let phone = phone(if name == "anna" { 1 } else { 2 });
            let outcome = expected.rsplit(' ').next().unwrap();
            let text = (second.parse().unwrap(), text);
            let meaning = take(&mut questions, phone, seq, text, outcome == "standing");
            let granted = if outcome == "purpose_unknown" { outcome } else { "granted" };
            let outcome = if outcome == "standing" { outcome } else { granted };
            assert_eq!(told(&meaning, outcome), expected, "{row}\nof\n{story}");
            rows += 1;
        }
    }
    assert!(rows > 90, "{rows}");
}

#[test]
fn the_same_answer_to_another_question_is_another_message_and_the_old_one_is_known_again() {
    let mut questions = questions(100);
    let anna = phone(1);
    take(&mut questions, anna, 1, (0, "AZE20000001"), false);
    let first = take(&mut questions, anna, 2, (1, "2"), false).identity(7);
    take(&mut questions, anna, 3, (2, "AZE20000002"), false);
    let second = take(&mut questions, anna, 4, (3, "2"), false).identity(7);
    assert!(first != second && first != 7 && second != 7);
    let known: Vec<u128> = questions.identities(anna, 7).collect();
    assert!(known.contains(&first) && known.contains(&second) && known.contains(&7));
    assert!(questions.is_newest(anna, 4) && !questions.is_newest(anna, 2));
    assert!(questions.is_over(anna, 1) && questions.is_over(anna, 3));
    assert!(!questions.identities(phone(2), 7).any(|other| other != 7));
}

#[test]
fn a_bare_answer_is_told_in_the_language_of_its_question() {
    let mut questions = questions(100);
    let anna = phone(1);
    let mut russian = reading("AZE20000001");
    russian.language = Language::Ru;
    let asked = questions.meaning(anna, &russian, at(0));
    questions.apply(anna, 1, at(0), &record(&asked, (0, "AZE20000001"), false), reading);
    assert_eq!(questions.meaning(anna, &reading("2"), at(1)).language, Language::Ru);
    let mut english = reading("2");
    english.language = Language::En;
    assert_eq!(questions.meaning(anna, &english, at(1)).language, Language::En);
}

#[test]
fn an_answer_to_what_was_asked_before_memory_begins_is_known_again() {
    let (mut before, mut after) = (questions(100), questions(100));
    let anna = phone(1);
    take(&mut before, anna, 1, (0, "AZE20000001"), false);
    let meaning = before.meaning(anna, &reading("2"), at(1));
    after.apply(anna, 2, at(1), &record(&meaning, (1, "2"), false), reading);
    assert!(after.identities(anna, 7).any(|identity| identity == meaning.identity(7)));
    assert!(after.is_over(anna, 1) && after.is_newest(anna, 2));
}

#[test]
fn memory_is_bounded_and_what_was_asked_lately_stays() {
    let mut questions = questions(100);
    for number in 0..1000 {
        take(&mut questions, phone(number), number.into(), (0, "AZE20000001"), false);
    }
    let open = |number| questions.meaning(phone(number), &reading("2"), at(1)).request.is_ok();
    let held: Vec<u32> = (0..1000).filter(|&number| open(number)).collect();
    assert!(held.len() <= 100 && held.len() >= 50 && held.contains(&999), "{}", held.len());
    assert!(questions.from() > 0, "a start has to read what is remembered only");
}
