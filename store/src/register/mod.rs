//! The population register's extract: who holds a document, and what is known of them.
//!
//! A register does not change. A new one, which may share what stayed the same, takes its place.

mod builder;
mod change;
mod csv;
mod date;
mod entry;
mod load;
mod person;
mod shard;
mod snapshot;
pub mod synth;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

pub use self::builder::{Builder, Conflict, Flags, Row, RowStatus};
pub use self::csv::{COLUMNS, CsvError, Problem, Reject, export, import};
pub use self::entry::{Entry, Status};
pub use self::load::LoadError;
pub use self::person::Person;
pub use self::snapshot::SnapshotError;

use self::entry::Key;
use self::person::Persons;
use self::shard::{Line, Probe, SHARDS, Shard};
use crate::Document;
use crate::paged::PAGE_LINES;

/// Documents of unusual series or length.
type SideMap = HashMap<Document, Entry>;

/// All documents and their holders, in memory. A clone shares everything.
#[derive(Clone)]
pub struct Register {
    shards: [Arc<Shard>; SHARDS],
    side: Arc<SideMap>,
    persons: Arc<Persons>,
    documents: u64,
    generation: u32,
    made_at: Timestamp,
}

impl Register {
    /// Documents whose memory is fetched together by [`Register::find_batch`].
    pub const BATCH: usize = 16;

    fn new(
        shards: [Arc<Shard>; SHARDS],
        side: SideMap,
        mut persons: Persons,
        generation: u32,
        made_at: Timestamp,
    ) -> Self {
        // The next generation shares the pages that it does not change.
        persons.facts = persons.facts.share();
        let documents = shards.iter().map(|shard| shard.documents()).sum::<usize>() + side.len();
        Self {
            shards,
            side: Arc::new(side),
            persons: Arc::new(persons),
            documents: documents as u64,
            generation,
            made_at,
        }
    }

    /// What the register says of a document; none if it lacks it.
    #[must_use]
    pub fn find(&self, document: Document) -> Option<Entry> {
        match Key::new(document) {
            Some(key) => self.shard(key).get(key).map(|slot| slot.entry()),
            None => self.side.get(&document).copied(),
        }
    }

    /// [`Register::find`] for each of the documents, in their order, into `out`, which is cleared first.
    ///
    /// A look-up among millions waits for memory. Here the waits of [`Register::BATCH`] documents overlap.
    pub fn find_batch(&self, documents: &[Document], out: &mut Vec<Option<Entry>>) {
        out.clear();
        out.reserve(documents.len());
        for chunk in documents.chunks(Self::BATCH) {
            let mut keys = [None; Self::BATCH];
            for (key, &document) in keys.iter_mut().zip(chunk) {
                *key = Key::new(document);
            }
            // No copy depends on another, so the processor has them all under way at once.
            let mut lines = [Line::EMPTY; Self::BATCH];
            for (line, key) in lines.iter_mut().zip(keys) {
                if let Some(key) = key {
                    *line = self.shard(key).home_line(key);
                }
            }
            out.extend(chunk.iter().zip(keys).zip(&lines).map(|((document, key), line)| {
                let Some(key) = key else { return self.side.get(document).copied() };
                let slot = match line.probe(key) {
                    Probe::Found(slot) => Some(slot),
                    Probe::Absent => None,
                    Probe::Next => self.shard(key).get(key),
                };
                slot.map(|slot| slot.entry())
            }));
        }
    }

    /// What the register says of a person; every [`Entry::person`] is known to it.
    #[must_use]
    pub fn person(&self, person: u32) -> Option<Person<'_>> {
        self.persons.get(person)
    }

    /// Reads where the facts of a person are, so that they are in the processor's cache when they are wanted. What is returned is of
    /// no use but to be used.
    #[must_use]
    pub fn touch(&self, person: u32) -> u16 {
        self.persons.facts.get(person).map_or(0, |facts| facts.region())
    }

    /// The number that decisions name this register by: 1 and up for snapshots, 0 for one read from CSV.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// How many documents there are.
    #[must_use]
    pub fn documents(&self) -> u64 {
        self.documents
    }

    /// How many people there are.
    #[must_use]
    pub fn persons(&self) -> u64 {
        self.persons.count
    }

    /// A person's number from each range of numbers that lie together in memory and of which some are given out.
    pub fn some_persons(&self) -> impl Iterator<Item = u32> {
        self.persons.facts.iter().map(|(page, _)| page * PAGE_LINES as u32)
    }

    /// Everyone, the deceased as well, in no order.
    pub fn everyone(&self) -> impl Iterator<Item = Person<'_>> {
        let numbers = |page: u32| page * PAGE_LINES as u32..(page + 1) * PAGE_LINES as u32;
        let pages = self.persons.facts.iter().map(move |(page, _)| numbers(page));
        pages.flatten().filter_map(|person| self.person(person))
    }

    /// The names of the regions that people live in, in no order.
    pub fn regions(&self) -> impl Iterator<Item = &str> {
        self.persons.regions.iter().map(|name| &**name)
    }

    /// When the extract was made.
    #[must_use]
    pub fn made_at(&self) -> Timestamp {
        self.made_at
    }

    fn shard(&self, key: Key) -> &Shard {
        &self.shards[Shard::of(key)]
    }
}

impl fmt::Debug for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Register")
            .field("generation", &self.generation)
            .field("documents", &self.documents)
            .field("made_at", &self.made_at)
            .finish_non_exhaustive()
    }
}
