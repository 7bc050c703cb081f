//! What is agreed with operators, when the configuration is read again.

use super::pace::Pace;
use super::{Operator, Pipeline};
use crate::clock::Now;

impl Pipeline {
    /// Whether `operator` has a bind that replies can leave by.
    #[must_use]
    pub fn has_receiver(&self, operator: u16) -> bool {
        self.operators.get(usize::from(operator)).is_some_and(|operator| operator.receivers > 0)
    }

    /// Takes rates and letters as they are agreed now. Operators keep their ids; new ones get the next.
    pub fn agree(&mut self, operators: Vec<Operator>, now: Now) {
        for agreed in operators {
            let known = self.operators.iter().position(|operator| operator.name == agreed.name);
            let index = known.unwrap_or(self.operators.len());
            self.outbox.agree(index, agreed.replies(), now.monotonic);
            if self.intake.len() <= index {
                self.intake.resize_with(index + 1, || Pace::new(0, now.monotonic));
            }
            if let Some(pace) = self.intake.get_mut(index) {
                pace.agree(agreed.rate_in, now.monotonic);
            }
            match self.operators.get_mut(index) {
                Some(operator) => {
                    operator.rate_in = agreed.rate_in;
                    operator.rate_out = agreed.rate_out;
                    operator.copies_max = agreed.copies_max;
                    operator.latin = agreed.latin;
                }
                None => self.operators.push(agreed),
            }
        }
    }
}
