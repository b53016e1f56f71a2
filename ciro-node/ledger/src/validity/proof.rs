//! Whether a proof holds: the same answer settles a job and convicts a cheat.

use std::collections::BTreeMap;

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
    /// A bundle has another length than was said, and paid for.
    #[error("blob {blob} has {len} bytes, the transaction says {said}")]
    Length {
        /// The blob.
        blob: BlobId,
        /// Its bytes.
        len: usize,
        /// The bytes said.
        said: u64,
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
    Looks::default().judge(judges, said)
}

/// What pairs of blobs prove, as far as they were looked at: however often a batch speaks of one,
/// it is read twice at most.
#[derive(Debug, Default)]
pub(super) struct Looks(BTreeMap<(BlobId, BlobId), Look>);

/// What a look at a pair of blobs showed.
#[derive(Debug)]
enum Look {
    /// One is too long.
    TooLong(Unproven),
    /// The bundle has this length, which is not the one that was said: it was not verified.
    Unread(usize),
    /// The bundle has this length and was verified.
    Read(usize, Result<Stated, Refused>),
}

impl Looks {
    /// Judges as [`judge`] does.
    pub(super) fn judge(
        &mut self,
        judges: &Judges<'_>,
        said: &Proven,
    ) -> Result<Result<(), Unproven>, Invalid> {
        if said.verifier != judges.spec.verifier {
            // Builds know different versions, and have to agree.
            let (found, runs) = (said.verifier, judges.spec.verifier);
            let refused = Refused(format!("verifier {found}: the network runs verifier {runs}"));
            return Ok(Err(refused.into()));
        }
        let pair = (said.key_blob, said.bundle);
        loop {
            if let Some(judged) = self.0.get(&pair).and_then(|look| look.judge(said)) {
                return Ok(judged);
            }
            // A look for what is said tells whether it holds.
            self.0.insert(pair, Look::at(judges, said)?);
        }
    }
}

impl Look {
    fn at(judges: &Judges<'_>, said: &Proven) -> Result<Self, Invalid> {
        let blob = |id: BlobId| judges.blobs.get(id).ok_or(Invalid::Unavailable(id));
        let (key, bundle) = (blob(said.key_blob)?, blob(said.bundle)?);
        let key_max = u64::try_from(KEY_BYTES_MAX).unwrap_or(u64::MAX);
        let limits = [
            (said.key_blob, key.len(), key_max),
            (said.bundle, bundle.len(), judges.spec.limits.bundle_bytes),
        ];
        for (blob, len, max) in limits {
            if bytes(len) > max {
                return Ok(Self::TooLong(Unproven::TooLong { blob, len, max }));
            }
        }
        if bytes(bundle.len()) != said.bundle_bytes {
            return Ok(Self::Unread(bundle.len()));
        }
        let stated = read_key(judges, &key)
            .and_then(|_| judges.proofs.verify(judges.spec.verifier, &key, &bundle));
        Ok(Self::Read(bundle.len(), stated))
    }

    /// Whether what is said is proven; `None` if that takes another look.
    fn judge(&self, said: &Proven) -> Option<Result<(), Unproven>> {
        let (len, stated) = match self {
            Self::TooLong(unproven) => return Some(Err(unproven.clone())),
            Self::Unread(len) => (*len, None),
            Self::Read(len, stated) => (*len, Some(stated)),
        };
        // The provider pays by the byte for what nodes keep.
        if bytes(len) != said.bundle_bytes {
            let (blob, said) = (said.bundle, said.bundle_bytes);
            return Some(Err(Unproven::Length { blob, len, said }));
        }
        stated.map(|stated| stated.clone()?.is(said))
    }
}

/// Reads a key of a route that the network has opened, under the network's verifier.
///
/// # Errors
///
/// [`Refused`] if it is none, or of another route: validators whose builds know of other routes
/// would judge it and its proofs in another way.
pub fn read_key(judges: &Judges<'_>, key: &[u8]) -> Result<KeyFacts, Refused> {
    let facts = judges.proofs.facts(judges.spec.verifier, key)?;
    if judges.spec.routes.contains(&facts.route) {
        Ok(facts)
    } else {
        Err(Refused("the network verifies no proofs of the key's route".to_owned()))
    }
}

impl Stated {
    fn is(&self, said: &Proven) -> Result<(), Unproven> {
        let parts = [
            (self.key == said.key, "the key"),
            (self.input == said.input, "the input"),
            (self.output == said.output, "the output"),
        ];
        let other = parts.into_iter().find(|(same, _)| !same);
        other.map_or(Ok(()), |(_, part)| Err(Unproven::Other(part)))
    }
}

fn bytes(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
