//! The shipped reply texts against their drafts, and at their longest against a reviewed table.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

use std::path::Path;

use icaze_config::gateway::Settings;
use icaze_config::regime::Regimes;
use icaze_config::replies::{KEYS, Texts};
use icaze_gateway::permit::read::{PurposeNames, read};
use icaze_gateway::permit::reply::{Form, Instead, Line, Values, Words, key, longest, period, render};
use icaze_gateway::world::{self, Contacts, too_long};
use icaze_store::ledger::Language::{self, Az, En, Ru};
use icaze_store::{Document, Outcome, Reason};
use jiff::civil::{DateTime, date};

const LANGUAGES: [Language; 3] = [Az, En, Ru];

/// The texts that were drafted, with the counted lengths of the Azerbaijani and the Russian.
const DRAFTS: [(&str, usize, usize); 30] = [
    ("granted", 67, 69),
    ("standing", 67, 65),
    ("status", 65, 65),
    ("other_phone", 64, 62),
    ("unreadable", 69, 68),
    ("unknown_document", 69, 64),
    ("document_expired", 66, 67),
    ("document_lost", 67, 69),
    ("document_invalid", 63, 64),
    ("age", 66, 57),
    ("stay_home", 70, 64),
    ("quota", 64, 67),
    ("hours", 63, 59),
    ("area", 64, 66),
    ("purpose_unknown", 66, 64),
    ("no_purpose", 68, 62),
    ("ask_purpose", 65, 65),
    ("two_purposes", 67, 63),
    ("wrong_length", 70, 68),
    ("series", 67, 64),
    ("ask_series", 69, 65),
    ("confirm", 60, 56),
    ("several_questions", 62, 61),
    ("passport", 60, 63),
    ("later", 67, 63),
    ("forwarded", 64, 61),
    ("phone", 59, 59),
    ("guesses", 66, 60),
    ("no_regime", 61, 53),
    ("fin", 62, 49),
];

fn at(day: i8, hour: i8, minute: i8) -> DateTime {
    date(2020, 12, day).at(hour, minute, 0, 0)
}

fn words(language: Language) -> Words<'static> {
    let (purposes, codes): (&[_], _) = match language {
        Az => (&[(1, "tibb", "00:00-24:00"), (2, "ərzaq", "06:00-21:00")], "1 tibb, 2 ərzaq"),
        En => (&[(1, "medical", "00:00-24:00"), (2, "shopping", "06:00-21:00")], "1 medical, 2 shopping"),
        Ru => (&[(1, "врач", "00:00-24:00"), (2, "покупки", "06:00-21:00")], "1 врач, 2 покупки"),
    };
    Words { purposes, codes, hotline: "9108", emergency: "103", example: "2 AZE12345678" }
}

/// The values that the drafts were written with.
fn drafted(key: &str, language: Language) -> Values<'static> {
    let Words { purposes, codes, hotline, emergency, example } = words(language);
    Values {
        document: Document::new("AZE", "20000001").ok(),
        tail: None,
        purpose: Some(if key == "purpose_unknown" { 7 } else { 2 }),
        name: purposes[1].1,
        codes,
        hours: purposes[1].2,
        period: "14.12 14:15-17:15",
        code: "7K3M-9QXF",
        again: Some(match key {
            "quota" => at(15, 0, 0),
            "phone" => at(14, 14, 45),
            "guesses" => at(14, 20, 6),
            _ => at(14, 0, 0),
        }),
        count: Some(if key == "guesses" { 5 } else { 0 }),
        hotline,
        emergency,
        example,
    }
}

fn rendered(key: &str, language: Language, latin: bool, values: &Values<'_>) -> (Option<Form>, String) {
    let mut out = String::from("the last reply");
    let form = render(&Texts::shipped().unwrap(), key, language, latin, values, &mut out);
    (form, out)
}

fn utf16(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The shipped texts after a change to their files.
fn changed(change: impl Fn(&str) -> String) -> Texts {
    let dir = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/replies");
    for file in ["az.toml", "en.toml", "ru.toml"] {
        let text = std::fs::read_to_string(shipped.join(file)).unwrap();
        std::fs::write(dir.path().join(file), change(&text)).unwrap();
    }
    Texts::load(dir.path()).unwrap()
}

#[test]
fn drafts_have_their_counted_lengths() {
    for (key, az, ru) in DRAFTS {
        for (language, units) in [(Az, az), (Ru, ru)] {
            let (form, text) = rendered(key, language, false, &drafted(key, language));
            assert_eq!((form, utf16(&text)), (Some(Form::Full), units), "{text}");
        }
    }
}

#[test]
fn a_grant_reads_as_drafted() {
    let text = |key, language| rendered(key, language, false, &drafted(key, language)).1;
    assert_eq!(text("granted", Az), "İCAZƏ VAR: AZE20000001, kod 2 ərzaq, 14.12 14:15-17:15, № 7K3M-9QXF");
    assert_eq!(text("granted", En), "PERMIT: AZE20000001, code 2 shopping, 14.12 14:15-17:15, No 7K3M-9QXF");
    assert_eq!(text("granted", Ru), "РАЗРЕШЕНО: AZE20000001, код 2 покупки, 14.12 14:15-17:15, № 7K3M-9QXF");
    assert_eq!(text("quota", Az), "*001: kod 2 üzrə limit bitib. Yenidən: 15.12 saat 00:00. T. 9108");
    assert_eq!(text("hours", En), "*001: no permit at this hour. Code 2 hours: 06:00-21:00. Help: 9108");
}

#[test]
fn over_midnight_both_days_are_told_in_fewer_words() {
    let overnight = |key| {
        let overnight = period(at(14, 23, 15), at(15, 2, 15));
        rendered(key, Az, false, &Values { period: &overnight, ..drafted(key, Az) })
    };
    let (form, text) = overnight("granted");
    assert_eq!(text, "İCAZƏ VAR: AZE20000001, kod 2, 14.12 23:15-15.12 02:15, № 7K3M-9QXF");
    assert_eq!((form, utf16(&text)), (Some(Form::Short), 67));
    let (form, text) = overnight("standing");
    assert_eq!(text, "İCAZƏ ARTIQ VAR: AZE20000001, 2, 14.12 23:15-15.12 02:15, № 7K3M-9QXF");
    assert_eq!((form, utf16(&text)), (Some(Form::Short), 69));
}

#[test]
fn leading_zeros_are_told() {
    let document = Document::new("AA", "0000012").ok();
    let values = Values { document, ..drafted("granted", En) };
    assert!(rendered("granted", En, false, &values).1.starts_with("PERMIT: AA0000012, "));
    assert!(rendered("area", En, false, &values).1.starts_with("*012: "));
}

#[test]
fn what_is_not_known_is_left_to_the_short_form() {
    let values = Values { again: None, ..drafted("no_regime", Az) };
    let (form, text) = rendered("no_regime", Az, false, &values);
    assert_eq!((form, text.as_str()), (Some(Form::Short), "Hazırda SMS icazəsi tələb olunmur. T. 9108"));
    let values = Values { document: None, ..drafted("granted", Az) };
    assert_eq!(rendered("granted", Az, false, &values), (None, String::new()));
    assert_eq!(rendered("no such text", Az, false, &values), (None, String::new()));
}

#[test]
fn a_help_begins_with_the_tail_where_the_text_has_a_serial() {
    let names = PurposeNames::default();
    let typed = Values { document: None, tail: read("AZE 1234", &names).tail, ..drafted("wrong_length", Az) };
    assert!(typed.tail.is_some(), "the text has the end of a serial");
    let text = |language, latin, values| rendered("wrong_length", language, latin, &values).1;
    assert!(text(Az, false, typed).starts_with("*234: nömrədə rəqəmlərin"));
    let none = Values { tail: None, ..typed };
    assert!(text(Az, false, none).starts_with("Nömrədə rəqəmlərin"));
    assert!(text(En, false, none).starts_with("The number has"));
    assert!(text(Ru, false, none).starts_with("Неверное число"));
    assert!(text(Ru, true, none).starts_with("Nevernoe chislo"));
    let later = |latin| rendered("later", Az, latin, &Values { document: None, ..drafted("later", Az) }).1;
    assert!(later(false).starts_with("İcazə indidən"), "the capital of the Azerbaijani i has a dot");
    assert!(later(true).starts_with("Icaze indiden"));
}

#[test]
fn three_codes_are_named_in_fewer_words_and_unknown_ones_in_the_fewest() {
    let codes =
        ["1 tibb, 2 ərzaq, 3 dəfn", "1 medical, 2 shopping, 3 funeral", "1 врач, 2 покупки, 3 похороны"];
    for key in ["no_purpose", "ask_purpose", "two_purposes", "purpose_unknown"] {
        for (language, codes) in LANGUAGES.into_iter().zip(codes) {
            let values = drafted(key, language);
            let (form, text) = rendered(key, language, false, &Values { codes, ..values });
            let expected = if language == En { Form::Full } else { Form::Short };
            assert_eq!(form, Some(expected), "{text}");
            assert!(text.contains(codes), "{text}");
            assert_eq!(rendered(key, language, false, &Values { codes: "", ..values }).0, Some(Form::Least));
        }
    }
}

#[test]
fn latin_letters_on_request_or_where_nothing_else_fits() {
    let (form, text) = rendered("granted", Az, true, &drafted("granted", Az));
    assert_eq!(text, "ICAZE VAR: AZE20000001, kod 2 erzaq, 14.12 14:15-17:15, N 7K3M-9QXF");
    assert_eq!(form, Some(Form::LatinFull));
    let long = Values { hotline: "012345678901234", ..drafted("stay_home", Az) };
    let (form, text) = rendered("stay_home", Az, false, &long);
    assert_eq!((form, utf16(&text)), (Some(Form::Short), 63));
    let long = Values { hotline: "01234567890123456789012", ..long };
    assert_eq!(rendered("stay_home", Az, false, &long).0, Some(Form::LatinFull));
}

#[test]
fn every_answerable_decision_has_a_text() {
    let mut answered = vec![key(Outcome::Granted, None)];
    for &reason in Reason::ALL {
        let outcome = match reason {
            Reason::Loop | Reason::Receipt => Outcome::Ignored,
            _ => Outcome::Refused,
        };
        answered.push(key(outcome, Some(reason)));
    }
    answered.extend(Instead::ALL.map(|instead| Some(instead.name())));
    let mut answered: Vec<&str> = answered.into_iter().flatten().collect();
    let mut known = KEYS.map(|key| key.name);
    answered.sort_unstable();
    // A confirmation that may not be asked for is answered with the help about series.
    answered.dedup();
    known.sort_unstable();
    assert_eq!(answered, known);
}

#[test]
fn the_short_form_fits_where_the_full_one_does_not() {
    let long = format!("{}\"\nshort = ", "ə".repeat(161));
    let texts = changed(|file| file.replace("\"\nshort = ", &long));
    for language in LANGUAGES {
        let lines = longest(&texts, language, &words(language));
        for key in KEYS {
            let form = lines.iter().find(|line| line.key == key.name).map(|line| line.form);
            assert_eq!(form, Some(Some(Form::Short)), "{} {}", language.name(), key.name);
        }
    }
}

#[test]
fn an_overflow_is_found() {
    let lengthened = |by: usize| changed(|file| file.replace("bu saatda", &"bu saatda ".repeat(by)));
    let problems = |texts: &Texts, words: &Words<'_>| {
        longest(texts, Az, words).iter().filter_map(Line::problem).collect::<Vec<_>>()
    };
    assert_eq!(problems(&lengthened(2), &words(Az)), Vec::<String>::new());
    // Full and short in Latin letters are left, until they do not fit either.
    let found = problems(&lengthened(20), &words(Az));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("az.toml: hours: at its longest even the shortest form takes "),
        "{found:?}"
    );
    let codes = Words { codes: &"1 tibb, ".repeat(30), ..words(Az) };
    assert_eq!(problems(&Texts::shipped().unwrap(), &codes), Vec::<String>::new());
    let hotline = Words { hotline: &"9".repeat(140), ..words(Az) };
    assert!(problems(&Texts::shipped().unwrap(), &hotline).len() > 10);
}

#[test]
fn the_example_is_in_the_series_that_was_typed() {
    let contacts = Contacts::of(&Settings::shipped().validate().unwrap().replies);
    for (series, expected) in [
        (None, "2 AZE12345678"),
        (Some("AZE"), "2 AZE12345678"),
        (Some("AA"), "2 AA1234567"),
        (Some("MYI"), "2 MYI1234567"),
        (Some("XX"), "2 AZE12345678"),
    ] {
        assert_eq!(contacts.example(series), expected, "{series:?}");
    }
}

#[test]
fn every_text_fits_every_shipped_regime_in_its_own_letters() {
    let (texts, replies) = (Texts::shipped().unwrap(), Settings::shipped().validate().unwrap().replies);
    let contacts = Contacts::of(&replies);
    for dir in ["az-2020", "demo"] {
        let regimes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/regimes").join(dir);
        let regimes = Regimes::load(&regimes).unwrap();
        assert_eq!(too_long(&replies, &texts, &regimes), Vec::<String>::new());
        for (regime, language) in
            regimes.as_slice().iter().flat_map(|regime| LANGUAGES.map(|language| (regime, language)))
        {
            let lines = world::Words::of(regime, language).longest(&texts, language, &contacts);
            for key in KEYS {
                let first = lines.iter().find(|line| line.key == key.name).unwrap();
                let proper = matches!(first.form, Some(Form::Full | Form::Short | Form::Least));
                assert!(proper, "{} {}: {}", regime.id, language.name(), first.text);
            }
        }
    }
}

#[test]
fn every_text_fits_one_message_and_reads_as_reviewed() {
    let texts = Texts::shipped().unwrap();
    let mut table = String::new();
    for language in LANGUAGES {
        for line in longest(&texts, language, &words(language)) {
            assert_eq!(line.problem(), None);
            assert!(line.units <= line.units_max);
            let form = line.form.map_or("none", Form::name);
            let (language, units, units_max) = (language.name(), line.units, line.units_max);
            table +=
                &format!("{language} {:<18}{form:<12}{units:>3}/{units_max:<4}{}\n", line.key, line.text);
        }
    }
    let reviewed = include_str!("replies.txt");
    if table != reviewed {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("replies.txt");
        std::fs::write(&path, &table).unwrap();
        panic!(
            "the replies have changed: review {} and put it in place of gateway/tests/replies.txt",
            path.display()
        );
    }
}
