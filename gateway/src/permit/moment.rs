//! The regime in force, worked out for one minute.

use icaze_config::regime::{DAY_MINUTES, Hours, Purpose, Regime, Regimes, day_start, local_day};
use icaze_store::ledger::Interval;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// All that a decision needs to know about the time: the regime in force, the calendar day, and which permit each
/// purpose would give. Nothing of it is finer than a minute, so that one serves every request of its minute and the
/// time zone's arithmetic is paid once.
#[derive(Debug, Clone)]
pub struct Moment<'r> {
    start: Timestamp,
    end: Timestamp,
    /// Permits decided before this instant were ended by a regime that began at it.
    standing_from: Option<Timestamp>,
    /// When the next regime begins.
    next: Option<Timestamp>,
    rules: Option<Rules<'r>>,
}

/// The regime in force at a [`Moment`].
#[derive(Debug, Clone)]
pub struct Rules<'r> {
    /// The regime.
    pub regime: &'r Regime,
    /// The day that a permit counts on.
    pub date: Date,
    /// When the next day begins.
    pub next_day: Timestamp,
    /// When the next Monday begins.
    pub next_week: Timestamp,
    offers: [Option<Offer<'r>>; 10],
}

/// What a purpose gives at a [`Moment`].
#[derive(Debug, Clone, Copy)]
pub struct Offer<'r> {
    /// The purpose.
    pub purpose: &'r Purpose,
    /// The permit's times for those who need not mind the hours.
    pub unlimited: Interval,
    /// The permit's times, cut where the hours end; `None` outside the hours, or if too little of them remains.
    pub within_hours: Option<Interval>,
}

impl<'r> Moment<'r> {
    /// Works out the minute that holds `now`.
    #[must_use]
    pub fn at(regimes: &'r Regimes, now: Timestamp) -> Self {
        let start = minute_of(now);
        let next = regimes.next_after(now).map(|regime| regime.from);
        let begun = regimes.as_slice().iter().take_while(|regime| regime.from <= now);
        let standing_from = begun.filter(|regime| regime.ends_standing).last().map(|regime| regime.from);
        let rules = regimes.at(now).map(|regime| Rules::new(regime, now, start));
        let changes = [
            next,
            rules.as_ref().map(|rules| rules.next_day),
            rules.as_ref().and_then(|rules| rules.regime.until),
        ];
        let end = changes.into_iter().flatten().fold(later(start, 1), Timestamp::min);
        Self { start, end, standing_from, next, rules }
    }

    /// Whether it holds for `now` too.
    #[must_use]
    pub fn covers(&self, now: Timestamp) -> bool {
        self.start <= now && now < self.end
    }

    /// The first instant of the minute.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// The rules in force, or else when the next ones begin.
    ///
    /// # Errors
    /// If no regime is in force: the beginning of the next one, if there is one.
    pub fn rules(&self) -> Result<&Rules<'r>, Option<Timestamp>> {
        self.rules.as_ref().ok_or(self.next)
    }

    /// Permits decided before this instant were ended by a regime that began at it.
    #[must_use]
    pub fn standing_from(&self) -> Option<Timestamp> {
        self.standing_from
    }

    /// Whether a permit decided at `decided` with these times has neither ended nor been ended by a regime.
    #[must_use]
    pub fn stands(&self, decided: Timestamp, interval: Interval) -> bool {
        self.start < interval.end && self.standing_from.is_none_or(|from| from <= decided)
    }
}

impl<'r> Rules<'r> {
    fn new(regime: &'r Regime, now: Timestamp, start: Timestamp) -> Self {
        let date = local_day(&regime.zone, now);
        let monday = date.nth_weekday(1, Weekday::Monday).unwrap_or(Date::MAX);
        let mut offers = [None; 10];
        for purpose in &regime.purposes {
            if let Some(slot) = offers.get_mut(usize::from(purpose.code)) {
                *slot = Some(Offer::new(regime, purpose, later(start, purpose.delay_minutes)));
            }
        }
        Self {
            regime,
            date,
            next_day: day_start(&regime.zone, date.saturating_add(1.day())),
            next_week: day_start(&regime.zone, monday),
            offers,
        }
    }

    /// What the purpose with this code gives.
    #[must_use]
    pub fn offer(&self, code: u8) -> Option<&Offer<'r>> {
        self.offers.get(usize::from(code))?.as_ref()
    }
}

impl<'r> Offer<'r> {
    fn new(regime: &Regime, purpose: &'r Purpose, start: Timestamp) -> Self {
        let unlimited = Interval { start, end: later(start, purpose.minutes) };
        let end = open_until(&purpose.hours, &regime.zone, unlimited);
        let within_hours = Interval { start, end };
        let enough = end >= later(start, regime.minimum_minutes);
        Self { purpose, unlimited, within_hours: enough.then_some(within_hours) }
    }
}

/// How far into `wanted` the hours reach without a break: its start if they do not hold there, at most its end.
fn open_until(hours: &[Hours], zone: &TimeZone, wanted: Interval) -> Timestamp {
    let mut end = wanted.start;
    while end < wanted.end {
        let today = zone.to_datetime(end).date();
        // Tomorrow's too: in the night in which the clock passes midnight twice they may have begun. Today's come first
        // because they mostly suffice, and each costs two conversions.
        let days = [today, today.saturating_sub(1.day()), today.saturating_add(1.day())];
        let mut times = days.iter().flat_map(|&day| hours.iter().map(move |hours| hours.on(day, zone)));
        match times.find(|&(from, until)| from <= end && end < until) {
            Some((_, until)) => end = until,
            None => break,
        }
    }
    end.min(wanted.end)
}

fn minute_of(now: Timestamp) -> Timestamp {
    let second = now.as_second();
    Timestamp::from_second(second - second.rem_euclid(60)).unwrap_or(Timestamp::MIN)
}

/// A regime's minutes are at most a day's; near the end of time they are cut.
fn later(start: Timestamp, minutes: u16) -> Timestamp {
    debug_assert!(minutes <= DAY_MINUTES);
    start.checked_add(SignedDuration::from_mins(i64::from(minutes))).unwrap_or(Timestamp::MAX)
}
