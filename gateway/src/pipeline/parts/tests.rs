//! What is kept of texts in parts, and for how long.

use super::*;

const TO: Address<'_> = Address { ton: 1, npi: 1, digits: b"8103" };

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_607_940_000 + seconds).unwrap()
}

fn key(reference: u16, total: u8) -> MessageKey {
    let phone = Msisdn::parse("994501200001", 994, 9).unwrap();
    MessageKey { operator: 0, phone, reference, total }
}

/// A part whose text is its entry's number.
fn insert(parts: &mut Parts, key: MessageKey, number: u8, seq: u64, second: i64) {
    let piece = Piece { seq, text: seq.to_string().into(), repeated: false };
    parts.insert(key, number, piece, [TO, TO], at(second));
}

fn parts(messages_max: usize) -> Parts {
    Parts::new(SignedDuration::from_secs(60), SignedDuration::from_secs(1800), messages_max)
}

/// The entries of the next message that gets help, which entry `help` is.
fn expire(parts: &mut Parts, help: u64, second: i64) -> Option<Vec<u64>> {
    let incomplete = parts.expire(at(second))?;
    parts.helped(*incomplete.seqs.first()?, help);
    Some(incomplete.seqs)
}

#[test]
fn parts_come_in_any_order() {
    let mut parts = parts(2);
    insert(&mut parts, key(7, 3), 3, 1, 0);
    assert!(parts.complete(&key(7, 3), 3).is_none(), "the same part again completes nothing");
    insert(&mut parts, key(7, 3), 1, 2, 1);
    let siblings = parts.complete(&key(7, 3), 2).unwrap();
    assert_eq!(siblings.pieces.iter().map(|piece| piece.seq).collect::<Vec<_>>(), [2, 1]);
    parts.forget(2, at(1));
    assert!(parts.messages.is_empty() && parts.by_seq.is_empty() && parts.by_phone.is_empty());
}

#[test]
fn a_message_gets_help_after_its_time_and_is_kept_for_those_that_come_late() {
    let mut parts = parts(2);
    insert(&mut parts, key(1, 2), 1, 1, 0);
    assert_eq!(expire(&mut parts, 9, 59), None);
    assert_eq!(parts.oldest(), Some(1));
    assert_eq!(expire(&mut parts, 9, 60), Some(vec![1]));
    assert_eq!(parts.oldest(), None, "a start need not read it");
    assert_eq!(expire(&mut parts, 10, 1799), None, "once");
    let help = |parts: &Parts| parts.complete(&key(1, 2), 2).map(|siblings| siblings.help.unwrap());
    assert_eq!(help(&parts), Some(Help { seq: 9, overtaken: false }));
    parts.asked(key(1, 2).phone);
    assert_eq!(help(&parts), Some(Help { seq: 9, overtaken: true }));
    assert_eq!(expire(&mut parts, 10, 1800), None);
    assert_eq!(help(&parts), None);
    assert!(parts.by_seq.is_empty() && parts.by_phone.is_empty());
}

#[test]
fn what_completes_a_text_that_is_overtaken_is_kept_for_nothing() {
    let mut parts = parts(2);
    insert(&mut parts, key(1, 2), 1, 1, 0);
    expire(&mut parts, 9, 60);
    parts.asked(key(1, 2).phone);
    insert(&mut parts, key(1, 2), 2, 10, 70);
    assert!(parts.messages.is_empty());
    assert_eq!(expire(&mut parts, 11, 200), None);
}

#[test]
fn a_reused_reference_has_a_deadline_of_its_own() {
    let mut parts = parts(2);
    insert(&mut parts, key(1, 2), 1, 1, 0);
    parts.forget(1, at(1));
    insert(&mut parts, key(1, 2), 1, 3, 50);
    assert_eq!(expire(&mut parts, 9, 60), None);
    assert_eq!(expire(&mut parts, 9, 110), Some(vec![3]));
}

#[test]
fn a_part_that_comes_again_begins_a_text_only_with_another_one() {
    let mut parts = parts(2);
    let piece = Piece { seq: 5, text: "a".into(), repeated: true };
    parts.insert(key(1, 2), 1, piece, [TO, TO], at(0));
    assert!(!parts.lacks(&key(1, 2), 2), "the other one would be a redelivery too");
    assert!(parts.complete(&key(1, 2), 2).is_some());
    assert_eq!(expire(&mut parts, 9, 60), None, "nobody is told of a redelivery");
    assert!(parts.messages.is_empty());
}

#[test]
fn too_many_messages_push_the_oldest_out() {
    let mut parts = parts(2);
    for reference in 0..3 {
        insert(&mut parts, key(reference, 2), 1, reference.into(), 0);
    }
    assert_eq!(expire(&mut parts, 9, 1), Some(vec![0]));
    assert_eq!(expire(&mut parts, 10, 1), None);
    assert_eq!(parts.messages.len(), 2);
}

#[test]
fn one_phone_has_eight_at_most_and_the_oldest_goes_first() {
    let mut parts = parts(100);
    for reference in 0..8 {
        assert!(parts.displaced(&key(reference, 2)).is_none());
        insert(&mut parts, key(reference, 2), 1, reference.into(), 0);
    }
    assert!(parts.displaced(&key(3, 2)).is_none(), "it belongs to one of them");
    assert_eq!(parts.displaced(&key(8, 2)).unwrap().seqs, [0]);
    parts.helped(0, 20);
    assert!(parts.displaced(&key(8, 2)).is_none(), "it has its help");
    insert(&mut parts, key(8, 2), 1, 8, 0);
    assert!(parts.displaced(&key(0, 2)).is_none(), "what it lacks costs no other one");
    assert!(parts.complete(&key(0, 2), 2).unwrap().help.is_some());
    assert!((1..=8).all(|reference| parts.complete(&key(reference, 2), 2).is_some()));
}

#[test]
fn texts_of_one_phone_that_have_their_help_are_few() {
    let mut parts = parts(1000);
    for seq in 0..200 {
        insert(&mut parts, key(seq, 2), 1, seq.into(), 0);
        parts.helped(seq.into(), 1000 + u64::from(seq));
    }
    assert_eq!(parts.messages.len(), HELPED_MAX);
    while parts.expire(at(1800)).is_some() {}
    assert!(parts.messages.is_empty() && parts.by_seq.is_empty() && parts.by_phone.is_empty());
}

#[test]
fn a_mixture_names_no_part_that_has_its_help() {
    let mut parts = parts(2);
    insert(&mut parts, key(0, 2), 1, 1, 0);
    assert_eq!(expire(&mut parts, 9, 60), Some(vec![1]));
    insert(&mut parts, key(0, 2), 1, 10, 70);
    insert(&mut parts, key(0, 2), 2, 11, 70);
    assert!(parts.complete(&key(0, 2), 2).is_none());
    assert_eq!(expire(&mut parts, 12, 130), Some(vec![10, 11]));
    assert!(parts.messages.is_empty() && parts.by_seq.is_empty() && parts.by_phone.is_empty());
}

#[test]
fn a_mixture_is_bounded_and_forgotten_with_its_help() {
    let mut parts = parts(2);
    for seq in 0..4 {
        assert!(parts.displaced(&key(0, 2)).is_none());
        insert(&mut parts, key(0, 2), 1, seq, 0);
    }
    assert_eq!(parts.displaced(&key(0, 2)).unwrap().seqs, [0, 1, 2, 3]);
    assert_eq!(expire(&mut parts, 9, 0), Some(vec![0, 1, 2, 3]), "nothing more is awaited");
    assert!(parts.messages.is_empty() && parts.by_seq.is_empty() && parts.by_phone.is_empty());
}
