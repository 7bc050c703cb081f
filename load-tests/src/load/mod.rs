//! `run`: a load against a gateway; `floor`: the same load against a bare echo.

mod board;
pub(crate) mod compare;
mod deal;
mod disk;
mod driver;
mod echo;
mod figures;
pub(crate) mod flood;
pub(crate) mod look_ups;
mod outcome;
mod page;
mod plan;
mod sender;
mod tally;
pub(crate) mod targets;

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use indicatif::{ProgressBar, ProgressStyle};

use self::board::Board;
use self::deal::{Deal, Pace};
use self::driver::Run;
pub(crate) use self::echo::serve as echo;
use self::figures::Figures;
use self::outcome::Beginnings;
use self::plan::{Documents, Plan, Profile};
use crate::connection::Account;
use crate::machine;
use crate::phone::Phones;

/// What is sent, and how.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Binds, all transceivers; dealt to the operators in turn.
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
    /// So many messages in a hundred cannot be granted, whatever the profile says.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u64).range(..=100))]
    junk: Option<u64>,
    /// The documents that are asked for, each once before any is asked for again.
    #[arg(long, value_name = "FIRST:COUNT", default_value = "AZE20000000:100000")]
    documents: Documents,
    /// The purposes that are asked for.
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    purposes: Vec<u8>,
    /// Repeats a run's phones and texts; by default they are new ones.
    #[arg(long)]
    seed: Option<u64>,
    /// The operators' accounts.
    #[arg(long, value_delimiter = ',', default_value = "demo")]
    system_id: Vec<String>,
    /// Their passwords, or one for all.
    #[arg(long, value_delimiter = ',', default_value = "demo1234")]
    password: Vec<String>,
    /// The short number that is texted.
    #[arg(long, value_name = "SHORT", default_value = "8103")]
    to: String,
    /// The gateway's process, on this machine: its CPU time for each message is told. By default the one that listens at
    /// the target, if that is on loopback.
    #[arg(long)]
    pid: Option<u32>,
    /// Writes figures.json and report.html there.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

/// One run's constants, and what its sessions share.
pub(crate) struct Load {
    deal: Deal,
    plan: Plan,
    phones: Phones,
    beginnings: Beginnings,
    window: usize,
    /// By operator.
    accounts: Vec<Account>,
    /// By operator.
    boards: Vec<Board>,
}

impl Load {
    fn new(args: &Args, seed: u64) -> anyhow::Result<Self> {
        let accounts = args.accounts()?;
        let deal = Deal {
            messages: args.messages,
            sessions: args.sessions,
            operators: accounts.len() as u64,
            deliveries: if args.profile == Profile::Duplicates { 2 } else { 1 },
            pace: Pace::of(args.profile, args.rate),
        };
        let board =
            |operator| Board::new(deal.messages_of(operator), deal.sessions_of(operator), deal.deliveries);
        let (documents, purposes) = (args.documents.clone(), args.purposes.clone());
        Ok(Self {
            plan: Plan::new(args.profile, documents, purposes, args.junk, deal.phones(), seed),
            phones: Phones::of(seed),
            beginnings: Beginnings::new(),
            window: args.window,
            accounts,
            boards: (0..deal.operators).map(board).collect(),
            deal,
        })
    }
}

/// What the command line says where nobody says otherwise.
impl Default for Args {
    fn default() -> Self {
        #[derive(clap::Parser)]
        struct Alone {
            #[command(flatten)]
            args: Args,
        }
        <Alone as clap::Parser>::parse_from([""]).args
    }
}

impl Args {
    fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.sessions > 0 && self.window > 0 && self.messages > 0,
            "sessions, window and messages are at least 1"
        );
        ensure!(self.rate.is_none_or(|rate| rate > 0.0 && rate.is_finite()), "the rate is above 0");
        ensure!(self.purposes.iter().all(|purpose| *purpose < 10), "a purpose is one digit");
        ensure!(self.sessions >= self.system_id.len() as u64, "each operator needs a session");
        Ok(())
    }

    fn accounts(&self) -> anyhow::Result<Vec<Account>> {
        let passwords = self.password.len();
        ensure!(
            passwords == 1 || passwords == self.system_id.len(),
            "{} system_ids, but {passwords} passwords",
            self.system_id.len()
        );
        let passwords = self.password.iter().cycle();
        let account = |(system_id, password): (&String, &String)| Account {
            system_id: system_id.clone(),
            password: password.clone(),
            to: self.to.clone(),
        };
        Ok(self.system_id.iter().zip(passwords).map(account).collect())
    }
}

/// Loads the gateway at `target`. Fails if a message stayed unanswered.
pub(crate) fn run(target: &str, args: &Args) -> anyhow::Result<()> {
    let mut addresses = target.to_socket_addrs().with_context(|| format!("{target} is not HOST:PORT"))?;
    let address = addresses.next().with_context(|| format!("{target} has no address"))?;
    let pid = args.pid.or_else(|| machine::listener(address));
    measure(address, "gateway", pid, args)
}

/// Loads an echo in a process of its own.
pub(crate) fn floor(args: &Args) -> anyhow::Result<()> {
    let echo = echo::Process::start()?;
    measure(echo.address, "floor", Some(echo.pid()), args)
}

fn measure(target: SocketAddr, name: &str, pid: Option<u32>, args: &Args) -> anyhow::Result<()> {
    let figures = load_once(target, name, pid, args)?;
    figures.print();
    if let Some(dir) = &args.report {
        page::write(dir, &figures)
            .with_context(|| format!("cannot write the report to {}", dir.display()))?;
    }
    ensure!(figures.unanswered == 0, "{} messages stayed unanswered", figures.unanswered);
    Ok(())
}

fn load_once(target: SocketAddr, name: &str, pid: Option<u32>, args: &Args) -> anyhow::Result<Figures> {
    args.check()?;
    let seed = args.seed.unwrap_or_else(clock_seed);
    let load = Load::new(args, seed)?;
    let bar = ProgressBar::new(load.deal.phones());
    bar.set_style(ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} {per_sec} {eta}")?);
    let ran = Run::new(&load, target, pid).run(|settled| bar.set_position(settled));
    bar.finish_and_clear();
    Figures::new(name, args, seed, &load, &ran?)
}

/// A seed that no earlier run had, so that nothing in this one is a repeat of it.
fn clock_seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default()
}
