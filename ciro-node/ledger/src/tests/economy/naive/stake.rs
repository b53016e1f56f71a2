//! Stake of validators and delegators.

use ciro_protocol::event::Purse;
use ciro_protocol::id::ValidatorId;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::RegisterValidator;
use num_bigint::BigUint;

use super::super::super::naive::Alarm;
use super::super::world::WEIGHT;
use super::{Departure, Done, Member, Seated, Validator, Whole, big, small};

impl Member {
    /// Counts what it has earned until now.
    fn count(&mut self) {
        self.earned += &self.since >> 64;
        self.since = BigUint::ZERO;
    }

    /// What it has earned and not taken.
    pub(crate) fn owed(&self) -> u128 {
        small(&(&self.earned + (&self.since >> 64_u32)))
    }
}

impl Whole {
    pub(super) fn stake(&self, validator: u32) -> u128 {
        self.has(Purse::Stake(ValidatorId(validator)))
    }

    fn all_shares(&self, validator: u32) -> BigUint {
        self.validators[&validator].members.values().map(|it| &it.shares).sum()
    }

    /// What shares of a validator's stake are worth.
    pub(crate) fn worth(&self, validator: u32, shares: &BigUint) -> u128 {
        let all = self.all_shares(validator);
        if all == BigUint::ZERO { 0 } else { small(&(shares * self.stake(validator) / all)) }
    }

    pub(super) fn shares_of(&self, validator: u32, by: Address) -> BigUint {
        let member = self.validators[&validator].members.get(&by);
        member.map_or(BigUint::ZERO, |it| it.shares.clone())
    }

    pub(super) fn register(&mut self, by: Address, body: &RegisterValidator) -> Done {
        let terms = body.commission;
        let sound = terms.max_bps <= 10_000 && terms.bps.max(terms.step_bps) <= terms.max_bps;
        let bond = body.bond.units();
        match () {
            () if self.validators.values().any(|it| it.operator == by) => {
                return Err(Refusal::ValidatorExists);
            }
            () if self.validators.values().any(|it| it.key == body.key) => {
                return Err(Refusal::KeyTaken);
            }
            () if !sound => return Err(Refusal::CommissionRange),
            () if bond < self.params.stake.self_bond_min.units() => {
                return Err(Refusal::SelfBondTooSmall);
            }
            () if !Self::possessed(by, body.key) => return Err(Refusal::NotPossessed),
            () if self.validators.len() >= self.params.stake.validators_max as usize => {
                return Err(Refusal::ValidatorsFull);
            }
            () => {}
        }
        let validator = Validator {
            operator: by,
            key: body.key,
            commission: terms,
            changed: self.market.now,
            has_run: false,
            jail: Some(self.market.now),
            dead: false,
            lost: 0,
            members: [].into(),
        };
        let number = self.next_validator;
        self.next_validator += 1;
        self.validators.insert(number, validator);
        self.delegate(by, number, bond)
    }

    fn operated(&self, by: Address) -> Result<u32, Refusal> {
        let found = self.validators.iter().find(|(_, it)| it.operator == by);
        found.map(|(number, _)| *number).ok_or(Refusal::NotOperator)
    }

    pub(super) fn set_commission(&mut self, by: Address, bps: u16) -> Done {
        let number = self.operated(by)?;
        let (now, pause) = (self.market.now, self.params.stake.commission_ms);
        let validator = self.validators.get_mut(&number).unwrap();
        let (old, terms) = (validator.commission.bps, validator.commission);
        if bps > terms.max_bps || bps > old + terms.step_bps || bps + terms.step_bps < old {
            return Err(Refusal::CommissionRange);
        }
        if now < validator.changed + pause {
            return Err(Refusal::CommissionTooSoon);
        }
        validator.commission.bps = bps;
        validator.changed = now;
        Ok(())
    }

    pub(super) fn unjail(&mut self, by: Address) -> Done {
        let number = self.operated(by)?;
        let now = self.market.now;
        let validator = self.validators.get_mut(&number).unwrap();
        match validator.jail {
            _ if validator.dead => Err(Refusal::ValidatorTombstoned),
            None => Err(Refusal::NotJailed),
            Some(until) if now < until => Err(Refusal::JailNotOver),
            Some(_) => {
                validator.jail = None;
                Ok(())
            }
        }
    }

    pub(super) fn delegate(&mut self, by: Address, number: u32, amount: u128) -> Done {
        let dead = self.known(number)?.dead;
        if amount == 0 {
            return Err(Refusal::ZeroAmount);
        }
        if dead {
            return Err(Refusal::ValidatorTombstoned);
        }
        let (all, stake) = (self.all_shares(number), self.stake(number));
        let bought = match () {
            () if all == BigUint::ZERO => big(amount),
            () if big(stake) * 65_536_u32 < all => return Err(Refusal::ValidatorWorn),
            () => big(amount) * &all / stake,
        };
        self.give(Purse::Account(by), Purse::Stake(ValidatorId(number)), amount)?;
        let member = self.validators.get_mut(&number).unwrap().members.entry(by).or_default();
        member.count();
        member.shares += bought;
        Ok(())
    }

    pub(super) fn claim_rewards(&mut self, by: Address, number: u32) -> Done {
        self.known(number)?;
        let member = self.validators.get_mut(&number).unwrap().members.entry(by).or_default();
        member.count();
        let earned = std::mem::take(&mut member.earned);
        if earned == BigUint::ZERO {
            return Err(Refusal::NothingEarned);
        }
        self.give(Purse::Earned(ValidatorId(number)), Purse::Account(by), small(&earned))
    }

    pub(super) fn depart(
        &mut self,
        by: Address,
        number: u32,
        to: Option<u32>,
        amount: u128,
    ) -> Done {
        if amount == 0 {
            return Err(Refusal::ZeroAmount);
        }
        let held = self.shares_of(number, by);
        let worth = self.worth(number, &held);
        if worth < amount {
            return Err(Refusal::NotDelegated);
        }
        let exact = big(amount) * self.all_shares(number);
        let stake = big(self.stake(number));
        let sold = if worth == amount { held.clone() } else { (exact + &stake - 1_u32) / stake };
        // Weight in consensus that stays has a bond of its operator behind it.
        if self.params.stake.seats == 0 && by == self.validators[&number].operator {
            let weight = |epoch| self.sets[&epoch].get(&number).map_or(0, |(_, weight)| *weight);
            let weight = weight(self.epoch()).max(weight(self.epoch() + 1));
            if held < &sold + big(WEIGHT) * weight {
                return Err(Refusal::BondHeld);
            }
        }
        let validator = self.validators.get_mut(&number).unwrap();
        let level = validator.lost;
        let member = validator.members.get_mut(&by).unwrap();
        member.count();
        member.shares -= sold;

        let epoch = self.epoch();
        let leaving = Purse::Leaving(ValidatorId(number), epoch);
        let (money, all) = (self.has(leaving), self.all_leaving(number, epoch));
        if big(money) * 65_536_u32 < all {
            return Err(Refusal::ValidatorWorn);
        }
        if all == BigUint::ZERO {
            self.lost.insert((number, epoch), level);
        }
        let shares = if all == BigUint::ZERO { big(amount) } else { big(amount) * all / money };
        self.give(Purse::Stake(ValidatorId(number)), leaving, amount).unwrap();
        if self.all_shares(number) == BigUint::ZERO {
            let rest = self.stake(number);
            self.give(Purse::Stake(ValidatorId(number)), Purse::Burned, rest).unwrap();
        }
        let departure = Departure { validator: number, epoch, account: by, shares, to };
        self.departures.insert(self.next_departure, departure);
        let due = self.market.now + self.params.stake.unbonding_ms;
        self.alarm(due, Alarm::Departs(self.next_departure));
        self.next_departure += 1;
        Ok(())
    }

    fn all_leaving(&self, validator: u32, epoch: u64) -> BigUint {
        let all = self.departures.values();
        let of_epoch = all.filter(|it| it.validator == validator && it.epoch == epoch);
        of_epoch.map(|it| &it.shares).sum()
    }

    pub(super) fn departs(&mut self, number: u64) {
        let it = self.departures[&number].clone();
        if self.epoch() < it.epoch + 3 {
            self.market.happens("stake waits for evidence");
            let due = self.market.now + self.params.stake.unbonding_ms / 16 + 1;
            return self.alarm(due, Alarm::Departs(number));
        }
        let all = self.all_leaving(it.validator, it.epoch);
        let from = Purse::Leaving(ValidatorId(it.validator), it.epoch);
        let amount = small(&(&it.shares * self.has(from) / all));
        self.give(from, Purse::Account(it.account), amount).unwrap();
        self.departures.remove(&number);
        if self.all_leaving(it.validator, it.epoch) == BigUint::ZERO {
            let rest = self.has(from);
            self.give(from, Purse::Burned, rest).unwrap();
            self.lost.remove(&(it.validator, it.epoch));
        }
        let Some(to) = it.to else { return self.market.happens("stake leaves") };
        // Refused if the validator takes no more, or if nothing is left.
        let before = self.clone();
        let came = self.delegate(it.account, to, amount).is_ok();
        if !came {
            *self = before;
        }
        self.market.happens(if came { "stake moves" } else { "stake cannot move" });
    }

    /// Ends an epoch of rewards.
    pub(super) fn end_epoch(&mut self, at: u64) {
        self.alarm(at + self.params.epoch_ms, Alarm::Epoch);
        self.spent = 0;
        let members: Vec<(u32, Seated)> = self.seated.clone().into_iter().collect();
        let penalty = self.params.penalty;
        for (number, member) in &members {
            let there = self.seen.get(number).map_or(0, |it| it.len() as u64);
            let due = self.slots.difference(&member.missed).count() as u64;
            let away = there * 10_000 < due * u64::from(penalty.presence_bps);
            let until = self.market.now + penalty.jail_ms;
            let validator = self.validators.get_mut(number).unwrap();
            if due >= 4 && !away && there > 0 && member.missed.is_empty() {
                if !validator.has_run {
                    self.market.happens("a newcomer has run");
                }
                validator.has_run = true;
            }
            if due >= 4 && away && !validator.dead && validator.jail.is_none() {
                self.market.happens("a validator was away");
                validator.jail = Some(until);
                let lost = self.stake(*number) * u128::from(penalty.downtime_bps) / 10_000;
                self.give(Purse::Stake(ValidatorId(*number)), Purse::Burned, lost).unwrap();
            }
        }
        self.slots.clear();
        self.seen.clear();
        self.seated.values_mut().for_each(|it| it.missed.clear());
        let there = members.into_iter().filter(|(_, member)| member.missed.is_empty());
        let paid: Vec<u32> =
            there.map(|(number, _)| number).filter(|number| self.is_paid(*number)).collect();
        let total: u128 = paid.iter().map(|number| self.stake(*number)).sum();
        if total == 0 {
            return self.market.happens("nobody is paid");
        }
        self.market.happens("rewards are released");
        let released = self.has(Purse::Rewards) * u128::from(self.params.emission_ppb);
        let released = released / 1_000_000_000;
        let treasury = released * u128::from(self.params.treasury_bps) / 10_000;
        self.give(Purse::Rewards, Purse::Treasury, treasury).unwrap();
        for number in paid {
            let part = small(&(big(released - treasury) * self.stake(number) / total));
            let all = self.all_shares(number);
            let validator = self.validators.get_mut(&number).unwrap();
            let commission = part * u128::from(validator.commission.bps) / 10_000;
            let rest = part - commission;
            for member in validator.members.values_mut() {
                member.since += &member.shares * ((big(rest) << 64) / &all);
            }
            let operator = Purse::Account(validator.operator);
            self.give(Purse::Rewards, operator, commission).unwrap();
            self.give(Purse::Rewards, Purse::Earned(ValidatorId(number)), rest).unwrap();
        }
    }

    fn is_paid(&self, number: u32) -> bool {
        let validator = &self.validators[&number];
        let own = self.worth(number, &self.shares_of(number, validator.operator));
        let enough = own >= self.params.stake.self_bond_min.units();
        enough && !validator.dead && validator.jail.is_none()
    }
}
