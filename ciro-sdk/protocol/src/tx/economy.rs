//! Supply, stake and governance.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::economy::{
    AIRDROP_DEPTH_MAX, AirdropShare, Commission, EconomyParams, MILESTONES_MAX, Tranche,
};
use crate::id::{AirdropNode, GrantId, LaunchId, ProposalId, ValidatorId};
use crate::sign::{Address, Signature};
use crate::text::Text;
use crate::wire::{Bytes, List};

/// Takes what has vested of a grant.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct ClaimGrant {
    /// The grant.
    pub grant: GrantId,
}

/// Pays a share of the public's part out to its owner. Anybody may send it, as the owner may have
/// nothing to pay the fee with.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimAirdrop {
    /// The share.
    pub share: AirdropShare,
    /// Its siblings on the way to the root, lowest first.
    pub path: List<AirdropNode, AIRDROP_DEPTH_MAX>,
}

/// Registers the account as a validator's operator.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct RegisterValidator {
    /// The key that signs in consensus.
    pub key: Address,
    /// Its signature of [`Possession`](crate::economy::Possession).
    pub possession: Signature,
    /// What it takes of the rewards of others.
    pub commission: Commission,
    /// Its own stake.
    pub bond: Amount,
}

/// Changes what the account's validator takes of the rewards of others.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct SetCommission {
    /// What it takes from now on, in basis points.
    pub bps: u16,
}

/// Puts money at a validator's stake. It stays the account's, and shares what the validator earns
/// and loses.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Delegate {
    /// The validator.
    pub validator: ValidatorId,
    /// How much, more than nothing.
    pub amount: Amount,
}

/// Takes money from a validator's stake. It comes to the account after the unbonding period.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Undelegate {
    /// The validator.
    pub validator: ValidatorId,
    /// How much, more than nothing.
    pub amount: Amount,
}

/// Moves money from one validator's stake to another's, where it arrives after the unbonding
/// period: until then it answers for the first one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Redelegate {
    /// From where.
    pub from: ValidatorId,
    /// To where.
    pub to: ValidatorId,
    /// How much, more than nothing.
    pub amount: Amount,
}

/// Takes what the account's stake with a validator has earned.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct ClaimRewards {
    /// The validator.
    pub validator: ValidatorId,
}

/// The most bytes of evidence against a validator.
pub const EVIDENCE_BYTES_MAX: usize = 1024;

/// Brings evidence against a validator that no block has punished.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportOffence {
    /// The offender's key, under which the evidence is signed.
    pub key: Address,
    /// The evidence, as consensus encodes it.
    pub evidence: Bytes<EVIDENCE_BYTES_MAX>,
}

/// Proposes a change to those who hold stake.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Propose {
    /// What it is about, for people.
    pub title: Text<128>,
    /// What happens if it passes.
    pub action: Action,
}

/// What a proposal that passes does.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Replaces the parameters of the economy.
    SetParams {
        /// The new parameters, all of them.
        params: EconomyParams,
    },
    /// Pays out of the treasury.
    Spend {
        /// To whom.
        to: Address,
        /// How much.
        amount: Amount,
    },
    /// Grants what of a tranche nobody has been granted yet. It vests from its execution on.
    Grant {
        /// The tranche.
        tranche: Tranche,
        /// To whom.
        to: Address,
        /// How much.
        amount: Amount,
    },
    /// Puts money of the treasury aside, which is paid by milestones.
    OpenLaunch {
        /// To whom.
        to: Address,
        /// What each milestone pays, in the order in which they are paid.
        milestones: List<Amount, MILESTONES_MAX>,
        /// How long after its execution milestones may be paid, in ms of ledger time; what is left
        /// then is the treasury's again.
        lasts_ms: u64,
    },
    /// Pays a milestone of a launch, the next one.
    PayMilestone {
        /// The launch.
        launch: LaunchId,
        /// The milestone, from 0.
        milestone: u8,
    },
    /// Ends a launch: what is left of it is the treasury's again.
    EndLaunch {
        /// The launch.
        launch: LaunchId,
    },
}

/// Votes on a proposal with the stake that the account has with a validator, now and as it changes
/// until the vote ends.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Vote {
    /// The proposal.
    pub proposal: ProposalId,
    /// The validator that has the stake.
    pub validator: ValidatorId,
    /// The vote. An operator's is also that of everybody who has stake with it and does not vote.
    pub choice: VoteOption,
}

/// A vote.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum VoteOption {
    /// For it.
    Yes,
    /// Against it.
    No,
    /// Counts for the quorum alone.
    Abstain,
    /// Against it, and against its deposit.
    Veto,
}

impl VoteOption {
    /// All votes.
    pub const ALL: [Self; 4] = [Self::Yes, Self::No, Self::Abstain, Self::Veto];
}
