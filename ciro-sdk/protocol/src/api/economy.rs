//! What a node answers about supply, stake and governance.

use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::economy::{
    Commission, EconomyParams, LaunchStatus, MILESTONES_MAX, Tranche, VestingSpec,
};
use crate::event::{Bucket, Failure, ProposalStatus};
use crate::id::{GrantId, LaunchId, ProposalId, ValidatorId};
use crate::sign::Address;
use crate::text::Text;
use crate::tx::Action;
use crate::wire::List;

/// Where the supply is, and what governance has made of the parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EconomyInfo {
    /// The parameters in force; absent without an economy.
    pub params: Option<EconomyParams>,
    /// When grants vest; absent without an economy.
    pub vesting: Option<VestingSpec>,
    /// All money, by what kind of purse it is in.
    pub supply: Vec<BucketInfo>,
}

/// What all purses of one kind hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketInfo {
    /// The kind.
    pub bucket: Bucket,
    /// The sum.
    pub amount: Amount,
}

/// A validator and its stake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidatorInfo {
    /// Its number.
    pub validator: ValidatorId,
    /// The account that speaks for it.
    pub operator: Address,
    /// The key that signs in consensus.
    pub key: Address,
    /// All stake with it.
    pub stake: Amount,
    /// What of it is its operator's.
    pub own: Amount,
    /// What it takes of the rewards of others.
    pub commission: Commission,
    /// Until when it is in jail.
    pub jailed_until_ms: Option<u64>,
    /// Whether it was convicted of what can fork the chain.
    pub tombstoned: bool,
    /// Whether consensus counts it.
    pub counted: bool,
    /// Its weight in consensus in the epoch at hand.
    pub weight: u64,
    /// Its weight in the next epoch.
    pub next_weight: u64,
}

/// What an account has at stake, and what is granted to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StakeInfo {
    /// The account.
    pub address: Address,
    /// Its stake, by validator.
    pub stakes: Vec<HoldingInfo>,
    /// What of it leaves and is still bound.
    pub leaving: Vec<LeavingInfo>,
    /// Its grants.
    pub grants: Vec<GrantInfo>,
}

/// Stake of an account with one validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldingInfo {
    /// The validator.
    pub validator: ValidatorId,
    /// What it is worth now.
    pub amount: Amount,
    /// What it has earned and nobody has taken.
    pub earned: Amount,
}

/// Stake that leaves a validator. It comes to the account, or to the other validator, by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeavingInfo {
    /// The validator that it leaves, and answers for.
    pub validator: ValidatorId,
    /// The validator that it goes to; absent if it comes to the account.
    pub to: Option<ValidatorId>,
    /// What it is worth now.
    pub amount: Amount,
    /// When it is looked at next, in ms: then it comes, unless evidence against it may still come.
    pub until_ms: u64,
}

/// Money that vests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantInfo {
    /// Its number.
    pub grant: GrantId,
    /// Whose part of the supply it comes from.
    pub tranche: Tranche,
    /// How much in all.
    pub amount: Amount,
    /// What of it was not taken yet.
    pub left: Amount,
    /// Since when it vests, in ms.
    pub start_ms: u64,
}

impl GrantInfo {
    /// Returns what its owner may take at a ledger time.
    #[must_use]
    pub const fn claimable(&self, vesting: &VestingSpec, now_ms: u64) -> Amount {
        let vested = vesting.vested(self.amount, now_ms.saturating_sub(self.start_ms));
        self.left.saturating_sub(self.amount.saturating_sub(vested))
    }
}

/// A proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposalInfo {
    /// Its number.
    pub proposal: ProposalId,
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
    /// Why it could not be executed, if it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// How the vote would end now; absent when it is over.
    pub tally: Option<TallyInfo>,
}

/// Money of the treasury that is put aside and paid by milestones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchInfo {
    /// Its number.
    pub launch: LaunchId,
    /// Who is paid.
    pub to: Address,
    /// What each milestone pays, in order.
    pub milestones: List<Amount, MILESTONES_MAX>,
    /// How many of them are paid.
    pub paid: u8,
    /// What is neither paid nor given back.
    pub left: Amount,
    /// When what is left is the treasury's again, in ms.
    pub ends_ms: u64,
    /// Where it stands.
    pub status: LaunchStatus,
}

/// Votes, in CIRO of stake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TallyInfo {
    /// For it.
    pub yes: Amount,
    /// Against it.
    pub no: Amount,
    /// For the quorum alone.
    pub abstain: Amount,
    /// Against it and its deposit.
    pub veto: Amount,
    /// All stake that may vote.
    pub stake: Amount,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_taken_of_a_grant_is_what_has_vested_and_was_not_taken() {
        let vesting = VestingSpec { start_ms: 0, cliff_ms: 10, duration_ms: 100 };
        let amount = Amount::ciro(100);
        let (grant, tranche) = (GrantId(0), Tranche::Team);
        let info = GrantInfo { grant, tranche, amount, left: Amount::ciro(70), start_ms: 1_000 };
        for (now, expected) in [(999, 0), (1_009, 0), (1_029, 0), (1_030, 0), (1_050, 20)] {
            assert_eq!(info.claimable(&vesting, now), Amount::ciro(expected), "{now}");
        }
        assert_eq!(info.claimable(&vesting, 5_000), info.left);
    }
}
