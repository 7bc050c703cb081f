//! The index's keys. All are 17 bytes, big end first, so that their order is that of their numbers; values are empty.
//!
//! | byte 0 | bytes 1 to 8 | bytes 9 to 16 |
//! |---|---|---|
//! | 1 permit code, 2 document, 3 person, 4 phone | its keyed hash | the decision's seq |
//! | 5 time | microseconds since 1970, the sign bit flipped | the first seq of that instant |
//! | 6 decision | its seq | the seq of a mark on its reply |
//!
//! The key of the one byte 0 comes before all: its value is how far the index has got, as two such numbers: the last
//! record's seq, and its instant.

use std::hash::Hasher;

use jiff::Timestamp;
use siphasher::sip::SipHasher24;

use crate::ledger::Address;
use crate::{Document, Msisdn};

/// Where the index has got to is stored.
pub(super) const REACHED: [u8; 1] = [0];

pub(super) const CODE: u8 = 1;
pub(super) const DOCUMENT: u8 = 2;
pub(super) const PERSON: u8 = 3;
pub(super) const PHONE: u8 = 4;
pub(super) const TIME: u8 = 5;
pub(super) const MARKS: u8 = 6;

/// Tags are below this.
pub(super) const TAGS: usize = 7;

pub(super) type Key = [u8; 17];

pub(super) fn key(tag: u8, middle: u64, last: u64) -> Key {
    of(tag, u128::from(middle) << 64 | u128::from(last))
}

/// The key of both numbers in one.
pub(super) fn of(tag: u8, numbers: u128) -> Key {
    let mut key = [tag; 17];
    if let Some(rest) = key.last_chunk_mut() {
        *rest = numbers.to_be_bytes();
    }
    key
}

/// The last number in a key.
pub(super) fn last(key: &[u8]) -> Option<u64> {
    key.last_chunk().copied().map(u64::from_be_bytes)
}

/// An instant as a number of the same order. What the ledger stores has no digits behind the microsecond; a bound that
/// has them is rounded up, so that comparing with it gives the same.
pub(super) fn instant(at: Timestamp) -> u64 {
    let micros = (at.as_nanosecond() + 999).div_euclid(1000);
    // A timestamp's microseconds fit 64 bits.
    (micros as i64 as u64) ^ (1 << 63)
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
        let mut hash = self.hash(0);
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

    fn hash(&self, tag: u8) -> SipHasher24 {
        let mut hash = SipHasher24::new_with_key(&self.secret);
        hash.write_u8(tag);
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_numbers() {
        assert!(key(TIME, 1, u64::MAX) < key(TIME, 2, 0));
        assert!(key(TIME, 256, 0) > key(TIME, 255, 1));
        assert!(REACHED[..] < key(CODE, 0, 0)[..]);
        assert_eq!(last(&key(PHONE, 7, 258)), Some(258));
    }

    #[test]
    fn a_bound_between_two_microseconds_is_above_the_first() {
        let micros = |micros| Timestamp::from_microsecond(micros).unwrap();
        let nanos = |nanos| Timestamp::from_nanosecond(nanos).unwrap();
        for at in [-5, 0, 5] {
            assert!(instant(micros(at)) < instant(micros(at + 1)));
            assert_eq!(instant(nanos(i128::from(at) * 1000)), instant(micros(at)));
            assert_eq!(instant(nanos(i128::from(at) * 1000 + 1)), instant(micros(at + 1)));
        }
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
