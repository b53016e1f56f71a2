//! How much one validator may send: messages of consensus, since all share the queue of the thread
//! that verifies them, and bytes of batches, since whatever is ordered stays on every disk.

use std::time::Instant;

/// Of what one may send how much.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    per_second: u64,
    /// At once, for whoever has sent none for a while.
    burst: u64,
}

/// Messages of consensus: about seven for each block of a chain that makes 300 a second.
const MESSAGES: Rate = Rate { per_second: 2_000, burst: 4_096 };
/// Bytes of batches: some 7,000 transfers a second, and twice what an honest submitter has
/// outstanding at once.
pub(super) const BATCH_BYTES: Rate = Rate { per_second: 2 << 20, burst: 32 << 20 };
/// What one takes: the rate is in millionths for each microsecond.
const ONE: u64 = 1_000_000;

/// What one validator may send now.
#[derive(Debug)]
pub(super) struct Allowance {
    rate: Rate,
    left: u64,
    at: Instant,
}

impl Allowance {
    /// Begins with all messages of consensus that may come at once.
    pub(super) const fn new(now: Instant) -> Self {
        Self::of(MESSAGES, now)
    }

    /// Begins with all that may come at once.
    pub(super) const fn of(rate: Rate, now: Instant) -> Self {
        Self { rate, left: rate.burst * ONE, at: now }
    }

    /// Takes one; false if it is one too many.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        self.take_many(1, now)
    }

    /// Takes so many, or none and false if that is too many.
    pub(super) fn take_many(&mut self, count: u64, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.at).as_micros();
        let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX);
        let earned = elapsed.saturating_mul(self.rate.per_second);
        self.at = now;
        self.left = self.left.saturating_add(earned).min(self.rate.burst * ONE);
        let left = self.left.checked_sub(count.saturating_mul(ONE));
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

    #[test]
    fn batches_cost_their_bytes() {
        let begun = Instant::now();
        let mut allowance = Allowance::of(BATCH_BYTES, begun);
        let batch = 256 << 10;
        let mut taken = |at: Duration| {
            let take = || allowance.take_many(batch, begun + at);
            std::iter::repeat_with(take).take_while(|it| *it).count()
        };
        assert_eq!(taken(Duration::ZERO), 128);
        assert_eq!(taken(Duration::from_secs(1)), 8);
        assert!(!allowance.take_many(u64::MAX, begun + Duration::from_secs(9)));
    }
}
