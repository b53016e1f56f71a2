//! Governance: whoever has stake proposes and votes; what passes waits, and is executed.
//!
//! Votes are counted in shares of each validator's stake and follow every change of them, so that
//! what is counted at the end is the least that was there since the vote began, each unit once,
//! without a walk over all who voted. Who does not vote is voted for by its validator.

mod tally;

use ciro_protocol::amount::Amount;
use ciro_protocol::event::{Event, Movement, ProposalStatus, Purse, Why};
use ciro_protocol::id::{ProposalId, ValidatorId};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::{Action, Propose, Vote, VoteOption};

pub use tally::{Tally, tally};

use crate::block::{Ledger, Stop};
use crate::mutation::Rule;
use crate::state::{
    BALLOTS, BallotRecord, DELEGATIONS, DelegationRecord, ECONOMY, PARAMS, PROPOSALS,
    ProposalRecord, StateError, TimerKind, VOTES,
};

impl Ledger<'_> {
    pub(crate) fn propose(&mut self, by: Address, body: &Propose) -> Result<(), Stop> {
        let governance = self.params()?.governance;
        let sound = match &body.action {
            Action::SetParams { params } => params.check(self.spec.time.tick_ms).is_ok(),
            Action::Spend { amount, .. } | Action::Grant { amount, .. } => !amount.is_zero(),
        };
        if !sound {
            return Err(Refusal::ProposalUnsound.into());
        }
        let mut economy = self.state.expect(ECONOMY, &())?;
        let proposal = ProposalId(economy.next_proposal);
        let places = economy.open.iter_mut().take(governance.open_max.into());
        let place = places.into_iter().find(|place| place.is_none());
        *place.ok_or(Refusal::ProposalsFull)? = Some(proposal);
        let next = economy.next_proposal.checked_add(1);
        economy.next_proposal = next.ok_or(StateError::Sum("proposals"))?;
        self.state.put(ECONOMY, &(), &economy);
        let (from, to) = (Purse::Account(by), Purse::Proposal(proposal));
        self.pay(Movement { from, to, amount: governance.deposit, why: Why::Proposal })?;
        let until_ms = self.chain.time_ms.saturating_add(governance.voting_ms);
        let record = ProposalRecord {
            account: by,
            title: body.title.clone(),
            action: body.action,
            until_ms,
            status: ProposalStatus::Voting,
            params_version: economy.params_version,
        };
        self.set_status(proposal, record, ProposalStatus::Voting);
        self.set_timer(until_ms, TimerKind::VoteEnds(proposal))?;
        Ok(())
    }

    pub(crate) fn vote(&mut self, by: Address, body: &Vote) -> Result<(), Stop> {
        let Vote { proposal, validator, choice } = *body;
        let pool = self.pool(validator)?;
        let record = self.state.get(PROPOSALS, &proposal)?.ok_or(Refusal::ProposalUnknown)?;
        // The timer that counts may be late: votes are not.
        if record.status != ProposalStatus::Voting || self.chain.time_ms >= record.until_ms {
            return Err(Refusal::VotingOver.into());
        }
        let delegation = self.state.get(DELEGATIONS, &(validator, by))?;
        let delegation = delegation.filter(|it| it.shares > 0).ok_or(Refusal::NotDelegated)?;
        let shares = delegation.voice(proposal);
        if shares == 0 {
            return Err(Refusal::StakeTooLate.into());
        }
        let mut ballot = self.ballot(proposal, validator)?;
        if by == pool.operator {
            if ballot.own == Some(choice) {
                return Err(Refusal::VotedSo.into());
            }
            ballot.own = Some(choice);
        } else {
            let name = (proposal, validator, by);
            let before = self.state.get(VOTES, &name)?;
            if before == Some(choice) {
                return Err(Refusal::VotedSo.into());
            }
            if let Some(before) = before {
                ballot.change(before, (shares, 0))?;
            }
            ballot.change(choice, (0, shares))?;
            self.state.put(VOTES, &name, &choice);
        }
        self.state.put(BALLOTS, &(proposal, validator), &ballot);
        Ok(())
    }

    /// Changes the shares of a delegation, and what votes count of them: what comes does not vote
    /// on proposals that are open, and leaves first.
    pub(crate) fn set_shares(
        &mut self,
        (validator, by): (ValidatorId, Address),
        delegation: &mut DelegationRecord,
        shares: u128,
    ) -> Result<(), StateError> {
        let before = std::mem::replace(&mut delegation.shares, shares);
        let (more, less) = (shares.saturating_sub(before), before.saturating_sub(shares));
        let old = std::mem::take(&mut delegation.late);
        let old = DelegationRecord { shares: before, late: old, ..DelegationRecord::default() };
        let open = self.state.expect(ECONOMY, &())?.open;
        for proposal in open.into_iter().flatten() {
            let was = old.late(proposal);
            let late = was.checked_add(more).ok_or(StateError::Sum("late shares"))?;
            let late = late.saturating_sub(less);
            if late > 0 && !Rule::LateStakeVotes.chosen() {
                delegation.late.push((proposal, late));
            }
            let (late, voice) = (delegation.late(proposal), delegation.voice(proposal));
            let choice = self.state.get(VOTES, &(proposal, validator, by))?;
            let choice = choice.filter(|_| !Rule::VotesStay.chosen());
            if late == was && choice.is_none() {
                continue;
            }
            let mut ballot = self.ballot(proposal, validator)?;
            let all = ballot.late.checked_sub(was).and_then(|rest| rest.checked_add(late));
            ballot.late = all.ok_or(StateError::Sum("late shares"))?;
            if let Some(choice) = choice {
                ballot.change(choice, (old.voice(proposal), voice))?;
            }
            self.state.put(BALLOTS, &(proposal, validator), &ballot);
        }
        Ok(())
    }

    pub(crate) fn ballot(
        &self,
        proposal: ProposalId,
        validator: ValidatorId,
    ) -> Result<BallotRecord, StateError> {
        Ok(self.state.get(BALLOTS, &(proposal, validator))?.unwrap_or_default())
    }

    /// Executes a proposal that passed and has waited.
    pub(crate) fn enact(&mut self, proposal: ProposalId) -> Result<(), Stop> {
        let record = self.state.expect(PROPOSALS, &proposal)?;
        let done = match record.action {
            Action::SetParams { params } => {
                let mut economy = self.state.expect(ECONOMY, &())?;
                // Whoever voted for it saw other parameters, which it would bring back.
                let seen = economy.params_version == record.params_version;
                if seen || Rule::StaleParams.chosen() {
                    let next = economy.params_version.checked_add(1);
                    economy.params_version = next.ok_or(StateError::Sum("parameters"))?;
                    self.state.put(ECONOMY, &(), &economy);
                    self.state.put(PARAMS, &(), &params);
                }
                seen || Rule::StaleParams.chosen()
            }
            Action::Spend { to, amount } => self.spend(to, amount)?,
            Action::Grant { tranche, to, amount } => self.grant(tranche, to, amount)?,
        };
        let status = if done { ProposalStatus::Executed } else { ProposalStatus::Failed };
        self.set_status(proposal, record, status);
        Ok(())
    }

    /// Pays out of the treasury, no more in an epoch of rewards than a part of it: `false` if that
    /// would be more.
    fn spend(&mut self, to: Address, amount: Amount) -> Result<bool, Stop> {
        let from = Purse::Treasury;
        let there = self.balance(from)?;
        let mut economy = self.state.expect(ECONOMY, &())?;
        let sum = || StateError::Sum("spent");
        let whole = there.checked_add(economy.spent).ok_or_else(sum)?;
        let most = match self.params()?.governance.spend_bps {
            _ if Rule::SpendsAll.chosen() => whole,
            part => whole.share(part),
        };
        let Some(spent) = economy.spent.checked_add(amount).filter(|it| *it <= most) else {
            return Ok(false);
        };
        economy.spent = spent;
        self.state.put(ECONOMY, &(), &economy);
        self.pay(Movement { from, to: Purse::Account(to), amount, why: Why::Spend })?;
        Ok(true)
    }

    pub(crate) fn set_status(
        &mut self,
        proposal: ProposalId,
        mut record: ProposalRecord,
        status: ProposalStatus,
    ) {
        record.status = status;
        self.state.put(PROPOSALS, &proposal, &record);
        self.events.push(Event::ProposalChanged { proposal, status });
    }
}

impl BallotRecord {
    /// Counts a vote with other shares than before.
    fn change(&mut self, choice: VoteOption, (from, to): (u128, u128)) -> Result<(), StateError> {
        let counted = &mut self.shares[choice as usize];
        let changed = counted.checked_sub(from).and_then(|rest| rest.checked_add(to));
        *counted = changed.ok_or(StateError::Sum("ballots"))?;
        Ok(())
    }
}
