//! How many serials one phone may guess.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;
use icaze_store::ledger::Decision;
use icaze_store::{Document, Msisdn, Reason};
use jiff::{SignedDuration, Timestamp};

use super::Pipeline;
use super::limits::Allowed;
use crate::world::World;

/// Documents of a phone that are remembered, at most: a family has fewer.
const OWN_MAX: usize = 8;
/// Other documents for which a phone that guessed too often is still answered.
const OTHERS_MAX: usize = 2;

/// The bounds for guesses.
#[derive(Debug, Clone, Copy)]
pub struct GuessLimits {
    /// Well-formed serials of one phone that the register lacks, in one window, before it counts as
    /// guessing.
    pub unknown_max: u32,
    /// The length of a window.
    pub window: SignedDuration,
    /// Phones that are remembered, at most; the oldest window is forgotten early when more guess.
    pub phones_max: usize,
}

/// A phone that texted a serial which the register lacks.
#[derive(Debug)]
struct Guesser {
    /// When its window began: with the first such serial.
    since: Timestamp,
    unknown: u32,
    told: bool,
    /// Keyed hashes of documents that it asked with in this window, before it counted as guessing.
    own: Vec<u64>,
    /// The same of those afterwards.
    others: Vec<u64>,
}

/// The phones that guess. Nothing is remembered of any other.
#[derive(Debug)]
pub(super) struct Guesses {
    limits: GuessLimits,
    hasher: RandomState,
    phones: HashMap<Msisdn, Guesser, RandomState>,
    /// The same phones with the entries that their windows begin with, the oldest first.
    order: VecDeque<(u64, Msisdn)>,
}

impl Guesses {
    /// Nobody has guessed yet.
    pub(super) fn new(limits: GuessLimits) -> Self {
        Self { limits, hasher: RandomState::default(), phones: HashMap::default(), order: VecDeque::new() }
    }

    /// The entry that the oldest window begins with.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.order.front().map(|&(seq, _)| seq)
    }

    /// Forgets the windows that have closed.
    pub(super) fn forget(&mut self, now: Timestamp) {
        while let Some((_, phone)) = self.order.front()
            && self.phones.get(phone).is_none_or(|guesser| now >= guesser.since + self.limits.window)
        {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, phone)) = self.order.pop_front() {
            self.phones.remove(&phone);
        }
    }

    fn open(&self, phone: Msisdn, now: Timestamp) -> Option<&Guesser> {
        self.phones.get(&phone).filter(|guesser| now < guesser.since + self.limits.window)
    }

    /// Entry `seq` says that the register lacks what `phone` asked with.
    fn unknown(&mut self, phone: Msisdn, seq: u64, at: Timestamp) {
        self.forget(at);
        if let Some(guesser) = self.phones.get_mut(&phone) {
            guesser.unknown += 1;
            return;
        }
        if self.phones.len() >= self.limits.phones_max {
            self.forget_oldest();
        }
        let guesser = Guesser { since: at, unknown: 1, told: false, own: Vec::new(), others: Vec::new() };
        self.phones.insert(phone, guesser);
        self.order.push_back((seq, phone));
    }

    /// `phone` was answered for a document; `known` if the register has it, `own` if the phone had it
    /// before.
    fn answered(&mut self, phone: Msisdn, document: Document, known: bool, own: bool) {
        let hash = self.hasher.hash_one(document);
        let Some(guesser) = self.phones.get_mut(&phone) else { return };
        let (list, max) = if guesser.unknown >= self.limits.unknown_max {
            (Some(&mut guesser.others).filter(|_| !own), OTHERS_MAX)
        } else {
            (Some(&mut guesser.own).filter(|_| known), OWN_MAX)
        };
        if let Some(list) = list.filter(|list| list.len() < max && !list.contains(&hash)) {
            list.push(hash);
        }
    }

    fn told(&mut self, phone: Msisdn) {
        if let Some(guesser) = self.phones.get_mut(&phone) {
            guesser.told = true;
        }
    }
}

impl Pipeline {
    /// Whether a phone is answered for a document; `found` in the register, if it was looked up.
    pub(super) fn guess(
        &self,
        phone: Msisdn,
        document: Document,
        found: Option<Option<icaze_store::register::Entry>>,
        world: &World,
    ) -> Allowed {
        let limits = self.settings.guesses;
        let guesser = self.guesses.open(phone, self.time);
        let Some(guesser) = guesser.filter(|guesser| guesser.unknown >= limits.unknown_max) else {
            return Allowed::Yes;
        };
        let found = found.unwrap_or_else(|| world.register.find(document));
        let own = found.is_some_and(|entry| self.is_own(phone, document, entry.person, u64::MAX));
        let hash = self.guesses.hasher.hash_one(document);
        let one_of_few = guesser.others.len() < OTHERS_MAX || guesser.others.contains(&hash);
        let untold_guess = found.is_none() && !guesser.told;
        match guesser.told {
            _ if own || (one_of_few && !untold_guess) => Allowed::Yes,
            false => Allowed::Notice(guesser.since + limits.window),
            true => Allowed::Silent,
        }
    }

    /// Counts the decision of entry `seq`, if its phone guesses.
    pub(super) fn apply_guess(&mut self, phone: Msisdn, seq: u64, at: Timestamp, decision: &Decision<'_>) {
        if decision.reason == Some(Reason::Guesses) {
            return self.guesses.told(phone);
        }
        let Some(document) = decision.document else { return };
        if self.guesses.open(phone, at).is_some() {
            let own = decision.person.is_some_and(|person| self.is_own(phone, document, person, seq));
            self.guesses.answered(phone, document, decision.person.is_some(), own);
        }
        if decision.reason == Some(Reason::UnknownDocument) {
            self.guesses.unknown(phone, seq, at);
        }
    }

    /// Whether `phone` asked with a document before it guessed too often, or had a permit of the same
    /// person that stood when it began. Only entries before `seq` count, so that a start comes to the same.
    fn is_own(&self, phone: Msisdn, document: Document, person: u32, seq: u64) -> bool {
        let Some(guesser) = self.guesses.phones.get(&phone) else { return false };
        let mut permits = self.permits_of(person).filter(|it| it.phone == phone && it.seq < seq);
        guesser.own.contains(&self.guesses.hasher.hash_one(document))
            || permits.any(|it| it.ended.map_or(it.interval.end, |(ended, _)| ended) > guesser.since)
    }
}
