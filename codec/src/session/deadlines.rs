//! The session's timers, as a pure function of what happened when.

use std::time::Instant;

use super::{State, Timers};

/// What a session has to do when time has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timer {
    /// No bind came.
    SessionInit,
    /// A bind or an unbind was not answered; or, of a session that the peer has ended, one of its messages.
    Response,
    /// Nothing was heard: send an enquire_link.
    EnquireLink,
    /// The enquire_link was not answered.
    EnquireLinkResponse,
    /// No message went either way.
    Inactivity,
    /// A PDU began and did not end.
    Pdu,
    /// A message was not answered. [`super::Session::poll`] gives it back.
    Message,
}

/// When things last happened.
pub(super) struct Deadlines {
    /// The state was entered.
    pub(super) entered: Instant,
    /// A PDU came.
    pub(super) heard: Instant,
    /// A message or a message's response went or came.
    pub(super) message: Instant,
    /// Our enquire_link went, and nothing has been heard since.
    pub(super) enquired: Option<Instant>,
}

impl Deadlines {
    pub(super) const fn new(now: Instant) -> Self {
        Self { entered: now, heard: now, message: now, enquired: None }
    }

    /// The first timer to run out, and when.
    pub(super) fn next(
        &self,
        timers: &Timers,
        state: State,
        begun: Option<Instant>,
        oldest: Option<Instant>,
    ) -> Option<(Instant, Timer)> {
        let of_state = match state {
            State::Ended(_) => return None,
            State::Closing { .. } => return Some((self.entered + timers.response, Timer::Response)),
            State::Open => [Some((self.entered + timers.session_init, Timer::SessionInit)), None],
            State::Binding { .. } | State::Unbinding(_) => {
                [Some((self.entered + timers.response, Timer::Response)), None]
            }
            State::Bound(_) => [
                Some(self.link(timers)),
                timers.inactivity.map(|lapse| (self.message + lapse, Timer::Inactivity)),
            ],
        };
        let pdu = begun.map(|begun| (begun + timers.pdu, Timer::Pdu));
        let message = oldest.map(|sent| (sent + timers.response, Timer::Message));
        of_state.into_iter().chain([pdu, message]).flatten().min_by_key(|(at, _)| *at)
    }

    fn link(&self, timers: &Timers) -> (Instant, Timer) {
        match self.enquired {
            None => (self.heard + timers.enquire_link, Timer::EnquireLink),
            Some(at) => (at + timers.response.min(timers.enquire_link), Timer::EnquireLinkResponse),
        }
    }
}
