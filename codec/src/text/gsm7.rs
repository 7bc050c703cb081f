//! The GSM 7-bit default alphabet with its extension and the Turkish shift tables (3GPP TS 23.038, 6.2.1, A.2.1, A.3.1).

/// Leads to the extension table, or to the national language single shift table.
const ESCAPE: u8 = 0x1B;
/// Stands for septets that are no character of their own.
const NONE: u8 = 0xFF;
/// Marks an entry of [`LATIN`] that is reached through [`ESCAPE`].
const EXTENDED: u8 = 0x80;

/// 3GPP TS 23.038, 6.2.1, by septet. The escape reads as a space, as that section asks.
#[rustfmt::skip]
const DEFAULT: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å',
    'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', ' ', 'Æ', 'æ', 'ß', 'É',
    ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/',
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?',
    '¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O',
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§',
    '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o',
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
];

/// 3GPP TS 23.038, 6.2.1.1: what follows an escape.
const EXTENSION: [(u8, char); 10] = [
    (0x0A, '\u{0C}'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2F, '\\'),
    (0x3C, '['),
    (0x3D, '~'),
    (0x3E, ']'),
    (0x40, '|'),
    (0x65, '€'),
];

/// What the Turkish single shift table (A.2.1) has beyond [`EXTENSION`].
const TURKISH_SINGLE: [(u8, char); 7] =
    [(0x47, 'Ğ'), (0x49, 'İ'), (0x53, 'Ş'), (0x63, 'ç'), (0x67, 'ğ'), (0x69, 'ı'), (0x73, 'ş')];

/// Where the Turkish locking shift table (A.3.1) differs from [`DEFAULT`].
const TURKISH_LOCKING: [(u8, char); 8] =
    [(0x04, '€'), (0x07, 'ı'), (0x0B, 'Ğ'), (0x0C, 'ğ'), (0x1C, 'Ş'), (0x1D, 'ş'), (0x40, 'İ'), (0x60, 'ç')];

/// The septets of U+0000 to U+00FF; [`NONE`] where there is none.
const LATIN: [u8; 256] = latin();

const fn latin() -> [u8; 256] {
    let mut table = [NONE; 256];
    let mut septet = 0;
    while septet < DEFAULT.len() {
        let point = DEFAULT[septet] as usize;
        if point < table.len() && septet != ESCAPE as usize {
            table[point] = septet as u8;
        }
        septet += 1;
    }
    let mut entry = 0;
    while entry < EXTENSION.len() {
        let (septet, c) = EXTENSION[entry];
        if (c as usize) < table.len() {
            table[c as usize] = EXTENDED | septet;
        }
        entry += 1;
    }
    table
}

/// The national language tables that a message's header names (3GPP TS 23.040, 9.2.3.24.15 and .16).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Shifts {
    /// The Turkish single shift table replaces the extension table.
    pub single: bool,
    /// The Turkish locking shift table replaces the default alphabet.
    pub locking: bool,
}

/// How many septets `text` takes, an extended character two; `None` if a character is not in the alphabet.
#[must_use]
pub fn septets(text: &str) -> Option<usize> {
    text.chars().map(width).sum()
}

/// How many septets a character takes: 1, or 2 with its escape.
pub(super) fn width(c: char) -> Option<usize> {
    match septet(c) {
        NONE => None,
        septet => Some(if septet & EXTENDED == 0 { 1 } else { 2 }),
    }
}

/// The character's septet, [`EXTENDED`] or [`NONE`].
fn septet(c: char) -> u8 {
    if let Some(&septet) = LATIN.get(c as usize) {
        return septet;
    }
    match c {
        'Δ' => 0x10,
        'Φ' => 0x12,
        'Γ' => 0x13,
        'Λ' => 0x14,
        'Ω' => 0x15,
        'Π' => 0x16,
        'Ψ' => 0x17,
        'Σ' => 0x18,
        'Θ' => 0x19,
        'Ξ' => 0x1A,
        '€' => EXTENDED | 0x65,
        _ => NONE,
    }
}

/// Appends the septets of the characters that the alphabet has, one to an octet; the others are left out.
pub(super) fn encode(text: &str, out: &mut Vec<u8>) {
    for c in text.chars() {
        match septet(c) {
            NONE => {}
            plain if plain & EXTENDED == 0 => out.push(plain),
            extended => out.extend_from_slice(&[ESCAPE, extended & !EXTENDED]),
        }
    }
}

/// The letters, digits and spaces that `septets` begin with, which are the same in ASCII under any shift, and the rest.
pub(super) fn split_ascii(septets: &[u8]) -> (&str, &[u8]) {
    let same = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b' ';
    let end = septets.iter().position(|octet| !same(octet)).unwrap_or(septets.len());
    let (same, rest) = septets.split_at_checked(end).unwrap_or_default();
    (std::str::from_utf8(same).unwrap_or_default(), rest)
}

/// Appends the characters of `septets`. An octet above 0x7F reads as U+FFFD, an escape before a septet that its table
/// lacks reads as that septet (6.2.1.1), a lone or doubled escape as a space.
pub(super) fn decode(shifts: Shifts, septets: impl Iterator<Item = u8>, out: &mut String) {
    let mut escaped = false;
    for octet in septets {
        if escaped {
            escaped = false;
            out.push(extended(shifts, octet).unwrap_or_else(|| plain(shifts, octet)));
        } else if octet == ESCAPE {
            escaped = true;
        } else {
            out.push(plain(shifts, octet));
        }
    }
    if escaped {
        out.push(' ');
    }
}

fn plain(shifts: Shifts, octet: u8) -> char {
    let national = if shifts.locking { find(&TURKISH_LOCKING, octet) } else { None };
    national.or_else(|| DEFAULT.get(usize::from(octet)).copied()).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn extended(shifts: Shifts, octet: u8) -> Option<char> {
    let national = if shifts.single { find(&TURKISH_SINGLE, octet) } else { None };
    national.or_else(|| find(&EXTENSION, octet))
}

fn find(table: &[(u8, char)], octet: u8) -> Option<char> {
    table.iter().find(|&&(septet, _)| septet == octet).map(|&(_, c)| c)
}

/// The septets of packed octets (6.1.2.1.1) after `fill_bits` (0 to 6) that align them to their header's end.
///
/// Octets do not tell whether seven last bits are a character or padding. Padding is zeros or, as 6.1.2.3.1 has it, CR;
/// so a last `@` or CR that ends on the last bit is taken for padding.
pub(super) fn unpack(octets: &[u8], fill_bits: u8) -> impl Iterator<Item = u8> + '_ {
    let bits = (octets.len() * 8).saturating_sub(usize::from(fill_bits));
    let at = move |index: usize| {
        let bit = index * 7 + usize::from(fill_bits);
        let octet = |i: usize| u16::from(octets.get(i).copied().unwrap_or(0));
        let pair = octet(bit / 8) | octet(bit / 8 + 1) << 8;
        (pair >> (bit % 8)) as u8 & 0x7F
    };
    let mut count = bits / 7;
    if bits % 7 == 0 && count > 0 && matches!(at(count - 1), 0x00 | 0x0D) {
        count -= 1;
    }
    (0..count).map(at)
}

/// Packs the septets that stand one to an octet from `start` on, after `fill_bits` zeros. Seven spare bits become CR.
pub(super) fn pack(out: &mut Vec<u8>, start: usize, fill_bits: u8) {
    let (mut pending, mut bits, mut write) = (0_u16, u32::from(fill_bits), start);
    for read in start..out.len() {
        pending |= u16::from(out[read]) << bits;
        bits += 7;
        if bits >= 8 {
            out[write] = pending.to_le_bytes()[0];
            write += 1;
            pending >>= 8;
            bits -= 8;
        }
    }
    out.truncate(write);
    if bits == 1 {
        pending |= 0x0D << 1;
    }
    if bits > 0 {
        out.push(pending.to_le_bytes()[0]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(shifts: Shifts, septets: &[u8]) -> String {
        let mut out = String::new();
        decode(shifts, septets.iter().copied(), &mut out);
        out
    }

    fn encoded(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        encode(text, &mut out);
        out
    }

    fn packed(text: &str, fill_bits: u8) -> Vec<u8> {
        let mut out = encoded(text);
        pack(&mut out, 0, fill_bits);
        out
    }

    #[test]
    fn every_septet_comes_back() {
        for septet in (0..0x80).filter(|&septet| septet != ESCAPE) {
            assert_eq!(encoded(&decoded(Shifts::default(), &[septet])), [septet]);
        }
        for (septet, c) in EXTENSION {
            assert_eq!(decoded(Shifts::default(), &[ESCAPE, septet]), c.to_string());
            assert_eq!(encoded(&c.to_string()), [ESCAPE, septet]);
        }
    }

    #[test]
    fn septets_are_those_of_the_standard() {
        let columns = b"\x00\x09\x10\x11\x1A\x1F\x24\x40\x41\x5A\x5B\x5F\x60\x61\x7A\x7B\x7F";
        assert_eq!(decoded(Shifts::default(), columns), "@ÇΔ_ΞÉ¤¡AZÄ§¿azäà");
        assert_eq!(
            decoded(Shifts::default(), b"\x1B\x14\x1B(\x1B)\x1B/\x1B<\x1B=\x1B>\x1B@\x1Be"),
            "^{}\\[~]|€"
        );
    }

    #[test]
    fn only_the_alphabet_is_encoded() {
        let mut alphabet: Vec<char> = DEFAULT.into_iter().collect();
        alphabet.extend(EXTENSION.map(|(_, c)| c));
        for c in ('\0'..='\u{FFFF}').chain(['\u{1F600}']) {
            assert_eq!(width(c).is_some(), alphabet.contains(&c), "{c:?}");
        }
        assert_eq!(septets("a€b"), Some(4));
        assert_eq!(septets("icazə"), None);
    }

    #[test]
    fn turkish_tables_give_azerbaijani_letters() {
        let single = Shifts { single: true, locking: false };
        assert_eq!(decoded(single, b"MY\x1BI \x1Bi\x1BG\x1Bg\x1BS\x1Bs\x1Bc\x1Be"), "MYİ ıĞğŞşç€");
        let locking = Shifts { single: false, locking: true };
        assert_eq!(decoded(locking, b"MY\x40 \x07\x0B\x0C\x1C\x1D\x60\x04"), "MYİ ıĞğŞşç€");
        assert_eq!(decoded(locking, b"\x1B\x3C"), "[");
        // Without the header the same septets are the default alphabet's.
        assert_eq!(decoded(Shifts::default(), b"MY\x1BI \x40\x60"), "MYI ¡¿");
    }

    #[test]
    fn strays_and_lone_escapes_are_read() {
        assert_eq!(decoded(Shifts::default(), &[b'2', 0x80, 0xFF]), "2\u{FFFD}\u{FFFD}");
        assert_eq!(decoded(Shifts::default(), &[ESCAPE, ESCAPE, b'a', ESCAPE]), " a ");
    }

    #[test]
    fn packing_follows_the_standard() {
        // "hellohello" is the example that every implementation of TS 23.040 shows.
        assert_eq!(packed("hellohello", 0), [0xE8, 0x32, 0x9B, 0xFD, 0x46, 0x97, 0xD9, 0xEC, 0x37]);
        assert_eq!(unpack(&packed("hellohello", 0), 0).collect::<Vec<_>>(), b"hellohello");
    }

    #[test]
    fn padding_is_not_read_as_a_character() {
        // Seven septets leave seven bits: ours are CR, a handset's are zeros, which would read as `@`.
        let mut octets = packed("1234567", 0);
        assert_eq!(unpack(&octets, 0).collect::<Vec<_>>(), b"1234567");
        octets[6] &= 1;
        assert_eq!(unpack(&octets, 0).collect::<Vec<_>>(), b"1234567");
    }

    proptest! {
        #[test]
        fn what_begins_as_ascii_reads_as_septets_do(ascii in "[ 0-9A-Za-z]{0,9}", octets: Vec<u8>, single: bool, locking: bool) {
            let (shifts, octets) = (Shifts { single, locking }, [ascii.as_bytes(), &octets].concat());
            let (mut read, mut septets) = (String::new(), String::new());
            super::super::decode(super::super::Alphabet::Gsm7, shifts, &octets, &mut read);
            decode(shifts, octets.iter().copied(), &mut septets);
            prop_assert_eq!(read, septets);
        }

        #[test]
        fn any_octets_are_read(octets: Vec<u8>, fill_bits in 0..7_u8, single: bool, locking: bool) {
            let shifts = Shifts { single, locking };
            prop_assert!(decoded(shifts, &octets).chars().count() <= octets.len());
            prop_assert!(unpack(&octets, fill_bits).all(|septet| septet < 0x80));
        }

        #[test]
        fn packed_septets_come_back(text in "[ -Z]{0,40}", fill_bits in 0..7_u8) {
            prop_assume!(!text.ends_with('@'));
            let septets: Vec<u8> = unpack(&packed(&text, fill_bits), fill_bits).collect();
            prop_assert_eq!(decoded(Shifts::default(), &septets), text);
        }
    }
}
