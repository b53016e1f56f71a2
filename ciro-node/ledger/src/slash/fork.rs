//! Faults that can fork the chain. Those of several validators at about the same time count
//! together: each costs three times the part of all voting weight that the *others* have, and
//! everything once the convicts have a third. One machine that is badly run loses little; who forks
//! the chain loses all.
//!
//! What a convict's part is follows from its weight in the epoch of its fault. Of several faults
//! the one with the largest part counts: who was convicted while it had little weight does not
//! thereby pay for what it does with more.

use ciro_protocol::amount::Amount;
use ciro_protocol::economy::{Offence, PPB};
use ciro_protocol::event::Purse;
use ciro_protocol::id::ValidatorId;
use ciro_protocol::wire::List;

use super::{Part, Reach};
use crate::block::{Ledger, Stop};
use crate::mutation::Rule;
use crate::stake::shares::mul_div_up;
use crate::state::{FORKS, FORKS_MAX, Fork, POOLS, Seat, StateError};

/// A validator that was convicted at about the time of a fault.
struct Convict {
    reach: Reach,
    share_ppb: u64,
}

impl Ledger<'_> {
    /// Punishes a fault of a member of a set, and raises what earlier faults of about the same time
    /// cost.
    pub(super) fn forked(
        &mut self,
        offence: &Offence,
        seats: &[Seat],
    ) -> Result<Vec<(Purse, Amount)>, Stop> {
        let mut pool = self.state.expect(POOLS, &offence.validator)?;
        pool.tombstoned = !Rule::NoTombstone.chosen();
        self.state.put(POOLS, &offence.validator, &pool);
        let share_ppb = share(offence.validator, seats)?;
        self.note_fork(offence.validator, Fork { epoch: offence.epoch, share_ppb })?;
        let penalty = self.params()?.penalty;
        let convicts = self.convicts(offence.epoch, penalty.correlation_epochs)?;
        let together: u64 = convicts.iter().map(|it| it.share_ppb).sum();
        let mut taken = Vec::new();
        for Convict { reach, share_ppb } in convicts {
            let others = together.saturating_sub(share_ppb);
            let alone = u64::from(penalty.fork_bps) * (PPB / 10_000);
            let level = match () {
                () if Rule::EachAlone.chosen() => alone,
                () if together.saturating_mul(3) >= PPB => PPB,
                () => others.saturating_mul(3).max(alone).min(PPB),
            };
            taken.extend(self.reach(reach, |lost| Part {
                part: level.saturating_sub(lost),
                whole: if Rule::TakenAgain.chosen() { PPB } else { PPB.saturating_sub(lost) },
            })?);
            self.raise(reach, level)?;
        }
        Ok(taken)
    }

    /// Remembers a fork, and forgets those of its validator that are too old to count with it or
    /// with a later one. Faults of one epoch have one weight, and so one entry.
    fn note_fork(&mut self, validator: ValidatorId, fork: Fork) -> Result<(), StateError> {
        let mut forks = self.state.get(FORKS, &validator)?.unwrap_or_default().into_inner();
        let oldest = self.consensus_epoch().saturating_add(1).saturating_sub(FORKS_MAX as u64);
        forks.retain(|it| it.epoch >= oldest && it.epoch != fork.epoch);
        forks.push(fork);
        forks.sort_by_key(|it| it.epoch);
        let forks = List::new(forks).map_err(|_| StateError::Sum("forks"))?;
        self.state.put(FORKS, &validator, &forks);
        Ok(())
    }

    /// Returns whoever is convicted of forks of about an epoch, members or not.
    fn convicts(&self, epoch: u64, around: u64) -> Result<Vec<Convict>, StateError> {
        let mut convicts = Vec::new();
        for (key, value) in self.state.range(&[FORKS.prefix], &[FORKS.prefix + 1], usize::MAX) {
            let validator = FORKS.name_of(&key)?;
            let forks = FORKS.decode(&key, &value)?;
            let near: Vec<&Fork> =
                forks.iter().filter(|it| it.epoch.abs_diff(epoch) <= around).collect();
            let largest = match near.first() {
                Some(first) if Rule::EarliestShare.chosen() => Some(first.share_ppb),
                _ => near.iter().map(|it| it.share_ppb).max(),
            };
            if let (Some(first), Some(share_ppb)) = (near.first(), largest) {
                convicts.push(Convict { reach: Reach::of(validator, first.epoch), share_ppb });
            }
        }
        Ok(convicts)
    }
}

/// Returns a validator's part of all weight, rounded up, in parts per billion.
fn share(validator: ValidatorId, seats: &[Seat]) -> Result<u64, StateError> {
    let total: u128 = seats.iter().map(|seat| u128::from(seat.weight)).sum();
    let seat = seats.iter().find(|seat| seat.id == validator.0);
    let weight = seat.map_or(0, |seat| u128::from(seat.weight));
    let share = mul_div_up(weight, PPB.into(), total).and_then(|it| u64::try_from(it).ok());
    share.ok_or(StateError::Sum("weights"))
}
