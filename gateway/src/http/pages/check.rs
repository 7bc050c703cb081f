//! The officer's page: is this permit valid, now?

use askama::Template;
use icaze_store::ledger::Language;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::page::Page;
use super::words::CheckWords;
use crate::http::lookups::{Answer, Delivery, PermitAnswer, PermitState, Verdict};
use crate::world::World;

/// The page, empty or with an answer.
#[derive(Template)]
#[template(path = "check.html")]
pub(super) struct Check {
    pub(super) page: Page,
    pub(super) told: Option<Told>,
    /// Why there is no answer.
    pub(super) problem: Option<&'static str>,
}

/// What the officer reads.
pub(super) struct Told {
    /// How the verdict looks.
    class: &'static str,
    /// VALID, NOT VALID, or that nobody knows.
    verdict: &'static str,
    /// Until when.
    until: Option<String>,
    /// What was asked for is nobody's.
    none: bool,
    /// Which gateways may know more.
    missing: Option<String>,
    /// When this was so.
    now: String,
    permits: Vec<Line>,
}

/// A permit in a few words.
struct Line {
    stands: bool,
    state: &'static str,
    times: String,
    document: String,
    purpose: String,
    code: String,
    /// Its reply has not arrived: `received 14:10, reply not delivered`.
    undelivered: Option<String>,
}

impl Told {
    pub(super) fn of(answer: &Answer, world: &World, page: &Page) -> Self {
        let words = &page.words.check;
        let zone = world.regimes.at(answer.at).map_or(TimeZone::UTC, |regime| regime.zone.clone());
        let clock = Clock { zone, at: answer.at };
        let standing = answer.permits.iter().filter(|permit| permit.state == PermitState::Valid);
        let until = standing.map(|permit| permit.intervals[0].end).max();
        let (class, verdict) = match answer.verdict {
            Verdict::Valid => ("valid", &words.valid),
            Verdict::NotValid => ("invalid", &words.not_valid),
            Verdict::Unknown => ("unknown", &words.unknown),
        };
        Self {
            class,
            verdict,
            until: until.map(|end| clock.say(end)),
            none: answer.permits.is_empty() && answer.verdict != Verdict::Unknown,
            missing: missing(&answer.missing_nodes, words),
            now: clock.say(answer.at),
            permits: answer
                .permits
                .iter()
                .map(|permit| Line::of(permit, world, &clock, words, page.language))
                .collect(),
        }
    }
}

fn missing(nodes: &[u8], words: &CheckWords) -> Option<String> {
    let numbers: Vec<String> = nodes.iter().map(u8::to_string).collect();
    (!nodes.is_empty()).then(|| words.missing.replace("{nodes}", &numbers.join(", ")))
}

impl Line {
    fn of(
        permit: &PermitAnswer,
        world: &World,
        clock: &Clock,
        words: &'static CheckWords,
        language: Language,
    ) -> Self {
        let [interval] = &permit.intervals;
        let state = match permit.state {
            PermitState::Valid => &words.valid,
            PermitState::NotYetValid => &words.not_yet,
            PermitState::Ended => &words.ended,
            PermitState::Revoked => &words.revoked,
            PermitState::Undelivered => &words.undelivered,
        };
        let regime = world.regimes.at(permit.decided_at).and_then(|regime| world.words(regime, language));
        let purpose = regime.and_then(|regime| regime.purpose(permit.purpose));
        let arrives = matches!(permit.delivery, Delivery::Sent | Delivery::Delivered);
        Self {
            stands: permit.state == PermitState::Valid,
            state,
            times: format!("{} – {}", clock.say(interval.start), clock.say(interval.end)),
            document: permit.document.clone().unwrap_or_else(|| words.no_document.clone()),
            purpose: purpose.map_or_else(
                || permit.purpose.to_string(),
                |known| format!("{} {}", permit.purpose, known.name),
            ),
            code: permit.code.clone(),
            undelivered: (!arrives)
                .then(|| words.not_delivered.replace("{time}", &clock.say(permit.decided_at))),
        }
    }
}

/// Says instants as people there do: the time of day, with the day where it is another than today.
struct Clock {
    zone: TimeZone,
    at: Timestamp,
}

impl Clock {
    fn say(&self, instant: Timestamp) -> String {
        let (civil, today) = (self.zone.to_datetime(instant), self.zone.to_datetime(self.at).date());
        let form = if civil.date() == today { "%H:%M" } else { "%d.%m %H:%M" };
        civil.strftime(form).to_string()
    }
}

#[cfg(test)]
mod tests {
    use icaze_config::gateway::Settings;
    use icaze_config::regime::Regimes;
    use icaze_config::replies::Texts;
    use icaze_store::register::Builder;
    use jiff::SignedDuration;

    use super::*;
    use crate::http::lookups::IntervalAnswer;
    use crate::http::pages::page::Place;
    use crate::http::pages::words::Words;
    use crate::world::Contacts;

    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    /// 14:30 in Baku.
    fn now() -> Timestamp {
        "2020-12-14T10:30:00Z".parse().unwrap()
    }

    fn world() -> World {
        let config = Settings::shipped().validate().unwrap();
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/regimes/demo");
        let contacts = Contacts::of(&config.replies);
        let register = Builder::default().finish(1, now());
        World::new(register, Regimes::load(&dir).unwrap(), Texts::shipped().unwrap(), contacts)
    }

    fn shown(language: Language, permits: Vec<PermitAnswer>) -> String {
        let valid = permits.iter().any(|permit| permit.state == PermitState::Valid);
        told(language, if valid { Verdict::Valid } else { Verdict::NotValid }, permits, Vec::new())
    }

    fn told(
        language: Language,
        verdict: Verdict,
        permits: Vec<PermitAnswer>,
        missing_nodes: Vec<u8>,
    ) -> String {
        let page = Page { words: Words::of(language), language, place: Place::Check, reader: None };
        let answer = Answer { verdict, at: now(), permits, missing_nodes };
        let told = Some(Told::of(&answer, &world(), &page));
        Check { page, told, problem: None }.render().unwrap()
    }

    fn permit(state: PermitState, start: Timestamp, delivery: Delivery) -> PermitAnswer {
        PermitAnswer {
            code: "7K3M-9QXF".to_owned(),
            document: Some("AZE10000002".to_owned()),
            purpose: 2,
            intervals: [IntervalAnswer { start, end: start + HOUR * 3 }],
            state,
            decided_at: now() - SignedDuration::from_mins(20),
            delivery,
            regime: None,
        }
    }

    #[test]
    fn what_is_valid_is_so_until_the_last_of_its_ends() {
        let first = permit(PermitState::Valid, now() - HOUR * 2, Delivery::Sent);
        let second = permit(PermitState::Valid, now() - HOUR, Delivery::Delivered);
        let page = shown(Language::En, vec![first, second]);
        assert!(page.contains("verdict valid") && page.contains(">UNTIL 16:30<"), "{page}");
        assert!(page.contains("12:30 – 15:30") && page.contains("2 shopping"), "{page}");
        assert!(!page.contains("not delivered"), "{page}");
    }

    #[test]
    fn what_is_not_valid_says_why_in_each_language() {
        for (language, said) in
            [(Language::Az, "Ləğv edilib"), (Language::En, "Revoked"), (Language::Ru, "Отозвано")]
        {
            let page = shown(language, vec![permit(PermitState::Revoked, now() - HOUR, Delivery::Sent)]);
            assert!(page.contains("verdict invalid") && page.contains(said), "{page}");
        }
        let tomorrow =
            shown(Language::En, vec![permit(PermitState::NotYetValid, now() + HOUR * 12, Delivery::Sent)]);
        assert!(tomorrow.contains("Not yet valid") && tomorrow.contains("15.12 02:30"), "{tomorrow}");
    }

    #[test]
    fn a_reply_that_has_not_arrived_is_told() {
        let page = shown(Language::En, vec![permit(PermitState::Valid, now() - HOUR, Delivery::Waiting)]);
        assert!(page.contains("received 14:10, reply not delivered"), "{page}");
    }

    #[test]
    fn what_nobody_knows_is_not_told_to_be_invalid_and_who_is_missing_is_named() {
        for (language, unknown, sentence) in [
            (Language::Az, "MƏLUM DEYİL", "cavab verməyən şlüzlər: 2, 5"),
            (Language::En, "NOT KNOWN", "Gateways that do not answer: 2, 5"),
            (Language::Ru, "НЕИЗВЕСТНО", "Шлюзы, которые не отвечают: 2, 5"),
        ] {
            let page = told(language, Verdict::Unknown, Vec::new(), vec![2, 5]);
            assert!(page.contains("verdict unknown") && page.contains(unknown), "{page}");
            assert!(page.contains(sentence), "{page}");
            let words = &Words::of(language).check;
            assert!(!page.contains(&words.not_valid) && !page.contains(&words.none), "{page}");

            let mut elsewhere = permit(PermitState::Valid, now() - HOUR, Delivery::Waiting);
            elsewhere.document = None;
            let page = told(language, Verdict::Valid, vec![elsewhere], vec![2]);
            assert!(page.contains("verdict valid") && page.contains(&words.no_document), "{page}");
        }
    }
}
