//! Asking back: the one thing that a text lacks is asked for, and its answer completes the request.

use icaze_cluster::{Call, Grant, Reserved, Text};
use icaze_gateway::pipeline::intake::{Body, Intake};
use icaze_gateway::pipeline::shared::Shared;
use icaze_store::Msisdn;
use icaze_store::ledger::{Entry, read};
use jiff::SignedDuration;

use crate::{ANNA, BORIS, NOON, Node, address, code};

const GRANTED: &str = "İCAZƏ VAR: ";
const WHICH_CODE: &str = "kod yazılmayıb. Yalnız kodu yazın";
const NO_DOCUMENT: &str = "Vəsiqə nömrəsi yoxdur";

impl Node {
    /// What entry `seq` refers to.
    fn refers_to(&self, seq: u64) -> Option<u64> {
        let mut refers_to = None;
        read(&self.storage, Some(&self.key), |record, _| {
            if let (true, Entry::Decision(decision)) = (record.seq == seq, &record.entry) {
                refers_to = decision.refers_to;
            }
        })
        .unwrap();
        refers_to
    }

    /// Each text's reply has to contain what stands beside it.
    fn talk(&mut self, texts: &[(&str, &str)]) {
        for (text, expected) in texts {
            let reply = self.text(ANNA, text).unwrap_or_default();
            assert!(reply.contains(expected), "{text}: {reply}, not {expected}");
        }
    }
}

#[test]
fn one_word_completes_what_lacked_it() {
    let stories: [&[(&str, &str)]; 9] = [
        &[("AZE20000001", "*001: kod yazılmayıb"), ("2", "İCAZƏ VAR: AZE20000001")],
        &[("2 1000001", "*001: seriya yazılmayıb"), ("AA", "İCAZƏ VAR: AA1000001")],
        &[("2 20000001", "AZE20000001 - düzdür?"), ("hə", "İCAZƏ VAR: AZE20000001")],
        &[("2 20000001", "AZE20000001 - düzdür?"), ("yox", "Seriyanı yazın"), ("hə", "")],
        &[("2 20000001", "düzdür?"), ("2", "düzdür?"), ("hə", "İCAZƏ VAR: AZE20000001")],
        &[("2 20000001", "düzdür?"), ("2", "düzdür?"), ("1", "eriyanı yazın"), ("hə", "İCAZƏ VAR: AZE")],
        &[("2", NO_DOCUMENT), ("AZE20000001", "İCAZƏ VAR: AZE20000001")],
        &[("2 1000001", "seriya yazılmayıb"), ("AA1000001", "İCAZƏ VAR: AA1000001")],
        &[("2 20000001", "düzdür?"), ("AZE20000001", "İCAZƏ VAR: AZE20000001")],
    ];
    for story in stories {
        Node::start(NOON).talk(story);
    }
}

#[test]
fn the_record_of_an_answer_names_the_help_and_a_start_reads_the_question_from_it() {
    let mut node = Node::start(NOON);
    let help = node.take(ANNA, 1, Body::Text("AZE20000001"));
    assert!(node.reply().unwrap().contains(WHICH_CODE));
    node.commit();
    node.crash();
    let granted = node.take(ANNA, 2, Body::Text("2"));
    assert!(node.reply().unwrap().starts_with(GRANTED));
    assert_eq!(node.refers_to(granted), Some(help));
    assert_eq!(node.pipeline.stats().completions().collect::<Vec<_>>().len(), 1);
}

#[test]
fn a_start_from_a_checkpoint_knows_what_was_asked_long_before_it() {
    let mut node = Node::start_with(NOON, |settings| settings.ask = SignedDuration::from_mins(50));
    let others = |node: &mut Node, minutes| {
        for _ in 0..minutes {
            node.pass(61);
            node.text(BORIS, "salam");
        }
    };
    others(&mut node, 10);
    node.talk(&[("AZE20000001", WHICH_CODE)]);
    others(&mut node, 45);
    let snapshot = node.pipeline.snapshot();
    assert!(snapshot.visit_from() > 1, "it need not read the whole ledger");
    snapshot.write(&node.storage, &node.key, 0).unwrap();
    node.commit();
    node.crash();
    node.talk(&[("2", GRANTED)]);
}

#[test]
fn an_answer_that_comes_again_gets_the_same_permit_also_after_a_restart() {
    let mut node = Node::start(NOON);
    node.take(ANNA, 1, Body::Text("AZE20000001"));
    node.reply();
    let granted = node.take(ANNA, 2, Body::Text("2"));
    let reply = node.reply().unwrap();
    for crash in [false, true, true] {
        if crash {
            node.crash();
        }
        assert_eq!(node.take(ANNA, 2, Body::Text("2")), granted);
        assert_eq!(node.reply().as_ref(), Some(&reply));
    }
}

#[test]
fn an_answer_that_a_crash_took_is_taken_once_it_comes_again() {
    let mut node = Node::start(NOON);
    node.take(ANNA, 1, Body::Text("AZE20000001"));
    node.reply();
    node.commit();
    let mut intake = Intake::default();
    let phone = Msisdn::parse(ANNA, 994, 9);
    intake.push(address(ANNA), address("8103"), phone, 2, node.now.wall, Body::Text("2"));
    node.pipeline.receive(0, &intake, &node.world, node.now, |_| {});
    node.crash();
    node.take(ANNA, 2, Body::Text("2"));
    assert!(node.reply().unwrap().starts_with(GRANTED));
}

#[test]
fn the_same_answer_to_the_next_question_is_decided_for_that() {
    let mut node = Node::start(NOON);
    for (identity, serial) in [(1, "AZE20000001"), (2, "AZE20000002")] {
        node.take(ANNA, identity, Body::Text(serial));
        assert!(node.reply().unwrap().contains(WHICH_CODE));
        node.take(ANNA, 9, Body::Text("2"));
        let reply = node.reply().unwrap();
        assert!(reply.starts_with(&format!("{GRANTED}{serial}")), "{reply}");
    }
}

#[test]
fn an_answer_is_no_redelivery_once_something_else_was_decided() {
    for crash in [false, true] {
        let mut node = Node::start_with(NOON, |settings| settings.phone.texts_max = 30);
        for (identity, serial) in [(1, "AZE20000001"), (2, "AZE20000002"), (3, "AZE20000003")] {
            node.take(ANNA, identity, Body::Text(serial));
            assert!(node.reply().unwrap().contains(WHICH_CODE));
            node.take(ANNA, 9, Body::Text("2"));
            assert!(node.reply().unwrap().starts_with(&format!("{GRANTED}{serial}")));
        }
        node.take(ANNA, 4, Body::Text("AZE20000004"));
        assert!(node.reply().unwrap().contains("kod yazılmayıb. Kodlar"));
        if crash {
            node.commit();
            node.crash();
        }
        node.take(ANNA, 9, Body::Text("2"));
        let reply = node.reply().unwrap();
        assert!(reply.contains(NO_DOCUMENT), "{reply}");
    }
}

#[test]
fn what_was_answered_and_is_texted_again_is_asked_again() {
    let mut node = Node::start(NOON);
    let first = node.take(ANNA, 101, Body::Text("AZE20000001"));
    node.reply();
    assert_eq!(node.take(ANNA, 101, Body::Text("AZE20000001")), first, "while it is open it is the same");
    node.reply();
    node.talk(&[("2", GRANTED)]);
    assert_ne!(node.take(ANNA, 101, Body::Text("AZE20000001")), first);
    assert!(node.reply().unwrap().contains(WHICH_CODE));
    node.talk(&[("1", "İCAZƏ VAR: AZE20000001, kod 1")]);
}

#[test]
fn the_answer_alone_is_no_request_after_its_time_and_from_another_phone() {
    let mut node = Node::start(NOON);
    node.talk(&[("AZE20000001", WHICH_CODE)]);
    assert!(node.text(BORIS, "2").unwrap().contains(NO_DOCUMENT));
    node.pass(599);
    node.crash();
    node.talk(&[("7", "kod 7 yoxdur")]);
    node.pass(1);
    node.talk(&[("2", NO_DOCUMENT)]);
}

#[test]
fn several_questions_are_told_apart_by_the_end_of_the_serial() {
    let mut node = Node::start(NOON);
    node.talk(&[
        ("AZE20000001", "*001: kod"),
        ("AZE20000002", "*002: kod"),
        ("2", "Bir neçə sual açıqdır"),
        ("2 001", "İCAZƏ VAR: AZE20000001"),
    ]);
}

#[test]
fn the_fourth_question_in_an_hour_is_plain_help() {
    let mut node = Node::start_with(NOON, |settings| settings.phone.texts_max = 30);
    for serial in ["AZE20000001", "AZE20000002", "AZE20000003"] {
        node.talk(&[(serial, WHICH_CODE)]);
    }
    node.talk(&[("AZE20000004", "kod yazılmayıb. Kodlar"), ("2 004", NO_DOCUMENT)]);
}

#[test]
fn a_purpose_alone_corrects_the_one_before_it() {
    let stories: [&[(&str, &str)]; 3] = [
        &[("2", NO_DOCUMENT), ("1", NO_DOCUMENT), ("AZE20000001", "İCAZƏ VAR: AZE20000001, kod 1")],
        &[("2", NO_DOCUMENT), ("tibb", NO_DOCUMENT), ("AZE20000001", "İCAZƏ VAR: AZE20000001, kod 1")],
        &[
            ("1", NO_DOCUMENT),
            ("2", NO_DOCUMENT),
            ("1", NO_DOCUMENT),
            ("2", NO_DOCUMENT),
            ("AZE20000001", "kod yazılmayıb. Kodlar"),
        ],
    ];
    for story in stories {
        Node::start(NOON).talk(story);
    }
}

#[test]
fn a_purpose_that_got_plain_help_before_corrects_another_one() {
    let mut node = Node::start_with(NOON, |settings| settings.phone.texts_max = 30);
    let mut take = |identity, text, expected| {
        node.take(ANNA, identity, Body::Text(text));
        let reply = node.reply().unwrap();
        assert!(reply.contains(expected), "{text}: {reply}, not {expected}");
    };
    take(1, "2 1000001", "seriya yazılmayıb");
    take(2, "2", NO_DOCUMENT);
    take(3, "AA", GRANTED);
    take(4, "1", NO_DOCUMENT);
    take(2, "2", NO_DOCUMENT);
    take(5, "AZE20000001", "İCAZƏ VAR: AZE20000001, kod 2");
}

#[test]
fn it_is_decided_by_the_facts_of_then_and_the_register_is_not_asked_before() {
    let mut node = Node::start(NOON);
    node.talk(&[("AZE99000009", "*009: kod yazılmayıb"), ("2", "sənəd tapılmadı")]);
    node.talk(&[("AZE20000001", WHICH_CODE), ("2 AZE20000001", GRANTED)]);
    let standing = node.text(ANNA, "2").unwrap();
    assert!(standing.starts_with("İCAZƏ ARTIQ VAR: AZE20000001"), "{standing}");
}

#[test]
fn junk_and_commands_leave_it_open_and_a_request_closes_it() {
    let mut node = Node::start_with(NOON, |settings| settings.phone.texts_max = 30);
    node.talk(&[("AZE20000001", WHICH_CODE), ("salam", "SMS anlaşılmadı"), ("status", "SMS anlaşılmadı")]);
    node.talk(&[("2", "İCAZƏ VAR: AZE20000001")]);
    node.talk(&[("AZE20000002", WHICH_CODE), ("2 AZE20000003", GRANTED), ("2", NO_DOCUMENT)]);
}

#[test]
fn an_answer_reserves_as_a_request_does_where_allowances_are_shared() {
    let mut node = Node::start(NOON);
    node.pipeline.share(Shared::new([1; 16]));
    node.take(ANNA, 1, Body::Text("AZE20000001"));
    node.reply();
    let mut intake = Intake::default();
    let phone = Msisdn::parse(ANNA, 994, 9);
    intake.push(address(ANNA), address("8103"), phone, 2, node.now.wall, Body::Text("2"));
    let wanted = node.pipeline.wanted(0, &intake, &node.world, node.now);
    let [wanted] = &wanted[..] else { panic!("{wanted:?}") };
    let Call::Reserve { identity, .. } = &wanted.call else { panic!("{wanted:?}") };
    assert_ne!(identity.as_str(), format!("{:032x}", 2), "to another question it is another request");
    intake.answered(wanted.place, Reserved::Held(Grant(Text::from("hold@1").unwrap())));
    node.pipeline.receive(0, &intake, &node.world, node.now, |accepted| assert!(accepted.is_ok()));
    node.commit();
    let granted = node.reply().unwrap();
    assert!(granted.starts_with(GRANTED) && code(&granted).len() == 9, "{granted}");
}
