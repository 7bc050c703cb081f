use super::tries::{FAILED_MAX, PUT_OFF};
use super::*;
use crate::clock::Now;
use icaze_store::ledger::Address;
use jiff::civil::Date;

const LIFETIME: SignedDuration = SignedDuration::from_secs(600);
const RESPONSE: Duration = Duration::from_secs(10);
const AGREED: Agreed = Agreed { rate: 0, copies_max: 3 };
const ISSUED: Issued = Issued { number: 3, holder: (7, 2), day: Date::constant(2020, 12, 14) };

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_607_940_000 + seconds).unwrap()
}

/// Tests need some origin of time; only differences matter.
fn origin() -> Instant {
    Now::read().monotonic
}

struct Bench {
    outbox: Outbox,
    now: Instant,
}

impl Bench {
    /// Two operators without agreed rates.
    fn new() -> Self {
        let now = origin();
        Self { outbox: Outbox::new([AGREED; 2], LIFETIME, RESPONSE, 1000, now), now }
    }

    /// A reply of operator 0 that was decided `seconds` after the beginning.
    fn insert(&mut self, seq: u64, seconds: i64, permit: Option<Issued>) {
        self.insert_of(0, seq, seconds, permit);
    }

    fn insert_of(&mut self, operator: u16, seq: u64, seconds: i64, permit: Option<Issued>) {
        let address = Address { ton: 1, npi: 1, digits: b"1" };
        let expires_at = at(seconds) + LIFETIME;
        let envelope = Envelope { source: address, destination: address, text: "text", expires_at };
        self.outbox.insert(seq, operator, &envelope, permit);
    }

    fn take(&mut self, seconds: i64) -> Option<u64> {
        self.outbox.take(0, None, self.now, at(seconds)).map(|(seq, _)| seq)
    }

    fn answered(&mut self, seq: u64, verdict: Verdict) -> Option<Mark> {
        self.outbox.answered(seq, verdict, self.now).map(|settled| settled.mark)
    }

    fn unanswered(&mut self, seq: u64) -> Option<Mark> {
        self.outbox.unanswered(seq, self.now).map(|settled| settled.mark)
    }

    /// Nothing was heard of a reply within the timer, from bind 1.
    fn overdue(&mut self, seq: u64) -> Option<Mark> {
        self.now += RESPONSE;
        self.outbox.overdue(seq, 1, self.now, at(10)).map(|settled| settled.mark)
    }

    fn late(&mut self, seq: u64, verdict: Verdict) -> Option<Mark> {
        self.outbox.late(seq, verdict, self.now).map(|settled| settled.mark)
    }

    fn expire(&mut self, seconds: i64) -> Option<(u64, Mark)> {
        self.outbox.expire(at(seconds)).map(|settled| (settled.seq, settled.mark))
    }
}

#[test]
fn replies_go_in_the_order_of_their_decisions() {
    let mut bench = Bench::new();
    (1..=3).for_each(|seq| bench.insert(seq, 0, None));
    assert_eq!(
        [bench.take(1), bench.take(1), bench.take(1), bench.take(1)],
        [Some(1), Some(2), Some(3), None]
    );
    assert!(bench.outbox.take(1, None, bench.now, at(1)).is_none(), "another operator's are its own");
}

#[test]
fn after_an_absence_the_newest_goes_first() {
    let mut bench = Bench::new();
    (1..=3).for_each(|seq| bench.insert(seq, 100 * seq as i64, None));
    assert_eq!([bench.take(301), bench.take(301), bench.take(301)], [Some(3), Some(2), Some(1)]);
}

#[test]
fn a_reply_ends_once() {
    let mut bench = Bench::new();
    bench.insert(1, 0, Some(ISSUED));
    bench.take(1);
    assert_eq!(bench.answered(1, Verdict::Taken), Some(Mark::Sent));
    assert_eq!(bench.answered(1, Verdict::Refused), None);
    assert_eq!(bench.expire(700), None);
    assert_eq!(bench.outbox.waiting(0), 0);
}

#[test]
fn throttled_replies_wait_and_slow_the_operator_down() {
    let mut bench = Bench::new();
    (1..=2).for_each(|seq| bench.insert(seq, 0, None));
    assert_eq!(bench.take(1), Some(1));
    assert_eq!(bench.answered(1, Verdict::Throttled), None);
    assert_eq!((bench.outbox.waiting(0), bench.take(1)), (2, None));
    bench.insert_of(1, 3, 0, None);
    assert!(bench.outbox.take(1, None, bench.now, at(1)).is_some(), "another operator's go as they did");
    let next = bench.outbox.next_send(0, None, bench.now).unwrap();
    assert!(next > bench.now);
    bench.now = next;
    assert_eq!(bench.take(2), Some(2), "the one behind it");
    bench.answered(2, Verdict::Taken);
    let next = bench.outbox.next_send(0, None, bench.now).unwrap();
    assert_eq!((bench.take(3), next >= bench.now + PUT_OFF / 2), (None, true), "left alone for a while");
    bench.now = next;
    assert_eq!(bench.take(7), Some(1));
}

#[test]
fn one_that_is_put_off_for_ever_holds_nobody_up() {
    let mut bench = Bench::new();
    bench.insert(1, 0, None);
    let (mut sent, mut tries) = (0, 0);
    for second in 0..120_u64 {
        bench.insert(second + 2, second as i64, None);
        bench.now += Duration::from_secs(1);
        while let Some(seq) = bench.take(second as i64) {
            let full = seq == 1;
            bench.answered(seq, if full { Verdict::Throttled } else { Verdict::Taken });
            (sent, tries) = (sent + u64::from(!full), tries + u64::from(full));
        }
    }
    assert!(sent >= 110 && (20..=25).contains(&tries), "{sent} of 120 were sent, {tries} tries");
    assert_eq!(bench.outbox.oldest(at(120)), SignedDuration::from_secs(120));
}

#[test]
fn what_nobody_can_have_seen_ends_its_permit_once() {
    let mut bench = Bench::new();
    bench.insert(1, 0, Some(ISSUED));
    bench.insert(2, 0, None);
    assert_eq!(bench.expire(599), None);
    let expired = [bench.expire(600), bench.expire(600), bench.expire(600)];
    assert_eq!(expired, [Some((1, Mark::Undelivered)), Some((2, Mark::Expired)), None]);
    assert_eq!(bench.outbox.apply(1, Mark::Undelivered), Some((0, Some(ISSUED))));
    assert_eq!(bench.outbox.apply(1, Mark::Undelivered), Some((0, None)));
}

#[test]
fn what_may_have_been_sent_keeps_its_permit() {
    let mut bench = Bench::new();
    (1..=3).for_each(|seq| bench.insert(seq, 0, Some(ISSUED)));
    assert_eq!(bench.take(1), Some(1));
    bench.unanswered(1);
    bench.outbox.touch(2);
    bench.outbox.keep_permit(3);
    let mut expired = [bench.expire(600), bench.expire(600), bench.expire(600)];
    expired.sort_by_key(|settled| settled.map(|(seq, _)| seq));
    assert_eq!(expired, [1, 2, 3].map(|seq| Some((seq, Mark::Expired))));
}

#[test]
fn a_refusal_ends_the_permit_unless_an_earlier_attempt_may_have_arrived() {
    let mut bench = Bench::new();
    bench.insert(1, 0, Some(ISSUED));
    assert_eq!(bench.take(1), Some(1));
    assert_eq!(bench.answered(1, Verdict::Refused), Some(Mark::Undelivered));
    bench.insert(2, 0, Some(ISSUED));
    assert_eq!(bench.take(1), Some(2));
    bench.unanswered(2);
    assert_eq!(bench.take(1), Some(2));
    assert_eq!(bench.answered(2, Verdict::Refused), Some(Mark::Rejected));
    bench.insert(3, 0, None);
    assert_eq!(bench.take(1), Some(3));
    assert_eq!(bench.answered(3, Verdict::Refused), Some(Mark::Rejected));
}

#[test]
fn a_settled_reply_goes_again_if_its_permit_did_not_end() {
    let mut bench = Bench::new();
    (1..=2).for_each(|seq| bench.insert(seq, 0, Some(ISSUED)));
    assert_eq!([bench.take(1), bench.take(1)], [Some(1), Some(2)]);
    assert_eq!(bench.answered(1, Verdict::Taken), Some(Mark::Sent));
    assert_eq!(bench.answered(2, Verdict::Refused), Some(Mark::Undelivered));
    assert!(bench.outbox.reopen(1, at(100)));
    assert!(!bench.outbox.reopen(2, at(100)));
    assert_eq!(bench.expire(699), None, "it has a new life");
    assert_eq!(bench.take(101), Some(1));
    assert_eq!(bench.answered(1, Verdict::Refused), None, "its story has ended: it is on the phone");
}

#[test]
fn what_is_marked_and_forgotten_takes_no_memory() {
    let mut bench = Bench::new();
    bench.insert(1, 0, None);
    bench.outbox.forget_before(2);
    bench.insert(2, 0, None);
    assert!(bench.outbox.has(1), "it still waits");
    assert_eq!(bench.outbox.replies.envelope(1).map(|envelope| envelope.text), Some("text"));
    bench.expire(600);
    bench.outbox.apply(1, Mark::Expired);
    assert!(!bench.outbox.has(1));
}

#[test]
fn the_queue_of_an_operator_who_never_comes_is_bounded() {
    let mut bench = Bench::new();
    for seq in 1..=5000 {
        bench.insert(seq, seq as i64, None);
        bench.expire(seq as i64);
    }
    assert_eq!(bench.outbox.waiting(0), 600);
    assert_eq!(bench.outbox.queues[0].waiting.len(), 600);
}

#[test]
fn what_an_earlier_run_may_have_written_keeps_its_permit() {
    let mut bench = Bench::new();
    (1..=2).for_each(|seq| bench.insert(seq, 0, Some(ISSUED)));
    bench.outbox.touch_before(0, 2);
    assert_eq!(
        [bench.expire(600), bench.expire(600)],
        [Some((1, Mark::Expired)), Some((2, Mark::Undelivered))]
    );
}

#[test]
fn a_forgotten_reply_still_goes_out_and_expires() {
    let mut bench = Bench::new();
    (1..=40).filter(|seq| seq % 3 > 0).for_each(|seq| bench.insert(seq, 0, None));
    bench.outbox.forget_before(30);
    bench.insert(70, 1, None);
    (71..=90).for_each(|seq| bench.insert(seq, 1, None));
    assert_eq!(bench.outbox.replies.next(0), Some(30), "those before have left their places");
    assert_eq!([bench.take(2), bench.take(2)], [Some(1), Some(2)]);
    assert_eq!(bench.answered(1, Verdict::Taken), Some(Mark::Sent));
    bench.outbox.apply(1, Mark::Sent);
    assert!(!bench.outbox.has(1));
    let mut expired: Vec<u64> = std::iter::from_fn(|| bench.expire(600)).map(|(seq, _)| seq).collect();
    expired.sort_unstable();
    let others: Vec<u64> = (4..=40).filter(|seq| seq % 3 > 0).collect();
    assert_eq!(expired, others, "2 is in flight");
    bench.unanswered(2);
    assert_eq!(bench.expire(602), Some((2, Mark::Expired)));
}

#[test]
fn an_operator_of_whom_too_many_wait_is_full() {
    let mut bench = Bench::new();
    (1..1000).for_each(|seq| bench.insert(seq, 0, None));
    assert!(!bench.outbox.is_full(0));
    bench.insert(1000, 0, None);
    assert!(bench.outbox.is_full(0) && !bench.outbox.is_full(1));
    bench.take(1);
    assert!(!bench.outbox.is_full(0));
}

#[test]
fn what_another_node_holds_is_not_sent_until_it_is_back_and_ends_as_that_one_says() {
    let mut bench = Bench::new();
    (1..=4).for_each(|seq| bench.insert(seq, 0, Some(ISSUED)));
    assert!((1..=3).all(|seq| bench.outbox.withhold(seq)));
    assert_eq!(bench.outbox.waiting(0), 1);
    assert_eq!([bench.take(1), bench.take(1)], [Some(4), None]);
    assert!(!bench.outbox.withhold(1) && !bench.outbox.withhold(4), "nothing that is on its way already");

    assert_eq!(bench.answered(1, Verdict::Taken), Some(Mark::Sent));
    assert_eq!(bench.answered(2, Verdict::Refused), Some(Mark::Rejected), "the phone may have its code");
    bench.outbox.back(3);
    assert_eq!((bench.outbox.waiting(0), bench.take(1)), (1, Some(3)));
    assert_eq!(
        bench.unanswered(3),
        Some(Mark::Unconfirmed),
        "another node may have sent it as often as it may be"
    );
}

#[test]
fn an_adopted_reply_is_sent_like_any_other_and_leaves_nothing_behind() {
    let mut bench = Bench::new();
    bench.insert(7, 0, None);
    let address = Address { ton: 1, npi: 1, digits: b"2" };
    let ids = [ADOPTED, ADOPTED | 1, ADOPTED | 2];
    for id in ids {
        let envelope = Envelope { source: address, destination: address, text: "other", expires_at: at(600) };
        bench.outbox.adopt(id, 0, &envelope);
    }
    assert_eq!((bench.outbox.waiting(0), bench.outbox.first()), (4, Some(7)), "no start reads them");
    assert_eq!(bench.take(1), Some(7));
    let taken =
        bench.outbox.take(0, None, bench.now, at(1)).map(|(id, envelope)| (id, envelope.text.to_owned()));
    assert_eq!(taken, Some((ADOPTED, "other".to_owned())));
    assert_eq!(bench.answered(ADOPTED, Verdict::Taken), Some(Mark::Sent));
    bench.outbox.withdraw(ADOPTED | 1);
    assert_eq!(bench.expire(600), Some((ADOPTED | 2, Mark::Expired)));
    assert_eq!((bench.take(1), bench.outbox.waiting(0)), (None, 0));
    assert!(ids.iter().all(|&id| !bench.outbox.has(id)));
}

#[test]
fn copies_go_after_1_4_and_16_timers_and_then_the_reply_is_unconfirmed() {
    let mut bench = Bench::new();
    bench.insert(1, 0, Some(ISSUED));
    let mut went = Vec::new();
    let began = bench.now;
    let ended = loop {
        bench.now = bench.outbox.next_send(0, None, bench.now).unwrap_or(bench.now);
        assert_eq!(bench.take(0), Some(1));
        went.push((bench.now - began).as_secs());
        let ended = bench.overdue(1);
        if ended.is_some() {
            break ended;
        }
    };
    assert_eq!((went, ended), (vec![0, 10, 50, 210], Some(Mark::Unconfirmed)));
    assert_eq!((bench.outbox.copied(0), bench.outbox.waiting(0), bench.take(0)), (3, 0, None));
    assert_eq!(bench.late(1, Verdict::Refused), None, "it stands as it is");
    assert_eq!(bench.late(1, Verdict::Taken), Some(Mark::Sent));
    assert_eq!(bench.late(1, Verdict::Taken), None, "once");
}

#[test]
fn a_late_response_settles_its_reply_and_a_late_refusal_only_with_every_copy() {
    let mut bench = Bench::new();
    (1..=3).for_each(|seq| bench.insert(seq, 0, Some(ISSUED)));
    for _ in 0..2 {
        let taken = [bench.take(0), bench.take(0), bench.take(0)].map(Option::unwrap);
        assert_eq!(taken.map(|seq| bench.outbox.overdue(seq, 1, bench.now, at(10))), [None; 3]);
        bench.now += RESPONSE;
    }
    assert_eq!((bench.outbox.waiting(0), bench.outbox.copies_waiting(0)), (3, 3));
    assert_eq!(bench.late(1, Verdict::Taken), Some(Mark::Sent));
    assert_eq!(bench.late(1, Verdict::Refused), None);
    assert_eq!(bench.late(2, Verdict::Refused), None, "the other copy may be on the phone");
    assert_eq!(bench.late(2, Verdict::Refused), Some(Mark::Undelivered), "no phone has it");
    assert_eq!(bench.late(3, Verdict::Throttled), None);
    assert_eq!(bench.late(3, Verdict::Refused), Some(Mark::Undelivered), "what was put off is no copy");
    assert_eq!((bench.outbox.waiting(0), bench.outbox.copies_waiting(0)), (0, 0));
}

#[test]
fn a_late_refusal_waits_for_the_copy_that_is_under_way() {
    let mut bench = Bench::new();
    bench.insert(1, 0, Some(ISSUED));
    bench.take(0);
    bench.overdue(1);
    bench.take(0);
    assert_eq!(bench.late(1, Verdict::Refused), None);
    assert_eq!(bench.answered(1, Verdict::Refused), Some(Mark::Undelivered));

    bench.insert(2, 0, Some(ISSUED));
    bench.take(0);
    bench.overdue(2);
    bench.take(0);
    assert_eq!(bench.answered(2, Verdict::Refused), Some(Mark::Rejected), "the first copy may have arrived");
    assert_eq!(bench.late(2, Verdict::Taken), Some(Mark::Sent), "and did");
}

#[test]
fn a_copy_goes_by_another_bind_where_there_is_one() {
    let mut bench = Bench::new();
    bench.insert(1, 0, None);
    let take = |bench: &mut Bench, bind| bench.outbox.take(0, bind, bench.now, at(0)).map(|(seq, _)| seq);
    take(&mut bench, Some(1));
    bench.overdue(1);
    assert_eq!((take(&mut bench, Some(1)), take(&mut bench, Some(2))), (None, Some(1)));
    assert_eq!(bench.answered(1, Verdict::Unbound(2)), None);
    assert_eq!((take(&mut bench, Some(2)), take(&mut bench, Some(1))), (None, Some(1)));
    assert_eq!(bench.answered(1, Verdict::Unbound(1)), None);
    let next = bench.outbox.next_send(0, Some(1), bench.now).unwrap();
    assert_eq!(next, bench.now + Duration::from_secs(5 + 1), "the others may be full");
    bench.now = next;
    assert_eq!(take(&mut bench, Some(1)), Some(1));
}

#[test]
fn a_reply_of_which_every_bind_is_none_is_tried_five_times_and_given_up() {
    let mut bench = Bench::new();
    bench.insert(1, 0, Some(ISSUED));
    let (began, mut went) = (bench.now, Vec::new());
    let ended = loop {
        bench.now = bench.outbox.next_send(0, Some(7), bench.now).unwrap_or(bench.now);
        assert_eq!(bench.outbox.take(0, Some(7), bench.now, at(0)).map(|(seq, _)| seq), Some(1));
        went.push((bench.now - began).as_secs());
        // Each time it is a bind of another number.
        if let Some(ended) = bench.answered(1, Verdict::Unbound(went.len() as u32)) {
            break ended;
        }
    };
    assert_eq!((went, ended), (vec![0, 0, 5, 15, 35], Mark::Undelivered));
}

#[test]
fn an_operator_that_answers_none_of_20_gets_no_copies_until_it_answers_one() {
    let mut bench = Bench::new();
    (1..=21).for_each(|seq| bench.insert(seq, 0, None));
    for _ in 1..=20 {
        let seq = bench.outbox.take(0, None, bench.now, at(0)).unwrap().0;
        bench.outbox.overdue(seq, 1, bench.now, at(i64::try_from(seq).unwrap()));
        // Copies wait behind the first tries here.
        bench.outbox.queues[0].later_next = false;
    }
    let silence = bench.outbox.silence(0);
    assert_eq!((silence.replies, silence.since, silence.holds_copies()), (20, Some(at(1)), true));
    assert_eq!((bench.take(0), bench.take(0)), (Some(21), None), "a reply that is new");
    assert_eq!(bench.outbox.next_send(0, None, bench.now), None);
    assert_eq!(bench.answered(21, Verdict::Throttled), None);
    assert_eq!(bench.outbox.silence(0), Silence::default());
    bench.now += RESPONSE;
    assert!(bench.take(0).is_some(), "it has answered");
}

#[test]
fn what_the_operator_fails_to_take_is_tried_five_times_ever_more_rarely() {
    let mut bench = Bench::new();
    bench.insert(1, 0, Some(ISSUED));
    let (began, mut went) = (bench.now, Vec::new());
    let ended = loop {
        bench.now = bench.outbox.next_send(0, None, bench.now).unwrap_or(bench.now);
        assert_eq!(bench.take(0), Some(1));
        went.push((bench.now - began).as_secs());
        if let Some(ended) = bench.answered(1, Verdict::Failed) {
            break ended;
        }
    };
    assert_eq!((went, ended), (vec![0, 5, 15, 35, 75], Mark::Undelivered));
    assert_eq!(bench.outbox.tried.len(), 0, "nothing is left of it");
    assert_eq!(FAILED_MAX, 5);
}

#[test]
fn what_an_earlier_run_may_have_sent_is_sent_once_more() {
    let mut bench = Bench::new();
    (1..=2).for_each(|seq| bench.insert(seq, 0, Some(ISSUED)));
    bench.outbox.touch(1);
    bench.outbox.touch_before(0, 3);
    assert_eq!([bench.take(0), bench.take(0)], [Some(1), Some(2)]);
    assert_eq!([bench.overdue(1), bench.unanswered(2)], [Some(Mark::Unconfirmed); 2]);
    assert_eq!(bench.take(0), None);
}
