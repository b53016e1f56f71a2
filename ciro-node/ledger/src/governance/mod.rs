//! Governance: whoever has stake proposes and votes; what passes waits, and is executed.
//!
//! Votes are counted in shares of each validator's stake and follow every change of them, so that
//! what is counted at the end is the stake of that moment, each unit once, without a walk over all
//! who voted. Who does not vote is voted for by its validator.

mod tally;

use ciro_protocol::event::{Event, Movement, ProposalStatus, Purse, Why};
use ciro_protocol::id::{ProposalId, ValidatorId};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::{Action, Propose, Vote, VoteOption};

use crate::block::{Ledger, Stop};
use crate::mutation::Rule;
use crate::state::{
    BALLOTS, BallotRecord, DELEGATIONS, ECONOMY, PARAMS, PROPOSALS, ProposalRecord, StateError,
    TimerKind, VOTES,
};

impl Ledger<'_> {
    pub(crate) fn propose(&mut self, by: Address, body: &Propose) -> Result<(), Stop> {
        let governance = self.params()?.governance;
        let sound = match &body.action {
            Action::SetParams { params } => params.check().is_ok(),
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
        let shares = delegation.unwrap_or_default().shares;
        if shares == 0 {
            return Err(Refusal::NotDelegated.into());
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

    /// Lets votes follow the shares of whoever gave them, from so many to so many.
    pub(crate) fn revote(
        &mut self,
        validator: ValidatorId,
        by: Address,
        shares: (u128, u128),
    ) -> Result<(), StateError> {
        let open = self.state.expect(ECONOMY, &())?.open;
        for proposal in open.into_iter().flatten() {
            let Some(choice) = self.state.get(VOTES, &(proposal, validator, by))? else { continue };
            if Rule::VotesStay.chosen() {
                continue;
            }
            let mut ballot = self.ballot(proposal, validator)?;
            ballot.change(choice, shares)?;
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
                self.state.put(PARAMS, &(), &params);
                true
            }
            Action::Spend { to, amount } => {
                let from = Purse::Treasury;
                let there = self.balance(from)? >= amount;
                if there {
                    let to = Purse::Account(to);
                    self.pay(Movement { from, to, amount, why: Why::Spend })?;
                }
                there
            }
            Action::Grant { tranche, to, amount } => self.grant(tranche, to, amount)?,
        };
        let status = if done { ProposalStatus::Executed } else { ProposalStatus::Failed };
        self.set_status(proposal, record, status);
        Ok(())
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
