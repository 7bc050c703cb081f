//! The demo as a whole: gateway, operators, crowd and screen.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use icaze_codec::text::{Alphabet, segment, split};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::book::{Book, End, Exchange};
use super::conversation::Conversation;
use super::country::{self, OPERATORS};
use super::crowd::{Crowd, Phone, Text};
use super::keyboard::Keyboard;
use super::line::Line;
use super::operator::{News, Operator};
use super::outcomes::Outcomes;
use super::screen::{Screen, Syncs, summary};
use crate::clock::Now;
use crate::node::Node;
use crate::pipeline::pace::Pace;

/// What the demo is asked to do.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Stop after so many answers; `None`: on Ctrl-C.
    pub messages: Option<u64>,
    /// Texts/s; 0: as fast as they are answered.
    pub rate: u32,
    /// Who texts what.
    pub seed: u64,
}

/// The phone of whoever watches: an Azercell number that the crowd does not use.
const OWN_PHONE: Phone = 994_108_103_810;
const OWN_OPERATOR: usize = 0;
/// Own texts that wait for the one before them.
const OWN_WAITING_MAX: usize = 8;
/// Texts on their way at once, at most: far below any window, so that nobody is throttled, and few enough that stories
/// go on before hundreds of others begin.
const OPEN_MAX: usize = 32;
/// How often texts are due and lines are shown.
const BEAT: Duration = Duration::from_millis(10);
/// How often the live lines change.
const LIVE: Duration = Duration::from_millis(250);
/// How often they are written where there is no terminal.
const LIVE_LINE: Duration = Duration::from_secs(5);
/// How long a gateway that stops may take.
const DRAIN: Duration = Duration::from_secs(10);

/// Runs the demo to its end.
///
/// # Errors
/// If it cannot start, if a bind or the gateway is lost, or if a message or a text did not get its one outcome.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let store = tempfile::Builder::new().prefix("icaze-demo-").tempdir();
    let store =
        store.context("no directory for the demo's store; point TMPDIR to one that can be written")?;
    let config = country::config(store.path())?;
    let node = Node::start_with(&config, country::world(&config, options.seed)?).await?;
    let (sender, news) = mpsc::channel(16 * OPEN_MAX);
    let mut operators = Vec::new();
    for operator in &OPERATORS {
        operators.push(Operator::bind(operator, &node.smpp.to_string(), OPEN_MAX, &sender).await?);
    }
    let mut show = Show::new(options, operators, Outcomes::of(&node.gateway.world().texts))?;
    show.head(&node)?;
    let played = show.play(news, &node, &mut interrupt, &mut terminate).await;
    show.end(played, node, &mut interrupt, &mut terminate).await
}

/// Everything that changes while it runs.
struct Show {
    options: Options,
    operators: Vec<Operator>,
    outcomes: Outcomes,
    crowd: Crowd,
    book: Book,
    conversation: Conversation,
    screen: Screen,
    pace: Pace,
    line: Line,
    /// Own texts that are typed but not sent.
    own: VecDeque<String>,
    /// A text whose bind had too many waiting.
    held: Option<Text>,
    began: Instant,
    ending: bool,
}

impl Show {
    fn new(options: Options, operators: Vec<Operator>, outcomes: Outcomes) -> anyhow::Result<Self> {
        let now = Now::read().monotonic;
        Ok(Self {
            options,
            operators,
            outcomes,
            crowd: Crowd::new(options.seed),
            book: Book::new()?,
            conversation: Conversation::new(now),
            screen: Screen::open(),
            pace: Pace::new(options.rate, now),
            line: Line::default(),
            own: VecDeque::new(),
            held: None,
            began: now,
            ending: false,
        })
    }

    fn head(&self, node: &Node) -> io::Result<()> {
        let binds = OPERATORS.map(|operator| format!("{} ({})", operator.name, operator.binds_in_words()));
        let documents = node.gateway.world().register.documents();
        self.screen.line(&format!(
            "Icaze demo: a synthetic country on this machine\n\
             register   {documents} documents; the known ones are AZE10000001 to AZE10000008\n\
             rules      code 1 medical, code 2 shopping once a day, 3 hours each\n\
             SMPP       {}: {}\n\
             HTTP       http://{}/\n\
             by hand    icaze sms --server {} --from +994501234567 \"2 AZE10000002\"\n",
            node.smpp,
            binds.join(", "),
            node.http,
            node.smpp,
        ))
    }

    /// Texts until the messages are through, or somebody ends it.
    async fn play(
        &mut self,
        mut news: mpsc::Receiver<News>,
        node: &Node,
        interrupt: &mut Signal,
        terminate: &mut Signal,
    ) -> anyhow::Result<()> {
        let typing = self.options.messages.is_none() && self.screen.is_terminal();
        let mut keyboard = if typing { Keyboard::open().ok() } else { None };
        if keyboard.is_some() {
            self.screen.prompt(OWN_PHONE);
        }
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut live_at = self.began + if self.screen.is_terminal() { Duration::ZERO } else { LIVE_LINE };
        let mut batch = Vec::new();
        while !self.is_over() {
            tokio::select! {
                _ = beat.tick() => {
                    let now = Now::read().monotonic;
                    if now >= live_at {
                        live_at = now + self.live(now)?;
                    }
                }
                count = news.recv_many(&mut batch, OPEN_MAX) => {
                    anyhow::ensure!(count > 0, "the operators are gone");
                    batch.drain(..).try_for_each(|news| self.hear(news))?;
                }
                Some(keys) = next_keys(&mut keyboard) => self.type_(&keys),
                _ = interrupt.recv(), if !self.ending => self.ending = true,
                _ = terminate.recv(), if !self.ending => self.ending = true,
                () = node.failed() => anyhow::bail!("the gateway stopped: its ledger failed"),
            }
            self.advance()?;
        }
        Ok(())
    }

    /// Whether everything that will be texted has been, and is answered or given up.
    fn is_over(&self) -> bool {
        let done = self.options.messages.is_some_and(|messages| self.book.counts().texts >= messages);
        (self.ending || done) && self.book.open() == 0
    }

    /// What is due now: texts, and a line of the conversation.
    fn advance(&mut self) -> io::Result<()> {
        let now = Now::read().monotonic;
        if !self.ending {
            self.send_own(now);
            while self.wants_text() && self.pace.take(now) {
                let text = self.held.take().unwrap_or_else(|| self.crowd.text());
                self.held = self.send(text, now).err();
            }
        }
        let lines = self.screen.layout().lines();
        match self.conversation.next(lines, now) {
            Some(exchange) => self.screen.exchange(&exchange),
            None => Ok(()),
        }
    }

    fn wants_text(&self) -> bool {
        let left = self.options.messages.is_none_or(|messages| self.book.counts().texts < messages);
        left && self.held.is_none() && self.book.open() < OPEN_MAX
    }

    fn send(&mut self, text: Text, now: Instant) -> Result<(), Text> {
        let Some(operator) = self.operators.get(text.operator) else { return Err(text) };
        operator.take(text.clone())?;
        let messages =
            split(&text.body, Alphabet::Gsm7, segment::Reference::Octet(0)).map_or(1, Iterator::count);
        self.book.sent(text, messages, now);
        Ok(())
    }

    fn send_own(&mut self, now: Instant) {
        if self.book.waits(OWN_PHONE) {
            return;
        }
        let Some(body) = self.own.pop_front() else { return };
        self.screen.own_reply("…", None);
        let text = Text { phone: OWN_PHONE, operator: OWN_OPERATOR, body };
        if let Err(text) = self.send(text, now) {
            self.own.push_front(text.body);
        }
    }

    fn type_(&mut self, keys: &[u8]) {
        for line in self.line.typed(keys) {
            if self.own.len() < OWN_WAITING_MAX {
                self.own.push_back(line);
            }
        }
        self.screen.typed(self.line.text());
    }

    fn hear(&mut self, news: News) -> anyhow::Result<()> {
        match news {
            News::Lost(reason) if !self.ending => anyhow::bail!("{reason}"),
            News::Lost(_) => {}
            News::Response { phone, status } => {
                let ok = status.is_some_and(icaze_codec::pdu::Status::is_ok);
                let end = self.book.acked(phone, ok);
                self.go_on(phone, end);
            }
            News::Reply { phone, text } => {
                let told = self.outcomes.find(&text);
                let exchange = self.book.replied(phone, text, told, Now::read().monotonic);
                let end = self.book.close(phone);
                self.go_on(phone, end);
                if let Some(exchange) = exchange {
                    self.answered(exchange)?;
                }
            }
        }
        Ok(())
    }

    /// A phone whose text has come to its end may text on.
    fn go_on(&mut self, phone: Phone, end: Option<End>) {
        match end {
            None => {}
            Some(End::Answered(told)) => self.crowd.answered(phone, told.map(|told| told.outcome)),
            Some(End::Refused) => self.crowd.given_up(phone),
        }
    }

    fn answered(&mut self, exchange: Exchange) -> io::Result<()> {
        if exchange.text.phone == OWN_PHONE {
            self.screen.own_reply(&exchange.reply, Some(exchange.latency));
            return self.screen.exchange(&exchange);
        }
        self.conversation.hear(exchange);
        Ok(())
    }

    /// Refreshes the live lines and gives up what has waited too long. Returns when to come again.
    fn live(&mut self, now: Instant) -> io::Result<Duration> {
        // Nothing answers whoever has texted too much: right for the one who watches, too.
        for phone in self.book.expire(now, |phone| phone == OWN_PHONE) {
            self.crowd.given_up(phone);
            if phone == OWN_PHONE {
                self.screen
                    .own_reply("no reply: a phone that texts too much is told once, then not any more", None);
            }
        }
        if self.screen.is_terminal() {
            self.screen.live(&mut self.book, now);
            return Ok(LIVE);
        }
        self.screen.live_line(&mut self.book, now)?;
        Ok(LIVE_LINE)
    }

    /// Unbinds, stops the gateway, and says what came of it all.
    async fn end(
        mut self,
        played: anyhow::Result<()>,
        node: Node,
        interrupt: &mut Signal,
        terminate: &mut Signal,
    ) -> anyhow::Result<()> {
        let took = Now::read().monotonic.saturating_duration_since(self.began);
        self.screen.close();
        played?;
        let syncs = Syncs::of(&node.gateway.telemetry.render(|| {}));
        let operators = std::mem::take(&mut self.operators);
        let stop = async {
            for operator in operators {
                operator.unbind().await;
            }
            node.stop(DRAIN).await
        };
        tokio::select! {
            stopped = stop => stopped?,
            _ = interrupt.recv() => anyhow::bail!("ended before it was drained"),
            _ = terminate.recv() => anyhow::bail!("ended before it was drained"),
        }
        self.screen.line(&summary(&self.book, took, syncs))?;
        let faults = self.book.faults();
        anyhow::ensure!(faults.is_empty(), "not every message got its outcome: {}", faults.join(", "));
        self.screen.line("every message was acked, every text has its one reply")?;
        Ok(())
    }
}

/// Keys, if there is a keyboard.
async fn next_keys(keyboard: &mut Option<Keyboard>) -> Option<Vec<u8>> {
    match keyboard {
        Some(keyboard) => keyboard.next().await,
        None => std::future::pending().await,
    }
}
