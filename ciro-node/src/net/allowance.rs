//! How many messages of consensus one validator may send: all share the queue of the thread that
//! verifies them.

use std::time::Instant;

/// Messages a second: about seven for each block of a chain that makes 300 a second.
const PER_SECOND: u64 = 2_000;
/// Messages at once, for whoever has sent none for a while.
const BURST: u64 = 4_096;
/// What a message takes: the rate is in millionths of a message for each microsecond.
const MESSAGE: u64 = 1_000_000;

/// What one validator may send now.
#[derive(Debug)]
pub(super) struct Allowance {
    left: u64,
    at: Instant,
}

impl Allowance {
    pub(super) const fn new(now: Instant) -> Self {
        Self { left: BURST * MESSAGE, at: now }
    }

    /// Takes a message; false if it is one too many.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.at).as_micros();
        let earned = u64::try_from(elapsed).unwrap_or(u64::MAX).saturating_mul(PER_SECOND);
        self.at = now;
        self.left = self.left.saturating_add(earned).min(BURST * MESSAGE);
        let left = self.left.checked_sub(MESSAGE);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_validator_sends_no_more_than_its_rate_whatever_the_pace() {
        let begun = Instant::now();
        let mut allowance = Allowance::new(begun);
        let mut taken = |at: Duration| {
            std::iter::repeat_with(|| allowance.take(begun + at)).take_while(|it| *it).count()
        };
        assert_eq!(taken(Duration::ZERO), 4_096);
        assert_eq!(taken(Duration::from_millis(1)), 2);
        assert_eq!(taken(Duration::from_micros(1_499)), 0, "a part of one is none");
        assert_eq!(taken(Duration::from_micros(1_500)), 1);
        assert_eq!(taken(Duration::from_secs(3600)), 4_096, "what is not used is not kept");
    }
}
