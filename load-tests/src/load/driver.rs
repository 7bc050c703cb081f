//! The threads of a run: one for each core, with a share of the sessions, and no other wake-ups than those of the sockets
//! and of the messages that are due.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};

use super::Load;
use super::sender::Sender;
use super::tally::Tally;
use crate::connection::wait;
use crate::machine;

/// How long nothing may happen before the rest counts as unanswered.
const QUIET_MAX: Duration = Duration::from_secs(10);
/// How often a thread that waits for others looks whether they are done.
const GLANCE: Duration = Duration::from_millis(10);
/// Messages are sent at most so late, so that several go out with one write.
const PACE: Duration = Duration::from_micros(100);

/// A run under way.
pub(crate) struct Run<'a> {
    load: &'a Load,
    target: SocketAddr,
    threads: u64,
    barrier: Barrier,
    start: OnceLock<Instant>,
    /// How many phones have had what they wait for: a number for each thread, which it alone writes.
    settled: Vec<AtomicU64>,
    /// What the gateway's process had used when all were bound.
    gateway_before: OnceLock<Option<Duration>>,
    pid: Option<u32>,
}

/// What came of it.
pub(crate) struct Ran {
    /// By operator.
    pub(crate) tallies: Vec<Tally>,
    /// CPU time of the gateway's process, from the first message to the last reply.
    pub(crate) gateway_cpu: Option<Duration>,
    /// CPU time of the sending threads over the same time.
    pub(crate) generator_cpu: Duration,
}

impl<'a> Run<'a> {
    pub(crate) fn new(load: &'a Load, target: SocketAddr, pid: Option<u32>) -> Self {
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        let threads = cores.min(load.deal.sessions);
        Self {
            load,
            target,
            threads,
            barrier: Barrier::new(usize::try_from(threads).unwrap_or(1)),
            start: OnceLock::new(),
            settled: (0..threads).map(|_| AtomicU64::new(0)).collect(),
            gateway_before: OnceLock::new(),
            pid,
        }
    }

    /// Binds all sessions, and sends until every message has its response and its reply, or nothing happens any more.
    /// Meanwhile `watch` is told how many phones have had what they wait for.
    pub(crate) fn run(&self, watch: impl Fn(u64)) -> anyhow::Result<Ran> {
        thread::scope(|scope| {
            let threads: Vec<_> =
                (0..self.threads).map(|thread| scope.spawn(move || self.thread(thread))).collect();
            while !threads.iter().all(thread::ScopedJoinHandle::is_finished) {
                watch(self.settled());
                thread::sleep(2 * GLANCE);
            }
            let mut tallies = self.tallies()?;
            let (mut failure, mut generator_cpu, mut gateway_after) = (Ok(()), Duration::ZERO, None);
            for thread in threads {
                match thread.join().map_err(|_| anyhow!("a sending thread panicked"))? {
                    Ok((more, generator, gateway)) => {
                        for (tally, more) in tallies.iter_mut().zip(&more) {
                            tally.add(more)?;
                        }
                        generator_cpu += generator;
                        gateway_after = gateway_after.max(gateway);
                    }
                    Err(error) => failure = Err(error),
                }
            }
            failure?;
            let before = self.gateway_before.get().copied().flatten();
            let gateway_cpu = gateway_after.zip(before).map(|(after, before)| after - before);
            Ok(Ran { tallies, gateway_cpu, generator_cpu })
        })
    }

    fn tallies(&self) -> anyhow::Result<Vec<Tally>> {
        (0..self.load.deal.operators).map(|_| Tally::new()).collect()
    }

    fn settled(&self) -> u64 {
        self.settled.iter().map(|settled| settled.load(Ordering::Relaxed)).sum()
    }

    fn gateway_cpu_time(&self) -> anyhow::Result<Option<Duration>> {
        self.pid.map(machine::cpu_time).transpose()
    }

    /// The sessions of one core: what they counted by operator, and the CPU time that this thread and, until then, the
    /// gateway have used.
    fn thread(&self, thread: u64) -> anyhow::Result<(Vec<Tally>, Duration, Option<Duration>)> {
        let mine = (thread..self.load.deal.sessions).step_by(usize::try_from(self.threads)?);
        let senders: anyhow::Result<Vec<_>> =
            mine.map(|session| Sender::bind(self.load, self.target, session)).collect();
        // Every thread gets here, or those that did would wait for ever.
        self.barrier.wait();
        let mut senders = senders?;
        let before = self.gateway_cpu_time()?;
        self.gateway_before.get_or_init(|| before);
        let start = *self.start.get_or_init(Instant::now);
        let mut tallies = self.tallies()?;
        let began = machine::thread_cpu_time();
        self.exchange(thread, &mut senders, start, &mut tallies)?;
        let (generator, gateway) = (machine::thread_cpu_time() - began, self.gateway_cpu_time()?);
        senders.into_iter().for_each(Sender::end);
        Ok((tallies, generator, gateway))
    }

    fn exchange(
        &self,
        thread: u64,
        senders: &mut [Sender<'_>],
        start: Instant,
        tallies: &mut [Tally],
    ) -> anyhow::Result<()> {
        let phones = self.load.deal.phones();
        let mine = self.settled.get(usize::try_from(thread)?);
        let mut ready = vec![true; senders.len()];
        let mut progress = (0, 0, start);
        loop {
            let (mut settled, mut unacked, mut has_sent_all) = (0, 0, true);
            let mut next: Option<Instant> = None;
            for (sender, ready) in senders.iter_mut().zip(&ready) {
                if *ready {
                    sender.connection().read();
                }
                let now = Instant::now();
                sender.connection().handle_timeout(now);
                if let Some(tally) = tallies.get_mut(usize::try_from(sender.operator())?) {
                    settled += sender.take(start, now, tally);
                }
                let due = sender.send(start, now)?;
                sender.connection().write();
                if sender.connection().is_closed() {
                    bail!("the gateway closed a session with {} messages unanswered", sender.unacked());
                }
                next = [next, due, sender.connection().next_timeout()].into_iter().flatten().min();
                has_sent_all &= sender.has_sent_all();
                unacked += sender.unacked();
            }
            if let Some(mine) = mine.filter(|_| settled > 0) {
                mine.fetch_add(settled, Ordering::Relaxed);
            }
            let now = Instant::now();
            if has_sent_all {
                let all = self.settled();
                if unacked == 0 && all >= phones {
                    return Ok(());
                }
                if (progress.0, progress.1) != (all, unacked) {
                    progress = (all, unacked, now);
                } else if now - progress.2 > QUIET_MAX {
                    return Ok(());
                }
                next = next.map(|next| next.min(now + GLANCE));
            }
            let until = next.unwrap_or(now + GLANCE).max(now + PACE);
            ready.clear();
            wait(senders.iter().map(Sender::socket), until - now, |is_ready| ready.push(is_ready))?;
        }
    }
}
