//! `flood`: one operator sends many times what was agreed, beside one that sends what it always sends. Times of flood and
//! of quiet take turns in one run, so that the calm operator's latency in the one is held against that in the other.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail, ensure};
use icaze_codec::pdu::{BindKind, Status};
use serde::Serialize;

use super::figures::Latency;
use super::plan::{Documents, Plan, Profile};
use super::tally::Kind;
use crate::connection::{Account, Connection, Incoming, Text, wait};
use crate::gateway::{Site, Started};
use crate::machine;
use crate::phone::Phones;

/// What is sent, and for how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The gateway's program.
    #[arg(long, value_name = "FILE", default_value = "target/dist/icaze")]
    icaze: PathBuf,
    /// Messages/s of the calm operator.
    #[arg(long, default_value_t = 2000)]
    calm: u32,
    /// Messages/s of the flood; 5000 were agreed. 0: as many as the connection takes.
    #[arg(long, default_value_t = 50_000)]
    flood: u32,
    /// Seconds of each time of quiet and of flood.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Times of quiet, each followed by one of flood.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Writes the figures there, in JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// The two operators; what was agreed with the one that floods.
const SETTINGS: &[(&str, &str)] = &[
    ("OPERATORS__CALM__SYSTEM_ID", "calm"),
    ("OPERATORS__CALM__PASSWORD", "secret"),
    ("OPERATORS__CALM__RATE_IN", "0"),
    ("OPERATORS__NOISY__SYSTEM_ID", "noisy"),
    ("OPERATORS__NOISY__PASSWORD", "secret"),
    ("OPERATORS__NOISY__RATE_IN", "5000"),
    ("OPERATORS__NOISY__WINDOW_IN", "1000"),
];
const DOCUMENTS: u32 = 100_000;
/// Messages of the calm operator that may await their responses: enough for a second's.
const CALM_WINDOW: usize = 10_000;
/// Messages of the flood that may: it has no regard for what was agreed.
const FLOOD_WINDOW: usize = 20_000;
/// Messages of the flood between two looks at the socket.
const BURST: u32 = 500;
/// How long what is left at the end may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// When there is quiet, and when flood.
#[derive(Clone, Copy)]
struct Times {
    start: Instant,
    each: Duration,
    end: Duration,
}

impl Times {
    /// Whether there is flood at `at`, from the start.
    fn floods(self, at: Duration) -> bool {
        at < self.end && at.as_nanos() / self.each.as_nanos() % 2 == 1
    }

    /// How many seconds of flood there have been by `at`.
    fn flooded(self, at: Duration) -> f64 {
        let (each, at) = (self.each.as_secs_f64(), at.min(self.end).as_secs_f64());
        (at / (2.0 * each)).floor() * each + (at % (2.0 * each) - each).max(0.0)
    }
}

/// What came of it.
#[derive(Debug, Serialize)]
struct Figures {
    machine: String,
    command: String,
    /// From the instant a message of the calm operator should have been sent to its positive response, in ms.
    quiet_acks_ms: Latency,
    flood_acks_ms: Latency,
    /// And to its reply.
    quiet_replies_ms: Latency,
    flood_replies_ms: Latency,
    /// The calm operator's p99 under flood over that in quiet.
    acks_p99_ratio: f64,
    replies_p99_ratio: f64,
    /// Messages of the calm operator that were put off.
    calm_put_off: u64,
    noisy: Noisy,
    /// What the gateway held before, and at most.
    resident_before: u64,
    resident_max: u64,
}

/// What the operator saw that floods.
#[derive(Debug, Serialize)]
struct Noisy {
    /// Messages/s in times of flood.
    sent_per_second: f64,
    taken_per_second: f64,
    put_off_per_second: f64,
    /// Of the messages that were taken: from the write to the positive response.
    acks_ms: Latency,
}

/// A thread's side of the run: a bind, and texts like no others.
struct Side<'a> {
    connection: Connection,
    plan: &'a Plan,
    phones: Phones,
    payload: Vec<u8>,
    /// When each message should have been sent, from the start, in the order of their tokens.
    due: Vec<Duration>,
}

/// Runs a gateway, and fails if the calm operator lost anything or was put off.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(
        args.calm > 0 && args.seconds > 0 && args.rounds > 0,
        "--calm, --seconds and --rounds are at least 1"
    );
    let site = Site::new(&args.icaze, DOCUMENTS, SETTINGS)?;
    let (gateway, started) = site.start(None)?;
    let Started::Ready(ports, _) = started else { bail!("a start without a kill was killed") };
    let documents: Documents =
        format!("AZE20000000:{DOCUMENTS}").parse().map_err(|error| anyhow!("{error}"))?;
    let seed = super::clock_seed();
    let plan = Plan::new(Profile::Steady, documents, vec![1, 2], None, u64::from(u32::MAX), seed);
    let side = |name: &str, window, part| {
        let account = Account { system_id: name.into(), password: "secret".into(), to: "8103".into() };
        let connection = Connection::bind(ports.smpp, &account, BindKind::Transceiver, window)?;
        let phones = Phones::of(seed + part);
        anyhow::Ok(Side { connection, plan: &plan, phones, payload: Vec::new(), due: Vec::new() })
    };
    let (mut calm, mut noisy) = (side("calm", CALM_WINDOW, 0)?, side("noisy", FLOOD_WINDOW, 1)?);
    let each = Duration::from_secs(args.seconds.into());
    let times = Times { start: Instant::now(), each, end: each * (2 * args.rounds) };
    let before = machine::resident_bytes(gateway.pid())?;
    let (calm, noisy, most) = thread::scope(|scope| {
        let calm = scope.spawn(|| calm.keep_calm(args.calm, times));
        let noisy = scope.spawn(|| noisy.flood(args.flood, times));
        let mut most = before;
        while !calm.is_finished() || !noisy.is_finished() {
            most = most.max(machine::resident_bytes(gateway.pid())?);
            thread::sleep(Duration::from_millis(50));
        }
        let ended = |_| anyhow!("a sending thread panicked");
        anyhow::Ok((calm.join().map_err(ended)??, noisy.join().map_err(ended)??, most))
    })
    .with_context(|| site.log())?;
    let ratio = |under: &Latency, quiet: &Latency| if quiet.p99 > 0.0 { under.p99 / quiet.p99 } else { 0.0 };
    let latency = |kind: &Kind| (Latency::of(&kind.acks), Latency::of(&kind.replies));
    let ((quiet_acks_ms, quiet_replies_ms), (flood_acks_ms, flood_replies_ms)) =
        (latency(&calm.quiet), latency(&calm.flood));
    let figures = Figures {
        machine: machine::line(),
        command: machine::command(),
        acks_p99_ratio: ratio(&flood_acks_ms, &quiet_acks_ms),
        replies_p99_ratio: ratio(&flood_replies_ms, &quiet_replies_ms),
        quiet_acks_ms,
        flood_acks_ms,
        quiet_replies_ms,
        flood_replies_ms,
        calm_put_off: calm.put_off,
        noisy,
        resident_before: before,
        resident_max: most,
    };
    figures.print();
    if let Some(file) = &args.report {
        std::fs::write(file, serde_json::to_string_pretty(&figures)? + "\n")
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    ensure!(calm.put_off == 0, "the calm operator was put off {} times", calm.put_off);
    ensure!(calm.open == 0, "{} messages of the calm operator have no response or no reply", calm.open);
    Ok(())
}

/// What the calm operator saw.
struct Calm {
    quiet: Kind,
    flood: Kind,
    put_off: u64,
    /// Responses and replies that did not come.
    open: u64,
}

impl Side<'_> {
    /// The next message, which was due at `due`.
    fn text(&mut self, due: Duration, now: Instant) -> anyhow::Result<()> {
        let token = self.due.len() as u64;
        let kind = self.plan.text(token, &mut self.payload);
        let text = Text {
            from: &self.phones.digits(token),
            to: b"8103",
            esm_class: 0,
            data_coding: kind.data_coding,
            payload: &self.payload,
        };
        self.connection.text(&text, token, now)?;
        self.due.push(due);
        Ok(())
    }

    /// Sends `rate` messages/s, each when it is due.
    fn keep_calm(&mut self, rate: u32, times: Times) -> anyhow::Result<Calm> {
        let mut calm = Calm { quiet: Kind::new()?, flood: Kind::new()?, put_off: 0, open: 0 };
        let pause = Duration::from_secs(1) / rate;
        let mut next = Duration::ZERO;
        while next < times.end || (calm.open > 0 && times.start.elapsed() < times.end + PATIENCE) {
            let now = Instant::now();
            while next < times.end && times.start + next <= now && self.connection.window_free() > 0 {
                self.text(next, now)?;
                // A response, and a reply.
                calm.open += 2;
                next += pause;
            }
            self.connection.write();
            let left = (times.start + next).saturating_duration_since(Instant::now());
            wait(
                [&self.connection],
                left.clamp(Duration::from_micros(50), Duration::from_millis(5)),
                |_| {},
            )?;
            self.connection.read();
            let now = Instant::now();
            self.connection.handle_timeout(now);
            let at = now - times.start;
            let Self { connection, phones, due, .. } = self;
            connection.take(now, |incoming| {
                let (token, is_reply) = match incoming {
                    Incoming::Response { token, status: Status::ESME_ROK, .. } => (Some(token), false),
                    Incoming::Response { .. } => {
                        calm.put_off += 1;
                        calm.open -= 2;
                        (None, false)
                    }
                    Incoming::Unanswered { .. } => (None, false),
                    Incoming::Reply(message) => (phones.index(message.destination.digits), true),
                };
                let due = token.and_then(|token| due.get(usize::try_from(token).ok()?));
                if let Some(&due) = due {
                    calm.open -= 1;
                    let kind = if times.floods(due) { &mut calm.flood } else { &mut calm.quiet };
                    let histogram = if is_reply { &mut kind.replies } else { &mut kind.acks };
                    histogram.saturating_record(microseconds(at.saturating_sub(due)));
                }
                Status::ESME_ROK
            });
            ensure!(!self.connection.is_closed(), "the gateway closed the calm operator's bind");
        }
        Ok(calm)
    }

    /// Sends `rate` messages/s in times of flood, whatever comes back.
    fn flood(&mut self, rate: u32, times: Times) -> anyhow::Result<Noisy> {
        let mut acks = Kind::new()?.acks;
        let (mut put_off, mut open) = (0_u64, 0_u64);
        while times.start.elapsed() < times.end || (open > 0 && times.start.elapsed() < times.end + PATIENCE)
        {
            let (now, at) = (Instant::now(), times.start.elapsed());
            if times.floods(at) {
                let agreed = times.flooded(at) * f64::from(rate);
                for _ in 0..BURST {
                    let is_early = rate > 0 && self.due.len() as f64 >= agreed;
                    if is_early || self.connection.window_free() == 0 {
                        break;
                    }
                    self.text(at, now)?;
                    open += 1;
                }
            }
            self.connection.pump();
            let now = Instant::now();
            let at = now - times.start;
            let Self { connection, due, .. } = self;
            connection.take(now, |incoming| {
                if let Incoming::Response { token, status, .. } = incoming {
                    open -= 1;
                    let sent = usize::try_from(token).ok().and_then(|token| due.get(token));
                    match sent.filter(|_| status.is_ok()) {
                        Some(&sent) => acks.saturating_record(microseconds(at - sent)),
                        None => put_off += 1,
                    }
                }
                Status::ESME_ROK
            });
            ensure!(!self.connection.is_closed(), "the gateway closed the bind of the one that floods");
            wait([&self.connection], Duration::from_micros(200), |_| {})?;
        }
        let seconds = times.end.as_secs_f64() / 2.0;
        let each = |count: u64| count as f64 / seconds;
        Ok(Noisy {
            sent_per_second: each(self.due.len() as u64),
            taken_per_second: each(acks.len()),
            put_off_per_second: each(put_off),
            acks_ms: Latency::of(&acks),
        })
    }
}

impl Figures {
    #[expect(clippy::print_stdout, reason = "the figures are the command's output")]
    fn print(&self) {
        println!("{:<32} {:>10} {:>10} {:>10}", "", "p50 ms", "p99 ms", "max ms");
        for (name, latency) in [
            ("calm, acks in quiet", &self.quiet_acks_ms),
            ("calm, acks under flood", &self.flood_acks_ms),
            ("calm, replies in quiet", &self.quiet_replies_ms),
            ("calm, replies under flood", &self.flood_replies_ms),
            ("flood, acks of what was taken", &self.noisy.acks_ms),
        ] {
            println!("{name:<32} {:>10.3} {:>10.3} {:>10.3}", latency.p50, latency.p99, latency.max);
        }
        let mebibytes = |bytes: u64| format!("{} MiB", bytes >> 20);
        for (name, value) in [
            ("calm, p99 of acks, ratio", format!("{:.2}", self.acks_p99_ratio)),
            ("calm, p99 of replies, ratio", format!("{:.2}", self.replies_p99_ratio)),
            ("calm, put off", self.calm_put_off.to_string()),
            ("flood, sent/s", format!("{:.0}", self.noisy.sent_per_second)),
            ("flood, taken/s", format!("{:.0}", self.noisy.taken_per_second)),
            ("flood, put off/s", format!("{:.0}", self.noisy.put_off_per_second)),
            ("memory before", mebibytes(self.resident_before)),
            ("memory at most", mebibytes(self.resident_max)),
        ] {
            println!("{name:<32} {value:>10}");
        }
    }
}

/// At least 1: what is no time at all has no place in a histogram.
fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_and_flood_take_turns() {
        let each = Duration::from_secs(5);
        let times = Times { start: Instant::now(), each, end: 4 * each };
        let at = Duration::from_secs_f64;
        let floods = [0.0, 4.9, 5.0, 9.9, 10.0, 15.0, 20.0].map(|seconds| times.floods(at(seconds)));
        assert_eq!(floods, [false, false, true, true, false, true, false]);
        let flooded = [0.0, 5.0, 7.0, 12.0, 16.0, 25.0].map(|seconds| times.flooded(at(seconds)));
        assert_eq!(flooded, [0.0, 0.0, 2.0, 5.0, 6.0, 10.0]);
    }
}
