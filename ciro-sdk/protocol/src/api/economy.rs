//! What a node answers about supply, stake and governance.

use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::economy::{Commission, EconomyParams, Tranche, VestingSpec};
use crate::event::{Bucket, ProposalStatus};
use crate::id::{GrantId, ProposalId, ValidatorId};
use crate::sign::Address;
use crate::text::Text;
use crate::tx::Action;

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
}

/// What an account has at stake, and what is granted to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StakeInfo {
    /// The account.
    pub address: Address,
    /// Its stake, by validator.
    pub stakes: Vec<HoldingInfo>,
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
}
