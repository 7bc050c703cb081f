//! What the register says of a document, and its packed form of 16 bytes.

use std::fmt;

use jiff::civil::Date;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::date::PackedDate;
use crate::Document;

/// What the register says of a document. What it says of the holder is in [`Person`](super::Person).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The lifelong number of the holder. Personal.
    pub person: u32,
    /// Whether the document itself is good.
    pub status: Status,
    /// Its last day of validity; none if it does not expire.
    pub expires: Option<Date>,
}

/// Whether a document is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// As issued.
    Valid = 0,
    /// Reported lost.
    Lost = 1,
    /// Withdrawn by its issuer.
    Revoked = 2,
}

impl Status {
    /// The status of this byte in a snapshot.
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        [Self::Valid, Self::Lost, Self::Revoked].into_iter().find(|&status| status as u8 == byte)
    }
}

/// The letters of documents that are packed. Their place here is part of the snapshot's format.
const SERIES: [[u8; 3]; 5] = [*b"AZE", *b"AA\0", *b"MYI", *b"DYI", *b"MOM"];
/// The lengths of numbers that are packed: 27 bits hold eight digits.
const DIGITS: std::ops::RangeInclusive<u8> = 5..=8;
const LENGTHS: usize = 4;
const NUMBER_BITS: u32 = 27;
const KEY_BITS: u32 = 35;
const KEY_MASK: u64 = (1 << KEY_BITS) - 1;

/// A document in 35 bits: eight for the series and the count of digits (never zero), 27 for the number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(u64);

impl Key {
    /// Packs a document; none for one of an unusual series or length.
    pub(super) fn new(document: Document) -> Option<Self> {
        let series = document.padded_series();
        let place = SERIES.iter().position(|&known| known == series)?;
        if !DIGITS.contains(&document.digits()) {
            return None;
        }
        let code = 1 + place * LENGTHS + usize::from(document.digits() - DIGITS.start());
        Some(Self((code as u64) << NUMBER_BITS | u64::from(document.number())))
    }

    /// Whether [`Key::new`] can have made these bits.
    fn is_sound(self) -> bool {
        let Some(code) = (self.0 >> NUMBER_BITS).checked_sub(1) else { return false };
        let digits = u32::from(*DIGITS.start()) + (code % LENGTHS as u64) as u32;
        code < (SERIES.len() * LENGTHS) as u64 && self.0 & ((1 << NUMBER_BITS) - 1) < 10_u64.pow(digits)
    }

    /// Spreads the bits (the finaliser of MurmurHash3). Fixed, because snapshots hold the tables it arranged; safe
    /// against crafted serials because texting one adds nothing to a table.
    pub(super) fn hash(self) -> u64 {
        let mut hash = self.0;
        hash = (hash ^ hash >> 33).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        hash = (hash ^ hash >> 33).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
        hash ^ hash >> 33
    }
}

/// A key and its entry, packed: 35 bits of key and above them the status, the person, the last day of validity.
/// All zero is an empty place.
#[derive(Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Slot {
    word: U64,
    person: U32,
    expires: PackedDate,
}

impl Slot {
    pub(super) fn new(key: Key, entry: Entry) -> Self {
        Self {
            word: U64::new((entry.status as u64) << KEY_BITS | key.0),
            person: U32::new(entry.person),
            expires: PackedDate::new(entry.expires),
        }
    }

    pub(super) fn key(self) -> Key {
        Key(self.word.get() & KEY_MASK)
    }

    pub(super) fn is_empty(self) -> bool {
        self.word.get() == 0
    }

    pub(super) fn entry(self) -> Entry {
        let status = u8::try_from(self.word.get() >> KEY_BITS).ok().and_then(Status::from_byte);
        Entry {
            person: self.person.get(),
            // A slot is checked before it is searched; should one be wrong all the same, it is no good document.
            status: status.unwrap_or(Status::Revoked),
            expires: self.expires.get(),
        }
    }

    /// Whether the slot is empty, or one that [`Slot::new`] can have made.
    pub(super) fn is_sound(self) -> bool {
        if self.is_empty() {
            return self == Self::default();
        }
        let status = u8::try_from(self.word.get() >> KEY_BITS).ok().and_then(Status::from_byte);
        status.is_some() && self.key().is_sound() && self.expires.is_sound()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("status", &self.status).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_packed_series_and_length_has_its_own_key() {
        let entry = Entry { person: u32::MAX, status: Status::Lost, expires: None };
        let mut keys = HashSet::new();
        for series in SERIES {
            let series = std::str::from_utf8(&series).unwrap().trim_end_matches('\0');
            for length in 5..=8 {
                for number in ["0".repeat(length), "1".repeat(length), "9".repeat(length)] {
                    let key = Key::new(Document::new(series, &number).unwrap()).unwrap();
                    assert!(keys.insert(key.0), "{series}{number}");
                    assert!(key.0 < 1 << 35);
                    let slot = Slot::new(key, entry);
                    assert!(slot.is_sound() && slot.key() == key && slot.entry() == entry);
                }
            }
        }
        assert_eq!(keys.len(), 5 * 4 * 3);
    }

    #[test]
    fn odd_serials_are_not_packed() {
        for odd in ["AZE123456789", "P1234567", "AB1234567", "AAA1234567", "A1234567"] {
            assert!(Key::new(odd.parse().unwrap()).is_none(), "{odd}");
        }
    }

    #[test]
    fn an_entry_survives_packing() {
        let key = Key::new("AA0000001".parse().unwrap()).unwrap();
        for status in [Status::Valid, Status::Lost, Status::Revoked] {
            for expires in [None, Some(Date::constant(2035, 12, 31))] {
                for person in [0, 1, u32::MAX] {
                    let entry = Entry { person, status, expires };
                    assert_eq!(Slot::new(key, entry).entry(), entry);
                }
            }
        }
    }

    #[test]
    fn bits_that_were_never_packed_are_unsound() {
        let good = Slot::new(
            Key::new("AZE00001".parse().unwrap()).unwrap(),
            Entry { person: 1, status: Status::Valid, expires: None },
        );
        let word = good.word.get();
        assert!(good.is_sound() && Slot::default().is_sound());
        for (word, expires) in
            [(word | 3 << 35, 0), (word | 1 << 60, 0), (word + 100_000, 0), (word, 1), (1, 0)]
        {
            let mut bad = good;
            bad.word = U64::new(word);
            bad.expires = PackedDate::read_from_bytes(&u32::to_le_bytes(expires)).unwrap();
            assert!(!bad.is_sound(), "{word:#x} {expires}");
        }
        let stray = Slot { person: U32::new(1), ..Slot::default() };
        assert!(!stray.is_sound());
        let beyond = Slot { word: U64::new(21 << 27), ..Slot::default() };
        assert!(!beyond.is_sound());
    }

    #[test]
    fn debug_hides_the_person() {
        let entry = Entry { person: 4711, status: Status::Valid, expires: None };
        assert_eq!(format!("{entry:?}"), "Entry { status: Valid, .. }");
    }
}
