//! Numbers, durations and instants as the readers of a language write them.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::words::{Units, Words};

/// Keeps a number and its unit on one line.
const NO_BREAK: char = '\u{a0}';

impl Words {
    /// A whole number, its thousands apart: `12,345`.
    pub(super) fn count(&self, number: u64) -> String {
        let digits = number.to_string();
        let mut text = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                // A space between thousands must not break the number.
                text.push_str(if self.units.group == " " { "\u{202f}" } else { &self.units.group });
            }
            text.push(digit);
        }
        text
    }

    /// A number to one decimal while it is small: `0.4`, `12.3`, `1,234`.
    pub(super) fn decimal(&self, number: f64) -> String {
        let tenths = (number.max(0.0) * 10.0).round() as u64;
        if tenths >= 1000 || tenths.is_multiple_of(10) {
            return self.count((tenths + 5) / 10);
        }
        format!("{}{}{}", self.count(tenths / 10), self.units.decimal, tenths % 10)
    }

    /// How much of `whole` is `part`: `45.2 %`.
    pub(super) fn percent(&self, part: u64, whole: u64) -> String {
        if whole == 0 {
            return "–".to_owned();
        }
        format!("{}{NO_BREAK}%", self.decimal(part as f64 * 100.0 / whole as f64))
    }

    /// Microseconds: `0.8 ms`, `12 ms`, `1.4 s`.
    pub(super) fn micros(&self, micros: u64) -> String {
        let Units { milliseconds, seconds, .. } = &self.units;
        match micros {
            0 => "0".to_owned(),
            1..100 => format!("{}{NO_BREAK}{milliseconds}", self.two_decimals(micros as f64 / 1e3)),
            100..1_000_000 => format!("{}{NO_BREAK}{milliseconds}", self.decimal(micros as f64 / 1e3)),
            _ => format!("{}{NO_BREAK}{seconds}", self.decimal(micros as f64 / 1e6)),
        }
    }

    fn two_decimals(&self, number: f64) -> String {
        format!("{number:.2}").replace('.', &self.units.decimal)
    }

    /// A duration in its largest unit and the next: `12 s`, `3 min 5 s`, `2 d 4 h`.
    pub(super) fn duration(&self, duration: SignedDuration) -> String {
        let seconds = duration.as_secs().max(0);
        let Units { seconds: s, minutes: min, hours: h, days: d, .. } = &self.units;
        let ((large, unit), (small, next)) = match seconds {
            0..60 => ((seconds, s), (0, s)),
            60..3600 => ((seconds / 60, min), (seconds % 60, s)),
            3600..86_400 => ((seconds / 3600, h), (seconds % 3600 / 60, min)),
            _ => ((seconds / 86_400, d), (seconds % 86_400 / 3600, h)),
        };
        let mut text = format!("{large}{NO_BREAK}{unit}");
        if small > 0 {
            text.push_str(&format!(" {small}{NO_BREAK}{next}"));
        }
        text
    }
}

/// Instants in the regime's time zone.
pub(super) struct Clock(pub(super) TimeZone);

impl Clock {
    /// `17:15`.
    pub(super) fn minute(&self, at: Timestamp) -> String {
        let civil = self.0.to_datetime(at);
        format!("{:02}:{:02}", civil.hour(), civil.minute())
    }

    /// `17:15:09`.
    pub(super) fn second(&self, at: Timestamp) -> String {
        let civil = self.0.to_datetime(at);
        format!("{:02}:{:02}:{:02}", civil.hour(), civil.minute(), civil.second())
    }
}

#[cfg(test)]
mod tests {
    use icaze_store::ledger::Language;

    use super::*;

    #[test]
    fn numbers_are_written_as_their_readers_do() {
        let (en, az) = (Words::of(Language::En), Words::of(Language::Az));
        assert_eq!(
            (en.count(7), en.count(1234), en.count(1_234_567)),
            ("7".into(), "1,234".into(), "1,234,567".into())
        );
        assert_eq!(az.count(1_234_567), "1\u{202f}234\u{202f}567");
        let rates = [0.0, 0.04, 0.36, 9.96, 12.34, 99.94, 99.96, 1234.5].map(|rate| en.decimal(rate));
        assert_eq!(rates, ["0", "0", "0.4", "10", "12.3", "99.9", "100", "1,235"]);
        assert_eq!(az.decimal(0.36), "0,4");
        assert_eq!((en.percent(1, 3), en.percent(0, 0)), ("33.3\u{a0}%".into(), "–".into()));
    }

    #[test]
    fn times_have_units() {
        let en = Words::of(Language::En);
        let micros = [42, 840, 12_000, 1_400_000].map(|micros| en.micros(micros));
        assert_eq!(micros, ["0.04\u{a0}ms", "0.8\u{a0}ms", "12\u{a0}ms", "1.4\u{a0}s"]);
        let durations = [0, 59, 60, 185, 7200, 187_200].map(|s| en.duration(SignedDuration::from_secs(s)));
        let expected = ["0 s", "59 s", "1 min", "3 min 5 s", "2 h", "2 d 4 h"];
        assert_eq!(durations.map(|text| text.replace(NO_BREAK, " ")), expected);
    }
}
