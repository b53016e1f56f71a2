//! The clock of this machine.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Returns the time, in ms since 1970; 0 for a clock before that.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Counts time from its making on, as consensus wants it: it never goes back.
#[derive(Clone, Copy, Debug)]
pub struct Monotonic(Instant);

impl Monotonic {
    /// Begins to count.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Returns how long ago that was.
    #[must_use]
    pub fn passed(&self) -> Duration {
        self.0.elapsed()
    }
}
