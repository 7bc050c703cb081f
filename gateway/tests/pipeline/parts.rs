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
fn a_new_first_part_begins_a_new_text() {
    let mut node = Node::start(NOON);
    take(&mut node, 1, 1, "2 AZE1000");
    take(&mut node, 2, 1, "2 AZE2000");
    assert!(node.reply().is_some(), "the first one gets help");
    take(&mut node, 3, 2, "0000");
    assert!(node.reply().unwrap().starts_with("İCAZƏ VAR: AZE20000000"));
    node.pass(120);
    assert_eq!(node.reply(), None);
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
