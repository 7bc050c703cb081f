//! Replies, from their decision until the operator has them or their time of use has passed.

mod answers;
mod queue;
mod replies;
mod reply;
mod texts;
mod tries;

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use icaze_store::ledger::Mark;
use jiff::{SignedDuration, Timestamp};

use self::queue::Queue;
pub use self::queue::Silence;
use self::replies::Replies;
use self::reply::State;
pub use self::reply::{Envelope, Issued};
use self::tries::{Again, Tried};

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
    /// It failed to take it; try again, a few times.
    Failed,
    /// The bind of this number is none, as far as it knows; try another one, a few times.
    Unbound(u32),
    /// It will never take it.
    Refused,
}

/// Every reply that is waiting or in flight, and the settled ones whose requests are remembered.
///
/// A reply costs a place in the order of the ledger and its bytes behind those of the one before; none is allocated alone.
#[derive(Debug)]
pub struct Outbox {
    replies: Replies,
    queues: Vec<Queue>,
    /// What was tried with replies that have not ended.
    tried: Tried,
    /// The first entry whose reply has not been looked at for having expired. Replies expire in the order they were decided,
    /// but for those in `revisits`.
    due: u64,
    /// When to look at a reply again: it was in flight when its time had passed, is sent once more, or is a late one.
    revisits: BinaryHeap<Reverse<(i64, u64)>>,
    lifetime: SignedDuration,
    /// How long a response is awaited.
    response: Duration,
    waiting_max: usize,
}

/// What is agreed with an operator about its replies.
#[derive(Debug, Clone, Copy, Default)]
pub struct Agreed {
    /// Messages/s; 0 is unlimited.
    pub rate: u32,
    /// Copies of a reply that it does not answer, at most.
    pub copies_max: u8,
}

/// Set in the entries of replies that another node decided: no ledger has so many.
pub const ADOPTED: u64 = 1 << 63;

/// Once the oldest waiting reply is older than this, the newest goes first: whoever has just texted is still
/// looking at the phone.
const FRESH: SignedDuration = SignedDuration::from_secs(30);

impl Outbox {
    /// An empty outbox for operators with whom this is agreed, in the order of their ids. It is full for an operator of whom
    /// `waiting_max` replies wait.
    #[must_use]
    pub fn new(
        agreed: impl IntoIterator<Item = Agreed>,
        lifetime: SignedDuration,
        response: Duration,
        waiting_max: usize,
        now: Instant,
    ) -> Self {
        Self {
            replies: Replies::default(),
            queues: agreed.into_iter().map(|agreed| Queue::new(agreed, now)).collect(),
            tried: Tried::default(),
            due: 0,
            revisits: BinaryHeap::new(),
            lifetime,
            response,
            waiting_max,
        }
    }

    /// A reply that waits to be sent. Entries come in their order.
    pub fn insert(&mut self, seq: u64, operator: u16, envelope: &Envelope<'_>, permit: Option<Issued>) {
        self.forget_some();
        while self.replies.end() < seq {
            self.replies.skip(seq);
            self.forget_some();
        }
        self.replies.insert(seq, operator, envelope, permit);
        self.queue(seq, operator, false);
    }

    /// A reply that another node decided and may have sent, under an entry of its own.
    pub fn adopt(&mut self, id: u64, operator: u16, envelope: &Envelope<'_>) {
        self.replies.adopt(id, operator, envelope);
        self.revisits.push(Reverse((envelope.expires_at.as_microsecond(), id)));
        self.queue(id, operator, false);
    }

    /// An adopted reply is not to be sent any more.
    pub fn withdraw(&mut self, id: u64) {
        self.settle(id, Mark::Expired);
    }

    /// Leaves a waiting reply to another node; whether it waited. It is in flight until that one has
    /// [answered](Self::answered), or it is [back](Self::back).
    pub fn withhold(&mut self, seq: u64) -> bool {
        let Some(reply) = self.replies.get_mut(seq).filter(|reply| reply.state == State::Waiting) else {
            return false;
        };
        (reply.state, reply.touched, reply.uncertain) = (State::InFlight, true, true);
        let operator = reply.operator;
        if let Some(queue) = self.queues.get_mut(usize::from(operator)) {
            if let Some(tries) = self.tried.get_mut(&seq) {
                queue.later.remove(seq, tries);
            }
            queue.count = queue.count.saturating_sub(1);
            queue.skip(&self.replies);
        }
        true
    }

    /// A reply that was left to another node is this one's again.
    pub fn back(&mut self, seq: u64) {
        if self.replies.get(seq).is_some_and(|reply| reply.state == State::InFlight) {
            self.wait_again(seq);
        }
    }

    /// The reply of entry `seq` and its operator, if its story has not ended.
    #[must_use]
    pub fn unsent(&self, seq: u64) -> Option<(u16, Envelope<'_>)> {
        let reply = self.replies.get(seq).filter(|reply| reply.ended.is_none())?;
        Some((reply.operator, self.replies.envelope(seq)?))
    }

    /// Takes the reply that `operator` should get next, for a bind that has room in its window; `avoiding`: the bind's number
    /// where the operator has others, so that what failed by it goes by one of these. The reply is in flight until
    /// [`answered`](Self::answered), [`overdue`](Self::overdue) or [`unanswered`](Self::unanswered).
    pub fn take(
        &mut self,
        operator: u16,
        avoiding: Option<u32>,
        now: Instant,
        wall: Timestamp,
    ) -> Option<(u64, Envelope<'_>)> {
        let Self { replies, queues, tried, lifetime, .. } = self;
        let queue = queues.get_mut(usize::from(operator))?;
        queue.skip(replies);
        let again = queue.again(tried, avoiding).filter(|(due, _)| *due <= now);
        if (queue.waiting.is_empty() && again.is_none()) || !queue.pace.take(now) {
            return None;
        }
        let again = again.filter(|_| queue.later_next || queue.waiting.is_empty());
        let seq = if let Some((_, seq)) = again {
            let was = tried.get_mut(&seq).and_then(|tries| queue.later.remove(seq, tries));
            queue.copied += u64::from(was == Some(Again::Copy));
            Some(seq)
        } else {
            let fresh_from = (wall + *lifetime - FRESH).as_microsecond();
            let oldest = queue.waiting.front().and_then(|&seq| replies.get(seq));
            let stale = oldest.is_some_and(|oldest| oldest.expires_at <= fresh_from);
            if stale { queue.waiting.pop_back() } else { queue.waiting.pop_front() }
        }?;
        queue.later_next = !queue.later_next;
        queue.count = queue.count.saturating_sub(1);
        let reply = self.replies.get_mut(seq)?;
        reply.state = State::InFlight;
        reply.touched = true;
        Some((seq, self.replies.envelope(seq)?))
    }

    /// When [`take`](Self::take) may succeed, if only the operator's rate or what goes again later forbids it now.
    #[must_use]
    pub fn next_send(&self, operator: u16, avoiding: Option<u32>, now: Instant) -> Option<Instant> {
        let queue = self.queues.get(usize::from(operator))?;
        let ready = queue.ready(&self.tried, avoiding, now).filter(|_| queue.count > 0)?;
        let paced = queue.pace.next(now);
        if ready > now { paced.max(Some(ready)) } else { paced }
    }

    /// Whether entry `seq` has a reply, settled or not.
    #[must_use]
    pub fn has(&self, seq: u64) -> bool {
        self.replies.get(seq).is_some()
    }

    /// Sends a settled reply once more, because its request came again. Whether the stored decision can be the
    /// answer: not if its permit ended with the reply.
    pub fn reopen(&mut self, seq: u64, now: Timestamp) -> bool {
        let expires_at = (now + self.lifetime).as_microsecond();
        let Some(reply) = self.replies.get_mut(seq) else { return false };
        match (reply.state, reply.ended) {
            (State::Waiting | State::InFlight, _) => true,
            (State::Settled, Some(Mark::Undelivered | Mark::Rejected)) => false,
            (State::Settled, _) => {
                reply.expires_at = expires_at;
                // It has had its mark, and what it carries may be on the phone: from now on it is only a courtesy.
                reply.permit = None;
                self.revisits.push(Reverse((expires_at, seq)));
                self.wait_again(seq);
                true
            }
        }
    }

    /// Settles the next waiting reply whose time of use has passed at `now`.
    pub fn expire(&mut self, now: Timestamp) -> Option<Settled> {
        let now = now.as_microsecond();
        while let Some(&Reverse((at, seq))) = self.revisits.peek()
            && at <= now
        {
            self.revisits.pop();
            let settled = self.expire_one(seq, now);
            if settled.is_some() {
                return settled;
            }
        }
        while let Some(seq) = self.replies.next(self.due) {
            self.due = seq;
            let open = self.replies.get(seq).filter(|reply| reply.state != State::Settled);
            if open.is_some_and(|reply| reply.expires_at > now) {
                return None;
            }
            self.due = seq + 1;
            let settled = open.is_some().then(|| self.expire_one(seq, now)).flatten();
            if settled.is_some() {
                return settled;
            }
        }
        None
    }

    fn expire_one(&mut self, seq: u64, now: i64) -> Option<Settled> {
        let reply = self.replies.get(seq)?;
        match reply.state {
            State::Settled => None,
            _ if reply.expires_at > now => {
                self.revisits.push(Reverse((reply.expires_at, seq)));
                None
            }
            State::InFlight => {
                // Its response decides; looked at again after it must have come.
                self.revisits.push(Reverse((now + 1_000_000, seq)));
                None
            }
            State::Waiting => {
                let before =
                    self.queues.get(usize::from(reply.operator)).map_or(0, |queue| queue.touched_before);
                let unseen = reply.permit.is_some() && !reply.touched && seq >= before;
                self.settle(seq, if unseen { Mark::Undelivered } else { Mark::Expired })
            }
        }
    }

    /// Another reply carries the code of the permit of reply `seq` too: that permit no longer ends with this one.
    pub fn keep_permit(&mut self, seq: u64) {
        if let Some(reply) = self.replies.get_mut(seq) {
            reply.permit = None;
        }
    }

    /// Whether the reply of entry `seq` is the only one that carries the code of a permit.
    #[must_use]
    pub fn carries_permit(&self, seq: u64) -> bool {
        self.replies.get(seq).is_some_and(|reply| reply.permit.is_some() && reply.ended.is_none())
    }

    /// What the ledger says of a reply: its operator, and the permit that it carries the code of.
    pub fn apply(&mut self, seq: u64, mark: Mark) -> Option<(u16, Option<Issued>)> {
        if self.replies.get(seq)?.ended.is_none() {
            self.settle(seq, mark);
        }
        let reply = self.replies.get_mut(seq)?;
        reply.marked = true;
        if mark == Mark::Delivered {
            reply.ended = Some(mark);
        }
        let permit = if mark == Mark::Undelivered { reply.permit.take() } else { reply.permit };
        let applied = (reply.operator, permit);
        self.replies.release(seq);
        Some(applied)
    }

    /// Whether the handset has reply `seq`: nothing that is said of a copy changes that.
    #[must_use]
    pub fn is_delivered(&self, seq: u64) -> bool {
        self.replies.get(seq).is_some_and(|reply| reply.ended == Some(Mark::Delivered))
    }

    /// The requests of entries before `seq` are no longer remembered: their replies go once their stories have ended.
    pub fn forget_before(&mut self, seq: u64) {
        self.replies.forget_before(seq);
    }

    fn forget_some(&mut self) {
        let (due, revisits) = (self.due, &mut self.revisits);
        self.replies.forget(|seq, reply| {
            if seq >= due {
                revisits.push(Reverse((reply.expires_at, seq)));
            }
        });
    }

    /// Reply `seq` may have been written by an earlier run.
    pub fn touch(&mut self, seq: u64) {
        if let Some(reply) = self.replies.get_mut(seq) {
            (reply.touched, reply.uncertain) = (true, true);
        }
    }

    /// Replies of `operator` to entries before `seq` may have been written by an earlier run.
    pub fn touch_before(&mut self, operator: u16, seq: u64) {
        if let Some(queue) = self.queues.get_mut(usize::from(operator)) {
            queue.touched_before = seq;
        }
    }

    /// One more operator, with the next id, that nothing can be sent to.
    pub fn add_operator(&mut self, now: Instant) {
        self.queues.push(Queue::new(Agreed::default(), now));
    }

    /// What is agreed with the operator of this id, the next one if it is new.
    pub fn agree(&mut self, operator: usize, agreed: Agreed, now: Instant) {
        if operator == self.queues.len() {
            self.add_operator(now);
        }
        if let Some(queue) = self.queues.get_mut(operator) {
            queue.pace.agree(agreed.rate, now);
            queue.copies_max = agreed.copies_max;
        }
    }

    /// Whether so many replies of `operator` wait that no more should be decided.
    #[must_use]
    pub fn is_full(&self, operator: u16) -> bool {
        self.waiting(operator) >= self.waiting_max
    }

    /// Replies of `operator` that wait for a bind.
    #[must_use]
    pub fn waiting(&self, operator: u16) -> usize {
        self.queues.get(usize::from(operator)).map_or(0, |queue| queue.count)
    }

    /// The first entry whose reply is remembered.
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        self.replies.first()
    }

    /// The age of the reply that has waited longest.
    #[must_use]
    pub fn oldest(&self, now: Timestamp) -> SignedDuration {
        let waits = |seq: &u64| self.replies.waits(*seq);
        let fresh = self.queues.iter().filter_map(|queue| queue.waiting.iter().copied().find(waits));
        let again = self.queues.iter().flat_map(|queue| queue.later.iter());
        let oldest = fresh.chain(again).filter_map(|seq| self.replies.get(seq));
        let expires_at = oldest.map(|reply| reply.expires_at).min();
        let expires_at = expires_at.and_then(|expires_at| Timestamp::from_microsecond(expires_at).ok());
        expires_at.map_or(SignedDuration::ZERO, |expires_at| now.duration_since(expires_at - self.lifetime))
    }

    /// The reply is no longer waiting or in flight. `None` if its story had ended before.
    fn settle(&mut self, seq: u64, mark: Mark) -> Option<Settled> {
        let reply = self.replies.get_mut(seq)?;
        let waited = reply.state == State::Waiting;
        reply.state = State::Settled;
        let first = reply.ended.is_none();
        reply.ended.get_or_insert(mark);
        let operator = reply.operator;
        self.replies.release(seq);
        let queue = self.queues.get_mut(usize::from(operator));
        if waited && let Some(queue) = queue {
            if let Some(tries) = self.tried.get_mut(&seq) {
                queue.later.remove(seq, tries);
            }
            queue.count = queue.count.saturating_sub(1);
            // Nobody may come to take any: what has expired makes room by itself, from the oldest on.
            queue.skip(&self.replies);
        }
        self.tried.remove(&seq);
        first.then_some(Settled { seq, mark })
    }

    fn wait_again(&mut self, seq: u64) {
        let Some(reply) = self.replies.get_mut(seq) else { return };
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
