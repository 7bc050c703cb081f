//! `targets`: what the gateway is meant to reach, measured in one run on one machine beside the limits of that machine.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::Serialize;

use super::figures::{Figures, Latency};
use super::plan::Profile;
use super::{Args as LoadArgs, disk, echo, load_once};
use crate::gateway::{Gateway, Site, Started};
use crate::machine;

/// What is measured, and against what.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The gateway's program.
    #[arg(long, value_name = "FILE", default_value = "target/dist/icaze")]
    icaze: PathBuf,
    /// A register that holds the documents from AZE20000000 on; by default one is made.
    #[arg(long, value_name = "FILE")]
    register: Option<PathBuf>,
    /// How many documents that are; each message asks for one that none before has asked for, as far as they go.
    #[arg(long, default_value_t = 1_000_000)]
    documents: u64,
    /// Messages of each load.
    #[arg(long, default_value_t = 300_000)]
    messages: u64,
    /// How often the loads are run, each in its turn. The best of each counts: whatever else the machine does only slows.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// An SMSC that answers every submit_sm with its response and a deliver_sm, and keeps nothing: a program that listens on the
    /// port of loopback that is its argument, and ends with its input. See baseline/.
    #[arg(long, value_name = "PROGRAM")]
    baseline: Option<PathBuf>,
    /// Writes all figures there, in JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// How long the gateway may take to end.
const ENDS: Duration = Duration::from_secs(60);

/// The gateway has caught up with everything once it has done next to nothing for so long: its history looks for work every five
/// seconds.
const QUIET: Duration = Duration::from_secs(6);
/// How long it may take for that.
const CATCHES_UP: Duration = Duration::from_secs(300);

/// How many documents the loads have asked for.
struct Loads<'a> {
    args: &'a Args,
    asked: u64,
}

/// The best of the rounds.
#[derive(Debug, Default, Serialize)]
struct Best {
    floor: Option<Figures>,
    baseline: Option<Figures>,
    few: Option<Figures>,
    many: Option<Figures>,
    more: Option<Figures>,
    half: Option<Figures>,
    junk: Option<Figures>,
    sync_ms: Option<Latency>,
}

/// A target, what was measured, and what it means.
#[derive(Debug, Serialize)]
struct Row {
    what: &'static str,
    measured: f64,
    /// At least, or at most.
    least: bool,
    target: f64,
}

/// Runs everything and prints the table.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(args.rounds > 0 && args.messages > 0 && args.documents > 0, "nothing is to be measured");
    let made = Register::of(args)?;
    let site = Site::with_register(&args.icaze, &made.path, &[("LIMITS__PHONE_MAX", "1000")])?;
    let (gateway, started) = site.start(None)?;
    let Started::Ready(ports, took) = started else { anyhow::bail!("the gateway was not ready") };
    say(&format!(
        "{}\nready after {:.2} s with {} documents",
        machine::line(),
        took.as_secs_f64(),
        args.documents
    ));
    let resident = machine::resident_bytes(gateway.pid())?;
    let mut best = Best::default();
    let mut loads = Loads { args, asked: 0 };
    for round in 1..=args.rounds {
        say(&format!("\nround {round} of {}", args.rounds));
        loads.round(ports.smpp, &gateway, site.path(), &mut best)?;
    }
    let rows = rows(&best);
    say(&format!("\n{:<58} {:>12} {:>14}", "", "measured", "target"));
    rows.iter().for_each(|row| say(&row.line()));
    let now = machine::resident_bytes(gateway.pid())?;
    say(&format!("memory: {} MiB before, {} MiB after {} messages", resident >> 20, now >> 20, loads.asked));
    if let Some(path) = &args.report {
        let report = serde_json::json!({"machine": machine::line(), "command": machine::command(), "rows": rows, "best": best});
        fs::write(path, serde_json::to_string_pretty(&report)? + "\n")
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    restart(&site, gateway)
}

/// How long a start takes after an end in order, and after none.
fn restart(site: &Site, mut gateway: Gateway) -> anyhow::Result<()> {
    let began = Instant::now();
    gateway.terminate()?;
    while gateway.has_ended()?.is_none() {
        ensure!(began.elapsed() < ENDS, "the gateway does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
    say(&format!("ended after {:.2} s", began.elapsed().as_secs_f64()));
    for after in ["an end in order", "a kill"] {
        let (mut started, Started::Ready(_, took)) = site.start(None)? else {
            anyhow::bail!("the gateway was not ready")
        };
        say(&format!("ready {:.2} s after {after}", took.as_secs_f64()));
        started.kill()?;
    }
    Ok(())
}

impl Loads<'_> {
    fn round(
        &mut self,
        target: SocketAddr,
        gateway: &Gateway,
        dir: &Path,
        best: &mut Best,
    ) -> anyhow::Result<()> {
        let pid = Some(gateway.pid());
        let sync = disk::probe(dir)?;
        say(&format!("{:<28} p50 {:.3}, p99 {:.3} ms", "disk: write and sync", sync.p50, sync.p99));
        if best.sync_ms.is_none_or(|best| sync.p50 < best.p50) {
            best.sync_ms = Some(sync);
        }
        let echo = echo::Process::start()?;
        self.measure("floor, 4 x 100", echo.address, Some(echo.pid()), &load(4, 100), &mut best.floor)?;
        drop(echo);
        if let Some(program) = &self.args.baseline {
            let baseline = Baseline::start(program)?;
            let (address, pid) = (baseline.address, Some(baseline.child.id()));
            self.measure("baseline, 4 x 100", address, pid, &load(4, 100), &mut best.baseline)?;
        }
        self.measure("4 x 100", target, pid, &load(4, 100), &mut best.many)?;
        catch_up(gateway)?;
        self.measure("4 x 10", target, pid, &load(4, 10), &mut best.few)?;
        catch_up(gateway)?;
        self.measure("16 x 100", target, pid, &load(16, 100), &mut best.more)?;
        catch_up(gateway)?;
        let half = best.many.as_ref().map_or(1000.0, |figures| figures.messages_per_second / 2.0);
        let half = LoadArgs { rate: Some(half), ..load(4, 1000) };
        self.measure("half of that, open", target, pid, &half, &mut best.half)?;
        catch_up(gateway)?;
        let junk = LoadArgs { profile: Profile::Junk, ..load(4, 100) };
        self.measure("4 x 100, 90 % junk", target, pid, &junk, &mut best.junk)?;
        catch_up(gateway)
    }

    /// Runs one load and keeps it if it is the best of its kind: by latency where the rate was set.
    fn measure(
        &mut self,
        name: &str,
        target: SocketAddr,
        pid: Option<u32>,
        load: &LoadArgs,
        best: &mut Option<Figures>,
    ) -> anyhow::Result<()> {
        let messages = self.args.messages;
        let left = self.args.documents.saturating_sub(self.asked);
        let first = if left >= messages { self.asked } else { 0 };
        let documents = format!("AZE{}:{}", 20_000_000 + first, messages.min(self.args.documents));
        let documents = documents.parse().map_err(anyhow::Error::msg)?;
        let load = LoadArgs { messages, documents, ..load.clone() };
        let figures = load_once(target, name, pid, &load)?;
        self.asked = first + messages;
        say(&format!(
            "{name:<28} {:>9.0}/s, p50 {:.3}, p99 {:.3} ms, CPU {:.2} us, {:.0} % grants",
            figures.messages_per_second,
            figures.replies_ms.p50,
            figures.replies_ms.p99,
            figures.gateway_cpu_us.unwrap_or_default(),
            figures.grants_percent,
        ));
        ensure!(figures.unanswered == 0, "{name}: {} messages stayed unanswered", figures.unanswered);
        let better = best.as_ref().is_none_or(|best| {
            if load.rate.is_some() {
                figures.replies_ms.p99 < best.replies_ms.p99
            } else {
                figures.messages_per_second > best.messages_per_second
            }
        });
        if better {
            *best = Some(figures);
        }
        Ok(())
    }
}

/// Waits until the gateway has done what a load has left it with, so that the next one does not pay for it.
fn catch_up(gateway: &Gateway) -> anyhow::Result<()> {
    let began = Instant::now();
    let (mut busy, mut used) = (began, machine::cpu_time(gateway.pid())?);
    while busy.elapsed() < QUIET {
        ensure!(
            began.elapsed() < CATCHES_UP,
            "the gateway has not caught up within {} s",
            CATCHES_UP.as_secs()
        );
        std::thread::sleep(Duration::from_millis(500));
        let now = machine::cpu_time(gateway.pid())?;
        if now - used > Duration::from_millis(50) {
            busy = Instant::now();
        }
        used = now;
    }
    say(&format!("{:<28} {:.1} s", "  until it had caught up", (busy - began).as_secs_f64()));
    Ok(())
}

fn load(sessions: u64, window: usize) -> LoadArgs {
    LoadArgs { sessions, window, ..LoadArgs::default() }
}

fn rows(best: &Best) -> Vec<Row> {
    let rate = |figures: &Option<Figures>| figures.as_ref().map(|figures| figures.messages_per_second);
    let cpu = |figures: &Option<Figures>| figures.as_ref().and_then(|figures| figures.gateway_cpu_us);
    let p99 = |figures: &Option<Figures>| figures.as_ref().map(|figures| figures.valid_ms.p99);
    let ratio = |part: Option<f64>, whole: Option<f64>| Some(part? / whole.filter(|whole| *whole > 0.0)?);
    let sync_s = best.sync_ms.map(|sync| sync.p50 / 1000.0);
    let p50 = best.half.as_ref().map(|figures| figures.replies_ms.p50);
    let least =
        |what, measured: Option<f64>, target| Some(Row { what, measured: measured?, least: true, target });
    let most =
        |what, measured: Option<f64>, target| Some(Row { what, measured: measured?, least: false, target });
    let rows = [
        least("4 x 100: messages/s", rate(&best.many), 500_000.0),
        most("4 x 100: gateway CPU, us/message", cpu(&best.many), 1.5),
        least("4 x 100: of the floor", ratio(rate(&best.many), rate(&best.floor)), 0.25),
        least("4 x 100: times the baseline's messages/s", ratio(rate(&best.many), rate(&best.baseline)), 3.0),
        most("4 x 100: of the baseline's CPU", ratio(cpu(&best.many), cpu(&best.baseline)), 0.25),
        least(
            "4 x 10: messages/s times the median sync, over 20",
            ratio(rate(&best.few), sync_s.map(|s| 20.0 / s)),
            0.8,
        ),
        least("16 x 100: messages/s", rate(&best.more), 800_000.0),
        most("half of the 4 x 100 peak, open: p50, ms", p50, 1.0),
        most("half of the 4 x 100 peak, open: p99, ms", p99(&best.half), 5.0),
        most(
            "90 % junk: p99 of the valid over that without junk",
            ratio(p99(&best.junk), p99(&best.many)),
            1.0,
        ),
        most(
            "90 % junk: CPU of a message over one without junk",
            ratio(cpu(&best.junk), cpu(&best.many)),
            1.0,
        ),
    ];
    rows.into_iter().flatten().collect()
}

impl Row {
    fn line(&self) -> String {
        let Self { what, measured, least, target } = self;
        let reached = if *least { measured >= target } else { measured <= target };
        let digits = if *target >= 1000.0 { 0 } else { 2 };
        let sign = if *least { ">=" } else { "<=" };
        let target = format!("{sign} {target:.digits$}");
        format!("{what:<58} {measured:>12.digits$} {target:>14}  {}", if reached { "reached" } else { "-" })
    }
}

/// The register, which goes with this if it was made.
struct Register {
    path: PathBuf,
    _dir: Option<tempfile::TempDir>,
}

impl Register {
    fn of(args: &Args) -> anyhow::Result<Self> {
        if let Some(path) = &args.register {
            let path = path.canonicalize().with_context(|| format!("{} is not there", path.display()))?;
            return Ok(Self { path, _dir: None });
        }
        let dir = tempfile::TempDir::with_prefix("icaze-")?;
        let (csv, path) = (dir.path().join("residents.csv"), dir.path().join("residents.snapshot"));
        let count = args.documents.to_string();
        make(Command::new(&args.icaze).args(["register", "synth", "--count", &count, "--out"]).arg(&csv))?;
        make(Command::new(&args.icaze).args(["register", "import"]).arg(&csv).arg("--out").arg(&path))?;
        fs::remove_file(csv)?;
        Ok(Self { path, _dir: Some(dir) })
    }
}

fn make(command: &mut Command) -> anyhow::Result<()> {
    let made = command.output().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(made.status.success(), "{command:?}: {}", String::from_utf8_lossy(&made.stderr));
    Ok(())
}

/// Another SMSC, in a process of its own that ends with this value.
struct Baseline {
    child: Child,
    address: SocketAddr,
}

impl Baseline {
    fn start(program: &Path) -> anyhow::Result<Self> {
        let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = Command::new(program).arg(free.port().to_string()).stdin(Stdio::piped()).spawn();
        let child = child.with_context(|| format!("cannot start {}", program.display()))?;
        let baseline = Self { child, address: free };
        for _ in 0..100 {
            if std::net::TcpStream::connect(free).is_ok() {
                return Ok(baseline);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        anyhow::bail!("{} does not listen at {free}", program.display())
    }
}

impl Drop for Baseline {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::print_stdout, reason = "the figures are the command's output")]
fn say(line: &str) {
    println!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_least_or_a_most() {
        let row = |least, measured, target| Row { what: "x", measured, least, target }.line();
        assert!(row(true, 2.0, 1.0).ends_with("reached") && row(false, 1.0, 1.0).ends_with("reached"));
        assert!(row(true, 0.9, 1.0).ends_with('-') && row(false, 1.1, 1.0).ends_with('-'));
        assert!(rows(&Best::default()).is_empty(), "what was not measured is not told");
    }
}
