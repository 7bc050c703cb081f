//! The dated rules in force: who may leave for what, how long, how often, where and at which hours.
//!
//! One TOML file is one [`Regime`]; a directory of them is [`Regimes`], which switch by the clock. What is typed is
//! checked in `file`; what is here is sound. Nothing in a regime is finer than a minute.

mod canonical;
mod clock;
mod file;

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use crate::problem::Problem;
pub use clock::{DAY_MINUTES, Hours, day_start, first_instant, last_instant, local_day};

/// One dated set of rules: one file.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Regime {
    /// Its name in the ledger: 1 to 32 of `a`-`z`, `0`-`9` and `-`.
    pub id: String,
    /// Where its days, weeks and hours are counted.
    pub zone: TimeZone,
    /// The first instant at which it is in force.
    pub from: Timestamp,
    /// The first instant at which it no longer is; `None` for no end.
    pub until: Option<Timestamp>,
    /// Permits that an earlier regime granted end when this one begins.
    pub ends_standing: bool,
    /// A permit cut shorter than this by the end of its hours is refused. 1 to 1,440.
    pub minimum_minutes: u16,
    /// The series of documents that are accepted, in order.
    pub documents: Vec<String>,
    /// The rules that persons marked exempt in the register are excused from.
    pub exempt_from: Vec<Exemption>,
    /// What people registered outside every area are told.
    pub outside_area: OutsideArea,
    /// What becomes of requests while the gateways' cluster is away; `None`: as `redis.away` says.
    pub without_cluster: Option<Away>,
    /// The restricted areas by region; `None` for the whole country.
    pub areas: Option<Vec<Area>>,
    /// In the order of their codes; at least one.
    pub purposes: Vec<Purpose>,
    /// How often purposes may be used, alone or together.
    pub quotas: Vec<Quota>,
    hash: u64,
}

/// What a permit is for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Purpose {
    /// The digit that citizens text, 0 to 9.
    pub code: u8,
    /// What it is called.
    pub names: Names<Name>,
    /// How long a permit holds. 1 to 1,440.
    pub minutes: u16,
    /// How long after the request a permit begins to hold. 0 to 1,440.
    pub delay_minutes: u16,
    /// The times of day in which a permit may hold, in the order written; never empty, never overlapping.
    pub hours: Vec<Hours>,
    /// Persons with more completed years than this are refused.
    pub age_over: Option<u8>,
    /// Persons under isolation or lately arrived are refused.
    pub stay_home: bool,
}

/// The same thing in each of the languages that citizens are answered in.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Names<T> {
    /// Azerbaijani.
    pub az: T,
    /// English.
    pub en: T,
    /// Russian.
    pub ru: T,
}

/// A purpose's name in one language.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Name {
    /// One word, for a reply.
    pub short: String,
    /// A phrase, for the rule table.
    pub long: String,
}

/// A restricted area.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Area {
    /// As the register spells it, in small letters.
    pub region: String,
    /// As citizens read it.
    pub names: Names<String>,
}

/// What people registered outside every area are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutsideArea {
    /// They are granted permits like everyone: they may travel into an area.
    Grant,
    /// They need none.
    NotNeeded,
}

/// What becomes of a request that only the cluster of `[redis]` can grant while the cluster does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Away {
    /// The operator is asked to send it again, by its retry status.
    Refuse,
    /// The same at first; then it is granted by what the gateway knows.
    Local,
}

/// A rule that persons marked exempt may be excused from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exemption {
    /// The age rule.
    Age,
    /// The hours of the purpose.
    Hours,
    /// The quotas.
    Quota,
    /// Isolation and recent arrival.
    StayHome,
}

/// How many permits one person may be granted for some purposes together.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quota {
    /// Their codes, in order; at least one.
    pub purposes: Vec<u8>,
    /// Over which time.
    pub per: Period,
    /// How many. 1 to [`Quota::LIMIT_MAX`].
    pub limit: u8,
}

/// Over which time a quota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// A calendar day.
    Day,
    /// Monday to Sunday (ISO 8601).
    Week,
}

/// A time in which no regime is in force, between two that are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gap<'a> {
    /// The regime that ended.
    pub after: &'a Regime,
    /// The one that is to come.
    pub before: &'a Regime,
}

/// All regimes of one directory, in the order of time. They do not overlap.
#[derive(Debug, Clone, PartialEq)]
pub struct Regimes {
    regimes: Vec<Regime>,
}

impl Regime {
    /// A hash of what the file means, equal on every machine and for every layout of the file: SipHash-2-4 of
    /// [`Regime::canonical`] under the fixed key `icaze regime 01.`
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The purpose with this code.
    #[must_use]
    pub fn purpose(&self, code: u8) -> Option<&Purpose> {
        self.purposes.iter().find(|purpose| purpose.code == code)
    }

    /// Whether people registered in this region are under the rules. The case of ASCII letters does not matter:
    /// a register that writes `Baku` must not set its people free.
    #[must_use]
    pub fn restricts(&self, region: &str) -> bool {
        self.areas
            .as_ref()
            .is_none_or(|areas| areas.iter().any(|area| area.region.eq_ignore_ascii_case(region)))
    }

    /// Whether exempt persons are excused from this rule.
    #[must_use]
    pub fn exempts(&self, rule: Exemption) -> bool {
        self.exempt_from.contains(&rule)
    }

    /// Whether it is in force.
    #[must_use]
    pub fn covers(&self, now: Timestamp) -> bool {
        self.from <= now && self.until.is_none_or(|until| now < until)
    }
}

impl Exemption {
    /// As in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Hours => "hours",
            Self::Quota => "quota",
            Self::StayHome => "stay_home",
        }
    }
}

impl Period {
    /// As in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
        }
    }
}

impl OutsideArea {
    /// As in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::NotNeeded => "not_needed",
        }
    }
}

impl Away {
    /// As in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Local => "local",
        }
    }
}

impl Quota {
    /// Beyond this the register's packed counters do not count.
    pub const LIMIT_MAX: u8 = 15;
}

impl Regimes {
    /// Reads every `*.toml` of a directory.
    ///
    /// # Errors
    /// Every problem of every file, and regimes that overlap or share an id. A gap is no error: see [`Regimes::gaps`].
    pub fn load(dir: &Path) -> Result<Self, Vec<Problem>> {
        let unreadable = |path: &Path, error: std::io::Error| {
            Problem::in_file(
                path,
                None,
                "",
                format!("cannot be read: {error}"),
                "make it readable, or correct regime.dir",
            )
        };
        let entries = fs::read_dir(dir).map_err(|error| vec![unreadable(dir, error)])?;
        let mut paths: Vec<PathBuf> = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| vec![unreadable(dir, error)])?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                paths.push(path);
            }
        }
        paths.sort();
        let mut files = Vec::new();
        let mut problems = Vec::new();
        for path in paths {
            match fs::read_to_string(&path) {
                Ok(text) => files.push((path, text)),
                Err(error) => problems.push(unreadable(&path, error)),
            }
        }
        match Self::parse(&files) {
            Ok(_) if files.is_empty() && problems.is_empty() => Err(vec![Problem::in_file(
                dir,
                None,
                "",
                "holds no regime".to_owned(),
                "put at least one .toml file there, or correct regime.dir",
            )]),
            Ok(regimes) if problems.is_empty() => Ok(regimes),
            Ok(_) => Err(problems),
            Err(more) => {
                problems.extend(more);
                Err(problems)
            }
        }
    }

    /// Checks files that have been read: their paths, for messages only, and their texts.
    ///
    /// # Errors
    /// As [`Regimes::load`].
    pub fn parse(files: &[(PathBuf, String)]) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut read: Vec<(&Path, Regime)> = Vec::new();
        for (path, text) in files {
            match file::parse(path, text) {
                Ok(regime) => read.push((path, regime)),
                Err(more) => problems.extend(more),
            }
        }
        read.sort_by_key(|(_, regime)| regime.from);
        for (index, (path, regime)) in read.iter().enumerate() {
            for (earlier_path, earlier) in read.get(..index).unwrap_or_default() {
                let earlier_file = earlier_path.display();
                if earlier.id == regime.id {
                    problems.push(Problem::in_file(
                        path,
                        None,
                        "id",
                        format!("is that of {earlier_file} too"),
                        "give each regime an id of its own",
                    ));
                }
                if earlier.until.is_none_or(|until| regime.from < until) {
                    problems.push(Problem::in_file(
                        path,
                        None,
                        "from",
                        format!("begins while {earlier_file} is in force"),
                        "end the earlier regime where the later one begins",
                    ));
                }
            }
        }
        if problems.is_empty() {
            Ok(Self { regimes: read.into_iter().map(|(_, regime)| regime).collect() })
        } else {
            Err(problems)
        }
    }

    /// All of them, in the order of time.
    #[must_use]
    pub fn as_slice(&self) -> &[Regime] {
        &self.regimes
    }

    /// The one in force.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Option<&Regime> {
        self.regimes.get(..self.begun(now))?.last().filter(|regime| regime.covers(now))
    }

    /// What becomes of requests that are decided at `at` while the cluster is away: as the regime in force says, or `otherwise`.
    #[must_use]
    pub fn without_cluster(&self, at: Timestamp, otherwise: Away) -> Away {
        self.at(at).and_then(|regime| regime.without_cluster).unwrap_or(otherwise)
    }

    /// The first that begins after `now`.
    #[must_use]
    pub fn next_after(&self, now: Timestamp) -> Option<&Regime> {
        self.regimes.get(self.begun(now))
    }

    /// The one with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Regime> {
        self.regimes.iter().find(|regime| regime.id == id)
    }

    /// The times between regimes in which none is in force.
    pub fn gaps(&self) -> impl Iterator<Item = Gap<'_>> {
        self.regimes.windows(2).filter_map(|pair| match pair {
            [after, before] if after.until.is_some_and(|until| until < before.from) => {
                Some(Gap { after, before })
            }
            _ => None,
        })
    }

    /// When a permit decided at `decided` that holds until `end` stops to hold: earlier than `end` if a regime that
    /// ends standing permits begins before it.
    #[must_use]
    pub fn standing_end(&self, decided: Timestamp, end: Timestamp) -> Timestamp {
        let later = self.regimes.get(self.begun(decided)..).unwrap_or_default();
        later
            .iter()
            .filter(|regime| regime.ends_standing)
            .map(|regime| regime.from)
            .next()
            .map_or(end, |from| from.min(end))
    }

    /// How many have begun by `now`.
    fn begun(&self, now: Timestamp) -> usize {
        self.regimes.partition_point(|regime| regime.from <= now)
    }
}
