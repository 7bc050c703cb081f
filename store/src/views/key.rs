//! The keys: numbers of 64 bits, of which the high 36 say what is looked for, and the low 28 which record that is.
//!
//! | section | high part | low part |
//! |---|---|---|
//! | permit code, document, person, phone | the first bits of its keyed hash | the decision |
//! | marks | the decision on whose reply it is | the mark |
//! | seconds | a second since 1970 in which a record was made | the first of its records |
//!
//! Records count from the file's first, decisions and seconds from a number that the file names.

use std::hash::Hasher;

use jiff::Timestamp;
use siphasher::sip::SipHasher24;

use crate::ledger::Address;
use crate::{Document, Msisdn};

pub(super) const CODE: usize = 0;
pub(super) const DOCUMENT: usize = 1;
pub(super) const PERSON: usize = 2;
pub(super) const PHONE: usize = 3;
pub(super) const MARKS: usize = 4;
pub(super) const SECONDS: usize = 5;
/// What follows is for statistics, and no such keys.
pub(super) const REGIONS: usize = 6;
pub(super) const GROUPS: usize = 7;
pub(super) const FACTS: usize = 8;

/// Those that find people, or what was issued to them.
pub(super) const PEOPLE: [usize; 4] = [CODE, DOCUMENT, PERSON, PHONE];

/// How many sections there are.
pub(super) const SECTIONS: usize = 9;

/// Bits of the low part: 268 million records in one segment, which has at most 1 GiB.
const RECORD_BITS: u32 = 28;
/// The greatest low part.
pub(super) const RECORD_MAX: u64 = (1 << RECORD_BITS) - 1;

/// A key of both parts, each at most the greatest that fits.
pub(super) fn key(high: u64, record: u64) -> u64 {
    high.min(u64::MAX >> RECORD_BITS) << RECORD_BITS | record.min(RECORD_MAX)
}

/// A key that begins as `hash` does.
pub(super) fn hashed(hash: u64, record: u64) -> u64 {
    key(hash >> RECORD_BITS, record)
}

/// The low part.
pub(super) fn record(key: u64) -> u64 {
    key & RECORD_MAX
}

/// The second that an instant lies in. What lies before the first since 1970 counts as that.
pub(super) fn second(at: Timestamp) -> u64 {
    at.as_second().max(1).unsigned_abs()
}

/// How personal data becomes keys: hashed with SipHash-2-4 under a secret, so that a copy of the index names nobody and
/// cannot be searched by trying all serials or numbers.
#[derive(Clone, Copy)]
pub struct Keying {
    /// Derived from the master key, for this purpose alone.
    pub secret: [u8; 16],
    /// The country's calling code, to tell that two spellings are one phone.
    pub country: u16,
    /// Digits of a national number, without the trunk prefix.
    pub national: usize,
}

impl Keying {
    /// Names this secret and numbering without giving them away.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hash = self.hash(SECTIONS);
        hash.write_u16(self.country);
        hash.write_u64(self.national as u64);
        hash.finish()
    }

    pub(super) fn code(&self, code: u64) -> u64 {
        let mut hash = self.hash(CODE);
        hash.write_u64(code);
        hash.finish()
    }

    pub(super) fn document(&self, document: Document) -> u64 {
        let mut hash = self.hash(DOCUMENT);
        hash.write(&document.padded_series());
        hash.write_u8(document.digits());
        hash.write_u32(document.number());
        hash.finish()
    }

    pub(super) fn person(&self, person: u32) -> u64 {
        let mut hash = self.hash(PERSON);
        hash.write_u32(person);
        hash.finish()
    }

    pub(super) fn phone(&self, phone: Msisdn) -> u64 {
        let mut hash = self.hash(PHONE);
        hash.write_u64(phone.as_u64());
        hash.finish()
    }

    /// The subscriber behind an address; `None` for short codes and names, and where the field cannot be read.
    pub(super) fn subscriber(&self, address: &Address<'_>) -> Option<Msisdn> {
        Msisdn::parse(address.digits, self.country, self.national)
    }

    fn hash(&self, what: usize) -> SipHasher24 {
        let mut hash = SipHasher24::new_with_key(&self.secret);
        hash.write_u8(what as u8);
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_both_parts_and_sorts_by_the_high_one_first() {
        let largest = u64::MAX >> RECORD_BITS;
        for (high, low) in [(0, 0), (0, RECORD_MAX), (1, 0), (largest, 7), (largest, RECORD_MAX)] {
            let key = key(high, low);
            assert_eq!((key >> RECORD_BITS, record(key)), (high, low));
        }
        assert!(key(1, RECORD_MAX) < key(2, 0));
        assert_eq!(key(u64::MAX, u64::MAX), u64::MAX, "what does not fit is the greatest that does");
        assert_eq!(hashed(0xfedc_ba98_7654_3210, 5), 0xfedc_ba98_7000_0005);
    }

    #[test]
    fn the_same_number_has_another_hash_as_another_thing_or_under_another_secret() {
        let keying = Keying { secret: [1; 16], country: 994, national: 9 };
        let other = Keying { secret: [2; 16], ..keying };
        let phone = Msisdn::parse("0501234567", 994, 9).unwrap();
        assert_ne!(keying.code(phone.as_u64()), keying.phone(phone));
        assert_ne!(keying.phone(phone), other.phone(phone));
        assert_ne!(keying.fingerprint(), other.fingerprint());
        assert_ne!(keying.fingerprint(), Keying { national: 8, ..keying }.fingerprint());
        let [long, short] = ["AA0000001", "AA000001"].map(|text| text.parse().unwrap());
        assert_ne!(keying.document(long), keying.document(short));
    }
}
