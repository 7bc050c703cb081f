//! What each person has used of the regime's allowances.

use jiff::civil::Date;

/// How often one person was granted each purpose, in one day and in the week (Monday first) that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Grants of the day, by purpose 0 to 9.
    pub day: [u8; 10],
    /// Grants of the week, by purpose 0 to 9.
    pub week: [u8; 10],
}

/// Allowances used, by person, as packed words that a new day or week resets without a sweep.
#[derive(Debug, Default)]
pub struct UsageTable {}

impl UsageTable {
    /// What `person` has used on `day` and in its week.
    #[must_use]
    pub fn get(&self, _person: u32, _day: Date) -> Usage {
        Usage::default()
    }
}
