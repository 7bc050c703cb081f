//! Which reply a receipt is of: SMSCs write ids in other ways than they gave them, twice, and of messages that are not ours.

use std::collections::{HashMap, VecDeque};

use icaze_config::gateway::ReceiptIds;
use icaze_store::Msisdn;

use super::receipt::{Fate, Receipt};

/// Replies of one operator that receipts are awaited for, at most: the oldest are forgotten. Some 15 MiB.
const AWAITED_MAX: usize = 100_000;
/// Receipts that came before the response to their reply, at most: they take different binds.
const EARLY_MAX: usize = 1000;

/// The replies of one operator that a receipt may come for. In memory only: a receipt that comes after a restart is of
/// nothing that is remembered, and its reply's story ends with the operator having taken it.
#[derive(Debug, Default)]
pub struct Awaited {
    /// By message_id, those included whose receipt has come: a second one is of nobody else's.
    sent: HashMap<Box<str>, Reply>,
    order: VecDeque<(Box<str>, u64)>,
    early: Early,
    /// How the operator writes ids, once that is known.
    learned: Option<ReceiptIds>,
}

/// A reply that the operator took.
#[derive(Debug, Clone, Copy)]
struct Reply {
    /// The decision's entry.
    seq: u64,
    /// Whom it went to.
    phone: Option<Msisdn>,
    /// Its receipt has come.
    settled: bool,
}

/// A reply that a receipt may be of.
struct Candidate {
    /// Its id, as the response gave it.
    id: Box<str>,
    way: ReceiptIds,
    /// Whether this way of writing ids cannot be chance.
    teaches: bool,
}

impl Awaited {
    /// The operator took the reply of entry `seq` to `phone` as `id`. What became of it, if that is known already.
    pub fn taken(&mut self, id: &str, seq: u64, phone: Option<Msisdn>, ids: ReceiptIds) -> Option<Fate> {
        let id = normal(id);
        let ways = self.ways(ids);
        let fate = self.early.take(&id, |receipt| {
            ways.iter().any(|&way| {
                spelled(&receipt.id, way).as_ref() == Some(&id) && {
                    candidate(receipt, way, &id, phone, ways.len() == 1).is_some()
                }
            })
        });
        self.sent.insert(id.clone(), Reply { seq, phone, settled: fate.is_some() });
        self.order.push_back((id, seq));
        while self.order.len() > AWAITED_MAX
            && let Some((id, seq)) = self.order.pop_front()
        {
            if self.sent.get(&id).is_some_and(|reply| reply.seq == seq) {
                self.sent.remove(&id);
            }
        }
        fate
    }

    /// A receipt came: the entry of its reply, if it is of one that awaits it. A final one is kept for a while if it is not.
    pub fn receipt(&mut self, receipt: Receipt, ids: ReceiptIds) -> Option<u64> {
        let Some(Candidate { id, way, teaches }) = self.find(&receipt, ids) else {
            // One that only its text tells could as well be a citizen's joke.
            if receipt.marked && receipt.fate != Fate::Underway {
                self.early.keep(receipt);
            }
            return None;
        };
        if teaches && ids == ReceiptIds::Auto {
            self.learned.get_or_insert(way);
        }
        let reply = self.sent.get_mut(&id).filter(|reply| !reply.settled)?;
        reply.settled = receipt.fate != Fate::Underway;
        Some(reply.seq)
    }

    /// The reply that a receipt is of. The same spelling goes before another base.
    fn find(&self, receipt: &Receipt, ids: ReceiptIds) -> Option<Candidate> {
        let ways = self.ways(ids);
        let mut found: Vec<Candidate> = Vec::new();
        for &way in ways {
            let known = spelled(&receipt.id, way).and_then(|id| self.sent.get_key_value(&id));
            let Some((id, reply)) = known else { continue };
            if found.iter().all(|other| other.id != *id) {
                found.extend(candidate(receipt, way, id, reply.phone, ways.len() == 1));
            }
        }
        let alone = found.len() == 1;
        let first = found.into_iter().next()?;
        // Two in other bases: it may be either.
        (alone || first.way == ReceiptIds::Same)
            .then_some(Candidate { teaches: first.teaches && alone, ..first })
    }

    fn ways(&self, ids: ReceiptIds) -> &'static [ReceiptIds] {
        match if ids == ReceiptIds::Auto { self.learned.unwrap_or(ids) } else { ids } {
            ReceiptIds::Auto => &[ReceiptIds::Same, ReceiptIds::Hex, ReceiptIds::Decimal],
            ReceiptIds::Same => &[ReceiptIds::Same],
            ReceiptIds::Hex => &[ReceiptIds::Hex],
            ReceiptIds::Decimal => &[ReceiptIds::Decimal],
        }
    }
}

/// Whether `receipt`, whose id is `id` if it is written this way, may be of a reply to `phone`; `sure`: of the way.
fn candidate(
    receipt: &Receipt,
    way: ReceiptIds,
    id: &str,
    phone: Option<Msisdn>,
    sure: bool,
) -> Option<Candidate> {
    let known = receipt.phone.zip(phone);
    if known.is_some_and(|(one, other)| one != other) {
        return None;
    }
    let from_it = known.is_some();
    // 48 may be 0x30 or itself; 2a is no decimal number.
    let lettered = [&normal(&receipt.id), id].iter().any(|id| {
        let hexadecimal = id.bytes().all(|byte| byte.is_ascii_hexdigit());
        hexadecimal && id.bytes().any(|byte| byte.is_ascii_alphabetic())
    });
    let same = way == ReceiptIds::Same;
    let fits = (receipt.marked || from_it) && (same || sure || lettered || from_it);
    fits.then(|| Candidate { id: id.into(), way, teaches: lettered })
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

    fn take(&mut self, id: &str, is: impl FnOnce(&Receipt) -> bool) -> Option<Fate> {
        let number = *self.by_id.get(id)?;
        let receipt = self.receipts.get((number - self.first) as usize)?.as_ref()?;
        is(receipt).then(|| self.forget(number)).flatten()
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

/// What a receipt calls `id`, as the response wrote it; `None` if the receipt cannot be written this way.
fn spelled(id: &str, way: ReceiptIds) -> Option<Box<str>> {
    let id = normal(id);
    match way {
        ReceiptIds::Same | ReceiptIds::Auto => Some(id),
        ReceiptIds::Hex => u64::from_str_radix(&id, 16).ok().map(|id| id.to_string().into()),
        ReceiptIds::Decimal => id.parse::<u64>().ok().map(|id| format!("{id:x}").into()),
    }
}

fn spellings(id: &str) -> impl Iterator<Item = Box<str>> {
    [ReceiptIds::Same, ReceiptIds::Hex, ReceiptIds::Decimal]
        .into_iter()
        .filter_map(move |way| spelled(id, way))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTO: ReceiptIds = ReceiptIds::Auto;

    fn phone(number: u64) -> Option<Msisdn> {
        Msisdn::parse(format!("99450{number:07}").as_bytes(), 994, 9)
    }

    fn receipt(id: &str, fate: Fate) -> Receipt {
        Receipt { id: id.into(), fate, phone: None, marked: true, told: true }
    }

    fn from(number: u64, id: &str) -> Receipt {
        Receipt { phone: phone(number), ..receipt(id, Fate::Delivered) }
    }

    #[test]
    fn a_receipt_finds_its_reply_however_the_id_is_written() {
        for (in_response, in_receipt) in
            [("2A", "42"), ("42", "2a"), ("0000002A", "2a"), ("10", "10"), ("msg-7", "MSG-7"), ("0", "00")]
        {
            let mut awaited = Awaited::default();
            assert_eq!(awaited.taken(in_response, 7, None, AUTO), None);
            assert_eq!(awaited.receipt(receipt(in_receipt, Fate::Underway), AUTO), Some(7), "{in_receipt}");
            assert_eq!(awaited.receipt(receipt(in_receipt, Fate::Delivered), AUTO), Some(7), "{in_receipt}");
            assert_eq!(awaited.receipt(receipt(in_receipt, Fate::Delivered), AUTO), None, "once");
        }
    }

    #[test]
    fn the_same_spelling_goes_before_another_base() {
        let mut awaited = Awaited::default();
        awaited.taken("10", 1, None, AUTO);
        awaited.taken("16", 2, None, AUTO);
        assert_eq!(awaited.receipt(receipt("16", Fate::Delivered), AUTO), Some(2));
        assert_eq!(awaited.receipt(receipt("10", Fate::Delivered), AUTO), Some(1));
    }

    #[test]
    fn a_second_receipt_is_of_nobody() {
        let mut awaited = Awaited::default();
        awaited.taken("30", 1, phone(1), AUTO);
        awaited.taken("48", 2, phone(2), AUTO);
        assert_eq!(awaited.receipt(receipt("48", Fate::Failed), AUTO), Some(2));
        assert_eq!(awaited.receipt(receipt("48", Fate::Failed), AUTO), None, "48 is 0x30");
        assert_eq!(awaited.receipt(receipt("30", Fate::Delivered), AUTO), Some(1));
    }

    #[test]
    fn a_receipt_of_an_earlier_run_is_of_nobody_although_its_number_is_anothers_in_hexadecimal() {
        let mut awaited = Awaited::default();
        awaited.taken("30", 1, phone(1), AUTO);
        assert_eq!(awaited.receipt(receipt("48", Fate::Failed), AUTO), None, "it may be chance");
        assert_eq!(awaited.receipt(from(2, "48"), AUTO), None);
        assert_eq!(awaited.receipt(from(1, "48"), AUTO), Some(1), "from the phone that it went to");
    }

    #[test]
    fn a_receipt_counts_from_the_phone_that_its_reply_went_to() {
        let mut awaited = Awaited::default();
        awaited.taken("5001", 1, phone(1), AUTO);
        assert_eq!(awaited.receipt(from(2, "5001"), AUTO), None);
        assert_eq!(awaited.receipt(Receipt { marked: false, ..from(2, "5001") }, AUTO), None);
        let unmarked = Receipt { marked: false, ..receipt("5001", Fate::Delivered) };
        assert_eq!(awaited.receipt(unmarked, AUTO), None, "from nobody: anybody could have written it");
        assert_eq!(awaited.receipt(Receipt { marked: false, ..from(1, "5001") }, AUTO), Some(1));
    }

    #[test]
    fn the_way_of_writing_is_learned_from_letters_and_not_from_what_may_be_chance() {
        let mut awaited = Awaited::default();
        awaited.taken("10", 1, phone(1), AUTO);
        awaited.taken("30", 2, phone(2), AUTO);
        assert_eq!(awaited.receipt(from(1, "16"), AUTO), Some(1));
        assert_eq!(awaited.learned, None, "in another base, digits alone");
        awaited.taken("2a", 3, phone(3), AUTO);
        assert_eq!(awaited.receipt(from(3, "42"), AUTO), Some(3));
        assert_eq!(awaited.learned, Some(ReceiptIds::Decimal));
        assert_eq!(awaited.receipt(receipt("48", Fate::Delivered), AUTO), Some(2));
        awaited.taken("70", 4, None, AUTO);
        assert_eq!(awaited.receipt(receipt("70", Fate::Delivered), AUTO), None, "that is 0x46");
    }

    #[test]
    fn only_an_id_in_hexadecimal_with_a_letter_teaches() {
        for (id, learned) in [
            ("30", None),
            ("msg-7", None),
            ("a-1", None),
            ("7fz", None),
            ("7f", Some(ReceiptIds::Same)),
            ("ABC", Some(ReceiptIds::Same)),
        ] {
            let mut awaited = Awaited::default();
            awaited.taken(id, 1, phone(1), AUTO);
            assert_eq!(awaited.receipt(from(1, id), AUTO), Some(1));
            assert_eq!(awaited.learned, learned, "{id}");
        }
    }

    #[test]
    fn the_way_that_was_agreed_is_the_only_one() {
        for (ids, in_receipt, expected) in [
            (ReceiptIds::Same, "30", Some(1)),
            (ReceiptIds::Same, "48", None),
            (ReceiptIds::Decimal, "48", Some(1)),
            (ReceiptIds::Decimal, "30", None),
            (ReceiptIds::Hex, "1e", Some(1)),
        ] {
            let mut awaited = Awaited::default();
            awaited.taken("30", 1, None, ids);
            assert_eq!(awaited.receipt(receipt(in_receipt, Fate::Delivered), ids), expected, "{ids:?}");
        }
    }

    #[test]
    fn a_receipt_may_overtake_the_response() {
        let mut awaited = Awaited::default();
        assert_eq!(awaited.receipt(receipt("42", Fate::Failed), AUTO), None);
        assert_eq!(awaited.taken("2A", 7, phone(1), AUTO), Some(Fate::Failed));
        assert_eq!(awaited.taken("2A", 8, phone(1), AUTO), None);
        assert_eq!(awaited.receipt(from(2, "77"), AUTO), None);
        assert_eq!(awaited.taken("77", 9, phone(1), AUTO), None, "of another phone");
    }

    #[test]
    fn memory_is_bounded() {
        let mut awaited = Awaited::default();
        for seq in 0..AWAITED_MAX as u64 + 10 {
            awaited.taken(&format!("m{seq}"), seq, None, AUTO);
            awaited.receipt(receipt(&format!("x{seq}"), Fate::Delivered), AUTO);
        }
        assert_eq!((awaited.sent.len(), awaited.order.len()), (AWAITED_MAX, AWAITED_MAX));
        assert_eq!((awaited.early.receipts.len(), awaited.early.by_id.len()), (EARLY_MAX, EARLY_MAX));
        assert_eq!(awaited.receipt(receipt("m9", Fate::Delivered), AUTO), None, "the oldest are forgotten");
        assert_eq!(awaited.receipt(receipt("m10", Fate::Delivered), AUTO), Some(10));
    }
}
