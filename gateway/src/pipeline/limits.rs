//! How many texts one phone may send.

use std::io;

use icaze_store::Msisdn;
use jiff::{SignedDuration, Timestamp};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::generation::{Generation, Record};

/// The bounds for one phone.
#[derive(Debug, Clone, Copy)]
pub struct PhoneLimits {
    /// Texts of one phone that are answered in one window.
    pub texts_max: u32,
    /// The length of a window.
    pub window: SignedDuration,
    /// From a notice to the next one, at least.
    pub notice: SignedDuration,
    /// Phones that are remembered, at most; the oldest window is forgotten early when more text.
    pub phones_max: usize,
}

/// What a text is worth, by its phone's counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// Within its limit.
    Yes,
    /// The first one beyond it: it is told when to text again.
    Notice(Timestamp),
    /// Told already: no answer.
    Silent,
}

/// One phone's counts. Instants are whole seconds since 1970.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Counter {
    phone: u64,
    /// When the window closes and the counts are void.
    until: u32,
    /// No other notice before this instant.
    quiet_until: u32,
    texts: u32,
    stamp: u32,
}

impl Record for Counter {
    type Key = u64;

    fn key(&self) -> u64 {
        self.phone
    }

    fn stamp(&self) -> u32 {
        self.stamp
    }

    fn set_stamp(&mut self, stamp: u32) {
        self.stamp = stamp;
    }
}

/// Counts by phone, in two generations so that forgetting costs nothing per phone.
///
/// A window begins with a phone's first text. A phone is remembered for at least its window and its notice, unless more
/// than `phones_max` of them text within that time.
#[derive(Debug)]
pub struct Limits {
    limits: PhoneLimits,
    young: Generation<Counter>,
    old: Generation<Counter>,
    /// When the young ones become the old ones.
    turn: Timestamp,
    /// The entries that the young ones and the old ones begin with.
    young_from: u64,
    old_from: u64,
}

impl Limits {
    /// Nobody has texted yet. 48 bytes for each of `phones_max` phones are set aside, and taken as they come.
    ///
    /// # Errors
    /// If the system has no address space for them.
    pub fn new(limits: PhoneLimits) -> io::Result<Self> {
        let generation = || Generation::new(limits.phones_max / 2);
        Ok(Self {
            limits,
            young: generation()?,
            old: generation()?,
            turn: Timestamp::MIN,
            young_from: 0,
            old_from: 0,
        })
    }

    /// Counts one text of `phone`, which entry `seq` holds or one before it, and says whether it is answered.
    pub fn count(&mut self, phone: Msisdn, seq: u64, now: Timestamp) -> Allowed {
        let limits = self.limits;
        self.turn_over(seq, now);
        let Some(counter) = self.counter(phone, now) else { return Allowed::Yes };
        counter.texts = counter.texts.saturating_add(1);
        let allowed = limits.allowed(counter, counter.texts, now);
        if let Allowed::Notice(_) = allowed {
            counter.quiet_until = second(now + limits.notice);
        }
        allowed
    }

    /// What [`count`](Self::count) would say of a text of `phone`, without counting it.
    #[must_use]
    pub fn peek(&self, phone: Msisdn, now: Timestamp) -> Allowed {
        let phone = phone.as_u64();
        let counter = self.young.get(phone).or_else(|| self.old.get(phone));
        match counter.filter(|counter| second(now) < counter.until) {
            Some(counter) => self.limits.allowed(counter, counter.texts.saturating_add(1), now),
            None => Allowed::Yes,
        }
    }

    /// Every text of this entry and those after it is counted.
    #[must_use]
    pub fn from(&self) -> u64 {
        self.old_from
    }

    /// Takes all the memory that was set aside.
    pub fn populate(&self) {
        self.young.populate();
        self.old.populate();
    }

    /// Fetches what [`peek`](Self::peek) will read. What is returned is of no use but to be used.
    #[must_use]
    pub fn touch(&self, phone: Msisdn) -> u32 {
        self.young.touch(phone.as_u64()) ^ self.old.touch(phone.as_u64())
    }

    fn counter(&mut self, phone: Msisdn, now: Timestamp) -> Option<&mut Counter> {
        let phone = phone.as_u64();
        let fresh =
            Counter { phone, until: second(now + self.limits.window), quiet_until: 0, texts: 0, stamp: 0 };
        let old = &self.old;
        let counter = self.young.get_or_insert(phone, || old.get(phone).copied().unwrap_or(fresh))?;
        if counter.until <= second(now) {
            *counter = Counter { quiet_until: counter.quiet_until, stamp: counter.stamp, ..fresh };
        }
        Some(counter)
    }

    fn turn_over(&mut self, seq: u64, now: Timestamp) {
        if now < self.turn && !self.young.is_full() {
            return;
        }
        self.turn = now + self.limits.window.max(self.limits.notice);
        std::mem::swap(&mut self.young, &mut self.old);
        self.young.clear();
        self.old_from = std::mem::replace(&mut self.young_from, seq);
    }
}

impl PhoneLimits {
    fn allowed(&self, counter: &Counter, texts: u32, now: Timestamp) -> Allowed {
        if texts <= self.texts_max {
            Allowed::Yes
        } else if second(now) < counter.quiet_until {
            Allowed::Silent
        } else {
            Allowed::Notice(Timestamp::from_second(counter.until.into()).unwrap_or_default())
        }
    }
}

fn second(at: Timestamp) -> u32 {
    u32::try_from(at.as_second().max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PhoneLimits = PhoneLimits {
        texts_max: 3,
        window: SignedDuration::from_mins(10),
        notice: SignedDuration::from_mins(10),
        phones_max: 100,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_607_940_000 + seconds).unwrap()
    }

    fn phone(last: u32) -> Msisdn {
        Msisdn::parse(format!("99450{:07}", last), 994, 9).unwrap()
    }

    #[test]
    fn one_notice_then_silence_then_a_new_window() {
        let mut limits = Limits::new(LIMITS).unwrap();
        for second in 0..3 {
            assert_eq!(limits.count(phone(1), 1, at(second)), Allowed::Yes);
        }
        assert_eq!(limits.peek(phone(1), at(3)), Allowed::Notice(at(600)));
        assert_eq!(limits.count(phone(1), 1, at(3)), Allowed::Notice(at(600)));
        assert_eq!(limits.count(phone(1), 1, at(4)), Allowed::Silent);
        assert_eq!(
            limits.count(phone(2), 1, at(4)),
            Allowed::Yes,
            "another phone is not its neighbour's keeper"
        );
        assert_eq!(limits.count(phone(1), 1, at(599)), Allowed::Silent);
        assert_eq!(limits.count(phone(1), 1, at(600)), Allowed::Yes);
    }

    #[test]
    fn notices_keep_their_distance_whatever_the_window() {
        for (notice, expected) in [(SignedDuration::from_mins(2), 5), (SignedDuration::from_mins(25), 1)] {
            let mut limits = Limits::new(PhoneLimits { notice, ..LIMITS }).unwrap();
            let verdicts = (0..600).map(|second| limits.count(phone(1), 1, at(second)));
            let notices = verdicts.filter(|allowed| matches!(allowed, Allowed::Notice(_))).count();
            assert_eq!(notices, expected, "{notice:?}");
        }
    }

    #[test]
    fn memory_is_bounded_and_a_window_survives_a_turn() {
        let mut limits = Limits::new(LIMITS).unwrap();
        for _ in 0..4 {
            limits.count(phone(0), 1, at(0));
        }
        for other in 1..=49 {
            limits.count(phone(other), 1, at(1));
        }
        assert_eq!(limits.count(phone(0), 1, at(2)), Allowed::Silent, "carried over from the old generation");
        for other in 1000..9000 {
            limits.count(phone(other), 1, at(3));
            assert!(limits.young.len() + limits.old.len() <= LIMITS.phones_max);
        }
    }
}
