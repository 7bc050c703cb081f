//! Replies, from their decision until the operator has them or their time of use has passed.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::Instant;

use icaze_store::ledger::{Address, Mark};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use super::pace::Pace;
use super::permits::Holder;

/// A reply and what has become of it.
#[derive(Debug)]
pub struct Reply {
    operator: u16,
    envelope: Envelope,
    /// The permit that the reply carries the code of, if this very decision issued it.
    permit: Option<Issued>,
    state: State,
    /// Whether a byte of it may have been written.
    touched: bool,
    /// How its story ended; a reply that is sent once more because its request came again has ended before.
    ended: Option<Mark>,
    /// Whether the ledger says so.
    marked: bool,
    /// Whether the operator may have it, though it has not said so.
    uncertain: bool,
    /// Whether the request is no longer remembered, so that the reply can go as soon as it is marked.
    forgotten: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    InFlight,
    Settled,
}

/// A permit that a decision issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Issued {
    /// Whose, for what.
    pub holder: Holder,
    /// The day whose allowance it spent.
    pub day: Date,
}

/// The two addresses and the text of a reply, in one allocation.
pub struct Envelope {
    bytes: Box<[u8]>,
    source_end: u8,
    destination_end: u8,
    source_type: (u8, u8),
    destination_type: (u8, u8),
    expires_at: Timestamp,
}

impl Envelope {
    /// A reply with `text` from `source`, the number that was texted, to `destination`, who texted it.
    /// Addresses are cut at 65 bytes, which no PDU exceeds.
    #[must_use]
    pub fn new(source: &Address<'_>, destination: &Address<'_>, text: &str) -> Self {
        let cut = |address: &[u8]| address.len().min(65);
        let (source_len, destination_len) = (cut(source.digits), cut(destination.digits));
        let mut bytes = Vec::with_capacity(source_len + destination_len + text.len());
        bytes.extend_from_slice(source.digits.get(..source_len).unwrap_or_default());
        bytes.extend_from_slice(destination.digits.get(..destination_len).unwrap_or_default());
        bytes.extend_from_slice(text.as_bytes());
        Self {
            bytes: bytes.into(),
            source_end: u8::try_from(source_len).unwrap_or_default(),
            destination_end: u8::try_from(source_len + destination_len).unwrap_or_default(),
            source_type: (source.ton, source.npi),
            destination_type: (destination.ton, destination.npi),
            expires_at: Timestamp::MAX,
        }
    }

    /// The number that was texted.
    #[must_use]
    pub fn source(&self) -> Address<'_> {
        let (ton, npi) = self.source_type;
        Address { ton, npi, digits: self.bytes.get(..self.source_end.into()).unwrap_or_default() }
    }

    /// Who texted it.
    #[must_use]
    pub fn destination(&self) -> Address<'_> {
        let (ton, npi) = self.destination_type;
        let range = usize::from(self.source_end)..usize::from(self.destination_end);
        Address { ton, npi, digits: self.bytes.get(range).unwrap_or_default() }
    }

    /// Until when it is of use.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// What is answered.
    #[must_use]
    pub fn text(&self) -> &str {
        let text = self.bytes.get(usize::from(self.destination_end)..).unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }
}

impl std::fmt::Debug for Envelope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Envelope({} bytes)", self.bytes.len())
    }
}

/// A reply whose story has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// The decision's entry.
    pub seq: u64,
    /// How it ended.
    pub mark: Mark,
}

/// What an operator said of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It has it.
    Taken,
    /// It has no room now; try again, more slowly.
    Throttled,
    /// It will never take it.
    Refused,
}

/// Every reply that is waiting or in flight, and the settled ones whose requests are remembered.
#[derive(Debug)]
pub struct Outbox {
    replies: HashMap<u64, Reply>,
    queues: Vec<Queue>,
    expiries: BinaryHeap<Reverse<(Timestamp, u64)>>,
    lifetime: SignedDuration,
}

/// The replies of one operator that no bind has taken yet.
#[derive(Debug)]
struct Queue {
    /// Oldest first. May name replies that are no longer waiting; these are skipped.
    waiting: VecDeque<u64>,
    count: usize,
    pace: Pace,
}

/// Once the oldest waiting reply is older than this, the newest goes first: whoever has just texted is still
/// looking at the phone.
const FRESH: SignedDuration = SignedDuration::from_secs(30);

impl Outbox {
    /// An empty outbox for operators with these agreed rates (messages/s, 0 unlimited), in the order of their ids.
    #[must_use]
    pub fn new(rates: impl IntoIterator<Item = u32>, lifetime: SignedDuration, now: Instant) -> Self {
        let queue = |rate| Queue { waiting: VecDeque::new(), count: 0, pace: Pace::new(rate, now) };
        Self {
            replies: HashMap::new(),
            queues: rates.into_iter().map(queue).collect(),
            expiries: BinaryHeap::new(),
            lifetime,
        }
    }

    /// A reply that waits to be sent.
    pub fn insert(
        &mut self,
        seq: u64,
        operator: u16,
        envelope: Envelope,
        expires_at: Timestamp,
        permit: Option<Issued>,
    ) {
        let reply = Reply {
            operator,
            envelope: Envelope { expires_at, ..envelope },
            permit,
            state: State::Waiting,
            touched: false,
            ended: None,
            uncertain: false,
            marked: false,
            forgotten: false,
        };
        self.expiries.push(Reverse((expires_at, seq)));
        self.replies.insert(seq, reply);
        self.queue(seq, operator, false);
    }

    /// Takes the reply that `operator` should get next, for a bind that has room in its window. It is in flight
    /// until [`answered`](Self::answered) or [`unanswered`](Self::unanswered).
    pub fn take(&mut self, operator: u16, now: Instant, wall: Timestamp) -> Option<(u64, &Envelope)> {
        let queue = self.queues.get_mut(usize::from(operator))?;
        if queue.count == 0 {
            queue.waiting.clear();
            return None;
        }
        if !queue.pace.take(now) {
            return None;
        }
        let lifetime = self.lifetime;
        let replies = &self.replies;
        let waits = |seq: &u64| replies.get(seq).is_some_and(|reply| reply.state == State::Waiting);
        while queue.waiting.front().is_some_and(|seq| !waits(seq)) {
            queue.waiting.pop_front();
        }
        while queue.waiting.back().is_some_and(|seq| !waits(seq)) {
            queue.waiting.pop_back();
        }
        let stale = queue
            .waiting
            .front()
            .and_then(|seq| replies.get(seq))
            .is_some_and(|oldest| oldest.envelope.expires_at - lifetime + FRESH <= wall);
        let seq = if stale { queue.waiting.pop_back() } else { queue.waiting.pop_front() }?;
        queue.count = queue.count.saturating_sub(1);
        let reply = self.replies.get_mut(&seq)?;
        reply.state = State::InFlight;
        reply.touched = true;
        Some((seq, &reply.envelope))
    }

    /// When [`take`](Self::take) may succeed for `operator`, if only its rate forbids it now.
    #[must_use]
    pub fn next_send(&self, operator: u16, now: Instant) -> Option<Instant> {
        let queue = self.queues.get(usize::from(operator))?;
        if queue.count == 0 { None } else { queue.pace.next(now) }
    }

    /// What the operator said of a reply in flight. Returns it if that settles it for the first time.
    pub fn answered(&mut self, seq: u64, verdict: Verdict, now: Instant) -> Option<Settled> {
        let reply = self.replies.get_mut(&seq)?;
        if reply.state != State::InFlight {
            return None;
        }
        match verdict {
            Verdict::Taken => self.settle(seq, Mark::Sent),
            Verdict::Refused => {
                // What an earlier attempt may have brought to the phone stands.
                let ends = reply.permit.is_some() && !reply.uncertain;
                let mark = if ends { Mark::Undelivered } else { Mark::Rejected };
                self.settle(seq, mark)
            }
            Verdict::Throttled => {
                let operator = reply.operator;
                if let Some(queue) = self.queues.get_mut(usize::from(operator)) {
                    queue.pace.throttled(now);
                }
                self.wait_again(seq);
                None
            }
        }
    }

    /// A reply in flight will get no response: its timeout passed, or its session ended. The operator may have it.
    pub fn unanswered(&mut self, seq: u64) {
        if let Some(reply) = self.replies.get_mut(&seq).filter(|reply| reply.state == State::InFlight) {
            reply.uncertain = true;
            self.wait_again(seq);
        }
    }

    /// Whether entry `seq` has a reply, settled or not.
    #[must_use]
    pub fn has(&self, seq: u64) -> bool {
        self.replies.contains_key(&seq)
    }

    /// Sends a settled reply once more, because its request came again. Whether the stored decision can be the
    /// answer: not if its permit ended with the reply.
    pub fn reopen(&mut self, seq: u64, now: Timestamp) -> bool {
        let expires_at = now + self.lifetime;
        let Some(reply) = self.replies.get_mut(&seq) else { return false };
        match (reply.state, reply.ended) {
            (State::Waiting | State::InFlight, _) => true,
            (State::Settled, Some(Mark::Undelivered | Mark::Rejected)) => false,
            (State::Settled, _) => {
                reply.envelope.expires_at = expires_at;
                // It has had its mark, and what it carries may be on the phone: from now on it is only a courtesy.
                reply.permit = None;
                self.expiries.push(Reverse((expires_at, seq)));
                self.wait_again(seq);
                true
            }
        }
    }

    /// Settles the next waiting reply whose time of use has passed at `now`.
    pub fn expire(&mut self, now: Timestamp) -> Option<Settled> {
        while let Some(&Reverse((at, seq))) = self.expiries.peek() {
            if at > now {
                return None;
            }
            self.expiries.pop();
            let Some(reply) = self.replies.get(&seq) else { continue };
            match reply.state {
                State::Settled => {}
                _ if reply.envelope.expires_at > now => {}
                // Its response decides; looked at again after it must have come.
                State::InFlight => self.expiries.push(Reverse((now + SignedDuration::from_secs(1), seq))),
                State::Waiting => {
                    let unseen = reply.permit.is_some() && !reply.touched;
                    let settled = self.settle(seq, if unseen { Mark::Undelivered } else { Mark::Expired });
                    if settled.is_some() {
                        return settled;
                    }
                }
            }
        }
        None
    }

    /// Another reply carries the code of the permit of reply `seq` too: that permit no longer ends with this one.
    pub fn keep_permit(&mut self, seq: u64) {
        if let Some(reply) = self.replies.get_mut(&seq) {
            reply.permit = None;
        }
    }

    /// What the ledger says of a reply: its operator, and the permit that ended with it.
    pub fn apply(&mut self, seq: u64, mark: Mark) -> Option<(u16, Option<Issued>)> {
        if self.replies.get(&seq)?.ended.is_none() {
            self.settle(seq, mark);
        }
        let reply = self.replies.get_mut(&seq)?;
        reply.marked = true;
        let ended = if mark == Mark::Undelivered { reply.permit.take() } else { None };
        let applied = (reply.operator, ended);
        if reply.forgotten && reply.state == State::Settled {
            self.replies.remove(&seq);
        }
        Some(applied)
    }

    /// The request of this reply is no longer remembered.
    pub fn forget(&mut self, seq: u64) {
        if let Some(reply) = self.replies.get_mut(&seq) {
            reply.forgotten = true;
            if reply.marked && reply.state == State::Settled {
                self.replies.remove(&seq);
            }
        }
    }

    /// Replies of `operator` may have been written by an earlier run: this one, or all that were open.
    pub fn touch(&mut self, operator: u16, seq: Option<u64>) {
        let touch = |reply: &mut Reply| (reply.touched, reply.uncertain) = (true, true);
        match seq {
            Some(seq) => self.replies.get_mut(&seq).into_iter().for_each(touch),
            None => self.replies.values_mut().filter(|reply| reply.operator == operator).for_each(touch),
        }
    }

    /// One more operator, with the next id, that nothing can be sent to.
    pub fn add_operator(&mut self, now: Instant) {
        self.queues.push(Queue { waiting: VecDeque::new(), count: 0, pace: Pace::new(0, now) });
    }

    /// The rate that is agreed with the operator of this id, the next one if it is new; messages/s, 0 unlimited.
    pub fn agree(&mut self, operator: usize, rate: u32, now: Instant) {
        if operator == self.queues.len() {
            self.add_operator(now);
        }
        if let Some(queue) = self.queues.get_mut(operator) {
            queue.pace.agree(rate, now);
        }
    }

    /// Replies of `operator` that wait for a bind.
    #[must_use]
    pub fn waiting(&self, operator: u16) -> usize {
        self.queues.get(usize::from(operator)).map_or(0, |queue| queue.count)
    }

    /// The age of the reply that has waited longest.
    #[must_use]
    pub fn oldest(&self, now: Timestamp) -> SignedDuration {
        let waits = |seq: &u64| self.replies.get(seq).filter(|reply| reply.state == State::Waiting);
        let oldest = self.queues.iter().filter_map(|queue| queue.waiting.iter().find_map(waits));
        let made = oldest.map(|reply| reply.envelope.expires_at - self.lifetime).min();
        made.map_or(SignedDuration::ZERO, |made| now.duration_since(made))
    }

    /// The reply is no longer waiting or in flight. `None` if its story had ended before.
    fn settle(&mut self, seq: u64, mark: Mark) -> Option<Settled> {
        let reply = self.replies.get_mut(&seq)?;
        let waited = reply.state == State::Waiting;
        reply.state = State::Settled;
        let first = reply.ended.is_none();
        reply.ended.get_or_insert(mark);
        let (operator, done) = (reply.operator, reply.forgotten && reply.marked);
        if done {
            self.replies.remove(&seq);
        }
        if waited && let Some(queue) = self.queues.get_mut(usize::from(operator)) {
            queue.count = queue.count.saturating_sub(1);
            // Nobody may come to take any: what has expired makes room by itself, from the oldest on.
            let waits = |seq: &u64| self.replies.get(seq).is_some_and(|reply| reply.state == State::Waiting);
            while queue.waiting.front().is_some_and(|seq| !waits(seq)) {
                queue.waiting.pop_front();
            }
        }
        first.then_some(Settled { seq, mark })
    }

    fn wait_again(&mut self, seq: u64) {
        let Some(reply) = self.replies.get_mut(&seq) else { return };
        reply.state = State::Waiting;
        let operator = reply.operator;
        self.queue(seq, operator, true);
    }

    fn queue(&mut self, seq: u64, operator: u16, front: bool) {
        let Some(queue) = self.queues.get_mut(usize::from(operator)) else { return };
        queue.count += 1;
        if front { queue.waiting.push_front(seq) } else { queue.waiting.push_back(seq) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: SignedDuration = SignedDuration::from_secs(600);
    const ISSUED: Issued = Issued { holder: (7, 2), day: Date::constant(2020, 12, 14) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_607_940_000 + seconds).unwrap()
    }

    /// Tests need some origin of time; only differences matter.
    fn origin() -> Instant {
        Instant::now()
    }

    struct Bench {
        outbox: Outbox,
        now: Instant,
    }

    impl Bench {
        /// Two operators without agreed rates.
        fn new() -> Self {
            let now = origin();
            Self { outbox: Outbox::new([0, 0], LIFETIME, now), now }
        }

        /// A reply of operator 0 that was decided `seconds` after the beginning.
        fn insert(&mut self, seq: u64, seconds: i64, permit: Option<Issued>) {
            let address = Address { ton: 1, npi: 1, digits: b"1" };
            let envelope = Envelope::new(&address, &address, "text");
            self.outbox.insert(seq, 0, envelope, at(seconds) + LIFETIME, permit);
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
        let next = bench.outbox.next_send(0, bench.now).unwrap();
        assert!(next > bench.now);
        bench.now = next;
        assert_eq!(bench.take(2), Some(1), "it had its turn");
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
        bench.outbox.touch(0, Some(2));
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
        bench.outbox.forget(1);
        assert!(bench.outbox.has(1), "it still waits");
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
}
