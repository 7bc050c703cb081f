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
    /// The zeros between the header and the first packed septet: 0 to 6. Of no meaning in other alphabets.
    pub fill_bits: u8,
    /// The text's octets.
    pub body: &'a [u8],
}

/// The national language identifier of Turkish (3GPP TS 23.038, 6.2.1.2.4).
const TURKISH: u8 = 1;

/// Reads the header that `octets` begin with. Elements that are unknown, malformed or cut off are skipped; of elements that
/// contradict each other the last one counts, as 9.2.3.24 asks. Octets that cannot begin with a header are all text: a
/// wrong bit in the esm_class shall not cost a citizen the message.
#[must_use]
pub fn parse(octets: &[u8]) -> Header<'_> {
    let whole = Header { body: octets, ..Header::default() };
    let Some((&length, rest)) = octets.split_first() else { return whole };
    let Some((mut elements, body)) = rest.split_at_checked(usize::from(length)) else { return whole };
    let mut header = Header { fill_bits: fill_bits(usize::from(length) + 1), body, ..Header::default() };
    while let [id, length, rest @ ..] = elements {
        let Some((data, next)) = rest.split_at_checked(usize::from(*length)) else { break };
        header.element(*id, data);
        elements = next;
    }
    header
}

/// The zeros that align packed septets after a header of so many octets: 0 to 6.
pub(super) const fn fill_bits(octets: usize) -> u8 {
    ((7 - octets * 8 % 7) % 7) as u8
}

impl Header<'_> {
    fn element(&mut self, id: u8, data: &[u8]) {
        match (id, data) {
            (0x00, &[reference, total, number]) => {
                self.part = Part::new(u16::from(reference), total, number).or(self.part);
            }
            (0x08, &[high, low, total, number]) => {
                self.part = Part::new(u16::from_be_bytes([high, low]), total, number).or(self.part);
            }
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
        let cut = parse(b"\x05\x00\x09\x01\x02\x01text");
        assert_eq!((cut.part, cut.body), (None, &b"text"[..]));
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
