//! The running gateway: what its tasks share, and its life from start to stop.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use icaze_config::gateway::Config;
use icaze_store::ledger::Durable;
use tokio::sync::watch;

use crate::clock::Now;
use crate::cluster::Shared;
use crate::history::History;
use crate::pipeline::{Operator, Pipeline};
use crate::smpp::binds::Binds;
use crate::smpp::port::Port;
use crate::smpp::trace::Traces;
use crate::telemetry::Telemetry;
use crate::timeline::Timeline;
use crate::world::World;

/// Where the gateway is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Takes messages.
    Running,
    /// Takes no more messages; sends what is decided, then unbinds.
    Draining,
    /// The ledger failed, or the end has come: nothing leaves any more.
    Stopped,
}

/// What links, committer and HTTP share.
pub struct Gateway {
    /// What the operators' binds do, for whoever asks.
    pub binds: Binds,
    /// PDUs that somebody looks at.
    pub traces: Traces,
    /// What is measured as it happens.
    pub telemetry: Telemetry,
    /// What the ledger's closed segments say.
    pub history: History,
    /// What is shared with other nodes; `None` if nothing is.
    pub shared: Option<Shared>,
    port: RwLock<Arc<Port>>,
    world: RwLock<Arc<World>>,
    pipeline: Mutex<Pipeline>,
    timeline: Mutex<Timeline>,
    /// Wakes the committer: the pipeline has something to commit, or the phase changed.
    work: Condvar,
    durable: watch::Sender<Durable>,
    phase: watch::Sender<Phase>,
    /// Why the node takes no messages although it runs.
    trouble: watch::Sender<Option<&'static str>>,
    /// By operator: changes when replies wait that the link which decided them could not take, or what was agreed changed.
    siblings: RwLock<Vec<watch::Sender<()>>>,
}

impl Gateway {
    /// A gateway whose ledger has been replayed into `pipeline` up to `durable`.
    #[must_use]
    pub fn new(port: Port, world: World, pipeline: Pipeline, durable: Durable, telemetry: Telemetry) -> Self {
        let siblings = pipeline.operators().iter().map(|_| watch::Sender::new(())).collect();
        Self {
            binds: Binds::default(),
            traces: Traces::default(),
            telemetry,
            history: History::default(),
            shared: None,
            port: RwLock::new(Arc::new(port)),
            world: RwLock::new(Arc::new(world)),
            pipeline: Mutex::new(pipeline),
            timeline: Mutex::new(Timeline::new(Now::read())),
            work: Condvar::new(),
            durable: watch::Sender::new(durable),
            phase: watch::Sender::new(Phase::Running),
            trouble: watch::Sender::new(None),
            siblings: RwLock::new(siblings),
        }
    }

    /// The same with allowances that are shared with other nodes.
    #[must_use]
    pub fn sharing(self, shared: Option<Shared>) -> Self {
        Self { shared, ..self }
    }

    /// The pipeline, for as long as the guard is held: never across an await.
    pub fn pipeline(&self) -> MutexGuard<'_, Pipeline> {
        self.pipeline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What happened lately, for as long as the guard is held: never across an await, nor while the pipeline is.
    pub fn timeline(&self) -> MutexGuard<'_, Timeline> {
        self.timeline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The SMPP port's configuration.
    #[must_use]
    pub fn port(&self) -> Arc<Port> {
        Arc::clone(&self.port.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes operators as `config` has them now: new ones, changed ones, and those that are gone. Links of the others notice
    /// nothing.
    pub fn renew(&self, config: &Config, now: Now) {
        let names: Vec<Arc<str>> = {
            let mut pipeline = self.pipeline();
            pipeline.agree(Operator::of(config), now);
            pipeline.operators().iter().map(|operator| Arc::clone(&operator.name)).collect()
        };
        {
            let mut siblings = self.siblings.write().unwrap_or_else(PoisonError::into_inner);
            siblings.resize_with(names.len(), || watch::Sender::new(()));
        }
        let port = self.port().renewed(config, names.iter().map(|name| &**name));
        *self.port.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(port);
        let siblings = self.siblings.read().unwrap_or_else(PoisonError::into_inner);
        siblings.iter().for_each(|siblings| siblings.send_replace(()));
    }

    /// The facts and rules in use.
    #[must_use]
    pub fn world(&self) -> Arc<World> {
        Arc::clone(&self.world.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From the next batch on messages are decided from `world`. Returns what they were decided from before: batches that are
    /// being decided still read it.
    #[must_use]
    pub fn set_world(&self, world: World) -> Arc<World> {
        let mut current = self.world.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut current, Arc::new(world))
    }

    /// Follows what is durable.
    #[must_use]
    pub fn durable(&self) -> watch::Receiver<Durable> {
        self.durable.subscribe()
    }

    /// Says what is durable now.
    pub fn set_durable(&self, durable: Durable) {
        self.durable.send_replace(durable);
    }

    /// Follows the phase.
    #[must_use]
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Changes the phase, which never goes back.
    pub fn set_phase(&self, phase: Phase) {
        self.phase.send_if_modified(|current| {
            let later = phase as u8 > *current as u8;
            if later {
                *current = phase;
            }
            later
        });
        // Under the lock, so that a committer which has just looked at the phase is already waiting.
        drop(self.pipeline());
        self.work.notify_all();
    }

    /// Follows the replies of an operator that wait for one of its links.
    #[must_use]
    pub fn siblings(&self, operator: u16) -> Option<watch::Receiver<()>> {
        let siblings = self.siblings.read().unwrap_or_else(PoisonError::into_inner);
        siblings.get(usize::from(operator)).map(watch::Sender::subscribe)
    }

    /// Wakes an operator's links because replies wait.
    pub fn wake_siblings(&self, operator: u16) {
        let siblings = self.siblings.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(siblings) = siblings.get(usize::from(operator)) {
            siblings.send_replace(());
        }
    }

    /// Wakes the committer.
    pub fn wake_committer(&self) {
        self.work.notify_one();
    }

    /// What the committer waits on.
    #[must_use]
    pub fn work(&self) -> &Condvar {
        &self.work
    }

    /// Takes no messages until `None` is said, and says why.
    pub fn set_trouble(&self, trouble: Option<&'static str>) {
        self.trouble.send_if_modified(|current| std::mem::replace(current, trouble) != trouble);
    }

    /// Why the gateway takes no messages; `None` if it does.
    #[must_use]
    pub fn not_ready(&self) -> Option<&'static str> {
        match *self.phase.borrow() {
            Phase::Running => *self.trouble.borrow(),
            Phase::Draining => Some("draining"),
            Phase::Stopped => Some("stopped: the ledger failed or the gateway is ending; see the log"),
        }
    }
}
