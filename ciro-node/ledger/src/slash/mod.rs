//! What offences cost. Consensus proves them and puts them into blocks; whoever finds one that no
//! block has, brings it by a transaction for a bounty.
//!
//! - A fault that can fork the chain costs `fork_bps` of the stake and the validator's place for
//!   ever. Faults of several validators at about the same time count together: each costs three
//!   times the part of all voting weight that the *others* have, and everything once the convicts
//!   have a third. One machine that is badly run loses little; who forks the chain loses all.
//! - A fault that can only delay costs `delay_bps` and some time in jail.
//!
//! A fault costs what was at stake when it happened: the stake that is there, and what left in the
//! epoch of the fault or later.

use ciro_protocol::amount::Amount;
use ciro_protocol::economy::{EconomyParams, Offence, PPB, Severity};
use ciro_protocol::event::{Event, Movement, Purse, Why};
use ciro_protocol::id::ValidatorId;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::ReportOffence;

use crate::block::{Ledger, Stop};
use crate::mutation::Rule;
use crate::stake::shares::portion;
use crate::state::{DELEGATIONS, LEAVING, OFFENCES, POOLS, StateError, VALIDATORS};

/// A part of something.
#[derive(Clone, Copy)]
struct Part {
    part: u64,
    whole: u64,
}

/// What a fault costs, and from which epoch on what left is reached.
#[derive(Clone, Copy)]
struct Reach {
    validator: ValidatorId,
    since: u64,
}

impl Ledger<'_> {
    /// Punishes what a block carries. What was punished before, or is out of time, costs nothing.
    pub(crate) fn punish(&mut self, offences: &[Offence]) -> Result<(), StateError> {
        for offence in offences {
            match self.convict(offence, None) {
                Ok(()) => self.state.keep(),
                Err(Stop::Refused(_)) => self.state.drop(),
                Err(Stop::Broken(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Punishes what an account brings. That the evidence holds was checked before the vote.
    pub(crate) fn report_offence(&mut self, by: Address, body: &ReportOffence) -> Result<(), Stop> {
        self.params()?;
        let offence = Offence::claimed(&body.evidence).ok_or(Refusal::ValidatorUnknown)?;
        self.convict(&offence, Some(by))
    }

    fn convict(&mut self, offence: &Offence, reporter: Option<Address>) -> Result<(), Stop> {
        let params = self.params()?;
        let now = self.consensus_epoch();
        let pool = self.pool(offence.validator)?;
        if self.state.get(OFFENCES, offence)?.is_some() && !Rule::PunishedTwice.chosen() {
            return Err(Refusal::OffenceKnown.into());
        }
        let over = offence.epoch.saturating_add(1) < now && !Rule::EvidenceForEver.chosen();
        if offence.epoch > now || over {
            return Err(Refusal::OffenceOutOfTime.into());
        }
        self.state.put(OFFENCES, offence, &());
        self.events.push(Event::ValidatorConvicted { offence: *offence });
        let taken = match offence.severity() {
            Severity::Delay => {
                let until_ms = self.chain.time_ms.saturating_add(params.penalty.jail_ms);
                let mut jailed = pool;
                jailed.jailed_until_ms = pool.jailed_until_ms.max(Some(until_ms));
                self.state.put(POOLS, &offence.validator, &jailed);
                self.events.push(Event::ValidatorJailed { validator: offence.validator, until_ms });
                let cost = Part { part: params.penalty.delay_bps.into(), whole: 10_000 };
                let reach = Reach { validator: offence.validator, since: offence.epoch };
                let taken = self.reach(reach, |_| cost)?;
                // Such a fault is easily made: a bounty would be a price for making it.
                return self.divide(taken, None, 0);
            }
            Severity::Fork => self.forked(offence, &params)?,
        };
        self.divide(taken, reporter, params.penalty.bounty_bps)
    }

    /// Returns what of a loss of a validator's stake its operator bears, rounded down.
    fn own_loss(&self, from: Purse, amount: Amount) -> Result<Amount, StateError> {
        let Purse::Stake(validator) = from else { return Ok(Amount::ZERO) };
        let pool = self.state.expect(POOLS, &validator)?;
        if Rule::BountyOfAll.chosen() || pool.shares == 0 {
            return Ok(amount);
        }
        let own = self.state.get(DELEGATIONS, &(validator, pool.operator))?.unwrap_or_default();
        portion(amount, own.shares, pool.shares)
    }

    /// Punishes a fault that can fork the chain, and raises what earlier ones of about the same
    /// time cost, since they count together.
    fn forked(
        &mut self,
        offence: &Offence,
        params: &EconomyParams,
    ) -> Result<Vec<(Purse, Amount)>, Stop> {
        let mut pool = self.state.expect(POOLS, &offence.validator)?;
        pool.tombstoned = !Rule::NoTombstone.chosen();
        self.state.put(POOLS, &offence.validator, &pool);
        let mut total = 0;
        let mut convicts = Vec::new();
        for member in self.spec.validators.iter() {
            let weight = u128::from(self.state.expect(VALIDATORS, &member.id)?.stake);
            total += weight;
            let validator = ValidatorId(member.id);
            let around = params.penalty.correlation_epochs;
            if let Some(since) = self.convicted(validator, offence.epoch, around)? {
                convicts.push((Reach { validator, since }, weight));
            }
        }
        let together: u128 = convicts.iter().map(|(_, weight)| weight).sum();
        let mut taken = Vec::new();
        for (reach, weight) in convicts {
            let others = together.saturating_sub(weight);
            let level = if together.saturating_mul(3) >= total && !Rule::EachAlone.chosen() {
                PPB
            } else {
                let others = if Rule::EachAlone.chosen() { 0 } else { others };
                let shared = others.saturating_mul(3 * u128::from(PPB)) / total;
                let alone = u64::from(params.penalty.fork_bps) * (PPB / 10_000);
                u64::try_from(shared).unwrap_or(PPB).max(alone).min(PPB)
            };
            taken.extend(self.reach(reach, |lost| Part {
                part: level.saturating_sub(lost),
                whole: if Rule::TakenAgain.chosen() { PPB } else { PPB.saturating_sub(lost) },
            })?);
            self.raise(reach, level)?;
        }
        Ok(taken)
    }

    /// Returns the earliest epoch, about the given one, of whose fork faults a validator is
    /// convicted.
    fn convicted(
        &self,
        validator: ValidatorId,
        epoch: u64,
        around: u64,
    ) -> Result<Option<u64>, StateError> {
        // Who was convicted has a tombstone: the others need not be looked for.
        if !self.state.expect(POOLS, &validator)?.tombstoned {
            return Ok(None);
        }
        for near in epoch.saturating_sub(around)..=epoch.saturating_add(around) {
            for rule in 1..=8 {
                let offence = Offence { validator, epoch: near, rule };
                let counts = offence.severity() == Severity::Fork;
                if counts && self.state.get(OFFENCES, &offence)?.is_some() {
                    return Ok(Some(near));
                }
            }
        }
        Ok(None)
    }

    /// Returns what a part of the stake is that a fault reaches, given what convictions have cost
    /// of it already.
    fn reach(
        &self,
        Reach { validator, since }: Reach,
        part: impl Fn(u64) -> Part,
    ) -> Result<Vec<(Purse, Amount)>, Stop> {
        let pool = self.state.expect(POOLS, &validator)?;
        let mut reached = vec![(Purse::Stake(validator), pool.lost_ppb)];
        for epoch in since..=self.consensus_epoch() {
            if Rule::LeavingEscapes.chosen() {
                break;
            }
            if let Some(leaving) = self.state.get(LEAVING, &(validator, epoch))? {
                reached.push((Purse::Leaving(validator, epoch), leaving.lost_ppb));
            }
        }
        let mut taken = Vec::new();
        for (purse, lost) in reached {
            let Part { part, whole } = part(lost);
            let held = self.balance(purse)?;
            if whole > 0 {
                taken.push((purse, portion(held, part.into(), whole.into())?));
            }
        }
        Ok(taken)
    }

    /// Remembers what convictions have cost.
    fn raise(&mut self, Reach { validator, since }: Reach, level: u64) -> Result<(), StateError> {
        let mut pool = self.state.expect(POOLS, &validator)?;
        pool.lost_ppb = pool.lost_ppb.max(level);
        self.state.put(POOLS, &validator, &pool);
        for epoch in since..=self.consensus_epoch() {
            let name = (validator, epoch);
            if let Some(mut leaving) = self.state.get(LEAVING, &name)? {
                leaving.lost_ppb = leaving.lost_ppb.max(level);
                self.state.put(LEAVING, &name, &leaving);
            }
        }
        Ok(())
    }

    /// Takes money and divides it: the bounty is the reporter's, the rest is burned. The bounty is
    /// a part of what the operator itself loses, so that an offender gains nothing who reports
    /// itself, however much of others' stake it loses.
    fn divide(
        &mut self,
        taken: Vec<(Purse, Amount)>,
        reporter: Option<Address>,
        bounty_bps: u16,
    ) -> Result<(), Stop> {
        for (from, amount) in taken {
            let mut bounty = Amount::ZERO;
            if let Some(reporter) = reporter {
                bounty = self.own_loss(from, amount)?.share(bounty_bps);
                let to = Purse::Account(reporter);
                self.pay(Movement { from, to, amount: bounty, why: Why::Reward })?;
            }
            self.burn_stake(from, amount.saturating_sub(bounty))?;
        }
        Ok(())
    }

    /// Burns what a validator loses.
    pub(crate) fn burn_stake(&mut self, from: Purse, amount: Amount) -> Result<(), Stop> {
        self.pay(Movement { from, to: Purse::Burned, amount, why: Why::Slash })
    }
}
