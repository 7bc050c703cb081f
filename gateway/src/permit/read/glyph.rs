//! What a character stands for, whatever alphabet it was typed in.

/// What a character stands for in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Glyph {
    /// A decimal digit of any script.
    Digit(u8),
    /// A letter, as the Latin capital that it looks or sounds like; `?` if none.
    Letter(u8, Script),
    /// Anything that stands between words.
    Gap(char),
    /// A mark or an invisible character: as if it were not there.
    Nothing,
}

/// The alphabet of a letter, as far as the language depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    /// A to Z.
    Ascii,
    /// Russian, and Azerbaijani as it was written until 1991.
    Cyrillic,
    /// The letters among these that Russian does not have.
    Azerbaijani,
    /// All others.
    Other,
}

/// U+00C0 to U+017F: the letter under the accent; a space where there is none.
const LATIN: &[u8; 192] = b"AAAAAAACEEEEIIIIDNOOOOO OUUUUYTSAAAAAAACEEEEIIIIDNOOOOO OUUUUYTY\
AAAAAACCCCCCCCDDDDEEEEEEEEEEGGGGGGGGHHHHIIIIIIIIIIIIJJKKKLLLLLLL\
LLLNNNNNNNNNOOOOOOOORRRRRRSSSSSSSSTTTTTTUUUUUUUUUUUUWWYYYZZZZZZS";

/// U+0400 to U+042F. Look and sound agree in all letters of the known series; `-` are the silent signs.
const CYRILLIC: &[u8; 48] = b"EEDGESIIYLNCKIYDABVGDEJZIYKLMNOPRSTYFHCCSS-Y-EUR";

/// U+0391 to U+03A9.
const GREEK: &[u8; 25] = b"ABGDEZHTIKLMNXOPPSSTYFXPO";

/// The zeros of the decimal digits (Unicode category Nd) beyond ASCII; one to nine follow each.
const ZEROS: [u32; 65] = [
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0,
    0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50,
    0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x10D30, 0x11066, 0x110F0,
    0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950, 0x11C50,
    0x11D50, 0x11DA0, 0x16A60, 0x16AC0, 0x16B50, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140,
    0x1E2F0, 0x1E950, 0x1FBF0,
];

impl Glyph {
    #[inline]
    pub(super) fn of(c: char) -> Self {
        match c {
            '0'..='9' => Self::Digit(c as u8 - b'0'),
            'A'..='Z' | 'a'..='z' => Self::Letter(c.to_ascii_uppercase() as u8, Script::Ascii),
            '\0'..='\x7f' => Self::Gap(c),
            _ => Self::beyond_ascii(c),
        }
    }

    fn beyond_ascii(c: char) -> Self {
        let code = u32::from(c);
        let other = |letter| Self::Letter(letter, Script::Other);
        let cyrillic = |letter| Self::Letter(letter, Script::Cyrillic);
        let azerbaijani = |letter| Self::Letter(letter, Script::Azerbaijani);
        let from = |table: &[u8], first: u32| table.get((code - first) as usize).copied().unwrap_or(b'?');
        // The nth of the letters from A to Z, in runs of 26.
        let run = |first: u32| other(b'A' + ((code - first) % 26) as u8);
        let digit = |zero: u32| Self::Digit((code - zero) as u8);
        match code {
            0xAD | 0x300..=0x36F | 0x61C | 0x180E | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F => {
                Self::Nothing
            }
            0x20D0..=0x20FF | 0xFE00..=0xFE0F | 0xFE20..=0xFE2F | 0xFEFF | 0xE0000..=0xE01EF => Self::Nothing,
            // What ISO 8859-9 has for Ğ, İ, Ş, ğ, ı and ş, read as Latin-1: neither Icelandic nor Czech is
            // texted here.
            0xD0 | 0xF0 => other(b'G'),
            0xDD | 0xFD => other(b'I'),
            0xDE | 0xFE => other(b'S'),
            0xC0..=0x17F => match from(LATIN, 0xC0) {
                b' ' => Self::Gap(c),
                letter => other(letter),
            },
            0x18E | 0x18F | 0x1DD | 0x259 | 0x1D07 => other(b'E'),
            0x26A => other(b'I'),
            0x28F => other(b'Y'),
            0x1D00 => other(b'A'),
            0x1D05 => other(b'D'),
            0x1D0D => other(b'M'),
            0x1D0F => other(b'O'),
            0x1D22 => other(b'Z'),
            0x386 | 0x3AC => other(b'A'),
            0x388 | 0x3AD => other(b'E'),
            0x389 | 0x3AE => other(b'H'),
            0x38A | 0x390 | 0x3AA | 0x3AF | 0x3CA => other(b'I'),
            0x38C | 0x38F | 0x3CC | 0x3CE => other(b'O'),
            0x38E | 0x3AB | 0x3B0 | 0x3CB | 0x3CD => other(b'Y'),
            0x391..=0x3A9 => other(from(GREEK, 0x391)),
            0x3B1..=0x3C9 => other(from(GREEK, 0x3B1)),
            0x408 => azerbaijani(b'Y'),
            0x400..=0x42F => match from(CYRILLIC, 0x400) {
                b'-' => Self::Nothing,
                letter => cyrillic(letter),
            },
            0x430..=0x44F => Self::of(char::from_u32(code - 0x20).unwrap_or(c)),
            0x450..=0x45F => Self::of(char::from_u32(code - 0x50).unwrap_or(c)),
            0x492 | 0x493 | 0x49C | 0x49D => azerbaijani(b'G'),
            0x4AE | 0x4AF => azerbaijani(b'U'),
            0x4B8 | 0x4B9 => azerbaijani(b'C'),
            0x4BA | 0x4BB => azerbaijani(b'H'),
            0x4C0 | 0x4CF => cyrillic(b'I'),
            0x4D8 | 0x4D9 => azerbaijani(b'E'),
            0x4E8 | 0x4E9 => azerbaijani(b'O'),
            // Superscripts, subscripts, and digits in circles.
            0xB2 | 0xB3 => digit(0xB0),
            0xB9 => Self::Digit(1),
            0x2070 | 0x2074..=0x2079 => digit(0x2070),
            0x2080..=0x2089 => digit(0x2080),
            0x2460..=0x2468 => digit(0x245F),
            0x2474..=0x247C => digit(0x2473),
            0x2488..=0x2490 => digit(0x2487),
            0x2776..=0x277E => digit(0x2775),
            0x2780..=0x2788 => digit(0x277F),
            0x278A..=0x2792 => digit(0x2789),
            // Georgian, as far as a series needs it.
            0x10D0 => other(b'A'),
            0x10D4 => other(b'E'),
            0x10D6 => other(b'Z'),
            // Letters in circles and squares, wide letters, and mathematical alphabets with their exceptions.
            // Flags (U+1F1E6 to U+1F1FF) are pictures, not letters.
            0x2124 | 0x2128 => other(b'Z'),
            0x2110 | 0x2111 => other(b'I'),
            0x212F | 0x2130 => other(b'E'),
            0x2133 => other(b'M'),
            0x2134 => other(b'O'),
            0x249C..=0x24B5 => run(0x249C),
            0x24B6..=0x24E9 => run(0x24B6),
            0x1F130..=0x1F149 => run(0x1F130),
            0x1F150..=0x1F169 => run(0x1F150),
            0x1F170..=0x1F189 => run(0x1F170),
            0xFF21..=0xFF3A => run(0xFF21),
            0xFF41..=0xFF5A => run(0xFF41),
            0x1D400..=0x1D6A3 => run(0x1D400),
            0x1D6A4 => other(b'I'),
            _ => Self::decimal(code).unwrap_or(if c.is_alphabetic() { other(b'?') } else { Self::Gap(c) }),
        }
    }

    fn decimal(code: u32) -> Option<Self> {
        let after = ZEROS.partition_point(|&zero| zero <= code);
        let zero = *ZEROS.get(after.checked_sub(1)?)?;
        let value = u8::try_from(code - zero).ok()?;
        (value < 10).then_some(Self::Digit(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_sorted_and_begin_ten_digits() {
        assert!(ZEROS.is_sorted());
        for zero in ZEROS {
            for value in 0..10 {
                let c = char::from_u32(zero + u32::from(value)).unwrap();
                assert!(c.is_numeric(), "{zero:#x}");
                assert_eq!(Glyph::of(c), Glyph::Digit(value), "{c}");
            }
        }
    }

    #[test]
    fn letters_fold_by_look_or_sound() {
        let fold = |text: &str| -> String {
            text.chars()
                .filter_map(|c| match Glyph::of(c) {
                    Glyph::Letter(letter, _) => Some(char::from(letter)),
                    Glyph::Digit(value) => Some(char::from(b'0' + value)),
                    Glyph::Gap(_) => Some(' '),
                    Glyph::Nothing => None,
                })
                .collect()
        };
        assert_eq!(fold("əƏıİi\u{307}şçğöü"), "EEIIISCGOU");
        assert_eq!(fold("АзеМуіДоЁј"), "AZEMYIDOEY");
        assert_eq!(fold("помощь объём"), "POMOS OBEM");
        assert_eq!(fold("ΑΖΕαζεάΩώ"), "AZEAZEAOO");
        assert_eq!(fold("ＡｚＥ１２"), "AZE12");
        assert_eq!(fold("𝐀𝒁𝔼𝟏𝟚ℳ"), "AZE12M");
        assert_eq!(fold("ⓐⓏ🅔²③2\u{FE0F}\u{20E3}"), "AZE232");
        assert_eq!(fold("🇦🇿№×÷"), "     ");
        assert_eq!(fold("漢ბ"), "??");
    }
}
