//! A register made from another one and a few changes.

use std::sync::Arc;

use jiff::Timestamp;

use super::Register;
use super::builder::{Builder, Conflict};
use super::entry::{Key, Slot};
use super::person::{Facts, Persons};
use super::shard::Shard;

impl Register {
    /// This register with what `changes` state: each of their documents is as they say, or new, and each of their persons has
    /// the facts that they state, whichever document stated them. A row that says nothing of its holder's death leaves that
    /// as it was. What stays the same is shared: the old register goes on for as long as somebody reads it.
    ///
    /// Copies the shards and the pages of persons that change: some milliseconds for a few thousand changes.
    ///
    /// # Errors
    /// At the bounds on persons' numbers and regions.
    pub fn with(&self, changes: &Builder, made_at: Timestamp) -> Result<Self, Conflict> {
        let mut persons = (*self.persons).clone();
        let regions = regions(&mut persons, &changes.persons)?;
        for (&person, origin) in &changes.origins {
            let Some(&stated) = changes.persons.facts.get(person) else { continue };
            if !persons.has_room_for(person, Persons::PAGES_MAX) {
                return Err(Conflict::Sparse);
            }
            let region = regions.get(usize::from(stated.region())).copied().unwrap_or(Facts::NO_REGION);
            let known = persons.facts.line_mut(person);
            let (new, had_died) = (known.is_nobody(), known.is_deceased());
            *known = stated.in_region(region);
            if origin.life.is_none() && had_died {
                known.set_deceased();
            }
            persons.count += u64::from(new);
        }
        let (mut shards, mut side) = (self.shards.clone(), (*self.side).clone());
        for stated in &changes.documents {
            match Key::new(stated.document) {
                Some(key) => {
                    if let Some(shard) = shards.get_mut(Shard::of(key)) {
                        Arc::make_mut(shard).insert(Slot::new(key, stated.entry));
                    }
                }
                None => {
                    side.insert(stated.document, stated.entry);
                }
            }
        }
        Ok(Self::new(shards, side, persons, self.generation + 1, made_at))
    }

    /// The same register under another generation's number.
    #[must_use]
    pub fn numbered(self, generation: u32) -> Self {
        Self { generation, ..self }
    }
}

/// The numbers that the regions of `changes` have among those of `persons`, where new ones are added.
fn regions(persons: &mut Persons, changes: &Persons) -> Result<Vec<u16>, Conflict> {
    let numbered = changes.regions.iter().map(|name| {
        let known = persons.regions.iter().position(|known| known == name);
        let place = known.unwrap_or_else(|| {
            persons.regions.push(name.clone());
            persons.regions.len() - 1
        });
        u16::try_from(place).ok().filter(|&region| region < Facts::NO_REGION).ok_or(Conflict::Regions)
    });
    numbered.collect()
}
