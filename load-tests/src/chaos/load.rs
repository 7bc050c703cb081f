//! The operator while everything around it fails, on a thread of its own: bound to every gateway that is there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use icaze_codec::pdu::BindKind;

use crate::proof::operator::{Binds, Heard, Operator, TURN};

/// Binds to each gateway.
const BINDS: usize = 2;
/// How long an operator waits before it sends again what was put off, and before it binds again.
const AGAIN: Duration = Duration::from_millis(200);
/// At the end: how long nothing may come before all is in: longer than parts are awaited. And how long that may take.
const QUIET: Duration = Duration::from_secs(8);
const PATIENCE: Duration = Duration::from_secs(180);

/// What the operator hears of its gateways. It is heard before [`Load::tell`] returns.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    /// A gateway is there: bind to it.
    Here(u8, SocketAddr),
    /// It cannot be bound to for a while.
    Gone(u8),
    /// Its binds break.
    Cut(u8),
    /// No new messages: everything is to be answered.
    Finish,
}

/// The operator's thread.
pub(crate) struct Load {
    orders: SyncSender<Order>,
    acked: Arc<AtomicU64>,
    thread: JoinHandle<anyhow::Result<Operator>>,
}

impl Load {
    pub(crate) fn start(operator: Operator) -> Self {
        // Without room: whoever tells knows that it was heard.
        let (orders, heard) = sync_channel(0);
        let acked = Arc::default();
        let at_work = AtWork { operator, orders: heard, acked: Arc::clone(&acked), targets: Vec::new() };
        let thread = thread::spawn(|| at_work.run());
        Self { orders, acked, thread }
    }

    pub(crate) fn tell(&self, order: Order) -> anyhow::Result<()> {
        self.orders.send(order).context("the operator has ended")
    }

    /// How many message_ids it was given.
    pub(crate) fn acked(&self) -> u64 {
        self.acked.load(Ordering::Relaxed)
    }

    /// Waits until everything is answered.
    pub(crate) fn finish(self) -> anyhow::Result<Operator> {
        // If it has ended, it says why.
        let _ = self.orders.send(Order::Finish);
        match self.thread.join() {
            Ok(ended) => ended,
            Err(_) => bail!("the operator panicked"),
        }
    }
}

struct AtWork {
    operator: Operator,
    orders: Receiver<Order>,
    acked: Arc<AtomicU64>,
    /// The gateways that are there.
    targets: Vec<(u8, SocketAddr)>,
}

impl AtWork {
    fn run(mut self) -> anyhow::Result<Operator> {
        let (began, mut sent) = (Instant::now(), 0);
        let (mut binds, mut next) = (Binds::default(), began);
        let mut finish: Option<(Instant, Heard)> = None;
        loop {
            let mut now = Instant::now();
            match self.orders.try_recv() {
                Ok(Order::Finish) => {
                    self.operator.complete(&mut binds, now);
                    finish = Some((now + PATIENCE, Heard { replies: 0, at: now }));
                }
                Ok(order) => self.heard(order, &mut binds),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) if finish.is_some() => {}
                Err(TryRecvError::Disconnected) => bail!("nobody wants to know any more"),
            }
            self.operator.turn(&mut binds);
            binds.sweep();
            if now >= next {
                self.bind(&mut binds);
                now = Instant::now();
                self.operator.redeliver(&mut binds, now);
                next = now + AGAIN;
            }
            match &mut finish {
                None => self.operator.hand_over(&mut binds, began, &mut sent, now),
                Some((end, heard)) => {
                    if heard.nothing_for(QUIET, &self.operator.witness, now) {
                        return Ok(self.operator);
                    }
                    ensure!(now < *end, "not everything was answered within {} s", PATIENCE.as_secs());
                }
            }
            self.acked.store(self.operator.witness.acks().len() as u64, Ordering::Relaxed);
            thread::sleep(TURN);
        }
    }

    fn heard(&mut self, order: Order, binds: &mut Binds) {
        match order {
            Order::Here(gateway, target) => self.targets.push((gateway, target)),
            Order::Gone(gone) => self.targets.retain(|(gateway, _)| *gateway != gone),
            Order::Cut(gateway) => binds.cut(gateway),
            Order::Finish => {}
        }
    }

    /// Binds wherever a bind lacks. What does not work is tried again.
    fn bind(&self, binds: &mut Binds) {
        for &(gateway, target) in &self.targets {
            while binds.to(gateway) < BINDS
                && self.operator.bind(binds, gateway, target, BindKind::Transceiver).is_ok()
            {}
        }
    }
}
