//! Whether what came back answers what was ordered. No node is asked.

use ciro_model::integer::Context;
use ciro_protocol::blob::BlobId;
use ciro_protocol::id::{InputDigest, JobId, KeyDigest, OutputDigest};
use ciro_protocol::receipt::{Outcome, Receipt, Settlement};
use ciro_stark::Policy;

use crate::routes::RouteError;
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
    /// The bundle is none about a program, or its proof does not hold.
    #[error("the bundle proves nothing about the program")]
    Program(#[source] RouteError),
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
    let settlement = settlement_of((job, key.digest().into(), ordered), receipt, bundle)?;
    let bundle = ProofBundle::from_bytes(bundle)?;
    let verified = verify_with(&bundle, key, policy)?;
    // Proofs for jobs are bound to no context: a lease says who may bring one.
    bundle.check_context(Context::NONE)?;
    let (stated_input, stated_output) = bundle.stated_digests(key)?;
    if InputDigest(stated_input) != ordered {
        return Err(ResultError::Input);
    }
    if OutputDigest(stated_output) != settlement.output {
        return Err(ResultError::Output);
    }
    Ok((bundle, verified))
}

/// What a receipt about a job, the user's own key and what was ordered says of a bundle that it
/// names.
///
/// # Errors
/// [`ResultError`] with the first thing that is another one; nothing is verified.
pub(crate) fn settlement_of<'r>(
    own: (JobId, KeyDigest, InputDigest),
    receipt: &'r Receipt,
    bundle: &[u8],
) -> Result<&'r Settlement, ResultError> {
    check_about(own, receipt)?;
    let Outcome::Settled(settlement) = &receipt.outcome else {
        return Err(ResultError::Refunded);
    };
    if BlobId::of(bundle).ok() == Some(settlement.bundle) {
        Ok(settlement)
    } else {
        Err(ResultError::Bundle)
    }
}

/// Checks that a receipt is about a job, the user's own key, and what was ordered.
///
/// # Errors
/// [`ResultError::Other`] with the first that is another one.
pub(crate) fn check_about(
    (job, key, ordered): (JobId, KeyDigest, InputDigest),
    receipt: &Receipt,
) -> Result<(), ResultError> {
    let own = [
        ("job", receipt.job == job),
        ("key", receipt.key == key),
        ("input", receipt.input == ordered),
    ];
    let other = own.into_iter().find(|(_, own)| !own);
    other.map_or(Ok(()), |(what, _)| Err(ResultError::Other(what)))
}
