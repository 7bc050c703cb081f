//! What a run measured.

use std::time::Duration;

use serde::Serialize;

use super::Args;
use super::board::Count;
use super::plan::Profile;
use super::tally::{TICK, Tally};
use crate::machine;

/// The percentiles of the latency curve.
const CURVE: [f64; 15] =
    [1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.9, 99.95, 99.99, 100.0];

/// One run's figures, as they stand in figures.json.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    /// `gateway` or `floor`.
    pub(crate) target: String,
    pub(crate) machine: String,
    pub(crate) command: String,
    pub(crate) profile: Profile,
    pub(crate) sessions: u64,
    pub(crate) window: usize,
    /// Messages/s that were intended; none where the windows set the pace.
    pub(crate) rate: Option<f64>,
    pub(crate) seed: u64,
    pub(crate) messages: u64,
    pub(crate) acked: u64,
    /// Phones whose messages got a reply.
    pub(crate) answered: u64,
    /// From the first message to the last reply.
    pub(crate) seconds: f64,
    /// Acked messages over those seconds.
    pub(crate) messages_per_second: f64,
    /// From the instant a message should have been sent to its reply.
    pub(crate) latency_ms: Latency,
    /// Messages without a response, and phones without a reply that was due.
    pub(crate) unanswered: u64,
    /// Replies beyond one for each message.
    pub(crate) duplicates: u64,
    /// Messages refused for good.
    pub(crate) refused: u64,
    /// Responses that asked to send a message again later.
    pub(crate) throttled: u64,
    pub(crate) grants: u64,
    pub(crate) grants_percent: f64,
    /// CPU time of the gateway and of this program, for each message.
    pub(crate) gateway_cpu_us: Option<f64>,
    pub(crate) generator_cpu_us: f64,
    /// Seconds from the start, and the replies/s that came in the quarter of a second from there.
    pub(crate) timeline: Vec<(f64, f64)>,
    /// Percentiles, and the latency in ms.
    pub(crate) curve: Vec<(f64, f64)>,
}

/// Milliseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

#[expect(clippy::cast_precision_loss, reason = "counts are far from 2^53")]
impl Figures {
    pub(crate) fn new(target: &str, args: &Args, seed: u64, tally: &Tally, count: Count) -> Self {
        let seconds = Duration::from_nanos(tally.last).as_secs_f64();
        let answered = tally.latency.len();
        let ms = |percentile| tally.latency.value_at_percentile(percentile) as f64 / 1000.0;
        let tick = Duration::from_nanos(TICK).as_secs_f64();
        let timeline = tally.timeline.iter().enumerate();
        Self {
            target: target.to_owned(),
            machine: machine::line(),
            command: machine::command(),
            profile: args.profile,
            sessions: args.sessions,
            window: args.window,
            rate: args.rate,
            seed,
            messages: args.messages,
            acked: tally.acked,
            answered,
            seconds,
            messages_per_second: ratio(tally.acked as f64, seconds),
            latency_ms: Latency { p50: ms(50.0), p99: ms(99.0), p999: ms(99.9), max: ms(100.0) },
            unanswered: tally.unacked + count.unanswered,
            duplicates: count.duplicates,
            refused: tally.refused,
            throttled: tally.throttled,
            grants: tally.grants,
            grants_percent: 100.0 * ratio(tally.grants as f64, answered as f64),
            gateway_cpu_us: None,
            generator_cpu_us: 0.0,
            timeline: timeline.map(|(at, &count)| (at as f64 * tick, count as f64 / tick)).collect(),
            curve: CURVE.into_iter().map(|percentile| (percentile, ms(percentile))).collect(),
        }
    }

    /// Adds the CPU seconds of the run.
    pub(crate) fn cpu(&mut self, gateway: Option<f64>, generator: f64) {
        let each = |seconds: f64| 1e6 * ratio(seconds, self.messages as f64);
        self.gateway_cpu_us = gateway.map(each);
        self.generator_cpu_us = each(generator);
    }

    /// The names and values that a person reads.
    pub(crate) fn rows(&self) -> Vec<(&'static str, String)> {
        let latency = &self.latency_ms;
        let mut rows = vec![
            ("messages", self.messages.to_string()),
            ("messages/s", format!("{:.0}", self.messages_per_second)),
            ("seconds", format!("{:.3}", self.seconds)),
            ("p50", format!("{:.3} ms", latency.p50)),
            ("p99", format!("{:.3} ms", latency.p99)),
            ("p99.9", format!("{:.3} ms", latency.p999)),
            ("max", format!("{:.3} ms", latency.max)),
            ("unanswered", self.unanswered.to_string()),
            ("duplicates", self.duplicates.to_string()),
            ("refused", self.refused.to_string()),
            ("throttled", self.throttled.to_string()),
            ("grants", format!("{} ({:.1} %)", self.grants, self.grants_percent)),
            ("generator CPU", format!("{:.2} us/message", self.generator_cpu_us)),
        ];
        if let Some(gateway) = self.gateway_cpu_us {
            rows.push(("gateway CPU", format!("{gateway:.2} us/message")));
        }
        rows
    }

    /// Prints them.
    #[expect(clippy::print_stdout, reason = "the figures are the command's output")]
    pub(crate) fn print(&self) {
        for (name, value) in self.rows() {
            println!("{name:<14} {value:>20}");
        }
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}
