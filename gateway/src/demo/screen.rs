//! What people see: lines that scroll, and on a terminal a few that stay.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use console::{Style, Term};
use icaze_store::Outcome;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::book::{Book, Exchange};
use super::conversation::{Layout, fit_end, millis, phone};
use super::crowd::Phone;
use super::outcomes::Told;

/// The columns of lines that go to a file.
const FILE_WIDTH: usize = 150;

/// The outcomes that have a reply, in the order in which they are shown.
const SHOWN: [Outcome; 6] = [
    Outcome::Granted,
    Outcome::Repeated,
    Outcome::Refused,
    Outcome::NotNeeded,
    Outcome::Help,
    Outcome::Limited,
];

/// stdout.
pub struct Screen {
    terminal: bool,
    area: MultiProgress,
    rates: ProgressBar,
    outcomes: ProgressBar,
    prompt: Option<Prompt>,
}

/// The lines where one's own SMS is typed and answered.
struct Prompt {
    typed: ProgressBar,
    reply: ProgressBar,
    label: String,
}

impl Screen {
    /// Opens it.
    #[must_use]
    pub fn open() -> Self {
        let terminal = io::stdout().is_terminal();
        let target = if terminal { ProgressDrawTarget::stdout() } else { ProgressDrawTarget::hidden() };
        let area = MultiProgress::with_draw_target(target);
        let (rates, outcomes) = (bar(&area), bar(&area));
        Self { terminal, area, rates, outcomes, prompt: None }
    }

    /// Whether there is someone to read and to type.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// How lines look at present.
    #[must_use]
    pub fn layout(&self) -> Layout {
        let width = if self.terminal { usize::from(Term::stdout().size().1) } else { FILE_WIDTH };
        Layout { width, colour: self.terminal && console::colors_enabled() }
    }

    /// A line that scrolls.
    ///
    /// # Errors
    /// If nobody reads any more.
    pub fn line(&self, line: &str) -> io::Result<()> {
        self.area.suspend(|| writeln!(io::stdout().lock(), "{line}"))
    }

    /// An exchange of the crowd's.
    ///
    /// # Errors
    /// If nobody reads any more.
    pub fn exchange(&self, exchange: &Exchange) -> io::Result<()> {
        self.line(&self.layout().show(exchange))
    }

    /// The lines that stay: how fast it goes, and what has come of it.
    pub fn live(&self, book: &mut Book, now: std::time::Instant) {
        self.rates.set_message(rates(book, now));
        let layout = self.layout();
        let counts = SHOWN.map(|outcome| layout.count(outcome, book.outcome(outcome)));
        self.outcomes.set_message(counts.join("   "));
    }

    /// The live lines, as one that scrolls.
    ///
    /// # Errors
    /// If nobody reads any more.
    pub fn live_line(&self, book: &mut Book, now: std::time::Instant) -> io::Result<()> {
        let rates = rates(book, now);
        let counts =
            SHOWN.map(|outcome| format!("{} {}", outcome.name().replace('_', " "), book.outcome(outcome)));
        self.line(&format!("-- {rates}   {}", counts.join(", ")))
    }

    /// Asks for SMS of one's own.
    pub fn prompt(&mut self, own: Phone) {
        let typed = bar(&self.area);
        let reply = bar(&self.area);
        let label = format!("Your SMS from {}: ", phone(own));
        self.prompt = Some(Prompt { typed, reply, label });
        self.typed("");
        self.own_reply("type one, such as 2 AZE10000001, and press Enter; Ctrl-C ends", None);
    }

    /// What has been typed.
    pub fn typed(&self, text: &str) {
        let Some(prompt) = &self.prompt else { return };
        let rest = self.layout().width.saturating_sub(prompt.label.len() + 2);
        let label = Style::new().bold().apply_to(&prompt.label);
        prompt.typed.set_message(format!("{label}{}█", fit_end(text, rest)));
        // Keys are echoed at once, whatever the pace of the other lines.
        prompt.typed.tick();
    }

    /// What one's own SMS was answered.
    pub fn own_reply(&self, text: &str, latency: Option<Duration>) {
        let Some(prompt) = &self.prompt else { return };
        let latency = latency.map(|latency| format!("  ({})", millis(latency))).unwrap_or_default();
        prompt.reply.set_message(format!("  {text}{latency}"));
        prompt.reply.tick();
    }

    /// Takes away the lines that stay.
    pub fn close(&mut self) {
        self.prompt = None;
        let _ = self.area.clear();
        self.area.set_draw_target(ProgressDrawTarget::hidden());
    }
}

fn bar(area: &MultiProgress) -> ProgressBar {
    let bar = area.add(ProgressBar::new_spinner());
    if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
        bar.set_style(style);
    }
    bar
}

fn rates(book: &mut Book, now: std::time::Instant) -> String {
    let (texts, answers) = book.rates(now);
    let (p50, p99) = (millis(book.latency(0.5)), millis(book.latency(0.99)));
    format!("{texts:.0} texts/s   {answers:.0} answers/s   p50 {p50}   p99 {p99}   waiting {}", book.open())
}

/// Reasons in a line of the summary.
const REASONS: usize = 3;

/// What there is to say at the end.
#[must_use]
pub fn summary(book: &Book, took: Duration, syncs: Option<Syncs>) -> String {
    let counts = book.counts();
    let seconds = took.as_secs_f64().max(0.001);
    let mut lines = vec![
        String::new(),
        format!(
            "texts      {} in {} messages, {} acked, {} answered, in {:.1} s: {:.0} texts/s",
            counts.texts,
            counts.messages,
            counts.acked,
            counts.answered,
            seconds,
            counts.answered as f64 / seconds,
        ),
    ];
    for outcome in SHOWN {
        let count = book.outcome(outcome);
        let share = count as f64 * 100.0 / counts.answered.max(1) as f64;
        let name = outcome.name().replace('_', " ");
        let reasons: Vec<_> = book.told().filter(|(told, _)| told.outcome == outcome).collect();
        let reason = |(told, count): &(Told, u64)| Some(format!("{} {count}", told.reason?.name()));
        let mut rows =
            reasons.chunks(REASONS).map(|row| row.iter().filter_map(reason).collect::<Vec<_>>().join(", "));
        let first = format!("{name:<10} {count:>6} {share:>5.1} %  {}", rows.next().unwrap_or_default());
        lines.push(first.trim_end().to_owned());
        lines.extend(rows.map(|row| format!("{:27}{row}", "")));
    }
    let [p50, p99, max] = [0.5, 0.99, 1.0].map(|share| millis(book.latency(share)));
    lines.push(format!("latency    p50 {p50}, p99 {p99}, max {max}, from the text to its reply"));
    if let Some(syncs) = syncs.filter(|syncs| syncs.count > 0.0) {
        lines.push(format!(
            "ledger     {} syncs of {:.2} ms in the mean, {:.1} messages each",
            syncs.count,
            syncs.seconds * 1e3 / syncs.count,
            counts.acked as f64 / syncs.count,
        ));
    }
    lines.join("\n")
}

/// How often the ledger was synced.
#[derive(Debug, Clone, Copy)]
pub struct Syncs {
    /// Syncs.
    pub count: f64,
    /// The time they took together.
    pub seconds: f64,
}

impl Syncs {
    /// As the gateway's metrics have them.
    #[must_use]
    pub fn of(metrics: &str) -> Option<Self> {
        let metric = |name: &str| {
            let line = metrics.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|value| value.trim().parse().ok())
        };
        let count = metric("icaze_ledger_sync_seconds_count ")?;
        Some(Self { count, seconds: metric("icaze_ledger_sync_seconds_sum ")? })
    }
}
