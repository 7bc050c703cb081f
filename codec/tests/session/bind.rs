//! Binding, versions, outbind, unbinding.

use icaze_codec::pdu::{
    Address, BindKind, Command, Credentials, Message, MessageKind, Status, Tlvs, Unwritable, Version,
};
use icaze_codec::session::{BindError, BindLimits, CloseReason, Role, SendError, State};

use crate::pair::{CREDENTIALS, Pair, Seen, Side, config, message, pdu};

const KINDS: [BindKind; 3] = [BindKind::Receiver, BindKind::Transmitter, BindKind::Transceiver];

#[test]
fn each_kind_binds_and_says_who_it_is() {
    for kind in KINDS {
        let mut pair = Pair::new(config());
        pair.esme.session.bind(kind, &CREDENTIALS, pair.now).unwrap();
        pair.exchange();
        let bind = Seen::Bind {
            kind,
            system_id: "operator".to_owned(),
            password: b"secret08".to_vec(),
            version: Version::V3_4,
        };
        assert_eq!(pair.smsc.take(), [bind]);
        assert_eq!(pair.esme.take(), [Seen::Bound]);
        assert_eq!(pair.smsc.session.bind_kind(), Some(kind));
        assert_eq!(pair.esme.session.bind_kind(), Some(kind));
        assert_eq!(pair.esme.session.can_send(), kind.transmits());
        assert_eq!(pair.smsc.session.can_send(), kind.receives());
    }
}

#[test]
fn both_sides_agree_on_the_lower_version() {
    let table = [
        // Peer, our highest, agreed.
        (Version(0x00), Version::V5_0, Version::V3_3),
        (Version::V3_3, Version::V5_0, Version::V3_3),
        (Version::V3_4, Version::V5_0, Version::V3_4),
        (Version(0x35), Version::V5_0, Version::V3_4),
        (Version::V5_0, Version::V5_0, Version::V5_0),
        (Version::V5_0, Version::V3_4, Version::V3_4),
        (Version(0xFF), Version::V5_0, Version::V5_0),
    ];
    for (peer, version_max, agreed) in table {
        let mut pair = Pair::new(config());
        pair.smsc.limits = Some(BindLimits { version_max, ..BindLimits::default() });
        let credentials = Credentials { interface_version: peer, ..CREDENTIALS };
        pair.esme.session.bind(BindKind::Transceiver, &credentials, pair.now).unwrap();
        pair.exchange();
        assert_eq!(pair.smsc.session.interface_version(), agreed, "{peer:?} at an SMSC of {version_max:?}");
        assert_eq!(pair.esme.session.interface_version(), agreed, "{peer:?} at an ESME");
    }
}

#[test]
fn a_3_3_peer_gets_no_optional_parameters() {
    let credentials = Credentials { interface_version: Version::V3_3, ..CREDENTIALS };
    let mut pair = Pair::bound_with(config(), BindKind::Transceiver, &credentials);
    let tlvs = Tlvs::new(&[0x02, 0x04, 0, 2, 0, 1]);
    let deliver_sm = Message { tlvs, ..message(MessageKind::DeliverSm, b"hello") };
    pair.smsc.session.send(&deliver_sm, 1, pair.now).unwrap();
    pair.exchange();
    assert!(matches!(&pair.esme.take()[..], [Seen::Message { tlvs: 0, payload, .. }] if payload == b"hello"));
    let long = Message { payload: &[b'x'; 255], ..deliver_sm };
    let data_sm = message(MessageKind::DataSm, b"hello");
    for (message, error) in [(long, Unwritable::Field("short_message")), (data_sm, Unwritable::Kind)] {
        assert_eq!(pair.smsc.session.send(&message, 2, pair.now), Err(SendError::Unwritable(error)));
    }
    // The bind's response had none, either.
    let mut smsc = Side::new(Role::Smsc, config(), pair.now);
    smsc.input(&pdu(Command::BIND_RECEIVER, 1, b"op\0pw\0\0\x33\0\0\0"), pair.now);
    assert_eq!(smsc.session.output().len(), 16 + b"icaze\0".len());
}

#[test]
fn an_smsc_that_does_not_tell_its_version_is_sent_no_optional_parameters() {
    let mut pair = Pair::new(config());
    pair.esme.session.bind(BindKind::Transceiver, &CREDENTIALS, pair.now).unwrap();
    let (_, _, sequence) = pair.esme.written()[0];
    pair.esme.input(&pdu(Command::BIND_TRANSCEIVER_RESP, sequence, b"smsc\0"), pair.now);
    assert_eq!(pair.esme.take(), [Seen::Bound]);
    assert_eq!(pair.esme.session.interface_version(), Version::V3_3);
}

#[test]
fn a_refused_bind_ends_both_sessions() {
    let mut pair = Pair::new(config());
    pair.smsc.limits = None;
    pair.esme.session.bind(BindKind::Transceiver, &CREDENTIALS, pair.now).unwrap();
    pair.exchange();
    pair.smsc.session.refuse_bind(Status::ESME_RBINDFAIL);
    pair.exchange();
    let closed = Seen::Closed(CloseReason::BindRefused);
    assert_eq!(pair.smsc.take().last(), Some(&closed));
    assert_eq!(pair.esme.take(), [Seen::BindRefused(Status::ESME_RBINDFAIL), closed]);
}

#[test]
fn a_nacked_bind_is_a_refused_one() {
    let mut pair = Pair::new(config());
    pair.esme.session.bind(BindKind::Transceiver, &CREDENTIALS, pair.now).unwrap();
    let (_, _, sequence) = pair.esme.written()[0];
    let nack = |sequence| crate::pair::pdu_with(Command::GENERIC_NACK, Status::ESME_RINVCMDID, sequence, b"");
    pair.esme.input(&nack(sequence + 1), pair.now);
    assert_eq!(pair.esme.take(), [], "another sequence number");
    pair.esme.input(&nack(sequence), pair.now);
    assert_eq!(pair.esme.take()[0], Seen::BindRefused(Status::ESME_RINVCMDID));
}

#[test]
fn a_malformed_bind_may_be_tried_again() {
    let Pair { mut smsc, now, .. } = Pair::new(config());
    smsc.input(&pdu(Command::BIND_RECEIVER, 1, b"op\0password1\0\0\x34\0\0\0"), now);
    smsc.input(&pdu(Command::BIND_RECEIVER, 2, b"op\0password\0\0\x34\0\0\0"), now);
    assert_eq!(
        smsc.written(),
        [
            (Command::BIND_RECEIVER_RESP, Status::ESME_RINVPASWD, 1),
            (Command::BIND_RECEIVER_RESP, Status::ESME_ROK, 2)
        ]
    );
}

#[test]
fn credentials_that_do_not_fit_are_refused_never_cut() {
    let mut pair = Pair::new(config());
    let range = Address { ton: 0, npi: 0, digits: &[b'1'; 41] };
    for credentials in [
        Credentials { system_id: "sixteen-octets-x", ..CREDENTIALS },
        Credentials { password: "nine-octs", ..CREDENTIALS },
        Credentials { system_type: "thirteen-octs", ..CREDENTIALS },
        Credentials { system_id: "a\0b", ..CREDENTIALS },
        Credentials { password: "şifrə", ..CREDENTIALS },
        Credentials { address_range: range, ..CREDENTIALS },
    ] {
        let error = pair.esme.session.bind(BindKind::Receiver, &credentials, pair.now);
        assert!(matches!(error, Err(BindError::Credential(_))), "{credentials:?}");
        assert_eq!(pair.esme.written(), []);
    }
}

#[test]
fn a_second_bind_is_answered_that_there_is_one() {
    let mut pair = Pair::bound(BindKind::Transmitter);
    pair.smsc.input(&pdu(Command::BIND_RECEIVER, 9, b"op\0pw\0\0\x34\0\0\0"), pair.now);
    assert_eq!(pair.smsc.written(), [(Command::BIND_RECEIVER_RESP, Status::ESME_RALYBND, 9)]);
    assert_eq!(pair.smsc.session.bind_kind(), Some(BindKind::Transmitter));
    let again = pair.esme.session.bind(BindKind::Receiver, &CREDENTIALS, pair.now);
    assert_eq!(again, Err(BindError::State));
}

#[test]
fn an_outbind_turns_the_listening_side_into_the_esme() {
    let mut pair = Pair::new(config());
    // The operator's SMSC calls our listening port: both began as SMSCs.
    pair.esme = Side::new(Role::Smsc, config(), pair.now);
    pair.smsc.session.outbind(&CREDENTIALS, pair.now).unwrap();
    pair.exchange();
    assert_eq!(pair.esme.take(), [Seen::Outbind("operator".to_owned())]);
    pair.esme.session.bind(BindKind::Receiver, &CREDENTIALS, pair.now).unwrap();
    pair.exchange();
    assert_eq!(pair.esme.take(), [Seen::Bound]);
    assert_eq!((pair.esme.session.role(), pair.smsc.session.role()), (Role::Esme, Role::Smsc));
    pair.deliver(b"2 AZE10000001", 1).unwrap();
    pair.exchange();
    assert!(matches!(pair.smsc.take().last(), Some(Seen::Answered { token: 1, .. })));
}

#[test]
fn either_side_unbinds() {
    for esme_first in [true, false] {
        let mut pair = Pair::bound(BindKind::Transceiver);
        let first = if esme_first { &mut pair.esme } else { &mut pair.smsc };
        first.session.unbind(pair.now);
        assert_eq!(first.session.state(), State::Unbinding(CloseReason::Unbound));
        pair.exchange();
        let (first, second) =
            if esme_first { (&mut pair.esme, &mut pair.smsc) } else { (&mut pair.smsc, &mut pair.esme) };
        assert_eq!(first.take(), [Seen::Closed(CloseReason::Unbound)]);
        assert_eq!(second.take(), [Seen::Unbinding, Seen::Closed(CloseReason::PeerUnbound)]);
        assert_eq!(first.session.next_timeout(), None);
        second.session.disconnected();
        assert_eq!(second.session.state(), State::Ended(CloseReason::PeerUnbound), "the first reason stays");
        assert_eq!(second.session.poll(pair.now).map(Seen::from), None, "closed once");
    }
}

#[test]
fn crossing_unbinds_end_both() {
    let mut pair = Pair::bound(BindKind::Transceiver);
    pair.esme.session.unbind(pair.now);
    pair.smsc.session.unbind(pair.now);
    pair.exchange();
    for side in [&mut pair.esme, &mut pair.smsc] {
        assert_eq!(side.take(), [Seen::Unbinding, Seen::Closed(CloseReason::Unbound)]);
    }
}

#[test]
fn while_unbinding_answers_still_pass_and_messages_are_put_off() {
    let mut pair = Pair::bound(BindKind::Transceiver);
    pair.smsc.answer = None;
    pair.submit(b"before", 1).unwrap();
    pair.exchange();
    let [Seen::Message { request, .. }] = pair.smsc.take()[..] else { panic!() };
    pair.smsc.session.unbind(pair.now);
    assert_eq!(pair.deliver(b"too late", 9), Err(SendError::NotBound));
    pair.submit(b"on its way", 2).unwrap();
    // The ESME's message and the SMSC's unbind cross; the SMSC then answers what it had taken.
    let to_smsc = std::mem::take(pair.esme.session.output());
    pair.smsc.input(&to_smsc, pair.now);
    pair.smsc.session.respond(request, Status::ESME_ROK, b"1");
    let written = pair.smsc.written();
    assert_eq!(
        written[1..],
        [
            (Command::SUBMIT_SM_RESP, Status::ESME_RTHROTTLED, 3),
            (Command::SUBMIT_SM_RESP, Status::ESME_ROK, 2)
        ]
    );
}

#[test]
fn unbind_is_answered_behind_the_messages_before_it() {
    let mut pair = Pair::bound(BindKind::Transceiver);
    pair.smsc.answer = None;
    pair.submit(b"one", 1).unwrap();
    pair.submit(b"two", 2).unwrap();
    pair.esme.session.unbind(pair.now);
    let octets = std::mem::take(pair.esme.session.output());
    // What comes behind the unbind is not read.
    pair.smsc.input(&[&octets[..], &octets[..20]].concat(), pair.now);
    let [Seen::Message { request: one, .. }, Seen::Message { request: two, .. }, Seen::Unbinding] =
        pair.smsc.take()[..]
    else {
        panic!()
    };
    assert_eq!(pair.smsc.written(), [], "it waits for the answers");
    assert_eq!(pair.smsc.session.window_free(), 0, "nothing more is sent");
    pair.smsc.session.respond(two, Status::ESME_ROK, b"2");
    pair.smsc.session.respond(one, Status::ESME_ROK, b"1");
    pair.smsc.drive(pair.now);
    let told = [(Command::SUBMIT_SM_RESP, 3), (Command::SUBMIT_SM_RESP, 2), (Command::UNBIND_RESP, 4)];
    assert_eq!(pair.smsc.written(), told.map(|(command, sequence)| (command, Status::ESME_ROK, sequence)));
    assert_eq!(pair.smsc.take(), [Seen::Closed(CloseReason::PeerUnbound)]);
}
