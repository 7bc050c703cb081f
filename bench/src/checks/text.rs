//! Texts: from octets to characters, and from characters to requests.

use icaze_codec::text::{self, Alphabet, Coding, Reference};
use icaze_gateway::permit::read::{PurposeNames, Reading};

const ALPHABETS: [Alphabet; 6] = [
    Alphabet::Gsm7,
    Alphabet::Gsm7Packed,
    Alphabet::Ascii,
    Alphabet::Latin1,
    Alphabet::Cyrillic,
    Alphabet::Ucs2,
];

/// User data, behind data_coding and an octet for the operator's alphabet and for whether there is a header. It is
/// read as a text of its own size; that text, sent in as many messages as it takes, is read again as the same text.
///
/// # Panics
/// If not.
pub fn text(input: &[u8]) {
    let [data_coding, selector, octets @ ..] = input else { return };
    let default = ALPHABETS[usize::from(*selector) % ALPHABETS.len()];
    let Ok(alphabet) = Alphabet::of(*data_coding, default) else { return };
    let mut read = String::new();
    let part = text::read(alphabet, selector & 0x40 != 0, octets, &mut read);
    assert!(read.chars().count() <= octets.len() * 8 / 7, "more characters than septets");
    if let Some(part) = part {
        assert!((1..=part.total).contains(&part.number) && part.total > 1);
    }
    sent_and_read(&read, default, Reference::Octet(octets.len() as u8));
    sent_and_read(&read, default, Reference::Word(octets.len() as u16));
}

fn sent_and_read(sent: &str, default: Alphabet, reference: Reference) {
    let Ok(segments) = text::split(sent, default, reference) else {
        return assert!(Coding::of(sent, default).units(sent) > 255 * 66);
    };
    let segments: Vec<_> = segments.collect();
    let mut received = String::new();
    for (segment, number) in segments.iter().zip(1_u8..) {
        let mut octets = Vec::new();
        segment.write(&mut octets);
        assert!(octets.len() <= 160);
        // Alphabets of eight bits and unpacked septets become 140 octets on the air only.
        assert!(octets.len() <= 140 || (segment.coding == Coding::Gsm7 && default != Alphabet::Gsm7Packed));
        let alphabet = Alphabet::of(segment.coding.data_coding(), default).unwrap();
        let start = received.len();
        let part = text::read(alphabet, segment.udhi(), &octets, &mut received);
        assert_eq!(
            part.map(|part| (part.total, part.number)),
            segment.udhi().then_some((segment.total, number))
        );
        let read = received.get(start..).unwrap();
        assert!(same(read, segment.text, alphabet), "part {number} of {}", segment.total);
    }
    assert_eq!(segments.iter().map(|segment| segment.text).collect::<String>(), sent);
}

/// A byte order mark is not read but in a part, UCS-2 that nobody writes may be read otherwise, and packed octets do not tell a last `@` or CR from padding.
fn same(read: &str, sent: &str, alphabet: Alphabet) -> bool {
    match alphabet {
        Alphabet::Ucs2 => {
            let octets: Vec<u8> = sent.encode_utf16().flat_map(u16::to_be_bytes).collect();
            let (units, _) = octets.as_chunks::<2>();
            // Each octet could be a character, or each pair of them an exchanged one.
            let nobodys = octets.iter().all(|octet| octet.is_ascii() && *octet >= b'\t')
                || units.iter().all(|[_, low]| *low <= 0x22);
            read == sent
                || read == sent.strip_prefix('\u{FEFF}').unwrap_or(sent)
                || sent.starts_with('\u{FFFE}')
                || nobodys
        }
        Alphabet::Gsm7Packed => read == sent || Some(read) == sent.strip_suffix(['@', '\r']),
        _ => read == sent,
    }
}

/// A citizen's text: spaces around it say nothing, and a request that is read is read from its own words again.
///
/// # Panics
/// If not.
pub fn request(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let read = |text: &str| -> Reading { icaze_gateway::permit::read::read(text, &PurposeNames::default()) };
    let reading = read(&text);
    let elsewhere = |reading| Reading { places: None, ..reading };
    let spaced = read(&format!("  {text}\n"));
    assert_eq!(elsewhere(spaced), elsewhere(reading), "spaces around the text change it");
    let Ok(request) = reading.request else { return };
    let document = request.document.to_string();
    assert!(document.ends_with(&reading.tail.unwrap().to_string()));
    assert!(request.purpose <= 9);
    assert_eq!(read(&format!("{} {document}", request.purpose)).request, Ok(request));
    assert_eq!(read(&format!("{document} kod {}", request.purpose)).request, Ok(request));
}
