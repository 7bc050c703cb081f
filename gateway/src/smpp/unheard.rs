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
        let news = (seen.unanswered > 0 && seen.unanswered != said.unanswered)
            || seen.copied != said.copied
            || seen.unconfirmed != said.unconfirmed
            || seen.receipts_aside != said.receipts_aside;
        let quiet = at.is_some_and(|at| now.saturating_duration_since(at) < EVERY);
        // That copies stop is told at once.
        if !news || (quiet && (seen.held > 0) == (said.held > 0)) {
            return;
        }
        tracing::warn!(
            operator = name,
            unanswered_in_a_row = seen.unanswered,
            since = seen.since.map(tracing::field::display),
            copies_held_back = seen.held,
            copies_sent = seen.copied,
            unconfirmed = seen.unconfirmed,
            receipts_put_aside = seen.receipts_aside,
            "the operator leaves replies unanswered, or its receipts are of none; see icaze operators"
        );
        (*said, *at) = (seen, Some(now));
    }
}
