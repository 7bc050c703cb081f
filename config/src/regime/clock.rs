//! Hours, days and instants where the clock may be put forward or back.

use std::fmt;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Span, Timestamp, ToSpan};

/// The minutes of a day on which the clock is not changed.
pub const DAY_MINUTES: u16 = 1440;

/// A time of day, half-open, that may cross midnight: `06:00-21:00`, `21:00-05:00`, `00:00-24:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hours {
    from: u16,
    until: u16,
}

impl Hours {
    /// All day.
    pub const ALL_DAY: Self = Self { from: 0, until: DAY_MINUTES };

    /// Reads `HH:MM-HH:MM`. `24:00` is allowed as an end; an end at or before the beginning lies on the next day,
    /// but the two are never the same.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (from, until) = text.split_once('-')?;
        let (from, until) = (minute(from)?, minute(until)?);
        (from < DAY_MINUTES && from != until && until != 0).then_some(Self { from, until })
    }

    /// The minute of the day at which it begins, 0 to 1,439.
    #[must_use]
    pub fn from_minute(self) -> u16 {
        self.from
    }

    /// The minute of the day at which it ends, 1 to 1,440: on the next day unless it is after the beginning.
    #[must_use]
    pub fn until_minute(self) -> u16 {
        self.until
    }

    /// The instants of the hours that begin on `date`: the first, and the first after them. An hour that the clock
    /// passes twice belongs to them both times; one that it skips is not there.
    #[must_use]
    pub fn on(self, date: Date, zone: &TimeZone) -> (Timestamp, Timestamp) {
        let last = if self.until > self.from { date } else { date.saturating_add(1.day()) };
        (first_instant(zone, at_minute(date, self.from)), last_instant(zone, at_minute(last, self.until)))
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, until } = self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, until / 60, until % 60)
    }
}

/// The first instant at which the clock shows `civil` or, where it skips it, anything later.
#[must_use]
pub fn first_instant(zone: &TimeZone, civil: DateTime) -> Timestamp {
    instant(zone, civil, false)
}

/// The last instant at which the clock changes to `civil` or, where it skips it, to anything later.
#[must_use]
pub fn last_instant(zone: &TimeZone, civil: DateTime) -> Timestamp {
    instant(zone, civil, true)
}

/// The day of an instant. Days follow each other even where the clock passes midnight twice: the first pass counts,
/// so that nothing that a day allows is allowed twice.
#[must_use]
pub fn local_day(zone: &TimeZone, now: Timestamp) -> Date {
    let date = zone.to_datetime(now).date();
    let next = date.saturating_add(1.day());
    if day_start(zone, next) <= now { next } else { date }
}

/// The first instant of a day.
#[must_use]
pub fn day_start(zone: &TimeZone, date: Date) -> Timestamp {
    first_instant(zone, date.to_datetime(Time::midnight()))
}

fn instant(zone: &TimeZone, civil: DateTime, last: bool) -> Timestamp {
    match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => at_offset(offset, civil),
        AmbiguousOffset::Fold { before, after } => at_offset(if last { after } else { before }, civil),
        AmbiguousOffset::Gap { before, .. } => {
            // Reckoned by the clock before the change, `civil` lies at the change or up to the skipped time after it.
            let after = at_offset(before, civil).saturating_add(Span::new().seconds(1));
            let change = after.ok().and_then(|after| zone.preceding(after).next());
            change.map_or_else(|| at_offset(before, civil), |change| change.timestamp())
        }
    }
}

/// Beyond the years that timestamps can hold, the last one.
fn at_offset(offset: Offset, civil: DateTime) -> Timestamp {
    offset.to_timestamp(civil).unwrap_or(Timestamp::MAX)
}

/// The `minute` of a day; 1,440 is the next day's midnight.
fn at_minute(date: Date, minute: u16) -> DateTime {
    date.to_datetime(Time::midnight()).saturating_add(i64::from(minute).minutes())
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two_digits = |part: &str| {
        (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok())?
    };
    let (hour, minute): (u16, u16) = (two_digits(hour)?, two_digits(minute)?);
    let total = hour * 60 + minute;
    (minute < 60 && total <= DAY_MINUTES).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn hours_are_read_as_written_or_not_at_all() {
        for text in ["06:00-21:00", "21:00-05:00", "00:00-24:00", "23:59-24:00", "00:00-00:01"] {
            assert_eq!(Hours::parse(text).map(|hours| hours.to_string()).as_deref(), Some(text));
        }
        for text in [
            "",
            "06:00",
            "6:00-21:00",
            "06:00-06:00",
            "24:00-06:00",
            "21:00-00:00",
            "06:00-24:01",
            "06:60-21:00",
            "06:00-21:00 ",
            "06:00–21:00",
            "+6:00-21:00",
        ] {
            assert_eq!(Hours::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_begins_at_the_change_where_midnight_is_skipped() {
        // Beirut, 28 March 2021: 00:00 became 01:00.
        let beirut = zone("Asia/Beirut");
        assert_eq!(day_start(&beirut, date(2021, 3, 28)), at("2021-03-28T01:00:00+03:00"));
        assert_eq!(local_day(&beirut, at("2021-03-27T23:59:59+02:00")), date(2021, 3, 27));
        assert_eq!(local_day(&beirut, at("2021-03-28T01:00:00+03:00")), date(2021, 3, 28));
    }

    #[test]
    fn a_day_that_has_begun_does_not_begin_again() {
        // St. John's, 7 November 2010: one minute past midnight became 23:01 of the day before.
        let st_johns = zone("America/St_Johns");
        assert_eq!(day_start(&st_johns, date(2010, 11, 7)), at("2010-11-07T00:00:00-02:30"));
        for (instant, day) in [
            ("2010-11-06T23:59:59-02:30", date(2010, 11, 6)),
            ("2010-11-07T00:00:30-02:30", date(2010, 11, 7)),
            ("2010-11-06T23:01:00-03:30", date(2010, 11, 7)),
            ("2010-11-06T23:59:59-03:30", date(2010, 11, 7)),
            ("2010-11-07T00:00:00-03:30", date(2010, 11, 7)),
        ] {
            assert_eq!(local_day(&st_johns, at(instant)), day, "{instant}");
        }
    }

    #[test]
    fn nothing_breaks_at_the_end_of_time() {
        let baku = zone("Asia/Baku");
        for now in [Timestamp::MIN, Timestamp::MAX] {
            let day = local_day(&baku, now);
            let (from, until) = Hours::parse("21:00-05:00").unwrap().on(day, &baku);
            assert!(from <= until);
        }
    }
}
