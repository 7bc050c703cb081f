//! `run`: a load against a gateway; `floor`: the same load against a bare echo.

mod board;
mod echo;
mod figures;
mod grant;
mod page;
mod plan;
mod sender;
mod tally;

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;

use self::board::Board;
use self::figures::Figures;
use self::grant::Grants;
use self::plan::{Documents, Plan, Profile};
use self::sender::Sender;
use self::tally::Tally;
use crate::connection::Account;
use crate::machine;
use crate::phone::Phones;

/// What is sent, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Binds, all transceivers.
    #[arg(long, default_value_t = 4)]
    sessions: u64,
    /// Messages of one session that may await their responses.
    #[arg(long, default_value_t = 100)]
    window: usize,
    /// Messages of all sessions together.
    #[arg(long, default_value_t = 20_000)]
    messages: u64,
    /// Messages/s of all sessions together, sent when they are due: latency counts from then. Without it, as many as
    /// the windows let through.
    #[arg(long)]
    rate: Option<f64>,
    /// The kind of traffic.
    #[arg(long, value_enum, default_value_t = Profile::Steady)]
    profile: Profile,
    /// The documents that are asked for, in turn.
    #[arg(long, value_name = "FIRST:COUNT", default_value = "AZE20000000:100000")]
    documents: Documents,
    /// The purposes that are asked for.
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    purposes: Vec<u8>,
    /// Repeats a run's phones and texts; by default they are new ones.
    #[arg(long)]
    seed: Option<u64>,
    #[command(flatten)]
    account: Account,
    /// The gateway's process, on this machine: its CPU time for each message is told.
    #[arg(long)]
    pid: Option<u32>,
    /// Writes figures.json and report.html there.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

/// One run's constants.
pub(crate) struct Load {
    plan: Plan,
    phones: Phones,
    grants: Grants,
    account: Account,
    messages: u64,
    window: usize,
    rate: Option<f64>,
}

impl Load {
    /// When message `index` is due; `None` when as soon as it can.
    fn intended(&self, index: u64, start: Instant) -> Option<Instant> {
        #[expect(clippy::cast_precision_loss, reason = "an index is far from 2^53")]
        self.rate.map(|rate| start + Duration::from_secs_f64(index as f64 / rate))
    }
}

/// Loads the gateway at `target`. Fails if a message stayed unanswered.
pub(crate) fn run(target: &str, args: &Args) -> anyhow::Result<()> {
    let mut addresses = target.to_socket_addrs().with_context(|| format!("{target} is not HOST:PORT"))?;
    let address = addresses.next().with_context(|| format!("{target} has no address"))?;
    measure(address, "gateway", args.pid, args)
}

/// Loads an echo in this process.
pub(crate) fn floor(args: &Args) -> anyhow::Result<()> {
    measure(echo::start()?, "floor", None, args)
}

fn measure(target: SocketAddr, name: &str, pid: Option<u32>, args: &Args) -> anyhow::Result<()> {
    ensure!(
        args.sessions > 0 && args.window > 0 && args.messages > 0,
        "sessions, window and messages are at least 1"
    );
    ensure!(args.rate.is_none_or(|rate| rate > 0.0 && rate.is_finite()), "the rate is above 0");
    let seed = args.seed.unwrap_or_else(clock_seed);
    let load = Arc::new(Load {
        plan: Plan {
            profile: args.profile,
            documents: args.documents.clone(),
            purposes: args.purposes.clone(),
            seed,
        },
        phones: Phones::of(seed),
        grants: Grants::new(),
        account: args.account.clone(),
        messages: args.messages,
        window: args.window,
        rate: args.rate,
    });
    let board = Arc::new(Board::new(load.plan.phones(args.messages)));
    let cpu = |pid: Option<u32>| pid.map(machine::cpu_seconds).transpose();
    let before = (cpu(pid)?, machine::cpu_seconds(std::process::id())?);
    let tally = send(&load, &board, target, args.sessions)?;
    let after = (cpu(pid)?, machine::cpu_seconds(std::process::id())?);
    let mut figures = Figures::new(name, args, seed, &tally, board.count());
    figures.cpu(before.0.zip(after.0).map(|(before, after)| after - before), after.1 - before.1);
    figures.print();
    if let Some(dir) = &args.report {
        page::write(dir, &figures)
            .with_context(|| format!("cannot write the report to {}", dir.display()))?;
    }
    ensure!(figures.unanswered == 0, "{} messages stayed unanswered", figures.unanswered);
    Ok(())
}

/// Binds all sessions, spread over the processor's cores, and lets them send.
fn send(load: &Arc<Load>, board: &Arc<Board>, target: SocketAddr, sessions: u64) -> anyhow::Result<Tally> {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u64).min(sessions);
    let barrier = Barrier::new(usize::try_from(cores)?);
    let start = OnceLock::new();
    let (barrier, start) = (&barrier, &start);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..cores)
            .map(|core| {
                let mine = (core..sessions).step_by(usize::try_from(cores).unwrap_or(1));
                scope.spawn(move || drive(load, board, target, mine, sessions, barrier, start))
            })
            .collect();
        watch(board, load.plan.phones(load.messages), || threads.iter().all(|thread| thread.is_finished()));
        let mut tally = Tally::new()?;
        let mut failure = Ok(());
        for thread in threads {
            match thread.join().map_err(|_| anyhow!("a sending thread panicked"))? {
                Ok(more) => tally.add(&more)?,
                Err(error) => failure = Err(error),
            }
        }
        failure.map(|()| tally)
    })
}

async fn bind(
    load: &Arc<Load>,
    board: &Arc<Board>,
    target: SocketAddr,
    mine: impl Iterator<Item = u64>,
    sessions: u64,
) -> anyhow::Result<Vec<Sender>> {
    let mut senders = Vec::new();
    for first in mine {
        senders.push(Sender::bind(Arc::clone(load), Arc::clone(board), target, first, sessions).await?);
    }
    Ok(senders)
}

/// The sessions of one core.
fn drive(
    load: &Arc<Load>,
    board: &Arc<Board>,
    target: SocketAddr,
    mine: impl Iterator<Item = u64>,
    sessions: u64,
    barrier: &Barrier,
    start: &OnceLock<Instant>,
) -> anyhow::Result<Tally> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let senders = bind(load, board, target, mine, sessions).await;
        // Every thread gets here, or those that did would wait for ever.
        barrier.wait();
        let start = *start.get_or_init(Instant::now);
        let mut running = JoinSet::new();
        for sender in senders? {
            running.spawn(sender.run(start));
        }
        let mut tally = Tally::new()?;
        while let Some(ended) = running.join_next().await {
            tally.add(&ended??)?;
        }
        Ok(tally)
    })
}

/// Shows how far the run is, on a terminal.
fn watch(board: &Board, phones: u64, mut done: impl FnMut() -> bool) {
    let bar = ProgressBar::new(phones);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} {per_sec} {eta}") {
        bar.set_style(style);
    }
    while !done() {
        bar.set_position(board.settled());
        thread::sleep(Duration::from_millis(20));
    }
    bar.finish_and_clear();
}

/// A seed that no earlier run had, so that nothing in this one is a repeat of it.
fn clock_seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default()
}
