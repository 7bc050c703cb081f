//! When a lease may have run out, the own one and those of others.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a lease must have been missing, whenever that was looked at, before its gateway is gone: after the servers were away
/// nobody's is there, and whoever is alive renews his meanwhile.
pub(super) const GONE: Duration = Duration::from_secs(1);

/// The own lease.
#[derive(Debug, Default)]
pub(super) struct Lease {
    until: Option<Instant>,
}

impl Lease {
    /// It is held until this moment at least.
    pub(super) fn hold(&mut self, until: Instant) {
        self.until = Some(until);
    }

    /// Whether others may have claimed replies since it was held.
    pub(super) fn has_run_out(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| until <= now)
    }
}

/// The others' leases.
#[derive(Debug, Default)]
pub(super) struct Looks {
    /// Since when each has been missing.
    missing: BTreeMap<u8, Instant>,
}

impl Looks {
    /// It was looked at after `asked` whether `node` holds its lease.
    pub(super) fn note(&mut self, node: u8, holds: bool, asked: Instant) {
        if holds {
            self.missing.remove(&node);
        } else {
            self.missing.entry(node).or_insert(asked);
        }
    }

    /// Whose have been missing for long.
    pub(super) fn gone(&self, now: Instant) -> Vec<u8> {
        let gone = self.missing.iter().filter(|(_, since)| now.duration_since(**since) >= GONE);
        gone.map(|(node, _)| *node).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_runs_out_at_its_time_and_is_none_before_it_is_held() {
        let (now, mut lease) = (Instant::now(), Lease::default());
        assert!(lease.has_run_out(now));
        lease.hold(now + GONE);
        assert!(!lease.has_run_out(now) && lease.has_run_out(now + GONE));
    }

    #[test]
    fn a_gateway_is_gone_once_its_lease_was_missing_for_a_while_in_a_row() {
        let (now, mut looks) = (Instant::now(), Looks::default());
        looks.note(1, false, now);
        looks.note(2, true, now);
        assert!(looks.gone(now + GONE / 2).is_empty());
        looks.note(1, true, now + GONE / 2);
        looks.note(1, false, now + GONE);
        assert!(looks.gone(now + GONE).is_empty(), "it was there meanwhile");
        looks.note(1, false, now + GONE * 2);
        assert_eq!(looks.gone(now + GONE * 2), [1]);
    }
}
