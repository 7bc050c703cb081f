//! What each person has used of the regime's allowances.

use std::fmt;

use jiff::civil::Date;

use crate::paged::{PAGE_LINES, PAGES, Paged};

/// A page of allowances as [`Page::write`] writes it: its number, then the words of each line.
pub(crate) const PAGE_BYTES: usize = 4 + PAGE_LINES * WORDS_BYTES;
const WORDS_BYTES: usize = 24;

/// How often one person was granted each purpose, in one day and in the week (Monday first) that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Grants of the day, by purpose 0 to 9.
    pub day: [u8; 10],
    /// Grants of the week, by purpose 0 to 9.
    pub week: [u8; 10],
}

/// A day and its week as numbers, to be worked out once for many requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day {
    /// Days since 2020-01-01.
    day: u16,
    /// Weeks, Monday first, since that of 2020-01-01.
    week: u16,
}

impl Day {
    /// Days since 2020-01-01.
    #[must_use]
    pub fn number(self) -> u16 {
        self.day
    }

    /// Weeks, Monday first, since that of 2020-01-01.
    #[must_use]
    pub fn week(self) -> u16 {
        self.week
    }
}

impl From<Date> for Day {
    /// The days before 2020 count as its first, those after 2199-06-06 as that one.
    fn from(date: Date) -> Self {
        const FIRST: Date = Date::constant(2020, 1, 1);
        // 2020-01-01 was a Wednesday.
        const WEEKDAY: u16 = 2;
        let days = FIRST.duration_until(date).as_hours() / 24;
        let day = u16::try_from(days.max(0)).unwrap_or(u16::MAX);
        Self { day, week: (u32::from(day) + u32::from(WEEKDAY)).div_euclid(7) as u16 }
    }
}

/// Allowances used, by person, as packed words that a new day or week resets without a sweep.
///
/// Time runs forward here: a day before the latest one that a person was granted something on, as after a clock was
/// set back, reads and adds to the counts of that latest day. So no midnight resets an allowance twice.
///
/// Beside a person's allowances stands a number of the caller's, such as that of the newest permit: whoever reads one needs the
/// other, and they share a cache line.
///
/// 96 KiB for each 4096 consecutive person numbers of which one was granted anything.
#[derive(Default)]
pub struct UsageTable {
    lines: Paged<Line>,
}

impl UsageTable {
    /// Counts stop here; no allowance can be larger.
    pub const COUNT_MAX: u8 = 15;

    /// What `person` has used on `day` and in its week.
    #[must_use]
    pub fn get(&self, person: u32, day: Day) -> Usage {
        let line = self.lines.get(person).copied().unwrap_or_default();
        Usage { day: line.day.at(day.day).counts(), week: line.week.at(day.week).counts() }
    }

    /// The number that came with the last [grant](Self::spend) to `person`.
    #[must_use]
    pub fn newest(&self, person: u32) -> Option<u64> {
        self.lines.get(person)?.newest.checked_sub(1)
    }

    /// Reads the line of `person`, so that it is in the processor's cache when it is wanted. What is returned is of no use but to
    /// be used.
    #[must_use]
    pub fn touch(&self, person: u32) -> u64 {
        self.lines.get(person).map_or(0, |line| line.newest)
    }

    /// Takes the memory for these persons, 24 bytes each, and for those whose numbers are near theirs.
    pub fn reserve(&mut self, persons: impl IntoIterator<Item = u32>) {
        for person in persons {
            self.lines.line_mut(person);
        }
    }

    /// The same allowances, which stay as they are now; memory is shared until either changes.
    #[must_use]
    pub fn share(&mut self) -> Self {
        Self { lines: self.lines.share() }
    }

    /// Counts a grant of a purpose on `day`. Purposes are 0 to 9: nothing is counted for another. `newest`, below `u64::MAX`, takes
    /// the place of the number that is returned.
    pub fn spend(&mut self, person: u32, purpose: u8, day: Day, newest: u64) -> Option<u64> {
        let line = self.lines.line_mut(person);
        let before = std::mem::replace(&mut line.newest, newest.saturating_add(1)).checked_sub(1);
        line.day = line.day.at(day.day).add(purpose);
        line.week = line.week.at(day.week).add(purpose);
        before
    }

    /// Takes back a grant that was counted on `day`, as far as its day's and its week's counts are still kept. One
    /// that reached [`UsageTable::COUNT_MAX`] stays: how many it stands for is not known.
    pub fn give_back(&mut self, person: u32, purpose: u8, day: Day) {
        let Some(line) = self.lines.get_mut(person) else { return };
        if line.day.number() == day.day {
            line.day = line.day.subtract(purpose);
        }
        if line.week.number() == day.week {
            line.week = line.week.subtract(purpose);
        }
    }
}

/// What 4096 consecutive persons have used.
pub(crate) struct Page<'t> {
    number: u32,
    lines: &'t [Line],
}

impl Page<'_> {
    /// Appends all of it.
    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.number.to_le_bytes());
        for line in self.lines {
            to.extend_from_slice(&line.day.0.to_le_bytes());
            to.extend_from_slice(&line.week.0.to_le_bytes());
            to.extend_from_slice(&line.newest.to_le_bytes());
        }
    }
}

impl UsageTable {
    /// Every page that says something.
    pub(crate) fn pages(&self) -> impl Iterator<Item = Page<'_>> {
        let says = |line: &Line| (line.day.0, line.week.0, line.newest) != (0, 0, 0);
        let pages = self.lines.iter().filter(move |(_, lines)| lines.iter().any(says));
        pages.map(|(number, lines)| Page { number, lines })
    }

    /// Takes a page that was written. `None` if it is none.
    pub(crate) fn read_page(&mut self, bytes: &[u8]) -> Option<()> {
        let (number, words) = bytes.split_first_chunk()?;
        let number = u32::from_le_bytes(*number) as usize;
        let (words, rest) = words.as_chunks::<WORDS_BYTES>();
        if number >= PAGES || words.len() != PAGE_LINES || !rest.is_empty() {
            return None;
        }
        for (line, words) in self.lines.page_mut(number).iter_mut().zip(words) {
            let (day, rest) = words.split_first_chunk()?;
            let (week, newest) = rest.split_first_chunk()?;
            line.day = Word(u64::from_le_bytes(*day));
            line.week = Word(u64::from_le_bytes(*week));
            line.newest = u64::from_le_bytes(*newest.first_chunk()?);
        }
        Some(())
    }
}

/// Personal, like everything about one person.
impl fmt::Debug for UsageTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsageTable").field("pages", &self.lines.pages()).finish()
    }
}

/// One person's counts.
#[derive(Clone, Copy, Default)]
struct Line {
    day: Word,
    week: Word,
    /// 0: none; else the number and one.
    newest: u64,
}

/// Ten counts of four bits, purpose 0 lowest, and above them the number of the day or week that they belong to.
#[derive(Clone, Copy, Default)]
struct Word(u64);

const PURPOSES: u32 = 10;
const COUNT_BITS: u32 = 4;
const NUMBER_SHIFT: u32 = PURPOSES * COUNT_BITS;

impl Word {
    fn number(self) -> u16 {
        (self.0 >> NUMBER_SHIFT) as u16
    }

    /// The word as of a day or week: the same unless it is a later one.
    fn at(self, number: u16) -> Self {
        if number > self.number() { Self(u64::from(number) << NUMBER_SHIFT) } else { self }
    }

    fn counts(self) -> [u8; PURPOSES as usize] {
        std::array::from_fn(|purpose| self.count(purpose as u32 * COUNT_BITS))
    }

    fn count(self, shift: u32) -> u8 {
        (self.0 >> shift) as u8 & UsageTable::COUNT_MAX
    }

    fn add(self, purpose: u8) -> Self {
        let Some(shift) = shift(purpose) else { return self };
        Self(self.0 + (u64::from(self.count(shift) < UsageTable::COUNT_MAX) << shift))
    }

    fn subtract(self, purpose: u8) -> Self {
        let Some(shift) = shift(purpose) else { return self };
        let known = (1..UsageTable::COUNT_MAX).contains(&self.count(shift));
        Self(self.0 - (u64::from(known) << shift))
    }
}

fn shift(purpose: u8) -> Option<u32> {
    Some(u32::from(purpose)).filter(|&purpose| purpose < PURPOSES).map(|purpose| purpose * COUNT_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: u32 = 7;

    fn day(text: &str) -> Day {
        text.parse::<Date>().unwrap().into()
    }

    /// A line of a story: what happens on a day, then the counts of purpose 2 in the day and in its week.
    type Step = (&'static str, fn(&mut UsageTable, u32, u8, Day), u8, u8);

    const SPEND: fn(&mut UsageTable, u32, u8, Day) = |table, person, purpose, day| {
        table.spend(person, purpose, day, 0);
    };
    const BACK: fn(&mut UsageTable, u32, u8, Day) = UsageTable::give_back;
    const LOOK: fn(&mut UsageTable, u32, u8, Day) = |_, _, _, _| {};

    fn tell(story: &[Step]) {
        let mut table = UsageTable::default();
        for (step, &(date, act, in_day, in_week)) in story.iter().enumerate() {
            act(&mut table, ANNA, 2, day(date));
            let usage = table.get(ANNA, day(date));
            assert_eq!((usage.day[2], usage.week[2]), (in_day, in_week), "step {step}, {date}");
            let others = usage.day.iter().chain(&usage.week).enumerate().filter(|(place, _)| place % 10 != 2);
            assert_eq!(others.map(|(_, count)| count).sum::<u8>(), 0, "step {step}, {date}");
        }
    }

    #[test]
    fn memory_that_is_reserved_says_nothing() {
        let mut table = UsageTable::default();
        table.reserve([0, 4096, 9000]);
        assert_eq!((table.lines.pages(), table.pages().count()), (3, 0));
        let today = Day::from(jiff::civil::date(2020, 12, 14));
        assert_eq!((table.spend(5000, 10, today, 0), table.spend(9000, 2, today, 3)), (None, None));
        assert_eq!((table.lines.pages(), table.pages().count()), (3, 2));
        assert_eq!((table.newest(5000), table.newest(5001)), (Some(0), None));
        assert_eq!((table.spend(9000, 2, today, 9), table.newest(9000)), (Some(3), Some(9)));
    }

    #[test]
    fn a_day_resets_the_day_and_monday_the_week() {
        tell(&[
            ("2020-12-18", SPEND, 1, 1),
            ("2020-12-18", SPEND, 2, 2),
            ("2020-12-19", LOOK, 0, 2),
            ("2020-12-20", SPEND, 1, 3),
            ("2020-12-21", LOOK, 0, 0),
            ("2020-12-21", SPEND, 1, 1),
        ]);
    }

    #[test]
    fn week_53_runs_over_the_new_year() {
        tell(&[
            ("2020-12-28", SPEND, 1, 1),
            ("2020-12-31", SPEND, 1, 2),
            ("2021-01-01", SPEND, 1, 3),
            ("2021-01-03", LOOK, 0, 3),
            ("2021-01-04", LOOK, 0, 0),
        ]);
    }

    #[test]
    fn the_first_days_of_2020_are_a_week() {
        tell(&[("2020-01-01", SPEND, 1, 1), ("2020-01-05", LOOK, 0, 1), ("2020-01-06", LOOK, 0, 0)]);
    }

    #[test]
    fn a_clock_set_back_resets_nothing() {
        tell(&[
            ("2020-12-20", SPEND, 1, 1),
            ("2020-12-21", SPEND, 1, 1),
            ("2020-12-20", LOOK, 1, 1),
            ("2020-12-20", SPEND, 2, 2),
            ("2020-12-21", LOOK, 2, 2),
            ("2020-12-21", SPEND, 3, 3),
            ("2020-12-22", LOOK, 0, 3),
        ]);
    }

    #[test]
    fn what_is_given_back_returns_to_its_own_day_and_week() {
        tell(&[
            ("2020-12-18", SPEND, 1, 1),
            ("2020-12-18", BACK, 0, 0),
            ("2020-12-18", BACK, 0, 0),
            ("2020-12-18", SPEND, 1, 1),
            ("2020-12-19", SPEND, 1, 2),
            ("2020-12-18", BACK, 1, 1),
            ("2020-12-21", SPEND, 1, 1),
            ("2020-12-19", BACK, 1, 1),
        ]);
    }

    #[test]
    fn counts_stop_at_their_maximum_and_stay_there() {
        let mut table = UsageTable::default();
        let today = day("2020-12-18");
        for purpose in 0..10 {
            for times in 1..=20 {
                table.spend(ANNA, purpose, today, 0);
                assert_eq!(
                    table.get(ANNA, today).day[usize::from(purpose)],
                    times.min(UsageTable::COUNT_MAX)
                );
            }
            table.give_back(ANNA, purpose, today);
        }
        let full = Usage { day: [15; 10], week: [15; 10] };
        assert_eq!(table.get(ANNA, today), full);
        table.spend(ANNA, 10, today, 0);
        table.give_back(ANNA, u8::MAX, today);
        assert_eq!(table.get(ANNA, today), full);
    }

    #[test]
    fn people_are_counted_apart() {
        let mut table = UsageTable::default();
        let today = day("2020-12-18");
        for person in [0, 1, 4096, u32::MAX] {
            table.give_back(person, 1, today);
            assert_eq!(table.get(person, today), Usage::default());
            table.spend(person, 1, today, 0);
            assert_eq!(table.get(person, today).day[1], 1);
        }
        assert_eq!(table.get(2, today), Usage::default());
    }

    #[test]
    fn weeks_are_iso_weeks() {
        let mut date = Date::constant(2020, 1, 1);
        let mut before = Day::from(date);
        while date.year() < 2199 {
            date = date.tomorrow().unwrap();
            let day = Day::from(date);
            assert_eq!(day.day, before.day + 1, "{date}");
            let monday = date.weekday() == jiff::civil::Weekday::Monday;
            assert_eq!(day.week, before.week + u16::from(monday), "{date}");
            before = day;
        }
    }

    #[test]
    fn dates_out_of_range_are_its_ends() {
        assert_eq!(day("2019-12-31"), day("2020-01-01"));
        assert_eq!(day("2199-06-07"), day("9999-12-31"));
        assert!(day("2199-06-05") < day("2199-06-06"));
        assert_eq!(day("2199-06-06"), day("2199-06-07"));
    }
}
