//! One bind of the load: sends its share of the messages and takes whatever replies come on it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use icaze_codec::pdu::{BindKind, Status};

use super::Load;
use super::board::{Board, Seen, Sent};
use super::tally::Tally;
use crate::connection::{Account, Connection, Incoming, Text};

/// How long a message that the gateway had no room for waits.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// One session: of its operator's messages `place`, `place + step`, and so on.
pub(crate) struct Sender<'a> {
    load: &'a Load,
    account: &'a Account,
    board: &'a Board,
    operator: u64,
    connection: Connection,
    next: u64,
    step: u64,
    messages: u64,
    /// Messages to send again, and when.
    retries: VecDeque<(Instant, u64)>,
    /// Messages that await their response.
    unacked: u64,
    payload: Vec<u8>,
}

impl<'a> Sender<'a> {
    /// Binds the run's `session`th.
    pub(crate) fn bind(load: &'a Load, target: SocketAddr, session: u64) -> anyhow::Result<Self> {
        let operator = load.deal.operator(session);
        let place = usize::try_from(operator)?;
        let (account, board) = (&load.accounts[place], &load.boards[place]);
        let connection = Connection::bind(target, account, BindKind::Transceiver, load.window)?;
        Ok(Self {
            load,
            account,
            board,
            operator,
            connection,
            next: session / load.deal.operators,
            step: load.deal.sessions_of(operator),
            messages: load.deal.messages_of(operator),
            retries: VecDeque::new(),
            unacked: 0,
            payload: Vec::new(),
        })
    }

    pub(crate) const fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    pub(crate) const fn socket(&self) -> &Connection {
        &self.connection
    }

    /// Whose session it is.
    pub(crate) const fn operator(&self) -> u64 {
        self.operator
    }

    /// Messages that await their response.
    pub(crate) const fn unacked(&self) -> u64 {
        self.unacked
    }

    /// Whether nothing is left to send.
    pub(crate) fn has_sent_all(&self) -> bool {
        self.next >= self.messages && self.retries.is_empty()
    }

    /// Counts what has come; how many phones have now had what they wait for.
    pub(crate) fn take(&mut self, start: Instant, now: Instant, tally: &mut Tally) -> u64 {
        let Self { load, board, operator, connection, retries, unacked, .. } = self;
        let at = microseconds(now - start);
        let mut settled = 0;
        connection.take(now, |incoming| {
            match incoming {
                Incoming::Response { token, status, .. } => {
                    *unacked -= 1;
                    match status {
                        Status::ESME_ROK => {
                            let Sent { due, junk } = board.acked(token);
                            tally.acked(junk, at.saturating_sub(due), at);
                        }
                        Status::ESME_RTHROTTLED | Status::ESME_RMSGQFUL | Status::ESME_RX_T_APPN => {
                            tally.throttled += 1;
                            retries.push_back((now + RETRY_AFTER, token));
                        }
                        _ => {
                            tally.refused += 1;
                            settled += u64::from(board.refused(token));
                        }
                    }
                }
                // No response in time: the message stays without.
                Incoming::Unanswered { .. } => *unacked -= 1,
                Incoming::Reply(message) => {
                    let phone = load.phones.index(message.destination.digits);
                    let number = phone.and_then(|phone| load.deal.first_of(*operator, phone));
                    if let Seen::First(Sent { due, junk }) = board.replied(number) {
                        settled += 1;
                        let outcome = load.beginnings.outcome(&message);
                        tally.answered(junk, outcome, at.saturating_sub(due), at);
                    }
                }
            }
            Status::ESME_ROK
        });
        settled
    }

    /// Sends what is due, and says when the next one will be: `None` once responses have to come first.
    pub(crate) fn send(&mut self, start: Instant, now: Instant) -> anyhow::Result<Option<Instant>> {
        while let Some(&(at, number)) = self.retries.front()
            && self.connection.window_free() > 0
        {
            if at > now {
                break;
            }
            self.retries.pop_front();
            self.text(number, now)?;
        }
        let retry = self.retries.front().map(|&(at, _)| at);
        for _ in 0..self.connection.window_free() {
            if self.next >= self.messages {
                break;
            }
            let due = self.load.deal.due(self.operator, self.next);
            if let Some(at) = due.map(|due| start + due).filter(|at| *at > now) {
                return Ok(Some(retry.map_or(at, |retry| retry.min(at))));
            }
            let due = due.unwrap_or(now - start);
            let junk = self.text(self.next, now)?;
            self.board.sent(self.next, Sent { due: microseconds(due), junk });
            self.next += self.step;
        }
        Ok(retry)
    }

    /// Puts a message into the output; whether it is junk.
    fn text(&mut self, number: u64, now: Instant) -> anyhow::Result<bool> {
        let phone = self.load.deal.phone(self.operator, number);
        let kind = self.load.plan.text(phone, &mut self.payload);
        let text = Text {
            from: &self.load.phones.digits(phone),
            to: self.account.to.as_bytes(),
            esm_class: 0,
            data_coding: kind.data_coding,
            payload: &self.payload,
        };
        self.connection.text(&text, number, now)?;
        self.unacked += 1;
        Ok(kind.junk)
    }

    /// Unbinds. What still goes wrong here no longer matters.
    pub(crate) fn end(mut self) {
        self.connection.unbind();
        let until = Instant::now() + Duration::from_secs(2);
        while !self.connection.is_closed() && Instant::now() < until {
            self.connection.pump();
            self.connection.take(Instant::now(), |_| Status::ESME_ROK);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// A duration within a run, which is short of 500,000 years.
fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
