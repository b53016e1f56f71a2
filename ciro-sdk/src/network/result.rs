//! Whether what came back answers what was ordered. No node is asked.

use ciro_model::integer::Context;
use ciro_protocol::blob::BlobId;
use ciro_protocol::id::{InputDigest, JobId, OutputDigest};
use ciro_protocol::receipt::{Outcome, Receipt, Settlement};
use ciro_stark::Policy;

use crate::verify::{
    BundleError, Key, OpeningError, ProofBundle, Verified, VerifyError, verify_with,
};

/// Why a result does not answer what was ordered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResultError {
    /// The receipt is about another job, key or input.
    #[error("the receipt is about another {0} than the order")]
    Other(&'static str),
    /// The receipt says that nothing was proven.
    #[error("the receipt says that the job was refunded")]
    Refunded,
    /// The bundle is not the one of the receipt.
    #[error("the bundle is not the one that the receipt names")]
    Bundle,
    /// The bundle is none.
    #[error("the bundle cannot be read")]
    Decode(#[from] BundleError),
    /// The proof does not hold under the user's key and policy.
    #[error("the proof does not hold")]
    Verify(#[from] VerifyError),
    /// The proof states another input than the order.
    #[error("the proof is about another input than the one that was ordered")]
    Input,
    /// The proof commits to something else than what was ordered, or what the model gives for it.
    #[error("the proof commits to something else than what the model takes and gives")]
    Opening(#[from] OpeningError),
    /// The proof states another output than the receipt.
    #[error("the proof states another output than the receipt")]
    Output,
}

/// Checks a bundle against the user's own key, the integers that were ordered, and the receipt.
///
/// # Errors
/// [`ResultError`] with the first check that fails.
pub fn check_result(
    (job, ordered): (JobId, InputDigest),
    key: &Key,
    receipt: &Receipt,
    (bundle, policy): (&[u8], &Policy),
) -> Result<(ProofBundle, Verified), ResultError> {
    check_about((job, ordered), key, receipt)?;
    let Outcome::Settled(Settlement { output, bundle: named, .. }) = &receipt.outcome else {
        return Err(ResultError::Refunded);
    };
    if BlobId::of(bundle).ok() != Some(*named) {
        return Err(ResultError::Bundle);
    }
    let bundle = ProofBundle::from_bytes(bundle)?;
    let verified = verify_with(&bundle, key, policy)?;
    // Proofs for jobs are bound to no context: a lease says who may bring one.
    bundle.check_context(Context::NONE)?;
    let (stated_input, stated_output) = bundle.stated_digests(key)?;
    if InputDigest(stated_input) != ordered {
        return Err(ResultError::Input);
    }
    if OutputDigest(stated_output) != *output {
        return Err(ResultError::Output);
    }
    Ok((bundle, verified))
}

/// Checks that a receipt is about a job, the user's own key, and the integers that were ordered.
///
/// # Errors
/// [`ResultError::Other`] with the first that is another one.
pub(crate) fn check_about(
    (job, ordered): (JobId, InputDigest),
    key: &Key,
    receipt: &Receipt,
) -> Result<(), ResultError> {
    let own = [
        ("job", receipt.job == job),
        ("key", receipt.key == key.digest().into()),
        ("input", receipt.input == ordered),
    ];
    let other = own.into_iter().find(|(_, own)| !own);
    other.map_or(Ok(()), |(what, _)| Err(ResultError::Other(what)))
}
