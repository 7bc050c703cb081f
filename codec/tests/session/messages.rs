//! Messages both ways: windows, responses, what becomes of tokens.

use icaze_codec::pdu::{BindKind, Command, MessageKind, Status};
use icaze_codec::session::{BindLimits, CloseReason, SendError, SessionConfig};

use crate::pair::{Pair, SUBMIT_SM, Seen, config, message, pdu, pdu_with};

fn windows(window_in: usize, window_out: usize) -> BindLimits {
    BindLimits { window_in, window_out, ..BindLimits::default() }
}

fn bound_with(limits: BindLimits) -> Pair {
    let mut pair = Pair::new(SessionConfig { limits, ..config() });
    pair.smsc.limits = Some(limits);
    pair.esme.session.bind(BindKind::Transceiver, &crate::pair::CREDENTIALS, pair.now).unwrap();
    pair.exchange();
    pair.smsc.take();
    pair.esme.take();
    pair.smsc.counts();
    pair.esme.counts();
    pair
}

#[test]
fn messages_and_answers_pass_both_ways() {
    let mut pair = Pair::bound(BindKind::Transceiver);
    let data_sm = message(MessageKind::DataSm, b"data");
    pair.submit(b"2 AZE10000001", 7).unwrap();
    pair.esme.session.send(&data_sm, 8, pair.now).unwrap();
    pair.deliver(b"reply", 9).unwrap();
    pair.smsc.session.send(&data_sm, 10, pair.now).unwrap();
    pair.exchange();
    let id = b"0000002a".to_vec();
    let answered = |token, message_id: &[u8]| Seen::Answered {
        token,
        status: Status::ESME_ROK,
        message_id: message_id.to_vec(),
    };
    let messages = |seen: &[Seen]| {
        seen.iter()
            .filter_map(|seen| match seen {
                Seen::Message { kind, payload, .. } => Some((*kind, payload.clone())),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    let (smsc, esme) = (pair.smsc.take(), pair.esme.take());
    let data = (MessageKind::DataSm, b"data".to_vec());
    assert_eq!(messages(&smsc), [(MessageKind::SubmitSm, b"2 AZE10000001".to_vec()), data.clone()]);
    assert_eq!(messages(&esme), [(MessageKind::DeliverSm, b"reply".to_vec()), data]);
    assert!(esme.contains(&answered(7, &id)) && esme.contains(&answered(8, &id)));
    assert!(smsc.contains(&answered(9, b"")), "deliver_sm_resp has no message_id");
    assert!(smsc.contains(&answered(10, &id)));
    assert_eq!((pair.smsc.session.unanswered_in(), pair.smsc.session.unanswered_out()), (0, 0));
}

#[test]
fn this_side_does_not_send_that() {
    let refused = Err(SendError::Direction);
    let mut pair = Pair::bound(BindKind::Transmitter);
    assert_eq!(pair.deliver(b"", 1), refused, "the ESME does not receive");
    assert_eq!(pair.smsc.session.send(&message(MessageKind::SubmitSm, b""), 1, pair.now), refused);
    assert_eq!(pair.smsc.session.window_free(), 0);
    let mut pair = Pair::bound(BindKind::Receiver);
    assert_eq!(pair.submit(b"", 1), refused, "the ESME does not send");
    assert_eq!(Pair::new(config()).submit(b"", 1), Err(SendError::NotBound));
}

#[test]
fn the_outbound_window_fills_and_empties() {
    let mut pair = bound_with(windows(1000, 3));
    pair.smsc.answer = None;
    for token in 0..3 {
        assert_eq!(pair.esme.session.window_free(), 3 - usize::try_from(token).unwrap());
        pair.submit(b"x", token).unwrap();
    }
    assert_eq!(pair.submit(b"x", 3), Err(SendError::WindowFull));
    assert!(!pair.esme.session.can_send());
    pair.exchange();
    let requests: Vec<_> = pair
        .smsc
        .take()
        .into_iter()
        .map(|seen| match seen {
            Seen::Message { request, .. } => request,
            other => panic!("{other:?}"),
        })
        .collect();
    // Answers come in any order, and each frees one place.
    pair.smsc.session.respond(requests[1], Status::ESME_RMSGQFUL, b"");
    pair.exchange();
    assert_eq!(
        pair.esme.take(),
        [Seen::Answered { token: 1, status: Status::ESME_RMSGQFUL, message_id: vec![] }]
    );
    assert_eq!(pair.esme.session.window_free(), 1);
    pair.submit(b"x", 4).unwrap();
}

#[test]
fn beyond_the_inbound_window_the_session_itself_asks_to_try_again() {
    let mut pair = bound_with(windows(2, 1000));
    for side in [&mut pair.smsc, &mut pair.esme] {
        side.answer = None;
    }
    for token in 0..3 {
        pair.submit(b"x", token).unwrap();
        pair.deliver(b"x", token).unwrap();
    }
    pair.exchange();
    let retried = |status| Seen::Answered { token: 2, status, message_id: vec![] };
    assert!(pair.esme.take().contains(&retried(Status::ESME_RTHROTTLED)), "submit_sm");
    let smsc = pair.smsc.take();
    assert!(smsc.contains(&retried(Status::ESME_RX_T_APPN)), "deliver_sm");
    assert_eq!(smsc.iter().filter(|seen| matches!(seen, Seen::Message { .. })).count(), 2);
    let throttled = ("out", "submit_sm_resp", "ESME_RTHROTTLED", 1);
    assert!(pair.smsc.counts().contains(&throttled));
    // An answer makes room for one more.
    let Some(Seen::Message { request, .. }) = smsc.first() else { panic!("{smsc:?}") };
    pair.smsc.session.respond(*request, Status::ESME_ROK, b"1");
    pair.submit(b"x", 3).unwrap();
    pair.exchange();
    assert!(matches!(pair.smsc.take()[..], [Seen::Message { .. }]));
}

#[test]
fn an_operator_may_have_its_own_retry_status() {
    let limits = BindLimits { retry_status: Some(Status::ESME_RMSGQFUL), ..windows(0, 9) };
    let mut pair = bound_with(limits);
    assert_eq!(pair.smsc.session.retry_status(), Status::ESME_RMSGQFUL);
    pair.submit(b"x", 0).unwrap();
    pair.exchange();
    assert!(matches!(pair.esme.take()[..], [Seen::Answered { status: Status::ESME_RMSGQFUL, .. }]));
}

#[test]
fn a_response_to_nothing_is_ignored_and_counted() {
    let mut pair = Pair::bound(BindKind::Transceiver);
    pair.submit(b"x", 5).unwrap();
    let (_, _, sequence) = pair.esme.written()[0];
    for (command, sequence) in [
        (Command::SUBMIT_SM_RESP, sequence + 1),
        (Command::SUBMIT_SM_RESP, 0),
        (Command::SUBMIT_SM_RESP, u32::MAX),
        // The sequence number of another kind of request.
        (Command::DATA_SM_RESP, sequence),
        (Command::QUERY_SM_RESP, sequence),
        (Command(0x8000_0077), sequence),
    ] {
        pair.esme.input(&pdu(command, sequence, b"\0"), pair.now);
        assert_eq!(pair.esme.take(), [], "{command:?} {sequence}");
    }
    assert_eq!(pair.esme.written(), [], "responses are never answered");
    let ignored: u64 =
        pair.esme.counts().iter().filter(|count| count.0 == "ignored").map(|count| count.3).sum();
    assert_eq!(ignored, 6);
    pair.esme.input(&pdu(Command::SUBMIT_SM_RESP, sequence, b"id\0"), pair.now);
    assert!(matches!(pair.esme.take()[..], [Seen::Answered { token: 5, .. }]));
    pair.esme.input(&pdu(Command::SUBMIT_SM_RESP, sequence, b"id\0"), pair.now);
    assert_eq!(pair.esme.take(), [], "the second time it is a response to nothing");
}

#[test]
fn a_generic_nack_answers_a_message() {
    let mut pair = Pair::bound(BindKind::Transceiver);
    pair.submit(b"x", 5).unwrap();
    let (_, _, sequence) = pair.esme.written()[0];
    pair.esme.input(&pdu_with(Command::GENERIC_NACK, Status::ESME_RINVCMDID, sequence, b""), pair.now);
    assert_eq!(
        pair.esme.take(),
        [Seen::Answered { token: 5, status: Status::ESME_RINVCMDID, message_id: vec![] }]
    );
}

#[test]
fn every_token_comes_back_once_when_the_connection_ends() {
    let mut pair = Pair::bound(BindKind::Transceiver);
    for token in 0..100 {
        pair.submit(b"x", token).unwrap();
    }
    pair.esme.session.disconnected();
    pair.esme.drive(pair.now);
    let mut expected: Vec<_> = (0..100).map(Seen::Unanswered).collect();
    expected.push(Seen::Closed(CloseReason::Disconnected));
    assert_eq!(pair.esme.take(), expected);
    pair.esme.drive(pair.now);
    assert_eq!(pair.esme.take(), []);
}

#[test]
fn the_peers_unbind_gives_back_the_tokens() {
    let mut pair = Pair::bound(BindKind::Transceiver);
    pair.smsc.answer = None;
    pair.submit(b"x", 1).unwrap();
    pair.exchange();
    let [Seen::Message { request, .. }] = pair.smsc.take()[..] else { panic!() };
    pair.smsc.session.unbind(pair.now);
    pair.exchange();
    let closed = Seen::Closed(CloseReason::PeerUnbound);
    assert_eq!(pair.esme.take(), [Seen::Unbinding, Seen::Unanswered(1), closed]);
    // After the end an answer writes nothing.
    pair.smsc.session.respond(request, Status::ESME_ROK, b"1");
    assert_eq!(pair.smsc.written(), []);
}

#[test]
fn response_bodies_are_as_specified() {
    let mut pair = Pair::bound(BindKind::Transceiver);
    let mut body = |command, status| {
        let (kind, side) = match command {
            Command::DELIVER_SM => (MessageKind::DeliverSm, &mut pair.esme),
            _ => (MessageKind::SubmitSm, &mut pair.smsc),
        };
        assert_eq!(kind.command(), command);
        side.answer = Some(status);
        side.input(&pdu(command, 1, SUBMIT_SM), pair.now);
        std::mem::take(side.session.output())[16..].to_vec()
    };
    assert_eq!(body(Command::SUBMIT_SM, Status::ESME_ROK), b"0000002a\0");
    assert_eq!(body(Command::SUBMIT_SM, Status::ESME_RSYSERR), b"", "v3.4 4.4.2: none if it failed");
    assert_eq!(body(Command::DELIVER_SM, Status::ESME_ROK), b"\0", "v3.4 4.6.2: message_id is unused");
    assert_eq!(body(Command::DELIVER_SM, Status::ESME_RX_T_APPN), b"\0");
}
