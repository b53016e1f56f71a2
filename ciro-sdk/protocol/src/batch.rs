//! Batches: what a submitter hands to consensus as one operation.

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_consensus::crypto::{Scheme, Stark};
use ciro_consensus::{ClientId, Digest, Nonce, Operation};
use serde::{Deserialize, Serialize};

use crate::blob::BlobId;
use crate::id::{Chain, SubmitterId};
use crate::sign::{Address, Signable, Signed, halves};
use crate::tx::SignedTx;
use crate::wire::{List, Message};

/// The most transactions of a batch.
pub const TXS_MAX: usize = 256;
/// The most blobs that a batch's validity depends on.
pub const ATTACHMENTS_MAX: usize = 64;
/// The most bytes of a batch.
pub const BATCH_BYTES_MAX: usize = 256 << 10;

/// A batch with its submitter's signature.
pub type SignedBatch = Signed<Batch>;

/// Transactions in order. An empty batch is a tick: it carries the time.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// The network.
    pub chain: Chain,
    /// Who submits.
    pub submitter: SubmitterId,
    /// The submitter's key.
    pub signer: Address,
    /// The submitter's position: consensus orders them without gaps.
    pub nonce: u64,
    /// The submitter's clock, in ms since 1970.
    pub time_ms: u64,
    /// What is to be executed.
    pub txs: List<SignedTx, TXS_MAX>,
    /// The keys and bundles that the transactions name: all that their validity depends on.
    pub attachments: List<BlobId, ATTACHMENTS_MAX>,
}

impl Message for Batch {
    const NAME: &'static str = "CIRO_BATCH_V1";
    const BYTES_MAX: usize = BATCH_BYTES_MAX;
}

impl Message for SignedBatch {
    const NAME: &'static str = "CIRO_SIGNED_BATCH_V1";
    const BYTES_MAX: usize = 64 + BATCH_BYTES_MAX;
}

impl Signable for Batch {
    const DOMAIN: Digest = Digest::short_string("CIRO_BATCH_V1");

    fn signer(&self) -> Address {
        self.signer
    }

    fn chain(&self) -> Chain {
        self.chain
    }
}

impl Batch {
    /// Returns the operation that consensus orders. Its payload binds every byte of the batch; a
    /// signature that is spelled in its second form makes no second operation.
    #[must_use]
    pub fn operation(&self) -> Operation {
        let [high, low] = halves(&self.digest());
        let payload = Stark::hash(&[Digest::short_string("CIRO_PAYLOAD_V1"), high, low]);
        Operation { client: ClientId(self.submitter.0), nonce: Nonce(self.nonce), payload }
    }
}
