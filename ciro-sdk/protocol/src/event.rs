//! What a block changed, for whoever watches: queues, pages, accounts.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::economy::{LaunchStatus, Offence, Tranche};
use crate::id::{GrantId, JobId, LaunchId, ModelId, ProposalId, ProviderId, ValidatorId};
use crate::order::Class;
use crate::receipt::Receipt;
use crate::sign::Address;

/// One change. Events of a block come in the order in which they happened.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Money moved.
    Moved(Movement),
    /// A model was registered, or its listing changed.
    ModelListed {
        /// The model.
        model: ModelId,
    },
    /// A model takes no more orders.
    ModelRetired {
        /// The model.
        model: ModelId,
    },
    /// A provider was registered, or what it says of itself changed.
    ProviderChanged {
        /// The provider.
        provider: ProviderId,
    },
    /// A provider may not claim for some time.
    ProviderJailed {
        /// The provider.
        provider: ProviderId,
        /// Ledger time until which it may not.
        until_ms: u64,
    },
    /// A job waits for a provider: a new one, or one whose provider failed.
    JobOpened {
        /// The job.
        job: JobId,
        /// The class.
        class: Class,
        /// The attempt that may be claimed.
        attempt: u8,
    },
    /// A provider holds a job.
    JobClaimed {
        /// The job.
        job: JobId,
        /// The attempt.
        attempt: u8,
        /// The provider.
        provider: ProviderId,
        /// What it is paid.
        price: Amount,
        /// Ledger time at which its lease ends.
        lease_until_ms: u64,
    },
    /// A provider holds a job for longer.
    JobRenewed {
        /// The job.
        job: JobId,
        /// The attempt.
        attempt: u8,
        /// Ledger time at which its lease ends.
        lease_until_ms: u64,
    },
    /// A provider lost a job.
    JobLost {
        /// The job.
        job: JobId,
        /// The attempt that is over.
        attempt: u8,
        /// The provider.
        provider: ProviderId,
        /// Why.
        reason: LossReason,
    },
    /// A job is settled or refunded.
    JobEnded {
        /// Its receipt.
        receipt: Box<Receipt>,
    },
    /// A validator was registered, or its terms or its standing changed.
    ValidatorChanged {
        /// The validator.
        validator: ValidatorId,
    },
    /// A validator is not paid for some time.
    ValidatorJailed {
        /// The validator.
        validator: ValidatorId,
        /// Ledger time until which it is not.
        until_ms: u64,
    },
    /// A validator was convicted: what it costs follows as movements.
    ValidatorConvicted {
        /// Of what.
        offence: Offence,
    },
    /// A proposal was made, was decided, or was executed.
    ProposalChanged {
        /// The proposal.
        proposal: ProposalId,
        /// Where it stands.
        status: ProposalStatus,
        /// Why it could not be executed, if it could not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
    },
    /// A launch was opened, paid a milestone, or is over.
    LaunchChanged {
        /// The launch.
        launch: LaunchId,
        /// Where it stands.
        status: LaunchStatus,
        /// How many of its milestones are paid.
        paid: u8,
    },
}

/// Where a proposal stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ProposalStatus {
    /// It is voted on.
    Voting,
    /// Too little stake voted.
    NoQuorum,
    /// It did not find a majority.
    Rejected,
    /// It was vetoed, and its deposit is burned.
    Vetoed,
    /// It passed and waits for its execution.
    Passed,
    /// It was executed.
    Executed,
    /// It could not be executed, for a reason that is a [`Failure`].
    Failed,
}

/// Why a proposal that passed could not be executed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The parameters were replaced since it was made.
    ParamsReplaced,
    /// The treasury has less.
    TreasuryShort,
    /// With what votes took out of the treasury in the epoch before, it would be more than they
    /// may.
    SpendLimit,
    /// Less of the tranche is left.
    ReserveShort,
    /// The launch is over.
    LaunchOver,
    /// The milestone is not the next one of its launch.
    MilestoneNotNext,
}

/// Why a provider no longer holds a job that it did not settle.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum LossReason {
    /// It gave it back.
    Released,
    /// It gave it back for want of the input.
    InputUnavailable,
    /// It gave it back as not served.
    NotServed,
    /// Its lease ended.
    LeaseEnded,
    /// The job's deadline passed.
    DeadlinePassed,
    /// It signed a proof that is none.
    Fraud,
}

/// Money that moved from one purse to another.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Movement {
    /// From where.
    pub from: Purse,
    /// To where.
    pub to: Purse,
    /// How much.
    pub amount: Amount,
    /// For what.
    pub why: Why,
}

/// A place where money is. The sum over all of them never changes.
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
pub enum Purse {
    /// An account.
    Account(Address),
    /// What the requester of an unfinished job has paid in.
    Escrow(JobId),
    /// What the provider of a claimed job has at stake for it.
    Collateral(JobId),
    /// The rest of a provider's bond.
    Bond(ProviderId),
    /// What a provider took from its bond and may not use yet.
    Unbonding(ProviderId),
    /// What the owner of a model has deposited.
    Deposit(ModelId),
    /// Test money.
    Faucet,
    /// What has not been given out, and what the network earns.
    Treasury,
    /// What is gone for ever.
    Burned,
    /// What stakers have not earned yet.
    Rewards,
    /// What of a tranche nobody has been granted.
    Reserve(Tranche),
    /// What of a grant its owner has not taken.
    Vesting(GrantId),
    /// What of the airdrop nobody has claimed.
    Airdrop,
    /// What is at a validator's stake.
    Stake(ValidatorId),
    /// What left a validator's stake in a consensus epoch and still answers for it.
    Leaving(ValidatorId, u64),
    /// What a validator's stake has earned and nobody has taken.
    Earned(ValidatorId),
    /// The deposit of a proposal.
    Proposal(ProposalId),
    /// What is put aside for a launch and neither paid nor given back.
    Launch(LaunchId),
}

/// What kind of purse: the supply is the sum of these.
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
pub enum Bucket {
    /// All accounts.
    Accounts,
    /// All escrow.
    Escrow,
    /// All collateral.
    Collateral,
    /// All bonds.
    Bonds,
    /// All that is unbonding.
    Unbonding,
    /// All deposits.
    Deposits,
    /// The faucet.
    Faucet,
    /// The treasury.
    Treasury,
    /// All that was burned.
    Burned,
    /// What stakers have not earned yet.
    Rewards,
    /// What nobody has been granted.
    Reserve,
    /// All grants.
    Vesting,
    /// The airdrop.
    Airdrop,
    /// All stake.
    Stake,
    /// All that left stake and is still bound.
    Leaving,
    /// All that stake has earned and nobody has taken.
    Earned,
    /// All deposits of proposals.
    Proposals,
    /// All that is put aside for launches.
    Launches,
}

impl Purse {
    /// Returns the bucket that the purse is part of.
    #[must_use]
    pub const fn bucket(&self) -> Bucket {
        match self {
            Self::Account(_) => Bucket::Accounts,
            Self::Escrow(_) => Bucket::Escrow,
            Self::Collateral(_) => Bucket::Collateral,
            Self::Bond(_) => Bucket::Bonds,
            Self::Unbonding(_) => Bucket::Unbonding,
            Self::Deposit(_) => Bucket::Deposits,
            Self::Faucet => Bucket::Faucet,
            Self::Treasury => Bucket::Treasury,
            Self::Burned => Bucket::Burned,
            Self::Rewards => Bucket::Rewards,
            Self::Reserve(_) => Bucket::Reserve,
            Self::Vesting(_) => Bucket::Vesting,
            Self::Airdrop => Bucket::Airdrop,
            Self::Stake(_) => Bucket::Stake,
            Self::Leaving(..) => Bucket::Leaving,
            Self::Earned(_) => Bucket::Earned,
            Self::Proposal(_) => Bucket::Proposals,
            Self::Launch(_) => Bucket::Launches,
        }
    }
}

/// For what money moved.
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
pub enum Why {
    /// The state before the first block.
    Genesis,
    /// A transaction's fee.
    Fee,
    /// A transfer.
    Transfer,
    /// Test money.
    Faucet,
    /// A deposit for a model, or its return.
    Deposit,
    /// A bond, or a part of it that is taken out.
    Bond,
    /// The highest price of an order.
    Escrow,
    /// Collateral of a claim, or its return.
    Collateral,
    /// The price of a job.
    Price,
    /// The market's part of it.
    MarketFee,
    /// What is left of escrow.
    Refund,
    /// What a provider that failed owes to the requester.
    Compensation,
    /// What a provider that failed loses beyond.
    Slash,
    /// What whoever reports fraud or an offence gets.
    Reward,
    /// What is released of the pool of rewards.
    Emission,
    /// A validator's part of the rewards of others.
    Commission,
    /// Rewards that are taken.
    Rewards,
    /// Stake that comes or leaves.
    Stake,
    /// A grant, or what has vested of it.
    Vesting,
    /// The airdrop.
    Airdrop,
    /// The deposit of a proposal, or its return.
    Proposal,
    /// What governance pays out of the treasury.
    Spend,
    /// What is put aside for a launch, paid for a milestone, or given back.
    Launch,
}
