//! The replies of one operator that no bind has taken yet, and how it answers those that were taken.

use std::collections::VecDeque;
use std::time::Instant;

use jiff::Timestamp;

use super::super::pace::Pace;
use super::Agreed;
use super::replies::Replies;
use super::tries::{Later, Tried};

/// An operator that answers none of so many replies in a row gets no copies until it answers one.
const SILENT: u32 = 20;

/// The replies of one operator that no bind has taken yet.
#[derive(Debug)]
pub(super) struct Queue {
    /// Oldest first. May name replies that are no longer waiting; these are skipped.
    pub(super) waiting: VecDeque<u64>,
    /// Those that go again.
    pub(super) later: Later,
    /// Whose turn it is where both have one.
    pub(super) later_next: bool,
    pub(super) count: usize,
    pub(super) pace: Pace,
    /// Copies of a reply without a response, at most.
    pub(super) copies_max: u8,
    pub(super) silence: Silence,
    /// Copies that went, since the start.
    pub(super) copied: u64,
    /// Replies of entries before this one may have been written by an earlier run.
    pub(super) touched_before: u64,
}

/// Replies that an operator left unanswered, one behind the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Silence {
    /// How many; 0: it has answered the last one.
    pub replies: u32,
    /// Since when.
    pub since: Option<Timestamp>,
}

impl Silence {
    /// Whether it is so long that copies are held back.
    #[must_use]
    pub const fn holds_copies(&self) -> bool {
        self.replies >= SILENT
    }

    /// One more reply was not answered in time.
    pub(super) fn goes_on(&mut self, at: Timestamp) {
        self.replies = self.replies.saturating_add(1);
        self.since.get_or_insert(at);
    }
}

impl Queue {
    pub(super) fn new(agreed: Agreed, now: Instant) -> Self {
        Self {
            waiting: VecDeque::new(),
            later: Later::default(),
            later_next: false,
            count: 0,
            pace: Pace::new(agreed.rate, now),
            copies_max: agreed.copies_max,
            silence: Silence::default(),
            copied: 0,
            touched_before: 0,
        }
    }

    /// Lets go of what is no longer waiting, at the ends.
    pub(super) fn skip(&mut self, replies: &Replies) {
        while self.waiting.front().is_some_and(|&seq| !replies.waits(seq)) {
            self.waiting.pop_front();
        }
        while self.waiting.back().is_some_and(|&seq| !replies.waits(seq)) {
            self.waiting.pop_back();
        }
    }

    /// The next that goes again by a bind, and when.
    pub(super) fn again(&self, tried: &Tried, avoiding: Option<u32>) -> Option<(Instant, u64)> {
        self.later.next(tried, avoiding, !self.silence.holds_copies())
    }

    /// When there is one for a bind to take, whatever the pace; `None`: none.
    pub(super) fn ready(&self, tried: &Tried, avoiding: Option<u32>, now: Instant) -> Option<Instant> {
        if self.waiting.is_empty() { self.again(tried, avoiding).map(|(due, _)| due) } else { Some(now) }
    }
}
