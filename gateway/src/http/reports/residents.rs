//! How many people the register has, by region and age: what rates are of.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use icaze_store::register::Register;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::history::statistics::{Dimension, Value};
use crate::permit::decide::completed_years;

/// The living, by region and age band, on a day.
#[derive(Debug, Default)]
pub(super) struct Residents(HashMap<(String, u8), u64>);

impl Residents {
    fn of(register: &Register, day: Date) -> Self {
        let mut residents: HashMap<(&str, u8), u64> = HashMap::new();
        for person in register.everyone().filter(|person| !person.deceased) {
            let band = completed_years(person.birth_date, day) / 10 * 10;
            *residents.entry((person.region, band)).or_default() += 1;
        }
        let owned = |((region, band), count): ((&str, u8), u64)| ((region.to_owned(), band), count);
        Self(residents.into_iter().map(owned).collect())
    }

    /// How many live where a group lives and are as old as it is, as far as it says so. `None` if nobody, or it is not known.
    pub(super) fn like(&self, by: &[Dimension], values: &[Value]) -> Option<u64> {
        let among = |(region, band): &(String, u8)| {
            by.iter().zip(values).all(|(dimension, value)| match (dimension, value) {
                (Dimension::Region, Value::Text(name)) => name == region,
                (Dimension::AgeBand, Value::Number(number)) => number == band,
                (Dimension::Region | Dimension::AgeBand, _) => false,
                _ => true,
            })
        };
        let count = self.0.iter().filter(|(key, _)| among(key)).map(|(_, count)| count).sum();
        Some(count).filter(|&count| count > 0)
    }
}

/// Of which register, by when it was made and whom it has, and of which day.
type Of = (Timestamp, u64, Date);

/// Counts residents once for a register and a day.
#[derive(Default)]
pub(super) struct Census(Mutex<Option<(Of, Arc<Residents>)>>);

impl Census {
    pub(super) fn residents(&self, register: &Register, day: Date) -> Arc<Residents> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = (register.made_at(), register.persons(), day);
        match &*counted {
            Some((of, residents)) if *of == wanted => Arc::clone(residents),
            _ => {
                let residents = Arc::new(Residents::of(register, day));
                *counted = Some((wanted, Arc::clone(&residents)));
                residents
            }
        }
    }
}
