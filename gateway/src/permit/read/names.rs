//! The purposes' names, as the regimes have them and replies print them.

use std::ops::RangeInclusive;

use icaze_config::regime::Regimes;

use super::lexicon::{Folded, fold};
use super::token::Word;

/// What purposes are called, folded as texts are. The default has no names.
#[derive(Debug, Clone)]
pub struct PurposeNames {
    /// Sorted; `None` for a name that two purposes bear.
    names: Vec<(Folded, Option<u8>)>,
    /// The shortest and the longest.
    lengths: RangeInclusive<usize>,
}

impl Default for PurposeNames {
    fn default() -> Self {
        // No length is in it.
        Self { names: Vec::new(), lengths: RangeInclusive::new(usize::MAX, 0) }
    }
}

impl PurposeNames {
    /// The short names of all purposes of `regimes`, in every language. A name that two purposes
    /// bear, in whichever regimes, names none, because a text is read before its regime is known.
    /// A name of several words names none.
    #[must_use]
    pub fn of(regimes: &Regimes) -> Self {
        let mut named = Self::default();
        for purpose in regimes.as_slice().iter().flat_map(|regime| &regime.purposes) {
            for name in [&purpose.names.az, &purpose.names.en, &purpose.names.ru] {
                if name.short.chars().all(char::is_alphabetic) {
                    named.add(&fold(&name.short), purpose.code);
                }
            }
        }
        named
    }

    fn add(&mut self, word: &Word, code: u8) {
        let folded = (word.head, word.len);
        self.lengths = word.len.min(*self.lengths.start())..=word.len.max(*self.lengths.end());
        match self.names.binary_search_by_key(&folded, |&(name, _)| name) {
            Err(place) => self.names.insert(place, (folded, Some(code))),
            Ok(place) => {
                if let Some((_, known)) = self.names.get_mut(place) {
                    *known = known.filter(|&known| known == code);
                }
            }
        }
    }

    /// The purpose that is called so.
    pub(super) fn code(&self, word: &Word) -> Option<u8> {
        if !self.lengths.contains(&word.len) {
            return None;
        }
        let place = self.names.binary_search_by_key(&(word.head, word.len), |&(name, _)| name).ok()?;
        self.names.get(place)?.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_two_purposes_names_none() {
        let mut names = PurposeNames::default();
        names.add(&fold("ərzaq"), 2);
        names.add(&fold("ERZAQ"), 2);
        names.add(&fold("iş"), 3);
        names.add(&fold("is"), 4);
        assert_eq!(names.code(&fold("Ərzaq")), Some(2));
        assert_eq!(names.code(&fold("iş")), None);
        assert_eq!(names.code(&fold("bazar")), None);
    }
}
