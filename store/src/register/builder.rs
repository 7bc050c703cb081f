//! Making a register from rows.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;

use super::entry::{Entry, Key, Slot, Status};
use super::person::{Facts, Person, Persons};
use super::shard::{SHARDS, Shard};
use super::{Register, SideMap};
use crate::Document;

/// A document and its holder, as one line of the register's CSV form states them. Personal. Dates are kept within
/// the years 1900 to 2199.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// The serial.
    pub document: Document,
    /// The lifelong number of the holder.
    pub person: u32,
    /// The holder's day of birth.
    pub birth_date: Date,
    /// The document's last day of validity; none if it does not expire.
    pub document_expires: Option<Date>,
    /// What is known of the document, or of its holder's death.
    pub status: RowStatus,
    /// Where the holder is registered as living.
    pub region: &'a str,
    /// What else is known of the holder.
    pub flags: Flags,
}

/// The column `status`: the document's, or its holder's death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowStatus {
    /// A good document of a living person.
    Valid,
    /// The document was reported lost; says nothing of its holder.
    Lost,
    /// The document was withdrawn; says nothing of its holder.
    Revoked,
    /// The holder has died.
    Deceased,
}

/// The column `flags`: facts about the holder. Personal.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// `infected:UNTIL`: the last day of isolation.
    pub infected_until: Option<Date>,
    /// `arrival:UNTIL`: the last day of isolation after an arrival.
    pub arrival_until: Option<Date>,
    /// `exempt`.
    pub exempt: bool,
    /// `blocked:PURPOSE`, as bits: bit N for purpose N, 0 to 9.
    pub blocked: u16,
}

/// Why a row cannot join the rows before it. Names their lines, and nothing personal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// A serial that examples show.
    #[error("document: this serial is reserved for examples")]
    Reserved,
    /// One document twice.
    #[error("document: already stated on line {line}")]
    Duplicate {
        /// Of the earlier row.
        line: u64,
    },
    /// Two rows about one person disagree.
    #[error("{column}: not what line {line} states of the same person")]
    Person {
        /// Of the earlier row.
        line: u64,
        /// Where they disagree.
        column: &'static str,
    },
    /// The persons' numbers would need more memory than any country's people do.
    #[error("person: the numbers are spread too thinly; they should be given out consecutively")]
    Sparse,
    /// More names of regions than there are numbers for them.
    #[error("region: more than 16,383 different regions")]
    Regions,
}

/// Collects rows, and refuses those that contradict earlier ones.
#[derive(Default)]
pub struct Builder {
    /// Serials that examples show, beside [`Document::EXAMPLE`].
    reserved: Vec<Document>,
    pub(super) documents: Vec<Stated>,
    /// Where in `documents` a document is.
    places: HashMap<Document, usize>,
    pub(super) persons: Persons,
    regions: HashMap<Box<str>, u16>,
    pub(super) origins: HashMap<u32, Origin>,
}

pub(super) struct Stated {
    pub(super) document: Document,
    pub(super) entry: Entry,
    line: u64,
}

/// The lines that first stated the facts about a person.
pub(super) struct Origin {
    line: u64,
    /// Where it was stated whether the person has died, and whether.
    pub(super) life: Option<(u64, bool)>,
}

impl Builder {
    /// One that refuses these serials, because examples show them.
    #[must_use]
    pub fn reserving(reserved: Vec<Document>) -> Self {
        Self { reserved, ..Self::default() }
    }

    /// Takes one row, which stood on this line (for later messages). A refused row leaves nothing behind.
    ///
    /// # Errors
    /// If the document is reserved or already stated, if the row and an earlier one disagree about the holder's
    /// birth date, region, death or flags, or at the bounds on person numbers and regions.
    pub fn add(&mut self, line: u64, row: &Row<'_>) -> Result<(), Conflict> {
        if row.document == Document::EXAMPLE || self.reserved.contains(&row.document) {
            return Err(Conflict::Reserved);
        }
        if let Some(earlier) = self.places.get(&row.document).and_then(|&place| self.documents.get(place)) {
            return Err(Conflict::Duplicate { line: earlier.line });
        }
        self.add_person(line, row)?;
        let (status, _) = row.status.split();
        let entry = Entry { person: row.person, status, expires: row.document_expires };
        self.places.insert(row.document, self.documents.len());
        self.documents.push(Stated { document: row.document, entry, line });
        Ok(())
    }

    /// How many documents have been taken.
    #[must_use]
    pub fn documents(&self) -> usize {
        self.documents.len()
    }

    /// The register of all rows that were taken: its `generation` is named by every decision made with it, and it
    /// states what was known at `made_at`.
    #[must_use]
    pub fn finish(self, generation: u32, made_at: Timestamp) -> Register {
        let keys = || self.documents.iter().map(|stated| Key::new(stated.document));
        let mut counts = [0; SHARDS];
        for key in keys().flatten() {
            counts[Shard::of(key)] += 1;
        }
        let mut shards = counts.map(Shard::for_documents);
        let mut side = SideMap::new();
        for (stated, key) in self.documents.iter().zip(keys()) {
            if let Some(key) = key {
                shards[Shard::of(key)].insert(Slot::new(key, stated.entry));
            } else {
                side.insert(stated.document, stated.entry);
            }
        }
        Register::new(shards.map(Arc::new), side, self.persons, generation, made_at)
    }

    fn add_person(&mut self, line: u64, row: &Row<'_>) -> Result<(), Conflict> {
        let (_, deceased) = row.status.split();
        let life = deceased.map(|deceased| (line, deceased));
        let Some(origin) = self.origins.get_mut(&row.person) else {
            if !self.persons.has_room_for(row.person, Persons::PAGES_MAX) {
                return Err(Conflict::Sparse);
            }
            let region = self.region(row.region)?;
            *self.persons.facts.line_mut(row.person) = Facts::new(&row.holder(), region);
            self.persons.count += 1;
            self.origins.insert(row.person, Origin { line, life });
            return Ok(());
        };
        let region = self.regions.get(row.region).copied().unwrap_or(Facts::NO_REGION);
        let known = self.persons.facts.line_mut(row.person);
        if let Some(column) = known.difference(Facts::new(&row.holder(), region)) {
            return Err(Conflict::Person { line: origin.line, column });
        }
        match (origin.life, deceased) {
            (Some((line, before)), Some(now)) if before != now => {
                return Err(Conflict::Person { line, column: "status" });
            }
            (None, Some(deceased)) => {
                origin.life = life;
                if deceased {
                    known.set_deceased();
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The number of a region, which may be new.
    fn region(&mut self, name: &str) -> Result<u16, Conflict> {
        if let Some(&region) = self.regions.get(name) {
            return Ok(region);
        }
        let region =
            u16::try_from(self.persons.regions.len()).ok().filter(|&region| region < Facts::NO_REGION);
        let region = region.ok_or(Conflict::Regions)?;
        self.persons.regions.push(name.into());
        self.regions.insert(name.into(), region);
        Ok(region)
    }
}

impl RowStatus {
    /// The document's status, and whether its holder has died, where the row tells.
    fn split(self) -> (Status, Option<bool>) {
        match self {
            Self::Valid => (Status::Valid, Some(false)),
            Self::Lost => (Status::Lost, None),
            Self::Revoked => (Status::Revoked, None),
            Self::Deceased => (Status::Valid, Some(true)),
        }
    }
}

impl<'a> Row<'a> {
    /// What the row says of the holder.
    fn holder(&self) -> Person<'a> {
        Person {
            birth_date: self.birth_date,
            region: self.region,
            deceased: self.status == RowStatus::Deceased,
            isolation_until: self.flags.infected_until,
            arrival_until: self.flags.arrival_until,
            exempt: self.flags.exempt,
            blocked: self.flags.blocked,
        }
    }
}
