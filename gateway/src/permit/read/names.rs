//! The purposes' names, as the regimes have them and replies print them.

use icaze_config::regime::Regimes;

/// What purposes are called, folded as the reader folds words. The default has no names.
#[derive(Debug, Clone, Default)]
pub struct PurposeNames;

impl PurposeNames {
    /// The short names of all purposes of `regimes`, in every language. A name that two purposes
    /// bear names none.
    #[must_use]
    pub fn of(_regimes: &Regimes) -> Self {
        Self
    }
}
