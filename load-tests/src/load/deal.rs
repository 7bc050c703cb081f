//! Which message goes out where and when: the same for the same options, however fast anything is.

use std::time::Duration;

use super::plan::Profile;

/// How a run's messages are dealt: to the operators in turn, and by each operator to its sessions in turn.
///
/// A phone belongs to one operator, whose messages are numbered `0..`. Message `number` is the run's
/// `number * operators + operator`th.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deal {
    /// Messages of the run.
    pub(crate) messages: u64,
    /// Sessions of the run, of which each operator has at least one.
    pub(crate) sessions: u64,
    pub(crate) operators: u64,
    /// Messages of one phone: 2 where each is delivered twice.
    pub(crate) deliveries: u64,
    pub(crate) pace: Pace,
}

/// When messages are due.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// As soon as the windows let them through.
    Windows,
    /// So many a second.
    Even(f64),
    /// From none a second, growing evenly over the first half of the messages, to so many a second.
    Ramp(f64),
}

impl Deal {
    /// Whose session it is.
    pub(crate) const fn operator(&self, session: u64) -> u64 {
        session % self.operators
    }

    /// How many sessions `operator` has.
    pub(crate) const fn sessions_of(&self, operator: u64) -> u64 {
        (self.sessions - operator).div_ceil(self.operators)
    }

    /// How many messages `operator` has.
    pub(crate) const fn messages_of(&self, operator: u64) -> u64 {
        self.messages.saturating_sub(operator).div_ceil(self.operators)
    }

    /// How many of the operator's phones send its messages.
    pub(crate) const fn phones_of(&self, operator: u64) -> u64 {
        self.messages_of(operator).div_ceil(self.deliveries)
    }

    /// How many phones there are, all operators together.
    pub(crate) fn phones(&self) -> u64 {
        (0..self.operators).map(|operator| self.phones_of(operator)).sum()
    }

    /// Which of all phones sends message `number` of `operator`.
    pub(crate) const fn phone(&self, operator: u64, number: u64) -> u64 {
        (number / self.deliveries) * self.operators + operator
    }

    /// The first message of `phone`, if it is one of the operator's.
    pub(crate) const fn first_of(&self, operator: u64, phone: u64) -> Option<u64> {
        if phone % self.operators != operator {
            return None;
        }
        let number = phone / self.operators * self.deliveries;
        if number < self.messages_of(operator) { Some(number) } else { None }
    }

    /// When message `number` of `operator` is due, from the start; `None` as soon as it can.
    #[expect(clippy::cast_precision_loss, reason = "an index is far from 2^53")]
    pub(crate) fn due(&self, operator: u64, number: u64) -> Option<Duration> {
        let index = (number * self.operators + operator) as f64;
        let seconds = match self.pace {
            Pace::Windows => return None,
            Pace::Even(rate) => index / rate,
            Pace::Ramp(peak) => {
                let half = (self.messages as f64 / 2.0).max(1.0);
                let ramp = 2.0 * half / peak;
                if index < half { ramp * (index / half).sqrt() } else { ramp + (index - half) / peak }
            }
        };
        Some(Duration::from_secs_f64(seconds))
    }
}

impl Pace {
    /// What a profile does with a rate.
    pub(crate) const fn of(profile: Profile, rate: Option<f64>) -> Self {
        match (rate, profile) {
            (None, _) => Self::Windows,
            (Some(peak), Profile::FirstDay) => Self::Ramp(peak),
            (Some(rate), _) => Self::Even(rate),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const DEAL: Deal = Deal { messages: 1001, sessions: 7, operators: 3, deliveries: 1, pace: Pace::Windows };

    #[test]
    fn every_message_has_one_operator_and_every_phone_its_own() {
        let mut phones = BTreeSet::new();
        for operator in 0..3 {
            for number in 0..DEAL.messages_of(operator) {
                let phone = DEAL.phone(operator, number);
                assert!(phones.insert(phone));
                assert_eq!(DEAL.first_of(operator, phone), Some(number));
                assert_eq!(DEAL.first_of((operator + 1) % 3, phone), None);
            }
        }
        assert_eq!((phones.len(), DEAL.phones()), (1001, 1001));
        assert_eq!(phones.last(), Some(&1000));
        assert_eq!((0..3).map(|operator| DEAL.sessions_of(operator)).collect::<Vec<_>>(), [3, 2, 2]);
        assert_eq!(DEAL.first_of(2, 1001), None, "beyond the last");
    }

    #[test]
    fn a_redelivery_is_of_the_same_phone() {
        let deal = Deal { messages: 7, operators: 1, deliveries: 2, ..DEAL };
        assert_eq!(
            (deal.phones(), deal.phone(0, 4), deal.phone(0, 5), deal.first_of(0, 2)),
            (4, 2, 2, Some(4))
        );
    }

    #[test]
    fn a_ramp_grows_evenly_and_then_stays() {
        let deal = Deal { messages: 1000, operators: 1, pace: Pace::Ramp(100.0), ..DEAL };
        let due = |number| deal.due(0, number).unwrap().as_secs_f64();
        assert!((due(125) - 5.0).abs() < 1e-6, "a quarter of the ramp's messages in half of its time");
        assert!((due(500) - 10.0).abs() < 1e-6);
        assert!((due(600) - due(500) - 1.0).abs() < 1e-6);
        assert!((due(501) - due(499) - 0.02).abs() < 1e-4, "no jump");
        let even = Deal { pace: Pace::Even(100.0), ..deal };
        assert_eq!(even.due(0, 250), Some(Duration::from_millis(2500)));
        assert_eq!(Deal { pace: Pace::Windows, ..deal }.due(0, 9), None);
    }
}
