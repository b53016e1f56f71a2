//! Whether a proof holds: the same answer settles a job and convicts a cheat.

use ciro_protocol::blob::BlobId;
use ciro_protocol::id::{InputDigest, KeyDigest, OutputDigest};
use ciro_protocol::model::{KEY_BYTES_MAX, KeyFacts};
use ciro_protocol::tx::Proven;

use super::{Invalid, Judges};

/// The proof system of the network, as the ledger sees it. Every answer is a function of the bytes:
/// validators must agree.
pub trait ProofSystem: Sync {
    /// Reads a key under a version of the verifier.
    ///
    /// # Errors
    ///
    /// [`Refused`] if the bytes are no key, or the version is unknown.
    fn facts(&self, verifier: u8, key: &[u8]) -> Result<KeyFacts, Refused>;

    /// Verifies a bundle under a key and returns what it states.
    ///
    /// # Errors
    ///
    /// [`Refused`] if the proof does not hold.
    fn verify(&self, verifier: u8, key: &[u8], bundle: &[u8]) -> Result<Stated, Refused>;
}

/// What a proof that holds states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stated {
    /// Under which key.
    pub key: KeyDigest,
    /// What went in.
    pub input: InputDigest,
    /// What came out.
    pub output: OutputDigest,
}

/// The verifier's own words on why a proof does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// Why something is not proven.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unproven {
    /// A blob is longer than the network allows.
    #[error("blob {blob} has {len} bytes, at most {max} are allowed")]
    TooLong {
        /// The blob.
        blob: BlobId,
        /// Its bytes.
        len: usize,
        /// The limit.
        max: u64,
    },
    /// The verifier refuses.
    #[error("the proof does not hold")]
    Refused(#[from] Refused),
    /// The proof states something else than the transaction says.
    #[error("{0} stated is another one")]
    Other(&'static str),
}

/// Judges whether blobs prove what is said of them: `Ok(Ok(()))` if they do, `Ok(Err(_))` if they
/// do not.
///
/// # Errors
///
/// [`Invalid::Unavailable`] if a blob is not here, so that there is no verdict.
pub fn judge(judges: &Judges<'_>, said: &Proven) -> Result<Result<(), Unproven>, Invalid> {
    let blob = |id: BlobId| judges.blobs.get(id).ok_or(Invalid::Unavailable(id));
    let (key, bundle) = (blob(said.key_blob)?, blob(said.bundle)?);
    Ok(judge_bytes(judges, said, (&key, &bundle)))
}

fn judge_bytes(
    judges: &Judges<'_>,
    said: &Proven,
    (key, bundle): (&[u8], &[u8]),
) -> Result<(), Unproven> {
    let key_max = u64::try_from(KEY_BYTES_MAX).unwrap_or(u64::MAX);
    let limits = [
        (said.key_blob, key.len(), key_max),
        (said.bundle, bundle.len(), judges.spec.limits.bundle_bytes),
    ];
    for (blob, len, max) in limits {
        if u64::try_from(len).unwrap_or(u64::MAX) > max {
            return Err(Unproven::TooLong { blob, len, max });
        }
    }
    let stated = judges.proofs.verify(said.verifier, key, bundle)?;
    if stated.key != said.key {
        return Err(Unproven::Other("the key"));
    }
    if stated.input != said.input {
        return Err(Unproven::Other("the input"));
    }
    if stated.output != said.output {
        return Err(Unproven::Other("the output"));
    }
    Ok(())
}
