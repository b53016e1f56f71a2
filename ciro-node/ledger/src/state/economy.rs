//! What entries of the state are that belong to the economy.

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_protocol::amount::Amount;
use ciro_protocol::economy::{Commission, LaunchStatus, MILESTONES_MAX, Tranche};
use ciro_protocol::event::{Failure, ProposalStatus};
use ciro_protocol::id::{ProposalId, ValidatorId};
use ciro_protocol::sign::Address;
use ciro_protocol::text::Text;
use ciro_protocol::tx::{Action, VoteOption};
use ciro_protocol::wire::List;

use super::record::TimerKey;

/// Validators that vote in consensus at most: what consensus takes.
pub const SEATS_MAX: usize = 256;

/// The largest `correlation_epochs` and one epoch more, as evidence may be of the epoch before: no
/// fault that is older counts together with one that is still to be punished.
pub(crate) const FORKS_MAX: usize = 66;

/// Counters of the economy, and what the network did in the epoch of rewards at hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct EconomyRecord {
    /// The number of the next validator that registers.
    pub next_validator: u32,
    /// Validators, whether consensus counts them or not.
    pub validators: u32,
    /// The number of the next stake that leaves.
    pub next_departure: u64,
    /// The number of the next grant.
    pub next_grant: u32,
    /// The number of the next proposal.
    pub next_proposal: u32,
    /// The proposals that are voted on, in order.
    pub open: [Option<ProposalId>; 32],
    /// Slots of the epoch in which there were blocks.
    pub slots: Presence,
    /// What votes have taken out of the treasury in the epoch.
    pub spent: Amount,
    /// How often governance has replaced the parameters.
    pub params_version: u32,
    /// The number of the next launch.
    pub next_launch: u32,
}

/// In how many slots of an epoch of rewards somebody was there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Presence {
    /// The last of them.
    pub last: Option<u64>,
    /// How many.
    pub count: u64,
}

/// A vote in consensus for one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Seat {
    /// The number of its validator.
    pub id: u32,
    /// The key that it signs with.
    pub key: Address,
    /// Its weight. Nothing, where changes are told: the validator has a vote no longer.
    pub weight: u64,
}

/// That a validator was convicted of what can fork the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Fork {
    /// The consensus epoch of the fault.
    pub epoch: u64,
    /// Its part of all weight in that epoch, rounded up, in parts per billion.
    pub share_ppb: u64,
}

/// A validator's stake. Its money is its purse; who has how much of it is counted in shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PoolRecord {
    /// The account that speaks for it.
    pub operator: Address,
    /// The key that signs in consensus.
    pub key: Address,
    /// All shares, its operator's among them.
    pub shares: u128,
    /// What a share has earned since the beginning, in units of 2^-64 of a unit of money.
    pub index: u128,
    /// What it takes of the rewards of others.
    pub commission: Commission,
    /// When that changed, in ms.
    pub commission_ms: u64,
    /// Until when it is in jail; it stays there until it asks to leave.
    pub jailed_until_ms: Option<u64>,
    /// Whether it was convicted of what can fork the chain.
    pub tombstoned: bool,
    /// The part of its stake that convictions have cost, in parts per billion.
    pub lost_ppb: u64,
    /// Whether it has run as a member of consensus, or was one from the genesis.
    pub proven: bool,
}

/// What an account has at a validator's stake.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DelegationRecord {
    /// Its shares.
    pub shares: u128,
    /// The validator's index up to which its rewards are counted.
    pub index: u128,
    /// What it has earned and not taken.
    pub earned: Amount,
    /// Which of its shares came while a proposal was voted on: they do not vote on it. In the order
    /// of proposals; those that are decided are forgotten with the next change.
    pub late: Vec<(ProposalId, u128)>,
}

impl DelegationRecord {
    /// Returns the shares that came while a proposal was voted on.
    #[must_use]
    pub fn late(&self, proposal: ProposalId) -> u128 {
        let found = self.late.iter().find(|(name, _)| *name == proposal);
        found.map_or(0, |(_, shares)| *shares)
    }

    /// Returns the shares that vote on a proposal: the least that were there since it was made.
    #[must_use]
    pub fn voice(&self, proposal: ProposalId) -> u128 {
        self.shares.saturating_sub(self.late(proposal))
    }
}

/// What left a validator's stake in one consensus epoch. Its money is its purse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LeavingRecord {
    /// All shares.
    pub shares: u128,
    /// The part that convictions have cost, in parts per billion, of what it was before them.
    pub lost_ppb: u64,
}

/// Stake of one account that leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DepartureRecord {
    /// The validator that it leaves.
    pub validator: ValidatorId,
    /// The consensus epoch in which it left.
    pub epoch: u64,
    /// Whose it is.
    pub account: Address,
    /// Its shares of what left then.
    pub shares: u128,
    /// The validator that it goes to, if any.
    pub to: Option<ValidatorId>,
}

/// Money that becomes its owner's over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct GrantRecord {
    /// Whose part of the supply it comes from.
    pub tranche: Tranche,
    /// Whose it becomes.
    pub to: Address,
    /// How much in all.
    pub amount: Amount,
    /// Since when it vests, in ms.
    pub start_ms: u64,
}

/// A proposal.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ProposalRecord {
    /// Who made it.
    pub account: Address,
    /// What it is about.
    pub title: Text<128>,
    /// What happens if it passes.
    pub action: Action,
    /// When the vote ends, in ms.
    pub until_ms: u64,
    /// Where it stands.
    pub status: ProposalStatus,
    /// How often the parameters had been replaced when it was made.
    pub params_version: u32,
    /// Why it could not be executed, if it could not.
    pub failure: Option<Failure>,
}

/// Money of the treasury that is put aside and paid by milestones. What is left of it is its purse.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LaunchRecord {
    /// Who is paid.
    pub to: Address,
    /// What each milestone pays, in order.
    pub milestones: List<Amount, MILESTONES_MAX>,
    /// How many of them are paid.
    pub paid: u8,
    /// Where it stands.
    pub status: LaunchStatus,
    /// The timer that ends it, if nothing else does before.
    pub ends: TimerKey,
}

/// Shares of one validator's stake that voted on a proposal, by their votes, and its own vote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BallotRecord {
    /// Shares of those who voted for themselves, in the order of [`VoteOption::ALL`].
    pub shares: [u128; 4],
    /// Shares that came since the vote began, voted or not: they do not count.
    pub late: u128,
    /// The operator's vote, which is that of all others.
    pub own: Option<VoteOption>,
}
