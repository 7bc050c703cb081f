//! One bind of the load: sends its share of the messages and takes whatever replies come on it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use icaze_codec::pdu::{BindKind, Status};
use icaze_codec::text;

use super::Load;
use super::board::{Board, Seen};
use super::tally::Tally;
use crate::connection::{Connection, Incoming, Text};

/// How long nothing may happen before the rest counts as unanswered.
const QUIET_MAX: Duration = Duration::from_secs(10);
/// How long a message that the gateway had no room for waits.
const RETRY_AFTER: Duration = Duration::from_millis(50);
/// How often a session that has nothing to do looks whether others are done.
const GLANCE: Duration = Duration::from_millis(10);

/// One session: messages `first`, `first + step`, and so on.
pub(crate) struct Sender {
    load: Arc<Load>,
    board: Arc<Board>,
    connection: Connection,
    next: u64,
    step: u64,
    /// Messages to send again, and when.
    retries: VecDeque<(Instant, u64)>,
    unanswered: u64,
    start: Instant,
    tally: Tally,
    text: String,
    payload: Vec<u8>,
}

impl Sender {
    /// Binds.
    pub(crate) async fn bind(
        load: Arc<Load>,
        board: Arc<Board>,
        target: SocketAddr,
        first: u64,
        step: u64,
    ) -> anyhow::Result<Self> {
        let connection = Connection::bind(target, &load.account, BindKind::Transceiver, load.window).await?;
        Ok(Self {
            load,
            board,
            connection,
            next: first,
            step,
            retries: VecDeque::new(),
            unanswered: 0,
            start: Instant::now(),
            tally: Tally::new()?,
            text: String::new(),
            payload: Vec::new(),
        })
    }

    /// Sends from `start` on until every message of the run has its response and its reply, or nothing happens any more.
    pub(crate) async fn run(mut self, start: Instant) -> anyhow::Result<Tally> {
        self.start = start;
        let mut settled = (0, 0, start);
        loop {
            let now = Instant::now();
            self.take(now);
            let wake = self.send(now)?;
            let progress = (self.board.settled(), self.unanswered);
            if (settled.0, settled.1) != progress {
                settled = (progress.0, progress.1, now);
            }
            if self.has_sent_all() && self.unanswered == 0 && self.board.is_settled() {
                break;
            }
            if self.has_sent_all() && now.duration_since(settled.2) > QUIET_MAX {
                break;
            }
            if self.connection.is_closed() {
                bail!("the gateway closed a session with {} messages unanswered", self.unanswered);
            }
            self.connection.turn(wake).await?;
        }
        self.end().await;
        self.tally.unacked = self.unanswered;
        Ok(self.tally)
    }

    fn has_sent_all(&self) -> bool {
        self.next >= self.load.messages && self.retries.is_empty()
    }

    fn take(&mut self, now: Instant) {
        let Self { connection, board, load, tally, retries, unanswered, start, .. } = self;
        connection.take(now, |incoming| {
            match incoming {
                Incoming::Response { token, status, .. } => {
                    *unanswered -= 1;
                    match status {
                        Status::ESME_ROK => tally.acked += 1,
                        Status::ESME_RTHROTTLED | Status::ESME_RMSGQFUL | Status::ESME_RX_T_APPN => {
                            tally.throttled += 1;
                            retries.push_back((now + RETRY_AFTER, token));
                        }
                        _ => {
                            tally.refused += 1;
                            board.refused(load.plan.phone(token));
                        }
                    }
                }
                // No response in time: the message stays unanswered.
                Incoming::Unanswered { .. } => {}
                Incoming::Reply(message) => {
                    let since_start = nanoseconds(now.saturating_duration_since(*start));
                    let phone = load.phones.index(message.destination.digits);
                    if let Seen::First(latency) = board.replied(phone, since_start) {
                        tally.answered(latency, since_start);
                        tally.grants += u64::from(load.grants.contain(&message));
                    }
                }
            }
            Status::ESME_ROK
        });
    }

    /// Sends what is due, and says when to look again.
    fn send(&mut self, now: Instant) -> anyhow::Result<Option<Instant>> {
        while self.connection.window_free() > 0
            && let Some(&(at, index)) = self.retries.front()
        {
            if at > now {
                break;
            }
            self.retries.pop_front();
            self.text(index, now)?;
        }
        while self.connection.window_free() > 0 && self.next < self.load.messages {
            let intended = self.load.intended(self.next, self.start);
            if intended.is_some_and(|at| at > now) {
                return Ok(intended);
            }
            let since_start = intended.unwrap_or(now).saturating_duration_since(self.start);
            self.board.sent(self.load.plan.phone(self.next), nanoseconds(since_start));
            self.text(self.next, now)?;
            self.next += self.step;
        }
        let idle = self.next >= self.load.messages;
        let retry = self.retries.front().map(|&(at, _)| at);
        Ok(if idle { Some(retry.unwrap_or(now + GLANCE)) } else { retry })
    }

    fn text(&mut self, index: u64, now: Instant) -> anyhow::Result<()> {
        self.load.plan.text(index, &mut self.text);
        self.payload.clear();
        let coding = text::encode(&self.text, &mut self.payload);
        let from = self.load.phones.digits(self.load.plan.phone(index));
        let text = Text {
            from: &from,
            to: self.load.account.to.as_bytes(),
            esm_class: 0,
            data_coding: coding.data_coding(),
            payload: &self.payload,
        };
        self.connection.text(&text, index, now)?;
        self.unanswered += 1;
        Ok(())
    }

    /// Unbinds. What still goes wrong here no longer matters.
    async fn end(&mut self) {
        self.connection.unbind();
        let until = Instant::now() + Duration::from_secs(2);
        while !self.connection.is_closed() && Instant::now() < until {
            if self.connection.turn(Some(until)).await.is_err() {
                return;
            }
            self.connection.take(Instant::now(), |_| Status::ESME_ROK);
        }
    }
}

/// A duration within a run, which is short of 500 years.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
