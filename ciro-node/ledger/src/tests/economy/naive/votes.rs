//! Proposals: every vote is looked up and weighed when the vote ends.

use std::collections::BTreeMap;

use ciro_protocol::economy::EconomyParams;
use ciro_protocol::event::{Failure, ProposalStatus, Purse};
use ciro_protocol::id::ProposalId;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::{Action, Vote, VoteOption};
use num_bigint::BigUint;

use super::super::super::naive::Alarm;
use super::{Done, Proposal, Whole};

fn purse(proposal: usize) -> Purse {
    Purse::Proposal(ProposalId(u32::try_from(proposal).unwrap()))
}

impl Whole {
    pub(super) fn propose(&mut self, by: Address, action: &Action) -> Done {
        let sound = match action {
            Action::SetParams { params } => is_sound(params, self.market.spec.time.tick_ms),
            Action::Spend { amount, .. } | Action::Grant { amount, .. } => amount.units() > 0,
            Action::OpenLaunch { milestones, lasts_ms, .. } => {
                self.may_be_opened(milestones, *lasts_ms)?;
                true
            }
            Action::PayMilestone { launch, milestone } => {
                self.may_go_on(*launch, Some(*milestone))?;
                true
            }
            Action::EndLaunch { launch } => {
                self.may_go_on(*launch, None)?;
                true
            }
        };
        if !sound {
            return Err(Refusal::ProposalUnsound);
        }
        let voting = |it: &&Proposal| it.status == ProposalStatus::Voting;
        let governance = self.params.governance;
        if self.proposals.iter().filter(voting).count() >= governance.open_max.into() {
            return Err(Refusal::ProposalsFull);
        }
        let number = self.proposals.len();
        self.give(Purse::Account(by), purse(number), governance.deposit.units())?;
        let members = self.validators.iter().flat_map(|(id, validator)| {
            validator.members.iter().map(|(account, it)| ((*id, *account), it.shares.clone()))
        });
        let (least, seen) = (members.collect(), self.replaced);
        let (status, votes) = (ProposalStatus::Voting, BTreeMap::new());
        let (action, failure) = (action.clone(), None);
        self.proposals.push(Proposal { by, action, status, failure, votes, least, seen });
        self.alarm(self.market.now + governance.voting_ms, Alarm::VoteEnds(number));
        Ok(())
    }

    pub(super) fn vote(&mut self, by: Address, body: &Vote) -> Done {
        let validator = self.known(body.validator.0)?;
        let shares = validator.members.get(&by).is_some_and(|it| it.shares > BigUint::ZERO);
        let number = body.proposal.0 as usize;
        let proposal = self.proposals.get_mut(number).ok_or(Refusal::ProposalUnknown)?;
        let ends = Alarm::VoteEnds(number);
        let lasts =
            self.market.timers.iter().any(|(at, _, it)| *it == ends && *at > self.market.now);
        if proposal.status != ProposalStatus::Voting || !lasts {
            return Err(Refusal::VotingOver);
        }
        if !shares {
            return Err(Refusal::NotDelegated);
        }
        let least = proposal.least.get(&(body.validator.0, by));
        if least.is_none_or(|it| *it == BigUint::ZERO) {
            return Err(Refusal::StakeTooLate);
        }
        let before = proposal.votes.insert((body.validator.0, by), body.choice);
        if before == Some(body.choice) { Err(Refusal::VotedSo) } else { Ok(()) }
    }

    /// Looks at what everybody has, for the least of it.
    pub(super) fn watch(&mut self) {
        let open = self.proposals.iter_mut().filter(|it| it.status == ProposalStatus::Voting);
        for proposal in open {
            for ((validator, account), least) in &mut proposal.least {
                let shares = &self.validators[validator].members[account].shares;
                *least = shares.min(least).clone();
            }
        }
    }

    pub(super) fn vote_ends(&mut self, number: usize) {
        let (mut votes, mut stake) = ([0_u128; 4], 0);
        for (id, validator) in &self.validators {
            let Proposal { votes: given, least, .. } = &self.proposals[number];
            let least = |by: Address| least.get(&(*id, by)).cloned().unwrap_or_default();
            let all: BigUint = validator.members.keys().map(|account| least(*account)).sum();
            let mut rest = self.worth(*id, &all);
            stake += rest;
            for choice in [VoteOption::Yes, VoteOption::No, VoteOption::Abstain, VoteOption::Veto] {
                let theirs = validator.members.keys().filter(|account| {
                    **account != validator.operator && given.get(&(*id, **account)) == Some(&choice)
                });
                let shares: BigUint = theirs.map(|account| least(*account)).sum();
                let worth = self.worth(*id, &shares);
                votes[choice as usize] += worth;
                rest -= worth;
            }
            if let Some(choice) = given.get(&(*id, validator.operator)) {
                let own = self.worth(*id, &self.shares_of(*id, validator.operator));
                let bonded = own >= self.params.stake.self_bond_min.units();
                let own = self.worth(*id, &least(validator.operator));
                let silent = if bonded && !validator.dead { 0 } else { rest.saturating_sub(own) };
                votes[*choice as usize] += rest - silent;
            }
        }
        let governance = self.params.governance;
        let tally = governance.tally;
        let [yes, no, _, veto] = votes;
        let all: u128 = votes.iter().sum();
        let above = |part: u128, bps: u16, whole: u128| part * 10_000 > whole * u128::from(bps);
        let missing = (stake * u128::from(tally.quorum_bps)).saturating_sub(all * 10_000);
        let quorum = all > 0 && missing == 0;
        let status = if !quorum {
            ProposalStatus::NoQuorum
        } else if above(veto, tally.veto_bps, all) {
            ProposalStatus::Vetoed
        } else if above(yes, tally.threshold_bps, yes + no + veto) {
            ProposalStatus::Passed
        } else {
            ProposalStatus::Rejected
        };
        let by = Purse::Account(self.proposals[number].by);
        let to = if status == ProposalStatus::Vetoed { Purse::Burned } else { by };
        let deposit = self.has(purse(number));
        self.give(purse(number), to, deposit).unwrap();
        if status == ProposalStatus::Passed {
            self.alarm(self.market.now + governance.timelock_ms, Alarm::Enact(number));
        }
        self.proposals[number].status = status;
        self.market.happens(name(status));
    }

    pub(super) fn enact(&mut self, number: usize) {
        let done = match self.proposals[number].action.clone() {
            Action::SetParams { params } => {
                let seen = self.proposals[number].seen == self.replaced;
                if seen {
                    self.params = params;
                    self.replaced += 1;
                }
                if seen { Ok(()) } else { Err(Failure::ParamsReplaced) }
            }
            Action::Spend { to, amount } => self.take_out(Purse::Account(to), amount.units()),
            Action::Grant { tranche, to, amount } => {
                let there = self.has(Purse::Reserve(tranche)) >= amount.units();
                if there {
                    self.start_grant(tranche, to, amount.units());
                }
                if there { Ok(()) } else { Err(Failure::ReserveShort) }
            }
            Action::OpenLaunch { to, milestones, lasts_ms } => self.open(to, &milestones, lasts_ms),
            Action::PayMilestone { launch, milestone } => self.pay(launch, milestone),
            Action::EndLaunch { launch } => self.end_early(launch),
        };
        let status = if done.is_ok() { ProposalStatus::Executed } else { ProposalStatus::Failed };
        self.proposals[number].status = status;
        self.proposals[number].failure = done.err();
        self.market.happens(done.map_or_else(why, |()| name(status)));
    }

    /// Takes money out of the treasury as votes may: all of it, and no more than a part in an
    /// epoch.
    pub(super) fn take_out(&mut self, to: Purse, amount: u128) -> Result<(), Failure> {
        let (there, part) = (self.has(Purse::Treasury), self.params.governance.spend_bps);
        let whole = (there + self.spent).min(10_u128.pow(27));
        let most = whole * u128::from(part) / 10_000;
        match () {
            () if amount > there => Err(Failure::TreasuryShort),
            () if self.spent + amount > most => Err(Failure::SpendLimit),
            () => {
                self.give(Purse::Treasury, to, amount).unwrap();
                self.spent += amount;
                Ok(())
            }
        }
    }
}

/// What becomes of a proposal.
const fn name(status: ProposalStatus) -> &'static str {
    match status {
        ProposalStatus::Voting => "a vote begins",
        ProposalStatus::NoQuorum => "a vote has no quorum",
        ProposalStatus::Rejected => "a vote rejects",
        ProposalStatus::Vetoed => "a vote vetoes",
        ProposalStatus::Passed => "a vote passes",
        ProposalStatus::Executed => "a proposal is executed",
        ProposalStatus::Failed => "a proposal fails",
    }
}

/// Why a proposal fails.
const fn why(failure: Failure) -> &'static str {
    match failure {
        Failure::ParamsReplaced => "a proposal fails: parameters were replaced",
        Failure::TreasuryShort => "a proposal fails: the treasury has less",
        Failure::SpendLimit => "a proposal fails: more than votes may take",
        Failure::ReserveShort => "a proposal fails: less of the tranche is left",
        Failure::LaunchOver => "a proposal fails: the launch is over",
        Failure::MilestoneNotNext => "a proposal fails: not the next milestone",
    }
}

/// Whether parameters are in the ranges that `docs/economy.md` has, for ticks of so many ms.
fn is_sound(params: &EconomyParams, tick_ms: u64) -> bool {
    const DAY: u64 = 86_400_000;
    const MILLION: u128 = 1_000_000 * 10_u128.pow(18);
    let EconomyParams { epoch_ms, emission_ppb, treasury_bps, stake, penalty, governance } = params;
    let tally = governance.tally;
    [
        (1_000..=31 * DAY).contains(epoch_ms),
        *emission_ppb <= 100_000_000,
        *treasury_bps <= 10_000,
        (1_000_000_000..=MILLION).contains(&stake.self_bond_min.units()),
        (1..=4_096).contains(&stake.validators_max),
        stake.seats <= 256,
        (1..=366 * DAY).contains(&stake.commission_ms),
        (1_000..=366 * DAY).contains(&stake.unbonding_ms),
        (1..=10_000).contains(&penalty.fork_bps),
        penalty.delay_bps <= 1_000,
        penalty.correlation_epochs <= 64,
        penalty.bounty_bps <= 5_000,
        (2 * tick_ms..=*epoch_ms).contains(&penalty.slot_ms),
        penalty.presence_bps <= 10_000,
        penalty.downtime_bps <= 1_000,
        (1..=366 * DAY).contains(&penalty.jail_ms),
        governance.deposit.units() <= MILLION,
        (1..=32).contains(&governance.open_max),
        (1..=31 * DAY).contains(&governance.voting_ms),
        (1..=31 * DAY).contains(&governance.timelock_ms),
        governance.spend_bps <= 10_000,
        (1..=6_667).contains(&tally.quorum_bps),
        (5_000..=6_667).contains(&tally.threshold_bps),
        (2_000..=10_000).contains(&tally.veto_bps),
    ]
    .into_iter()
    .all(|holds| holds)
}
