//! Delivery receipts: what an SMSC says became of a reply (SMPP v3.4, 5.2.12 and Appendix B).
//!
//! Appendix B's text is a custom, not a format: keys may be missing, in any case and order, dates may be anything, and the
//! message_id may be written in another base than in the response to the reply. So only what is needed is read.

use std::collections::{HashMap, VecDeque};

use icaze_codec::pdu::{Message, tlv};
use icaze_codec::text::{self, Alphabet, Shifts};

/// Replies of one operator that receipts are awaited for, at most: the oldest are forgotten. Some 10 MiB.
const AWAITED_MAX: usize = 100_000;
/// Receipts that came before the response to their reply, at most: they take different binds.
const EARLY_MAX: usize = 1000;

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
}

/// Whether a message from an SMSC is a receipt or an acknowledgement, by bits 2 to 5 of its esm_class or by a TLV that
/// only these have.
#[must_use]
pub fn is_receipt(message: &Message<'_>) -> bool {
    message.esm_class & 0x3C != 0 || message.tlvs.get(tlv::RECEIPTED_MESSAGE_ID).is_some()
}

impl Receipt {
    /// Reads a receipt: the TLVs where it has them, else the text. `None` if it does not say of which message it is.
    #[must_use]
    pub fn of(message: &Message<'_>, default: Alphabet) -> Option<Self> {
        let mut text = String::new();
        let alphabet = Alphabet::of(message.data_coding, default).unwrap_or(Alphabet::Latin1);
        text::decode(alphabet, Shifts::default(), message.payload, &mut text);
        let id = message.tlvs.get(tlv::RECEIPTED_MESSAGE_ID).and_then(|id| std::str::from_utf8(id).ok());
        let id = id.map(|id| id.trim_end_matches('\0')).filter(|id| !id.is_empty());
        let id = id.or_else(|| field(&text, "id"))?;
        let fate = message.tlvs.get_number(tlv::MESSAGE_STATE).map(by_state);
        Some(Self { id: id.into(), fate: fate.unwrap_or_else(|| by_text(&text)) })
    }
}

/// The value of `key:` in a receipt's text.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.split_ascii_whitespace().find_map(|word| {
        let (name, value) = word.split_once(':')?;
        (name.eq_ignore_ascii_case(key) && !value.is_empty()).then_some(value)
    })
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

/// The replies of one operator that a receipt may come for. In memory only: a receipt that comes after a restart is of
/// nothing that is remembered, and its reply's story ends with the operator having taken it.
#[derive(Debug, Default)]
pub struct Awaited {
    /// The decision's entry by message_id.
    sent: HashMap<Box<str>, u64>,
    order: VecDeque<(Box<str>, u64)>,
    early: Early,
}

impl Awaited {
    /// The operator took the reply of entry `seq` as `id`. What became of it, if that is known already.
    pub fn taken(&mut self, id: &str, seq: u64) -> Option<Fate> {
        let id = normal(id);
        if let Some(fate) = self.early.take(&id) {
            return Some(fate);
        }
        self.sent.insert(id.clone(), seq);
        self.order.push_back((id, seq));
        while self.order.len() > AWAITED_MAX
            && let Some((id, seq)) = self.order.pop_front()
        {
            if self.sent.get(&id) == Some(&seq) {
                self.sent.remove(&id);
            }
        }
        None
    }

    /// A receipt came: the entry of its reply, if that is known. A final one is kept for a while if it is not.
    pub fn receipt(&mut self, receipt: Receipt) -> Option<u64> {
        let found = spellings(&receipt.id).find(|id| self.sent.contains_key(id));
        match (found, receipt.fate) {
            (Some(id), Fate::Underway) => self.sent.get(&id).copied(),
            (Some(id), _) => self.sent.remove(&id),
            (None, Fate::Underway) => None,
            (None, _) => {
                self.early.keep(receipt);
                None
            }
        }
    }
}

/// Final receipts of replies that nobody has heard of yet, found by every spelling of their ids.
#[derive(Debug, Default)]
struct Early {
    /// Oldest first; `None` once taken.
    receipts: VecDeque<Option<Receipt>>,
    /// The number of the oldest.
    first: u64,
    /// The number of the receipt that came last, by spelling.
    by_id: HashMap<Box<str>, u64>,
}

impl Early {
    fn keep(&mut self, receipt: Receipt) {
        if self.receipts.len() >= EARLY_MAX {
            self.forget(self.first);
            self.receipts.pop_front();
            self.first += 1;
        }
        let number = self.first + self.receipts.len() as u64;
        self.by_id.extend(spellings(&receipt.id).map(|id| (id, number)));
        self.receipts.push_back(Some(receipt));
    }

    fn take(&mut self, id: &str) -> Option<Fate> {
        let number = *self.by_id.get(id)?;
        self.forget(number)
    }

    /// Forgets the receipt of this number; its fate.
    fn forget(&mut self, number: u64) -> Option<Fate> {
        let receipt = self.receipts.get_mut((number - self.first) as usize)?.take()?;
        for id in spellings(&receipt.id) {
            if self.by_id.get(&id) == Some(&number) {
                self.by_id.remove(&id);
            }
        }
        Some(receipt.fate)
    }
}

/// One spelling for ids that differ in case and leading zeros only.
fn normal(id: &str) -> Box<str> {
    let id = id.trim().to_ascii_lowercase();
    let digits = id.trim_start_matches('0');
    if digits.is_empty() { "0".into() } else { digits.into() }
}

/// The id as it is written, then in hexadecimal if it may be decimal, then in decimal if it may be hexadecimal: SMSCs write
/// one in responses and the other in receipts.
fn spellings(id: &str) -> impl Iterator<Item = Box<str>> {
    let id = normal(id);
    let hexadecimal = id.parse::<u64>().ok().map(|id| format!("{id:x}").into());
    let decimal = u64::from_str_radix(&id, 16).ok().map(|id| id.to_string().into());
    [Some(id), hexadecimal, decimal].into_iter().flatten()
}

/// Whether a text has the form of a receipt (SMPP v3.4, Appendix B): it names a message and its
/// state, in fields that no citizen writes.
#[must_use]
pub fn looks_like_receipt(text: &str) -> bool {
    field(text, "id").is_some() && (field(text, "stat").is_some() || field(text, "dlvrd").is_some())
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
        assert!(is_receipt(&message));
        Receipt::of(&message, Alphabet::Gsm7).map(|receipt| (receipt.id, receipt.fate))
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

    fn receipt(id: &str, fate: Fate) -> Receipt {
        Receipt { id: id.into(), fate }
    }

    #[test]
    fn a_receipt_finds_its_reply_however_the_id_is_written() {
        for (in_response, in_receipt) in
            [("2A", "42"), ("42", "2a"), ("0000002A", "2a"), ("10", "10"), ("msg-7", "MSG-7"), ("0", "00")]
        {
            let mut awaited = Awaited::default();
            assert_eq!(awaited.taken(in_response, 7), None);
            assert_eq!(awaited.receipt(receipt(in_receipt, Fate::Underway)), Some(7), "{in_receipt}");
            assert_eq!(awaited.receipt(receipt(in_receipt, Fate::Delivered)), Some(7), "{in_receipt}");
            assert_eq!(awaited.receipt(receipt(in_receipt, Fate::Delivered)), None, "once");
        }
    }

    #[test]
    fn the_same_spelling_goes_before_another_base() {
        let mut awaited = Awaited::default();
        awaited.taken("10", 1);
        awaited.taken("16", 2);
        assert_eq!(awaited.receipt(receipt("16", Fate::Delivered)), Some(2));
        assert_eq!(awaited.receipt(receipt("10", Fate::Delivered)), Some(1));
    }

    #[test]
    fn a_receipt_may_overtake_the_response() {
        let mut awaited = Awaited::default();
        assert_eq!(awaited.receipt(receipt("42", Fate::Failed)), None);
        assert_eq!(awaited.taken("2A", 7), Some(Fate::Failed));
        assert_eq!(awaited.taken("2A", 8), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut awaited = Awaited::default();
        for seq in 0..AWAITED_MAX as u64 + 10 {
            awaited.taken(&format!("m{seq}"), seq);
            awaited.receipt(receipt(&format!("x{seq}"), Fate::Delivered));
        }
        assert_eq!((awaited.sent.len(), awaited.order.len()), (AWAITED_MAX, AWAITED_MAX));
        assert_eq!((awaited.early.receipts.len(), awaited.early.by_id.len()), (EARLY_MAX, EARLY_MAX));
        assert_eq!(awaited.receipt(receipt("m9", Fate::Delivered)), None, "the oldest are forgotten");
        assert_eq!(awaited.receipt(receipt("m10", Fate::Delivered)), Some(10));
    }
}
