//! Ledger time: the median of the validators' clocks, weighted by stake. It never goes back.

use super::{Block, Ledger};
use crate::state::{StateError, VALIDATORS, ValidatorRecord};

impl Ledger<'_> {
    /// Takes the times that batches carry and moves the clock. It is set once more than two thirds
    /// of the stake have told their time; the economy begins then. From there it moves by
    /// `step_max_ms` in a block at most, and at most twice as far as the validators' clocks have
    /// moved since the block before: after an outage leases and deadlines, those of before and
    /// those of what is ordered while the clock is behind, last half of their time at least.
    pub(crate) fn advance_clock(&mut self, block: &Block<'_>) -> Result<(), StateError> {
        let before = median(self.validators()?);
        for batch in block.batches {
            let Ok(id) = u32::try_from(batch.submitter.0) else { continue };
            let Some(mut validator) = self.state.get(VALIDATORS, &id)? else { continue };
            validator.time_ms = validator.time_ms.max(batch.time_ms);
            self.state.put(VALIDATORS, &id, &validator);
        }
        self.state.keep();
        let Some(median) = median(self.validators()?) else { return Ok(()) };
        let now = self.chain.time_ms;
        let Some(before) = before else {
            self.chain.time_ms = now.max(median);
            return self.start_economy();
        };
        let step = median.saturating_sub(before).saturating_mul(2);
        let step = step.min(self.spec.time.step_max_ms);
        self.chain.time_ms = now.max(median.min(now.saturating_add(step)));
        Ok(())
    }

    fn validators(&self) -> Result<Vec<ValidatorRecord>, StateError> {
        let ids = self.spec.validators.iter().map(|validator| validator.id);
        ids.map(|id| self.state.expect(VALIDATORS, &id)).collect()
    }
}

/// Returns the earliest time such that clocks of at least half of the stake that has told its time
/// are not later; `None` until that is more than two thirds of all. With less than a third of the
/// stake faulty it lies between honest clocks.
fn median(mut validators: Vec<ValidatorRecord>) -> Option<u64> {
    let stake = |of: &[ValidatorRecord]| of.iter().map(|it| u128::from(it.stake)).sum::<u128>();
    let all = stake(&validators);
    validators.retain(|validator| validator.time_ms > 0);
    let told = stake(&validators);
    if 3 * told <= 2 * all {
        return None;
    }
    validators.sort_by_key(|validator| validator.time_ms);
    let mut passed = 0;
    let middle = validators.iter().find(|validator| {
        passed += u128::from(validator.stake);
        2 * passed >= told
    });
    middle.map(|validator| validator.time_ms)
}

#[cfg(test)]
mod tests {
    use ciro_protocol::SecretKey;

    use super::*;

    #[test]
    fn the_median_is_weighted_by_stake() {
        let key = SecretKey::from_seed(b"validator").address();
        let at = |clocks: &[(u64, u64)]| {
            let record = |&(stake, time_ms)| ValidatorRecord { key, stake, time_ms };
            median(clocks.iter().map(record).collect())
        };
        assert_eq!(at(&[(1, 9)]), Some(9));
        assert_eq!(at(&[(1, 5), (1, u64::MAX), (1, 7)]), Some(7));
        assert_eq!(at(&[(3, 100), (1, 1), (1, 1)]), Some(100), "stake decides, not counts");
        assert_eq!(at(&[(u64::MAX, 3), (u64::MAX, 4)]), Some(3));
        assert_eq!(at(&[(1, 0), (1, 7), (1, 1), (1, 8)]), Some(7), "who is absent tells nothing");
        assert_eq!(at(&[(1, 0), (1, 7), (1, u64::MAX), (1, 8)]), Some(8));
        assert_eq!(at(&[(1, 0), (1, 7), (1, 8)]), None, "two thirds are not more than that");
    }
}
