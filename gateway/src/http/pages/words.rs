//! What the pages say, in each language: one file of texts for each, compiled in.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use icaze_store::audit::Action;
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

section!(Site: skip pages language dashboard log_in log_out);
section!(Login: lead token hint submit failed by refused);
section!(Denied: title lead);
section!(CheckWords:
    title value hint reason street road asked other submit again valid until not_valid now none permits not_yet ended revoked
    undelivered not_delivered unreadable unavailable unknown missing no_document
);
section!(AuditWords:
    title document hint submit person trail withheld whole refused nobody older unreadable unavailable look_up_by_code
    look_up_by_document look_up_by_phone revoke read_about read_trail
);
section!(DashboardWords:
    ready not_ready pause resume stale over minutes day purpose all rate mean highest share of decisions latency half
    nearly slowest waiting oldest none_waits permits permits_note register documents generation age outcomes outcome
    count percent reasons reason course purposes granted refused other regions region decided few operators operator
    sessions received sent waits no_session rules no_rules table time from nothing empty
);
section!(Units: decimal group milliseconds seconds minutes hours days);

/// Everything in one language.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    pub(super) site: Site,
    pub(super) login: Login,
    pub(super) denied: Denied,
    pub(super) check: CheckWords,
    pub(super) audit: AuditWords,
    pub(super) dashboard: DashboardWords,
    pub(super) units: Units,
    outcomes: BTreeMap<String, String>,
    reasons: BTreeMap<String, String>,
}

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

    pub(super) fn action(&self, action: Action) -> &str {
        let words = &self.audit;
        match action {
            Action::LookUpByCode => &words.look_up_by_code,
            Action::LookUpByDocument => &words.look_up_by_document,
            Action::LookUpByPhone => &words.look_up_by_phone,
            Action::Revoke => &words.revoke,
            Action::ReadAbout => &words.read_about,
            Action::ReadTrail => &words.read_trail,
        }
    }

    pub(super) fn reason(&self, reason: Reason) -> &str {
        word(&self.reasons, reason.name())
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
    fn every_outcome_and_reason_has_a_word_in_every_language() {
        for (language, tag, _) in LANGUAGES {
            let words = Words::of(language);
            let outcomes: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.name()).collect();
            let reasons: Vec<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
            for (section, names) in [(&words.outcomes, &*outcomes), (&words.reasons, &*reasons)] {
                let (mut known, mut named): (Vec<_>, Vec<_>) =
                    (section.keys().map(String::as_str).collect(), names.to_vec());
                known.sort_unstable();
                named.sort_unstable();
                assert_eq!(known, named, "{tag}");
            }
        }
    }
}
