//! One run: a seed's events, one after the other, in virtual time.

use std::rc::Rc;
use std::time::{Duration, Instant};

use icaze_codec::pdu::BindKind;
use icaze_gateway::clock::Now;
use icaze_gateway::smpp::link::Link;
use icaze_store::ledger::{Faults, FaultyStorage, MasterKey, OpenError, Options, ReadError};
use jiff::SignedDuration;

use crate::disk::{Disk, spoil_newest_batch};
use crate::model::{Held, Model};
use crate::node::{Node, Site};
use crate::operator::{End, Pdu, Seen, texts};
use crate::plan::{Event, Plan, Variant};
use crate::random::Random;
use crate::story::Story;
use crate::trace::{Report, Trace, Violation};
use crate::world::{OPERATORS, Person, WINDOW_OUT, config, people, world};

/// An operator's connection, with what is on its way.
struct Connection {
    id: usize,
    end: End,
    /// The gateway's side, until it is gone.
    link: Option<Link>,
    to_gateway: Vec<u8>,
    to_operator: Vec<u8>,
    /// How much of the frame at the front of the link's output has been written.
    begun: usize,
    /// Nothing arrives any more, and nobody is told.
    hung: bool,
}

/// How many of the bytes that could move do.
#[derive(Clone, Copy)]
enum Share {
    All,
    /// All or fewer.
    Some,
}

impl Share {
    fn of(self, length: usize, random: &mut Random) -> usize {
        match self {
            Self::Some if random.chance(40) => random.below(length + 1),
            _ => length,
        }
    }
}

pub(crate) struct Simulation {
    seed: u64,
    plan: Plan,
    random: Random,
    now: Now,
    site: Site,
    people: Vec<Person>,
    storage: FaultyStorage,
    node: Option<Node>,
    /// Whether the disk may refuse to let the node start.
    full: bool,
    /// Whether it may fail.
    armed: bool,
    connections: Vec<Connection>,
    opened: usize,
    pdus: Vec<Pdu>,
    away_until: [Instant; OPERATORS.len()],
    calm: bool,
    model: Model,
    trace: Trace,
}

type Step = Result<(), String>;

impl Simulation {
    pub(crate) fn new(seed: u64, variant: Variant) -> Self {
        let mut random = Random::new(seed);
        let plan = Plan::new(&mut random);
        let people = people();
        let now = Now { monotonic: origin(), wall: plan.begins.parse().unwrap() };
        let site = Site {
            config: config(&plan),
            world: Rc::new(world(&people, variant == Variant::DocumentIsPerson)),
            key: MasterKey::random().unwrap(),
            options: Options { segment_bytes: plan.segment_bytes, ..Options::default() },
            variant,
        };
        Self {
            seed,
            plan,
            storage: FaultyStorage::new(random.next()),
            random,
            now,
            site,
            people,
            node: None,
            full: false,
            armed: false,
            connections: Vec::new(),
            opened: 0,
            pdus: Vec::new(),
            away_until: [now.monotonic; OPERATORS.len()],
            calm: false,
            model: Model::default(),
            trace: Trace::default(),
        }
    }

    /// Keeps the trace's lines, to be printed.
    pub(crate) fn tracing(mut self) -> Self {
        self.trace.keep();
        self
    }

    pub(crate) fn run(mut self) -> Result<Report, Violation> {
        let ran = self.steps().and_then(|()| self.quiet()).and_then(|()| self.check());
        let lines = self.trace.take();
        match ran {
            Ok(story) => Ok(Report {
                hash: self.trace.hash(),
                decisions: story.decisions(),
                grants: story.grants(),
                left: self.model.left,
                lines,
            }),
            Err(what) => Err(Violation { seed: self.seed, what, lines }),
        }
    }

    fn steps(&mut self) -> Step {
        for _ in 0..self.plan.steps {
            let pause = if self.random.chance(10) { self.random.below(3000) } else { self.random.below(60) };
            self.pass(Duration::from_millis(pause as u64))?;
            if self.node.is_none() && self.random.chance(30) {
                self.start()?;
            }
            let event = self.plan.event(&mut self.random);
            self.happen(event)?;
        }
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Step {
        self.trace.note(|| format!("{event:?}"));
        match event {
            Event::Text => self.text(),
            Event::Redeliver => self.redeliver(),
            Event::ToGateway => self.some_connection(|this, at| this.to_gateway(at, Share::Some)),
            Event::ToOperator => self.some_connection(|this, at| this.to_operator(at, Share::Some)),
            Event::Answer => self.answer(),
            Event::Commit => self.commit(),
            Event::Tick => self.tick(),
            Event::Connect => self.connect(),
            Event::Unbind => self.some_connection(|this, at| {
                this.connections[at].end.session.unbind(this.now.monotonic);
                Ok(())
            }),
            Event::Drop => self.some_connection(Self::cut),
            Event::Hang => self.some_connection(|this, at| {
                this.connections[at].hung = true;
                Ok(())
            }),
            Event::Away => self.away(),
            Event::Kill => self.die(false),
            Event::PowerCut => self.die(true),
            Event::CrashInStep => {
                self.armed = true;
                let step = self.storage.steps() + 1 + self.random.below(6) as u64;
                self.storage.set_faults(Faults { crash_at: Some(step), ..Faults::default() });
                self.commit()
            }
            Event::SyncError => {
                self.armed = true;
                let step = self.storage.steps() + 1;
                self.storage.set_faults(Faults { sync_error_at: Some(step), ..Faults::default() });
                self.commit()
            }
            Event::DiskFull => {
                let space_bytes = Some(self.random.below(200_000) as u64);
                (self.full, self.armed) = (true, false);
                self.storage.set_faults(Faults { space_bytes, ..Faults::default() });
                Ok(())
            }
            Event::DiskRoom => {
                self.disarm();
                Ok(())
            }
            Event::ClockJump => {
                let jump = SignedDuration::from_secs(*self.random.pick(&[3600, -3600, 30, -30]));
                self.now.wall += jump;
                Ok(())
            }
            Event::Restart => self.restart(),
            Event::Lull => {
                let seconds = *self.random.pick(&[15, 120, 700, 4000, 20_000, 86_400]);
                self.lull(seconds)
            }
        }
    }

    // Time.

    /// Lets time pass, and whatever is due by then happen.
    fn pass(&mut self, by: Duration) -> Step {
        self.now.monotonic += by;
        self.now.wall += SignedDuration::try_from(by).unwrap();
        let now = self.now;
        for at in 0..self.connections.len() {
            let connection = &mut self.connections[at];
            if connection.end.session.next_timeout().is_some_and(|due| due <= now.monotonic) {
                connection.end.session.handle_timeout(now.monotonic);
            }
            if let (Some(link), Some(node)) = (&mut connection.link, &mut self.node)
                && link.next_timeout().is_some_and(|due| due <= now.monotonic)
            {
                link.handle_timeout(&node.port, now);
                node.exchange(link, now);
            }
            self.drive(at);
        }
        self.bury()
    }

    fn lull(&mut self, seconds: u64) -> Step {
        for _ in 0..6 {
            self.pass(Duration::from_secs(seconds) / 6)?;
            self.pump()?;
        }
        Ok(())
    }

    /// One round of everything that goes on by itself.
    fn pump(&mut self) -> Step {
        self.tick()?;
        for at in 0..self.connections.len() {
            self.to_gateway(at, Share::All)?;
        }
        self.commit()?;
        for at in 0..self.connections.len() {
            self.to_operator(at, Share::All)?;
            self.drive(at);
            self.to_gateway(at, Share::All)?;
        }
        self.commit()?;
        self.answer()?;
        self.bury()
    }

    // Connections.

    fn some_connection(&mut self, act: impl FnOnce(&mut Self, usize) -> Step) -> Step {
        if self.connections.is_empty() {
            Ok(())
        } else {
            let at = self.random.below(self.connections.len());
            act(self, at)
        }
    }

    fn connect(&mut self) -> Step {
        // Whoever has none comes back soon.
        let without = (0..OPERATORS.len()).find(|&o| self.connections.iter().all(|c| c.end.operator != o));
        let chosen = self.random.below(OPERATORS.len());
        let operator = without.filter(|_| self.random.chance(70)).unwrap_or(chosen);
        let kinds = [BindKind::Transceiver, BindKind::Transceiver, BindKind::Transmitter, BindKind::Receiver];
        let kind = *self.random.pick(&kinds);
        if self.connections.len() >= 8 {
            return Ok(());
        }
        let before = self.connections.len();
        self.open(operator, kind)?;
        if self.connections.len() > before && self.random.chance(80) {
            self.to_gateway(before, Share::All)?;
            self.to_operator(before, Share::All)?;
        }
        Ok(())
    }

    fn open(&mut self, operator: usize, kind: BindKind) -> Step {
        let Some(node) = &self.node else { return Ok(()) };
        if self.away_until[operator] > self.now.monotonic {
            return Ok(());
        }
        self.opened += 1;
        self.trace.note(|| format!("connection {} of operator {operator} as {kind:?}", self.opened));
        self.connections.push(Connection {
            id: self.opened,
            end: End::new(operator, kind, self.now.monotonic),
            link: Some(Link::new(&node.port, self.now)),
            to_gateway: Vec::new(),
            to_operator: Vec::new(),
            begun: 0,
            hung: false,
        });
        Ok(())
    }

    /// Carries bytes to the gateway: all of them, or some.
    fn to_gateway(&mut self, at: usize, share: Share) -> Step {
        let connection = &mut self.connections[at];
        connection.to_gateway.append(connection.end.session.output());
        let length = connection.to_gateway.len();
        let count = share.of(length, &mut self.random);
        let bytes: Vec<u8> = connection.to_gateway.drain(..count).collect();
        if let (Some(link), Some(node), false) = (&mut connection.link, &mut self.node, connection.hung)
            && link.closed().is_none()
            && !bytes.is_empty()
        {
            link.receive(&bytes, &node.port, self.now, |_| {});
            let wake = node.exchange(link, self.now);
            self.trace.note(|| format!("{} takes {count} bytes: {:?}", connection.id, wake.commit));
            if link.session().unanswered_out() > WINDOW_OUT {
                return Err("more replies under way than the window allows".to_owned());
            }
        }
        Ok(())
    }

    /// Writes what may leave, and carries bytes to the operator.
    fn to_operator(&mut self, at: usize, share: Share) -> Step {
        self.write(at, share)?;
        let connection = &mut self.connections[at];
        let length = connection.to_operator.len();
        let count = share.of(length, &mut self.random);
        let bytes: Vec<u8> = connection.to_operator.drain(..count).collect();
        if !connection.hung {
            connection.end.session.handle_input(&bytes);
        }
        self.drive(at);
        Ok(())
    }

    fn write(&mut self, at: usize, share: Share) -> Step {
        let connection = &mut self.connections[at];
        let (Some(link), Some(node)) = (&mut connection.link, &mut self.node) else { return Ok(()) };
        let held = Held { position: node.position(), failed_at: node.failed_at };
        let durable = node.durable();
        let bytes = link.writable(durable, |_| {});
        let count = share.of(bytes.len(), &mut self.random);
        // A frame counts as left with its first byte.
        while connection.begun < count {
            let operator = connection.end.operator;
            connection.begun +=
                self.model.leaves(connection.id, operator, &bytes[connection.begun..], &held)?;
        }
        connection.begun -= count;
        connection.to_operator.extend_from_slice(&bytes[..count]);
        link.written(count);
        if count > 0 {
            self.trace.note(|| format!("{} is written {count} bytes at {}", connection.id, held.position));
        }
        Ok(())
    }

    /// Takes what an operator's end has to say.
    fn drive(&mut self, at: usize) {
        let connection = &mut self.connections[at];
        for seen in connection.end.drive(&self.plan, self.calm, &mut self.random, self.now.monotonic) {
            match seen {
                Seen::Answered { pdu, status } => {
                    self.pdus[pdu].under_way -= 1;
                    self.pdus[pdu].acked |= status.is_ok();
                }
                Seen::Unanswered { pdu } => self.pdus[pdu].under_way -= 1,
                Seen::Reply { sequence, status, late } => {
                    self.model.replied(connection.id, sequence, status, late);
                    self.model.cut |= late || status.is_none();
                }
            }
        }
    }

    /// Ends what has ended on one side.
    fn bury(&mut self) -> Step {
        for at in (0..self.connections.len()).rev() {
            let connection = &mut self.connections[at];
            let link_over = connection.link.as_ref().is_none_or(|link| link.closed().is_some());
            if connection.end.closed {
                self.to_gateway(at, Share::All)?;
                self.close(at)?;
            } else if link_over {
                self.to_operator(at, Share::All)?;
                self.close(at)?;
            }
        }
        Ok(())
    }

    /// Breaks a connection: bytes on their way are lost from some point on.
    fn cut(&mut self, at: usize) -> Step {
        self.to_operator(at, Share::Some)?;
        self.to_gateway(at, Share::Some)?;
        self.model.cut = true;
        self.close(at)
    }

    fn close(&mut self, at: usize) -> Step {
        let mut connection = self.connections.swap_remove(at);
        self.trace.note(|| format!("{} ends", connection.id));
        if let (Some(link), Some(node)) = (&mut connection.link, &mut self.node) {
            link.disconnected(&node.port, self.now);
            node.exchange(link, self.now);
            if let Some(bound) = link.bound() {
                node.port.close_session(bound.operator);
            }
        }
        connection.link = None;
        connection.end.session.disconnected();
        self.model.cut |= !connection.to_gateway.is_empty() || !connection.to_operator.is_empty();
        self.connections.push(connection);
        let last = self.connections.len() - 1;
        self.drive(last);
        self.connections.pop();
        Ok(())
    }

    // Operators.

    fn text(&mut self) -> Step {
        let ready = self.connections.iter().filter(|c| c.end.transmits()).map(|c| c.end.operator);
        let ready: Vec<usize> = ready.collect();
        let anyone = self.random.below(OPERATORS.len());
        let operator = if ready.is_empty() { anyone } else { *self.random.pick(&ready) };
        let more = texts(operator, &self.plan, &self.people, &mut self.random);
        for pdu in more {
            self.pdus.push(pdu);
            self.send(self.pdus.len() - 1);
        }
        Ok(())
    }

    fn send(&mut self, index: usize) {
        let pdu = &mut self.pdus[index];
        let ready = |c: &Connection| c.end.operator == pdu.operator && c.end.transmits();
        let ready: Vec<usize> =
            (0..self.connections.len()).filter(|&at| ready(&self.connections[at])).collect();
        if ready.is_empty() {
            return;
        }
        let connection = &mut self.connections[*self.random.pick(&ready)];
        let before = connection.end.session.output().len();
        connection.end.send(index, pdu, self.now.monotonic);
        let frame = &connection.end.session.output()[before..];
        let sequence = u32::from_be_bytes(frame[12..16].try_into().unwrap());
        self.model.arrives(connection.id, sequence, &pdu.phone);
    }

    /// What was not acked goes again; at times also what was, as on a second bind.
    fn redeliver(&mut self) -> Step {
        if self.pdus.is_empty() {
            return Ok(());
        }
        for _ in 0..3 {
            let recent = self.pdus.len().min(30);
            let index = self.pdus.len() - 1 - self.random.below(recent);
            let pdu = &self.pdus[index];
            let again = if pdu.acked || pdu.under_way > 0 { self.random.chance(15) } else { true };
            if again {
                self.send(index);
            }
        }
        Ok(())
    }

    fn answer(&mut self) -> Step {
        for connection in &mut self.connections {
            let end = &mut connection.end;
            while !end.late.is_empty() && (self.calm || self.random.chance(50)) {
                let (request, status) = end.late.remove(0);
                end.session.respond(request, status, &[]);
            }
        }
        Ok(())
    }

    fn away(&mut self) -> Step {
        let operator = self.random.below(OPERATORS.len());
        let seconds = *self.random.pick(&[5, 60, 900]);
        self.away_until[operator] = self.now.monotonic + Duration::from_secs(seconds);
        while let Some(at) = self.connections.iter().position(|c| c.end.operator == operator) {
            self.cut(at)?;
        }
        Ok(())
    }

    // The process.

    fn start(&mut self) -> Step {
        let disk = Disk::new(self.storage.clone(), self.site.variant == Variant::SyncRetried);
        match self.site.start(disk, self.now) {
            Ok(node) => {
                self.trace.note(|| format!("starts at {}", node.position()));
                let story = Story::read(&self.storage, &self.site.key)?;
                self.model.check_acked(&story)?;
                self.node = Some(node);
                Ok(())
            }
            Err(OpenError::NoRoom { .. }) if self.full => Ok(()),
            Err(OpenError::Io { .. } | OpenError::Read(ReadError::Io { .. })) if self.armed => {
                let power = self.random.chance(50);
                self.revive(power);
                Ok(())
            }
            Err(error) => Err(format!("the ledger does not open: {error}")),
        }
    }

    fn commit(&mut self) -> Step {
        let Some(node) = &mut self.node else { return Ok(()) };
        let committed = node.commit();
        self.trace.note(|| format!("commit: {} {}", node.position(), committed.is_ok()));
        match committed {
            Ok(()) => Ok(()),
            Err(_) => {
                // Nothing more leaves; in the worst case a link was just about to write.
                for at in 0..self.connections.len() {
                    self.write(at, Share::Some)?;
                }
                let power = self.random.chance(50);
                self.die(power)
            }
        }
    }

    fn tick(&mut self) -> Step {
        let Some(node) = &mut self.node else { return Ok(()) };
        node.tick(self.now);
        for connection in &mut self.connections {
            if let Some(link) = &mut connection.link {
                node.exchange(link, self.now);
            }
        }
        Ok(())
    }

    /// The process is killed, or the power goes.
    fn die(&mut self, power: bool) -> Step {
        let Some(_) = self.node.take() else { return Ok(()) };
        self.model.crashed = true;
        self.revive(power);
        if self.site.variant == Variant::DamageCut {
            spoil_newest_batch(&self.storage);
        }
        for connection in &mut self.connections {
            connection.link = None;
        }
        self.trace.note(|| format!("dies, power {power}"));
        self.bury()
    }

    fn disarm(&mut self) {
        (self.full, self.armed) = (false, false);
        self.storage.set_faults(Faults::default());
    }

    /// The disk as the next process finds it.
    fn revive(&mut self, power: bool) {
        self.storage = if power { self.storage.crash() } else { self.storage.kill() };
        (self.full, self.armed) = (false, false);
    }

    /// An orderly stop and a start.
    fn restart(&mut self) -> Step {
        if self.node.is_none() {
            return Ok(());
        }
        for connection in &mut self.connections {
            if let Some(link) = &mut connection.link {
                link.drain();
            }
        }
        for _ in 0..5 {
            self.pass(Duration::from_millis(200))?;
            self.pump()?;
        }
        while !self.connections.is_empty() {
            self.cut(0)?;
        }
        let Some(node) = &mut self.node else { return Ok(()) };
        if node.stop().is_err() {
            return self.die(false);
        }
        if node.is_settled() {
            self.check_replay()?;
        }
        self.node = None;
        self.revive(false);
        self.start()
    }

    // The end.

    /// Everyone returns and answers, and time passes until nothing waits.
    fn quiet(&mut self) -> Step {
        self.calm = true;
        self.disarm();
        self.away_until = [self.now.monotonic; OPERATORS.len()];
        while !self.connections.is_empty() {
            self.cut(0)?;
        }
        if self.node.is_none() {
            self.start()?;
        }
        self.settle(30, Duration::from_millis(400))?;
        self.settle(20, Duration::from_secs(20))?;
        // A clock that was set back makes the ledger's time stand still until it is where it was.
        let stood = self.node.as_ref().map_or(self.now.wall, |node| node.pipeline.time());
        let stands = stood.duration_since(self.now.wall).max(SignedDuration::ZERO);
        self.pass(stands.unsigned_abs())?;
        self.settle(40, Duration::from_secs(20))
    }

    fn settle(&mut self, rounds: usize, every: Duration) -> Step {
        for _ in 0..rounds {
            for operator in 0..OPERATORS.len() {
                if !self.connections.iter().any(|connection| connection.end.operator == operator) {
                    self.open(operator, BindKind::Transceiver)?;
                    let last = self.connections.len().saturating_sub(1);
                    self.to_gateway(last, Share::All)?;
                    self.to_operator(last, Share::All)?;
                }
            }
            self.pass(every)?;
            self.pump()?;
        }
        Ok(())
    }

    fn check(&mut self) -> Result<Story, String> {
        let node = self.node.as_ref().ok_or("the node is down at the end")?;
        if !node.is_settled() {
            return Err("something was never committed".to_owned());
        }
        let waiting = (0..OPERATORS.len()).map(|operator| node.pipeline.outbox().waiting(operator as u16));
        if waiting.sum::<usize>() > 0 {
            return Err("replies wait for ever".to_owned());
        }
        self.check_replay()?;
        let story = Story::read(&self.storage, &self.site.key)?;
        story.check_rules(&self.site.world, &self.people)?;
        self.model.check_end(&story)?;
        Ok(story)
    }

    /// A pipeline that reads the ledger knows what the running one knows.
    fn check_replay(&mut self) -> Step {
        let Some(node) = &self.node else { return Ok(()) };
        let disk = Disk::new(self.storage.kill(), false);
        let replayed = self.site.replay(disk, self.now, Variant::Sound);
        let (fresh, ..) = replayed.map_err(|error| format!("the ledger does not open: {error}"))?;
        let running = &node.pipeline;
        let at = running.time();
        let today = jiff::tz::TimeZone::get("Asia/Baku").unwrap().to_datetime(at).date();
        for person in &self.people {
            let usage = |pipeline: &icaze_gateway::pipeline::Pipeline| {
                pipeline.usage().get(person.number, today.into())
            };
            if usage(running) != usage(&fresh) {
                return Err("a start would know other allowances".to_owned());
            }
            for purpose in 0..10 {
                let standing = |pipeline: &icaze_gateway::pipeline::Pipeline| {
                    let permit = pipeline.permits().standing((person.number, purpose), at);
                    permit.map(|permit| (permit.seq, permit.code, permit.interval))
                };
                if standing(running) != standing(&fresh) {
                    return Err("a start would know other permits".to_owned());
                }
            }
        }
        // The running one may know more: settled replies that go once more, because their requests came again.
        let story = Story::read(&self.storage, &self.site.key)?;
        for (operator, (name, ..)) in OPERATORS.iter().enumerate() {
            if fresh.outbox().waiting(operator as u16) != story.unmarked(name) {
                return Err("a start would know other waiting replies".to_owned());
            }
        }
        let printed = format!("{:?}{:?}{:?}", running.outbox(), running.permits(), running.stats());
        let documents = self.people.iter().flat_map(|person| &person.documents).map(ToString::to_string);
        self.model.check_debug(&printed, &documents.collect::<Vec<_>>())
    }
}

/// Virtual time needs some origin; only differences matter.
fn origin() -> Instant {
    Instant::now()
}
