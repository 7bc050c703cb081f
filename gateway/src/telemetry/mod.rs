//! The metrics of the contract, and the log.
//!
//! What is counted per message is a plain number in the pipeline and becomes a metric when somebody asks; only
//! latencies are recorded as they happen, once per batch.

mod histogram;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use icaze_codec::pdu::{Command, Status};
use icaze_codec::session::Direction;
use icaze_config::gateway::{Log, LogFormat};
use metrics::{counter, gauge, with_local_recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use metrics_process::Collector;

use self::histogram::Histogram;
use crate::smpp::binds::asks_to_wait;
use crate::smpp::held::Released;
use crate::timeline::no_answers;

/// Upper bounds of the latency histograms, in seconds.
const SECONDS: &[f64] = &[
    0.000_25, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0, 600.0,
];
/// Upper bounds of the batch sizes.
const RECORDS: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0];

/// One gateway's metrics. A clone is the same ones.
#[derive(Clone)]
pub struct Telemetry {
    recorder: Arc<PrometheusRecorder>,
    histograms: Arc<Histograms>,
    /// How long answers took, finer than their histogram: in microseconds, since somebody last took them.
    answers: Arc<Mutex<hdrhistogram::Histogram<u64>>>,
    process: Collector,
}

struct Histograms {
    answer_seconds: Histogram,
    sync_seconds: Histogram,
    batch_records: Histogram,
    round_trip_seconds: Histogram,
}

impl Default for Telemetry {
    /// Nothing measured yet.
    fn default() -> Self {
        let recorder = Arc::new(PrometheusBuilder::new().build_recorder());
        with_local_recorder(&*recorder, describe);
        let answers = Arc::new(Mutex::new(no_answers()));
        Self { recorder, histograms: Arc::default(), answers, process: Collector::default() }
    }
}

impl Default for Histograms {
    fn default() -> Self {
        Self {
            answer_seconds: Histogram::new(
                "icaze_answer_seconds",
                "From the message read to its answer released for writing",
                SECONDS,
            ),
            sync_seconds: Histogram::new(
                "icaze_ledger_sync_seconds",
                "One commit of the ledger: write and sync",
                SECONDS,
            ),
            batch_records: Histogram::new("icaze_ledger_batch_records", "Records in one commit", RECORDS),
            round_trip_seconds: Histogram::new(
                "icaze_cluster_round_trip_seconds",
                "One batch of calls to all shards, repeats included",
                SECONDS,
            ),
        }
    }
}

impl Telemetry {
    /// Replies that may leave now.
    pub fn answered(&self, now: Instant, released: Released) {
        let took = now.saturating_duration_since(released.received);
        self.histograms.answer_seconds.record(took.as_secs_f64(), released.replies.into());
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.saturating_record_n(micros, released.replies.into());
    }

    /// How long answers took since this was last asked, in microseconds.
    #[must_use]
    pub fn take_answers(&self) -> hdrhistogram::Histogram<u64> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *answers, no_answers())
    }

    /// A batch was made durable.
    pub fn committed(&self, took: Duration, records: usize) {
        self.histograms.sync_seconds.record(took.as_secs_f64(), 1);
        self.histograms.batch_records.record(records as f64, 1);
    }

    /// How old the oldest personal data of a kind is, in seconds, and how old it may become.
    pub fn retained(&self, kind: &'static str, age: f64, limit: Duration) {
        with_local_recorder(&*self.recorder, || {
            gauge!("icaze_retention_age_seconds", "kind" => kind).set(age);
            gauge!("icaze_retention_limit_seconds", "kind" => kind).set(limit.as_secs_f64());
        });
    }

    /// A batch of calls to the cluster was answered, or given up. `what`: before or after the decision.
    pub fn cluster_called(&self, what: &'static str, calls: usize, took: Duration) {
        self.histograms.round_trip_seconds.record(took.as_secs_f64(), 1);
        with_local_recorder(&*self.recorder, || {
            counter!("icaze_cluster_calls_total", "call" => what).increment(calls as u64);
        });
    }

    /// So many calls to the cluster have no answer for the same cause.
    pub fn cluster_failed(&self, cause: &'static str, calls: u64) {
        with_local_recorder(&*self.recorder, || {
            counter!("icaze_cluster_errors_total", "error" => cause).increment(calls);
        });
    }

    /// So many grants turned out to be one too many, or, `undone`, were ended before anybody heard of them.
    pub fn cluster_late(&self, undone: bool, grants: u64) {
        let result = if undone { "undone" } else { "conflict" };
        with_local_recorder(&*self.recorder, || {
            counter!("icaze_cluster_late_total", "result" => result).increment(grants);
        });
    }

    /// So many permits may be granted although the cluster is away.
    pub fn cluster_local(&self, grants: u64) {
        with_local_recorder(&*self.recorder, || counter!("icaze_cluster_local_total").increment(grants));
    }

    /// So many replies of other gateways were claimed.
    pub fn cluster_claimed(&self, replies: u64) {
        with_local_recorder(&*self.recorder, || counter!("icaze_cluster_claimed_total").increment(replies));
    }

    /// A bind, or a connection before it, was turned away.
    pub fn bind_refused(&self, cause: &str) {
        with_local_recorder(&*self.recorder, || {
            counter!("icaze_smpp_binds_refused_total", "cause" => cause.to_owned()).increment(1);
        });
    }

    /// A session sent or received PDUs.
    pub fn pdus(&self, operator: &str, direction: Direction, command: Command, status: Status, count: u64) {
        with_local_recorder(&*self.recorder, || {
            let direction = match direction {
                Direction::In => "in",
                Direction::Out => "out",
                Direction::Ignored => "ignored",
            };
            let operator = operator.to_owned();
            counter!("icaze_smpp_pdus_total", "operator" => operator.clone(), "direction" => direction,
                "command" => command.name(), "status" => status.name())
            .increment(count);
            let message = matches!(command, Command::SUBMIT_SM | Command::DELIVER_SM | Command::DATA_SM);
            let response =
                matches!(command, Command::SUBMIT_SM_RESP | Command::DELIVER_SM_RESP | Command::DATA_SM_RESP);
            if direction == "in" && message {
                counter!("icaze_mo_received_total", "operator" => operator).increment(count);
            } else if direction == "out" && response && !status.is_ok() {
                if asks_to_wait(status) {
                    counter!("icaze_throttled_total", "operator" => operator.clone()).increment(count);
                }
                counter!("icaze_mo_refused_total", "operator" => operator, "status" => status.name())
                    .increment(count);
            }
        });
    }

    /// A session was opened or has ended.
    pub fn session(&self, operator: &str, bind: &'static str, open: bool) {
        with_local_recorder(&*self.recorder, || {
            let gauge = gauge!("icaze_smpp_sessions", "operator" => operator.to_owned(), "bind" => bind);
            if open { gauge.increment(1.0) } else { gauge.decrement(1.0) }
        });
    }

    /// A bind closed: its number is the next one's.
    pub fn bind_closed(&self, operator: &str, number: usize) {
        with_local_recorder(&*self.recorder, || bind(operator, number, [0; 2], [0; 2]));
    }

    /// A request over HTTP was answered. `route` is the pattern, which holds nothing of what was asked.
    pub fn http(&self, route: &str, status: u16) {
        with_local_recorder(&*self.recorder, || {
            let (route, status) = (route.to_owned(), status.to_string());
            counter!("icaze_http_requests_total", "route" => route, "status" => status).increment(1);
        });
    }

    /// Somebody of an institution looked a person up; `bulk`: one of too many in a minute.
    pub fn looked_up(&self, institution: &str, bulk: bool) {
        with_local_recorder(&*self.recorder, || {
            let labels = [("institution", institution.to_owned())];
            counter!("icaze_lookups_total", &labels).increment(1);
            if bulk {
                counter!("icaze_lookups_in_bulk_total", &labels).increment(1);
            }
        });
    }

    /// All metrics in Prometheus' text format, after `publish` has set those that are read when somebody asks.
    #[must_use]
    pub fn render(&self, publish: impl FnOnce()) -> String {
        with_local_recorder(&*self.recorder, || {
            self.process.collect();
            publish();
        });
        let mut text = self.recorder.handle().render();
        let Histograms { answer_seconds, sync_seconds, batch_records, round_trip_seconds } =
            &*self.histograms;
        for histogram in [answer_seconds, sync_seconds, batch_records, round_trip_seconds] {
            histogram.write(&mut text);
        }
        text
    }
}

/// One bind's messages and those of them that await a response, theirs and ours.
pub(crate) fn bind(operator: &str, number: usize, messages: [u64; 2], unanswered: [usize; 2]) {
    let number = number.to_string();
    for (direction, (messages, unanswered)) in
        ["in", "out"].into_iter().zip(messages.into_iter().zip(unanswered))
    {
        let labels = [
            ("operator", operator.to_owned()),
            ("bind", number.clone()),
            ("direction", direction.to_owned()),
        ];
        gauge!("icaze_bind_messages", &labels).set(messages as f64);
        gauge!("icaze_bind_unanswered", &labels).set(unanswered as f64);
    }
}

fn describe() {
    use metrics::{describe_counter, describe_gauge};
    describe_counter!("icaze_mo_received_total", "Messages that operators delivered, receipts included");
    describe_counter!(
        "icaze_mo_outside_ranges_total",
        "Messages from numbers in none of the operator's ranges"
    );
    describe_counter!(
        "icaze_receipts_total",
        "Delivery receipts by what they say; unknown: of no reply that is remembered"
    );
    describe_counter!(
        "icaze_parameters_refused_total",
        "Optional parameters of messages that could not be read, or stood beside a better one"
    );
    describe_counter!(
        "icaze_texts_put_aside_total",
        "Messages that were acknowledged and are never answered: receipts, and loops (short codes, names)"
    );
    describe_counter!("icaze_reply_copies_total", "Copies of replies that the operator had not answered");
    describe_gauge!("icaze_replies_unanswered", "Replies in a row that the operator left unanswered");
    describe_counter!("icaze_mo_refused_total", "Messages answered with another status than ESME_ROK");
    describe_counter!("icaze_throttled_total", "Messages whose operator was asked to slow down");
    describe_counter!("icaze_decisions_total", "Decisions since the start");
    describe_counter!(
        "icaze_helps_completed_total",
        "Helps that asked for one thing and whose answer completed the request, by the help's reason"
    );
    describe_counter!("icaze_replies_total", "Replies by what became of them");
    describe_counter!("icaze_smpp_pdus_total", "PDUs of bound sessions");
    describe_counter!("icaze_smpp_binds_refused_total", "Binds and connections turned away");
    describe_counter!("icaze_http_requests_total", "Requests over HTTP by route and status");
    describe_counter!(
        "icaze_cluster_calls_total",
        "Calls to the shared allowances, before and after decisions"
    );
    describe_counter!("icaze_cluster_errors_total", "Those of them without an answer, by cause");
    describe_counter!(
        "icaze_cluster_late_total",
        "Grants whose reservation was lost: undone before anybody heard of them, or one too many"
    );
    describe_counter!(
        "icaze_cluster_local_total",
        "Permits that were decided without the shared allowances, while those were away"
    );
    describe_counter!(
        "icaze_cluster_claimed_total",
        "Unsent replies that were taken over from gateways that are gone"
    );
    describe_gauge!("icaze_smpp_sessions", "Bound sessions");
    describe_gauge!("icaze_bind_messages", "Messages of an operator's open bind since it opened");
    describe_gauge!("icaze_bind_unanswered", "Those of them that await their response");
    describe_gauge!("icaze_ledger_position", "The last entry appended");
    describe_gauge!(
        "icaze_view_lag_records",
        "Entries that the history lacks, those of the open segment included"
    );
    describe_gauge!("icaze_retention_age_seconds", "The age of the oldest data of a kind that has to end");
    describe_gauge!("icaze_retention_limit_seconds", "The age that data of a kind may have at most");
    describe_gauge!("icaze_replies_waiting", "Replies that no bind has taken yet");
    describe_gauge!("icaze_replies_oldest_seconds", "The age of the reply that has waited longest");
    describe_gauge!("icaze_register_documents", "Documents in the register");
    describe_gauge!("icaze_register_age_seconds", "Since the register's extract was made");
    describe_gauge!("icaze_regime_info", "1 for the regime in force, 0 for the others");
    describe_gauge!("icaze_disk_free_bytes", "Free space where the ledger is");
    describe_gauge!("icaze_permits_standing", "Permits that have not ended");
    describe_gauge!("icaze_build_info", "1; the version is in the label");
}

/// Writes the process's events to stderr, for people or for machines. `RUST_LOG` overrides the level.
pub fn log(log: &Log) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(log.level.as_str()));
    let subscriber = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter);
    match log.format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => subscriber.json().init(),
    }
}
