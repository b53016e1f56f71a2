//! The end of a vote.

use ciro_protocol::economy::TallyParams;
use ciro_protocol::event::{Movement, ProposalStatus, Purse, Why};
use ciro_protocol::id::ProposalId;
use ciro_protocol::tx::VoteOption;

use crate::block::{Ledger, Stop};
use crate::mutation::Rule;
use crate::stake::{pools, stake_of};
use crate::state::{
    BALLOTS, DELEGATIONS, ECONOMY, Overlay, PARAMS, PROPOSALS, StateError, TimerKind, View,
};

/// Votes in units of stake, in the order of [`VoteOption::ALL`], and all stake that may vote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Votes.
    pub votes: [u128; 4],
    /// All stake that was there since the vote began.
    pub stake: u128,
}

/// Returns how the vote on a proposal would end now, in a state; of one that has ended, nothing.
///
/// # Errors
///
/// [`StateError`] if the state is damaged.
pub fn tally(view: &dyn View, proposal: ProposalId) -> Result<Tally, StateError> {
    count(&Overlay::new(view), proposal)
}

fn count(state: &Overlay<'_>, proposal: ProposalId) -> Result<Tally, StateError> {
    let self_bond_min = state.expect(PARAMS, &())?.stake.self_bond_min;
    let mut tally = Tally::default();
    for (validator, pool) in pools(state)? {
        let stake = stake_of(state, validator, &pool)?;
        let ballot = state.get(BALLOTS, &(proposal, validator))?.unwrap_or_default();
        let voices = pool.shares.checked_sub(ballot.late).ok_or(StateError::Sum("late shares"))?;
        let mut rest = stake.worth(voices)?.units();
        tally.stake += rest;
        for choice in VoteOption::ALL {
            let votes = stake.worth(ballot.shares[choice as usize])?.units();
            tally.votes[choice as usize] += votes;
            if !Rule::VotesTwice.chosen() {
                rest = rest.saturating_sub(votes);
            }
        }
        if let Some(choice) = ballot.own {
            // Who was convicted, or has too little to lose, speaks for itself alone.
            let own = state.get(DELEGATIONS, &(validator, pool.operator))?.unwrap_or_default();
            let trusted = !pool.tombstoned && stake.worth(own.shares)? >= self_bond_min;
            let own = stake.worth(own.voice(proposal))?.units();
            tally.votes[choice as usize] += if trusted { rest } else { rest.min(own) };
        }
    }
    Ok(tally)
}

impl Tally {
    fn decide(&self, params: &TallyParams) -> ProposalStatus {
        let [yes, no, abstain, veto] = self.votes;
        let (decisive, all) = (yes + no + veto, yes + no + abstain + veto);
        // No sum exceeds the supply, below 2^90, so no product leaves 128 bits.
        let exceeds = |part: u128, bps: u16, whole: u128| part * 10_000 > whole * u128::from(bps);
        let quorum = all > 0 && all * 10_000 >= self.stake * u128::from(params.quorum_bps);
        match () {
            () if !quorum => ProposalStatus::NoQuorum,
            () if exceeds(veto, params.veto_bps, all) => ProposalStatus::Vetoed,
            () if exceeds(yes, params.threshold_bps, decisive) => ProposalStatus::Passed,
            () => ProposalStatus::Rejected,
        }
    }
}

impl Ledger<'_> {
    /// Ends a vote: counts it, returns or burns the deposit, and lets what passed wait.
    pub(crate) fn vote_ends(&mut self, proposal: ProposalId) -> Result<(), Stop> {
        let governance = self.params()?.governance;
        let record = self.state.expect(PROPOSALS, &proposal)?;
        let mut economy = self.state.expect(ECONOMY, &())?;
        for place in economy.open.iter_mut().filter(|place| **place == Some(proposal)) {
            *place = None;
        }
        self.state.put(ECONOMY, &(), &economy);
        let status = self.count_votes(proposal)?.decide(&governance.tally);
        let from = Purse::Proposal(proposal);
        let amount = self.balance(from)?;
        let to = match status {
            ProposalStatus::Vetoed if !Rule::VetoIsFree.chosen() => Purse::Burned,
            _ => Purse::Account(record.account),
        };
        self.pay(Movement { from, to, amount, why: Why::Proposal })?;
        if status == ProposalStatus::Passed {
            let at_ms = self.chain.time_ms.saturating_add(governance.timelock_ms);
            self.set_timer(at_ms, TimerKind::Enact(proposal))?;
        }
        self.set_status(proposal, record, status);
        Ok(())
    }

    fn count_votes(&mut self, proposal: ProposalId) -> Result<Tally, Stop> {
        let tally = count(&self.state, proposal)?;
        for (validator, _) in self.pools()? {
            self.state.remove(BALLOTS, &(proposal, validator));
        }
        Ok(tally)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vote_needs_a_quorum_a_majority_and_few_vetoes() {
        let params = TallyParams { quorum_bps: 4_000, threshold_bps: 5_000, veto_bps: 3_340 };
        for (votes, expected) in [
            ([0, 0, 0, 0], ProposalStatus::NoQuorum),
            ([39, 0, 0, 0], ProposalStatus::NoQuorum),
            ([40, 0, 0, 0], ProposalStatus::Passed),
            ([1, 0, 39, 0], ProposalStatus::Passed),
            ([0, 0, 40, 0], ProposalStatus::Rejected),
            ([20, 20, 0, 0], ProposalStatus::Rejected),
            ([21, 20, 0, 0], ProposalStatus::Passed),
            ([30, 15, 0, 15], ProposalStatus::Rejected),
            ([60, 0, 0, 30], ProposalStatus::Passed),
            ([60, 0, 0, 31], ProposalStatus::Vetoed),
        ] {
            let tally = Tally { votes, stake: 100 };
            assert_eq!(tally.decide(&params), expected, "{votes:?}");
        }
        let nobody = Tally::default();
        assert_eq!(nobody.decide(&params), ProposalStatus::NoQuorum);
    }
}
