//! Outgoing texts in several messages (3GPP TS 23.040, 9.2.3.24.1 and .8).

use super::{Alphabet, Coding, udh};

/// What the parts of one message have in common: a number that the sender does not use again soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reference {
    /// Takes a header of 6 octets: 153 septets or 67 UTF-16 units are left.
    Octet(u8),
    /// Takes a header of 7 octets: 152 septets or 66 UTF-16 units are left.
    Word(u16),
}

impl Reference {
    const fn header_octets(self) -> usize {
        match self {
            Self::Octet(_) => 6,
            Self::Word(_) => 7,
        }
    }

    /// What a part holds beside its header, in septets or UTF-16 units: a message has 140 octets.
    const fn units_max(self, coding: Coding) -> usize {
        let octets = 140 - self.header_octets();
        match coding {
            Coding::Gsm7 => octets * 8 / 7,
            Coding::Ucs2 => octets / 2,
        }
    }
}

/// A text that needs more than 255 parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text needs more than 255 parts: shorten it")]
pub struct TooLong;

/// One message of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The piece of the text. Whole characters, so neither an escape nor a surrogate pair is split.
    pub text: &'a str,
    /// The same for all segments of a text.
    pub coding: Coding,
    /// Which one, from 1.
    pub number: u8,
    /// Of how many. 1: the segment has no header.
    pub total: u8,
    reference: Reference,
    default: Alphabet,
}

/// The messages of a text, in order.
#[derive(Debug, Clone)]
pub struct Segments<'a> {
    rest: &'a str,
    next: Segment<'a>,
    units_max: usize,
}

/// Cuts `text` into as few messages as hold it, for an operator whose data_coding 0 is `default`.
///
/// # Errors
/// [`TooLong`] beyond 255 parts.
pub fn split(text: &str, default: Alphabet, reference: Reference) -> Result<Segments<'_>, TooLong> {
    let coding = Coding::of(text, default);
    let next = Segment { text, coding, number: 1, total: 1, reference, default };
    if coding.units(text) <= coding.units_max() {
        return Ok(Segments { rest: text, next, units_max: coding.units_max() });
    }
    let units_max = reference.units_max(coding);
    let mut total = 0_u8;
    let mut rest = text;
    while !rest.is_empty() {
        total = total.checked_add(1).ok_or(TooLong)?;
        rest = cut(rest, coding, units_max).1;
    }
    Ok(Segments { rest: text, next: Segment { total, ..next }, units_max })
}

/// The longest start of `text` that takes at most `units_max`, and the rest.
fn cut(text: &str, coding: Coding, units_max: usize) -> (&str, &str) {
    let mut units = 0;
    let end = text.char_indices().find(|&(_, c)| {
        units += coding.width(c);
        units > units_max
    });
    text.split_at(end.map_or(text.len(), |(at, _)| at))
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        if self.next.number > self.next.total || self.next.number == 0 {
            return None;
        }
        let (text, rest) = cut(self.rest, self.next.coding, self.units_max);
        let segment = Segment { text, ..self.next };
        self.rest = rest;
        // Wraps to 0 after part 255, which no part has.
        self.next.number = self.next.number.wrapping_add(1);
        Some(segment)
    }
}

impl Segment<'_> {
    /// Whether [`write`](Self::write) begins with a header: bit 0x40 of the esm_class.
    #[must_use]
    pub const fn udhi(&self) -> bool {
        self.total > 1
    }

    /// Appends the message's user data: its header, if it has one, and its text. At most 160 octets.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut fill_bits = 0;
        if self.udhi() {
            match self.reference {
                Reference::Octet(reference) => out.extend([5, 0x00, 3, reference, self.total, self.number]),
                Reference::Word(reference) => {
                    let [high, low] = reference.to_be_bytes();
                    out.extend([6, 0x08, 4, high, low, self.total, self.number]);
                }
            }
            fill_bits = udh::fill_bits(self.reference.header_octets());
        }
        self.coding.write(self.text, self.default, fill_bits, out);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::{gsm7, read};

    fn parts(text: &str, reference: Reference) -> Vec<Segment<'_>> {
        split(text, Alphabet::Gsm7, reference).unwrap().collect()
    }

    #[test]
    fn limits_are_those_of_the_standard() {
        for (c, whole, octet, word) in [('a', 160, 153, 152), ('ə', 70, 67, 66)] {
            let text = |n| c.to_string().repeat(n);
            let count = |n, reference| parts(&text(n), reference).len();
            assert_eq!((count(whole, Reference::Octet(1)), count(whole + 1, Reference::Octet(1))), (1, 2));
            assert_eq!(
                (count(2 * octet, Reference::Octet(1)), count(2 * octet + 1, Reference::Octet(1))),
                (2, 3)
            );
            assert_eq!(
                (count(2 * word, Reference::Word(1)), count(2 * word + 1, Reference::Word(1))),
                (2, 3)
            );
        }
    }

    #[test]
    fn pairs_stay_together() {
        let text = format!("{}€{}", "a".repeat(152), "a".repeat(20));
        assert_eq!(parts(&text, Reference::Octet(1))[0].text.len(), 152);
        let text = format!("{}😀{}", "ə".repeat(66), "ə".repeat(20));
        assert_eq!(parts(&text, Reference::Octet(1))[0].text.chars().count(), 66);
    }

    #[test]
    fn more_than_255_parts_are_refused() {
        let fits = "a".repeat(255 * 153);
        assert_eq!(
            parts(&fits, Reference::Octet(9)).last().map(|part| (part.number, part.total)),
            Some((255, 255))
        );
        assert_eq!(split(&(fits + "a"), Alphabet::Gsm7, Reference::Octet(9)).err(), Some(TooLong));
    }

    #[test]
    fn the_header_is_on_the_wire() {
        let mut out = Vec::new();
        parts(&"a".repeat(161), Reference::Word(0x1234))[1].write(&mut out);
        assert_eq!(out[..8], [6, 8, 4, 0x12, 0x34, 2, 2, b'a']);
        out.clear();
        parts("a", Reference::Octet(1))[0].write(&mut out);
        assert_eq!(out, b"a");
    }

    proptest! {
        #[test]
        fn segments_make_the_text(
            text in prop_oneof!["[ -Z€\\[]{0,700}", "[a-zə😀]{0,300}"],
            word: bool,
            default in prop_oneof![Just(Alphabet::Gsm7), Just(Alphabet::Gsm7Packed), Just(Alphabet::Latin1)],
        ) {
            let reference = if word { Reference::Word(0xABCD) } else { Reference::Octet(0xCD) };
            let mut joined = String::new();
            for segment in split(&text, default, reference).unwrap() {
                let mut octets = Vec::new();
                segment.write(&mut octets);
                prop_assert!(octets.len() <= 160);
                let header = if segment.udhi() { reference.header_octets() } else { 0 };
                let on_air = match segment.coding {
                    Coding::Gsm7 => (gsm7::septets(segment.text).unwrap() * 7).div_ceil(8),
                    Coding::Ucs2 => segment.text.encode_utf16().count() * 2,
                };
                prop_assert!(header + on_air <= 140);
                let alphabet = Alphabet::of(segment.coding.data_coding(), default).unwrap();
                let mut decoded = String::new();
                let part = read(alphabet, segment.udhi(), &octets, &mut decoded);
                prop_assert_eq!(part.map(|part| (part.number, part.total)),
                    segment.udhi().then_some((segment.number, segment.total)));
                // Packed, a last `@` cannot be told from padding.
                let lost = alphabet == Alphabet::Gsm7Packed && segment.text.ends_with('@');
                prop_assert!(decoded == segment.text || lost);
                joined.push_str(segment.text);
            }
            prop_assert_eq!(joined, text);
        }
    }
}
