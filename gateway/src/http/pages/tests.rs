//! The pages as a browser gets them, made from facts.

use std::time::Duration;

use askama::Template;
use icaze_config::regime::{Regime, Regimes};
use icaze_store::Reason;
use icaze_store::ledger::Language;
use jiff::{SignedDuration, Timestamp};

use super::dashboard::{Dashboard, View};
use super::facts::{Facts, OperatorFacts, RegisterFacts};
use super::login::{Denied, Login};
use super::page::{Page, Place, Reader};
use super::words::{LANGUAGES, Words};
use crate::clock::Now;
use crate::pipeline::stats::Stats;
use crate::timeline::{Timeline, Totals, no_answers};

fn page(language: Language, place: Place) -> Page {
    let reader = Reader {
        name: "demo".to_owned(),
        institution: "Icaze".to_owned(),
        csrf: "0123".to_owned(),
        places: vec![Place::Dashboard],
    };
    Page { words: Words::of(language), language, place, reader: Some(reader) }
}

fn regimes() -> Regimes {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/regimes/demo");
    Regimes::load(&dir).unwrap()
}

fn noon() -> Timestamp {
    "2020-12-14T10:10:00Z".parse().unwrap()
}

/// Ten minutes of grants and refusals.
fn timeline() -> Timeline {
    let mut now = Now { wall: noon() - SignedDuration::from_mins(10), ..Now::read() };
    let (mut timeline, mut stats) = (Timeline::new(now), Stats::default());
    for second in 0..600_u64 {
        let mut answers = no_answers();
        for n in 0..(second % 90) / 9 + 3 {
            stats.decided(None, Some(u8::try_from(1 + n % 2).unwrap()), Some("Baku"));
            answers.record(700 + 13 * n * second % 900).unwrap();
        }
        for n in 0..second % 7 {
            let reason = [Reason::Quota, Reason::Age, Reason::Unreadable, Reason::Standing, Reason::Area];
            stats.decided(Some(reason[usize::try_from(n % 5).unwrap()]), Some(2), Some("Ganja"));
        }
        if second % 100 == 0 {
            stats.decided(Some(Reason::StayHome), Some(1), Some("Lerik"));
        }
        now = Now {
            wall: now.wall + SignedDuration::from_secs(1),
            monotonic: now.monotonic + Duration::from_secs(1),
        };
        timeline.sample(now, Totals::of(&stats), &answers);
    }
    timeline
}

fn facts<'a>(timeline: &'a Timeline, regime: Option<&'a Regime>) -> Facts<'a> {
    let operator = |name: &str, sessions, waiting| OperatorFacts {
        name: name.to_owned(),
        sessions,
        received: 12.3,
        sent: 11.9,
        waiting,
    };
    Facts {
        now: noon(),
        not_ready: None,
        timeline,
        operators: vec![operator("azercell", vec![("transceiver", 2)], 0), operator("nar", Vec::new(), 1234)],
        oldest: SignedDuration::from_secs(95),
        permits: 4321,
        register: RegisterFacts { documents: 100_012, generation: 7, age: SignedDuration::from_hours(27) },
        regime,
    }
}

fn dashboard(language: Language, view: View, facts: &Facts<'_>) -> String {
    Dashboard::new(page(language, Place::Dashboard), view, facts).render().unwrap()
}

/// What stands between the tags of an element with this id.
fn part<'a>(html: &'a str, id: &str) -> &'a str {
    let at = html.find(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("no {id}"));
    let inner = html[at..].split_once('>').unwrap().1;
    inner.split("data-live").next().unwrap()
}

#[test]
fn a_dashboard_says_what_happened_in_the_words_of_its_language() {
    let (timeline, regimes) = (timeline(), regimes());
    let facts = facts(&timeline, regimes.at(noon()));
    for (language, title, reason, rule) in [
        (Language::Az, "Göstəricilər", "Limit bitib", "SMS icazəsinin qaydaları (demo)"),
        (Language::En, "Dashboard", "Allowance used up", "Rules for SMS permits (demo)"),
        (Language::Ru, "Показатели", "Лимит исчерпан", "Правила SMS-разрешений (demo)"),
    ] {
        let html = dashboard(language, View::default(), &facts);
        assert!(html.contains(&format!("<h1>{title}</h1>")), "{language:?}");
        assert!(part(&html, "reasons").contains(reason), "{language:?}");
        assert!(part(&html, "rules").contains(rule), "{language:?}");
        assert!(html.contains("14:10:00"), "the regime's own time");
    }
}

#[test]
fn figures_are_those_of_the_timeline() {
    let (timeline, regimes) = (timeline(), regimes());
    let facts = facts(&timeline, regimes.at(noon()));
    let html = dashboard(Language::En, View::default(), &facts);
    let whole = timeline.whole(crate::timeline::Span::Minutes);
    let granted = Words::of(Language::En).count(whole.sum(|count| count.reason.is_none()));
    assert!(part(&html, "tiles").contains(&format!("{granted} of ")), "{granted}");
    assert!(
        part(&html, "tiles").contains("1 d 3 h".replace(" d", "\u{a0}d").replace(" h", "\u{a0}h").as_str())
    );
    assert!(part(&html, "outcomes-plot").contains("<path class=\"granted\" d=\"M0 "), "a picture");
    assert_eq!(part(&html, "outcomes-table").matches("<tr>").count(), 12, "and its table");
    let medical = View { purpose: Some(1), ..View::default() };
    let html = dashboard(Language::En, medical, &facts);
    assert!(!part(&html, "reasons").contains("Allowance used up"), "of code 1 nobody was refused for it");
    assert!(part(&html, "reasons").contains("Isolation"));
}

#[test]
fn few_people_of_a_region_are_not_told_apart() {
    let (timeline, regimes) = (timeline(), regimes());
    let html = dashboard(Language::En, View::default(), &facts(&timeline, regimes.at(noon())));
    let regions = part(&html, "regions");
    assert!(regions.contains("Lerik</th><td class=\"text quiet\" colspan=\"3\">fewer than 10"), "{regions}");
}

#[test]
fn what_should_alarm_does_so_in_words() {
    let (timeline, regimes) = (timeline(), regimes());
    let mut facts = facts(&timeline, regimes.at(noon()));
    let html = dashboard(Language::En, View::default(), &facts);
    assert!(
        html.contains("class=\"alarming\"")
            && part(&html, "tiles").contains("oldest for 1\u{a0}min 35\u{a0}s")
    );
    assert!(part(&html, "operators").contains("no session"));
    assert!(part(&html, "state").contains("Takes messages"));
    facts.not_ready = Some("draining");
    let html = dashboard(Language::En, View::default(), &facts);
    assert!(part(&html, "state").contains("Takes no messages") && part(&html, "state").contains("draining"));
}

#[test]
fn a_gateway_without_messages_or_rules_says_so() {
    let timeline = Timeline::new(Now { wall: noon(), ..Now::read() });
    let mut facts = facts(&timeline, None);
    facts.operators.clear();
    let html = dashboard(Language::En, View::default(), &facts);
    assert!(part(&html, "empty").contains("No messages yet"));
    assert!(part(&html, "rules").contains("No regime is in force"));
    assert!(html.contains("Nothing yet in this time") && !html.contains("NaN"));
}

/// Whatever a page refers to is ours, and nothing in it is code.
#[test]
fn a_page_needs_no_other_host_and_holds_no_code() {
    let (timeline, regimes) = (timeline(), regimes());
    let facts = facts(&timeline, regimes.at(noon()));
    for (language, ..) in LANGUAGES {
        let login = Login {
            page: Page { reader: None, ..page(language, Place::Login) },
            failed: true,
            refused: true,
            issuer: Some("ASAN Login".to_owned()),
        };
        for html in [dashboard(language, View::default(), &facts), login.render().unwrap()] {
            for (attribute, value) in attributes(&html) {
                match attribute {
                    "href" | "src" | "action" => {
                        assert!(value.starts_with('/') || value.starts_with('#'), "{attribute}={value}");
                    }
                    _ => assert!(attribute != "style" && !attribute.starts_with("on"), "{attribute}={value}"),
                }
            }
            assert!(!html.contains("<style") && !html.contains("<script>"));
        }
    }
}

#[test]
fn what_others_wrote_is_escaped() {
    let mut page = page(Language::En, Place::Login);
    page.reader.as_mut().unwrap().name = "<script>".to_owned();
    let html = Denied { page }.render().unwrap();
    assert!(html.contains("&#60;script&#62;") && !html.contains("<script>"), "{html}");
}

/// Every attribute with a value.
fn attributes(html: &str) -> Vec<(&str, &str)> {
    let parts: Vec<&str> = html.split('"').collect();
    let pairs = parts.chunks_exact(2).filter_map(|pair| Some((pair[0].strip_suffix('=')?, pair[1])));
    pairs.map(|(before, value)| (before.rsplit([' ', '\n']).next().unwrap_or_default(), value)).collect()
}
