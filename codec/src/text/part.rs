//! Texts of parts, and what they make together.
//!
//! A sender may cut a text between any two octets. What is half a character in one part is kept in
//! that part's text as a character that no telephone has (the end of plane 16, for private use), so
//! that a part is a text like any other until its siblings are there.

use super::wide;

/// Stands for a UTF-16 surrogate without its other half.
const SURROGATE: u32 = 0x10_F000;
/// Stands for half a UTF-16 unit.
const HALF: u32 = 0x10_F800;
/// Stands for an octet of a UTF-8 character that is not whole.
const OCTET: u32 = 0x10_F900;
/// A UTF-8 character has so many octets at most behind its first one.
const CONTINUED_MAX: usize = 3;

/// Appends a part in UCS-2, unit by unit, without a guess at what they mean.
pub(super) fn keep_units(octets: &[u8], out: &mut String) {
    let (units, half) = octets.as_chunks::<2>();
    let units = char::decode_utf16(units.iter().map(|unit| u16::from_be_bytes(*unit)));
    let lone = |unit: u16| mark(SURROGATE, unit - 0xD800);
    out.extend(units.map(|c| c.unwrap_or_else(|error| lone(error.unpaired_surrogate()))));
    out.extend(half.iter().map(|&octet| mark(HALF, octet.into())));
}

/// Appends a part in octets, if they are plainly a piece of a text in UTF-8.
pub(super) fn keep_octets(octets: &[u8], out: &mut String) -> Option<()> {
    let is_continued = |octet: &&u8| **octet & 0xC0 == 0x80;
    let before = octets.iter().take(CONTINUED_MAX).take_while(is_continued).count();
    let (before, rest) = octets.split_at_checked(before)?;
    let whole = match std::str::from_utf8(rest) {
        Ok(_) => rest.len(),
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Err(_) => return None,
    };
    let (whole, after) = rest.split_at_checked(whole)?;
    let whole = std::str::from_utf8(whole).ok()?;
    if octets.is_empty() || !whole.chars().all(super::is_readable) {
        return None;
    }
    out.extend(before.iter().map(|&octet| mark(OCTET, octet.into())));
    out.push_str(whole);
    out.extend(after.iter().map(|&octet| mark(OCTET, octet.into())));
    Some(())
}

fn mark(base: u32, value: u16) -> char {
    char::from_u32(base + u32::from(value)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The octet or unit that a character stands for, if it is a mark of this kind.
fn marked(c: char, base: u32, count: u32) -> Option<u16> {
    let value = u32::from(c).checked_sub(base).filter(|value| *value < count)?;
    u16::try_from(value).ok()
}

/// Appends the text that parts make, which are given in their order.
pub fn join<'a>(parts: impl Iterator<Item = &'a str>, out: &mut String) {
    let mut joined = String::new();
    for part in parts {
        // Some senders begin each part with a mark; the first one's counts.
        let marks: &[char] = if joined.is_empty() { &[] } else { &['\u{FEFF}', '\u{FFFE}'] };
        joined.push_str(part.strip_prefix(marks).unwrap_or(part));
    }
    if joined.chars().any(|c| marked(c, OCTET, 0x100).is_some()) {
        let mut octets = Vec::with_capacity(joined.len());
        for c in joined.chars() {
            match marked(c, OCTET, 0x100).and_then(|octet| u8::try_from(octet).ok()) {
                Some(octet) => octets.push(octet),
                None => octets.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        return out.push_str(&String::from_utf8_lossy(&octets));
    }
    // What is no UCS-2 has none of the signs that another reading needs, and comes back as it is.
    // A NUL behind each part is half a zero, and no character's: without it the text is European.
    if joined.ends_with(mark(HALF, 0)) {
        let mut without = String::new();
        wide::decode(&octets_of(&joined, false), &mut without);
        if without.chars().all(|c| c < '\u{600}') {
            return out.push_str(&without);
        }
    }
    wide::decode(&octets_of(&joined, true), out);
}

/// A text's octets in UCS-2, with or without the halves that stand in it.
fn octets_of(text: &str, halves: bool) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len() * 2);
    for c in text.chars() {
        if let Some(half) = marked(c, HALF, 0x100) {
            octets.extend(u8::try_from(half).ok().filter(|_| halves));
        } else if let Some(surrogate) = marked(c, SURROGATE, 0x800) {
            octets.extend((0xD800 + surrogate).to_be_bytes());
        } else {
            octets.extend(c.encode_utf16(&mut [0; 2]).iter().flat_map(|unit| unit.to_be_bytes()));
        }
    }
    octets
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Alphabet, Binary, Part, read_as};
    use super::*;

    const PART: Part = Part { reference: 1, total: 2, number: 1 };

    fn joined(coding: Result<Alphabet, Binary>, parts: &[&[u8]]) -> Result<String, Binary> {
        let mut texts = Vec::new();
        for part in parts {
            let mut text = String::new();
            assert_eq!(read_as(coding, false, Some(PART), part, &mut text)?, Some(PART));
            texts.push(text);
        }
        let mut out = String::new();
        join(texts.iter().map(String::as_str), &mut out);
        Ok(out)
    }

    fn big(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_be_bytes).collect()
    }

    fn little(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn a_mark_in_the_first_part_holds_for_all_of_them() {
        let ucs2 = Ok(Alphabet::Ucs2);
        let (first, second) = (little("\u{FEFF}Ərzaq "), little("almaq istəyirəm"));
        assert_eq!(joined(ucs2, &[&first, &second]).unwrap(), "Ərzaq almaq istəyirəm");
        let marked = little("\u{FEFF}almaq istəyirəm");
        assert_eq!(joined(ucs2, &[&first, &marked]).unwrap(), "Ərzaq almaq istəyirəm");
        let (first, second) = (big("\u{FEFF}Ərzaq "), big("almaq"));
        assert_eq!(joined(ucs2, &[&first, &second]).unwrap(), "Ərzaq almaq");
    }

    #[test]
    fn a_nul_behind_each_part_is_no_half_of_a_character() {
        let (first, second) = ([big("2 AZ"), vec![0]].concat(), [big("E20000014"), vec![0]].concat());
        assert_eq!(joined(Ok(Alphabet::Ucs2), &[&first, &second]).unwrap(), "2 AZE20000014");
    }

    #[test]
    fn octets_that_are_no_piece_of_a_text_are_binary() {
        for octets in [&b""[..], b"\x01\x02", b"2 \xFF 3", b"\x80\x80\x80\x80"] {
            assert_eq!(joined(Err(Binary), &[octets]), Err(Binary), "{octets:02x?}");
        }
    }

    proptest! {
        #[test]
        fn a_text_survives_each_cut(
            text in prop_oneof!["[ -~]{1,60}", "[ 0-9A-Za-zƏəİı😀]{1,60}", "[一-鿿]{1,60}", "[а-я 0-9]{1,60}"],
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        ) {
            let cut = |octets: &[u8]| {
                let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(octets.len() + 1)).collect();
                at.extend([0, octets.len()]);
                at.sort_unstable();
                at.dedup();
                at.windows(2).map(|at| octets[at[0]..at[1]].to_vec()).collect::<Vec<_>>()
            };
            let parts = cut(&big(&text));
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(joined(Ok(Alphabet::Ucs2), &parts).unwrap(), text.as_str());
            let parts = cut(text.as_bytes());
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(joined(Err(Binary), &parts).unwrap(), text);
        }

        #[test]
        fn any_octets_are_kept_and_joined(parts: Vec<Vec<u8>>) {
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            joined(Ok(Alphabet::Ucs2), &parts).unwrap();
            let _ = joined(Err(Binary), &parts);
        }
    }
}
