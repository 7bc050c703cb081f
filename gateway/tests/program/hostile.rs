//! Peers that are slow, hostile or only clumsy, against the real program (rows 19 to 25, 28, 32, 33, 40 of docs/faults.md).

use std::io::Write as _;

use icaze_codec::pdu::{Command, Status};

use crate::operator::{Peer, pdu, submit};
use crate::support::{Gateway, Site};

/// Its digits stand in no timestamp and no measure by chance.
const PHONE: &str = "994507391846";

/// Messages in a flood, sent without waiting for anything.
const FLOOD: u32 = 20_000;

/// A gateway whose configuration has `settings`, `SECTION__KEY=VALUE`, and the directory that it lives in.
fn gateway(settings: &[&str]) -> (Site, Gateway) {
    let site = Site::new("");
    let gateway = site.start_with(settings);
    (site, gateway)
}

#[test]
fn what_is_no_smpp_is_nacked_and_closed_at_once() {
    let (_site, gateway) = gateway(&[]);
    let length = |bytes: u32| [&bytes.to_be_bytes()[..], &[0; 12]].concat();
    let mut others = vec![b"GET / HTTP/1.1\r\nHost: icaze\r\n\r\n".to_vec()];
    others.extend([0, 15, 1025, u32::MAX].map(length));
    for bytes in others {
        let mut peer = Peer::connect(&gateway.smpp);
        peer.send(&bytes);
        let nack = peer.read().unwrap();
        assert_eq!((nack.command, nack.status), (Command::GENERIC_NACK, Status::ESME_RINVCMDLEN));
        assert!(peer.is_closed());
    }
    Peer::bound(&gateway.smpp);
}

#[test]
fn before_a_bind_requests_are_told_so_and_nothing_else_happens() {
    let (_site, gateway) = gateway(&[]);
    let mut peer = Peer::connect(&gateway.smpp);
    peer.send(&submit(7, PHONE, "8103", "2 AZE20000000"));
    let response = peer.read().unwrap();
    assert_eq!((response.command, response.sequence), (Command::SUBMIT_SM_RESP, 7));
    assert_eq!(response.status, Status::ESME_RINVBNDSTS);
    peer.send(&pdu(Command::SUBMIT_SM_RESP, 9, b""));
    assert_eq!(peer.bind("demo", "demo1234").unwrap().status, Status::ESME_ROK, "it may still bind");
    assert!(!gateway.metrics().contains("icaze_decisions_total{"), "nothing was decided");
}

#[test]
fn dripping_bytes_end_at_the_deadlines() {
    let (_site, gateway) = gateway(&["SMPP__SESSION_INIT_TIMER_S=1", "SMPP__PDU_TIMER_S=1"]);
    let mut silent = Peer::connect(&gateway.smpp);
    assert!(silent.is_closed(), "the bind deadline");
    let mut dripping = Peer::bound(&gateway.smpp);
    dripping.send(&submit(2, PHONE, "8103", "2 AZE20000000")[..20]);
    assert!(dripping.read_until(Command::SUBMIT_SM_RESP).is_none(), "the PDU deadline");
}

#[test]
fn guessed_passwords_are_kept_waiting_and_live_binds_are_not() {
    let (_site, gateway) = gateway(&[]);
    let mut live = Peer::bound(&gateway.smpp);
    for attempt in 0..5 {
        let mut guessing = Peer::connect(&gateway.smpp);
        let system_id = if attempt % 2 == 0 { "demo" } else { "admin" };
        // No agreement names this address: it is not told which accounts there are.
        assert_eq!(guessing.bind(system_id, "wrong").unwrap().status, Status::ESME_RINVPASWD);
        assert!(guessing.is_closed());
    }
    let mut blocked = Peer::connect(&gateway.smpp);
    assert!(blocked.is_closed(), "closed before anything is read");
    live.send(&submit(2, PHONE, "8103", "2 AZE20000000"));
    assert_eq!(live.read_until(Command::SUBMIT_SM_RESP).unwrap().status, Status::ESME_ROK);
    let metrics = gateway.metrics();
    for cause in ["password", "system_id", "backoff"] {
        assert!(
            metrics.contains(&format!("icaze_smpp_binds_refused_total{{cause=\"{cause}\"}}")),
            "{metrics}"
        );
    }
}

#[test]
fn an_address_that_was_agreed_is_told_what_is_wrong_with_its_account() {
    let (_site, gateway) = gateway(&["OPERATORS__DEMO__ALLOW=127.0.0.0/8"]);
    for (system_id, expected) in [("demo", Status::ESME_RINVPASWD), ("admin", Status::ESME_RINVSYSID)] {
        let mut peer = Peer::connect(&gateway.smpp);
        assert_eq!(peer.bind(system_id, "wrong").unwrap().status, expected);
    }
}

#[test]
fn whoever_binds_from_elsewhere_cannot_tell_an_account_from_none() {
    let site = Site::new(
        "[operators.elsewhere]\nsystem_id = \"elsewhere\"\npassword = \"secret\"\nallow = [\"192.0.2.0/24\"]\n",
    );
    let gateway = site.start();
    for (system_id, password) in [("elsewhere", "wrong"), ("elsewhere", "secret"), ("nobody", "wrong")] {
        let mut peer = Peer::connect(&gateway.smpp);
        assert_eq!(peer.bind(system_id, password).unwrap().status, Status::ESME_RINVPASWD, "{system_id}");
        assert!(peer.is_closed());
    }
}

#[test]
fn malformed_bodies_get_their_status_and_the_session_lives() {
    let (_site, gateway) = gateway(&[]);
    let mut peer = Peer::bound(&gateway.smpp);
    let sound = submit(1, PHONE, "8103", "2 AZE20000000");
    let mut past_the_body = sound.clone();
    let sm_length = past_the_body.len() - "2 AZE20000000".len() - 1;
    past_the_body[sm_length] = 200;
    peer.send(&past_the_body);
    assert_eq!(peer.read_until(Command::SUBMIT_SM_RESP).unwrap().status, Status::ESME_RINVMSGLEN);
    peer.send(&pdu(Command::SUBMIT_SM, 2, b""));
    assert!(!peer.read_until(Command::SUBMIT_SM_RESP).unwrap().status.is_ok());
    for (command, status) in [
        (Command::QUERY_SM, Status::ESME_RQUERYFAIL),
        (Command::CANCEL_SM, Status::ESME_RCANCELFAIL),
        (Command::REPLACE_SM, Status::ESME_RREPLACEFAIL),
        (Command::SUBMIT_MULTI, Status::ESME_RSUBMITFAIL),
    ] {
        peer.send(&pdu(command, 3, b""));
        assert_eq!(peer.read_until(command.response()).unwrap().status, status, "{command:?}");
    }
    peer.send(&submit(4, PHONE, "8104", "2 AZE20000000"));
    assert_eq!(peer.read_until(Command::SUBMIT_SM_RESP).unwrap().status, Status::ESME_RINVDSTADR);
    peer.send(&sound);
    assert_eq!(peer.read_until(Command::SUBMIT_SM_RESP).unwrap().status, Status::ESME_ROK);
    assert!(peer.read_until(Command::DELIVER_SM).is_some());
}

#[test]
fn a_flood_beyond_the_window_is_put_off_and_the_rest_is_answered() {
    let (_site, gateway) = gateway(&["OPERATORS__DEMO__WINDOW_IN=10", "OPERATORS__DEMO__RETRY_STATUS=0x14"]);
    let mut peer = Peer::bound(&gateway.smpp);
    let before = resident_bytes(&gateway);
    let flood: Vec<u8> = (0..FLOOD)
        .flat_map(|n| submit(n + 2, &format!("99450{n:07}"), "8103", &format!("2 AZE2000{:04}", n % 10_000)))
        .collect();
    let mut sender = peer.sender();
    let sending = std::thread::spawn(move || sender.write_all(&flood).unwrap());
    let (mut taken, mut put_off, mut answered) = (0, 0, 0);
    while taken + put_off < FLOOD || answered < taken {
        let pdu = peer.read().unwrap();
        match (pdu.command, pdu.status) {
            (Command::SUBMIT_SM_RESP, Status::ESME_ROK) => taken += 1,
            (Command::SUBMIT_SM_RESP, Status::ESME_RMSGQFUL) => put_off += 1,
            (Command::DELIVER_SM, _) => {
                answered += 1;
                peer.answer(&pdu);
            }
            other => panic!("{other:?}"),
        }
    }
    sending.join().unwrap();
    assert!(put_off > 0 && taken >= 10, "taken {taken}, put off {put_off}");
    let counted = format!("icaze_throttled_total{{operator=\"demo\"}} {put_off}\n");
    assert!(gateway.metrics().contains(&counted), "{counted}");
    let grown = resident_bytes(&gateway) - before;
    assert!(grown < 64.0 * 1024.0 * 1024.0, "{grown} bytes more for {FLOOD} messages");
}

/// The memory that the process holds.
fn resident_bytes(gateway: &Gateway) -> f64 {
    let metrics = gateway.metrics();
    let line = metrics.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
    line.unwrap().parse().unwrap()
}

#[test]
fn more_than_the_agreed_rate_is_put_off_and_another_operator_is_not() {
    let other = [
        "OPERATORS__OTHER__SYSTEM_ID=other",
        "OPERATORS__OTHER__PASSWORD=secret",
        "OPERATORS__OTHER__RATE_IN=0",
    ];
    let (_site, gateway) = gateway(&[&["OPERATORS__DEMO__RATE_IN=5"], &other[..]].concat());
    let mut noisy = Peer::bound(&gateway.smpp);
    let mut calm = Peer::connect(&gateway.smpp);
    calm.bind("other", "secret").unwrap();
    for n in 0..20 {
        noisy.send(&submit(n + 2, &format!("99450{n:07}"), "8103", "salam"));
    }
    let mut put_off = 0;
    for _ in 0..20 {
        let status = noisy.read_until(Command::SUBMIT_SM_RESP).unwrap().status;
        put_off += usize::from(status == Status::ESME_RTHROTTLED);
    }
    assert!(put_off >= 10, "{put_off}");
    for n in 0..20 {
        calm.send(&submit(n + 2, &format!("99455{n:07}"), "8103", "salam"));
        assert_eq!(calm.read_until(Command::SUBMIT_SM_RESP).unwrap().status, Status::ESME_ROK);
    }
}

#[test]
fn the_same_text_on_two_binds_at_once_is_one_request() {
    let (_site, gateway) = gateway(&["LIMITS__PHONE_MAX=1000"]);
    let burst: Vec<u8> = (0..200)
        .flat_map(|n| submit(n + 2, &format!("99450{n:07}"), "8103", &format!("2 AZE2000{n:04}")))
        .collect();
    let mut binds = [(); 2].map(|()| Peer::bound(&gateway.smpp));
    let senders = binds.each_ref().map(Peer::sender);
    std::thread::scope(|scope| {
        for mut sender in senders {
            let burst = &burst;
            scope.spawn(move || sender.write_all(burst).unwrap());
        }
    });
    let [first, second] = binds.each_mut().map(|bind| {
        let responses = (0..200).map(|_| bind.read_until(Command::SUBMIT_SM_RESP).unwrap());
        responses.map(|response| (response.sequence, response.status, response.body)).collect::<Vec<_>>()
    });
    assert!(first.iter().all(|(_, status, _)| status.is_ok()));
    assert!(first == second, "the same message_ids");
    let granted = "icaze_decisions_total{outcome=\"granted\",reason=\"\",purpose=\"2\"} 200";
    assert!(gateway.metrics().contains(granted), "{}", gateway.metrics());
    assert!(!gateway.metrics().contains("outcome=\"repeated\""), "{}", gateway.metrics());
}

#[test]
fn a_flooding_phone_falls_silent_and_its_operator_is_never_put_off() {
    let (_site, gateway) = gateway(&["LIMITS__PHONE_MAX=5"]);
    let mut peer = Peer::bound(&gateway.smpp);
    for n in 0..50 {
        peer.send(&submit(n + 2, PHONE, "8103", &format!("salam {n}")));
    }
    let mut replies = 0;
    for _ in 0..50 {
        loop {
            let pdu = peer.read().unwrap();
            match pdu.command {
                Command::SUBMIT_SM_RESP => {
                    assert_eq!(pdu.status, Status::ESME_ROK);
                    break;
                }
                Command::DELIVER_SM => {
                    replies += 1;
                    peer.answer(&pdu);
                }
                other => panic!("{other:?}"),
            }
        }
    }
    // Whatever else was to come stands before the answer to this.
    peer.send(&pdu(Command::ENQUIRE_LINK, 99, b""));
    loop {
        let pdu = peer.read().unwrap();
        if pdu.command == Command::ENQUIRE_LINK_RESP {
            break;
        }
        replies += usize::from(pdu.command == Command::DELIVER_SM);
        peer.answer(&pdu);
    }
    assert_eq!(replies, 6, "five answers and one notice");
}

#[test]
fn sigterm_drains_unbinds_and_loses_nothing() {
    let (_site, mut gateway) = gateway(&[]);
    let mut peer = Peer::bound(&gateway.smpp);
    let burst: Vec<u8> = (0..500)
        .flat_map(|n| submit(n + 2, &format!("99450{n:07}"), "8103", &format!("2 AZE2000{n:04}")))
        .collect();
    peer.send(&burst);
    let first = peer.read().unwrap();
    assert_eq!((first.command, first.status), (Command::SUBMIT_SM_RESP, Status::ESME_ROK));
    gateway.terminate();
    let (mut acked, mut answered, mut unbound) = (1, 0, false);
    while let Some(pdu) = peer.read() {
        match pdu.command {
            Command::SUBMIT_SM_RESP => acked += usize::from(pdu.status.is_ok()),
            Command::DELIVER_SM => answered += 1,
            Command::UNBIND => unbound = true,
            other => panic!("{other:?}"),
        }
        peer.answer(&pdu);
    }
    assert_eq!(gateway.wait(), Some(0));
    assert!(unbound);
    assert_eq!(acked, answered, "each acknowledged text was answered before the end");
}

#[test]
fn a_second_signal_ends_at_once() {
    let (_site, mut gateway) = gateway(&["SMPP__DRAIN_S=600", "SMPP__RESPONSE_TIMER_S=300"]);
    let mut peer = Peer::bound(&gateway.smpp);
    gateway.terminate();
    assert_eq!(peer.read().map(|pdu| pdu.command), Some(Command::UNBIND), "it waits for the answer");
    gateway.terminate();
    assert_eq!(gateway.wait(), Some(1), "and is not given one");
}

#[test]
fn nothing_personal_stands_in_logs_and_metrics() {
    let (site, mut gateway) = gateway(&["LOG__LEVEL=trace"]);
    let mut peer = Peer::bound(&gateway.smpp);
    for (sequence, text) in
        (2..).zip(["2 AZE20086413", "2 AZE10000007", "2 AZE99873641", "salam 20086413", "2 AZE200864"])
    {
        peer.send(&submit(sequence, PHONE, "8103", text));
        assert!(peer.read_until(Command::DELIVER_SM).is_some());
    }
    let metrics = gateway.metrics();
    gateway.terminate();
    while let Some(pdu) = peer.read() {
        peer.answer(&pdu);
    }
    gateway.wait();
    let log = site.log();
    assert!(log.contains("ready"), "the log was read: {log}");
    for personal in ["7391846", "20086413", "10000007", "99873641", "AZE200864", "salam"] {
        assert!(!log.contains(personal), "{personal} is in the log");
        assert!(!metrics.contains(personal), "{personal} is in the metrics");
    }
}
