//! UCS-2 as it comes: also little-endian without a mark, and one octet to a character.
//!
//! A guess is made only where the text as the specification reads it is one that nobody writes, and
//! the other reading is plain. So no text that is proper UCS-2, in whatever script, is misread.

/// Appends the text of `octets`. A half character at the end says nothing and is left out.
pub(super) fn decode(octets: &[u8], out: &mut String) {
    // A stray NUL before the first letter, whose high octet is a NUL too.
    let octets = match octets {
        [0, rest @ ..] if rest.first() == Some(&0) && rest.len().is_multiple_of(2) => rest,
        all => all,
    };
    let (units, _) = octets.as_chunks::<2>();
    let (units, unit): (_, fn([u8; 2]) -> u16) = match units {
        [[0xFE, 0xFF], rest @ ..] => (rest, u16::from_be_bytes),
        [[0xFF, 0xFE], rest @ ..] => (rest, u16::from_le_bytes),
        _ if are_characters(octets) => {
            return out.extend(octets.iter().copied().map(char::from));
        }
        all if is_little_endian(all) => (all, u16::from_le_bytes),
        all => (all, u16::from_be_bytes),
    };
    let chars = char::decode_utf16(units.iter().copied().map(unit));
    out.extend(chars.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
}

/// Whether octets that have no alphabet are plainly UCS-2: they begin with a byte order mark, or
/// each second one is a NUL; and each character is one that a telephone writes.
pub(super) fn is_plain(octets: &[u8]) -> bool {
    let (units, odd) = octets.as_chunks::<2>();
    let marked = matches!(units, [[0xFE, 0xFF] | [0xFF, 0xFE], _, ..]);
    let narrow = |place: usize| units.iter().all(|unit| unit.get(place) == Some(&0));
    if !odd.is_empty() || !(marked || units.len() > 1 && (narrow(0) || narrow(1))) {
        return false;
    }
    let mut text = String::new();
    decode(octets, &mut text);
    text.chars().all(|c| super::is_readable(c) && c != char::REPLACEMENT_CHARACTER)
}

/// Whether each octet is a character of ASCII.
///
/// The digits of a serial, read two by two, are signs that stand in no text (U+3030, U+3233,
/// U+3435 ...), unlike two letters, which may well be a Chinese character. U+3131 to U+3139 are
/// Korean letters, so these prove nothing. Nor has UCS-2 an odd number of octets.
fn are_characters(octets: &[u8]) -> bool {
    let (pairs, odd) = octets.as_chunks::<2>();
    let is_sign = |[first, second]: &[u8; 2]| {
        first.is_ascii_digit() && second.is_ascii_digit() && (*first != b'1' || *second == b'0')
    };
    let signs = pairs.iter().filter(|pair| is_sign(pair)).count();
    let digits = octets.iter().filter(|octet| octet.is_ascii_digit()).count();
    let proven = if odd.is_empty() { pairs.len() >= 4 && signs >= 2 } else { digits > 0 };
    proven && octets.iter().all(|octet| matches!(octet, b' '..=b'~' | b'\r' | b'\n' | b'\t'))
}

/// Different letters of one row of 256 characters each that prove that the octets are exchanged.
const ROWS: usize = 3;

/// Whether the octets of each unit are exchanged: all units are then letters and signs of European
/// alphabets, and as they stand at least two of them are a space or a digit with a zero behind it
/// (U+2000, U+3100, U+3200 ...), which stand in no text; or all are the first characters of many
/// different rows.
fn is_little_endian(units: &[[u8; 2]]) -> bool {
    let ordinary = |&[low, high]: &[u8; 2]| match u16::from_le_bytes([low, high]) {
        unit @ ..=0x05FF => char::from_u32(unit.into()).is_some_and(super::is_readable),
        unit => (0x2010..=0x2122).contains(&unit),
    };
    if !units.iter().all(ordinary) {
        return false;
    }
    let signs = units.iter().filter(|unit| matches!(unit, [b' ' | b'1'..=b'9', 0])).count();
    let mut rows = [false; 256];
    let mut row =
        |low: u8| rows.get_mut(usize::from(low)).is_some_and(|known| !std::mem::replace(known, true));
    let different = units.iter().filter(|&&[low, _]| row(low)).count();
    let latin = units.iter().all(|&[_, high]| high <= 0x05);
    signs >= 2 || (latin && units.len() > ROWS && different >= ROWS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn big(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_be_bytes).collect()
    }

    fn little(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn decoded(octets: &[u8]) -> String {
        let mut out = String::new();
        decode(octets, &mut out);
        out
    }

    #[test]
    fn other_readings_are_taken_where_they_are_plain() {
        for text in [
            "2 AZE20000014",
            "İcazə istəyirəm, 2 AZE20000014",
            "иду за продуктами 2 АА1234567",
            "2 MYİ1234567",
        ] {
            assert_eq!(decoded(&little(text)), text);
            assert_eq!(decoded(&big(text)), text);
        }
        for text in ["2 AZE20000014", "2AZE20000014", "kod 2, AZE-2000-0014\r\n", "2 AA 1234567", "2"] {
            assert_eq!(decoded(text.as_bytes()), text);
        }
        assert_eq!(decoded(&little("STATUS")), "STATUS");
    }

    #[test]
    fn a_stray_nul_before_a_text_is_passed_over() {
        assert_eq!(decoded(&[&[0][..], &big("2 AZE20000014")].concat()), "2 AZE20000014");
    }

    #[test]
    fn what_has_no_alphabet_is_wide_where_it_is_plain() {
        for text in ["2 AZE20000014", "\u{FEFF}ərzaq 2 AZE20000014"] {
            assert!(is_plain(&big(text)) && is_plain(&little(text)), "{text}");
        }
        for octets in [&[][..], &[0xFE, 0xFF], &[0, 0, 0, 0], &[0, 1, 0, 2], &[0, 0x32], b"\0\x32\0\x33\0"] {
            assert!(!is_plain(octets), "{octets:02x?}");
        }
        assert!(!is_plain(&big("ərzaq 2 AZE20000014")), "no mark");
    }

    #[test]
    fn texts_that_look_like_others_are_left_alone() {
        // All of their octets are ASCII, or first characters of rows.
        for text in [
            "你好",
            "あいうえお",
            "ㄱㄱㄱㄱ",
            "ㄱㄴㄷㄱㄴㄷ",
            "一",
            "一一一一",
            "丁七丁七丁七",
            "\u{3000}\u{3000}",
        ] {
            assert_eq!(decoded(&big(text)), text);
        }
    }

    proptest! {
        #[test]
        fn proper_texts_are_never_misread(
            text in prop_oneof![
                "[ -~]{0,70}",
                "[ 0-9A-Za-zƏəİıÖöÜüĞğŞşÇç.,:-]{0,70}",
                "[ 0-9а-яА-ЯёЁ№]{0,70}",
                "[一-鿿]{1,70}",
                "[一-鿿 0-9A-Z]{1,70}",
                "[㐀-䶿]{1,70}",
                "[ぁ-ヿ一-鿿、。]{1,70}",
                "[ㄱ-ㅣ가-힣 0-9]{1,70}",
                "[؀-ۿ ]{1,70}",
                "[א-ת 0-9]{1,70}",
                "[Ⴀ-ჿ 0-9]{1,70}",
                "[Ԁ-֏Ͱ-Ͽ]{1,70}",
                "[ऀ-ॿก-๛]{1,70}",
                "[a-zə😀-🙏]{1,35}",
            ],
        ) {
            prop_assert_eq!(decoded(&big(&text)), text);
        }

        #[test]
        fn requests_are_read_in_whatever_order_their_octets_stand(
            text in "[1-9] (AZE|MYİ|DYİ|AA|MOM)[02-9]{7,8}( [a-zA-ZəıöüğşçƏÖÜĞŞÇ]{0,20})?",
        ) {
            prop_assert_eq!(decoded(&little(&text)), text.as_str());
            if text.is_ascii() {
                prop_assert_eq!(decoded(text.as_bytes()), text);
            }
        }
    }
}
