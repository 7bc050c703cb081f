//! One run: a seed's events, one after the other, in virtual time.

mod traffic;

use std::rc::Rc;
use std::time::{Duration, Instant};

use icaze_codec::pdu::BindKind;
use icaze_gateway::clock::Now;
use icaze_gateway::permit::code::Code;
use icaze_gateway::permit::read::{Help, Partial, PurposeNames, Reading, read};
use icaze_gateway::pipeline::Pipeline;
use icaze_store::Msisdn;
use icaze_store::ledger::{Faults, FaultyStorage, MasterKey, OpenError, Options, ReadError};
use jiff::SignedDuration;

use self::traffic::{Connection, Share};
use crate::disk::{Disk, spoil_newest_batch};
use crate::model::Model;
use crate::node::{Node, Site};
use crate::operator::Pdu;
use crate::plan::{Event, Plan, Variant};
use crate::random::Random;
use crate::story::Story;
use crate::trace::{Report, Trace, Violation};
use crate::world::{OPERATORS, Person, config, people, world};

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
            Ok((story, completed)) => Ok(Report {
                completed,
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
            Event::ToGateway => self.some_connection(|this, at| this.feed(at, Share::Some)),
            Event::ToOperator => self.some_connection(|this, at| this.fetch(at, Share::Some)),
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
            Event::Revoke => self.revoke(),
            Event::Checkpoint => {
                if self.random.chance(10) {
                    self.armed = true;
                    let step = self.storage.steps() + 1 + self.random.below(8) as u64;
                    self.storage.set_faults(Faults { crash_at: Some(step), ..Faults::default() });
                }
                let written = self.node.as_mut().is_some_and(|node| node.checkpoint(&self.site));
                self.trace.note(|| format!("checkpoint: {written}"));
                let power = self.random.chance(50);
                if self.storage.has_crashed() { self.die(power) } else { Ok(()) }
            }
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
            if connection.link.as_mut().is_some_and(|link| link.unwritten() == 0) {
                connection.drained_at = now.monotonic;
            }
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
            self.feed(at, Share::All)?;
        }
        self.commit()?;
        for at in 0..self.connections.len() {
            self.fetch(at, Share::All)?;
            self.drive(at);
            self.feed(at, Share::All)?;
        }
        self.commit()?;
        self.answer()?;
        self.bury()
    }

    /// An authority ends a permit of somebody's.
    fn revoke(&mut self) -> Step {
        let person = self.random.pick(&self.people).number;
        let Some(node) = &mut self.node else { return Ok(()) };
        let codes = node.pipeline.permits_of(person).filter_map(|permit| Code::from_u64(permit.code));
        if let Some(code) = codes.last() {
            let revoked = node.pipeline.revoke(code, self.now);
            self.trace.note(|| format!("revoked by {revoked:?}"));
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
                self.model.run += 1;
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
        self.model.crashes();
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
                    self.feed(last, Share::All)?;
                    self.fetch(last, Share::All)?;
                }
            }
            self.pass(every)?;
            self.pump()?;
        }
        Ok(())
    }

    /// The story, and how many requests of it answers completed.
    fn check(&mut self) -> Result<(Story, usize), String> {
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
        let dedupe = SignedDuration::try_from(self.site.config.smpp.dedupe).unwrap();
        story.check_once(dedupe)?;
        let completed = story.check_asked()?;
        story.check_rules(&self.site.world, &self.people)?;
        self.model.check_end(&story)?;
        Ok((story, completed))
    }

    fn phones(&self) -> impl Iterator<Item = Msisdn> + use<> {
        let phones = self.plan.phones;
        let digits = (0..OPERATORS.len())
            .flat_map(move |operator| (0..phones).map(move |phone| format!("99450{operator}{phone:06}")));
        digits.map(|digits| Msisdn::parse(digits, 994, 9).unwrap())
    }

    /// A pipeline that reads the ledger knows what the running one knows.
    fn check_replay(&mut self) -> Step {
        let Some(node) = &self.node else { return Ok(()) };
        let disk = Disk::new(self.storage.kill(), false);
        let replayed = self.site.replay(disk, self.now, Variant::Sound, false);
        let (fresh, ..) = replayed.map_err(|error| format!("the ledger does not open: {error}"))?;
        let running = &node.pipeline;
        let at = running.time();
        let today = jiff::tz::TimeZone::get("Asia/Baku").unwrap().to_datetime(at).date();
        for person in &self.people {
            let usage = |pipeline: &Pipeline| pipeline.usage().get(person.number, today.into());
            if usage(running) != usage(&fresh) {
                return Err("a start would know other allowances".to_owned());
            }
            for purpose in 0..10 {
                let standing = |pipeline: &Pipeline| {
                    let permit = pipeline.standing((person.number, purpose), at);
                    permit.map(|permit| (permit.seq, permit.code, permit.interval))
                };
                if standing(running) != standing(&fresh) {
                    return Err("a start would know other permits".to_owned());
                }
            }
        }
        let reading =
            Reading { request: Err(Help::NoDocument), partial: Partial::Purpose(2, None), ..nothing() };
        for phone in self.phones() {
            let meant = |pipeline: &Pipeline| {
                let meaning = pipeline.questions().meaning(phone, &reading, at);
                (meaning.request, meaning.identity(1))
            };
            if meant(running) != meant(&fresh) {
                return Err("a start would know other questions".to_owned());
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

/// What nothing says.
fn nothing() -> Reading {
    read("", &PurposeNames::default())
}

/// Virtual time needs some origin; only differences matter.
fn origin() -> Instant {
    Instant::now()
}
