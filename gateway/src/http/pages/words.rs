//! What the pages say, in each language: one file of texts for each, compiled in.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use icaze_store::ledger::Language;
use icaze_store::{Outcome, Reason};
use serde::Deserialize;

/// Declares a section of the files: every key is a text that must be there.
macro_rules! section {
    ($name:ident: $($key:ident)+) => {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name { $(pub(super) $key: String,)+ }
    };
}

section!(Site: skip pages language dashboard officer audit log_in log_out note);
section!(Login: lead token hint submit failed elsewhere);
section!(Denied: title lead);
section!(DashboardWords:
    ready not_ready pause resume stale over minutes day purpose all rate mean highest share of decisions latency half
    nearly slowest waiting oldest none_waits permits permits_note register documents generation age outcomes outcome
    count percent reasons reason course purposes granted refused other regions region decided few operators operator
    sessions received sent waits no_session rules no_rules table time from nothing empty
);
section!(AuditWords:
    lead time who institution action reason older newest nothing about about_hint about_submit about_nothing withheld
);
section!(Units: decimal group milliseconds seconds minutes hours days a_second);

/// The words of the officer's page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfficerWords {
    pub(super) by: String,
    pub(super) document: String,
    pub(super) code: String,
    pub(super) phone: String,
    pub(super) value: String,
    pub(super) value_hint: String,
    pub(super) reason: String,
    pub(super) past: String,
    pub(super) at: String,
    pub(super) at_hint: String,
    pub(super) submit: String,
    pub(super) valid: String,
    /// What stands before the time, and after it.
    pub(super) until: (String, String),
    pub(super) not_valid: String,
    pub(super) checked: String,
    pub(super) now: String,
    pub(super) no_permit: String,
    pub(super) permits: String,
    pub(super) received: String,
    pub(super) not_delivered: String,
    pub(super) no_value: String,
    pub(super) no_reason: String,
    pub(super) bad_document: String,
    pub(super) bad_code: String,
    pub(super) bad_phone: String,
    pub(super) bad_time: String,
    pub(super) unavailable: String,
    pub(super) too_often: String,
}

/// Everything in one language.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    pub(super) site: Site,
    pub(super) login: Login,
    pub(super) denied: Denied,
    pub(super) dashboard: DashboardWords,
    pub(super) officer: OfficerWords,
    pub(super) audit: AuditWords,
    pub(super) units: Units,
    outcomes: BTreeMap<String, String>,
    reasons: BTreeMap<String, String>,
    states: BTreeMap<String, String>,
    inquiries: BTreeMap<String, String>,
}

/// Why an officer may look somebody up, by the name that the trail keeps.
pub(super) const INQUIRIES: [&str; 5] = ["roadside", "checkpoint", "fine", "request", "investigation"];

static WORDS: LazyLock<[Words; 3]> = LazyLock::new(|| {
    let files = [include_str!("words/az.toml"), include_str!("words/en.toml"), include_str!("words/ru.toml")];
    files.map(parse)
});

#[expect(clippy::expect_used, reason = "the files are compiled in, and tests read them")]
fn parse(file: &str) -> Words {
    toml::from_str(file).expect("a file of words")
}

impl Words {
    /// Those of a language.
    pub(super) fn of(language: Language) -> &'static Self {
        let [az, en, ru] = &*WORDS;
        match language {
            Language::Az => az,
            Language::En => en,
            Language::Ru => ru,
        }
    }

    pub(super) fn outcome(&self, outcome: Outcome) -> &str {
        word(&self.outcomes, outcome.name())
    }

    pub(super) fn reason(&self, reason: Reason) -> &str {
        word(&self.reasons, reason.name())
    }

    /// The state of a permit in a look-up's answer.
    pub(super) fn state<'a>(&'a self, state: &'a str) -> &'a str {
        word(&self.states, state)
    }

    /// Why somebody was looked up: one of [`INQUIRIES`], or what was written.
    pub(super) fn inquiry<'a>(&'a self, reason: &'a str) -> &'a str {
        word(&self.inquiries, reason)
    }
}

/// The word for a name, or the name itself.
fn word<'a>(words: &'a BTreeMap<String, String>, name: &'a str) -> &'a str {
    words.get(name).map_or(name, |word| word)
}

/// The languages, the default first, as their speakers call them.
pub(super) const LANGUAGES: [(Language, &str, &str); 3] =
    [(Language::Az, "az", "Azərbaycanca"), (Language::En, "en", "English"), (Language::Ru, "ru", "Русский")];

/// The language's tag (BCP 47).
pub(super) fn tag(language: Language) -> &'static str {
    match language {
        Language::Az => "az",
        Language::En => "en",
        Language::Ru => "ru",
    }
}

/// The language of a tag; `None` if it is not one of ours.
pub(super) fn tagged(tag: &str) -> Option<Language> {
    LANGUAGES.into_iter().find(|(_, known, _)| *known == tag).map(|(language, ..)| language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_reason_and_inquiry_has_a_word_in_every_language() {
        for (language, tag, _) in LANGUAGES {
            let words = Words::of(language);
            let outcomes: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.name()).collect();
            let reasons: Vec<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
            let states = ["valid", "not_yet_valid", "ended", "revoked", "undelivered"];
            for (section, names) in [
                (&words.outcomes, &*outcomes),
                (&words.reasons, &*reasons),
                (&words.states, &states),
                (&words.inquiries, &INQUIRIES),
            ] {
                let (mut known, mut named): (Vec<_>, Vec<_>) =
                    (section.keys().map(String::as_str).collect(), names.to_vec());
                known.sort_unstable();
                named.sort_unstable();
                assert_eq!(known, named, "{tag}");
            }
        }
    }

    #[test]
    fn a_reason_in_an_officers_own_words_stays_as_it_is() {
        assert_eq!(Words::of(Language::En).inquiry("roadside"), "Roadside check");
        assert_eq!(Words::of(Language::En).inquiry("seen twice"), "seen twice");
    }
}
