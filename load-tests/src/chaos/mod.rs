//! `chaos`: gateways and servers of one cluster fail one after another, and two at once, under load; nothing that was
//! acknowledged may be lost, and nobody be granted more than the rules allow.

mod faults;
mod gateways;
mod load;
mod report;
mod servers;

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use rustix::process::Signal;

use self::faults::{Deck, Kind, Round};
use self::gateways::Gateways;
use self::load::{Load, Order};
use self::report::Report;
use self::servers::{Role, Servers, until};
use crate::connection::Account;
use crate::proof::operator::Operator;
use crate::proof::reconcile::reconcile;
use crate::random::Random;

/// How long, and against what.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The gateway's program.
    #[arg(long, value_name = "FILE", default_value = "target/dist/icaze")]
    pub(crate) icaze: PathBuf,
    /// How long faults go on; in any case until each kind has come once.
    #[arg(long, default_value_t = 10)]
    pub(crate) minutes: u64,
    /// Decides the texts and the faults.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// New messages/s.
    #[arg(long, default_value_t = 200)]
    pub(crate) rate: u64,
    /// Documents in the register, and so persons who may be granted a permit.
    #[arg(long, default_value_t = 50_000)]
    pub(crate) documents: u32,
    /// Redis servers of each of the three shards beside its primary.
    #[arg(long, default_value_t = 2)]
    pub(crate) replicas: usize,
    /// Writes the report there, in Markdown.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) account: Account,
}

/// So many rounds in a hundred are of two faults.
const TWO_PERCENT: u64 = 30;
/// How long nothing is wrong between two rounds, in ms at most.
const PAUSE_MS: u64 = 2_000;
/// One phone in so many is out of reach for a while: seldom, so that replies are as fast as gateways are.
const OUT_OF_REACH: u64 = 20_000;
/// So many more acknowledgements show that it goes on.
const GOES_ON: u64 = 50;

/// Lets things fail for so long, and fails itself if anything was lost or doubled.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(args.documents > 0 && args.replicas > 0, "--documents and --replicas are at least 1");
    let began = Instant::now();
    let mut chaos = Chaos::new(args)?;
    chaos
        .rounds()
        .with_context(|| format!("after {} s\n{}", began.elapsed().as_secs(), chaos.gateways.logs()))?;
    let Chaos { servers, mut gateways, load, rounds, .. } = chaos;
    let operator = load.finish().with_context(|| gateways.logs())?;
    for number in 0..gateways::COUNT {
        gateways.terminate(number)?;
        gateways.ended(number)?;
    }
    let ledger = gateways.ledger(operator.phones)?;
    let verdict = reconcile(&operator.witness, &ledger, &servers.conflicts()?, true);
    let report = Report::new(args, &rounds, &operator.witness, gateways.counted(), began.elapsed())?;
    report.print(&verdict);
    if let Some(file) = &args.report {
        let text = report.markdown(&verdict);
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let wrong = verdict.lost.len() + verdict.doubled.len();
    ensure!(wrong == 0, "{} lost, {} doubled", verdict.lost.len(), verdict.doubled.len());
    Ok(())
}

struct Chaos<'a> {
    args: &'a Args,
    servers: Servers,
    gateways: Gateways,
    load: Load,
    random: Random,
    rounds: Vec<Round>,
}

/// A fault that lasts: what is to be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    ServerDead(usize),
    ServerHangs(usize),
    NoMemory,
    GatewayDead(u8),
    GatewayHangs(u8),
    GatewayEnds(u8),
    Nothing,
}

impl<'a> Chaos<'a> {
    fn new(args: &'a Args) -> anyhow::Result<Self> {
        let servers = Servers::start(args.replicas)?;
        let mut gateways = Gateways::new(&args.icaze, args.documents, &servers.nodes())?;
        let operator =
            Operator::new(args.account.clone(), args.seed, args.documents.into(), args.rate, OUT_OF_REACH);
        let load = Load::start(operator);
        for number in 0..gateways::COUNT {
            load.tell(Order::Here(number, gateways.start(number)?.smpp))?;
        }
        Ok(Self { args, servers, gateways, load, random: Random::of(args.seed, 2), rounds: Vec::new() })
    }

    fn rounds(&mut self) -> anyhow::Result<()> {
        let (began, lasts) = (Instant::now(), Duration::from_secs(60 * self.args.minutes));
        let bar = ProgressBar::new(lasts.as_secs());
        bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} s {msg}")?);
        let mut deck = Deck::new();
        while began.elapsed() < lasts || !deck.is_through {
            self.sleep_below(PAUSE_MS);
            let mut kinds = vec![deck.deal(&mut self.random)];
            if self.random.percent(TWO_PERCENT) {
                kinds.push(deck.deal(&mut self.random));
            }
            bar.set_message(kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", and "));
            self.round(&kinds).with_context(|| format!("round {}: {kinds:?}", self.rounds.len() + 1))?;
            bar.set_position(began.elapsed().as_secs());
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Something fails, or two things, and is mended; then everything works again.
    fn round(&mut self, kinds: &[Kind]) -> anyhow::Result<()> {
        let (from, mut faults, mut lasts_ms) = (Instant::now(), Vec::new(), 0);
        for &kind in kinds {
            lasts_ms = lasts_ms.max(kind.lasts_ms(&mut self.random));
            let fault = self.inject(kind, &faults)?;
            faults.push(fault);
            self.sleep_below(500);
        }
        thread::sleep(Duration::from_millis(lasts_ms));
        // Servers first: gateways start with them.
        faults.sort_by_key(|fault| matches!(fault, Fault::GatewayDead(_) | Fault::GatewayEnds(_)));
        for fault in faults {
            self.mend(fault)?;
        }
        until("every shard to take writes", || Ok(self.servers.is_whole()))?;
        until("every gateway to be ready", || self.gateways.are_ready())?;
        let before = self.load.acked();
        until("more acknowledgements", || Ok(self.load.acked() >= before + GOES_ON))?;
        self.rounds.push(Round { kinds: kinds.to_vec(), from, to: Instant::now() });
        Ok(())
    }

    fn inject(&mut self, kind: Kind, beside: &[Fault]) -> anyhow::Result<Fault> {
        Ok(match kind {
            Kind::KillPrimary | Kind::KillReplica => {
                let role = if kind == Kind::KillPrimary { Role::Primary } else { Role::Replica };
                let place = self.server(role)?;
                self.servers.kill(place)?;
                Fault::ServerDead(place)
            }
            Kind::PausePrimary => {
                let place = self.server(Role::Primary)?;
                self.servers.signal(place, Signal::STOP)?;
                Fault::ServerHangs(place)
            }
            Kind::FillMemory => {
                self.servers.tell_all("CONFIG SET maxmemory 1");
                Fault::NoMemory
            }
            Kind::ResetConnections => {
                self.servers.tell_all("CLIENT KILL TYPE normal");
                let number = self.gateway(beside);
                self.load.tell(Order::Cut(number))?;
                Fault::Nothing
            }
            Kind::KillGateway => {
                let number = self.gateway(beside);
                self.load.tell(Order::Gone(number))?;
                self.gateways.kill(number)?;
                Fault::GatewayDead(number)
            }
            Kind::PauseGateway => {
                let number = self.gateway(beside);
                self.load.tell(Order::Gone(number))?;
                self.gateways.signal(number, Signal::STOP)?;
                // As if it had waited for its own timer: what is under way there goes to another gateway too.
                if self.random.percent(50) {
                    self.load.tell(Order::Cut(number))?;
                }
                Fault::GatewayHangs(number)
            }
            Kind::RestartGateway => {
                let number = self.gateway(beside);
                self.load.tell(Order::Gone(number))?;
                self.gateways.terminate(number)?;
                Fault::GatewayEnds(number)
            }
        })
    }

    fn mend(&mut self, fault: Fault) -> anyhow::Result<()> {
        match fault {
            Fault::ServerDead(place) => self.servers.restart(place),
            Fault::ServerHangs(place) => self.servers.signal(place, Signal::CONT),
            Fault::NoMemory => {
                self.servers.tell_all("CONFIG SET maxmemory 0");
                Ok(())
            }
            Fault::GatewayDead(number) => self.start(number),
            Fault::GatewayEnds(number) => {
                self.gateways.ended(number)?;
                self.start(number)
            }
            Fault::GatewayHangs(number) => {
                self.gateways.signal(number, Signal::CONT)?;
                self.load.tell(Order::Here(number, self.gateways.target(number)?))
            }
            Fault::Nothing => Ok(()),
        }
    }

    fn start(&mut self, number: u8) -> anyhow::Result<()> {
        let ports = self.gateways.start(number)?;
        self.load.tell(Order::Here(number, ports.smpp))
    }

    /// One of the servers that are this.
    fn server(&mut self, role: Role) -> anyhow::Result<usize> {
        let servers = self.servers.with_role(role);
        let place = usize::try_from(self.random.below(servers.len() as u64))?;
        servers.get(place).copied().with_context(|| format!("no server is a {role:?}"))
    }

    /// One of the gateways that nothing is wrong with.
    fn gateway(&mut self, beside: &[Fault]) -> u8 {
        let taken = |number| {
            beside.iter().any(|fault| match *fault {
                Fault::GatewayDead(other) | Fault::GatewayHangs(other) | Fault::GatewayEnds(other) => {
                    other == number
                }
                _ => false,
            })
        };
        let sound: Vec<u8> = (0..gateways::COUNT).filter(|&number| !taken(number)).collect();
        self.random.of_these(&sound)
    }

    fn sleep_below(&mut self, ms: u64) {
        thread::sleep(Duration::from_millis(self.random.below(ms)));
    }
}
