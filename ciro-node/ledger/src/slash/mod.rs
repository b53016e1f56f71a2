//! What offences cost. Consensus proves them and puts them into blocks; whoever finds one that no
//! block has, brings it by a transaction for a bounty.
//!
//! - A fault that can fork the chain costs `fork_bps` of the stake and the validator's place for
//!   ever. Faults of several validators at about the same time count together ([`fork`]).
//! - A fault that can only delay costs `delay_bps` and some time in jail.
//!
//! A fault costs what stood behind the vote that it misused: the stake that is there, and what left
//! in the epoch before that of the fault or later. The set of an epoch is elected at the end of the
//! epoch before the last, so what left in the one between still counted.

mod fork;

use ciro_protocol::amount::Amount;
use ciro_protocol::economy::{Offence, Severity};
use ciro_protocol::event::{Event, Movement, Purse, Why};
use ciro_protocol::id::ValidatorId;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::ReportOffence;

use crate::block::{Ledger, Stop};
use crate::mutation::Rule;
use crate::stake::shares::portion;
use crate::state::{DELEGATIONS, LEAVING, OFFENCES, POOLS, SETS, StateError};

/// A part of something.
#[derive(Clone, Copy)]
struct Part {
    part: u64,
    whole: u64,
}

/// Whose fault is punished, and since which epoch what left is reached.
#[derive(Clone, Copy)]
struct Reach {
    validator: ValidatorId,
    since: u64,
}

impl Reach {
    /// Returns what a fault of an epoch reaches.
    const fn of(validator: ValidatorId, epoch: u64) -> Self {
        Self { validator, since: epoch.saturating_sub(1) }
    }
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
        // The evidence holds under the key that the report names: it must be the offender's.
        if self.pool(offence.validator)?.key != body.key {
            return Err(Refusal::OffenderKey.into());
        }
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
        let seats = self.state.expect(SETS, &offence.epoch)?.into_inner();
        let has_vote = seats.iter().any(|seat| seat.id == offence.validator.0);
        if !has_vote && !Rule::WeightlessConvicted.chosen() {
            return Err(Refusal::OffenderWeightless.into());
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
                let reach = Reach::of(offence.validator, offence.epoch);
                let taken = self.reach(reach, |_| cost)?;
                // Such a fault is easily made: a bounty would be a price for making it.
                return self.divide(taken, None, 0);
            }
            Severity::Fork => self.forked(offence, &seats)?,
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
