//! How fast an operator takes replies.

use std::time::{Duration, Instant};

/// A token bucket with a second's worth of tokens, whose rate halves when the operator throttles and recovers by
/// an eighth in each second without.
#[derive(Debug)]
pub struct Pace {
    /// Agreed messages/s; `None` is unlimited.
    agreed: Option<f64>,
    /// What the operator bears at present; `None` while it has not throttled.
    borne: Option<f64>,
    tokens: f64,
    refilled_at: Instant,
    /// Sends of the running second, to know from what to halve.
    sent: f64,
    second_began: Instant,
    sent_last: f64,
}

impl Pace {
    const SECOND: Duration = Duration::from_secs(1);

    /// `agreed` is in messages/s; 0 is unlimited.
    #[must_use]
    pub fn new(agreed: u32, now: Instant) -> Self {
        let agreed = (agreed > 0).then_some(f64::from(agreed));
        Self {
            agreed,
            borne: None,
            tokens: agreed.unwrap_or(0.0),
            refilled_at: now,
            sent: 0.0,
            second_began: now,
            sent_last: 0.0,
        }
    }

    /// Another rate is agreed, in messages/s; 0 is unlimited.
    pub fn agree(&mut self, agreed: u32, now: Instant) {
        let agreed = (agreed > 0).then_some(f64::from(agreed));
        if agreed != self.agreed {
            self.advance(now);
            self.agreed = agreed;
            self.tokens = self.tokens.min(agreed.unwrap_or(0.0));
        }
    }

    /// Takes the permission to send one message; `false` if it has to wait until [`next`](Self::next).
    pub fn take(&mut self, now: Instant) -> bool {
        self.advance(now);
        if self.rate().is_some() {
            if self.tokens < 1.0 {
                return false;
            }
            self.tokens -= 1.0;
        }
        self.sent += 1.0;
        true
    }

    /// The operator asked to slow down (`ESME_RTHROTTLED`, `ESME_RMSGQFUL`, `ESME_RX_T_APPN`).
    pub fn throttled(&mut self, now: Instant) {
        self.advance(now);
        let present = self.rate().unwrap_or(self.sent.max(self.sent_last).max(2.0));
        self.borne = Some((present / 2.0).max(1.0));
        // What is in flight will be refused as well: one pause, not a halving for each.
        self.tokens = self.tokens.min(0.0);
    }

    /// When a message may be sent, if none may now.
    #[must_use]
    pub fn next(&self, now: Instant) -> Option<Instant> {
        let rate = self.rate()?;
        (self.tokens < 1.0)
            .then(|| now + Duration::from_secs_f64(((1.0 - self.tokens) / rate).clamp(0.001, 10.0)))
    }

    fn rate(&self) -> Option<f64> {
        match (self.agreed, self.borne) {
            (Some(agreed), Some(borne)) => Some(agreed.min(borne)),
            (agreed, borne) => agreed.or(borne),
        }
    }

    fn advance(&mut self, now: Instant) {
        if now == self.refilled_at {
            return;
        }
        while now.saturating_duration_since(self.second_began) >= Self::SECOND {
            let idle = now.duration_since(self.second_began) >= Self::SECOND * 60;
            self.second_began = if idle { now } else { self.second_began + Self::SECOND };
            self.sent_last = std::mem::take(&mut self.sent);
            self.recover(idle);
        }
        if let Some(rate) = self.rate() {
            let elapsed = now.saturating_duration_since(self.refilled_at).as_secs_f64();
            self.tokens = (self.tokens + elapsed * rate).min(rate.max(1.0));
        }
        self.refilled_at = now;
    }

    fn recover(&mut self, idle: bool) {
        let Some(borne) = self.borne else { return };
        let recovered = borne * 1.125 + 1.0;
        // Once twice of what is wanted goes through, the limit limits nothing.
        let pointless =
            self.agreed.map_or(recovered > 2.0 * self.sent_last.max(50.0), |agreed| recovered >= agreed);
        self.borne = (!idle && !pointless).then_some(recovered);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sendable(pace: &mut Pace, now: Instant) -> usize {
        (0..10_000).take_while(|_| pace.take(now)).count()
    }

    /// Tests need some origin of time; only differences matter.
    fn origin() -> Instant {
        Instant::now()
    }

    #[test]
    fn never_above_the_agreed_rate() {
        let start = origin();
        let mut pace = Pace::new(100, start);
        assert_eq!(sendable(&mut pace, start), 100);
        let mut total = 0;
        for tick in 1..=50 {
            total += sendable(&mut pace, start + Duration::from_millis(100 * tick));
        }
        assert_eq!(total, 500);
    }

    #[test]
    fn an_unlimited_operator_waits_for_nothing() {
        let start = origin();
        let mut pace = Pace::new(0, start);
        assert_eq!(sendable(&mut pace, start), 10_000);
        assert_eq!(pace.next(start), None);
    }

    #[test]
    fn throttling_halves_and_recovers() {
        let start = origin();
        let mut pace = Pace::new(100, start);
        pace.throttled(start);
        assert_eq!(sendable(&mut pace, start), 0);
        assert!(pace.next(start).is_some_and(|at| at > start));
        let after = |seconds| start + Duration::from_secs(seconds);
        let first = sendable(&mut pace, after(1));
        assert!((50..=60).contains(&first), "{first}");
        for second in 2..30 {
            sendable(&mut pace, after(second));
        }
        assert_eq!(sendable(&mut pace, after(30)), 100);
    }
}
