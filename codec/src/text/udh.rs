//! The header at the start of a message's user data (3GPP TS 23.040, 9.2.3.24).

use super::Shifts;

/// Which part of a longer message this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Part {
    /// Common to the parts of one message from one sender.
    pub reference: u16,
    /// Of how many parts: 2 to 255.
    pub total: u8,
    /// Which one: 1 to `total`.
    pub number: u8,
}

impl Part {
    /// A part as a header's element or the SAR TLVs (SMPP v3.4, 5.3.2.22 to .24) give it. `None` if it makes no sense,
    /// or if the message has one part only: it is then read as a whole, as 9.2.3.24.1 asks.
    #[must_use]
    pub fn new(reference: u16, total: u8, number: u8) -> Option<Self> {
        (total > 1 && (1..=total).contains(&number)).then_some(Self { reference, total, number })
    }
}

/// What a header says, and what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header<'a> {
    /// Concatenation, with an 8-bit (0x00) or a 16-bit reference (0x08).
    pub part: Option<Part>,
    /// National language single (0x24) and locking shift (0x25), where they name Turkish.
    pub shifts: Shifts,
    /// Application ports (0x04, 0x05): the data is for a program, not for a reader.
    pub ports: bool,
    /// The zeros between the header and the first packed septet: 0 to 6. Of no meaning in other alphabets.
    pub fill_bits: u8,
    /// The text's octets.
    pub body: &'a [u8],
}

/// The national language identifier of Turkish (3GPP TS 23.038, 6.2.1.2.4).
const TURKISH: u8 = 1;
/// A header of this length, read as a character, is one that a text may begin with.
const SPACE: usize = 0x20;

/// Reads the header that `octets` should begin with, as their esm_class says.
///
/// Octets that cannot begin with a header are all text: a wrong bit in the esm_class shall not cost
/// a citizen the message. Of elements that contradict each other the last one counts, as 9.2.3.24
/// asks. Elements that are unknown or malformed are passed over where another one is understood.
/// Live networks write lengths that count themselves; those are read where they give a part.
#[must_use]
pub fn parse(octets: &[u8]) -> Header<'_> {
    let Some((&length, rest)) = octets.split_first() else { return Header::default() };
    if length == 0 {
        return Header { body: rest, fill_bits: fill_bits(1), ..Header::default() };
    }
    let length = usize::from(length);
    let strict = Header::exact(octets, length, 0);
    let strict = strict.filter(|header| length < SPACE || header.says_something());
    let read = strict.or_else(|| Header::counted(octets, length)).or_else(|| Header::loose(octets, length));
    read.unwrap_or(Header { body: octets, ..Header::default() })
}

/// The header that octets begin with although their esm_class names none, if they cannot be text:
/// it makes them a part, and no text begins like that in any alphabet.
#[must_use]
pub fn unannounced(octets: &[u8]) -> Option<Header<'_>> {
    let length = usize::from(*octets.first()?);
    if !(1..SPACE).contains(&length) {
        return None;
    }
    let strict = Header::exact(octets, length, 0).filter(|header| header.part.is_some());
    strict.or_else(|| Header::counted(octets, length))
}

/// The zeros that align packed septets after a header of so many octets: 0 to 6.
pub(super) const fn fill_bits(octets: usize) -> u8 {
    ((7 - octets * 8 % 7) % 7) as u8
}

impl<'a> Header<'a> {
    /// A header of `length` octets that its elements fill, each of which has data. An element's
    /// length says `own` octets more than its data has.
    fn exact(octets: &'a [u8], length: usize, own: usize) -> Option<Self> {
        let (mut elements, mut header) = Self::cut(octets, length)?;
        while let [id, length, rest @ ..] = elements {
            let length = usize::from(*length).checked_sub(own).filter(|length| *length > 0)?;
            let (data, next) = rest.split_at_checked(length)?;
            // These have data of one length only.
            if (*id == 0x00 && length != 3) || (*id == 0x08 && length != 4) {
                return None;
            }
            header.element(*id, data);
            elements = next;
        }
        elements.is_empty().then_some(header)
    }

    /// A part's header whose length counts itself, or whose elements' lengths do: their own octet,
    /// and perhaps that of the identifier. Or one whose length is one too small for its element.
    fn counted(octets: &'a [u8], length: usize) -> Option<Self> {
        let shorter = length.checked_sub(1)?;
        let ways = [(shorter, 0), (length, 2), (shorter, 2), (length, 1), (shorter, 1), (length + 1, 0)];
        let mut read = ways.into_iter().filter_map(|(length, own)| Self::exact(octets, length, own));
        read.find(|header| header.part.is_some())
    }

    /// A header some of whose elements are malformed, if another one is understood.
    fn loose(octets: &'a [u8], length: usize) -> Option<Self> {
        let (all, mut header) = Self::cut(octets, length)?;
        let mut elements = all;
        while let [id, length, rest @ ..] = elements {
            let Some((data, next)) = rest.split_at_checked(usize::from(*length)) else { break };
            header.element(*id, data);
            elements = next;
        }
        if header.part.is_none() {
            (0..all.len()).for_each(|at| header.concatenation(all.get(at..).unwrap_or_default()));
        }
        match *all {
            [0x00, _, ref data @ ..] if data.len() == 3 => header.element(0x00, data),
            [0x08, _, ref data @ ..] if data.len() == 4 => header.element(0x08, data),
            _ => {}
        }
        header.says_something().then_some(header)
    }

    /// The elements' octets, and a header that has not read them yet.
    fn cut(octets: &'a [u8], length: usize) -> Option<(&'a [u8], Self)> {
        let (elements, body) = octets.get(1..)?.split_at_checked(length)?;
        (length > 0)
            .then(|| (elements, Header { fill_bits: fill_bits(length + 1), body, ..Header::default() }))
    }

    /// Whether an element was understood.
    fn says_something(&self) -> bool {
        self.part.is_some() || self.ports || self.shifts != Shifts::default()
    }

    /// Takes the concatenation element that `octets` begin with, if they do.
    fn concatenation(&mut self, octets: &[u8]) {
        match *octets {
            [0x00, 3, ref data @ ..] => self.element(0x00, data.get(..3).unwrap_or_default()),
            [0x08, 4, ref data @ ..] => self.element(0x08, data.get(..4).unwrap_or_default()),
            _ => {}
        }
    }

    fn element(&mut self, id: u8, data: &[u8]) {
        match (id, data) {
            (0x00, &[reference, total, number]) => {
                self.part = Part::new(u16::from(reference), total, number).or(self.part);
            }
            (0x08, &[high, low, total, number]) => {
                self.part = Part::new(u16::from_be_bytes([high, low]), total, number).or(self.part);
            }
            (0x04, &[_, _]) | (0x05, &[_, _, _, _]) => self.ports = true,
            (0x24, &[language]) => self.shifts.single = language == TURKISH,
            (0x25, &[language]) => self.shifts.locking = language == TURKISH,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_references_are_read() {
        let header = parse(b"\x05\x00\x03\xCC\x02\x01text");
        assert_eq!(header.part, Some(Part { reference: 0xCC, total: 2, number: 1 }));
        assert_eq!((header.body, header.fill_bits), (&b"text"[..], 1));
        let header = parse(b"\x06\x08\x04\x12\x34\x03\x03text");
        assert_eq!(header.part, Some(Part { reference: 0x1234, total: 3, number: 3 }));
        assert_eq!((header.body, header.fill_bits), (&b"text"[..], 0));
    }

    #[test]
    fn senseless_parts_are_whole_messages() {
        for (total, number) in [(0, 0), (0, 1), (1, 1), (2, 0), (2, 3)] {
            let header = [5, 0, 3, 7, total, number, b'x'];
            assert_eq!(parse(&header).part, None, "{number} of {total}");
            assert_eq!(parse(&header).body, b"x");
        }
    }

    #[test]
    fn shifts_are_read_among_unknown_elements() {
        let header = parse(b"\x0B\x24\x01\x01\x70\x02\xAA\xBB\x25\x01\x01\x99text");
        assert_eq!(header.shifts, Shifts { single: true, locking: true });
        assert_eq!(header.body, b"text");
        // Spanish has no letter of ours.
        assert_eq!(parse(b"\x03\x24\x01\x02text").shifts, Shifts::default());
    }

    #[test]
    fn what_can_be_no_header_is_text() {
        for text in [&b""[..], b"2 AZE20000001", b"\xFF\x00\x03\x01\x02\x01"] {
            assert_eq!(parse(text), Header { body: text, ..Header::default() });
        }
        // Azerbaijani, Russian and other letters in UCS-2; a header of their first octet's length
        // would fit.
        for text in ["əl 2 AZE20000001", "Ф 2 AZE20000001", "İcazə 2 AZE20000001", "ქალი ქალი ქალი ქალი"]
        {
            let octets: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            assert_eq!(parse(&octets).body, octets, "{text}");
        }
        let long = format!("2 AZE20000001 {}", "x".repeat(60));
        assert_eq!(parse(long.as_bytes()).body, long.as_bytes());
        assert_eq!(parse(b"\x05\x70\x09\x01\x02\x01text").body, b"\x05\x70\x09\x01\x02\x01text");
    }

    /// The lengths of a part's header, with an 8-bit and a 16-bit reference, as networks write them.
    #[test]
    fn lengths_that_count_themselves_are_understood() {
        let octet = Part { reference: 0xF3, total: 2, number: 1 };
        let word = Part { reference: 0x12F3, total: 2, number: 1 };
        for header_extra in [0, 1] {
            for element_extra in [0, 1, 2] {
                for (part, length, id, data) in
                    [(octet, 5, 0, &[0xF3, 2, 1][..]), (word, 6, 8, &[0x12, 0xF3, 2, 1])]
                {
                    let element = data.len() as u8 + element_extra;
                    let text = &b"\x002\x00 \x00A"[..];
                    let octets = [&[length + header_extra, id, element], data, text].concat();
                    let expected = (Some(part), text);
                    let read = |header: Header<'_>| (header.part, header.body.to_vec());
                    let wanted = (expected.0, expected.1.to_vec());
                    // An 8-bit reference whose element counts its own octet looks like a 16-bit one.
                    assert_eq!(read(parse(&octets)), wanted, "{header_extra} {element_extra} {id}");
                    assert_eq!(unannounced(&octets).map(read), Some(wanted));
                }
            }
        }
    }

    #[test]
    fn a_length_that_is_one_too_small_is_understood() {
        for (octets, reference) in
            [(&b"\x04\x00\x03\x09\x02\x01text"[..], 9), (b"\x05\x08\x04\x01\x02\x02\x01text", 0x0102)]
        {
            let part = Some(Part { reference, total: 2, number: 1 });
            let header = parse(octets);
            assert_eq!((header.part, header.body), (part, &b"text"[..]));
            assert_eq!(unannounced(octets), Some(header));
        }
    }

    #[test]
    fn a_wrong_element_beside_a_good_one_is_passed_over() {
        let part = Some(Part { reference: 0xCC, total: 2, number: 1 });
        for octets in [
            &b"\x08\x00\x03\xCC\x02\x01\x24\x05\x01text"[..],
            b"\x07\x24\x00\x00\x03\xCC\x02\x01text",
            b"\x08\x70\x09\x01\x00\x03\xCC\x02\x01text",
            b"\x0A\x00\x03\xCC\x02\x01\x00\x03\xCC\x00\x00text",
            b"\x05\x00\x09\xCC\x02\x01text",
        ] {
            let header = parse(octets);
            assert_eq!((header.part, header.body), (part, &b"text"[..]), "{octets:02x?}");
        }
    }

    #[test]
    fn a_header_that_nobody_announced_is_none_where_it_could_be_text() {
        for text in ["2 AZE20000001", "éa@¥", "\r\n2 AZE20000001", ""] {
            assert_eq!(unannounced(text.as_bytes()), None);
            let octets: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            assert_eq!(unannounced(&octets), None);
        }
        assert_eq!(unannounced(&[5, 0, 3, 7, 1, 1, b'x']), None, "one part of one");
        assert_eq!(unannounced(&[5, 0, 3, 7, 2, 3, b'x']), None, "part three of two");
        assert_eq!(unannounced(b"\x06\x05\x04\x23\xF4\x23\xF4x"), None, "ports");
        assert!(parse(b"\x06\x05\x04\x23\xF4\x23\xF4x").ports);
    }

    proptest! {
        #[test]
        fn any_octets_are_read(octets: Vec<u8>) {
            let header = parse(&octets);
            prop_assert!(header.fill_bits < 7);
            prop_assert!(octets.ends_with(header.body));
            if let Some(part) = header.part {
                prop_assert!(1 <= part.number && part.number <= part.total && part.total > 1);
            }
        }
    }
}
