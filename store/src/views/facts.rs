//! What statistics know of decisions: one key for each, of the person (keyed hash) and of the group that the decision falls into.
//! Groups are few, so they are written once in a file.

use std::collections::HashMap;
use std::ops::{Range, RangeInclusive};

use jiff::Timestamp;

use super::ViewsError;
use super::index::Index;
use super::key;
use super::run::RunFile;
use crate::ledger::{Channel, Decision, Entry, Record};
use crate::{Outcome, Reason};

/// Seconds in a quarter of an hour, the finest that statistics tell apart: all offsets of time zones are whole numbers of it.
pub const QUARTER_S: u64 = 900;

/// Bits of the group in a key; the person's hash has the rest.
const GROUP_BITS: u32 = 24;
const GROUP_MAX: u64 = (1 << GROUP_BITS) - 1;
/// No region's number.
const NO_REGION: u16 = u16::MAX;

/// What statistics know of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fact<'a> {
    /// The quarter of an hour since 1970 in which it was made.
    pub quarter: u32,
    /// The purpose that was read, 0 to 9.
    pub purpose: Option<u8>,
    /// What was decided.
    pub outcome: Outcome,
    /// Why.
    pub reason: Option<Reason>,
    /// Where the person lives.
    pub region: Option<&'a str>,
    /// The person's age in completed years, rounded down to tens.
    pub age_band: Option<u8>,
}

/// A person without a name: 40 bits of a keyed hash, so that of ten million some fifty share theirs with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Someone(u64);

impl Someone {
    /// Bits of the number.
    pub const BITS: u32 = u64::BITS - GROUP_BITS;

    /// A number of [`Someone::BITS`] bits.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

impl<'a> Fact<'a> {
    fn of(decision: &'a Decision<'_>, at: Timestamp) -> Self {
        let facts = decision.facts.as_ref();
        Self {
            quarter: u32::try_from(key::second(at) / QUARTER_S).unwrap_or(u32::MAX),
            purpose: decision.purpose,
            outcome: decision.outcome,
            reason: decision.reason,
            region: facts.map(|facts| facts.region),
            age_band: facts.map(|facts| facts.age_band),
        }
    }

    /// From the highest bit: 24 of the quarter, 4 of the purpose, 4 of the outcome, 8 of the reason, 16 of the region's number, 8 of
    /// the age band. All ones, or the reason 0: none.
    fn pack(&self, region: u16) -> u64 {
        u64::from(self.quarter) << 40
            | u64::from(self.purpose.unwrap_or(15) & 15) << 36
            | u64::from(self.outcome.byte() & 15) << 32
            | u64::from(self.reason.map_or(0, Reason::byte)) << 24
            | u64::from(region) << 8
            | u64::from(self.age_band.unwrap_or(u8::MAX))
    }

    /// `None` for what was never packed.
    fn unpack(group: u64, regions: &'a [String]) -> Option<Self> {
        let [_, _, _, purpose, reason, region @ .., age_band] = group.to_be_bytes();
        let region = u16::from_be_bytes(region);
        Some(Self {
            quarter: u32::try_from(group >> 40).ok()?,
            purpose: Some(purpose >> 4).filter(|&purpose| purpose < 15),
            outcome: Outcome::from_byte(purpose & 15)?,
            reason: if reason == 0 { None } else { Some(Reason::from_byte(reason)?) },
            region: if region == NO_REGION { None } else { Some(regions.get(usize::from(region))?) },
            age_band: Some(age_band).filter(|&band| band < u8::MAX),
        })
    }
}

/// The facts of a run that is being made.
#[derive(Default)]
pub(super) struct Facts {
    regions: Vec<String>,
    numbers: HashMap<String, u16>,
    groups: Vec<u64>,
    places: HashMap<u64, u64>,
    keys: Vec<u64>,
}

impl Facts {
    pub(super) fn add(&mut self, fact: &Fact<'_>, person: Option<Someone>) {
        let region = fact.region.map_or(NO_REGION, |region| self.region(region));
        let next = self.groups.len() as u64;
        let group = *self.places.entry(fact.pack(region)).or_insert(next);
        if group == next {
            self.groups.push(fact.pack(region));
        }
        self.keys.push(person.map_or(0, |person| person.0) << GROUP_BITS | group.min(GROUP_MAX));
    }

    fn region(&mut self, region: &str) -> u16 {
        if let Some(&number) = self.numbers.get(region) {
            return number;
        }
        let number = u16::try_from(self.regions.len()).unwrap_or(NO_REGION);
        if number < NO_REGION {
            self.regions.push(region.to_owned());
            self.numbers.insert(region.to_owned(), number);
        }
        number
    }

    /// As sections of a run: the regions' names, groups, and keys, which are sorted.
    ///
    /// # Errors
    /// If there are more groups than a key can tell apart.
    pub(super) fn sections(mut self) -> Result<[Vec<u64>; 3], ViewsError> {
        if self.groups.len() as u64 > GROUP_MAX {
            return Err(ViewsError::TooLong);
        }
        self.keys.sort_unstable();
        let mut names = self.regions.join("\n").into_bytes();
        names.resize(names.len().next_multiple_of(8), 0);
        let names = names.as_chunks().0.iter().map(|chunk| u64::from_le_bytes(*chunk)).collect();
        Ok([names, self.groups, self.keys])
    }
}

/// Takes the persons from a section of facts.
pub(super) fn forget_people(keys: &mut [u64]) {
    keys.iter_mut().for_each(|key| *key &= GROUP_MAX);
    keys.sort_unstable();
}

impl Index {
    /// What statistics know of a record, and whom it is about; `None` for what they leave out: all but decisions, and probes.
    #[must_use]
    pub fn fact<'r>(&self, record: &'r Record<'_>) -> Option<(Fact<'r>, Option<Someone>)> {
        let Entry::Decision(decision) = &record.entry else { return None };
        if decision.channel == Channel::Test {
            return None;
        }
        let someone = decision.person.map(|person| self.keying().someone(person));
        Some((Fact::of(decision, record.decided_at), someone))
    }

    /// How many facts there are in the runs that touch these quarters.
    #[must_use]
    pub fn facts_max(&self, quarters: &Range<u32>) -> u64 {
        self.runs_within(quarters).filter_map(|run| run.header.counts.get(key::FACTS)).sum()
    }

    /// Counts the decisions of some quarters whose persons' numbers are in a range; 0 stands for those without a person. Asks
    /// `class` what to count a group under, or not at all; then tells `count` of each of its decisions.
    ///
    /// # Errors
    /// As all look-ups: if the index cannot be read, which puts it in doubt.
    pub fn count(
        &self,
        quarters: Range<u32>,
        persons: RangeInclusive<u64>,
        mut class: impl FnMut(&Fact<'_>) -> Option<u32>,
        mut count: impl FnMut(u32, Option<Someone>),
    ) -> Result<(), ViewsError> {
        let range = persons.start() << GROUP_BITS..=(persons.end() << GROUP_BITS | GROUP_MAX);
        for run in self.runs_within(&quarters) {
            let classes = classes(run, &quarters, &mut class)?;
            run.each(key::FACTS, range.clone(), |key| {
                let class = classes.get((key & GROUP_MAX) as usize).ok_or_else(|| run.damaged())?;
                if let Some(class) = class {
                    let someone = Some(Someone(key >> GROUP_BITS)).filter(|someone| someone.0 != 0);
                    count(*class, someone);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn runs_within(&self, quarters: &Range<u32>) -> impl Iterator<Item = &RunFile> {
        let seconds = u64::from(quarters.start) * QUARTER_S..u64::from(quarters.end) * QUARTER_S;
        self.runs().filter(move |run| {
            let (first, last) = run.header.seconds;
            first < seconds.end && last >= seconds.start
        })
    }
}

/// What each group of a run is counted under.
fn classes(
    run: &RunFile,
    quarters: &Range<u32>,
    class: &mut impl FnMut(&Fact<'_>) -> Option<u32>,
) -> Result<Vec<Option<u32>>, ViewsError> {
    let mut names = Vec::new();
    run.all(key::REGIONS, |word| {
        names.extend(word.to_le_bytes());
        Ok(())
    })?;
    let names = String::from_utf8(names).map_err(|_| run.damaged())?;
    let regions: Vec<String> = names.trim_end_matches('\0').split('\n').map(str::to_owned).collect();
    let mut classes = Vec::new();
    run.all(key::GROUPS, |group| {
        let fact = Fact::unpack(group, &regions).ok_or_else(|| run.damaged())?;
        classes.push(if quarters.contains(&fact.quarter) { class(&fact) } else { None });
        Ok(())
    })?;
    Ok(classes)
}

impl super::Keying {
    pub(super) fn someone(&self, person: u32) -> Someone {
        Someone((self.person(person) >> GROUP_BITS).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_fits_a_group() {
        let regions = ["Baku".to_owned(), "Lerik".to_owned()];
        let reasons = Reason::ALL.iter().map(|&reason| Some(reason)).chain([None]);
        for (number, reason) in (0..).zip(reasons) {
            let fact = Fact {
                quarter: 2_000_000 + number,
                purpose: Some((number % 10) as u8).filter(|&purpose| purpose > 0),
                outcome: reason.map_or(Outcome::Granted, Reason::outcome),
                reason,
                region: [None, Some("Baku"), Some("Lerik")][number as usize % 3],
                age_band: [None, Some(0), Some(130)][number as usize / 3 % 3],
            };
            let region = [NO_REGION, 0, 1][number as usize % 3];
            assert_eq!(Fact::unpack(fact.pack(region), &regions), Some(fact));
        }
        assert_eq!(Fact::unpack(u64::MAX, &regions), None);
    }
}
