//! Delivery receipts: what an SMSC says became of a reply (SMPP v3.4, 5.2.12 and Appendix B).
//!
//! Appendix B's text is a custom, not a format: keys may be missing, in any case and order, dates may be anything, and the
//! message_id may be written in another base than in the response to the reply. So only what is needed is read.

use icaze_codec::pdu::{Message, tlv};
use icaze_codec::text::{self, Alphabet, Shifts};
use icaze_store::Msisdn;

/// What became of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The handset has it.
    Delivered,
    /// It will not be delivered.
    Failed,
    /// Nothing final.
    Underway,
}

/// A receipt, as far as it was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The message_id that the response gave the reply.
    pub id: Box<str>,
    /// What became of it.
    pub fate: Fate,
    /// The phone that it is about, if it says so.
    pub phone: Option<Msisdn>,
    /// Whether its esm_class or a TLV marks it as a receipt, which no citizen's text is. Else only its text says so.
    pub marked: bool,
    /// Whether a TLV or the form of its text says so. Else it has but an id, as a citizen's text on a
    /// stack that marks any may have, and is a receipt only if that id is awaited.
    pub told: bool,
}

/// Whether the esm_class of a message marks it as a receipt or acknowledgement, bits 2 to 5 (SMPP v3.4, 5.2.12).
#[must_use]
pub fn is_marked(esm_class: u8) -> bool {
    esm_class & 0x3C != 0
}

impl Receipt {
    /// Reads a message from an SMSC, `phone` being its sender: the TLVs where it has them, else the text. `None` if it is no
    /// receipt or does not say of which message: marks alone make none, for some stacks set them on any text.
    #[must_use]
    pub fn of(message: &Message<'_>, phone: Option<Msisdn>, default: Alphabet) -> Option<Self> {
        let named = message.tlvs.get(tlv::RECEIPTED_MESSAGE_ID);
        let marked = named.is_some() || is_marked(message.esm_class);
        if !marked && !message.payload.contains(&b':') {
            return None;
        }
        let text = read(message, default);
        let state = message.tlvs.get_number(tlv::MESSAGE_STATE).map(by_state);
        let formed = looks_like_receipt(&text);
        let told = named.is_some() || state.is_some() || formed;
        let id = named.and_then(|id| std::str::from_utf8(id).ok());
        let id = id.map(|id| id.trim_end_matches('\0')).filter(|id| !id.is_empty());
        let id = id.or_else(|| field(&text, "id").filter(|_| marked || formed))?;
        Some(Self { id: id.into(), fate: state.unwrap_or_else(|| by_text(&text)), phone, marked, told })
    }
}

/// The text of a receipt. SMSCs write theirs in ASCII or UCS-2 whatever the data_coding says.
fn read(message: &Message<'_>, default: Alphabet) -> String {
    let declared = Alphabet::of(message.data_coding, default).unwrap_or(Alphabet::Latin1);
    let mut text = String::new();
    for alphabet in [declared, Alphabet::Latin1, Alphabet::Ucs2] {
        text.clear();
        text::decode(alphabet, Shifts::default(), message.payload, &mut text);
        if looks_like_receipt(&text) {
            return text;
        }
    }
    text.clear();
    text::decode(declared, Shifts::default(), message.payload, &mut text);
    text
}

/// Whether a text has the form of a receipt (SMPP v3.4, Appendix B): an id, and a state or counts. Nobody
/// writes so by hand.
#[must_use]
pub fn looks_like_receipt(text: &str) -> bool {
    let counted = |key| field(text, key).is_some_and(|value| value.bytes().all(|b| b.is_ascii_digit()));
    field(text, "id").is_some() && (field(text, "stat").is_some() || counted("sub") || counted("dlvrd"))
}

/// The value of `key:` in a receipt's text. A blank before the value is as good as none.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let places = text.match_indices(':').filter_map(|(colon, _)| {
        let (before, name) = text.split_at_checked(colon.checked_sub(key.len())?)?;
        let (name, value) = name.split_at_checked(key.len())?;
        let whole = before.chars().next_back().is_none_or(|c| !c.is_alphanumeric());
        (whole && name.eq_ignore_ascii_case(key)).then(|| value.get(1..)).flatten()
    });
    let blank = |c: char| c.is_whitespace() || matches!(c, '\0' | ',' | ';');
    let mut values = places.filter_map(|value| value.trim_start_matches(' ').split(blank).next());
    values.find(|value| !value.is_empty() && !value.contains(':'))
}

/// message_state (SMPP v3.4, 5.2.28).
fn by_state(state: u32) -> Fate {
    match state {
        2 => Fate::Delivered,
        3 | 4 | 5 | 8 => Fate::Failed,
        _ => Fate::Underway,
    }
}

fn by_text(text: &str) -> Fate {
    let is = |value: &str, starts: &[&str]| {
        starts.iter().any(|start| value.get(..start.len()).is_some_and(|v| v.eq_ignore_ascii_case(start)))
    };
    match (field(text, "stat"), field(text, "dlvrd")) {
        (Some(stat), _) if is(stat, &["DELIV"]) => Fate::Delivered,
        (Some(stat), _) if is(stat, &["UNDELIV", "EXPIR", "DELET", "REJEC", "FAIL"]) => Fate::Failed,
        (None, Some(delivered)) if delivered.parse().is_ok_and(|count: u32| count > 0) => Fate::Delivered,
        _ => Fate::Underway,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, tlvs: &[(u16, &[u8])]) -> Option<(Box<str>, Fate)> {
        let mut octets = Vec::new();
        tlvs.iter().for_each(|(tag, value)| tlv::put(&mut octets, *tag, value));
        let message = Message {
            payload: text.as_bytes(),
            tlvs: tlv::Tlvs::new(&octets),
            esm_class: 4,
            ..Message::default()
        };
        Receipt::of(&message, None, Alphabet::Gsm7).map(|receipt| (receipt.id, receipt.fate))
    }

    #[test]
    fn texts_of_many_smscs_are_understood() {
        for (text, id, fate) in [
            (
                "id:0123456789 sub:001 dlvrd:001 submit date:2011241530 done date:2011241531 stat:DELIVRD err:000 Text:salam",
                "0123456789",
                Fate::Delivered,
            ),
            (
                "id:ab-12 sub:001 dlvrd:000 submit date:20201124153059 done date:never stat:UNDELIV err:027",
                "ab-12",
                Fate::Failed,
            ),
            ("ID:7F stat:EXPIRED", "7F", Fate::Failed),
            ("stat:REJECTD id:9", "9", Fate::Failed),
            ("id:9 stat:delivered", "9", Fate::Delivered),
            ("id:9 Stat:ACCEPTD err:", "9", Fate::Underway),
            ("id:9 sub:001 dlvrd:001", "9", Fate::Delivered),
            ("id:9", "9", Fate::Underway),
        ] {
            assert_eq!(read(text, &[]), Some((id.into(), fate)), "{text}");
        }
        for text in ["", "salam", "id: stat:DELIVRD", "2 AZE20000000", "\u{0}:"] {
            assert_eq!(read(text, &[]), None, "{text:?}");
        }
    }

    #[test]
    fn a_receipt_is_told_by_what_it_says() {
        for text in [
            "id:5001 submit date:2204152009 done date:2204152009 stat:DELIVRD err:000",
            "stat:UNDELIV ID:7F",
            "Id: 12 Sub: 001 Dlvrd: 000",
            "id:9,dlvrd:001",
            "\0id:a-1\0stat:EXPIRED",
        ] {
            assert!(looks_like_receipt(text), "{text:?}");
        }
        for text in [
            "2 AZE20000000",
            "id:AZE20000000 2",
            "id: stat:",
            "stat:DELIVRD",
            "paid:1 stat:ok",
            "id:1 sub:ota",
            "",
            "::",
        ] {
            assert!(!looks_like_receipt(text), "{text:?}");
        }
    }

    #[test]
    fn parameters_go_before_the_text() {
        let id: (u16, &[u8]) = (tlv::RECEIPTED_MESSAGE_ID, b"2A\0");
        assert_eq!(read("", &[id, (tlv::MESSAGE_STATE, &[2])]), Some(("2A".into(), Fate::Delivered)));
        assert_eq!(
            read("id:1 stat:DELIVRD", &[id, (tlv::MESSAGE_STATE, &[5])]),
            Some(("2A".into(), Fate::Failed))
        );
        assert_eq!(read("stat:DELIVRD", &[id]), Some(("2A".into(), Fate::Delivered)));
        assert_eq!(read("", &[id]), Some(("2A".into(), Fate::Underway)));
    }

    #[test]
    fn marks_alone_make_no_receipt_and_a_receipt_needs_none() {
        let of = |payload: &[u8], esm_class, data_coding| {
            let message = Message { payload, esm_class, data_coding, ..Message::default() };
            Receipt::of(&message, None, Alphabet::Gsm7).map(|receipt| (receipt.id, receipt.marked))
        };
        let text = b"id:5001 submit date:2204152009 done date:2204152009 stat:DELIVRD err:000";
        let wide: Vec<u8> = text.iter().flat_map(|&octet| [0, octet]).collect();
        for (payload, data_coding) in
            [(&text[..], 0), (text, 8), (text, 4), (&wide, 8), (&wide, 0), (&wide, 4)]
        {
            assert_eq!(of(payload, 0, data_coding), Some(("5001".into(), false)), "{data_coding}");
            assert_eq!(of(payload, 0x04, data_coding), Some(("5001".into(), true)), "{data_coding}");
        }
        let told = |payload: &[u8], octets: &[u8]| {
            let message =
                Message { payload, esm_class: 0x08, tlvs: tlv::Tlvs::new(octets), ..Message::default() };
            Receipt::of(&message, None, Alphabet::Gsm7).map(|receipt| receipt.told)
        };
        let mut state = Vec::new();
        tlv::put(&mut state, tlv::MESSAGE_STATE, &[2]);
        assert_eq!(told(b"2 ID:AZE20010001", &[]), Some(false), "a citizen's");
        assert_eq!([told(text, &[]), told(b"id:9", &state)], [Some(true); 2]);
        assert_eq!(of(b"2 AZE20000020", 0x08, 0), None);
        assert_eq!((of(b"id:9", 0x04, 0), of(b"id:9", 0, 0)), (Some(("9".into(), true)), None));
    }
}
