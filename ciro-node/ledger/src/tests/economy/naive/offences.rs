//! What offences cost.

use std::collections::BTreeMap;

use ciro_protocol::economy::Offence;
use ciro_protocol::event::Purse;
use ciro_protocol::id::ValidatorId;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;
use num_bigint::BigUint;

use super::{Done, Whole, big, small};

const BILLION: u64 = 1_000_000_000;

impl Whole {
    pub(super) fn convict(&mut self, offence: Offence, reporter: Option<Address>) -> Done {
        self.known(offence.validator.0)?;
        if self.offences.contains(&offence) {
            return Err(Refusal::OffenceKnown);
        }
        let now = self.epoch();
        if !(offence.epoch == now || offence.epoch + 1 == now) {
            return Err(Refusal::OffenceOutOfTime);
        }
        if !self.sets[&offence.epoch].contains_key(&offence.validator.0) {
            return Err(Refusal::OffenderWeightless);
        }
        self.offences.insert(offence);
        if offence.rule > 5 {
            let until = self.market.now + self.params.penalty.jail_ms;
            let validator = self.validators.get_mut(&offence.validator.0).unwrap();
            validator.jail = Some(validator.jail.unwrap_or(0).max(until));
            let delay = self.params.penalty.delay_bps;
            for purse in self.answering(offence.validator.0, offence.epoch) {
                let lost = self.has(purse) * u128::from(delay) / 10_000;
                self.lose(purse, lost, None);
            }
            return Ok(());
        }
        self.validators.get_mut(&offence.validator.0).unwrap().dead = true;
        let around = self.params.penalty.correlation_epochs;
        // Everybody convicted of a fork about then, with its largest part and its first fault.
        let mut convicts: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        for fault in self.offences.iter().filter(|it| it.rule < 6) {
            if fault.epoch.abs_diff(offence.epoch) <= around {
                let share = self.share(fault);
                let (most, first) = convicts.entry(fault.validator.0).or_insert((0, fault.epoch));
                (*most, *first) = (share.max(*most), fault.epoch.min(*first));
            }
        }
        let together: u64 = convicts.values().map(|(share, _)| share).sum();
        let seated = |number: &u32| self.seated.contains_key(number);
        if convicts.len() > 1 && !convicts.keys().all(seated) {
            self.market.happens("a convict that votes no longer counts");
        }
        if convicts.len() > 1 {
            self.market.happens("convicts count together");
        }
        for (validator, (share, first)) in convicts {
            let own = u64::from(self.params.penalty.fork_bps) * 100_000;
            let level = match 3 * together {
                BILLION.. => BILLION,
                all => (all - 3 * share).max(own).min(BILLION),
            };
            for purse in self.answering(validator, first) {
                let known = self.level(purse);
                if known < level {
                    let left = BigUint::from(BILLION - known);
                    let lost = small(&(big(self.has(purse)) * (level - known) / left));
                    self.lose(purse, lost, reporter);
                    self.set_level(purse, level);
                }
            }
        }
        Ok(())
    }

    /// The part that an offender has of its epoch's votes, in billionths, rounded up.
    fn share(&self, fault: &Offence) -> u64 {
        let set = &self.sets[&fault.epoch];
        let all: BigUint = set.values().map(|(_, weight)| BigUint::from(*weight)).sum();
        let one = set.get(&fault.validator.0).map_or(0, |(_, weight)| *weight);
        let share = (BigUint::from(one) * BILLION + &all - 1_u32) / all;
        u64::try_from(share).unwrap()
    }

    /// The money that answers for a fault of an epoch: all but what left two epochs before it, when
    /// the set of its epoch was elected.
    fn answering(&self, validator: u32, epoch: u64) -> Vec<Purse> {
        let mut epochs: Vec<u64> = self
            .departures
            .values()
            .filter(|it| it.validator == validator && it.epoch + 2 > epoch)
            .map(|it| it.epoch)
            .collect();
        epochs.sort_unstable();
        epochs.dedup();
        let validator = ValidatorId(validator);
        let leaving = epochs.into_iter().map(|epoch| Purse::Leaving(validator, epoch));
        std::iter::once(Purse::Stake(validator)).chain(leaving).collect()
    }

    fn level(&self, purse: Purse) -> u64 {
        match purse {
            Purse::Stake(validator) => self.validators[&validator.0].lost,
            Purse::Leaving(validator, epoch) => self.lost[&(validator.0, epoch)],
            other => panic!("{other:?} loses nothing"),
        }
    }

    fn set_level(&mut self, purse: Purse, level: u64) {
        match purse {
            Purse::Stake(validator) => {
                self.validators.get_mut(&validator.0).unwrap().lost = level;
            }
            Purse::Leaving(validator, epoch) => {
                self.lost.insert((validator.0, epoch), level);
            }
            other => panic!("{other:?} loses nothing"),
        }
    }

    fn lose(&mut self, from: Purse, lost: u128, reporter: Option<Address>) {
        let mut burned = lost;
        if let Some(reporter) = reporter {
            let own = match from {
                Purse::Stake(ValidatorId(number)) => {
                    let members = &self.validators[&number].members;
                    let all: BigUint = members.values().map(|it| &it.shares).sum();
                    let operator = members.get(&self.validators[&number].operator);
                    let held = operator.map_or(BigUint::ZERO, |it| it.shares.clone());
                    if all == BigUint::ZERO { 0 } else { small(&(held * lost / all)) }
                }
                _ => 0,
            };
            let bounty = own * u128::from(self.params.penalty.bounty_bps) / 10_000;
            self.give(from, Purse::Account(reporter), bounty).unwrap();
            burned -= bounty;
        }
        self.give(from, Purse::Burned, burned).unwrap();
    }
}
