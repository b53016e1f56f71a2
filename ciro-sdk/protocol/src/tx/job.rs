//! Jobs. The attempt number is a fencing token: what a provider says about an attempt that is over
//! changes nothing.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use super::{Body, SignedTx, Transaction, TxHeader};
use crate::blob::BlobId;
use crate::id::{InputDigest, JobId, KeyDigest, OutputDigest};
use crate::sign::{Signature, Signed};

/// Takes an order back.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// The job.
    pub job: JobId,
}

/// Takes a job for the account's provider.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The job.
    pub job: JobId,
    /// The attempt that is open.
    pub attempt: u8,
}

/// Gives a job back.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The job.
    pub job: JobId,
    /// The attempt that is held.
    pub attempt: u8,
    /// Why.
    pub reason: ReleaseReason,
}

/// Why a provider gives a job back. A job that it claimed costs it the same part of the collateral
/// for any reason: it could have looked before. Nobody asks it before a direct order.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseReason {
    /// It cannot do it: part of the collateral goes to the requester.
    Unable,
    /// The input cannot be had or read: costs nothing for a direct order, within its first lease.
    InputUnavailable,
    /// It does not serve the key, or not such orders for it: costs nothing for a direct order that
    /// was taken under terms which name no keys, within its first lease.
    NotServed,
}

/// Holds a job for another lease.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Renew {
    /// The job.
    pub job: JobId,
    /// The attempt that is held.
    pub attempt: u8,
}

/// Settles a job. A block holds it only if the proof verifies and states exactly this.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct SubmitProof {
    /// The job.
    pub job: JobId,
    /// The attempt that is held.
    pub attempt: u8,
    /// What it proves.
    pub proven: Proven,
}

/// What a bundle proves under a key: whether it is true is a property of the blobs alone.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Proven {
    /// The set of proofs that count: the version of the verifier.
    pub verifier: u8,
    /// The blob of the key's bytes.
    pub key_blob: BlobId,
    /// The blob of the bundle.
    pub bundle: BlobId,
    /// How many bytes that is: a bundle of another length proves nothing.
    pub bundle_bytes: u64,
    /// The key.
    pub key: KeyDigest,
    /// What goes in.
    pub input: InputDigest,
    /// What comes out.
    pub output: OutputDigest,
}

/// A provider's own signature under a proof that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportFraud {
    /// The header of the provider's transaction.
    pub header: TxHeader,
    /// Its body.
    pub submitted: SubmitProof,
    /// Its signature.
    pub signature: Signature,
}

impl ReportFraud {
    /// Returns the transaction that the provider signed.
    #[must_use]
    pub fn signed(&self) -> SignedTx {
        let body = Body::SubmitProof(self.submitted);
        Signed { body: Transaction { header: self.header, body }, signature: self.signature }
    }
}
