//! What the dashboard shows, read from the gateway at one moment.

use std::collections::BTreeMap;

use icaze_config::regime::Regime;
use jiff::{SignedDuration, Timestamp};

use crate::clock::Now;
use crate::gateway::Gateway;
use crate::smpp::binds::kind_name;
use crate::timeline::Timeline;
use crate::world::World;

/// What is shown, read at one moment.
pub(super) struct Facts<'a> {
    pub(super) now: Timestamp,
    /// Why the gateway takes no messages.
    pub(super) not_ready: Option<&'static str>,
    pub(super) timeline: &'a Timeline,
    pub(super) operators: Vec<OperatorFacts>,
    /// How long the oldest reply has waited.
    pub(super) oldest: SignedDuration,
    /// Permits that have not ended.
    pub(super) permits: usize,
    pub(super) register: RegisterFacts,
    pub(super) regime: Option<&'a Regime>,
}

/// An operator at that moment.
pub(super) struct OperatorFacts {
    pub(super) name: String,
    /// Its open binds: what kind, and how many.
    pub(super) sessions: Vec<(&'static str, usize)>,
    /// Messages/s from it.
    pub(super) received: f64,
    /// Messages/s to it.
    pub(super) sent: f64,
    /// Replies that no bind has taken yet.
    pub(super) waiting: usize,
}

/// The register at that moment.
pub(super) struct RegisterFacts {
    pub(super) documents: u64,
    pub(super) generation: u64,
    /// Since its extract was made.
    pub(super) age: SignedDuration,
}

impl<'a> Facts<'a> {
    /// Those of `gateway`, whose timeline and world the caller holds.
    pub(super) fn read(gateway: &Gateway, timeline: &'a Timeline, world: &'a World, now: Now) -> Self {
        let pipeline = gateway.pipeline();
        let names = (0_u16..).zip(pipeline.operators());
        let waiting: Vec<(u16, String, usize)> = names
            .map(|(id, operator)| (id, operator.name.to_string(), pipeline.outbox().waiting(id)))
            .collect();
        let oldest = pipeline.outbox().oldest(now.wall);
        let permits = pipeline.permits().standing_count();
        drop(pipeline);
        let operators = waiting.into_iter().map(|(id, name, waiting)| OperatorFacts {
            waiting,
            ..OperatorFacts::read(gateway, id, name, now)
        });
        Self {
            now: now.wall,
            not_ready: gateway.not_ready(),
            timeline,
            operators: operators.collect(),
            oldest,
            permits,
            register: RegisterFacts {
                documents: world.register.documents(),
                generation: world.register.generation().into(),
                age: now.wall.duration_since(world.register.made_at()),
            },
            regime: world.regimes.at(now.wall),
        }
    }
}

impl OperatorFacts {
    fn read(gateway: &Gateway, id: u16, name: String, now: Now) -> Self {
        let (mut sessions, mut received, mut sent) = (BTreeMap::new(), 0.0, 0.0);
        for bind in gateway.binds.list().iter().filter(|bind| bind.operator == id) {
            *sessions.entry(kind_name(bind.kind)).or_default() += 1;
            let figures = bind.figures();
            received += figures.received.per_second(now.monotonic);
            sent += figures.sent.per_second(now.monotonic);
        }
        Self { name, sessions: sessions.into_iter().collect(), received, sent, waiting: 0 }
    }
}
