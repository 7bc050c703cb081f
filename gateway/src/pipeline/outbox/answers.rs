//! What an operator says of a reply, in time, late or not at all.

use std::time::Instant;

use icaze_store::ledger::Mark;
use jiff::Timestamp;

use super::reply::State;
use super::tries::{Again, FAILED_MAX, PUT_OFF};
use super::{Outbox, Settled, Silence, Verdict};

/// Copies of one reply in one run, whatever is agreed: no reply reaches a phone more than five times by
/// itself.
const COPIES_MAX: u8 = 4;

impl Outbox {
    /// What the operator said of a reply in flight. Returns it if that settles it for the first time.
    pub fn answered(&mut self, seq: u64, verdict: Verdict, now: Instant) -> Option<Settled> {
        self.heard(seq);
        self.replies.get(seq).filter(|reply| reply.state == State::InFlight)?;
        match verdict {
            Verdict::Taken => self.settle(seq, Mark::Sent),
            Verdict::Refused => self.refused(seq),
            Verdict::Failed | Verdict::Unbound(_) => {
                let tries = self.tried.entry(seq).or_default();
                tries.failed = tries.failed.saturating_add(1);
                if tries.failed >= FAILED_MAX {
                    return self.refused(seq);
                }
                let due = if let Verdict::Unbound(bind) = verdict {
                    tries.avoided = Some(bind);
                    tries.next_bind(now)
                } else {
                    tries.next_try(now)
                };
                self.go_again(seq, due, Again::Try);
                None
            }
            Verdict::Throttled => {
                self.slow_down(seq, now);
                self.tried.entry(seq).or_default().avoided = None;
                self.go_again(seq, now + PUT_OFF, Again::Try);
                None
            }
        }
    }

    /// What the operator said of a copy after its time. Returns the reply if that settles it.
    pub fn late(&mut self, seq: u64, verdict: Verdict, now: Instant) -> Option<Settled> {
        self.heard(seq);
        let reply = self.replies.get_mut(seq)?;
        match (verdict, reply.ended) {
            (Verdict::Taken, None) => self.settle(seq, Mark::Sent),
            // The phone has it, whatever was thought of it or said of another copy.
            (Verdict::Taken, Some(Mark::Unconfirmed | Mark::Rejected)) => {
                reply.ended = Some(Mark::Sent);
                Some(Settled { seq, mark: Mark::Sent })
            }
            (Verdict::Taken, Some(_)) => None,
            (Verdict::Refused, _) => {
                let waits = reply.state == State::Waiting;
                let tries = self.tried.get_mut(&seq).filter(|tries| tries.is_open())?;
                tries.refused += 1;
                // What is in flight has a response of its own to come.
                let every = !tries.is_open() && waits;
                every.then(|| self.refused(seq)).flatten()
            }
            // The operator does not have this one, so that it counts as no copy.
            (Verdict::Throttled | Verdict::Failed | Verdict::Unbound(_), _) => {
                if verdict == Verdict::Throttled {
                    self.slow_down(seq, now);
                }
                let tries = self.tried.get_mut(&seq).filter(|tries| tries.is_open())?;
                tries.unanswered -= 1;
                None
            }
        }
    }

    /// A reply in flight got no response in time from the bind of this number. Returns it if it has been sent as often as
    /// it may be.
    pub fn overdue(&mut self, seq: u64, bind: u32, now: Instant, wall: Timestamp) -> Option<Settled> {
        let operator = self.replies.get(seq)?.operator;
        let tries = self.tried.entry(seq).or_default();
        tries.avoided = Some(bind);
        if tries.unanswered == 0
            && let Some(queue) = self.queues.get_mut(usize::from(operator))
        {
            queue.silence.goes_on(wall);
        }
        self.unanswered(seq, now)
    }

    /// A reply in flight will get no response, for its session has ended: the operator may have it. As with
    /// [`overdue`](Self::overdue), but it says nothing of how the operator answers.
    pub fn unanswered(&mut self, seq: u64, now: Instant) -> Option<Settled> {
        let reply = self.replies.get(seq).filter(|reply| reply.state == State::InFlight)?;
        let queue = self.queues.get(usize::from(reply.operator))?;
        // One that an earlier run or another node may have sent as often as it may be is sent once more.
        let copies =
            if reply.uncertain || seq < queue.touched_before { 0 } else { queue.copies_max.min(COPIES_MAX) };
        let tries = self.tried.entry(seq).or_default();
        tries.unanswered = tries.unanswered.saturating_add(1);
        if tries.unanswered > copies {
            return self.settle(seq, Mark::Unconfirmed);
        }
        let due = tries.next_copy(self.response, now);
        self.go_again(seq, due, Again::Copy);
        None
    }

    /// How often the operator failed to take reply `seq`, or said that its bind is none.
    #[must_use]
    pub fn failures(&self, seq: u64) -> u8 {
        self.tried.get(&seq).map_or(0, |tries| tries.failed)
    }

    /// How an operator leaves replies unanswered.
    #[must_use]
    pub fn silence(&self, operator: u16) -> Silence {
        self.queues.get(usize::from(operator)).map(|queue| queue.silence).unwrap_or_default()
    }

    /// How many copies wait for their time, or for an operator that answers.
    #[must_use]
    pub fn copies_waiting(&self, operator: u16) -> usize {
        self.queues.get(usize::from(operator)).map_or(0, |queue| queue.later.copies())
    }

    /// How many copies went to an operator, since the start.
    #[must_use]
    pub fn copied(&self, operator: u16) -> u64 {
        self.queues.get(usize::from(operator)).map_or(0, |queue| queue.copied)
    }

    /// The operator of reply `seq` answers.
    fn heard(&mut self, seq: u64) {
        let operator = self.replies.get(seq).map(|reply| usize::from(reply.operator));
        if let Some(queue) = operator.and_then(|operator| self.queues.get_mut(operator)) {
            queue.silence = Silence::default();
        }
    }

    fn slow_down(&mut self, seq: u64, now: Instant) {
        let operator = self.replies.get(seq).map(|reply| usize::from(reply.operator));
        if let Some(queue) = operator.and_then(|operator| self.queues.get_mut(operator)) {
            queue.pace.throttled(now);
        }
    }

    /// A reply was refused for good. What an earlier run, or another copy, may have brought to the phone stands.
    fn refused(&mut self, seq: u64) -> Option<Settled> {
        let reply = self.replies.get(seq)?;
        let before = self.queues.get(usize::from(reply.operator)).map_or(0, |queue| queue.touched_before);
        let ends = reply.permit.is_some() && !reply.uncertain && seq >= before;
        let open = self.tried.get(&seq).is_some_and(|tries| tries.is_open());
        self.settle(seq, if ends && !open { Mark::Undelivered } else { Mark::Rejected })
    }

    /// A reply in flight waits until it is due.
    fn go_again(&mut self, seq: u64, due: Instant, again: Again) {
        let Some(reply) = self.replies.get_mut(seq) else { return };
        reply.state = State::Waiting;
        if let Some(queue) = self.queues.get_mut(usize::from(reply.operator)) {
            queue.later.push(seq, self.tried.entry(seq).or_default(), due, again);
            queue.count += 1;
        }
    }
}
