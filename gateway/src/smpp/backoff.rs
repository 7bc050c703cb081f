//! Addresses that guess passwords are kept waiting.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Refused binds of an address in a row that are put down to a slip.
const FREE: u32 = 5;
/// The first wait; each further refusal doubles it.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait. An address is forgotten when it has been quiet for so long after its wait.
const LONGEST: Duration = Duration::from_secs(60);
/// Addresses that are remembered, at most: beyond, the ones that wait no longer are forgotten, then all.
const ADDRESSES_MAX: usize = 10_000;

/// Refused binds by address. Sessions that are bound are not touched by what their address does.
#[derive(Debug, Default)]
pub struct Backoff {
    addresses: HashMap<IpAddr, Refusals>,
}

#[derive(Debug, Clone, Copy)]
struct Refusals {
    in_a_row: u32,
    until: Instant,
}

impl Backoff {
    /// Whether a connection from `address` is closed at once.
    #[must_use]
    pub fn blocks(&self, address: IpAddr, now: Instant) -> bool {
        self.addresses.get(&address).is_some_and(|refusals| refusals.in_a_row >= FREE && now < refusals.until)
    }

    /// A bind from `address` was refused for its credentials.
    pub fn refused(&mut self, address: IpAddr, now: Instant) {
        if self.addresses.len() >= ADDRESSES_MAX && !self.addresses.contains_key(&address) {
            self.addresses.retain(|_, refusals| now < refusals.until);
            if self.addresses.len() >= ADDRESSES_MAX {
                self.addresses.clear();
            }
        }
        let refusals = self.addresses.entry(address).or_insert(Refusals { in_a_row: 0, until: now });
        if now > refusals.until + LONGEST {
            refusals.in_a_row = 0;
        }
        refusals.in_a_row = refusals.in_a_row.saturating_add(1);
        let doublings = refusals.in_a_row.saturating_sub(FREE).min(6);
        refusals.until = now + (FIRST * 2_u32.pow(doublings)).min(LONGEST);
    }

    /// A bind from `address` was accepted.
    pub fn accepted(&mut self, address: IpAddr) {
        self.addresses.remove(&address);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::clock::Now;

    fn address(last: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(0x0A00_0000 + last))
    }

    #[test]
    fn guessing_is_slowed_and_slips_are_not() {
        let start = Now::read().monotonic;
        let mut backoff = Backoff::default();
        for _ in 0..4 {
            backoff.refused(address(1), start);
            assert!(!backoff.blocks(address(1), start));
        }
        backoff.refused(address(1), start);
        assert!(backoff.blocks(address(1), start));
        assert!(!backoff.blocks(address(2), start), "a neighbour is not blocked");
        let later = start + FIRST;
        assert!(!backoff.blocks(address(1), later));
        backoff.refused(address(1), later);
        assert!(backoff.blocks(address(1), later + FIRST), "longer each time");
        backoff.accepted(address(1));
        assert!(!backoff.blocks(address(1), later));
    }

    #[test]
    fn the_wait_and_the_memory_are_bounded() {
        let start = Now::read().monotonic;
        let mut backoff = Backoff::default();
        for _ in 0..100 {
            backoff.refused(address(0), start);
        }
        assert!(!backoff.blocks(address(0), start + LONGEST));
        for other in 1..30_000 {
            backoff.refused(address(other), start);
            assert!(backoff.addresses.len() <= ADDRESSES_MAX);
        }
    }
}
