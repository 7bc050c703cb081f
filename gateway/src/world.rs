//! What decisions are made from: the register, the regimes and the reply texts, loaded and checked.

use std::borrow::Cow;
use std::path::Path;

use anyhow::Context as _;
use icaze_config::gateway::{Config, Replies};
use icaze_config::regime::{Purpose, Regime, Regimes};
use icaze_config::replies::Texts;
use icaze_store::Document;
use icaze_store::ledger::Language;
use icaze_store::register::{Entry, Register, Status};
use jiff::Timestamp;

use crate::permit::decide::{DocumentStatus, PersonFacts};
use crate::permit::moment::Moment;
use crate::permit::read::PurposeNames;
use crate::permit::reply::{self, Line};
use crate::permit::rules::named;

/// One generation of facts and rules. Replaced as a whole, never changed.
#[derive(Clone)]
pub struct World {
    /// Who is who.
    pub register: Register,
    /// The dated rules.
    pub regimes: Regimes,
    /// What citizens read.
    pub texts: Texts,
    /// Whom they are told to call.
    pub contacts: Contacts,
    /// What purposes are called in any of the regimes.
    pub names: PurposeNames,
    words: Vec<(u64, [Words; 3])>,
}

/// Numbers and examples in the reply texts.
#[derive(Debug, Clone)]
pub struct Contacts {
    /// The hot line.
    pub hotline: String,
    /// The medical emergency number.
    pub emergency: String,
    /// A request as it should be.
    pub example: String,
    /// Serials that are nobody's, because examples show them.
    pub examples: Vec<Document>,
}

/// What a regime's purposes are called in one language.
#[derive(Debug, Clone)]
pub struct Words {
    /// All of them: `1 medical, 2 shopping`.
    pub codes: String,
    purposes: Vec<PurposeWords>,
}

/// What one purpose is called in one language.
#[derive(Debug, Clone)]
pub struct PurposeWords {
    code: u8,
    /// One word.
    pub name: String,
    /// Its times of day: `06:00-21:00`.
    pub hours: String,
}

impl World {
    /// Loads everything that the configuration names.
    ///
    /// # Errors
    /// With every problem found in the first of register, regimes and texts that has any.
    pub fn load(config: &Config) -> anyhow::Result<Self> {
        let regimes = load_regimes(&config.regime.dir)?;
        let texts = load_texts(&config.replies)?;
        let contacts = Contacts::of(&config.replies);
        let too_long = too_long(&config.replies, &texts, &regimes);
        if !too_long.is_empty() {
            return Err(lines(&too_long));
        }
        let register = Register::load(&config.register.path).context("register.path")?;
        Ok(Self::new(register, regimes, texts, contacts))
    }

    /// A world of these parts.
    #[must_use]
    pub fn new(register: Register, regimes: Regimes, texts: Texts, contacts: Contacts) -> Self {
        let languages = [Language::Az, Language::En, Language::Ru];
        let words = regimes.as_slice().iter();
        let words =
            words.map(|regime| (regime.hash(), languages.map(|language| Words::of(regime, language))));
        let (words, names) = (words.collect(), PurposeNames::of(&regimes));
        Self { words, names, register, regimes, texts, contacts }
    }

    /// The same rules and texts with another register.
    #[must_use]
    pub fn with(&self, register: Register) -> Self {
        let Self { regimes, texts, contacts, names, words, .. } = self.clone();
        Self { register, regimes, texts, contacts, names, words }
    }

    /// The rules of the minute that holds `now`.
    #[must_use]
    pub fn moment(&self, now: Timestamp) -> Moment<'_> {
        Moment::at(&self.regimes, now)
    }

    /// What a regime's purposes are called.
    #[must_use]
    pub fn words(&self, regime: &Regime, language: Language) -> Option<&Words> {
        let (_, words) = self.words.iter().find(|(hash, _)| *hash == regime.hash())?;
        words.get(match language {
            Language::Az => 0,
            Language::En => 1,
            Language::Ru => 2,
        })
    }

    /// Whether a serial is nobody's, because examples show it.
    #[must_use]
    pub fn is_example(&self, document: Document) -> bool {
        document == Document::EXAMPLE || self.contacts.examples.contains(&document)
    }

    /// What the register says of a document and its holder.
    #[must_use]
    pub fn facts(&self, entry: &Entry) -> Option<PersonFacts<'_>> {
        let person = self.register.person(entry.person)?;
        Some(PersonFacts {
            status: match entry.status {
                Status::Valid => DocumentStatus::Valid,
                Status::Lost => DocumentStatus::Lost,
                Status::Revoked => DocumentStatus::Revoked,
            },
            document_expires: entry.expires,
            birth_date: person.birth_date,
            region: person.region,
            deceased: person.deceased,
            exempt: person.exempt,
            isolation_until: person.isolation_until,
            arrival_until: person.arrival_until,
            blocked: person.blocked,
        })
    }
}

/// Loads a directory of regimes.
///
/// # Errors
/// With every problem, one a line.
pub fn load_regimes(dir: &Path) -> anyhow::Result<Regimes> {
    Regimes::load(dir).map_err(|problems| lines(&problems))
}

/// Loads the texts that citizens read.
///
/// # Errors
/// With every problem, one a line.
pub fn load_texts(replies: &Replies) -> anyhow::Result<Texts> {
    let texts = match &replies.dir {
        Some(dir) => Texts::load(dir),
        None => Texts::shipped(),
    };
    texts.map_err(|problems| lines(&problems))
}

/// Every text in every language, in the words of each regime, that is longer than one message at its longest: what is
/// wrong with it, and the remedy.
#[must_use]
pub fn too_long(replies: &Replies, texts: &Texts, regimes: &Regimes) -> Vec<String> {
    let contacts = Contacts::of(replies);
    let mut problems = Vec::new();
    for regime in regimes.as_slice() {
        for language in [Language::Az, Language::En, Language::Ru] {
            let lines = Words::of(regime, language).longest(texts, language, &contacts);
            problems.extend(lines.iter().filter_map(Line::problem).map(|problem| match &replies.dir {
                Some(dir) => format!("{}/{problem} (regime {})", dir.display(), regime.id),
                None => format!("shipped {problem} (regime {})", regime.id),
            }));
        }
    }
    problems
}

fn lines(problems: &[impl std::fmt::Display]) -> anyhow::Error {
    anyhow::anyhow!(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

impl Contacts {
    /// Those of the configuration.
    #[must_use]
    pub fn of(replies: &Replies) -> Self {
        let Replies { hotline, emergency, example, .. } = replies.clone();
        let examples = replies.examples.iter().filter_map(|serial| serial.parse().ok()).collect();
        Self { hotline, emergency, example, examples }
    }

    /// A request as it should be, with a document of this series if there is an example of one.
    #[must_use]
    pub fn example(&self, series: Option<&str>) -> Cow<'_, str> {
        let Some(typed) = self.examples.iter().find(|serial| Some(serial.series()) == series) else {
            return Cow::Borrowed(&self.example);
        };
        let serial = self.examples.iter().find(|serial| self.example.ends_with(&serial.to_string()));
        match serial {
            Some(serial) if serial.series() != typed.series() => {
                let purpose = self.example.strip_suffix(&serial.to_string()).unwrap_or_default();
                Cow::Owned(format!("{purpose}{typed}"))
            }
            _ => Cow::Borrowed(&self.example),
        }
    }
}

impl Words {
    /// What `regime` says in `language`.
    #[must_use]
    pub fn of(regime: &Regime, language: Language) -> Self {
        let purposes = regime.purposes.iter().map(|purpose| PurposeWords::of(purpose, language));
        let purposes: Vec<_> = purposes.collect();
        let codes: Vec<_> = purposes.iter().map(|words| format!("{} {}", words.code, words.name)).collect();
        Self { codes: codes.join(", "), purposes }
    }

    /// Every text with these words at its longest.
    #[must_use]
    pub fn longest(&self, texts: &Texts, language: Language, contacts: &Contacts) -> Vec<Line> {
        let purposes = self.purposes.iter().map(|words| (words.code, &*words.name, &*words.hours));
        let purposes: Vec<_> = purposes.collect();
        let words = reply::Words {
            purposes: &purposes,
            codes: &self.codes,
            hotline: &contacts.hotline,
            emergency: &contacts.emergency,
            example: &contacts.example,
        };
        reply::longest(texts, language, &words)
    }

    /// What the purpose with this code is called.
    #[must_use]
    pub fn purpose(&self, code: u8) -> Option<&PurposeWords> {
        self.purposes.iter().find(|words| words.code == code)
    }
}

impl PurposeWords {
    fn of(purpose: &Purpose, language: Language) -> Self {
        let hours: Vec<_> = purpose.hours.iter().map(ToString::to_string).collect();
        let name = named(&purpose.names, language).short.clone();
        Self { code: purpose.code, name, hours: hours.join(", ") }
    }
}
