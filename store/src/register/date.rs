//! Dates in 32 bits.

use jiff::civil::Date;
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The years that the register takes for meant, not mistyped.
pub(super) const YEARS: std::ops::RangeInclusive<i16> = 1900..=2199;

/// A date or none, as `year << 9 | month << 5 | day`, so that its order is the dates' order and unpacking needs
/// no calendar. Zero is none.
#[derive(Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(transparent)]
pub(super) struct PackedDate(U32);

impl PackedDate {
    /// Bits of the short form.
    pub(super) const SHORT_BITS: u32 = 18;
    /// What the short form leaves out: the years before [`YEARS`].
    const SHORT_BASE: u32 = 1900 << 9;

    /// The same in [`SHORT_BITS`](Self::SHORT_BITS) bits; zero is none.
    pub(super) fn short(self) -> u32 {
        self.0.get().saturating_sub(Self::SHORT_BASE)
    }

    /// What [`short`](Self::short) gave.
    pub(super) fn from_short(bits: u32) -> Self {
        Self(U32::new(if bits == 0 { 0 } else { bits + Self::SHORT_BASE }))
    }

    /// Packs a date within [`YEARS`]; one outside them becomes the nearest date within.
    pub(super) fn new(date: Option<Date>) -> Self {
        let Some(date) = date else { return Self::default() };
        let (first, last) = (Date::constant(*YEARS.start(), 1, 1), Date::constant(*YEARS.end(), 12, 31));
        let date = date.clamp(first, last);
        let part = u32::from(date.month().unsigned_abs()) << 5 | u32::from(date.day().unsigned_abs());
        Self(U32::new(u32::from(date.year().unsigned_abs()) << 9 | part))
    }

    /// The date; none as well for bits that are no date.
    pub(super) fn get(self) -> Option<Date> {
        // The usual case, and jiff would allocate an error for it.
        if self.is_none() {
            return None;
        }
        let bits = self.0.get();
        let year = i16::try_from(bits >> 9).ok()?;
        let [month, day] = [bits >> 5 & 0xF, bits & 0x1F].map(|part| part as i8);
        Date::new(year, month, day).ok()
    }

    /// Whether the bits are none, or a date within [`YEARS`].
    pub(super) fn is_sound(self) -> bool {
        self.is_none() || self.get().is_some_and(|date| YEARS.contains(&date.year()))
    }

    pub(super) fn is_none(self) -> bool {
        self.0.get() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_survive_packing() {
        assert_eq!(PackedDate::new(None).get(), None);
        assert_eq!(PackedDate::from_short(PackedDate::new(None).short()).get(), None);
        let mut date = Date::constant(1900, 1, 1);
        while date.year() < 2200 {
            let packed = PackedDate::new(Some(date));
            assert!(packed.is_sound());
            assert_eq!(packed.get(), Some(date));
            assert!(
                PackedDate::from_short(packed.short()) == packed
                    && packed.short() >> PackedDate::SHORT_BITS == 0
            );
            date = date.tomorrow().unwrap();
        }
    }

    #[test]
    fn dates_outside_become_the_nearest_within() {
        assert_eq!(PackedDate::new(Some(Date::MIN)).get(), Some(Date::constant(1900, 1, 1)));
        assert_eq!(PackedDate::new(Some(Date::MAX)).get(), Some(Date::constant(2199, 12, 31)));
    }

    #[test]
    fn other_bits_are_no_date() {
        for bits in [1, 2020 << 9, 2020 << 9 | 13 << 5 | 1, 2021 << 9 | 2 << 5 | 29, 1899 << 9 | 33, u32::MAX]
        {
            assert!(!PackedDate(U32::new(bits)).is_sound(), "{bits:#x}");
        }
    }
}
