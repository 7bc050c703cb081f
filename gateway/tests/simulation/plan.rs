//! What a seed does: how often each thing happens, and what is broken on purpose.

use crate::random::Random;

/// What is broken on purpose, to see that the model notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// Nothing.
    Sound,
    /// Responses leave without waiting for the ledger: the driver shows another ledger's token.
    AckBeforeSync,
    /// The storage answers a failed sync by syncing once more.
    SyncRetried,
    /// No request is remembered: a redelivery is decided anew.
    Forgetful,
    /// The register holds each document as a person of its own.
    DocumentIsPerson,
    /// A start gives back every permit whose reply has no mark yet.
    RestartGivesBack,
    /// A start gives an allowance that came back once more: whatever else was granted on its day is free again.
    RestoredTwice,
    /// A start does not read which replies were sent.
    MarksForgotten,
    /// A start does not read that permits were revoked.
    RevocationsForgotten,
    /// A start forgets what was asked.
    QuestionsForgotten,
    /// A start does not read that receivers were bound.
    ReceiversForgotten,
    /// A checkpoint is written before the ledger has what it holds.
    CheckpointAhead,
    /// Damage to the newest synced batch is cut off like a torn write.
    DamageCut,
}

/// What can happen in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Text,
    Redeliver,
    ToGateway,
    ToOperator,
    Answer,
    Commit,
    Tick,
    Connect,
    Unbind,
    Drop,
    Hang,
    Away,
    Kill,
    PowerCut,
    CrashInStep,
    SyncError,
    DiskFull,
    DiskRoom,
    ClockJump,
    Restart,
    Lull,
    Checkpoint,
    Revoke,
}

/// One run's tempers: no two seeds are alike, and some are calm in some respects.
pub(crate) struct Plan {
    weights: Vec<(Event, usize)>,
    total: usize,
    pub(crate) steps: usize,
    pub(crate) lifetime_s: u64,
    pub(crate) dedupe_s: u64,
    pub(crate) ask_s: u64,
    pub(crate) phones: usize,
    pub(crate) segment_bytes: u64,
    /// Of a hundred replies, how many are answered late, never, with a throttle, with a refusal.
    pub(crate) late: usize,
    pub(crate) missing: usize,
    pub(crate) throttled: usize,
    pub(crate) refused: usize,
    /// Where in time it begins.
    pub(crate) begins: &'static str,
}

/// Around midnights and changes of regime, in the zone of the regimes.
const BEGINNINGS: [&str; 5] = [
    "2020-12-11T11:58:00Z",
    "2020-12-13T19:50:00Z",
    "2020-12-14T19:45:00Z",
    "2020-12-15T19:40:00Z",
    "2020-12-16T07:55:00Z",
];

impl Plan {
    pub(crate) fn new(random: &mut Random) -> Self {
        let mut weights = vec![
            (Event::Text, 200),
            (Event::Redeliver, 40),
            (Event::ToGateway, 220),
            (Event::ToOperator, 220),
            (Event::Answer, 60),
            (Event::Commit, 120),
            (Event::Tick, 60),
            (Event::Connect, 80),
        ];
        let rare = [
            (Event::Unbind, 8),
            (Event::Drop, 10),
            (Event::Hang, 6),
            (Event::Away, 6),
            (Event::Kill, 6),
            (Event::PowerCut, 6),
            (Event::CrashInStep, 6),
            (Event::SyncError, 4),
            (Event::DiskFull, 5),
            (Event::DiskRoom, 12),
            (Event::ClockJump, 3),
            (Event::Restart, 4),
            (Event::Lull, 8),
            (Event::Checkpoint, 20),
            (Event::Revoke, 10),
        ];
        // A run without a fault finds what a run with all of them hides.
        weights.extend(rare.into_iter().filter(|_| random.chance(70)));
        let temper = |random: &mut Random| if random.chance(50) { random.below(30) } else { 0 };
        Self {
            total: weights.iter().map(|(_, weight)| weight).sum(),
            weights,
            steps: 150 + random.below(450),
            lifetime_s: *random.pick(&[20, 120, 600]),
            dedupe_s: *random.pick(&[5, 600, 900]),
            ask_s: *random.pick(&[60, 600, 1500]),
            phones: 1 + random.below(12),
            segment_bytes: *random.pick(&[16 << 10, 16 << 10, 64 << 10]),
            late: temper(random),
            missing: temper(random),
            throttled: temper(random),
            refused: temper(random),
            begins: BEGINNINGS[random.below(BEGINNINGS.len())],
        }
    }

    pub(crate) fn event(&self, random: &mut Random) -> Event {
        let mut at = random.below(self.total);
        for &(event, weight) in &self.weights {
            if at < weight {
                return event;
            }
            at -= weight;
        }
        Event::Tick
    }
}
