//! The numbers of a text that may be its purpose.

/// How well a number is known to be the purpose. The best grade that a text has decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grade {
    /// A word says so: `kod 2`.
    Marked,
    /// A digit that stands alone, or touches the serial.
    Alone,
    /// A digit at the end of another word, or an ordinal: `salam2`, `2-ci`.
    Beside,
    /// In letters: `iki`. Such words also mean other things.
    Spelt,
}

/// The purposes that a text names: one bit for each digit, by grade.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Purposes([u16; 4]);

impl Purposes {
    pub(super) fn add(&mut self, grade: Grade, value: u8) {
        if let Some(values) = self.0.get_mut(grade as usize) {
            *values |= 1 << value;
        }
    }

    /// What was announced as the purpose is none, or cannot be told from a piece of the serial.
    pub(super) fn spoil(&mut self) {
        self.0[Grade::Marked as usize] = u16::MAX;
    }

    /// The one purpose, by the best grade. `None` if there is none, or several.
    pub(super) fn one(&self) -> Option<u8> {
        Self::single(self.0.iter().copied().find(|&values| values != 0)?)
    }

    /// Whether there is one purpose in digits.
    pub(super) fn in_digits(&self) -> bool {
        let [digits @ .., _spelt] = self.0;
        digits.into_iter().find(|&values| values != 0).and_then(Self::single).is_some()
    }

    fn single(values: u16) -> Option<u8> {
        values.is_power_of_two().then(|| values.trailing_zeros() as u8)
    }
}

/// A number that may be a purpose, until it is seen what follows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) value: u8,
    pub(super) grade: Grade,
    /// It may be the last digit of the serial before it instead.
    pub(super) lone: bool,
    /// It touches a letter that may begin a series; if it does not, the number is none: `2A Z E…`, `5A`.
    pub(super) sticks: bool,
}

impl Held {
    pub(super) fn new(value: u8, grade: Grade) -> Self {
        Self { value, grade, lone: false, sticks: false }
    }

    /// Ordinals count other things as well: "2-ci dəfə", the second time.
    pub(super) fn as_ordinal(self) -> Self {
        Self { grade: self.grade.max(Grade::Beside), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_grade_decides() {
        let mut purposes = Purposes::default();
        assert_eq!(purposes.one(), None);
        purposes.add(Grade::Spelt, 1);
        assert_eq!(purposes.one(), Some(1));
        assert!(!purposes.in_digits());
        purposes.add(Grade::Alone, 2);
        purposes.add(Grade::Alone, 2);
        assert_eq!(purposes.one(), Some(2));
        assert!(purposes.in_digits());
        purposes.add(Grade::Alone, 3);
        assert_eq!(purposes.one(), None);
        purposes.add(Grade::Marked, 0);
        assert_eq!(purposes.one(), Some(0));
        purposes.spoil();
        assert_eq!(purposes.one(), None);
    }
}
