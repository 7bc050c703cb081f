//! Which exchanges are shown, and how they look.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use console::{Alignment, Style, measure_text_width, pad_str};
use icaze_store::Outcome;

use super::book::Exchange;
use super::crowd::Phone;

/// The exchanges on their way to the screen: a few of them, and of one phone in a row.
#[derive(Debug)]
pub struct Conversation {
    queue: VecDeque<Exchange>,
    next_at: Instant,
}

impl Conversation {
    /// What a person can read, at most.
    const LINES_PER_SECOND: u32 = 10;
    /// Exchanges of one phone in a row.
    const ROW_MAX: usize = 6;

    /// Nothing has been said.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { queue: VecDeque::new(), next_at: now }
    }

    /// Hears an exchange. It is shown if nothing else waits, or if it goes on with what does, or if it is rare.
    pub fn hear(&mut self, exchange: Exchange) {
        let wanted = match self.queue.back() {
            None => true,
            Some(_) if self.queue.len() >= Self::ROW_MAX => false,
            Some(last) => {
                follows(last, &exchange) || is(&exchange, Outcome::Limited) && !is(last, Outcome::Limited)
            }
        };
        if wanted {
            self.queue.push_back(exchange);
        }
    }

    /// The next exchange that may be shown at `now`, in as many lines.
    pub fn next(&mut self, lines: u32, now: Instant) -> Option<Exchange> {
        if now < self.next_at {
            return None;
        }
        let exchange = self.queue.pop_front()?;
        self.next_at = now + Duration::from_secs(1) * lines / Self::LINES_PER_SECOND;
        Some(exchange)
    }
}

/// Whether an exchange goes on with the last one. What an answering machine says is heard once.
fn follows(last: &Exchange, exchange: &Exchange) -> bool {
    last.text.phone == exchange.text.phone && !is(exchange, Outcome::Help)
}

fn is(exchange: &Exchange, outcome: Outcome) -> bool {
    exchange.told.is_some_and(|told| told.outcome == outcome)
}

/// How exchanges look on a screen.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Columns.
    pub width: usize,
    /// Whether outcomes have colours.
    pub colour: bool,
}

impl Layout {
    /// `+994501234567`.
    const PHONE: usize = 13;
    /// `1234.5 ms`.
    const LATENCY: usize = 9;
    /// The longest reply in Azerbaijani or Russian.
    const REPLY: usize = 70;
    const TEXT_MIN: usize = 16;
    const TEXT_MAX: usize = 46;
    const GAP: &'static str = "  ";

    /// The lines that an exchange takes: two where one is too narrow for a whole reply.
    #[must_use]
    pub fn lines(&self) -> u32 {
        if self.text_width() < Self::TEXT_MIN { 2 } else { 1 }
    }

    fn text_width(&self) -> usize {
        let gaps = 3 * Self::GAP.len();
        self.width.saturating_sub(Self::PHONE + Self::REPLY + Self::LATENCY + gaps).min(Self::TEXT_MAX)
    }

    /// An exchange as it is shown.
    #[must_use]
    pub fn show(&self, exchange: &Exchange) -> String {
        let phone = phone(exchange.text.phone);
        let latency = format!("{:>width$}", millis(exchange.latency), width = Self::LATENCY);
        let latency = self.style(Style::new().dim()).apply_to(latency);
        let reply_style =
            self.style(exchange.told.map_or(Style::new().red().bold(), |told| style(told.outcome)));
        let gap = Self::GAP;
        if self.lines() == 1 {
            let text = fit(&exchange.text.body, self.text_width());
            let reply = reply_style.apply_to(fit(&exchange.reply, Self::REPLY));
            format!("{phone}{gap}{text}{gap}{reply}{gap}{latency}")
        } else {
            let rest = self.width.saturating_sub(Self::PHONE + Self::LATENCY + 2 * gap.len());
            let text = fit(&exchange.text.body, rest);
            let reply = reply_style.apply_to(fit(&exchange.reply, self.width.saturating_sub(4)));
            format!("{phone}{gap}{text}{gap}{latency}\n    {reply}")
        }
    }

    /// A name and its count, in the outcome's colour.
    #[must_use]
    pub fn count(&self, outcome: Outcome, count: u64) -> String {
        format!("{} {count}", self.style(style(outcome)).apply_to(outcome.name().replace('_', " ")))
    }

    fn style(&self, style: Style) -> Style {
        style.force_styling(self.colour)
    }
}

fn style(outcome: Outcome) -> Style {
    let style = Style::new();
    match outcome {
        Outcome::Granted => style.green(),
        Outcome::Repeated => style.cyan(),
        Outcome::Refused => style.red(),
        Outcome::NotNeeded => style.blue(),
        Outcome::Help => style.yellow(),
        Outcome::Limited => style.magenta(),
        Outcome::Ignored => style.dim(),
    }
}

/// A phone's number as people write it.
#[must_use]
pub fn phone(phone: Phone) -> String {
    format!("+{phone}")
}

/// `1.5 ms`.
#[must_use]
pub fn millis(latency: Duration) -> String {
    format!("{:.1} ms", latency.as_secs_f64() * 1e3)
}

/// A text in exactly `width` columns, on one line.
#[must_use]
pub fn fit(text: &str, width: usize) -> String {
    pad_str(&plain(text), width, Alignment::Left, Some("…")).into_owned()
}

/// The end of a text in at most `width` columns.
#[must_use]
pub fn fit_end(text: &str, width: usize) -> Cow<'_, str> {
    if measure_text_width(text) <= width {
        return Cow::Borrowed(text);
    }
    let cut = text.char_indices().map(|(at, _)| text.get(at..).unwrap_or_default());
    let rest = cut.skip(1).find(|rest| measure_text_width(rest) < width).unwrap_or_default();
    Cow::Owned(format!("…{rest}"))
}

/// A text without what would move the cursor: it comes from strangers.
fn plain(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' => '⏎',
        c if c.is_control() => '�',
        c => c,
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::crowd::Text;
    use crate::demo::outcomes::Told;

    fn exchange(phone: Phone, body: &str, outcome: Outcome) -> Exchange {
        Exchange {
            text: Text { phone, operator: 0, body: body.to_owned() },
            reply: "İCAZƏ VAR: AZE20000017, kod 2 ərzaq, 14.12 14:15-17:15, № 7K3M-9QXF".to_owned(),
            told: Some(Told { outcome, reason: None }),
            latency: Duration::from_micros(1250),
        }
    }

    const PHONE: Phone = 994_501_234_567;

    #[test]
    fn lines_come_at_a_pace_that_people_can_read() {
        let start = Instant::now();
        let mut conversation = Conversation::new(start);
        let mut shown = 0;
        for millis in 0..2_000 {
            conversation.hear(exchange(millis, "2 AZE20000017", Outcome::Granted));
            let next = conversation.next(2, start + Duration::from_millis(millis));
            shown += next.map_or(0, |_| 2);
        }
        assert_eq!(shown, 20);
    }

    #[test]
    fn a_family_is_shown_in_a_row_and_the_notice_is_not_missed() {
        let start = Instant::now();
        let mut conversation = Conversation::new(start);
        conversation.hear(exchange(1, "a", Outcome::Granted));
        conversation.hear(exchange(2, "b", Outcome::Granted));
        conversation.hear(exchange(1, "c", Outcome::Granted));
        conversation.hear(exchange(1, "e", Outcome::Help));
        conversation.hear(exchange(3, "d", Outcome::Limited));
        let mut now = start;
        let shown = std::iter::from_fn(|| {
            now += Duration::from_millis(100);
            conversation.next(1, now)
        });
        assert_eq!(shown.map(|exchange| exchange.text.body).collect::<String>(), "acd");
    }

    #[test]
    fn every_line_has_the_screens_width() {
        for body in ["2 AZE20000017", "სალამი 你好你好 🙏🙏🙏", "two\nlines\u{7}", &"long ".repeat(50)]
        {
            for width in [60, 80, 100, 120, 200] {
                let layout = Layout { width, colour: false };
                let shown = layout.show(&exchange(PHONE, body, Outcome::Granted));
                assert_eq!(shown.lines().count() as u32, layout.lines());
                for line in shown.lines() {
                    assert!(measure_text_width(line) <= width, "{width}: {line}");
                }
            }
        }
        let wide =
            Layout { width: 130, colour: false }.show(&exchange(PHONE, "2 AZE20000017", Outcome::Granted));
        assert!(wide.contains("№ 7K3M-9QXF") && wide.ends_with("1.2 ms"), "{wide}");
        let narrow =
            Layout { width: 80, colour: false }.show(&exchange(PHONE, "2 AZE20000017", Outcome::Granted));
        assert!(narrow.contains("№ 7K3M-9QXF"), "the end of a permit must be seen: {narrow}");
    }

    #[test]
    fn colours_only_where_they_are_wanted() {
        let exchange = exchange(PHONE, "2 AZE20000017", Outcome::Granted);
        assert!(Layout { width: 130, colour: true }.show(&exchange).contains("\u{1b}[32m"));
        assert!(!Layout { width: 130, colour: false }.show(&exchange).contains('\u{1b}'));
    }

    #[test]
    fn a_long_line_shows_its_end() {
        assert_eq!(fit_end("abc", 3), "abc");
        assert_eq!(fit_end("abcdef", 4), "…def");
        assert_eq!(fit_end("你好你好", 5), "…你好");
    }
}
