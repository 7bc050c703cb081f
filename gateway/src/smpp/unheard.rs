//! What an operator left unanswered or told twice, for its engineers: in the report, the metrics and the log.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use icaze_store::ledger::Mark;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::port::Port;
use crate::pipeline::Pipeline;

/// How an operator answers our replies, since the start but for what says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Unheard {
    /// Replies in a row that it left unanswered; 0: it answered the last one.
    pub unanswered: u32,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Copies that are held back until it answers a reply.
    pub held: usize,
    /// Copies that went.
    pub copied: u64,
    /// Replies that went as often as they may, and were never answered.
    pub unconfirmed: u64,
    /// Receipts that were of no reply that awaits one, and were put aside.
    pub receipts_aside: u64,
}

impl Unheard {
    /// How `operator` answers.
    #[must_use]
    pub fn of(operator: u16, pipeline: &Pipeline, port: &Port) -> Self {
        let outbox = pipeline.outbox();
        let silence = outbox.silence(operator);
        let mut replies = pipeline.stats().replies(operator);
        Self {
            unanswered: silence.replies,
            since: silence.since,
            held: if silence.holds_copies() { outbox.copies_waiting(operator) } else { 0 },
            copied: outbox.copied(operator),
            unconfirmed: replies.find(|(mark, _)| *mark == Mark::Unconfirmed).map_or(0, |(_, count)| count),
            receipts_aside: port
                .tallies(operator)
                .map_or(0, |tallies| tallies.receipts_aside.load(Ordering::Relaxed)),
        }
    }
}

/// How often the log speaks of one operator, at most.
const EVERY: Duration = Duration::from_secs(60);

/// Says in the log what changes.
#[derive(Default)]
pub struct Watch {
    /// By operator: what was said last, and when.
    said: Vec<(Unheard, Option<Instant>)>,
}

impl Watch {
    /// Looks at an operator, of this id and name.
    pub fn look(&mut self, operator: u16, name: &str, seen: Unheard, now: Instant) {
        let index = usize::from(operator);
        if self.said.len() <= index {
            self.said.resize(index + 1, (Unheard::default(), None));
        }
        let Some((said, at)) = self.said.get_mut(index) else { return };
        if seen.unanswered == 0 && said.unanswered > 0 {
            tracing::info!(operator = name, "the operator answers replies again");
            said.unanswered = 0;
        }
        let news = news(&seen, said);
        let quiet = at.is_some_and(|at| now.saturating_duration_since(at) < EVERY);
        // That copies stop is told at once.
        if news == [None; 2] || (quiet && (seen.held > 0) == (said.held > 0)) {
            return;
        }
        for what in news.into_iter().flatten() {
            tracing::warn!(
                operator = name,
                unanswered_in_a_row = seen.unanswered,
                since = seen.since.map(tracing::field::display),
                copies_held_back = seen.held,
                copies_sent = seen.copied,
                unconfirmed = seen.unconfirmed,
                receipts_put_aside = seen.receipts_aside,
                "{what}; see icaze operators"
            );
        }
        (*said, *at) = (seen, Some(now));
    }
}

/// What there is to say of replies and of receipts, after `said`.
fn news(seen: &Unheard, said: &Unheard) -> [Option<&'static str>; 2] {
    let replies = if seen.unanswered > 0 {
        let more = (seen.unanswered, seen.copied, seen.unconfirmed);
        let before = (said.unanswered, said.copied, said.unconfirmed);
        (more != before).then_some("the operator leaves replies unanswered")
    } else {
        let more = (seen.copied, seen.unconfirmed) != (said.copied, said.unconfirmed);
        more.then_some("replies without a response went again, or are unconfirmed")
    };
    let aside = seen.receipts_aside != said.receipts_aside;
    [replies, aside.then_some("receipts are of no reply that awaits one")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_says_the_cause_that_holds() {
        let said = Unheard::default();
        let none = Unheard { held: 1, ..said };
        let silent = Unheard { unanswered: 1, ..said };
        let heard = Unheard { copied: 1, ..said };
        let aside = Unheard { receipts_aside: 1, ..said };
        let told = |seen: &Unheard| news(seen, &said).map(|what| what.unwrap_or_default());
        assert_eq!(told(&none), ["", ""]);
        assert_eq!(told(&silent), ["the operator leaves replies unanswered", ""]);
        assert_eq!(told(&heard), ["replies without a response went again, or are unconfirmed", ""]);
        assert_eq!(told(&aside), ["", "receipts are of no reply that awaits one"]);
    }
}
