//! Octets that are not what they should be.

use std::time::Instant;

use icaze_codec::pdu::{BindKind, Command, Status};
use icaze_codec::session::CloseReason;
use proptest::prelude::*;

use crate::pair::{Pair, SUBMIT_SM, Seen, Side, config, pdu};

const NACK: (Command, Status, u32) = (Command::GENERIC_NACK, Status::ESME_RINVCMDLEN, 0);

fn smsc() -> (Side, Instant) {
    let Pair { smsc, now, .. } = Pair::new(config());
    (smsc, now)
}

#[test]
fn http_on_the_port_is_nacked_and_closed_at_once() {
    let (mut smsc, now) = smsc();
    smsc.input(b"GET / HTTP/1.1\r\nHost: 8103\r\n\r\n", now);
    assert_eq!(smsc.written(), [NACK]);
    assert_eq!(smsc.take(), [Seen::Closed(CloseReason::CommandLength)]);
    smsc.input(b"GET / HTTP/1.1\r\n\r\n", now);
    assert_eq!((smsc.take(), smsc.written()), (vec![], vec![]), "nothing is read after the end");
}

#[test]
fn a_bad_length_is_told_from_its_four_octets() {
    for length in [0_u32, 15, 1025, u32::MAX] {
        let (mut smsc, now) = smsc();
        let octets = length.to_be_bytes();
        smsc.input(&octets[..3], now);
        assert_eq!(smsc.take(), []);
        smsc.input(&octets[3..], now);
        assert_eq!(
            (smsc.take(), smsc.written()),
            (vec![Seen::Closed(CloseReason::CommandLength)], vec![NACK])
        );
    }
}

#[test]
fn the_limit_is_that_of_the_state() {
    let long = pdu(
        Command::SUBMIT_SM,
        1,
        &[&SUBMIT_SM[..SUBMIT_SM.len() - 4], &[0, 4, 0x24, 0xFF, 0xFF], &[b'x'; 65_535][..]].concat(),
    );
    let mut pair = Pair::bound(BindKind::Transceiver);
    pair.smsc.input(&long, pair.now);
    assert!(matches!(&pair.smsc.take()[..], [Seen::Message { payload, .. }] if payload.len() == 65_535));
    let (mut smsc, now) = smsc();
    smsc.input(&long[..4], now);
    assert_eq!(smsc.take(), [Seen::Closed(CloseReason::CommandLength)]);
}

#[test]
fn octet_by_octet_is_the_same_as_at_once() {
    let octets = [
        pdu(Command::BIND_TRANSCEIVER, 1, b"op\0pw\0\0\x34\0\0\0"),
        pdu(Command::SUBMIT_SM, 2, SUBMIT_SM),
        pdu(Command::ENQUIRE_LINK, 3, b""),
        pdu(Command::SUBMIT_SM, 4, b"junk"),
        pdu(Command::UNBIND, 5, b""),
    ]
    .concat();
    let (mut at_once, now) = smsc();
    at_once.input(&octets, now);
    let (mut by_octet, now) = smsc();
    octets.iter().for_each(|octet| by_octet.input(std::slice::from_ref(octet), now));
    assert_eq!(by_octet.take(), at_once.take());
    let written = at_once.written();
    assert_eq!(by_octet.written(), written);
    assert_eq!(
        written[1..],
        [
            (Command::SUBMIT_SM_RESP, Status::ESME_ROK, 2),
            (Command::ENQUIRE_LINK_RESP, Status::ESME_ROK, 3),
            (Command::SUBMIT_SM_RESP, Status::ESME_RINVSERTYP, 4),
            (Command::UNBIND_RESP, Status::ESME_ROK, 5),
        ]
    );
}

#[test]
fn before_a_bind_every_request_is_told_so_and_responses_are_ignored() {
    let (mut smsc, now) = smsc();
    for id in [3, 4, 5, 6, 7, 8, 0x15, 0x21, 0x103, 0x111, 0x112, 0x113] {
        smsc.input(&pdu(Command(id), id, SUBMIT_SM), now);
        let response = Command(id | 0x8000_0000);
        assert_eq!(smsc.written(), [(response, Status::ESME_RINVBNDSTS, id)]);
        smsc.input(&pdu(response, id, b""), now);
    }
    smsc.input(&pdu(Command::GENERIC_NACK, 1, b""), now);
    smsc.input(&pdu(Command::ALERT_NOTIFICATION, 1, b""), now);
    smsc.input(&pdu(Command(0x77), 77, b""), now);
    assert_eq!(smsc.written(), [(Command::GENERIC_NACK, Status::ESME_RINVCMDID, 77)]);
    assert_eq!(smsc.take(), []);
}

#[test]
fn a_flood_of_made_up_kinds_does_not_grow_the_counts() {
    let mut pair = Pair::bound(BindKind::Transceiver);
    for number in 0..5000 {
        // Unknown ones, and every combination of known ones.
        let command = Command(0x8000_0000 + number % 0x120);
        let status = Status(number / 10);
        pair.smsc.input(&crate::pair::pdu_with(command, status, 1, b""), pair.now);
    }
    let counts = pair.smsc.counts();
    assert!(counts.len() < 70, "{}", counts.len());
    let total: u64 = counts.iter().filter(|count| count.0 == "in").map(|count| count.3).sum();
    assert_eq!(total, 5000);
    assert_eq!(pair.smsc.counts(), []);
}

proptest! {
    #[test]
    fn a_junk_body_between_two_messages_loses_neither(
        command in prop_oneof![0_u32..0x200, any::<u32>()],
        body in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        // An unbind would rightly end the session.
        prop_assume!(command != Command::UNBIND.0);
        let mut pair = Pair::bound(BindKind::Transceiver);
        let octets = [
            pdu(Command::SUBMIT_SM, 1, SUBMIT_SM),
            pdu(Command(command), 2, &body),
            pdu(Command::SUBMIT_SM, 3, SUBMIT_SM),
        ].concat();
        pair.smsc.input(&octets, pair.now);
        let sequences: Vec<_> = pair.smsc.take().iter().filter_map(|seen| match seen {
            Seen::Message { request, .. } if request.sequence != 2 => Some(request.sequence),
            _ => None,
        }).collect();
        prop_assert_eq!(sequences, [1, 3]);
        let written = pair.smsc.written();
        prop_assert!(written.iter().any(|pdu| pdu.2 == 1) && written.iter().any(|pdu| pdu.2 == 3));
        // Each request got one answer, with its own sequence number; nothing else got any.
        let answers = written.iter().filter(|pdu| pdu.2 == 2).count();
        let answered = command & 0x8000_0000 == 0 && ![Command::ALERT_NOTIFICATION.0, Command::OUTBIND.0].contains(&command);
        prop_assert_eq!(answers, usize::from(answered));
    }

    #[test]
    fn any_octets_in_any_pieces_never_panic_and_end_at_most_once(
        pieces in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..64),
            (0_u32..0x120, any::<u32>(), prop::collection::vec(any::<u8>(), 0..64))
                .prop_map(|(command, sequence, body)| pdu(Command(command), sequence, &body)),
            (0_u32..0x120, 0_u32..8, prop::collection::vec(any::<u8>(), 0..64))
                .prop_map(|(command, sequence, body)| pdu(Command(command | 0x8000_0000), sequence, &body)),
            Just(pdu(Command::BIND_TRANSCEIVER, 1, b"op\0pw\0\0\x34\0\0\0")),
            Just(pdu(Command::SUBMIT_SM, 2, SUBMIT_SM)),
        ], 0..20),
        esme: bool,
    ) {
        let mut pair = if esme { Pair::bound(BindKind::Transceiver) } else { Pair::new(config()) };
        let side = if esme { &mut pair.esme } else { &mut pair.smsc };
        for piece in &pieces {
            side.input(piece, pair.now);
            if let Some(next) = side.session.next_timeout() {
                prop_assert!(next >= pair.now);
            }
        }
        let seen = side.take();
        let closed = seen.iter().position(|seen| matches!(seen, Seen::Closed(_)));
        prop_assert!(closed.is_none_or(|at| at + 1 == seen.len()), "{:?}", seen);
        side.written();
    }
}

#[test]
fn a_response_without_a_body_has_none() {
    let mut pair = Pair::bound(BindKind::Transceiver);
    pair.smsc.session.output().clear();
    for (command, response) in
        [(Command::ENQUIRE_LINK, Command::ENQUIRE_LINK_RESP), (Command::UNBIND, Command::UNBIND_RESP)]
    {
        pair.smsc.session.handle_input(&pdu(command, 9, b""));
        while pair.smsc.session.poll(pair.now).is_some() {}
        assert_eq!(*pair.smsc.session.output(), pdu(response, 9, b""), "{response:?}");
        pair.smsc.session.output().clear();
    }
}

#[test]
fn a_bad_length_is_nacked_behind_the_answers_to_what_came_before_it() {
    let mut pair = Pair::bound(BindKind::Transceiver);
    pair.smsc.answer = None;
    pair.smsc.input(&[&pdu(Command::SUBMIT_SM, 7, SUBMIT_SM)[..], b"\0\0\0\x05"].concat(), pair.now);
    let [Seen::Message { request, .. }] = pair.smsc.take()[..] else { panic!() };
    assert_eq!(pair.smsc.written(), []);
    pair.smsc.session.respond(request, Status::ESME_ROK, b"1");
    pair.smsc.drive(pair.now);
    assert_eq!(pair.smsc.written(), [(Command::SUBMIT_SM_RESP, Status::ESME_ROK, 7), NACK]);
    assert_eq!(pair.smsc.take(), [Seen::Closed(CloseReason::CommandLength)]);
}
