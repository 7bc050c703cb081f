//! The process: pipeline, ledger and links, driven as the listener, the committer and the node drive them.

use std::collections::BTreeMap;
use std::rc::Rc;

use icaze_config::gateway::Config;
use icaze_gateway::clock::Now;
use icaze_gateway::permit::code::CodeKey;
use icaze_gateway::pipeline::checkpoint::Snapshot;
use icaze_gateway::pipeline::codes::Codes;
use icaze_gateway::pipeline::{Operator, Pipeline, Settings};
use icaze_gateway::smpp::link::{Link, Wake};
use icaze_gateway::smpp::port::Port;
use icaze_gateway::world::World;
use icaze_store::ledger::{
    Address, Batch, Channel, CommitError, Decision, Durable, Entry, FaultyStorage, Language, Ledger, Mark,
    MasterKey, OpenError, Options, Permit, Record, Reply,
};
use icaze_store::{Document, Outcome};
use jiff::SignedDuration;

use crate::disk::Disk;
use crate::plan::Variant;

/// What is the same in every life of the process.
pub(crate) struct Site {
    pub(crate) config: Config,
    pub(crate) world: Rc<World>,
    pub(crate) key: MasterKey,
    pub(crate) options: Options,
    pub(crate) variant: Variant,
}

/// One life of the process.
pub(crate) struct Node {
    pub(crate) port: Port,
    pub(crate) pipeline: Pipeline,
    pub(crate) disk: Disk,
    world: Rc<World>,
    ledger: Ledger<Disk>,
    /// What is on its way to the disk.
    batch: Batch,
    durable: Durable,
    /// The token that the mutant shows.
    decoy: Option<Decoy>,
    /// What was on disk when a sync failed.
    pub(crate) failed_at: Option<u64>,
}

struct Decoy {
    ledger: Ledger<FaultyStorage>,
    batch: Batch,
}

/// A grant that outlives its record, for the mutant that gives its allowance back once more.
struct Grant {
    operator: String,
    from: Vec<u8>,
    holder: (u32, u8),
    document: Document,
    permit: Permit<'static>,
}

impl Grant {
    fn of(decision: &Decision<'_>) -> Option<Self> {
        let permit = decision.permit.as_ref()?;
        Some(Self {
            operator: decision.operator.to_owned(),
            from: decision.from.digits.to_owned(),
            holder: (decision.person?, decision.purpose?),
            document: decision.document?,
            permit: Permit {
                code: permit.code,
                day: permit.day,
                intervals: permit.intervals.to_vec().into(),
            },
        })
    }

    /// Counts a grant of the next day in the place of `record`, a mark, which forgets this day's counts, and takes it back.
    fn restore(&self, record: &Record<'_>, pipeline: &mut Pipeline) {
        let address = |digits| Address { ton: 1, npi: 1, digits };
        let decision = Decision {
            channel: Channel::Sms,
            operator: &self.operator,
            from: address(&self.from),
            to: address(b"8103"),
            parts: (&[]).into(),
            identity: 0,
            document: Some(self.document),
            person: Some(self.holder.0),
            purpose: Some(self.holder.1),
            regime: None,
            register: 0,
            facts: None,
            outcome: Outcome::Granted,
            reason: None,
            permit: Some(Permit { day: self.permit.day.tomorrow().unwrap(), ..self.permit.clone() }),
            reply: Some(Reply { text: "", language: Language::Az, expires_at: record.decided_at }),
            refers_to: None,
            again: None,
            text: "",
        };
        pipeline.replay(&Record { entry: Entry::Decision(decision), ..record.clone() });
        let entry = Entry::Mark(Mark::Undelivered, vec![record.seq].into());
        pipeline.replay(&Record { entry, ..record.clone() });
    }
}

impl Site {
    /// A pipeline that has read the ledger, if nothing is broken on purpose.
    pub(crate) fn replay(
        &self,
        disk: Disk,
        now: Now,
        variant: Variant,
        resumes: bool,
    ) -> Result<(Pipeline, Ledger<Disk>, Batch), OpenError> {
        let codes = Codes::new(CodeKey::new([7; 16]), self.config.node);
        let mut settings = Settings::of(&self.config, &self.world.names);
        (settings.requests_max, settings.phone.phones_max, settings.questions_max) = (10_000, 10_000, 1000);
        if variant == Variant::Forgetful {
            settings.dedupe = SignedDuration::ZERO;
        }
        let mut pipeline = Pipeline::new(settings, Operator::of(&self.config), codes, now).unwrap();
        let mut waiting = Vec::new();
        let mut grants = BTreeMap::new();
        let mut options = self.options;
        // What a start goes by is held against a start that reads everything.
        if resumes && let Ok(Some(snapshot)) = Snapshot::read(&disk, &self.key, self.config.node) {
            options.visit_from = snapshot.visit_from();
            pipeline.resume(snapshot);
        }
        let opened = Ledger::open(disk, &self.key, self.config.node, options, |record| {
            match &record.entry {
                Entry::Receiver(operator, _) if variant == Variant::ReceiversForgotten => {
                    return pipeline
                        .replay(&Record { entry: Entry::Receiver(operator, false), ..record.clone() });
                }
                Entry::Revocation(_) if variant == Variant::RevocationsForgotten => {
                    let entry = Entry::Mark(Mark::Sent, [].as_slice().into());
                    return pipeline.replay(&Record { entry, ..record.clone() });
                }
                Entry::Decision(decision)
                    if variant == Variant::QuestionsForgotten && decision.outcome == Outcome::Help =>
                {
                    let entry = Entry::Decision(Decision { text: "", ..decision.clone() });
                    return pipeline.replay(&Record { entry, ..record.clone() });
                }
                Entry::Mark(Mark::Sent, _) if variant == Variant::MarksForgotten => {
                    let entry = Entry::Mark(Mark::Sent, [].as_slice().into());
                    return pipeline.replay(&Record { entry, ..record.clone() });
                }
                Entry::Decision(decision) if decision.outcome == Outcome::Granted => {
                    waiting.push(record.seq);
                    grants.insert(record.seq, Grant::of(decision));
                }
                Entry::Mark(_, seqs) => waiting.retain(|seq| !seqs.contains(seq)),
                _ => {}
            }
            pipeline.replay(record);
            if let (Variant::RestoredTwice, Entry::Mark(Mark::Undelivered, seqs)) = (variant, &record.entry)
                && let Some(grant) = seqs.iter().find_map(|seq| grants.get(seq)?.as_ref())
            {
                grant.restore(record, &mut pipeline);
            }
        });
        let (ledger, batch) = opened?;
        if variant == Variant::RestartGivesBack {
            let entry = Entry::Mark(Mark::Undelivered, waiting.into());
            let (received_at, decided_at) = (now.wall, now.wall);
            pipeline.replay(&Record { seq: 0, node: 0, received_at, decided_at, entry });
        }
        Ok((pipeline, ledger, batch))
    }

    pub(crate) fn start(&self, disk: Disk, now: Now) -> Result<Node, OpenError> {
        let (mut pipeline, ledger, batch) = self.replay(disk.clone(), now, self.variant, true)?;
        pipeline.start(batch, now);
        let decoy = (self.variant == Variant::AckBeforeSync).then(|| {
            let opened = Ledger::open(FaultyStorage::new(0), &self.key, 0, self.options, |_| {});
            let (ledger, batch) = opened.unwrap();
            Decoy { ledger, batch }
        });
        Ok(Node {
            port: Port::new(&self.config, self.config.operators.keys().map(String::as_str), [9; 16]),
            batch: pipeline.spare_batch(),
            pipeline,
            disk,
            world: Rc::clone(&self.world),
            durable: ledger.durable(),
            ledger,
            decoy,
            failed_at: None,
        })
    }
}

impl Node {
    /// What the ledger itself says is on disk.
    pub(crate) fn position(&self) -> u64 {
        self.ledger.durable().position()
    }

    /// What the links are told.
    pub(crate) fn durable(&mut self) -> Durable {
        let Some(Decoy { ledger, batch }) = &mut self.decoy else { return self.durable };
        while ledger.durable().position() < self.pipeline.position() {
            for _ in 0..20 {
                let _ = batch.append(jiff::Timestamp::UNIX_EPOCH, jiff::Timestamp::UNIX_EPOCH, &Entry::Start);
            }
            ledger.commit(batch).unwrap();
            ledger.make_room().unwrap();
        }
        ledger.durable()
    }

    pub(crate) fn exchange(&mut self, link: &mut Link, now: Now) -> Wake {
        link.look_up(&self.world);
        let wake = link.exchange(&mut self.pipeline, &self.world, now);
        link.encode(now);
        wake
    }

    /// One turn of the committer.
    pub(crate) fn commit(&mut self) -> Result<(), CommitError> {
        self.pipeline.set_room(self.ledger.has_room());
        if self.batch.is_empty() {
            self.pipeline.take_batch(&mut self.batch);
        }
        if !self.batch.is_empty() {
            let before = self.position();
            let committed = self.ledger.commit(&mut self.batch);
            self.look_for_failure(before);
            match committed {
                Ok(durable) => self.durable = durable,
                Err(CommitError::NoRoom) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        let room = self.ledger.make_room();
        self.look_for_failure(self.position());
        self.pipeline.set_room(room?);
        Ok(())
    }

    /// Writes a checkpoint, if all that it counts is durable; whether it did. One that fails has no say in what the ledger may do.
    pub(crate) fn checkpoint(&mut self, site: &Site) -> bool {
        let snapshot = self.pipeline.snapshot();
        let failed_syncs = self.disk.failed_syncs.get();
        let ahead = site.variant == Variant::CheckpointAhead;
        let durable = ahead || self.ledger.durable().covers(snapshot.position());
        let written = durable && snapshot.write(&self.disk, &site.key, site.config.node).is_ok();
        self.disk.failed_syncs.set(failed_syncs);
        written
    }

    fn look_for_failure(&mut self, position: u64) {
        if self.disk.failed_syncs.get() > 0 {
            self.failed_at.get_or_insert(position);
        }
    }

    /// One turn of the ticker.
    pub(crate) fn tick(&mut self, now: Now) {
        self.pipeline.tick(&self.world, now);
    }

    /// The end of an orderly stop, once the links have gone.
    pub(crate) fn stop(&mut self) -> Result<(), CommitError> {
        self.commit()?;
        self.pipeline.stop();
        self.commit()
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.batch.is_empty() && self.position() == self.pipeline.position()
    }
}
