//! Texts in parts: late ones, and several under one reference.

use icaze_codec::text::Part;
use icaze_gateway::pipeline::intake::Body;
use icaze_store::ledger::{Entry, read};

use crate::{ANNA, BORIS, NOON, Node};

/// What each decision of the ledger refers to and how many parts it has.
fn decisions(node: &Node) -> Vec<(u64, Option<u64>, usize)> {
    let mut decisions = Vec::new();
    read(&node.storage, Some(&node.key), |record, _| {
        if let Entry::Decision(decision) = &record.entry {
            decisions.push((record.seq, decision.refers_to, decision.parts.len()));
        }
    })
    .unwrap();
    decisions
}

/// A part that is the same message as another one of the same identity.
fn take(node: &mut Node, identity: u128, number: u8, text: &str) -> u64 {
    node.take(ANNA, identity, Body::Part(Part::new(7, 2, number).unwrap(), text))
}

#[test]
fn a_text_whose_last_part_comes_late_is_decided_in_one_more_record_that_names_the_help() {
    let mut node = Node::start(NOON);
    assert_eq!(node.part(ANNA, 1, 2, "2 AZE2000"), None);
    node.pass(60);
    assert!(node.reply().unwrap().contains("SMS"), "help");
    node.pass(600);
    node.crash();
    let reply = node.part(ANNA, 2, 2, "0000").unwrap();
    assert!(reply.starts_with("İCAZƏ VAR: AZE20000000"), "{reply}");
    let [(help, None, 1), (_, Some(referred), 1)] = decisions(&node)[..] else { panic!("two decisions") };
    assert_eq!(referred, help);
    node.pass(3600);
    assert_eq!(node.reply(), None, "nothing is left over");
}

#[test]
fn a_part_that_comes_late_is_only_kept_where_the_phone_has_asked_since() {
    let mut node = Node::start(NOON);
    node.part(ANNA, 1, 2, "2 AZE2000");
    node.pass(60);
    node.reply().unwrap();
    assert!(node.text(ANNA, "2 AZE20000001").unwrap().starts_with("İCAZƏ VAR"));
    node.crash();
    while node.reply().is_some() {}
    assert_eq!(node.part(ANNA, 2, 2, "0000"), None);
    node.pass(60);
    assert_eq!(node.reply(), None, "nor does it get help");
    assert_eq!(decisions(&node).len(), 2);
    assert!(node.text(BORIS, "2 AZE20000000").unwrap().starts_with("İCAZƏ VAR"), "nobody was granted it");
}

#[test]
fn a_part_after_its_time_waits_anew() {
    let mut node = Node::start(NOON);
    node.part(ANNA, 1, 2, "2 AZE2000");
    node.pass(60);
    node.reply().unwrap();
    node.pass(1740);
    assert_eq!(node.part(ANNA, 2, 2, "0000"), None);
    node.pass(60);
    assert!(node.reply().is_some(), "help");
}

#[test]
fn two_texts_under_one_reference_with_the_same_first_part_are_two() {
    let mut node = Node::start(NOON);
    take(&mut node, 1, 1, "salam, kod 2, AZE2000");
    take(&mut node, 2, 2, "0000");
    assert!(node.reply().unwrap().starts_with("İCAZƏ VAR: AZE20000000"));
    take(&mut node, 1, 1, "salam, kod 2, AZE2000");
    node.crash();
    while node.reply().is_some() {}
    take(&mut node, 3, 2, "0001");
    let reply = node.reply().unwrap();
    assert!(reply.starts_with("İCAZƏ VAR: AZE20000001"), "{reply}");
}

#[test]
fn both_parts_again_are_a_redelivery_and_nobody_is_told_anything_else() {
    let mut node = Node::start(NOON);
    take(&mut node, 1, 1, "2 AZE2000");
    let decided = take(&mut node, 2, 2, "0000");
    let granted = node.reply().unwrap();
    take(&mut node, 1, 1, "2 AZE2000");
    assert_eq!(take(&mut node, 2, 2, "0000"), decided);
    assert_eq!(node.reply(), Some(granted), "the same reply, as of each redelivery");
    node.pass(120);
    assert_eq!(node.reply(), None);
    assert_eq!(decisions(&node).len(), 1);
}

#[test]
fn a_later_part_that_comes_again_completes_no_other_text() {
    let mut node = Node::start(NOON);
    take(&mut node, 1, 1, "2 AZE1000");
    let decided = take(&mut node, 2, 2, "0002");
    node.reply().unwrap();
    take(&mut node, 3, 1, "1 AZE2000");
    assert_eq!(take(&mut node, 2, 2, "0002"), decided, "a redelivery");
    node.pass(120);
    let replies: Vec<String> = std::iter::from_fn(|| node.reply()).collect();
    assert!(replies.iter().all(|reply| !reply.contains("AZE20000002")), "{replies:?}");
    assert!(replies.iter().any(|reply| reply.contains("tam çatmadı")), "{replies:?}");
}

#[test]
fn parts_that_could_be_of_either_text_are_never_joined() {
    let texts = [(1, "2 AZE2003"), (1, "1 AZE2004"), (2, "1002"), (2, "5003")];
    for order in [&[0, 1, 2, 3][..], &[0, 1, 3, 2], &[0, 1, 3], &[2, 3, 0, 1], &[3, 2, 1]] {
        for late in [0, 90] {
            let mut node = Node::start(NOON);
            for (identity, &at) in (1..).zip(order) {
                let (number, text) = texts[at];
                take(&mut node, identity, number, text);
                node.pass(if identity == 1 { late } else { 0 });
                node.crash();
            }
            node.pass(60);
            let mut replies = std::iter::from_fn(|| node.reply()).collect::<Vec<_>>();
            assert!(replies.iter().all(|reply| !reply.contains("İCAZƏ VAR")), "{order:?}: {replies:?}");
            assert_eq!(replies.len(), if late == 0 { 1 } else { 2 }, "{order:?}: {replies:?}");
            node.pass(1800);
            assert_eq!(node.reply(), None, "{order:?}");
            // Another text under the same reference is one again.
            take(&mut node, 11, 1, "2 AZE2000");
            take(&mut node, 12, 2, "0000");
            replies.extend(node.reply());
            assert!(replies.pop().unwrap().starts_with("İCAZƏ VAR: AZE20000000"), "{order:?}");
        }
    }
}

#[test]
fn a_first_part_that_two_texts_share_serves_both() {
    let (first, a, b) = ((1, 1, "2 AZE2000"), (2, 2, "0000"), (3, 2, "0001"));
    for order in [[first, first, a, b], [first, a, first, b], [first, a, b, first]] {
        let mut node = Node::start(NOON);
        let mut replies = Vec::new();
        for (identity, number, text) in order {
            take(&mut node, identity, number, text);
            // It is sent once more after the crash, for nobody has answered it.
            node.crash();
            while let Some(reply) = node.reply() {
                replies.push(reply);
            }
        }
        let granted = |serial| replies.iter().any(|reply| reply.contains(&format!("İCAZƏ VAR: {serial}")));
        assert!(granted("AZE20000000") && granted("AZE20000001"), "{replies:?}");
        node.pass(120);
        assert_eq!(node.reply(), None, "nothing is left over");
        assert_eq!(decisions(&node).len(), 2);
    }
}

#[test]
fn ten_long_texts_of_one_phone_cost_the_oldest_two_at_most() {
    let mut node = Node::start_with(NOON, |settings| settings.phone.texts_max = 30);
    let part = |node: &mut Node, reference: u16, number: u8, text: &str| {
        let identity = u128::from(reference) * 2 + u128::from(number);
        node.take(ANNA, identity, Body::Part(Part::new(reference, 2, number).unwrap(), text));
        std::iter::from_fn(|| node.reply()).collect::<Vec<_>>()
    };
    let mut helps = Vec::new();
    for reference in 0..10 {
        helps.extend(part(&mut node, reference, 1, "2 AZE2000"));
    }
    assert_eq!(helps.len(), 2, "{helps:?}");
    let second = |reference| part(&mut node, reference, 2, &format!("000{reference}"));
    let granted: Vec<_> = (0..10).flat_map(second).collect();
    // The oldest is made whole by a late part; what the next one lacks is then overtaken.
    assert!(granted.iter().all(|reply| reply.contains("İCAZƏ VAR")), "{granted:?}");
    assert_eq!(granted.len(), 9);
    node.pass(120);
    assert_eq!(node.reply(), None, "no second help");
}

#[test]
fn an_answer_in_parts_that_comes_again_is_a_redelivery() {
    for [first, last] in [[1, 2], [2, 1]] {
        let mut node = Node::start(NOON);
        let texts = ["", "mənim vəsiqəm AZE2000", "0000"];
        assert!(node.text(ANNA, "2").is_some(), "asked for the document");
        take(&mut node, 101, first, texts[usize::from(first)]);
        let decided = take(&mut node, 102, last, texts[usize::from(last)]);
        assert!(node.reply().unwrap().starts_with("İCAZƏ VAR: AZE20000000"));
        node.crash();
        while node.reply().is_some() {}
        let again = take(&mut node, 102, last, texts[usize::from(last)]);
        take(&mut node, 101, first, texts[usize::from(first)]);
        take(&mut node, 102, last, texts[usize::from(last)]);
        assert!(last == 1 || again == decided, "only a first part may begin another text");
        while node.reply().is_some_and(|reply| reply.starts_with("İCAZƏ VAR")) {}
        node.crash();
        node.pass(60);
        assert_eq!(node.reply(), None, "no help, and nothing else");
        assert_eq!(decisions(&node).len(), 2, "the question and its answer");
    }
}
