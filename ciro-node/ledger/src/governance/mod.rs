//! Governance: whoever has stake proposes and votes; what passes waits, and is executed.
//!
//! Votes are counted in shares of each validator's stake and follow every change of them, so that
//! what is counted at the end is the least that was there since the vote began, each unit once,
//! without a walk over all who voted. Who does not vote is voted for by its validator.

mod launch;
mod tally;

use ciro_protocol::amount::Amount;
use ciro_protocol::economy::EconomyParams;
use ciro_protocol::event::{Event, Failure, Movement, ProposalStatus, Purse, Why};
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

/// What comes of executing a proposal: it is done, or fails for a reason and changes nothing.
pub(crate) type Enacted = Result<Result<(), Failure>, Stop>;

impl Ledger<'_> {
    pub(crate) fn propose(&mut self, by: Address, body: &Propose) -> Result<(), Stop> {
        let governance = self.params()?.governance;
        self.check_action(&body.action)?;
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
            action: body.action.clone(),
            until_ms,
            status: ProposalStatus::Voting,
            params_version: economy.params_version,
            failure: None,
        };
        self.set_status(proposal, record, ProposalStatus::Voting);
        self.set_timer(until_ms, TimerKind::VoteEnds(proposal))?;
        Ok(())
    }

    /// Refuses what can be seen never to be executed.
    fn check_action(&self, action: &Action) -> Result<(), Stop> {
        let sound = match action {
            Action::SetParams { params } => params.check(self.spec.time.tick_ms).is_ok(),
            Action::Spend { amount, .. } | Action::Grant { amount, .. } => !amount.is_zero(),
            Action::OpenLaunch { milestones, lasts_ms, .. } => {
                return self.check_new_launch(milestones, *lasts_ms);
            }
            Action::PayMilestone { launch, milestone } => {
                return self.check_milestone(*launch, *milestone);
            }
            Action::EndLaunch { launch } => return self.open_launch_of(*launch).map(|_| ()),
        };
        if sound { Ok(()) } else { Err(Refusal::ProposalUnsound.into()) }
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
        let mut record = self.state.expect(PROPOSALS, &proposal)?;
        let done = match record.action.clone() {
            Action::SetParams { params } => self.replace_params(record.params_version, params)?,
            Action::Spend { to, amount } => self.spend(to, amount)?,
            Action::Grant { tranche, to, amount } => self.grant(tranche, to, amount)?,
            Action::OpenLaunch { to, milestones, lasts_ms } => {
                self.open_launch(to, milestones, lasts_ms)?
            }
            Action::PayMilestone { launch, milestone } => self.pay_milestone(launch, milestone)?,
            Action::EndLaunch { launch } => self.end_launch(launch)?,
        };
        record.failure = done.err();
        let status = match done {
            Ok(()) => ProposalStatus::Executed,
            Err(_) => ProposalStatus::Failed,
        };
        self.set_status(proposal, record, status);
        Ok(())
    }

    /// Replaces the parameters, unless that was done since the proposal was made: whoever voted
    /// for it saw other parameters, which it would bring back.
    fn replace_params(&mut self, version: u32, params: EconomyParams) -> Enacted {
        let mut economy = self.state.expect(ECONOMY, &())?;
        if economy.params_version != version && !Rule::StaleParams.chosen() {
            return Ok(Err(Failure::ParamsReplaced));
        }
        let next = economy.params_version.checked_add(1);
        economy.params_version = next.ok_or(StateError::Sum("parameters"))?;
        self.state.put(ECONOMY, &(), &economy);
        self.state.put(PARAMS, &(), &params);
        Ok(Ok(()))
    }

    fn spend(&mut self, to: Address, amount: Amount) -> Enacted {
        if let Err(failure) = self.count_spent(amount, Rule::SpendsAll.chosen())? {
            return Ok(Err(failure));
        }
        let (from, to) = (Purse::Treasury, Purse::Account(to));
        self.pay(Movement { from, to, amount, why: Why::Spend })?;
        Ok(Ok(()))
    }

    /// Counts what a vote takes out of the treasury: no more in an epoch of rewards than a part of
    /// it, unless the rule is left out.
    fn count_spent(&mut self, amount: Amount, left_out: bool) -> Enacted {
        let there = self.balance(Purse::Treasury)?;
        if amount > there {
            return Ok(Err(Failure::TreasuryShort));
        }
        let mut economy = self.state.expect(ECONOMY, &())?;
        // What launches give back is there and counts as spent: together it may exceed the supply.
        let whole = there.checked_add(economy.spent).unwrap_or(Amount::SUPPLY);
        let spend_bps = self.params()?.governance.spend_bps;
        let most = if left_out { whole } else { whole.share(spend_bps) };
        let Some(spent) = economy.spent.checked_add(amount).filter(|it| *it <= most) else {
            return Ok(Err(Failure::SpendLimit));
        };
        economy.spent = spent;
        self.state.put(ECONOMY, &(), &economy);
        Ok(Ok(()))
    }

    pub(crate) fn set_status(
        &mut self,
        proposal: ProposalId,
        mut record: ProposalRecord,
        status: ProposalStatus,
    ) {
        record.status = status;
        self.state.put(PROPOSALS, &proposal, &record);
        let failure = record.failure;
        self.events.push(Event::ProposalChanged { proposal, status, failure });
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
