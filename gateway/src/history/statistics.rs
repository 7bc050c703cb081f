//! Decisions and persons counted by what they have in common. The history has the facts of closed segments ready; what is newer
//! is read from the ledger.

use std::collections::HashMap;
use std::ops::Range;

use icaze_store::Outcome;
use icaze_store::views::{Fact, QUARTER_S, Someone};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Archive, ArchiveError, History};

/// Groups in one answer, at most.
pub const GROUPS_MAX: usize = 10_000;
/// Facts whose persons are told apart at once: 8 bytes of memory for each.
const FACTS_AT_ONCE: u64 = 4 << 20;
/// What is counted under one number takes the bits of a key that a person leaves.
const CLASS_ALL: u32 = (1 << (u64::BITS - Someone::BITS)) - 1;

const _: () = assert!(GROUPS_MAX < CLASS_ALL as usize);

/// What decisions can have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// The digit of the purpose that was read.
    Purpose,
    /// `granted`, `refused` and so on.
    Outcome,
    /// Why the outcome is what it is.
    Reason,
    /// The hour, by the regime's clock.
    Hour,
    /// The day, by the regime's clock.
    Day,
    /// Where the person lives.
    Region,
    /// The person's age in completed years, rounded down to tens.
    AgeBand,
}

impl Dimension {
    /// Its name in questions and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Purpose => "purpose",
            Self::Outcome => "outcome",
            Self::Reason => "reason",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Region => "region",
            Self::AgeBand => "age_band",
        }
    }
}

/// What a group has in common, in one dimension.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Value {
    /// It is not known: the person of an unreadable text, say.
    Unknown,
    /// A purpose or an age band.
    Number(u8),
    /// A name, a day (`2026-11-26`), or the first instant of an hour (RFC 3339).
    Text(String),
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Decisions.
    #[default]
    Decisions,
    /// Persons whom at least one of the decisions is about. Decisions about nobody do not count.
    Persons,
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// Quarters of an hour since 1970.
    pub quarters: Range<u32>,
    /// What tells groups apart; none: one group.
    pub by: Vec<Dimension>,
    /// What is counted.
    pub measure: Measure,
    /// Whose hours and days.
    pub zone: TimeZone,
}

impl Question {
    /// The quarters that a range of time touches.
    #[must_use]
    pub fn quarters(from: Timestamp, to: Timestamp) -> Range<u32> {
        let quarter = |at: Timestamp, up: i64| {
            let quarters = (at.as_second() + up).div_euclid(QUARTER_S as i64);
            u32::try_from(quarters.max(0)).unwrap_or(u32::MAX)
        };
        let almost = SignedDuration::new(0, 999_999_999);
        let start = quarter(from, 0);
        start..quarter(to.saturating_add(almost).unwrap_or(Timestamp::MAX), QUARTER_S as i64 - 1).max(start)
    }

    fn values(&self, fact: &Fact<'_>) -> Vec<Value> {
        let number = |number: Option<u8>| number.map_or(Value::Unknown, Value::Number);
        let text = |text: Option<&str>| text.map_or(Value::Unknown, |text| Value::Text(text.to_owned()));
        let value = |dimension: &Dimension| match dimension {
            Dimension::Purpose => number(fact.purpose),
            Dimension::Outcome => text(Some(fact.outcome.name())),
            Dimension::Reason => text(fact.reason.map(|reason| reason.name())),
            Dimension::Hour => {
                let minutes = self.zone.to_datetime(began(fact)).minute();
                Value::Text((began(fact) - SignedDuration::from_mins(minutes.into())).to_string())
            }
            Dimension::Day => Value::Text(self.zone.to_datetime(began(fact)).date().to_string()),
            Dimension::Region => text(fact.region),
            Dimension::AgeBand => number(fact.age_band),
        };
        self.by.iter().map(value).collect()
    }
}

/// The first instant of its quarter.
fn began(fact: &Fact<'_>) -> Timestamp {
    Timestamp::from_second(i64::from(fact.quarter) * QUARTER_S as i64).unwrap_or_default()
}

/// What was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The groups by their values, in order.
    pub groups: Vec<(Vec<Value>, u64)>,
    /// All of them together: of persons, those who are in several groups once.
    pub total: u64,
}

/// Why there are no statistics.
#[derive(Debug, thiserror::Error)]
pub enum StatisticsError {
    /// There would be too many groups.
    #[error("more than {GROUPS_MAX} groups")]
    TooFine,
    /// The facts cannot be read now.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

impl Archive {
    /// Counts what the ledger has up to the record `durable`. Reads from disk, for seconds where many millions are counted.
    ///
    /// # Errors
    /// If there would be more than [`GROUPS_MAX`] groups, or the history has no answer now.
    pub fn count(
        &self,
        history: &History,
        question: &Question,
        durable: u64,
    ) -> Result<Counted, StatisticsError> {
        let index = history.look_up(|index| Ok(index.clone())).ok_or(ArchiveError::NotReady)?;
        let mut classes = Classes { question, numbers: HashMap::new(), too_fine: false };
        let mut tail = Vec::new();
        self.newer(history, index.position(), durable, |record| {
            if let Some((fact, someone)) = index.fact(record)
                && question.quarters.contains(&fact.quarter)
                && let Some(class) = classes.of(&fact)
            {
                tail.push((class, someone));
            }
        })?;
        let mut tally = Tally { measure: question.measure, counts: Vec::new(), total: 0, pairs: Vec::new() };
        let all = index.facts_max(&question.quarters) + tail.len() as u64;
        let parts = match question.measure {
            Measure::Decisions => 1,
            Measure::Persons => (all / FACTS_AT_ONCE + 1).next_power_of_two(),
        };
        let width = (1_u64 << Someone::BITS) / parts;
        for part in 0..parts {
            let persons = part * width..=(part + 1) * width - 1;
            for &(class, someone) in &tail {
                if persons.contains(&someone.map_or(0, Someone::number)) {
                    tally.add(class, someone);
                }
            }
            let counted = history.look_up(|_| {
                let (class, count) =
                    (|fact: &Fact<'_>| classes.of(fact), |class, someone| tally.add(class, someone));
                index.count(question.quarters.clone(), persons.clone(), class, count)
            });
            counted.ok_or(ArchiveError::NotReady)?;
            tally.tell_apart();
        }
        if classes.too_fine {
            return Err(StatisticsError::TooFine);
        }
        let count = |number: u32| tally.counts.get(number as usize).copied().unwrap_or(0);
        let mut groups: Vec<_> =
            classes.numbers.into_iter().map(|(values, number)| (values, count(number))).collect();
        groups.retain(|(_, count)| *count > 0);
        groups.sort_unstable();
        Ok(Counted { groups, total: tally.total })
    }
}

/// The groups that have come up, with numbers for short.
struct Classes<'q> {
    question: &'q Question,
    numbers: HashMap<Vec<Value>, u32>,
    too_fine: bool,
}

impl Classes<'_> {
    fn of(&mut self, fact: &Fact<'_>) -> Option<u32> {
        // Nobody's business but the operator's: neither answered nor a request.
        if fact.outcome == Outcome::Ignored {
            return None;
        }
        let next = self.numbers.len();
        if next > GROUPS_MAX {
            self.too_fine = true;
            return None;
        }
        Some(*self.numbers.entry(self.question.values(fact)).or_insert(next as u32))
    }
}

/// Counts by number.
struct Tally {
    measure: Measure,
    counts: Vec<u64>,
    total: u64,
    /// A number and a person, in one: those who are to be told apart.
    pairs: Vec<u64>,
}

impl Tally {
    fn add(&mut self, class: u32, someone: Option<Someone>) {
        match (self.measure, someone) {
            (Measure::Decisions, _) => {
                self.total += 1;
                *self.count(class) += 1;
            }
            (Measure::Persons, Some(someone)) => {
                self.pairs.extend(
                    [class, CLASS_ALL].map(|class| u64::from(class) << Someone::BITS | someone.number()),
                );
                // Whoever asks again and again takes no more room.
                if self.pairs.len() as u64 > 4 * FACTS_AT_ONCE {
                    self.pairs.sort_unstable();
                    self.pairs.dedup();
                }
            }
            (Measure::Persons, None) => {}
        }
    }

    fn tell_apart(&mut self) {
        let mut pairs = std::mem::take(&mut self.pairs);
        pairs.sort_unstable();
        pairs.dedup();
        for pair in &pairs {
            match (pair >> Someone::BITS) as u32 {
                CLASS_ALL => self.total += 1,
                class => *self.count(class) += 1,
            }
        }
        pairs.clear();
        self.pairs = pairs;
    }

    fn count(&mut self, class: u32) -> &mut u64 {
        let place = class as usize;
        if place >= self.counts.len() {
            self.counts.resize(place + 1, 0);
        }
        &mut self.counts[place]
    }
}
