//! What goes wrong in a run, from a seed.

use std::time::Instant;

use crate::random::Random;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    KillPrimary,
    KillReplica,
    KillGateway,
    PausePrimary,
    PauseGateway,
    ResetConnections,
    FillMemory,
    RestartGateway,
}

impl Kind {
    pub(crate) const ALL: [Self; 8] = [
        Self::KillPrimary,
        Self::KillReplica,
        Self::KillGateway,
        Self::PausePrimary,
        Self::PauseGateway,
        Self::ResetConnections,
        Self::FillMemory,
        Self::RestartGateway,
    ];

    /// As the report has it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::KillPrimary => "a primary is killed (-9)",
            Self::KillReplica => "a replica is killed (-9)",
            Self::KillGateway => "a gateway is killed (-9)",
            Self::PausePrimary => "a primary hangs (SIGSTOP)",
            Self::PauseGateway => "a gateway hangs (SIGSTOP)",
            Self::ResetConnections => "connections break: all to Redis, an operator's to a gateway",
            Self::FillMemory => "every Redis server is at maxmemory",
            Self::RestartGateway => "a gateway is restarted in order (SIGTERM)",
        }
    }

    /// How long it lasts, in ms: most are short, and some gateways hang for longer than a reservation holds.
    pub(crate) const fn lasts_ms(self, random: &mut Random) -> u64 {
        match self {
            Self::PauseGateway if random.percent(40) => 11_000 + random.below(3_000),
            _ => 300 + random.below(3_700),
        }
    }
}

/// Kinds in random order, each as often as the others.
#[derive(Debug)]
pub(crate) struct Deck {
    left: Vec<Kind>,
    /// Whether each has come once.
    pub(crate) is_through: bool,
}

impl Deck {
    pub(crate) fn new() -> Self {
        Self { left: Kind::ALL.to_vec(), is_through: false }
    }

    pub(crate) fn deal(&mut self, random: &mut Random) -> Kind {
        let place = usize::try_from(random.below(self.left.len() as u64)).unwrap_or_default();
        let kind = self.left.swap_remove(place);
        if self.left.is_empty() {
            *self = Self { is_through: true, ..Self::new() };
        }
        kind
    }
}

/// What went wrong at one time, and when all was well again.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    pub(crate) kinds: Vec<Kind>,
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_every_kind_comes_as_often_as_the_others() {
        let draw = |seed| {
            let (mut random, mut deck) = (Random::new(seed), Deck::new());
            let drawn: Vec<Kind> = (0..16).map(|_| deck.deal(&mut random)).collect();
            assert!(deck.is_through);
            drawn
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        for kind in Kind::ALL {
            assert_eq!(draw(1).iter().filter(|&&drawn| drawn == kind).count(), 2, "{kind:?}");
        }
        let mut deck = Deck::new();
        assert!((0..7).all(|_| {
            deck.deal(&mut Random::new(1));
            !deck.is_through
        }));
    }
}
