//! The dashboard: what the gateway does, for health authorities and duty engineers.

use askama::Template;
use icaze_store::ledger::Language;
use icaze_store::{Outcome, Reason};
use jiff::SignedDuration;
use serde::Deserialize;

use super::chart::{Chart, Frame, Line, Window, spark};
use super::facts::{Facts, OperatorFacts};
use super::figures::Clock;
use super::page::Page;
use super::words::Words;
use crate::permit::rules::{named, rule_table};
use crate::timeline::{Count, Span, Step};

/// A region with fewer decisions is not told apart: its people could be.
const FEW: u64 = 10;
/// A reply that has waited for longer is late.
const LATE: SignedDuration = SignedDuration::from_secs(60);

/// What is asked of the dashboard, in its address.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(super) struct View {
    #[serde(default)]
    pub(super) over: Over,
    /// Only this purpose.
    pub(super) purpose: Option<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Over {
    #[default]
    Minutes,
    Day,
}

/// The page.
#[derive(Template)]
#[template(path = "dashboard.html")]
pub(super) struct Dashboard {
    page: Page,
    now: String,
    zone: String,
    not_ready: Option<&'static str>,
    overs: Vec<Choice>,
    purpose_choices: Vec<Choice>,
    tiles: Vec<Tile>,
    empty: bool,
    outcomes: Chart,
    latency: Chart,
    reasons: Vec<ReasonRow>,
    purposes: Vec<PurposeRow>,
    regions: Vec<RegionRow>,
    operators: Vec<OperatorRow>,
    rules: Vec<Block>,
    spark_width: usize,
}

/// A link that changes what is shown.
struct Choice {
    href: String,
    label: String,
    current: bool,
}

/// A figure that is read from across the room.
struct Tile {
    title: String,
    figure: String,
    notes: Vec<String>,
    /// Somebody should look.
    alarming: bool,
}

struct ReasonRow {
    label: String,
    outcome: String,
    class: &'static str,
    count: String,
    share: String,
    bar: String,
    spark: String,
}

struct PurposeRow {
    label: String,
    granted: String,
    refused: String,
    other: String,
    /// Of 100: the granted part, then the refused part.
    bar: (String, String),
    spark: String,
}

struct RegionRow {
    label: String,
    /// Decided, granted, share, width of the bar; `None` where there are few.
    figures: Option<(String, String, String, String)>,
}

struct OperatorRow {
    name: String,
    sessions: Option<String>,
    received: String,
    sent: String,
    waiting: String,
}

/// One purpose's rules, or those of all.
struct Block {
    heading: String,
    rules: Vec<(Option<String>, String)>,
}

impl View {
    const fn span(self) -> Span {
        match self.over {
            Over::Minutes => Span::Minutes,
            Over::Day => Span::Day,
        }
    }

    fn shows(self, count: &Count) -> bool {
        self.purpose.is_none_or(|purpose| count.purpose == Some(purpose))
    }

    fn href(self) -> String {
        let over = if self.over == Over::Day { "day" } else { "minutes" };
        match self.purpose {
            Some(purpose) => format!("/?over={over}&purpose={purpose}"),
            None => format!("/?over={over}"),
        }
    }
}

impl Dashboard {
    /// The page for `view`.
    pub(super) fn new(page: Page, view: View, facts: &Facts<'_>) -> Self {
        let maker = Maker::new(&page, view, facts);
        Self {
            now: maker.clock.second(facts.now),
            zone: maker.clock.0.iana_name().unwrap_or("UTC").to_owned(),
            not_ready: facts.not_ready,
            overs: maker.overs(),
            purpose_choices: maker.purpose_choices(),
            tiles: maker.tiles(),
            empty: maker.whole.messages() == 0,
            outcomes: maker.outcomes(),
            latency: maker.latency(),
            reasons: maker.reasons(),
            purposes: maker.purposes(),
            regions: maker.regions(),
            operators: maker.operators(),
            rules: maker.rules(),
            spark_width: view.span().steps().saturating_sub(1),
            page,
        }
    }
}

/// Makes the parts of the page.
struct Maker<'a> {
    words: &'static Words,
    language: Language,
    view: View,
    facts: &'a Facts<'a>,
    clock: Clock,
    window: Window<'a>,
    /// Everything in the window and the open step.
    whole: Step,
}

impl<'a> Maker<'a> {
    fn new(page: &Page, view: View, facts: &'a Facts<'a>) -> Self {
        let zone = facts.regime.map_or(jiff::tz::TimeZone::UTC, |regime| regime.zone.clone());
        let span = view.span();
        Self {
            words: page.words,
            language: page.language,
            view,
            facts,
            clock: Clock(zone),
            window: Window::new(span, facts.timeline.steps(span), facts.now),
            whole: facts.timeline.whole(span),
        }
    }

    fn overs(&self) -> Vec<Choice> {
        let words = &self.words.dashboard;
        let choice = |over, label: &str| Choice {
            href: View { over, ..self.view }.href(),
            label: label.to_owned(),
            current: self.view.over == over,
        };
        vec![choice(Over::Minutes, &words.minutes), choice(Over::Day, &words.day)]
    }

    fn purpose_choices(&self) -> Vec<Choice> {
        let choice = |purpose, label| Choice {
            href: View { purpose, ..self.view }.href(),
            label,
            current: self.view.purpose == purpose,
        };
        let all = choice(None, self.words.dashboard.all.clone());
        let each = self.facts.regime.iter().flat_map(|regime| &regime.purposes);
        let each = each.map(|purpose| choice(Some(purpose.code), self.purpose(purpose.code)));
        [all].into_iter().chain(each).collect()
    }

    /// `2 shopping`, or the bare code where no regime names it.
    fn purpose(&self, code: u8) -> String {
        match self.facts.regime.and_then(|regime| regime.purpose(code)) {
            Some(purpose) => format!("{code} {}", named(&purpose.names, self.language).short),
            None => code.to_string(),
        }
    }

    fn tiles(&self) -> Vec<Tile> {
        let (words, facts) = (&self.words.dashboard, self.facts);
        let tile = |title: &str, figure, notes: Vec<String>| Tile {
            title: title.to_owned(),
            figure,
            notes,
            alarming: false,
        };
        let last = facts.timeline.steps(Span::Minutes).next_back();
        let rate = last.map_or(0.0, |step| step.rate(step.messages()));
        let mean = self.whole.rate(self.whole.messages());
        let highest = self.window.values(|step| Some(step.rate(step.messages())));
        let highest = highest.into_iter().flatten().fold(rate, f64::max);
        let decisions = self.whole.sum(|_| true);
        let granted = self.whole.sum(|count| count.outcome == Outcome::Granted);
        let latency = facts.timeline.steps(Span::Minutes).rev().find_map(|step| step.latency);
        let micros = |micros: Option<u64>| micros.map_or_else(|| "–".to_owned(), |us| self.words.micros(us));
        let waiting: usize = facts.operators.iter().map(|operator| operator.waiting).sum();
        let oldest = match waiting {
            0 => words.none_waits.clone(),
            _ => format!("{} {}", words.oldest, self.words.duration(facts.oldest)),
        };
        let register = &facts.register;
        vec![
            tile(
                &words.rate,
                self.words.decimal(rate),
                vec![
                    format!("{} {}", words.mean, self.words.decimal(mean)),
                    format!("{} {}", words.highest, self.words.decimal(highest)),
                ],
            ),
            tile(
                &words.share,
                self.words.percent(granted, decisions),
                vec![format!(
                    "{} {} {} {}",
                    self.words.count(granted),
                    words.of,
                    self.words.count(decisions),
                    words.decisions
                )],
            ),
            tile(
                &words.latency,
                micros(latency.map(|latency| latency.p50_us)),
                vec![
                    format!("{} {}", words.nearly, micros(latency.map(|latency| latency.p99_us))),
                    format!("{} {}", words.slowest, micros(latency.map(|latency| latency.max_us))),
                ],
            ),
            Tile {
                alarming: waiting > 0 && facts.oldest > LATE,
                ..tile(&words.waiting, self.words.count(waiting as u64), vec![oldest])
            },
            tile(&words.permits, self.words.count(facts.permits as u64), vec![words.permits_note.clone()]),
            tile(
                &words.register,
                self.words.count(register.documents),
                vec![
                    words.documents.clone(),
                    format!(
                        "{} {}, {} {}",
                        words.generation,
                        self.words.count(register.generation),
                        words.age,
                        self.words.duration(register.age)
                    ),
                ],
            ),
        ]
    }

    fn frame(&self) -> Frame<'_> {
        Frame { words: self.words, clock: &self.clock, window: &self.window }
    }

    fn outcomes(&self) -> Chart {
        let lines = Outcome::ALL.iter().map(|&outcome| {
            let of = move |count: &Count| count.outcome == outcome && self.view.shows(count);
            Line {
                label: self.words.outcome(outcome).to_owned(),
                class: outcome.name().to_owned(),
                figure: self.words.count(self.whole.sum(of)),
                values: self.window.values(|step| Some(step.rate(step.sum(of)))),
            }
        });
        let write = |rate| self.words.decimal(rate);
        self.frame().areas("outcomes", &self.words.dashboard.outcomes, lines.collect(), write)
    }

    fn latency(&self) -> Chart {
        let words = &self.words.dashboard;
        let last = self.facts.timeline.steps(self.view.span()).rev().find_map(|step| step.latency);
        let line = |label: &str, class: &str, pick: fn(crate::timeline::Latency) -> u64| Line {
            label: label.to_owned(),
            class: class.to_owned(),
            figure: last.map(|latency| self.words.micros(pick(latency))).unwrap_or_default(),
            values: self.window.values(|step| step.latency.map(|latency| pick(latency) as f64)),
        };
        let lines = vec![
            line(&words.half, "half", |latency| latency.p50_us),
            line(&words.nearly, "nearly", |latency| latency.p99_us),
        ];
        self.frame().lines("latency", &words.latency, lines, |micros| self.words.micros(micros as u64))
    }

    fn reasons(&self) -> Vec<ReasonRow> {
        let all = self.whole.sum(|count| self.view.shows(count));
        let of = |reason: Reason| move |count: &Count| count.reason == Some(reason) && self.view.shows(count);
        let counted = Reason::ALL.iter().map(|&reason| (reason, self.whole.sum(of(reason))));
        let mut counted: Vec<_> = counted.filter(|&(_, count)| count > 0).collect();
        counted.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        let most = counted.first().map_or(1, |&(_, count)| count);
        let row = |(reason, count): (Reason, u64)| ReasonRow {
            label: self.words.reason(reason).to_owned(),
            outcome: self.words.outcome(reason.outcome()).to_owned(),
            class: reason.outcome().name(),
            count: self.words.count(count),
            share: self.words.percent(count, all),
            bar: hundredths(count, most),
            spark: spark(&self.window.values(|step| Some(step.rate(step.sum(of(reason)))))),
        };
        counted.into_iter().map(row).collect()
    }

    fn purposes(&self) -> Vec<PurposeRow> {
        let mut codes: Vec<u8> = self.whole.counts.iter().filter_map(|count| count.purpose).collect();
        codes
            .extend(self.facts.regime.iter().flat_map(|regime| &regime.purposes).map(|purpose| purpose.code));
        codes.sort_unstable();
        codes.dedup();
        let row = |code: u8| {
            let of = |outcome| move |count: &Count| count.purpose == Some(code) && count.outcome == outcome;
            let all = self.whole.sum(|count| count.purpose == Some(code));
            let (granted, refused) =
                (self.whole.sum(of(Outcome::Granted)), self.whole.sum(of(Outcome::Refused)));
            let granted_of = self.window.values(|step| Some(step.rate(step.sum(of(Outcome::Granted)))));
            PurposeRow {
                label: self.purpose(code),
                granted: self.words.count(granted),
                refused: self.words.count(refused),
                other: self.words.count(all - granted - refused),
                bar: (hundredths(granted, all), hundredths(refused, all)),
                spark: spark(&granted_of),
            }
        };
        codes.into_iter().map(row).collect()
    }

    fn regions(&self) -> Vec<RegionRow> {
        let mut regions: Vec<_> = self.whole.regions.iter().collect();
        regions.sort_by(|a, b| b.decided.cmp(&a.decided).then_with(|| a.name.cmp(&b.name)));
        let most = regions.first().map_or(1, |region| region.decided);
        let row = |region: &&crate::timeline::Region| RegionRow {
            label: self.region(&region.name),
            figures: (region.decided >= FEW).then(|| {
                (
                    self.words.count(region.decided),
                    self.words.count(region.granted),
                    self.words.percent(region.granted, region.decided),
                    hundredths(region.decided, most),
                )
            }),
        };
        regions.iter().map(row).collect()
    }

    /// As the regime calls it, or as the register spells it.
    fn region(&self, name: &str) -> String {
        let mut areas = self.facts.regime.and_then(|regime| regime.areas.as_ref()).into_iter().flatten();
        let area = areas.find(|area| area.region.eq_ignore_ascii_case(name));
        area.map_or_else(|| name.to_owned(), |area| named(&area.names, self.language).clone())
    }

    fn operators(&self) -> Vec<OperatorRow> {
        let row = |operator: &OperatorFacts| {
            let kinds = operator.sessions.iter().map(|(kind, count)| format!("{count} × {kind}"));
            let sessions = kinds.collect::<Vec<_>>().join(", ");
            OperatorRow {
                name: operator.name.clone(),
                sessions: (!sessions.is_empty()).then_some(sessions),
                received: self.words.decimal(operator.received),
                sent: self.words.decimal(operator.sent),
                waiting: self.words.count(operator.waiting as u64),
            }
        };
        self.facts.operators.iter().map(row).collect()
    }

    /// The table that citizens read: a line that ends a block is empty, and a label ends at a colon.
    fn rules(&self) -> Vec<Block> {
        let Some(regime) = self.facts.regime else { return Vec::new() };
        let table = rule_table(regime, self.language);
        let block = |block: &str| {
            let mut lines = block.lines();
            let heading = lines.next().unwrap_or_default().to_owned();
            let rule = |line: &str| match line.split_once(": ") {
                Some((label, value)) => (Some(label.to_owned()), value.to_owned()),
                None => (None, line.to_owned()),
            };
            Block { heading, rules: lines.map(rule).collect() }
        };
        table.split("\n\n").map(block).collect()
    }
}

/// `part` of 100, as SVG writes it.
fn hundredths(part: u64, whole: u64) -> String {
    format!("{:.1}", part as f64 * 100.0 / whole.max(1) as f64)
}
