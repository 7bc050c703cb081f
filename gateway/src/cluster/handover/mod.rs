//! Unsent replies: kept in Redis for the others, claimed where a gateway is gone, and left to whoever claimed them.

mod lease;
mod sealing;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use icaze_cluster::{Call, Error, Fate, Queue, Replies, Whereabouts};
use tokio::time::{MissedTickBehavior, interval};

use self::lease::{Lease, Looks};
pub(super) use self::sealing::Sealing;
use super::Shared;
use crate::gateway::{Gateway, Phase};
use crate::pipeline::Pipeline;
use crate::pipeline::handover::Origin;
use crate::waiter::Waiter;

/// How often the lease is renewed, and the others' are looked for.
const PERIOD: Duration = Duration::from_millis(500);
/// How long a lease is held.
const LEASE: Duration = Duration::from_millis(2500);
/// From a death on, its lease runs out, is looked for, is missing for long, and is looked for again.
const _: () = {
    let claimed = LEASE.as_millis() + PERIOD.as_millis() + lease::GONE.as_millis() + PERIOD.as_millis();
    assert!(claimed < 5_000, "replies are claimed within five seconds");
};

/// How long a commit may wait for its replies to be kept: they are safe in the ledger, and only wait for a restart if they are not.
const KEEP: Duration = Duration::from_millis(500);
/// Ends of replies that are not told, at most; what is forgotten may be sent once more if this gateway dies.
const UNTOLD_MAX: usize = 100_000;

impl Shared {
    /// Keeps the replies of a commit for the others until they have ended, and tells which have. Waits, and gives up soon.
    pub(super) fn keep_replies(
        &self,
        gateway: &Gateway,
        waiter: &Waiter,
        entries: std::ops::Range<u64>,
        ended: Vec<(u16, u64)>,
    ) {
        self.put_untold(ended);
        if self.is_away() {
            return;
        }
        let mut replies: HashMap<u16, Vec<Replies>> = HashMap::new();
        let names: Vec<Arc<str>> = {
            let pipeline = gateway.pipeline();
            pipeline.unsent(entries, |operator, seq, envelope| {
                let replies = replies.entry(operator).or_default();
                if replies.last().is_none_or(|last| last.len() == Call::REPLIES_MAX) {
                    replies.push(Replies::default());
                }
                if let Some(last) = replies.last_mut() {
                    last.push(seq, |out| sealing::write(envelope, out));
                }
            });
            names(&pipeline)
        };
        let mut calls = Vec::new();
        for (operator, replies) in replies {
            let Some(queue) = self.own(operator, &names) else { continue };
            for mut replies in replies {
                self.sealing.seal(&queue, &mut replies);
                calls.push(Call::Keep { queue: queue.clone(), replies });
            }
        }
        waiter.wait(self.keep_and_drop(calls, &names));
    }

    /// Makes these calls, and tells what replies have ended.
    async fn keep_and_drop(&self, mut calls: Vec<Call>, names: &[Arc<str>]) {
        let untold = std::mem::take(&mut *self.untold.lock().unwrap_or_else(PoisonError::into_inner));
        let mut ended: HashMap<u16, Vec<u64>> = HashMap::new();
        for (operator, seq) in &untold {
            ended.entry(*operator).or_default().push(*seq);
        }
        for (operator, seqs) in ended {
            let Some(queue) = self.own(operator, names) else { continue };
            let seqs = seqs.chunks(Call::REPLIES_MAX);
            calls.extend(seqs.map(|seqs| Call::Drop { queue: queue.clone(), seqs: seqs.to_vec() }));
        }
        if self.call("keep", KEEP, &calls).await.iter().any(Result::is_err) {
            // Told twice does no harm.
            self.put_untold(untold);
        }
    }

    fn put_untold(&self, ended: Vec<(u16, u64)>) {
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        untold.extend(ended);
        let excess = untold.len().saturating_sub(UNTOLD_MAX);
        untold.drain(..excess);
    }

    /// This gateway's replies to an operator.
    fn own(&self, operator: u16, names: &[Arc<str>]) -> Option<Queue> {
        Some(Queue { origin: self.node, operator: names.get(usize::from(operator)).cloned()? })
    }

    /// Takes the lease, and learns what others hold of the replies that an earlier run left, before any of them is sent.
    pub(super) async fn resume(&self, pipeline: &mut Pipeline) -> Result<(), Error> {
        let asked = Instant::now();
        self.cluster.hold_lease(self.node, LEASE).await?;
        let found = self.whereabouts(&names(pipeline)).await?;
        let claimed = found.iter().filter(|(.., whereabouts)| *whereabouts != Whereabouts::Kept).count();
        tracing::info!(count = claimed, "replies of the last run that other gateways claimed");
        pipeline.learn_whereabouts(found);
        pipeline.may_send_until(asked + LEASE);
        Ok(())
    }

    /// Tells the others which claimed replies were sent, and leaves them the rest: this gateway is about to end.
    pub async fn leave(&self, gateway: &Gateway) {
        gateway.pipeline().give_back_adopted(|_| true);
        if let Err(error) = self.tell(gateway).await {
            tracing::warn!(%error, "claimed replies could not be given back");
        }
    }

    /// Where this gateway's replies are, by operator and entry.
    async fn whereabouts(&self, operators: &[Arc<str>]) -> Result<Vec<(u16, u64, Whereabouts)>, Error> {
        let mut found = Vec::new();
        for (id, operator) in (0..).zip(operators) {
            let queue = Queue { origin: self.node, operator: Arc::clone(operator) };
            let of_operator = self.cluster.whereabouts(&queue).await?;
            found.extend(of_operator.into_iter().map(|(seq, whereabouts)| (id, seq, whereabouts)));
        }
        Ok(found)
    }

    /// Tells what became of claimed replies.
    async fn tell(&self, gateway: &Gateway) -> Result<(), Error> {
        let (ended, names) = {
            let pipeline = gateway.pipeline();
            (pipeline.ended_adopted(), names(&pipeline))
        };
        let mut queues: HashMap<(u8, u16), Vec<(Origin, Fate)>> = HashMap::new();
        for (origin, fate) in ended {
            queues.entry((origin.node, origin.operator)).or_default().push((origin, fate));
        }
        for ((node, operator), ended) in queues {
            let Some(operator) = names.get(usize::from(operator)).cloned() else { continue };
            let fates: Vec<_> = ended.iter().map(|(origin, fate)| (origin.seq, *fate)).collect();
            self.cluster.end(&Queue { origin: node, operator }, self.node, &fates).await?;
            let mut pipeline = gateway.pipeline();
            ended.iter().for_each(|(origin, _)| pipeline.told_of_adopted(origin));
        }
        Ok(())
    }
}

/// The operators' names, by id.
fn names(pipeline: &Pipeline) -> Vec<Arc<str>> {
    pipeline.operators().iter().map(|operator| Arc::clone(&operator.name)).collect()
}

/// Holds this gateway's lease, and sends what gateways that are gone have left, until the gateway stops.
pub async fn keep(gateway: Arc<Gateway>) {
    let Some(shared) = &gateway.shared else { return };
    // What was asked at the start may have run out meanwhile.
    let mut claims =
        Claims { shared, gateway: &gateway, lease: Lease::default(), looks: Looks::default(), again: true };
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let phase = gateway.phase();
    loop {
        ticks.tick().await;
        let now = *phase.borrow();
        if now == Phase::Stopped {
            return;
        }
        if let Err(error) = claims.step(now).await {
            tracing::debug!(%error, "unsent replies: tried again");
        }
    }
}

struct Claims<'g> {
    shared: &'g Shared,
    gateway: &'g Gateway,
    lease: Lease,
    looks: Looks,
    /// What this gateway has claimed before it does not know any more.
    again: bool,
}

impl Claims<'_> {
    async fn step(&mut self, phase: Phase) -> Result<(), Error> {
        if let Err(error) = self.renew().await {
            let now = Instant::now();
            let mut pipeline = self.gateway.pipeline();
            if self.lease.has_run_out(now) {
                self.again = true;
                pipeline.withdraw_adopted();
            }
            // Nobody can be asked: what is this gateway's own leaves all the same.
            pipeline.may_send_until(now + LEASE);
            return Err(error);
        }
        self.give_up();
        self.shared.tell(self.gateway).await?;
        // What a commit could not.
        let names = names(&self.gateway.pipeline());
        self.shared.keep_and_drop(Vec::new(), &names).await;
        self.look().await?;
        if phase == Phase::Running { self.claim().await } else { Ok(()) }
    }

    async fn renew(&mut self) -> Result<(), Error> {
        let (shared, asked) = (self.shared, Instant::now());
        shared.cluster.hold_lease(shared.node, LEASE).await?;
        let (ran_out, elsewhere, names) = {
            let mut pipeline = self.gateway.pipeline();
            let ran_out = self.lease.has_run_out(Instant::now());
            if ran_out {
                self.again = true;
                pipeline.withdraw_adopted();
            }
            (ran_out, pipeline.elsewhere(), names(&pipeline))
        };
        if ran_out || elsewhere > 0 {
            let gone = self.looks.gone(Instant::now());
            if !gone.is_empty() {
                for operator in &names {
                    let queue = Queue { origin: shared.node, operator: Arc::clone(operator) };
                    shared.cluster.claim(&queue, shared.node, false, &gone).await?;
                }
            }
            let found = shared.whereabouts(&names).await?;
            self.gateway.pipeline().learn_whereabouts(found);
        }
        self.lease.hold(asked + LEASE);
        self.gateway.pipeline().may_send_until(asked + LEASE);
        Ok(())
    }

    /// Leaves replies to others that have no bind to leave by here any more.
    fn give_up(&self) {
        let mut pipeline = self.gateway.pipeline();
        let mute: Vec<bool> = pipeline.operators().iter().map(|operator| operator.receivers == 0).collect();
        pipeline.give_back_adopted(|operator| mute.get(usize::from(operator)).copied().unwrap_or(true));
    }

    async fn look(&mut self) -> Result<(), Error> {
        for node in self.shared.peers.numbers() {
            let asked = Instant::now();
            match self.shared.cluster.holds_lease(node).await {
                Ok(holds) => self.looks.note(node, holds, asked),
                Err(error) => {
                    self.looks = Looks::default();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    async fn claim(&mut self) -> Result<(), Error> {
        let gone = self.looks.gone(Instant::now());
        let nodes = if self.again { self.shared.peers.numbers() } else { gone.clone() };
        if nodes.is_empty() {
            return Ok(());
        }
        let operators: Vec<(u16, Arc<str>)> = {
            let pipeline = self.gateway.pipeline();
            let wanted =
                |id: u16| self.again || (pipeline.has_receiver(id) && !pipeline.outbox().is_full(id));
            (0..).zip(names(&pipeline)).filter(|(id, _)| wanted(*id)).collect()
        };
        // Whatever is claimed without an answer is asked for once more.
        let again = std::mem::replace(&mut self.again, true);
        for node in nodes {
            for (id, operator) in &operators {
                let queue = Queue { origin: node, operator: Arc::clone(operator) };
                let claimed = self.shared.cluster.claim(&queue, self.shared.node, again, &gone).await?;
                self.adopt(*id, &queue, claimed).await?;
            }
        }
        self.again = false;
        Ok(())
    }

    async fn adopt(&self, operator: u16, queue: &Queue, claimed: Vec<(u64, Vec<u8>)>) -> Result<(), Error> {
        if claimed.is_empty() {
            return Ok(());
        }
        let (mut unreadable, mut adopted) = (Vec::new(), 0);
        {
            let mut pipeline = self.gateway.pipeline();
            for (seq, mut sealed) in claimed {
                let opened = self.shared.sealing.open(queue, seq, &mut sealed);
                match opened.and_then(sealing::read) {
                    Some(envelope) => {
                        let origin = Origin { node: queue.origin, operator, seq };
                        adopted += u64::from(pipeline.adopt_reply(origin, &envelope));
                    }
                    // Its own gateway knows it better.
                    None => unreadable.push((seq, Fate::Expired)),
                }
            }
        }
        if adopted > 0 {
            tracing::info!(
                node = queue.origin,
                operator = &*queue.operator,
                adopted,
                "unsent replies of a gateway that is gone"
            );
            self.shared.telemetry.cluster_claimed(adopted);
            self.gateway.wake_siblings(operator);
        }
        if !unreadable.is_empty() {
            tracing::warn!(
                node = queue.origin,
                count = unreadable.len(),
                "claimed replies are not readable here"
            );
            self.shared.cluster.end(queue, self.shared.node, &unreadable).await?;
        }
        Ok(())
    }
}
