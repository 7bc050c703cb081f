//! The alphabets of short messages (SMPP v3.4, 5.2.19; 3GPP TS 23.038), and messages in several parts.
//!
//! Reading is lenient and total: what an alphabet lacks becomes U+FFFD, and a citizen's message is never lost for a
//! stray octet. Writing chooses the GSM alphabet where it has every character, else UCS-2.

pub mod gsm7;
pub mod part;
pub mod segment;
pub mod udh;
mod wide;

use std::str::FromStr;

pub use gsm7::Shifts;
pub use segment::{Reference, Segment, Segments, TooLong, split};
pub use udh::Part;

/// How octets stand for characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Alphabet {
    /// The GSM 7-bit default alphabet, one septet to an octet.
    #[default]
    Gsm7,
    /// The same, eight septets in seven octets.
    Gsm7Packed,
    /// IA5.
    Ascii,
    /// ISO-8859-1.
    Latin1,
    /// ISO-8859-5.
    Cyrillic,
    /// UTF-16, big-endian unless a byte order mark or plain sense says otherwise.
    Ucs2,
}

/// The message is no text: its data_coding says octets, or a compressed text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the data_coding stands for binary data, not for text")]
pub struct Binary;

/// A word that names no [`Alphabet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such alphabet: write gsm7, gsm7_packed, ascii, latin1, cyrillic or ucs2")]
pub struct UnknownAlphabet;

impl FromStr for Alphabet {
    type Err = UnknownAlphabet;

    /// Reads the name that configuration files use.
    fn from_str(name: &str) -> Result<Self, UnknownAlphabet> {
        Ok(match name {
            "gsm7" => Self::Gsm7,
            "gsm7_packed" => Self::Gsm7Packed,
            "ascii" => Self::Ascii,
            "latin1" => Self::Latin1,
            "cyrillic" => Self::Cyrillic,
            "ucs2" => Self::Ucs2,
            _ => return Err(UnknownAlphabet),
        })
    }
}

impl Alphabet {
    /// The alphabet of a `data_coding`, where 0 stands for the operator's `default`.
    ///
    /// 0x00 to 0x0F are SMPP's own (v3.4, 5.2.19), the others the coding groups of 3GPP TS 23.038, 4. Whatever is
    /// reserved reads as the default, as that section asks; of the Asian and Hebrew sets only their ASCII half is read.
    /// Where the operator packs its default alphabet, the GSM alphabet of the coding groups is packed too.
    ///
    /// # Errors
    /// [`Binary`] for octets (2, 4 and the 8-bit alphabet of the groups) and for compressed text.
    pub fn of(data_coding: u8, default: Self) -> Result<Self, Binary> {
        let gsm7 = if default == Self::Gsm7Packed { Self::Gsm7Packed } else { Self::Gsm7 };
        match data_coding {
            0x01 | 0x05 | 0x07 | 0x09 | 0x0A | 0x0D | 0x0E => Ok(Self::Ascii),
            0x02 | 0x04 => Err(Binary),
            0x03 => Ok(Self::Latin1),
            0x06 => Ok(Self::Cyrillic),
            0x08 => Ok(Self::Ucs2),
            // Bit 5: compressed. Bits 3 and 2: the alphabet.
            0x10..=0x7F => match (data_coding & 0x20, data_coding & 0x0C) {
                (0, 0x00) => Ok(gsm7),
                (0, 0x08) => Ok(Self::Ucs2),
                (0, 0x0C) => Ok(default),
                _ => Err(Binary),
            },
            0xC0..=0xDF => Ok(gsm7),
            0xE0..=0xEF => Ok(Self::Ucs2),
            0xF0..=0xFF => {
                if data_coding & 0x04 == 0 {
                    Ok(gsm7)
                } else {
                    Err(Binary)
                }
            }
            0x00 | 0x0B | 0x0C | 0x0F | 0x80..=0xBF => Ok(default),
        }
    }

    /// Whether outgoing text in this alphabet can hold the character.
    fn holds(self, c: char) -> bool {
        match self {
            Self::Gsm7 | Self::Gsm7Packed => gsm7::width(c).is_some(),
            Self::Ascii => c.is_ascii(),
            Self::Latin1 => u8::try_from(c).is_ok(),
            Self::Cyrillic | Self::Ucs2 => false,
        }
    }
}

/// Appends the text of `octets` that have no user data header.
pub fn decode(alphabet: Alphabet, shifts: Shifts, octets: &[u8], out: &mut String) {
    match alphabet {
        Alphabet::Gsm7 => {
            let (same, rest) = gsm7::split_ascii(octets);
            out.push_str(same);
            gsm7::decode(shifts, rest.iter().copied(), out);
        }
        Alphabet::Gsm7Packed => gsm7::decode(shifts, gsm7::unpack(octets, 0), out),
        Alphabet::Ascii => {
            out.extend(
                octets.iter().map(|&octet| {
                    if octet.is_ascii() { char::from(octet) } else { char::REPLACEMENT_CHARACTER }
                }),
            )
        }
        Alphabet::Latin1 => out.extend(octets.iter().copied().map(char::from)),
        Alphabet::Cyrillic => out.extend(octets.iter().copied().map(cyrillic)),
        Alphabet::Ucs2 => wide::decode(octets, out),
    }
}

/// Appends the text of a message's user data and tells which part of a longer message it is, if it is one.
/// `udhi` is bit 0x40 of the esm_class: the data begins with a header.
pub fn read(alphabet: Alphabet, udhi: bool, octets: &[u8], out: &mut String) -> Option<Part> {
    read_as(Ok(alphabet), udhi, None, octets, out).unwrap_or_default()
}

/// The same where the data_coding may stand for octets without an alphabet, and where something
/// beside the user data, `sar`, may tell which part it is.
///
/// The text of a part is what [`part::join`] takes: it loses nothing of octets that are only
/// readable together with those of another part.
///
/// # Errors
/// [`Binary`]: the octets have no alphabet, and are not plainly a text either; or a program is to
/// have them.
pub fn read_as(
    coding: Result<Alphabet, Binary>,
    udhi: bool,
    sar: Option<Part>,
    octets: &[u8],
    out: &mut String,
) -> Result<Option<Part>, Binary> {
    let whole = udh::Header { body: octets, ..udh::Header::default() };
    // An empty header has an odd number of octets behind it: it is the first half of a letter.
    let letter = coding == Ok(Alphabet::Ucs2) && octets.first() == Some(&0) && octets.len().is_multiple_of(2);
    let header = match udhi {
        true if letter => whole,
        true => udh::parse(octets),
        false => udh::unannounced(octets).unwrap_or(whole),
    };
    let part = header.part.or(sar);
    match coding {
        Err(Binary) if header.ports => return Err(Binary),
        Err(Binary) if part.is_some() => part::keep_octets(header.body, out).ok_or(Binary)?,
        Err(Binary) => match plain(header.body) {
            Some(text) => out.push_str(text),
            None if wide::is_plain(header.body) => wide::decode(header.body, out),
            None => return Err(Binary),
        },
        Ok(Alphabet::Ucs2) if part.is_some() => part::keep_units(header.body, out),
        Ok(Alphabet::Gsm7Packed) => {
            gsm7::decode(header.shifts, gsm7::unpack(header.body, header.fill_bits), out);
        }
        Ok(alphabet) => decode(alphabet, header.shifts, header.body, out),
    }
    Ok(part)
}

/// The text of octets that have no alphabet, if they are plainly one: UTF-8 without control
/// characters.
fn plain(octets: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(octets).ok()?.trim_end_matches('\0');
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    (!text.is_empty() && text.chars().all(is_readable)).then_some(text)
}

/// Whether a text may have this character: all but the control characters that no telephone writes.
fn is_readable(c: char) -> bool {
    !c.is_control() || matches!(c, '\r' | '\n' | '\t')
}

/// ISO-8859-5 above ASCII is Unicode's Cyrillic block, but for four characters.
fn cyrillic(octet: u8) -> char {
    match octet {
        0x00..=0xA0 | 0xAD => char::from(octet),
        0xF0 => '№',
        0xFD => '§',
        _ => char::from_u32(u32::from(octet) + 0x0360).unwrap_or(char::REPLACEMENT_CHARACTER),
    }
}

/// What an outgoing text travels in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coding {
    /// The operator's default alphabet, with characters of the GSM alphabet only: 160 septets to a message.
    Gsm7,
    /// UCS-2: 70 units to a message.
    Ucs2,
}

impl Coding {
    /// The coding of a text for an operator whose data_coding 0 is `default`.
    ///
    /// A character must be both in that alphabet and in GSM's, into which the operator turns it for the air: so a text's
    /// length never depends on the operator.
    #[must_use]
    pub fn of(text: &str, default: Alphabet) -> Self {
        let fits = match default {
            Alphabet::Gsm7 | Alphabet::Gsm7Packed => text.chars().all(|c| default.holds(c)),
            _ => text.chars().all(|c| default.holds(c) && Alphabet::Gsm7.holds(c)),
        };
        if fits { Self::Gsm7 } else { Self::Ucs2 }
    }

    /// The data_coding to send.
    #[must_use]
    pub const fn data_coding(self) -> u8 {
        match self {
            Self::Gsm7 => 0,
            Self::Ucs2 => 8,
        }
    }

    /// What a message in one part holds, in septets or UTF-16 units.
    #[must_use]
    pub const fn units_max(self) -> usize {
        match self {
            Self::Gsm7 => 160,
            Self::Ucs2 => 70,
        }
    }

    /// How many septets or UTF-16 units a character takes.
    fn width(self, c: char) -> usize {
        match self {
            Self::Gsm7 => gsm7::width(c).unwrap_or(0),
            Self::Ucs2 => c.len_utf16(),
        }
    }

    /// How many septets or UTF-16 units a text takes; characters that the coding lacks count nothing.
    #[must_use]
    pub fn units(self, text: &str) -> usize {
        text.chars().map(|c| self.width(c)).sum()
    }

    /// Appends `text`, with packed septets after `fill_bits` zeros.
    fn write(self, text: &str, default: Alphabet, fill_bits: u8, out: &mut Vec<u8>) {
        let start = out.len();
        // No character takes more octets, in any alphabet, than twice its UTF-8.
        out.reserve(text.len() * 2);
        match (self, default) {
            (Self::Ucs2, _) => {
                // Room for all of it at once, so that none is asked for with each unit.
                out.resize(start + text.len() * 2, 0);
                let (octets, _) = out.get_mut(start..).unwrap_or_default().as_chunks_mut::<2>();
                let mut end = start;
                let mut write = |octets: &mut [u8; 2], unit: u16| {
                    *octets = unit.to_be_bytes();
                    end += octets.len();
                };
                // Characters of the first plane are units themselves, and quicker to come by.
                if text.bytes().fold(0, u8::max) < 0xF0 {
                    octets
                        .iter_mut()
                        .zip(text.chars())
                        .for_each(|(octets, c)| write(octets, c as u32 as u16));
                } else {
                    octets.iter_mut().zip(text.encode_utf16()).for_each(|(octets, unit)| write(octets, unit));
                }
                out.truncate(end);
            }
            (Self::Gsm7, Alphabet::Ascii | Alphabet::Latin1) => {
                out.extend(text.chars().filter_map(|c| u8::try_from(c).ok()));
            }
            (Self::Gsm7, Alphabet::Gsm7Packed) => {
                gsm7::encode(text, out);
                gsm7::pack(out, start, fill_bits);
            }
            (Self::Gsm7, _) => gsm7::encode(text, out),
        }
    }
}

/// Appends `text` for an operator whose data_coding 0 is the GSM alphabet, unpacked.
pub fn encode(text: &str, out: &mut Vec<u8>) -> Coding {
    encode_in(Alphabet::Gsm7, text, out)
}

/// Appends `text` for an operator whose data_coding 0 is `default`: in that alphabet, or in UCS-2 where it lacks a
/// character.
pub fn encode_in(default: Alphabet, text: &str, out: &mut Vec<u8>) -> Coding {
    let coding = Coding::of(text, default);
    coding.write(text, default, 0, out);
    coding
}

#[cfg(test)]
mod tests;
