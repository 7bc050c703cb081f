//! Notices who looks people up in bulk.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::access::Caller;

/// More look-ups of one caller within a minute are in bulk: nobody checks so many people at a roadside.
const PER_MINUTE: u32 = 30;
/// Callers that are counted at once, at most.
const CALLERS_MAX: usize = 10_000;

/// Look-ups by caller in the running minute.
#[derive(Default)]
pub struct Bulk(Mutex<HashMap<Arc<str>, (Instant, u32)>>);

impl Bulk {
    /// Counts a look-up of `caller`; whether it is one of too many.
    pub fn count(&self, caller: &Caller, now: Instant) -> bool {
        let mut callers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if callers.len() >= CALLERS_MAX {
            callers.clear();
        }
        let (began, count) = callers.entry(Arc::clone(&caller.name)).or_insert((now, 0));
        if now.duration_since(*began) >= Duration::from_mins(1) {
            (*began, *count) = (now, 0);
        }
        *count += 1;
        *count > PER_MINUTE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Now;
    use crate::http::access::Scopes;

    #[test]
    fn more_than_thirty_a_minute_are_in_bulk() {
        let (bulk, now) = (Bulk::default(), Now::read().monotonic);
        let caller = |name| Caller::new(name, "police", Scopes::default());
        let (one, other) = (caller("one"), caller("other"));
        assert_eq!((0..40).filter(|_| bulk.count(&one, now)).count(), 10);
        assert!(!bulk.count(&other, now), "another caller is counted apart");
        assert!(!bulk.count(&one, now + Duration::from_mins(1)));
    }
}
