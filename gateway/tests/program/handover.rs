//! What a gateway that is gone has decided and not sent, on a real cluster of Redis.

use std::collections::BTreeMap;
use std::time::Instant;

use icaze_codec::pdu::{Command, Message, MessageKind};
use icaze_codec::text::{self, Alphabet, Shifts};

use crate::across::all_of;
use crate::cli::code;
use crate::cluster::{cluster, sites};
use crate::crowd::{document, phone};
use crate::operator::{Peer, pdu, submit};
use crate::support::{Gateway, Site, until};

/// By phone, what it was sent.
type Told = BTreeMap<String, Vec<String>>;

/// Texts for these persons on a bind that takes no replies: they are decided, acknowledged, and wait.
fn ask(gateway: &Gateway, persons: std::ops::Range<usize>) {
    let mut operator = Peer::connect(&gateway.smpp);
    operator.send(&pdu(Command::BIND_TRANSMITTER, 1, b"demo\0demo1234\0\0\x34\0\0\0"));
    assert!(operator.read().unwrap().status.is_ok());
    for (sequence, person) in (2..).zip(persons) {
        operator.send(&submit(sequence, &phone(person), "8103", &format!("2 {}", document(person))));
        assert!(operator.read_until(Command::SUBMIT_SM_RESP).unwrap().status.is_ok());
    }
}

/// The next reply that the operator gets, not answered yet.
fn next(operator: &mut Peer, told: &mut Told) -> crate::operator::Pdu {
    let pdu = operator.read_until(Command::DELIVER_SM).unwrap();
    let reply = Message::decode(MessageKind::DeliverSm, &pdu.body).unwrap();
    let to = String::from_utf8(reply.destination.digits.to_vec()).unwrap();
    let mut text = String::new();
    let alphabet = Alphabet::of(reply.data_coding, Alphabet::Latin1).unwrap();
    text::decode(alphabet, Shifts::default(), reply.payload, &mut text);
    told.entry(to).or_default().push(text);
    pdu
}

/// Takes so many replies.
fn take(operator: &mut Peer, count: usize, told: &mut Told) {
    for _ in 0..count {
        let reply = next(operator, told);
        operator.answer(&reply);
    }
}

/// Each of them was sent one reply, with the code of a permit.
fn each_once(told: &Told, persons: std::ops::Range<usize>) {
    let phones: Vec<String> = persons.map(phone).collect();
    assert_eq!(told.keys().cloned().collect::<Vec<_>>(), phones);
    for (phone, replies) in told {
        assert!(replies.len() == 1 && code(&replies[0]).is_some(), "{phone}: {replies:?}");
    }
}

/// Waits until a gateway knows that no reply of its own is left to send.
fn has_nothing_to_send(gateway: &Gateway) {
    until("nothing waits", || gateway.metric("icaze_replies_waiting{operator=\"demo\"}") == 0);
}

fn forgotten(site: &Site) -> bool {
    site.log().contains("replies of the last run that other gateways claimed")
}

#[test]
fn what_a_killed_gateway_had_not_sent_another_one_sends_soon_and_once() {
    let (_runtime, servers) = cluster();
    let sites = sites(&servers, 2);
    let (first, second) = (sites[0].start(), sites[1].start());
    let (mut operator, mut told) = (Peer::bound(&second.smpp), Told::new());
    ask(&first, 0..700);
    assert_eq!(second.metric("icaze_cluster_claimed_total"), 0, "the first one is alive");
    drop(first);
    let killed = Instant::now();
    take(&mut operator, 1, &mut told);
    println!("the first after {:?}", killed.elapsed());
    take(&mut operator, 699, &mut told);
    each_once(&told, 0..700);

    // The first one learns that at its start, and says so in its ledger.
    let mut first = sites[0].start();
    assert!(forgotten(&sites[0]));
    let mut own = Peer::bound(&first.smpp);
    has_nothing_to_send(&first);
    ask(&first, 700..701);
    take(&mut own, 1, &mut told);
    each_once(&told, 0..701);
    // Once the second one has said what became of them, and the first one has written it down, nobody keeps any.
    until("all to be forgotten", || !all_of(&servers).contains("replies:demo"));
    first.terminate();
    while let Some(request) = own.read() {
        own.answer(&request);
    }
    assert_eq!(first.wait(), Some(0));
    drop(second);
    let first = sites[0].start();
    assert!(sites[0].log().contains("other gateways claimed count=0"), "{}", sites[0].log());
    let mut own = Peer::bound(&first.smpp);
    ask(&first, 701..702);
    take(&mut own, 1, &mut told);
    each_once(&told, 0..702);
}

#[test]
fn what_a_gateway_leaves_at_its_end_another_one_sends_and_what_that_one_leaves_a_third() {
    let (_runtime, servers) = cluster();
    let sites = sites(&servers, 3);
    let gateways: Vec<Gateway> = sites.iter().map(Site::start).collect();
    let [mut first, second, mut third] = <[Gateway; 3]>::try_from(gateways).ok().unwrap();
    ask(&first, 0..20);
    first.terminate();
    assert_eq!(first.wait(), Some(0));

    // The second one dies with all of them claimed, and some of them sent.
    let (mut operator, mut told) = (Peer::bound(&second.smpp), Told::new());
    take(&mut operator, 5, &mut told);
    until("all to be claimed", || second.metric("icaze_cluster_claimed_total") == 20);
    let unanswered: Vec<_> = (0..10).map(|_| next(&mut operator, &mut told)).collect();
    assert_eq!((told.len(), unanswered.len()), (15, 10));
    until("the answered ones to be told of", || all_of(&servers).matches("= sent").count() == 5);
    drop(second);
    let (mut operator, mut told_by_third) = (Peer::bound(&third.smpp), Told::new());
    take(&mut operator, 15, &mut told_by_third);
    for (phone, replies) in &told_by_third {
        assert_eq!(replies.len(), 1, "{phone}");
        assert!(told.get(phone).is_none_or(|before| before == replies), "the same text once more");
    }
    told.extend(told_by_third);
    each_once(&told, 0..20);

    // The third one loses its operator, and gives back what it has claimed.
    drop(operator);
    drop(sites[0].start());
    ask(&sites[0].start(), 20..25);
    let mut operator = Peer::bound(&third.smpp);
    let mut told = Told::new();
    let one = next(&mut operator, &mut told);
    drop((one, operator));
    let first = sites[0].start();
    let mut own = Peer::bound(&first.smpp);
    take(&mut own, 5, &mut told);
    let twice = told.values().filter(|replies| replies.len() > 1).count();
    assert_eq!((told.len(), twice), (5, 1), "only what was in flight comes twice");
    third.terminate();
    assert_eq!(third.wait(), Some(0));
}

#[test]
fn a_gateway_that_stood_still_sends_nothing_that_another_one_has_sent_meanwhile() {
    let (_runtime, servers) = cluster();
    let sites = sites(&servers, 2);
    let (first, second) = (sites[0].start(), sites[1].start());
    ask(&first, 0..20);
    let pid = rustix::process::Pid::from_raw(i32::try_from(first.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let (mut operator, mut told) = (Peer::bound(&second.smpp), Told::new());
    take(&mut operator, 20, &mut told);
    // A bind that the kernel accepts now and the gateway answers as soon as it goes on.
    let mut own = Peer::connect(&first.smpp);
    own.send(&pdu(Command::BIND_TRANSCEIVER, 1, b"demo\0demo1234\0\0\x34\0\0\0"));
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    assert!(own.read().unwrap().status.is_ok());
    has_nothing_to_send(&first);
    ask(&first, 20..21);
    take(&mut own, 1, &mut told);
    each_once(&told, 0..21);
}
