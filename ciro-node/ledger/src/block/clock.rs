//! Ledger time: the median of the validators' clocks, weighted by stake. It never goes back.

use std::collections::BTreeMap;

use super::{Block, Ledger};
use crate::state::{StateError, VALIDATORS, ValidatorRecord};

/// How far behind the clock may be and come back at twice the speed of time, in ms.
const BEHIND_MAX_MS: u64 = 86_400_000;

impl Ledger<'_> {
    /// Takes the times that batches carry and moves the clock, by `step_max_ms` in a block at most.
    /// The first block sets it, if it holds enough of them.
    ///
    /// A clock that is behind by a day at most, after an outage, moves at most twice as far as the
    /// validators' clocks have moved since the block before: leases and deadlines, those of before
    /// and those of what is ordered meanwhile, last half of their time at least. One that is
    /// further behind is that of a network which starts long after its genesis was made.
    ///
    /// Returns how far it is behind after that, in ms.
    pub(crate) fn advance_clock(&mut self, block: &Block<'_>) -> Result<u64, StateError> {
        let before = median(self.members()?.into_values().collect());
        for batch in block.batches {
            let Ok(id) = u32::try_from(batch.submitter.0) else { continue };
            let Some(mut validator) = self.state.get(VALIDATORS, &id)? else { continue };
            validator.time_ms = validator.time_ms.max(batch.time_ms);
            self.state.put(VALIDATORS, &id, &validator);
        }
        self.state.keep();
        let median = median(self.members()?.into_values().collect());
        let (now, step_max_ms) = (self.chain.time_ms, self.spec.time.step_max_ms);
        let step = match self.chain.height {
            0 | 1 => u64::MAX,
            _ if median.saturating_sub(now) > BEHIND_MAX_MS => step_max_ms,
            _ => median.saturating_sub(before).saturating_mul(2).min(step_max_ms),
        };
        self.chain.time_ms = now.max(median.min(now.saturating_add(step)));
        Ok(median.saturating_sub(self.chain.time_ms))
    }

    /// Returns who votes in the epoch of the block at hand.
    pub(crate) fn members(&self) -> Result<BTreeMap<u32, ValidatorRecord>, StateError> {
        let (from, to) = ([VALIDATORS.prefix], [VALIDATORS.prefix + 1]);
        let entries = self.state.range(&from, &to, usize::MAX);
        let entry = |(key, value): &(Vec<u8>, Vec<u8>)| {
            Ok((VALIDATORS.name_of(key)?, VALIDATORS.decode(key, value)?))
        };
        entries.iter().map(entry).collect()
    }
}

/// Returns the earliest time such that clocks of at least half of the stake are not later. With
/// less than half of the stake faulty it lies between honest clocks.
fn median(mut validators: Vec<ValidatorRecord>) -> u64 {
    validators.sort_by_key(|validator| validator.time_ms);
    let total: u128 = validators.iter().map(|it| u128::from(it.stake)).sum();
    let mut passed = 0;
    let middle = validators.iter().find(|validator| {
        passed += u128::from(validator.stake);
        2 * passed >= total
    });
    middle.map_or(0, |validator| validator.time_ms)
}

#[cfg(test)]
mod tests {
    use ciro_protocol::SecretKey;

    use super::*;

    #[test]
    fn the_median_is_weighted_by_stake() {
        let key = SecretKey::from_seed(b"validator").address();
        let at = |clocks: &[(u64, u64)]| {
            let record =
                |&(stake, time_ms)| ValidatorRecord { key, stake, time_ms, joined_slots: 0 };
            median(clocks.iter().map(record).collect())
        };
        assert_eq!(at(&[(1, 9)]), 9);
        assert_eq!(at(&[(1, 5), (1, u64::MAX), (1, 7)]), 7);
        assert_eq!(at(&[(1, 0), (1, 7), (1, 5), (1, u64::MAX)]), 5);
        assert_eq!(at(&[(3, 100), (1, 0), (1, 0)]), 100, "stake decides, not counts");
        assert_eq!(at(&[(u64::MAX, 3), (u64::MAX, 4)]), 3);
    }
}
