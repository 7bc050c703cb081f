//! How many PDUs of each kind a session has seen, for metrics.

use crate::pdu::{Command, Status};

/// Distinct counters that a session keeps between two collections. What a peer makes up beyond them is lumped together.
const ENTRIES_MAX: usize = 64;

/// Which way a PDU went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the peer.
    In,
    /// To the peer.
    Out,
    /// From the peer, counted as `In` too, and without effect: a response to nothing, or a PDU that has no answer.
    Ignored,
}

impl Direction {
    /// For a metric's label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Ignored => "ignored",
        }
    }
}

/// Few kinds make nearly all the traffic, so a list searched from its front is the fastest table.
#[derive(Default)]
pub(super) struct Counts(Vec<(Direction, Command, Status, u64)>);

impl Counts {
    #[inline]
    pub(super) fn add(&mut self, direction: Direction, command: Command, status: Status) {
        let kind = (direction, command, status);
        match self.0.iter_mut().find(|(d, c, s, _)| (*d, *c, *s) == kind) {
            Some((.., count)) => *count += 1,
            None => self.insert(kind),
        }
    }

    #[cold]
    fn insert(&mut self, (direction, command, status): (Direction, Command, Status)) {
        // Numbers that the specification does not know would let a peer make metrics without end.
        let command = if command.is_known() { command } else { Command(u32::MAX) };
        let status = if status.is_known() { status } else { Status::ESME_RUNKNOWNERR };
        let lumped = (Command(u32::MAX), Status::ESME_RUNKNOWNERR);
        let (command, status) = if self.0.len() < ENTRIES_MAX { (command, status) } else { lumped };
        match self.0.iter_mut().find(|(d, c, s, _)| (*d, *c, *s) == (direction, command, status)) {
            Some((.., count)) => *count += 1,
            None => self.0.push((direction, command, status, 1)),
        }
    }

    pub(super) fn take(&mut self, mut f: impl FnMut(Direction, Command, Status, u64)) {
        for (direction, command, status, count) in self.0.drain(..) {
            f(direction, command, status, count);
        }
    }
}
