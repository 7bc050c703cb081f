//! The permits of this node, in the order they were issued.

use std::collections::BTreeMap;

use icaze_store::ledger::{Decision, Interval, Mark, Record};
use icaze_store::{Document, Msisdn, Outcome};
use jiff::{SignedDuration, Timestamp};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::Numbering;
use super::fifo::Fifo;

/// How long an ended permit is still answered from memory; what is older is in the history.
pub const RECENT: SignedDuration = SignedDuration::from_hours(1);

/// A permit that was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permit {
    /// The entry that issued it.
    pub seq: u64,
    /// Its code.
    pub code: u64,
    /// Whose it is.
    pub person: u32,
    /// What for.
    pub purpose: u8,
    /// When it holds, unless it ended earlier.
    pub interval: Interval,
    /// When and why it ended, if not with its interval.
    pub ended: Option<(Timestamp, Ending)>,
    /// The last that is known of its reply.
    pub delivery: Option<Mark>,
    /// The phone that asked for it.
    pub phone: Msisdn,
    /// The document it was asked with.
    pub document: Document,
    /// When it was decided.
    pub decided_at: Timestamp,
}

impl Permit {
    /// The permit that a decision in the ledger issued, as it was then; `None` if it issued none, or personal data is destroyed.
    #[must_use]
    pub fn issued(record: &Record<'_>, decision: &Decision<'_>, numbering: Numbering) -> Option<Self> {
        let permit = decision.permit.as_ref().filter(|_| decision.outcome == Outcome::Granted)?;
        Some(Self {
            seq: record.seq,
            code: permit.code,
            person: decision.person?,
            purpose: decision.purpose?,
            interval: *permit.intervals.first()?,
            ended: None,
            delivery: None,
            phone: Msisdn::parse(decision.from.digits, numbering.country, numbering.national)?,
            document: decision.document?,
            decided_at: record.decided_at,
        })
    }
}

/// Why a permit ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its reply was refused for good, or expired unseen.
    Undelivered,
    /// An authority ended it.
    Revoked,
}

/// Whose permit for what.
pub type Holder = (u32, u8);

/// A permit's number in [`Permits`].
pub type Number = u64;

/// Every permit that stands or ended lately: 64 bytes each.
///
/// A person's permits are linked from the newest back; the newest one's number is kept with the person's allowances. Codes are
/// counters, so the code tells the place.
#[derive(Debug, Default)]
pub struct Permits {
    issued: Fifo<Slot>,
    /// By the second that they end at: how many stand until then.
    ends: BTreeMap<u32, usize>,
    standing: usize,
    /// The longest time from a decision to the end of its permit.
    longest: SignedDuration,
}

/// One of the blocks that [`Permits::restore`] takes.
#[derive(Debug)]
pub struct Block(Vec<Slot>);

impl Block {
    /// Takes a block's bytes; `None` if they are none's.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (slots, rest) = bytes.as_chunks::<64>();
        let slots = slots.iter().map(|slot| Slot::read_from_bytes(slot).ok()).collect::<Option<_>>()?;
        rest.is_empty().then_some(Self(slots))
    }
}

/// A [`Permit`], packed.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Slot {
    seq: u64,
    /// Microseconds.
    decided_at: i64,
    /// The permit that the person was issued before: its number and one; 0 for none.
    before: u64,
    phone: Msisdn,
    document: Document,
    person: u32,
    start: u32,
    end: u32,
    ended_at: u32,
    code: [u8; 5],
    purpose: u8,
    /// 0: none; else its place in [`ENDINGS`] and one.
    ending: u8,
    /// 0: none; else its place in [`Mark::ALL`] and one.
    delivery: u8,
}

const ENDINGS: [Ending; 2] = [Ending::Undelivered, Ending::Revoked];

const _: () = assert!(size_of::<Slot>() == 64, "a permit is a cache line");

impl Permits {
    /// Enters a permit of a person whose newest one was `before`; its number.
    pub fn insert(&mut self, permit: &Permit, before: Option<Number>) -> Number {
        let [_, _, _, code @ ..] = permit.code.to_be_bytes();
        let end = seconds(permit.interval.end);
        *self.ends.entry(end).or_default() += 1;
        self.standing += 1;
        self.longest = self.longest.max(permit.interval.end.duration_since(permit.decided_at));
        self.issued.push(Slot {
            seq: permit.seq,
            decided_at: permit.decided_at.as_microsecond(),
            before: before.map_or(0, |before| before + 1),
            phone: permit.phone,
            document: permit.document,
            person: permit.person,
            start: seconds(permit.interval.start),
            end,
            ended_at: 0,
            code,
            purpose: permit.purpose,
            ending: 0,
            delivery: 0,
        })
    }

    /// The same permits, which stay as they are now; memory is shared until either changes.
    pub fn share(&mut self) -> Self {
        let Self { ends, standing, longest, .. } = self;
        Self { issued: self.issued.share(), ends: ends.clone(), standing: *standing, longest: *longest }
    }

    /// All of them in blocks of bytes, for [`restore`](Self::restore) on the same kind of machine.
    pub fn blocks(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.issued.chunks().map(IntoBytes::as_bytes)
    }

    /// The permits whose [`blocks`](Self::blocks) these are, where the first that is kept has this number. `None` if they are
    /// not.
    #[must_use]
    pub fn restore(first: Number, blocks: Vec<Block>) -> Option<Self> {
        let issued = Fifo::restore(first, blocks.into_iter().map(|block| block.0))?;
        let mut permits = Self { issued, ..Self::default() };
        for slot in permits.issued.iter() {
            let permit = slot.permit();
            permits.longest = permits.longest.max(permit.interval.end.duration_since(permit.decided_at));
            if permit.ended.is_none() {
                *permits.ends.entry(slot.end).or_default() += 1;
                permits.standing += 1;
            }
        }
        Some(permits)
    }

    /// The permits of `person`, whose newest one is `newest`, from that one back.
    pub fn of_person(&self, person: u32, newest: Option<Number>) -> impl Iterator<Item = Permit> {
        let kept = move |number: Option<Number>| {
            let number = number?;
            self.issued.get(number).filter(|slot| slot.person == person).map(|slot| (number, slot))
        };
        let links = std::iter::successors(kept(newest), move |(_, slot)| kept(slot.before.checked_sub(1)));
        links.map(|(_, slot)| slot.permit())
    }

    /// The permit of `holder`, whose newest one is `newest`, that has not ended at `now`.
    #[must_use]
    pub fn standing(
        &self,
        (person, purpose): Holder,
        newest: Option<Number>,
        now: Timestamp,
    ) -> Option<Permit> {
        let longest = self.longest;
        self.of_person(person, newest)
            .take_while(|permit| now < permit.decided_at + longest)
            .find(|permit| permit.purpose == purpose && permit.ended.is_none() && now < permit.interval.end)
    }

    /// The permit of this number, while it is kept.
    #[must_use]
    pub fn get(&self, number: Number) -> Option<Permit> {
        self.issued.get(number).map(Slot::permit)
    }

    /// The number of the permit that entry `seq` issued, while it is kept.
    #[must_use]
    pub fn of_entry(&self, seq: u64) -> Option<Number> {
        let (mut low, mut high) = (self.issued.first(), self.issued.end());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.issued.get(middle)?.seq < seq { low = middle + 1 } else { high = middle }
        }
        self.issued.get(low).filter(|slot| slot.seq == seq).map(|_| low)
    }

    /// The same, for who knows where it should be.
    #[must_use]
    pub fn of_entry_from(&self, seq: u64, number: Number) -> Option<Number> {
        match self.issued.get(number) {
            Some(slot) if slot.seq == seq => Some(number),
            _ => self.of_entry(seq),
        }
    }

    /// The first permit that is kept.
    #[must_use]
    pub fn oldest(&self) -> Option<Permit> {
        self.issued.front().map(Slot::permit)
    }

    /// The permit that was issued last.
    #[must_use]
    pub fn last(&self) -> Option<Permit> {
        self.get(self.end().checked_sub(1)?)
    }

    /// The number of the first permit that is kept; 0 as long as none was forgotten.
    #[must_use]
    pub fn first(&self) -> Number {
        self.issued.first()
    }

    /// The number that the next permit will have.
    #[must_use]
    pub fn end(&self) -> Number {
        self.issued.end()
    }

    /// Ends a permit before its time, unless it has ended.
    pub fn end_early(&mut self, number: Number, at: Timestamp, ending: Ending) {
        let Some(slot) = self.issued.get_mut(number).filter(|slot| slot.ending == 0) else { return };
        (slot.ending, slot.ended_at) = (place(&ENDINGS, ending), seconds(at));
        if let Some(ending_then) = self.ends.get_mut(&slot.end) {
            *ending_then -= 1;
            self.standing -= 1;
        }
    }

    /// Notes what became of a permit's reply.
    pub fn delivery(&mut self, number: Number, mark: Mark) {
        if let Some(slot) = self.issued.get_mut(number) {
            slot.delivery = place(&Mark::ALL, mark);
        }
    }

    /// Forgets what ended a while ago and, `covered`, is in the history.
    pub fn forget(&mut self, now: Timestamp, covered: u64) {
        while let Some(entry) =
            self.ends.first_entry().filter(|entry| i64::from(*entry.key()) <= now.as_second())
        {
            self.standing -= entry.remove();
        }
        let recent = (now - RECENT).as_second();
        while self.issued.front().is_some_and(|slot| slot.seq <= covered && slot.over() < recent) {
            self.issued.pop();
        }
    }

    /// How many stand.
    #[must_use]
    pub fn standing_count(&self) -> usize {
        self.standing
    }

    /// How many are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.issued.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Slot {
    /// The second from which on it has ended.
    fn over(&self) -> i64 {
        i64::from(if self.ending == 0 { self.end } else { self.ended_at })
    }

    fn permit(&self) -> Permit {
        let [a, b, c, d, e] = self.code;
        Permit {
            seq: self.seq,
            code: u64::from_be_bytes([0, 0, 0, a, b, c, d, e]),
            person: self.person,
            purpose: self.purpose,
            interval: Interval { start: instant(self.start), end: instant(self.end) },
            ended: at_place(&ENDINGS, self.ending).map(|ending| (instant(self.ended_at), ending)),
            delivery: at_place(&Mark::ALL, self.delivery),
            phone: self.phone,
            document: self.document,
            decided_at: Timestamp::from_microsecond(self.decided_at).unwrap_or_default(),
        }
    }
}

/// The place of a value and one.
fn place<T: PartialEq>(all: &[T], value: T) -> u8 {
    all.iter().position(|other| *other == value).map_or(0, |place| place as u8 + 1)
}

fn at_place<T: Copy>(all: &[T], place: u8) -> Option<T> {
    all.get(usize::from(place).checked_sub(1)?).copied()
}

/// Whole seconds since 1970, to 2106: what permits' times are made of.
fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.as_second().max(0)).unwrap_or(u32::MAX)
}

fn instant(seconds: u32) -> Timestamp {
    Timestamp::from_second(seconds.into()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_607_940_000 + seconds).unwrap()
    }

    /// Permits with the numbers of their persons' newest ones.
    #[derive(Default)]
    struct Bench {
        permits: Permits,
        newest: std::collections::HashMap<u32, Number>,
        seq: u64,
    }

    impl Bench {
        fn issue(&mut self, (person, purpose): Holder, start: i64, end: i64) -> u64 {
            self.seq += 10;
            let permit = Permit {
                seq: self.seq,
                code: self.seq << 5,
                person,
                purpose,
                interval: Interval { start: at(start), end: at(end) },
                ended: None,
                delivery: None,
                phone: Msisdn::parse("994501234567", 994, 9).unwrap(),
                document: Document::EXAMPLE,
                decided_at: at(start),
            };
            let number = self.permits.insert(&permit, self.newest.get(&person).copied());
            self.newest.insert(person, number);
            assert_eq!(self.permits.get(number), Some(permit));
            self.seq
        }

        fn standing(&self, holder: Holder, now: i64) -> Option<u64> {
            let newest = self.newest.get(&holder.0).copied();
            self.permits.standing(holder, newest, at(now)).map(|permit| permit.seq)
        }
    }

    #[test]
    fn a_permit_stands_for_its_person_and_purpose_until_it_ends() {
        let mut bench = Bench::default();
        let shopping = bench.issue((7, 2), 0, 2 * HOUR);
        let medical = bench.issue((7, 1), 60, HOUR);
        bench.issue((8, 2), 60, HOUR);
        assert_eq!(
            (bench.standing((7, 2), 100), bench.standing((7, 1), 100)),
            (Some(shopping), Some(medical))
        );
        assert_eq!((bench.standing((7, 3), 100), bench.standing((9, 2), 100)), (None, None));
        assert_eq!(bench.standing((7, 1), HOUR), None, "the end is the first instant without it");
        assert_eq!(bench.standing((7, 2), HOUR), Some(shopping));
        let number = bench.permits.of_entry(shopping).unwrap();
        bench.permits.end_early(number, at(HOUR), Ending::Undelivered);
        assert_eq!(bench.standing((7, 2), HOUR), None);
        assert_eq!(bench.permits.get(number).unwrap().ended, Some((at(HOUR), Ending::Undelivered)));
        assert_eq!(bench.permits.of_person(7, bench.newest.get(&7).copied()).count(), 2);
    }

    #[test]
    fn standing_permits_are_counted() {
        let mut bench = Bench::default();
        bench.issue((1, 1), 0, HOUR);
        let second = bench.issue((2, 1), 0, HOUR);
        bench.issue((3, 1), 0, 2 * HOUR);
        assert_eq!(bench.permits.standing_count(), 3);
        let number = bench.permits.of_entry(second).unwrap();
        bench.permits.end_early(number, at(1), Ending::Undelivered);
        bench.permits.end_early(number, at(2), Ending::Undelivered);
        assert_eq!(bench.permits.standing_count(), 2);
        bench.permits.forget(at(HOUR), u64::MAX);
        assert_eq!(bench.permits.standing_count(), 1);
        bench.permits.end_early(bench.permits.first(), at(HOUR), Ending::Undelivered);
        assert_eq!(bench.permits.standing_count(), 1, "it had ended by itself");
    }

    #[test]
    fn what_is_over_and_in_the_history_is_forgotten() {
        let mut bench = Bench::default();
        let first = bench.issue((1, 1), 0, HOUR);
        let second = bench.issue((1, 1), HOUR, 2 * HOUR);
        bench.permits.forget(at(2 * HOUR), u64::MAX);
        assert_eq!(bench.permits.len(), 2, "still recent");
        bench.permits.forget(at(2 * HOUR + 1), first - 1);
        assert_eq!(bench.permits.len(), 2, "not in the history");
        bench.permits.forget(at(2 * HOUR + 1), first);
        assert_eq!(bench.permits.len(), 1);
        assert_eq!(
            (bench.permits.of_entry(first), bench.permits.oldest().map(|p| p.seq)),
            (None, Some(second))
        );
        let left: Vec<u64> =
            bench.permits.of_person(1, bench.newest.get(&1).copied()).map(|p| p.seq).collect();
        assert_eq!(left, [second]);
    }

    #[test]
    fn permits_come_back_from_their_blocks_as_they_were() {
        let mut bench = Bench::default();
        for person in 0..10_000 {
            bench.issue((person % 3000, 2), i64::from(person), i64::from(person) + HOUR);
        }
        bench.permits.end_early(7000, at(7001), Ending::Undelivered);
        bench.permits.end_early(7002, at(7003), Ending::Revoked);
        bench.permits.delivery(7001, Mark::Delivered);
        bench.permits.forget(at(2 * HOUR + 5000), u64::MAX);
        let first = bench.permits.first();
        assert_eq!(first, 5000, "in the middle of a block");
        let blocks: Option<Vec<_>> = bench.permits.blocks().map(Block::read).collect();
        let mut restored = Permits::restore(first, blocks.unwrap()).unwrap();
        assert_eq!((restored.first(), restored.end()), (first, bench.permits.end()));
        let all = |permits: &Permits| (first..permits.end()).map(|n| permits.get(n)).collect::<Vec<_>>();
        assert_eq!(all(&restored), all(&bench.permits));
        restored.forget(at(2 * HOUR + 5000), u64::MAX);
        assert_eq!(restored.standing_count(), bench.permits.standing_count());
        assert!(Block::read(&[0; 63]).is_none());
        let halves = bench.permits.blocks().map(|block| Block::read(&block[..block.len() / 2]).unwrap());
        assert!(Permits::restore(first, halves.collect()).is_none(), "blocks of other lengths");
    }
}
