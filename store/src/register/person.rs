//! What the register says of people.

use std::fmt;

use jiff::civil::Date;
use zerocopy::little_endian::{U16, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::date::PackedDate;
use crate::paged::Paged;

/// What the register says of a person, whichever document they show. Personal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Person<'a> {
    /// The day of birth.
    pub birth_date: Date,
    /// Where the person is registered as living: the name of a region, as regimes use it.
    pub region: &'a str,
    /// The person has died.
    pub deceased: bool,
    /// The last day of isolation, where one is ordered because of an infection.
    pub isolation_until: Option<Date>,
    /// The last day of isolation after an arrival from abroad.
    pub arrival_until: Option<Date>,
    /// Rules that spare the exempt spare this person.
    pub exempt: bool,
    /// The purposes that this person may not use: bit N for purpose N, 0 to 9.
    pub blocked: u16,
}

impl Person<'_> {
    /// Whether this person may not use a purpose.
    #[must_use]
    pub fn is_blocked_from(&self, purpose: u8) -> bool {
        u16::checked_shr(self.blocked, purpose.into()).is_some_and(|bits| bits & 1 == 1)
    }
}

impl fmt::Debug for Person<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person(…)")
    }
}

/// Bits of a date, and of the purposes that are blocked.
const DATE_BITS: u32 = PackedDate::SHORT_BITS;
const BLOCKED_BITS: u32 = 10;
const EXEMPT: u16 = 1 << 14;
const DECEASED: u16 = 1 << 15;
const REGION: u16 = EXEMPT - 1;

/// A person in 10 bytes. All zero is nobody: everyone has a day of birth.
#[derive(Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Facts {
    /// From the lowest bit: birth, isolation, arrival, blocked.
    word: U64,
    /// From the lowest bit: region, exempt, deceased.
    rest: U16,
}

impl Facts {
    /// No region's number: all have lower ones.
    pub(super) const NO_REGION: u16 = REGION;

    /// Packs a person whose region has this number, up to [`Facts::NO_REGION`].
    pub(super) fn new(person: &Person<'_>, region: u16) -> Self {
        let dates = [Some(person.birth_date), person.isolation_until, person.arrival_until];
        let blocked = u64::from(person.blocked) & ((1 << BLOCKED_BITS) - 1);
        let packed = |word, date| word << DATE_BITS | u64::from(PackedDate::new(date).short());
        let mut rest = region & REGION;
        if person.exempt {
            rest |= EXEMPT;
        }
        if person.deceased {
            rest |= DECEASED;
        }
        Self { word: U64::new(dates.into_iter().rev().fold(blocked, packed)), rest: U16::new(rest) }
    }

    /// The same with a region that has this number.
    pub(super) fn in_region(self, region: u16) -> Self {
        Self { rest: U16::new(self.rest.get() & !REGION | region & REGION), ..self }
    }

    /// Whether nobody has this number.
    pub(super) fn is_nobody(self) -> bool {
        self.date(0).is_none()
    }

    pub(super) fn is_deceased(self) -> bool {
        self.rest.get() & DECEASED != 0
    }

    pub(super) fn region(self) -> u16 {
        self.rest.get() & REGION
    }

    pub(super) fn set_deceased(&mut self) {
        self.rest = U16::new(self.rest.get() | DECEASED);
    }

    /// The first fact in which two lines about one person differ, death aside.
    pub(super) fn difference(self, other: Self) -> Option<&'static str> {
        let flags = |facts: Self| (facts.word.get() >> DATE_BITS, facts.rest.get() & EXEMPT);
        if self.date(0) != other.date(0) {
            Some("birth_date")
        } else if self.region() != other.region() {
            Some("region")
        } else if flags(self) != flags(other) {
            Some("flags")
        } else {
            None
        }
    }

    /// The day of birth, the last of isolation, the last after an arrival: 0, 1, 2.
    fn date(self, place: u32) -> PackedDate {
        let bits = self.word.get() >> (place * DATE_BITS) & ((1 << DATE_BITS) - 1);
        PackedDate::from_short(bits as u32)
    }

    fn blocked(self) -> u16 {
        (self.word.get() >> (3 * DATE_BITS)) as u16
    }

    /// Whether the line is nobody's, or one that [`Facts::new`] can have made with as many regions.
    fn is_sound(self, regions: usize) -> bool {
        if self.is_nobody() {
            return self == Self::default();
        }
        (0..3).all(|place| self.date(place).is_sound()) && usize::from(self.region()) < regions
    }
}

/// Everybody in the register. A clone shares the pages that neither changes.
#[derive(Clone, Default)]
pub(super) struct Persons {
    pub(super) facts: Paged<Facts>,
    pub(super) regions: Vec<Box<str>>,
    pub(super) count: u64,
}

impl Persons {
    /// Pages for more than a hundred million people with consecutive numbers, in 1.3 GiB. Numbers spread so thinly
    /// that they need more are refused.
    pub(super) const PAGES_MAX: usize = 32_768;

    pub(super) fn get(&self, person: u32) -> Option<Person<'_>> {
        let facts = self.facts.get(person)?;
        Some(Person {
            birth_date: facts.date(0).get()?,
            region: self.regions.get(usize::from(facts.region()))?,
            deceased: facts.is_deceased(),
            isolation_until: facts.date(1).get(),
            arrival_until: facts.date(2).get(),
            exempt: facts.rest.get() & EXEMPT != 0,
            blocked: facts.blocked(),
        })
    }

    /// Whether one more person's number keeps the pages within their bound.
    pub(super) fn has_room_for(&self, person: u32, pages_max: usize) -> bool {
        self.facts.get(person).is_some() || self.facts.pages() < pages_max
    }

    /// Whether every line that was read from a file can be right.
    pub(super) fn is_sound(&self) -> bool {
        let mut count = 0;
        for facts in self.facts.iter().flat_map(|(_, page)| page) {
            if !facts.is_sound(self.regions.len()) {
                return false;
            }
            count += u64::from(!facts.is_nobody());
        }
        count == self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn persons(person: &Person<'_>) -> Persons {
        let mut persons = Persons { regions: vec!["Baku".into(), "Lerik".into()], ..Persons::default() };
        *persons.facts.line_mut(9) = Facts::new(person, 1);
        persons.count = 1;
        persons
    }

    const PERSON: Person<'_> = Person {
        birth_date: Date::constant(1980, 2, 29),
        region: "Lerik",
        deceased: false,
        isolation_until: None,
        arrival_until: None,
        exempt: false,
        blocked: 0,
    };

    #[test]
    fn each_fact_has_its_own_bits() {
        let until = Some(Date::constant(2099, 12, 31));
        let mut all = vec![PERSON];
        all.push(Person { deceased: true, ..PERSON });
        all.push(Person { exempt: true, ..PERSON });
        all.push(Person { isolation_until: until, ..PERSON });
        all.push(Person { arrival_until: until, ..PERSON });
        all.extend((0..10).map(|purpose| Person { blocked: 1 << purpose, ..PERSON }));
        for person in all {
            let persons = persons(&person);
            assert!(persons.is_sound());
            assert!(persons.get(9) == Some(person));
            assert!(persons.get(8).is_none() && persons.get(9000).is_none());
        }
    }

    #[test]
    fn numbers_need_pages_within_a_bound() {
        let persons = persons(&PERSON);
        assert!(persons.has_room_for(0, 1) && persons.has_room_for(4095, 1));
        assert!(!persons.has_room_for(4096, 1) && !persons.has_room_for(u32::MAX, 1));
        assert!(persons.has_room_for(u32::MAX, 2));
    }

    #[test]
    fn a_block_is_for_one_purpose() {
        let person = Person { blocked: 1 << 3, ..PERSON };
        for purpose in 0..=u8::MAX {
            assert_eq!(person.is_blocked_from(purpose), purpose == 3);
        }
    }

    #[test]
    fn lines_that_were_never_packed_are_unsound() {
        let facts = Facts::new(&PERSON, 1);
        assert!(facts.is_sound(2) && Facts::default().is_sound(0));
        assert!(!facts.is_sound(1), "no such region");
        let born = (1 << DATE_BITS) - 1;
        assert!(!Facts { word: U64::new(facts.word.get() & !born), ..facts }.is_sound(2), "not born");
        assert!(!Facts { word: U64::new(facts.word.get() | born), ..facts }.is_sound(2), "on no day");
    }
}
