//! A node: everything wired together, from its configuration to its end.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context as _;
use icaze_config::gateway::Config;
use icaze_store::ledger::{CommitError, FileStorage, Ledger, MasterKey, Options};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::checkpoints;
use crate::clock::Now;
use crate::cluster::{self, Shared};
use crate::committer;
use crate::control;
use crate::gateway::{Gateway, Phase};
use crate::history::Keeper;
use crate::http;
use crate::permit::code::CodeKey;
use crate::pipeline::checkpoint::Snapshot;
use crate::pipeline::codes::Codes;
use crate::pipeline::{Operator, Pipeline, Settings};
use crate::retention;
use crate::smpp::connector::Connector;
use crate::smpp::listener;
use crate::smpp::open::Open;
use crate::smpp::port::Port;
use crate::smpp::unheard::{Unheard, Watch};
use crate::telemetry::Telemetry;
use crate::timeline;
use crate::tls::Acceptor;
use crate::waiter::Waiter;
use crate::world::World;

/// How often the clock is checked and what has expired is looked for.
const TICK: Duration = Duration::from_millis(200);

/// How long the end waits for the history.
const HISTORY_ENDS: Duration = Duration::from_secs(1);

/// A running node.
pub struct Node {
    /// Its state.
    pub gateway: Arc<Gateway>,
    /// Where operators bind.
    pub smpp: SocketAddr,
    /// Where they bind in TLS.
    pub smpp_tls: Option<SocketAddr>,
    /// Where HTTP is served.
    pub http: SocketAddr,
    open: Arc<Open>,
    connector: Connector,
    acceptor: Option<Arc<Acceptor>>,
    http_acceptor: Option<Arc<Acceptor>>,
    committer: JoinHandle<Result<(), CommitError>>,
    /// Says when the history has ended.
    history: mpsc::Receiver<()>,
    checkpoints: JoinHandle<checkpoints::Writer>,
    retention: JoinHandle<()>,
    workers: Vec<Worker>,
}

/// Where operators bind in TLS.
struct Secure {
    listener: TcpListener,
    acceptor: Arc<Acceptor>,
}

impl Secure {
    /// `None` if the configuration asks for none.
    async fn bind(config: &Config) -> anyhow::Result<Option<Self>> {
        let (Some(listen), Some(identity)) = (config.smpp.tls_listen, &config.tls) else { return Ok(None) };
        let acceptor = Acceptor::new(identity, config.smpp.tls_client_ca.as_deref()).context("tls")?;
        let listener = listener::bind("smpp.tls_listen", listen).await?;
        Ok(Some(Self { listener, acceptor: Arc::new(acceptor) }))
    }
}

/// A thread with a runtime of its own for links.
struct Worker {
    thread: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Node {
    /// Loads what the configuration names, replays the ledger, and takes messages.
    ///
    /// # Errors
    /// With the file, key or address that is at fault, and the remedy.
    pub async fn start(config: &Config) -> anyhow::Result<Self> {
        // The register and the checkpoint are read side by side.
        let world = thread::spawn({
            let config = config.clone();
            move || World::load(&config)
        });
        let world = || world.join().unwrap_or_else(|_| anyhow::bail!("the register ended in a panic"));
        Self::start_when(config, world).await
    }

    /// The same with facts and rules that are loaded already.
    ///
    /// # Errors
    /// With the file, key or address that is at fault, and the remedy.
    pub async fn start_with(config: &Config, world: World) -> anyhow::Result<Self> {
        Self::start_when(config, || Ok(world)).await
    }

    async fn start_when(
        config: &Config,
        world: impl FnOnce() -> anyhow::Result<World>,
    ) -> anyhow::Result<Self> {
        let smpp = listener::bind("smpp.listen", config.smpp.listen).await?;
        let secure = Secure::bind(config).await?;
        let http_listener = http::bind(config.http.listen).await?;
        let identity = config.tls.as_ref().filter(|_| config.http.tls);
        let http_acceptor =
            identity.map(|identity| Acceptor::new(identity, None)).transpose().context("tls")?.map(Arc::new);
        let storage = FileStorage::open(&config.store.dir).context("store.dir")?;
        let control = control::listen(&config.store.dir)?;
        let key = MasterKey::open(&config.store.key_file, &storage).context("store.key_file")?;
        let beside = storage.try_clone().context("store.dir")?;
        let for_retention = storage.try_clone().context("store.dir")?;
        let snapshot = Snapshot::read(&storage, &key, config.node).unwrap_or_else(|error| {
            tracing::warn!(%error, "the ledger is read from its beginning");
            None
        });
        let world = world()?;
        let (mut pipeline, ledger) = replay(config, &world, snapshot, storage, &key)?;
        let telemetry = Telemetry::default();
        let shared = Shared::connect(config, &key, &telemetry, &mut pipeline, &world).await?;
        let checkpoints = checkpoints::Writer::new(beside, &key, config.node, pipeline.counted())?;
        let names = pipeline.operators().iter().map(|operator| &*operator.name);
        let port = Port::new(config, names, key.derive("message identity"));
        let gateway = Gateway::new(port, world, pipeline, ledger.durable(), telemetry).sharing(shared);
        let gateway = Arc::new(gateway);

        let committer = {
            let (gateway, waiter) = (Arc::clone(&gateway), Waiter::new()?);
            let span = retention::segment_span(&config.retention);
            thread::Builder::new()
                .name("committer".to_owned())
                .spawn(move || committer::run(&gateway, ledger, span, &waiter))?
        };
        let history = {
            let gateway = Arc::clone(&gateway);
            let keeper = Keeper::new(config, &key)?;
            let (ended, history) = mpsc::channel();
            thread::Builder::new().name("history".to_owned()).spawn(move || {
                keeper.run(&gateway);
                let _ = ended.send(());
            })?;
            history
        };
        let checkpoints = {
            let gateway = Arc::clone(&gateway);
            thread::Builder::new().name("checkpoints".to_owned()).spawn(move || checkpoints.run(&gateway))?
        };
        let retention = {
            let gateway = Arc::clone(&gateway);
            let keeper = retention::Keeper::new(for_retention, config.retention.clone())?;
            thread::Builder::new().name("retention".to_owned()).spawn(move || keeper.run(&gateway))?
        };
        let shared = http::Shared::new(Arc::clone(&gateway), config, &key)?;
        let (workers, handles) = workers()?;
        let open = Arc::new(Open::default());
        let limits = listener::Limits {
            sessions_max: config.smpp.sessions_max,
            unbound_max: config.smpp.unbound_sessions_max,
        };
        let (smpp_addr, http_addr) = (smpp.local_addr()?, http_listener.local_addr()?);
        let connector = Connector::new(Arc::clone(&gateway), handles.clone(), Arc::clone(&open));
        connector.renew();
        let (mut smpp_tls, mut acceptor) = (None, None);
        if let Some(secure) = secure {
            smpp_tls = Some(secure.listener.local_addr()?);
            acceptor = Some(Arc::clone(&secure.acceptor));
            tokio::spawn(listener::accept(
                secure.listener,
                Some(secure.acceptor),
                Arc::clone(&gateway),
                handles.clone(),
                limits,
                Arc::clone(&open),
            ));
        }
        tokio::spawn(listener::accept(smpp, None, Arc::clone(&gateway), handles, limits, Arc::clone(&open)));
        tokio::spawn(http::serve(http_listener, http_acceptor.clone(), shared));
        tokio::spawn(control::serve(control, Arc::clone(&gateway), config.register.path.clone()));
        tokio::spawn(tick(Arc::clone(&gateway)));
        tokio::spawn(timeline::keep(Arc::clone(&gateway)));
        tokio::spawn(cluster::watch(Arc::clone(&gateway)));
        tokio::spawn(cluster::handover::keep(Arc::clone(&gateway)));
        tokio::spawn(cluster::peers::keep(Arc::clone(&gateway), cluster::peers::address(config, http_addr)));
        Ok(Self {
            gateway,
            smpp: smpp_addr,
            smpp_tls,
            http: http_addr,
            open,
            connector,
            acceptor,
            http_acceptor,
            committer,
            history,
            checkpoints,
            retention,
            workers,
        })
    }

    /// Takes operators and certificates as `config` has them now. What differs from `running` and cannot be taken while
    /// running, it says.
    pub fn renew(&self, config: &Config, running: &Config) {
        let acceptors = [(&self.acceptor, config.smpp.tls_client_ca.as_deref()), (&self.http_acceptor, None)];
        for (acceptor, client_ca) in acceptors {
            if let (Some(acceptor), Some(identity)) = (acceptor, &config.tls)
                && let Err(error) = acceptor.reload(identity, client_ca)
            {
                tracing::error!(error = %error, "the certificate was not read again; the old one stays");
            }
        }
        self.gateway.renew(config, Now::read());
        self.connector.renew();
        for key in config.settled(running) {
            tracing::warn!(key, "takes effect at the next start only; the old value stays");
        }
    }

    /// Takes no more messages, sends what is decided within `drain`, unbinds, and closes the ledger.
    ///
    /// # Errors
    /// If the ledger failed.
    pub async fn stop(self, drain: Duration) -> anyhow::Result<()> {
        self.gateway.pipeline().drain();
        self.gateway.set_phase(Phase::Draining);
        let drained = async {
            while self.open.links() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(drain, drained).await.is_err() {
            tracing::warn!(links = self.open.links(), "not drained in time");
        }
        if let Some(shared) = &self.gateway.shared {
            shared.leave(&self.gateway).await;
        }
        self.gateway.pipeline().stop();
        self.gateway.set_phase(Phase::Stopped);
        let Self { gateway, workers, committer, history, checkpoints, retention, .. } = self;
        let (done, ended) = oneshot::channel();
        // On a thread of its own, so that HTTP answers and a second signal is heard even while a disk hangs.
        thread::Builder::new().name("end".to_owned()).spawn(move || {
            for worker in workers {
                let _ = worker.stop.send(());
                let _ = worker.thread.join();
            }
            let committed = committer.join();
            // What it was about to write it writes after the next start.
            if history.recv_timeout(HISTORY_ENDS).is_err() {
                tracing::info!("the history is left in the middle of a segment");
            }
            if retention.join().is_err() {
                tracing::warn!("retention ended in a panic");
            }
            match checkpoints.join() {
                Ok(mut checkpoints) => checkpoints.write(&gateway),
                Err(_) => tracing::warn!("the checkpoints ended in a panic"),
            }
            // Nobody waits any more after a second signal.
            let _ = done.send(committed);
        })?;
        match ended.await {
            Ok(Ok(committed)) => committed.context("the ledger"),
            Ok(Err(_)) | Err(_) => anyhow::bail!("the committer ended in a panic"),
        }
    }

    /// Waits until the ledger fails.
    pub async fn failed(&self) {
        let mut phase = self.gateway.phase();
        let _ = phase.wait_for(|phase| *phase == Phase::Stopped).await;
    }
}

/// Opens the ledger and makes the pipeline's memory from it.
fn replay(
    config: &Config,
    world: &World,
    snapshot: Option<Snapshot>,
    storage: FileStorage,
    key: &MasterKey,
) -> anyhow::Result<(Pipeline, Ledger<FileStorage>)> {
    let now = Now::read();
    let codes = Codes::new(CodeKey::new(key.derive("permit code")), config.node);
    let mut pipeline = Pipeline::new(Settings::of(config, &world.names), Operator::of(config), codes, now)
        .context("memory for the pipeline's tables")?;
    let mut options =
        Options { segment_bytes: u64::from(config.store.segment_mib) << 20, ..Options::default() };
    if let Some(snapshot) = snapshot {
        options.visit_from = snapshot.visit_from();
        pipeline.resume(snapshot);
    }
    pipeline.populate(&world.register);
    let opened = Ledger::open(storage, key, config.node, options, |record| pipeline.replay(record));
    let (ledger, batch) = opened.context("store.dir")?;
    let (last, counted) = (ledger.durable().position(), pipeline.counted());
    anyhow::ensure!(
        last >= counted,
        "the ledger in {} ends with record {last}, and its checkpoint has seen record {counted}: put the missing segments \
         back; if they are lost, remove usage.checkpoint, and what they granted is forgotten",
        config.store.dir.display(),
    );
    pipeline.start(batch, now);
    Ok((pipeline, ledger))
}

/// One current-thread runtime for each core.
fn workers() -> anyhow::Result<(Vec<Worker>, Vec<Handle>)> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut workers = Vec::new();
    let mut handles = Vec::new();
    for core in 0..cores {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        handles.push(runtime.handle().clone());
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name(format!("links-{core}")).spawn(move || {
            // A dropped sender means stop as well.
            let _ = runtime.block_on(stopped);
        })?;
        workers.push(Worker { thread, stop });
    }
    Ok((workers, handles))
}

/// Lets time pass in the pipeline, and says when its clock is not trusted.
async fn tick(gateway: Arc<Gateway>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut watch = Watch::default();
    loop {
        ticks.tick().await;
        let now = Now::read();
        let world = gateway.world();
        let port = gateway.port();
        let (sound, waiting, unheard): (bool, Vec<u16>, Vec<Unheard>) = {
            let mut pipeline = gateway.pipeline();
            pipeline.tick(&world, now);
            if pipeline.wants_commit() {
                gateway.wake_committer();
            }
            let operators = 0..u16::try_from(pipeline.operators().len()).unwrap_or(u16::MAX);
            let unheard = operators.clone().map(|operator| Unheard::of(operator, &pipeline, &port));
            let unheard = unheard.collect();
            let waiting = operators.filter(|&operator| pipeline.outbox().waiting(operator) > 0).collect();
            (pipeline.clock_is_sound(), waiting, unheard)
        };
        for (operator, unheard) in (0_u16..).zip(unheard) {
            watch.look(operator, port.name(operator), unheard, now.monotonic);
        }
        let astray =
            (!sound).then_some("the wall clock was stepped: set it right, or wait until it is believed");
        let shared = gateway.shared.as_ref();
        gateway.set_trouble(astray.or_else(|| shared?.trouble(&world.regimes, now.wall)));
        waiting.into_iter().for_each(|operator| gateway.wake_siblings(operator));
    }
}
