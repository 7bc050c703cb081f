use super::*;
use crate::clock::Now;
use icaze_store::ledger::Address;
use jiff::civil::Date;

const LIFETIME: SignedDuration = SignedDuration::from_secs(600);
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
        Self { outbox: Outbox::new([0, 0], LIFETIME, 1000, now), now }
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
        self.outbox.take(0, self.now, at(seconds)).map(|(seq, _)| seq)
    }

    fn answered(&mut self, seq: u64, verdict: Verdict) -> Option<Mark> {
        self.outbox.answered(seq, verdict, self.now).map(|settled| settled.mark)
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
    assert!(bench.outbox.take(1, bench.now, at(1)).is_none(), "another operator's are its own");
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
    assert!(bench.outbox.take(1, bench.now, at(1)).is_some(), "another operator's go as they did");
    let next = bench.outbox.next_send(0, bench.now).unwrap();
    assert!(next > bench.now);
    bench.now = next;
    assert_eq!(bench.take(2), Some(2), "the one behind it");
    bench.answered(2, Verdict::Taken);
    let next = bench.outbox.next_send(0, bench.now).unwrap();
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
    bench.outbox.unanswered(1);
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
    bench.outbox.unanswered(2);
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
    bench.outbox.unanswered(2);
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
    bench.outbox.unanswered(3);
    assert_eq!((bench.outbox.waiting(0), bench.take(1)), (1, Some(3)));
    bench.outbox.unanswered(3);
    assert_eq!(bench.expire(600), Some((3, Mark::Expired)), "its permit stands all the same");
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
    let taken = bench.outbox.take(0, bench.now, at(1)).map(|(id, envelope)| (id, envelope.text.to_owned()));
    assert_eq!(taken, Some((ADOPTED, "other".to_owned())));
    assert_eq!(bench.answered(ADOPTED, Verdict::Taken), Some(Mark::Sent));
    bench.outbox.withdraw(ADOPTED | 1);
    assert_eq!(bench.expire(600), Some((ADOPTED | 2, Mark::Expired)));
    assert_eq!((bench.take(1), bench.outbox.waiting(0)), (None, 0));
    assert!(ids.iter().all(|&id| !bench.outbox.has(id)));
}
