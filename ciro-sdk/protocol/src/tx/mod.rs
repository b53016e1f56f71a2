//! Transactions: what accounts do.

mod account;
mod economy;
mod job;
mod model;
mod provider;

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_consensus::Digest;
use serde::{Deserialize, Serialize};

pub use account::Transfer;
pub use economy::{
    Action, ClaimAirdrop, ClaimGrant, ClaimRewards, Delegate, EVIDENCE_BYTES_MAX, Propose,
    Redelegate, RegisterValidator, ReportOffence, SetCommission, Undelegate, Vote, VoteOption,
};
pub use job::{Cancel, Claim, Proven, Release, ReleaseReason, Renew, ReportFraud, SubmitProof};
pub use model::{RegisterModel, RetireModel, UpdateModel};
pub use provider::{AddBond, RegisterProvider, SetAsks, Unbond};

use crate::amount::Amount;
use crate::id::{Chain, JobId, TxId};
use crate::order::JobOrder;
use crate::sign::{Address, Signable, Signed};
use crate::wire::Message;

/// A transaction with its account's signature.
pub type SignedTx = Signed<Transaction>;

/// What an account does, once: its id is remembered while it is valid, so that sending it again is
/// harmless.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transaction {
    /// Who, where, until when, at what fee.
    pub header: TxHeader,
    /// What.
    pub body: Body,
}

/// What all transactions have.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct TxHeader {
    /// The network.
    pub chain: Chain,
    /// Who signs and pays the fee.
    pub account: Address,
    /// Makes equal transactions different.
    #[serde(with = "salt")]
    pub salt: [u8; 16],
    /// Ledger time after which it is not executed, in ms.
    pub valid_until_ms: u64,
    /// The most that it may cost.
    pub fee_max: Amount,
}

/// The kinds of transactions.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Body {
    /// Moves money.
    Transfer(Transfer),
    /// Takes test money.
    Faucet,
    /// Registers a model.
    RegisterModel(Box<RegisterModel>),
    /// Changes a model's listing.
    UpdateModel(UpdateModel),
    /// Takes a model back.
    RetireModel(RetireModel),
    /// Registers a provider.
    RegisterProvider(RegisterProvider),
    /// Changes what a provider takes on.
    SetAsks(SetAsks),
    /// Adds to a provider's bond.
    AddBond(AddBond),
    /// Takes from a provider's bond.
    Unbond(Unbond),
    /// Lets a provider claim again after its time in jail.
    Unjail,
    /// Orders a job. The transaction's id is the job's.
    Order(Box<JobOrder>),
    /// Takes an order back that nobody has claimed.
    Cancel(Cancel),
    /// Takes a job.
    Claim(Claim),
    /// Gives a job back.
    Release(Release),
    /// Holds a job for longer.
    Renew(Renew),
    /// Settles a job by its proof.
    SubmitProof(SubmitProof),
    /// Shows that a provider signed a proof that is none.
    ReportFraud(Box<ReportFraud>),
    /// Takes what has vested of a grant.
    ClaimGrant(ClaimGrant),
    /// Pays a share of the public's part out.
    ClaimAirdrop(Box<ClaimAirdrop>),
    /// Registers a validator.
    RegisterValidator(Box<RegisterValidator>),
    /// Changes a validator's commission.
    SetCommission(SetCommission),
    /// Puts money at a validator's stake.
    Delegate(Delegate),
    /// Takes money from a validator's stake.
    Undelegate(Undelegate),
    /// Moves money to another validator's stake.
    Redelegate(Redelegate),
    /// Takes what stake has earned.
    ClaimRewards(ClaimRewards),
    /// Lets a validator be paid again after its time in jail.
    UnjailValidator,
    /// Brings evidence against a validator.
    ReportOffence(ReportOffence),
    /// Proposes a change.
    Propose(Box<Propose>),
    /// Votes on a proposal.
    Vote(Vote),
}

/// Which of two things a transaction is about. They are counted apart and never added up.
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
pub enum Tally {
    /// Money and membership.
    Consensus,
    /// Jobs.
    Compute,
}

impl Body {
    /// Returns the name of the kind, as in JSON.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Transfer(_) => "transfer",
            Self::Faucet => "faucet",
            Self::RegisterModel(_) => "register_model",
            Self::UpdateModel(_) => "update_model",
            Self::RetireModel(_) => "retire_model",
            Self::RegisterProvider(_) => "register_provider",
            Self::SetAsks(_) => "set_asks",
            Self::AddBond(_) => "add_bond",
            Self::Unbond(_) => "unbond",
            Self::Unjail => "unjail",
            Self::Order(_) => "order",
            Self::Cancel(_) => "cancel",
            Self::Claim(_) => "claim",
            Self::Release(_) => "release",
            Self::Renew(_) => "renew",
            Self::SubmitProof(_) => "submit_proof",
            Self::ReportFraud(_) => "report_fraud",
            Self::ClaimGrant(_) => "claim_grant",
            Self::ClaimAirdrop(_) => "claim_airdrop",
            Self::RegisterValidator(_) => "register_validator",
            Self::SetCommission(_) => "set_commission",
            Self::Delegate(_) => "delegate",
            Self::Undelegate(_) => "undelegate",
            Self::Redelegate(_) => "redelegate",
            Self::ClaimRewards(_) => "claim_rewards",
            Self::UnjailValidator => "unjail_validator",
            Self::ReportOffence(_) => "report_offence",
            Self::Propose(_) => "propose",
            Self::Vote(_) => "vote",
        }
    }

    /// Returns what the transaction counts as.
    #[must_use]
    pub const fn tally(&self) -> Tally {
        match self {
            Self::Order(_)
            | Self::Cancel(_)
            | Self::Claim(_)
            | Self::Release(_)
            | Self::Renew(_)
            | Self::SubmitProof(_)
            | Self::ReportFraud(_) => Tally::Compute,
            Self::Transfer(_)
            | Self::Faucet
            | Self::RegisterModel(_)
            | Self::UpdateModel(_)
            | Self::RetireModel(_)
            | Self::RegisterProvider(_)
            | Self::SetAsks(_)
            | Self::AddBond(_)
            | Self::Unbond(_)
            | Self::Unjail
            | Self::ClaimGrant(_)
            | Self::ClaimAirdrop(_)
            | Self::RegisterValidator(_)
            | Self::SetCommission(_)
            | Self::Delegate(_)
            | Self::Undelegate(_)
            | Self::Redelegate(_)
            | Self::ClaimRewards(_)
            | Self::UnjailValidator
            | Self::ReportOffence(_)
            | Self::Propose(_)
            | Self::Vote(_) => Tally::Consensus,
        }
    }

    /// Returns how many proofs, keys or signatures validators check for it, beside its own.
    #[must_use]
    pub fn checks(&self) -> u64 {
        match self {
            Self::SubmitProof(_)
            | Self::ReportFraud(_)
            | Self::RegisterValidator(_)
            | Self::ReportOffence(_) => 1,
            Self::RegisterModel(model) => u64::try_from(model.card.keys.len()).unwrap_or(u64::MAX),
            _ => 0,
        }
    }

    /// Returns how many bytes of an input nodes keep for it.
    #[must_use]
    pub const fn input_bytes(&self) -> u64 {
        match self {
            Self::Order(order) => order.input.bytes,
            _ => 0,
        }
    }

    /// Returns how many bytes of a bundle nodes keep for it. What a report is about settles
    /// nothing, and is not kept.
    #[must_use]
    pub const fn bundle_bytes(&self) -> u64 {
        match self {
            Self::SubmitProof(submit) => submit.proven.bundle_bytes,
            _ => 0,
        }
    }
}

impl Message for Transaction {
    const NAME: &'static str = "CIRO_TX_V1";
    const BYTES_MAX: usize = 64 << 10;
}

impl Message for SignedTx {
    const NAME: &'static str = "CIRO_SIGNED_TX_V1";
    const BYTES_MAX: usize = 64 + Transaction::BYTES_MAX;
}

impl Signable for Transaction {
    const DOMAIN: Digest = Digest::short_string("CIRO_TX_V1");

    fn signer(&self) -> Address {
        self.header.account
    }

    fn chain(&self) -> Chain {
        self.header.chain
    }
}

impl Transaction {
    /// Returns the transaction's id.
    #[must_use]
    pub fn id(&self) -> TxId {
        TxId(self.digest())
    }

    /// Returns the job that it orders.
    #[must_use]
    pub fn job(&self) -> Option<JobId> {
        matches!(self.body, Body::Order(_)).then(|| self.id().into())
    }
}

/// The salt in hexadecimal.
mod salt {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(salt: &[u8; 16], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format!("0x{}", hex::encode(salt)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 16], D::Error> {
        let text = String::deserialize(from)?;
        let mut salt = [0; 16];
        let digits = text.strip_prefix("0x").unwrap_or(&text);
        hex::decode_to_slice(digits, &mut salt).map_err(D::Error::custom)?;
        Ok(salt)
    }
}
