//! `kills`: the gateway is killed again and again under load, and nothing that it acknowledged may be lost or doubled.

mod report;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use icaze_codec::pdu::BindKind;
use indicatif::{ProgressBar, ProgressStyle};

use self::report::Report;
use crate::connection::Account;
use crate::gateway::{Gateway, Site, Started};
use crate::proof::ledger::Ledger;
use crate::proof::operator::{Binds, Operator};
use crate::proof::reconcile::{Verdict, reconcile};
use crate::random::Random;

/// How often, and against what.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The gateway's program.
    #[arg(long, value_name = "FILE", default_value = "target/dist/icaze")]
    pub(crate) icaze: PathBuf,
    /// SIGKILLs.
    #[arg(long, default_value_t = 1000)]
    pub(crate) kills: u64,
    /// Decides the texts and the instants of the kills.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Kills between two looks at the ledger.
    #[arg(long, default_value_t = 100)]
    pub(crate) every: u64,
    /// New messages/s.
    #[arg(long, default_value_t = 400)]
    pub(crate) rate: u64,
    /// Documents in the register, and so persons who may be granted a permit.
    #[arg(long, default_value_t = 20_000)]
    pub(crate) documents: u32,
    /// Writes the report there, in Markdown.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) account: Account,
}

/// Segments are small, so that many are begun and finished.
const SETTINGS: &[(&str, &str)] = &[("STORE__SEGMENT_MIB", "1")];

/// One phone in so many is out of reach for a while.
const OUT_OF_REACH: u64 = 500;
/// A life lasts so long from its ready line, in ms; the short ones are the most.
const LIFE_MS: std::ops::RangeInclusive<u64> = 50..=1500;
/// So many kills in a hundred come before the ready line.
const EARLY_PERCENT: u64 = 10;
/// At the end: how long nothing may come before all is in, and how long that may take.
const QUIET: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(120);
/// How long the gateway may take to drain.
const DRAIN_MAX: Duration = Duration::from_secs(20);

/// Kills the gateway so many times, and fails if anything was lost or doubled.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(args.every > 0 && args.documents > 0, "--every and --documents are at least 1");
    Kills::new(args)?.run()
}

struct Kills<'a> {
    args: &'a Args,
    site: Site,
    operator: Operator,
    random: Random,
    /// How long the last start took.
    start: Duration,
    report: Report,
}

impl<'a> Kills<'a> {
    fn new(args: &'a Args) -> anyhow::Result<Self> {
        Ok(Self {
            args,
            site: Site::new(&args.icaze, args.documents, SETTINGS)?,
            operator: Operator::new(
                args.account.clone(),
                args.seed,
                args.documents.into(),
                args.rate,
                OUT_OF_REACH,
            ),
            random: Random::of(args.seed, 2),
            start: Duration::ZERO,
            report: Report::default(),
        })
    }

    fn run(mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        let bar = ProgressBar::new(self.args.kills);
        bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} kills {eta}")?);
        for kill in 1..=self.args.kills {
            self.life().with_context(|| format!("before kill {kill}"))?;
            bar.set_position(kill);
            if kill % self.args.every == 0 && kill < self.args.kills {
                self.look(kill, false)?;
            }
        }
        bar.finish_and_clear();
        self.last_life().context("in the last life, which is not killed")?;
        let verdict = self.look(self.args.kills, true)?;
        self.report.seconds = began.elapsed().as_secs();
        self.report.throttled = self.operator.witness.throttled;
        self.report.print(&verdict);
        if let Some(file) = &self.args.report {
            let text = self.report.markdown(&verdict);
            std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
        }
        let wrong = verdict.lost.len() + verdict.doubled.len();
        ensure!(wrong == 0, "{} lost, {} doubled", verdict.lost.len(), verdict.doubled.len());
        Ok(())
    }

    /// One life of the gateway, from its start to its kill.
    fn life(&mut self) -> anyhow::Result<()> {
        if !self.start.is_zero() && self.random.percent(EARLY_PERCENT) {
            let within = u64::try_from(self.start.as_micros()).unwrap_or(u64::MAX);
            let kill_at = Instant::now() + Duration::from_micros(self.random.below(within));
            let (mut gateway, started) = self.site.start(Some(kill_at))?;
            match started {
                Started::Early => self.report.early += 1,
                Started::Ready(..) => gateway.kill()?,
            }
            return Ok(());
        }
        let (mut gateway, target) = self.start()?;
        let mut binds = self.bind(target)?;
        let share = (0..3).map(|_| self.random.below(1000)).min().unwrap_or_default();
        let life = LIFE_MS.start() + (LIFE_MS.end() - LIFE_MS.start()) * share / 1000;
        let kept = self.operator.text(&mut binds, Instant::now() + Duration::from_millis(life));
        if !kept {
            self.gone(&mut gateway)?;
        }
        gateway.kill()?;
        self.operator.bury(&mut binds);
        Ok(())
    }

    /// Starts the gateway and waits until it is ready.
    fn start(&mut self) -> anyhow::Result<(Gateway, SocketAddr)> {
        let (gateway, started) = self.site.start(None)?;
        let Started::Ready(ports, took) = started else { bail!("a start without a kill was killed") };
        self.start = took;
        self.report.start_max = self.report.start_max.max(took);
        Ok((gateway, ports.smpp))
    }

    /// Two transceivers, or one, a transmitter and a receiver.
    fn bind(&mut self, target: SocketAddr) -> anyhow::Result<Binds> {
        let kinds: &[_] = if self.random.percent(50) {
            &[BindKind::Transceiver, BindKind::Transceiver]
        } else {
            &[BindKind::Transceiver, BindKind::Transmitter, BindKind::Receiver]
        };
        let mut binds = Binds::default();
        for &kind in kinds {
            self.operator.bind(&mut binds, 0, target, kind)?;
        }
        Ok(binds)
    }

    /// A bind has ended that nobody killed.
    fn gone(&self, gateway: &mut Gateway) -> anyhow::Result<()> {
        let log = self.site.log();
        match gateway.has_ended()? {
            Some(status) => bail!("the gateway ended by itself, {status}:\n{log}"),
            None => bail!("the gateway closed a bind:\n{log}"),
        }
    }

    /// A life in which everything gets its answer, and that ends in order.
    fn last_life(&mut self) -> anyhow::Result<()> {
        let (mut gateway, target) = self.start()?;
        let mut binds = self.bind(target)?;
        let finished = self.operator.finish(&mut binds, QUIET, PATIENCE);
        ensure!(
            finished,
            "not everything was answered within {} s:\n{}",
            PATIENCE.as_secs(),
            self.site.log()
        );
        gateway.terminate()?;
        let asked = Instant::now();
        self.operator.bury(&mut binds);
        while asked.elapsed() < DRAIN_MAX {
            if let Some(status) = gateway.has_ended()? {
                ensure!(status.success(), "SIGTERM: {status}:\n{}", self.site.log());
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("SIGTERM did not end the gateway within {} s:\n{}", DRAIN_MAX.as_secs(), self.site.log())
    }

    /// Holds what the operator saw against the ledger, while the gateway is down.
    fn look(&mut self, kills: u64, all_in: bool) -> anyhow::Result<Verdict> {
        self.site.verify()?;
        let mut ledger = Ledger::default();
        let phones = self.operator.phones;
        self.site.dump(|line| ledger.line(line, phones))?;
        let verdict = reconcile(&self.operator.witness, &ledger, &HashSet::new(), all_in);
        self.report.row(kills, &verdict);
        Ok(verdict)
    }
}
