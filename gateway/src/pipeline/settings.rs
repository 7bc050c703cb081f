//! The bounds of a pipeline, as the configuration has them.

use std::time::Duration;

use icaze_config::gateway::{Away, Config};
use icaze_store::{Document, Msisdn};
use jiff::SignedDuration;

use super::guesses::GuessLimits;
use super::limits::PhoneLimits;
use crate::permit::read::PurposeNames;

/// Requests that are remembered to tell redeliveries, at most, and with them their replies: some 60 MiB and 180 MiB.
const REQUESTS_MAX: usize = 1_250_000;
/// Phones whose texts are counted, at most: some 50 MiB.
const PHONES_MAX: usize = 1_500_000;
/// Phones whose guesses are counted, at most: some 30 MiB.
const GUESSERS_MAX: usize = 100_000;
/// Phones whose questions are remembered, at most: some 47 MiB.
const QUESTIONS_MAX: usize = 200_000;
/// Replies of one operator that wait, at most: some 250 MiB.
const WAITING_MAX: usize = 1_000_000;

/// The bounds of a pipeline.
#[derive(Debug, Clone)]
pub struct Settings {
    /// This node's number, 0 to 15.
    pub node: u8,
    /// How long a reply is of use.
    pub lifetime: SignedDuration,
    /// How long an operator's response to a reply is awaited.
    pub response: Duration,
    /// How long the same request is known as the same.
    pub dedupe: SignedDuration,
    /// How many requests are remembered for that, at most.
    pub requests_max: usize,
    /// How many replies of one operator wait, at most; beyond that its messages are asked to come again.
    pub waiting_max: usize,
    /// How long the parts of a text are awaited.
    pub parts_timeout: SignedDuration,
    /// How long they are kept for those that come late.
    pub parts_keep: SignedDuration,
    /// How many texts in parts are kept, at most.
    pub parts_max: usize,
    /// What one phone may send.
    pub phone: PhoneLimits,
    /// How many serials it may guess.
    pub guesses: GuessLimits,
    /// How long a question waits for its answer.
    pub ask: SignedDuration,
    /// How many phones' questions are remembered, at most.
    pub questions_max: usize,
    /// What purposes are called, so that a question is read from its record as it was from the text.
    pub names: PurposeNames,
    /// What becomes of requests while the cluster is away, where the regime does not say.
    pub away: Away,
    /// What is for tests only.
    pub probe: Probe,
    /// The country's calling code and the length of its national numbers, to tell that two spellings are one phone.
    pub numbering: Numbering,
}

/// Handsets and documents that no statistics count.
#[derive(Debug, Clone, Default)]
pub struct Probe {
    /// The handsets.
    pub phones: Vec<Msisdn>,
    /// The documents.
    pub documents: Vec<Document>,
}

/// How the country's numbers are written.
#[derive(Debug, Clone, Copy)]
pub struct Numbering {
    /// The country's calling code.
    pub country: u16,
    /// Digits of a national number, without the trunk prefix.
    pub national: usize,
}

impl Settings {
    /// What `config` says; `names` are those that texts are read with. Durations of the configuration are
    /// whole seconds, far from any bound.
    #[must_use]
    pub fn of(config: &Config, names: &PurposeNames) -> Self {
        let signed = |duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        Self {
            node: config.node,
            lifetime: signed(config.smpp.answer_lifetime),
            response: config.smpp.response_timer,
            dedupe: signed(config.smpp.dedupe),
            requests_max: REQUESTS_MAX,
            waiting_max: WAITING_MAX,
            parts_timeout: signed(config.smpp.parts_timeout),
            // No text is kept for longer than one that cannot be read.
            parts_keep: signed(config.smpp.parts_keep.max(config.smpp.parts_timeout))
                .min(signed(config.retention.texts)),
            parts_max: config.smpp.parts_max,
            phone: PhoneLimits {
                texts_max: config.limits.phone_max,
                window: signed(config.limits.phone_window),
                notice: signed(config.limits.notice),
                phones_max: PHONES_MAX,
            },
            guesses: GuessLimits {
                unknown_max: config.limits.unknown_max,
                window: signed(config.limits.unknown_window),
                phones_max: GUESSERS_MAX,
            },
            ask: signed(config.limits.ask),
            questions_max: QUESTIONS_MAX,
            names: names.clone(),
            away: config.redis.away,
            probe: Probe::of(config),
            numbering: Numbering::of(config),
        }
    }
}

impl Probe {
    /// What `config` says.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let Numbering { country, national } = Numbering::of(config);
        let probe = &config.probe;
        Self {
            phones: probe.phones.iter().filter_map(|phone| Msisdn::parse(phone, country, national)).collect(),
            documents: probe.documents.iter().filter_map(|document| document.parse().ok()).collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.phones.is_empty() && self.documents.is_empty()
    }

    pub(super) fn holds(&self, phone: Option<Msisdn>, document: Option<Document>) -> bool {
        phone.is_some_and(|phone| self.phones.contains(&phone))
            || document.is_some_and(|document| self.documents.contains(&document))
    }
}

impl Numbering {
    /// What `config` says.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let country = config.smpp.country_code.parse().unwrap_or_default();
        Self { country, national: config.smpp.national_digits.into() }
    }
}
