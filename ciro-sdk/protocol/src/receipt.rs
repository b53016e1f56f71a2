//! What became of a job, and of a transaction.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::blob::BlobId;
use crate::id::{
    InputDigest, JobId, KeyDigest, ModelId, OutputDigest, ProviderId, ReceiptDigest, TxId,
};
use crate::refusal::Refusal;
use crate::sign::Address;
use crate::tx::Tally;
use crate::wire::Message;

/// How a job ended. The ledger keeps its digest for ever.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The job.
    pub job: JobId,
    /// Who ordered it.
    pub requester: Address,
    /// The model.
    pub model: ModelId,
    /// The key that the proof is checked against.
    pub key: KeyDigest,
    /// The integers that were to go in.
    pub input: InputDigest,
    /// Providers that tried.
    pub attempts: u8,
    /// What was in escrow.
    pub escrow: Amount,
    /// What went back to the requester of it.
    pub refund: Amount,
    /// Ledger time of the order's execution, in ms.
    pub opened_ms: u64,
    /// Ledger time of the end, in ms.
    pub ended_ms: u64,
    /// The block of the end.
    pub height: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// The two ends of a job.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Outcome {
    /// Proven and paid.
    Settled(Settlement),
    /// Paid back.
    Refunded {
        /// Why.
        reason: RefundReason,
    },
}

/// What a settled job gave.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settlement {
    /// Who proved it.
    pub provider: ProviderId,
    /// The price.
    pub price: Amount,
    /// What the market kept of it.
    pub market_fee: Amount,
    /// The integers that came out.
    pub output: OutputDigest,
    /// The proof bundle.
    pub bundle: BlobId,
    /// The verifier that accepted it.
    pub verifier: u8,
    /// Ledger time of the claim, in ms.
    pub claimed_ms: u64,
    /// The transaction that brought the proof.
    pub tx: TxId,
}

/// Why a job was paid back.
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
pub enum RefundReason {
    /// Its requester took it back.
    Cancelled,
    /// Its deadline passed.
    Expired,
    /// As many providers failed as may try.
    AttemptsSpent,
    /// The provider that was asked directly could not get or read its input.
    InputUnavailable,
    /// The provider that was asked directly does not serve such orders.
    NotServed,
}

/// What became of one transaction of a block.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TxReceipt {
    /// The transaction.
    pub id: TxId,
    /// What it counts as.
    pub tally: Tally,
    /// What it cost.
    pub fee: Amount,
    /// Why it changed nothing but the fee; absent if it was executed.
    pub refused: Option<Refusal>,
}

impl TxReceipt {
    /// Whether this end stays: what is refused before its fee leaves no trace and may come again.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        !matches!(
            self.refused,
            Some(
                Refusal::Expired
                    | Refusal::ValidityTooLong
                    | Refusal::FeeAboveMax
                    | Refusal::FeeUnaffordable
            )
        )
    }
}

impl Message for Receipt {
    const NAME: &'static str = "CIRO_RECEIPT_V1";
    const BYTES_MAX: usize = 1024;
}

impl Receipt {
    /// Returns what the ledger keeps of it.
    #[must_use]
    pub fn id(&self) -> ReceiptDigest {
        ReceiptDigest(self.digest())
    }
}
