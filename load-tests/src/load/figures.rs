//! What a run measured.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::board::{Board, Count};
use super::driver::Ran;
use super::outcome::Outcome;
use super::plan::Profile;
use super::tally::{Kind, TICK, Tally, Tick};
use super::{Args, Load};
use crate::machine;

/// The percentiles of the latency curves.
const CURVE: [f64; 16] =
    [0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.9, 99.95, 99.99, 99.995, 99.999];

/// One run's figures, as they stand in figures.json.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// `gateway` or `floor`.
    pub(crate) target: String,
    pub(crate) machine: String,
    pub(crate) command: String,
    pub(crate) profile: Profile,
    pub(crate) sessions: u64,
    pub(crate) window: usize,
    /// Messages/s that were intended, or the peak; none where the windows set the pace.
    pub(crate) rate: Option<f64>,
    pub(crate) seed: u64,
    pub(crate) messages: u64,
    /// Messages that ask for a document which none before has asked for; junk is none of them.
    pub(crate) distinct: u64,
    /// From the first message to the last reply.
    pub(crate) seconds: f64,
    /// Acked messages over those seconds.
    pub(crate) messages_per_second: f64,
    /// From the instant a message should have been sent to its positive response, and to its reply.
    pub(crate) acks_ms: Latency,
    pub(crate) replies_ms: Latency,
    /// Of the replies to messages that can be granted, and to those that cannot.
    pub(crate) valid_ms: Latency,
    pub(crate) junk_ms: Latency,
    /// Messages without a response.
    pub(crate) unacked: u64,
    /// Phones without a reply.
    pub(crate) unanswered: u64,
    /// Replies beyond one for each message.
    pub(crate) duplicates: u64,
    /// Messages refused for good.
    pub(crate) refused: u64,
    /// Responses that asked to send a message again later.
    pub(crate) throttled: u64,
    /// First replies by what they say.
    pub(crate) outcomes: Vec<(String, u64)>,
    pub(crate) grants_percent: f64,
    /// CPU time of the gateway, and of this program's sending threads, for each message.
    pub(crate) gateway_cpu_us: Option<f64>,
    pub(crate) generator_cpu_us: f64,
    pub(crate) operators: Vec<Operator>,
    pub(crate) timeline: Vec<Moment>,
    /// Percentiles, and the latency in ms.
    pub(crate) curves: Curves,
}

/// Of so many messages, in ms.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) count: u64,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

/// One operator's share.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Operator {
    pub(crate) system_id: String,
    pub(crate) sessions: u64,
    pub(crate) messages_per_second: f64,
    pub(crate) acks_ms: Latency,
    pub(crate) replies_ms: Latency,
    pub(crate) unanswered: u64,
    pub(crate) duplicates: u64,
    pub(crate) refused: u64,
    pub(crate) throttled: u64,
}

/// A quarter of a second.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Moment {
    /// Seconds from the start.
    pub(crate) at: f64,
    pub(crate) acks_per_second: f64,
    pub(crate) replies_per_second: f64,
    /// The slowest reply, in ms.
    pub(crate) worst_ms: f64,
}

/// Points of percentile and latency in ms.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Curves {
    pub(crate) acks: Vec<(f64, f64)>,
    pub(crate) valid: Vec<(f64, f64)>,
    pub(crate) junk: Vec<(f64, f64)>,
}

#[expect(clippy::cast_precision_loss, reason = "counts are far from 2^53")]
impl Figures {
    pub(crate) fn new(target: &str, args: &Args, seed: u64, load: &Load, ran: &Ran) -> anyhow::Result<Self> {
        let mut tally = Tally::new()?;
        for operator in &ran.tallies {
            tally.add(operator)?;
        }
        let mut all = Kind::new()?;
        all.add(&tally.valid)?;
        all.add(&tally.junk)?;
        let seconds = seconds(&tally);
        let counts: Vec<_> = load.boards.iter().map(Board::count).collect();
        let operators = (0..).zip(load.accounts.iter().zip(ran.tallies.iter().zip(&counts)));
        let operators: anyhow::Result<_> = operators
            .map(|(operator, (account, (tally, count)))| {
                Operator::new(&account.system_id, load.deal.sessions_of(operator), tally, count)
            })
            .collect();
        let each = |cpu: Duration| 1e6 * ratio(cpu.as_secs_f64(), args.messages as f64);
        let granted = all.outcomes.first().copied().unwrap_or_default();
        Ok(Self {
            target: target.to_owned(),
            machine: machine::line(),
            command: machine::command(),
            profile: args.profile,
            sessions: args.sessions,
            window: args.window,
            rate: args.rate,
            seed,
            messages: args.messages,
            distinct: tally.valid.replies.len().min(args.documents.count()),
            seconds,
            messages_per_second: ratio(all.acks.len() as f64, seconds),
            acks_ms: Latency::of(&all.acks),
            replies_ms: Latency::of(&all.replies),
            valid_ms: Latency::of(&tally.valid.replies),
            junk_ms: Latency::of(&tally.junk.replies),
            unacked: counts.iter().map(|count| count.unacked).sum(),
            unanswered: counts.iter().map(|count| count.unanswered).sum(),
            duplicates: counts.iter().map(|count| count.duplicates).sum(),
            refused: tally.refused,
            throttled: tally.throttled,
            outcomes: Outcome::ALL
                .iter()
                .map(|outcome| outcome.name().to_owned())
                .zip(all.outcomes)
                .collect(),
            grants_percent: 100.0 * ratio(granted as f64, all.replies.len() as f64),
            gateway_cpu_us: ran.gateway_cpu.map(each),
            generator_cpu_us: each(ran.generator_cpu),
            operators: operators?,
            timeline: (0..).zip(&tally.timeline).map(|(tick, counts)| Moment::new(tick, counts)).collect(),
            curves: Curves {
                acks: curve(&all.acks),
                valid: curve(&tally.valid.replies),
                junk: curve(&tally.junk.replies),
            },
        })
    }

    /// The names and values that a person reads.
    pub(crate) fn rows(&self) -> Vec<(String, String)> {
        let (replies, acks) = (&self.replies_ms, &self.acks_ms);
        let mut rows = vec![
            ("messages", self.messages.to_string()),
            ("messages/s", format!("{:.0}", self.messages_per_second)),
            ("seconds", format!("{:.3}", self.seconds)),
            ("p50", format!("{:.3} ms", replies.p50)),
            ("p99", format!("{:.3} ms", replies.p99)),
            ("p99.9", format!("{:.3} ms", replies.p999)),
            ("max", format!("{:.3} ms", replies.max)),
            ("acks, p50", format!("{:.3} ms", acks.p50)),
            ("acks, p99", format!("{:.3} ms", acks.p99)),
            ("unacked", self.unacked.to_string()),
            ("unanswered", self.unanswered.to_string()),
            ("duplicates", self.duplicates.to_string()),
            ("refused", self.refused.to_string()),
            ("throttled", self.throttled.to_string()),
            ("distinct documents", self.distinct.to_string()),
        ];
        if self.junk_ms.count > 0 {
            rows.extend([
                ("valid, p50", format!("{:.3} ms", self.valid_ms.p50)),
                ("valid, p99", format!("{:.3} ms", self.valid_ms.p99)),
                ("junk", format!("{} replies", self.junk_ms.count)),
                ("junk, p50", format!("{:.3} ms", self.junk_ms.p50)),
                ("junk, p99", format!("{:.3} ms", self.junk_ms.p99)),
            ]);
        }
        rows.push(("generator CPU", format!("{:.3} us/message", self.generator_cpu_us)));
        if let Some(gateway) = self.gateway_cpu_us {
            let name = if self.target == "floor" { "echo CPU" } else { "gateway CPU" };
            rows.push((name, format!("{gateway:.3} us/message")));
        }
        let mut rows: Vec<_> = rows.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let answered = self.replies_ms.count as f64;
        for (outcome, count) in &self.outcomes {
            let percent = 100.0 * ratio(*count as f64, answered);
            rows.push((outcome.clone(), format!("{count} ({percent:.1} %)")));
        }
        if self.operators.len() > 1 {
            for operator in &self.operators {
                let Operator { system_id, messages_per_second, replies_ms, .. } = operator;
                let figures = format!(
                    "{messages_per_second:.0}/s, p50 {:.3}, p99 {:.3} ms",
                    replies_ms.p50, replies_ms.p99
                );
                rows.push((format!("operator {system_id}"), figures));
            }
        }
        rows
    }

    /// Prints them.
    #[expect(clippy::print_stdout, reason = "the figures are the command's output")]
    pub(crate) fn print(&self) {
        for (name, value) in self.rows() {
            println!("{name:<20} {value:>20}");
        }
    }
}

impl Latency {
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        let ms = |percentile| at(histogram, percentile);
        Self {
            count: histogram.len(),
            p50: ms(50.0),
            p90: ms(90.0),
            p99: ms(99.0),
            p999: ms(99.9),
            max: ms(100.0),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far from 2^53")]
impl Operator {
    fn new(system_id: &str, sessions: u64, tally: &Tally, count: &Count) -> anyhow::Result<Self> {
        let mut all = tally.valid.clone();
        all.add(&tally.junk)?;
        Ok(Self {
            system_id: system_id.to_owned(),
            sessions,
            messages_per_second: ratio(all.acks.len() as f64, seconds(tally)),
            acks_ms: Latency::of(&all.acks),
            replies_ms: Latency::of(&all.replies),
            unanswered: count.unanswered,
            duplicates: count.duplicates,
            refused: tally.refused,
            throttled: tally.throttled,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far from 2^53")]
impl Moment {
    fn new(tick: u32, counts: &Tick) -> Self {
        let each = TICK.as_secs_f64();
        Self {
            at: f64::from(tick) * each,
            acks_per_second: counts.acks as f64 / each,
            replies_per_second: counts.replies as f64 / each,
            worst_ms: counts.worst as f64 / 1000.0,
        }
    }
}

/// From the start to the last reply.
fn seconds(tally: &Tally) -> f64 {
    Duration::from_micros(tally.last).as_secs_f64()
}

/// The points of a curve, none where nothing was counted.
fn curve(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
    let points = CURVE.iter().filter(|_| !histogram.is_empty());
    points.map(|&percentile| (percentile, at(histogram, percentile))).collect()
}

/// A percentile, in ms.
#[expect(clippy::cast_precision_loss, reason = "a latency is far from 2^53 µs")]
fn at(histogram: &Histogram<u64>, percentile: f64) -> f64 {
    histogram.value_at_percentile(percentile) as f64 / 1000.0
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}
