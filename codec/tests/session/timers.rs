//! The session timers of SMPP v3.4 7.2, and the PDU deadline.

use std::time::Duration;

use icaze_codec::pdu::{BindKind, Command, Status};
use icaze_codec::session::{BindLimits, CloseReason, SessionConfig, Timers};

use crate::pair::{CREDENTIALS, Pair, Seen, config, pdu, timers};

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const ALMOST: Duration = Duration::from_millis(1);

#[test]
fn session_init_timer_ends_a_connection_without_a_bind() {
    let mut pair = Pair::new(config());
    // enquire_links are not binds.
    pair.smsc.input(&pdu(Command::ENQUIRE_LINK, 1, b""), pair.now);
    pair.advance(s(5) - ALMOST);
    assert_eq!(pair.smsc.take(), []);
    pair.advance(ALMOST);
    assert_eq!(pair.smsc.take(), [Seen::Closed(CloseReason::SessionInit)]);
}

#[test]
fn an_unanswered_bind_ends_at_response_timer() {
    let mut pair = Pair::new(config());
    pair.cut = true;
    pair.esme.session.bind(BindKind::Receiver, &CREDENTIALS, pair.now).unwrap();
    pair.advance(s(10));
    assert_eq!(pair.esme.take(), [Seen::Closed(CloseReason::Response)]);
}

#[test]
fn an_idle_bind_is_kept_alive_by_enquire_link() {
    let mut pair = Pair::bound_with(config(), BindKind::Transceiver, &CREDENTIALS);
    pair.advance(s(3600));
    assert_eq!((pair.smsc.take(), pair.esme.take()), (vec![], vec![]));
    let counts = pair.smsc.counts();
    assert!(counts.contains(&("out", "enquire_link", "ESME_ROK", 120)), "{counts:?}");
    assert!(counts.contains(&("in", "enquire_link_resp", "ESME_ROK", 120)), "{counts:?}");
}

#[test]
fn a_half_open_connection_is_noticed_within_two_intervals() {
    for response in [s(10), s(1000)] {
        let timers = Timers { response, ..timers() };
        let config = SessionConfig { timers, ..config() };
        let mut pair = Pair::bound_with(config, BindKind::Transceiver, &CREDENTIALS);
        pair.cut = true;
        pair.advance(s(30) + response.min(s(30)) - ALMOST);
        assert_eq!(pair.smsc.take(), []);
        pair.advance(ALMOST);
        assert_eq!(pair.smsc.take(), [Seen::Closed(CloseReason::EnquireLink)]);
    }
}

#[test]
fn a_peer_that_talks_is_alive_whatever_it_does_not_answer() {
    let mut pair = Pair::bound_with(config(), BindKind::Transceiver, &CREDENTIALS);
    pair.cut = true;
    for sequence in 0..100 {
        pair.smsc.input(&pdu(Command::ENQUIRE_LINK, sequence, b""), pair.now);
        pair.advance(s(9));
    }
    assert_eq!(pair.smsc.take(), []);
    assert!(pair.smsc.session.bind_kind().is_some());
}

#[test]
fn inactivity_timer_unbinds_a_bind_without_messages() {
    let timers = Timers { inactivity: Some(s(100)), ..timers() };
    let mut pair =
        Pair::bound_with(SessionConfig { timers, ..config() }, BindKind::Transceiver, &CREDENTIALS);
    pair.advance(s(90));
    pair.submit(b"x", 1).unwrap();
    pair.exchange();
    pair.smsc.take();
    pair.esme.take();
    pair.advance(s(100) - ALMOST);
    assert_eq!(pair.smsc.take(), [], "a message is activity, an enquire_link is not");
    pair.advance(ALMOST);
    for side in [&mut pair.smsc, &mut pair.esme] {
        assert_eq!(side.take().last(), Some(&Seen::Closed(CloseReason::Inactivity)));
    }
}

#[test]
fn response_timer_gives_back_a_message_and_its_place() {
    let mut pair = Pair::bound_with(config(), BindKind::Transceiver, &CREDENTIALS);
    pair.smsc.answer = None;
    pair.submit(b"first", 1).unwrap();
    pair.exchange();
    let [Seen::Message { request, .. }] = pair.smsc.take()[..] else { panic!() };
    pair.advance(s(4));
    pair.submit(b"second", 2).unwrap();
    pair.advance(s(6));
    assert_eq!(pair.esme.take(), [Seen::Unanswered(1)]);
    assert_eq!(pair.esme.session.unanswered_out(), 1);
    pair.smsc.session.respond(request, Status::ESME_ROK, b"1");
    pair.exchange();
    assert_eq!(pair.esme.take(), [Seen::Late { token: 1, status: Status::ESME_ROK }]);
    assert_eq!(pair.esme.session.unanswered_out(), 1, "its place was free already");
    pair.smsc.session.respond(request, Status::ESME_ROK, b"1");
    pair.exchange();
    assert_eq!(pair.esme.take(), [], "once");
    pair.advance(s(4));
    assert_eq!(pair.esme.take(), [Seen::Unanswered(2)]);
    assert_eq!(pair.esme.session.unanswered_out(), 0);
}

#[test]
fn an_answer_that_has_arrived_counts_even_if_time_is_up() {
    let mut pair = Pair::bound_with(config(), BindKind::Transceiver, &CREDENTIALS);
    pair.submit(b"x", 1).unwrap();
    let (_, _, sequence) = pair.esme.written()[0];
    pair.esme.session.handle_input(&pdu(Command::SUBMIT_SM_RESP, sequence, b"1\0"));
    pair.now += s(60);
    pair.esme.session.handle_timeout(pair.now);
    pair.esme.drive(pair.now);
    assert!(matches!(pair.esme.take()[..], [Seen::Answered { token: 1, .. }]));
}

#[test]
fn a_pdu_that_begins_must_end() {
    let mut pair = Pair::bound_with(config(), BindKind::Transceiver, &CREDENTIALS);
    let octets = pdu(Command::ENQUIRE_LINK, 1, b"");
    for octet in &octets[..15] {
        pair.smsc.input(std::slice::from_ref(octet), pair.now);
        pair.advance(Duration::from_millis(190));
    }
    assert_eq!(pair.smsc.take(), [], "2.85 s");
    pair.smsc.input(&octets[15..], pair.now);
    pair.advance(s(3));
    assert_eq!(pair.smsc.take(), [], "it ended in time");
    pair.smsc.input(&octets[..1], pair.now);
    pair.advance(s(2));
    pair.smsc.input(&octets[1..2], pair.now);
    pair.advance(s(1));
    assert_eq!(pair.smsc.take(), [Seen::Closed(CloseReason::Pdu)], "further octets do not prolong it");
}

#[test]
fn an_unanswered_unbind_ends_at_response_timer() {
    let mut pair = Pair::bound_with(config(), BindKind::Transceiver, &CREDENTIALS);
    pair.cut = true;
    pair.submit(b"x", 1).unwrap();
    pair.esme.session.unbind(pair.now);
    pair.advance(s(10));
    assert_eq!(pair.esme.take(), [Seen::Unanswered(1), Seen::Closed(CloseReason::Unbound)]);
}

#[test]
fn late_responses_to_four_windows_are_known() {
    let limits = BindLimits { window_out: 2, ..BindLimits::default() };
    let mut pair =
        Pair::bound_with(SessionConfig { limits, ..config() }, BindKind::Transceiver, &CREDENTIALS);
    pair.smsc.answer = None;
    for token in 0..10 {
        pair.submit(b"reply", token).unwrap();
        pair.exchange();
        pair.advance(s(10));
    }
    pair.esme.take();
    for message in pair.smsc.take() {
        let Seen::Message { request, .. } = message else { panic!() };
        pair.smsc.session.respond(request, Status::ESME_RINVDSTADR, b"");
    }
    pair.exchange();
    let late = (2..10).map(|token| Seen::Late { token, status: Status::ESME_RINVDSTADR });
    assert_eq!(pair.esme.take(), late.collect::<Vec<_>>(), "the oldest are forgotten");
}

#[test]
fn a_session_that_the_peer_ended_does_not_wait_for_our_answers_for_ever() {
    let mut pair = Pair::bound_with(config(), BindKind::Transceiver, &CREDENTIALS);
    pair.smsc.answer = None;
    pair.submit(b"first", 1).unwrap();
    pair.esme.session.unbind(pair.now);
    pair.exchange();
    assert!(matches!(pair.smsc.take()[..], [Seen::Message { .. }, Seen::Unbinding]));
    pair.advance(s(10));
    assert_eq!(pair.smsc.take(), [Seen::Closed(CloseReason::PeerUnbound)]);
}
