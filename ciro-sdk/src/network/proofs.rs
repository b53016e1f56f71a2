//! Facts of keys, and the verification of bundles as validators do it.

use ciro_model::integer::Context;
use ciro_protocol::id::{InputDigest, KeyDigest, OutputDigest};
use ciro_protocol::model::KeyFacts;
use ciro_protocol::order::Route as ProtocolRoute;
use ciro_stark::Policy;

use crate::route::Route;
use crate::verify::{
    BundleError, InputStatement, Key, KeyDecodeError, ProofBundle, VerifyError, verify_with,
};

/// The version of the verifier that this build is: which proofs count. Any change to what
/// [`verify_stated`] accepts is another number.
pub const VERIFIER: u8 = 1;

/// What [`KeyFacts::cells`] is on a route whose keys say nothing of the work: the Cairo route,
/// whose jobs are a class of their own.
pub const KEY_CELLS_UNKNOWN: u64 = 0;

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

/// Why bytes are no key, or no proof that holds.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NotProven {
    /// Another version of the verifier.
    #[error("verifier {found} is not part of this build, which has {VERIFIER}")]
    Verifier {
        /// The version that was asked for.
        found: u8,
    },
    /// The key's bytes are none.
    #[error("the key cannot be used")]
    Key(#[from] KeyDecodeError),
    /// The bundle's bytes are none.
    #[error("the proof bundle cannot be read")]
    Bundle(#[from] BundleError),
    /// The proof does not hold.
    #[error("the proof does not hold")]
    Verify(#[from] VerifyError),
}

/// Reads a key under a version of the verifier.
///
/// # Errors
/// [`NotProven`] if the bytes are no key, or the version is another one than this build's.
pub fn facts(verifier: u8, key: &[u8]) -> Result<KeyFacts, NotProven> {
    check_verifier(verifier)?;
    Ok(facts_of(&Key::from_bytes(key)?))
}

/// Returns what a key says of its proofs.
pub fn facts_of(key: &Key) -> KeyFacts {
    let route = match key.route() {
        Route::Tensor => ProtocolRoute::Tensor,
        Route::Cairo => ProtocolRoute::Cairo,
    };
    let security = key.security();
    // Bits are cut off at 1024.
    let bits = |bits: u32| u16::try_from(bits).unwrap_or(u16::MAX);
    KeyFacts {
        digest: key.digest().into(),
        route,
        bits: bits(security.whole_conjectured_bits()),
        proven_bits: bits(security.whole_proven_bits()),
        batch: key.batch(),
        cells: key.cells().unwrap_or(KEY_CELLS_UNKNOWN),
    }
}

/// Verifies a bundle under a key and returns what it states.
///
/// Proofs for jobs are bound to no context: a lease says who may bring one. How many bits of
/// security are enough is not asked here: orders compare [`KeyFacts`] with their policy when they
/// are executed.
///
/// # Errors
/// [`NotProven`] if the proof does not hold; no bytes panic.
pub fn verify_stated(verifier: u8, key: &[u8], bundle: &[u8]) -> Result<Stated, NotProven> {
    check_verifier(verifier)?;
    let (key, bundle) = (Key::from_bytes(key)?, ProofBundle::from_bytes(bundle)?);
    let any = Policy { min_security_bits: 0, min_proven_bits: 0 };
    verify_with(&bundle, &key, &any)?;
    bundle.check_context(Context::NONE)?;
    let (input, output) = bundle.stated_digests(&key)?;
    Ok(Stated { key: key.digest().into(), input: InputDigest(input), output: OutputDigest(output) })
}

fn check_verifier(found: u8) -> Result<(), NotProven> {
    if found == VERIFIER { Ok(()) } else { Err(NotProven::Verifier { found }) }
}

impl InputStatement {
    /// The digest that an order names.
    pub fn order_digest(&self, key: &Key) -> InputDigest {
        InputDigest(self.digest(key))
    }
}

impl From<crate::KeyDigest> for KeyDigest {
    fn from(digest: crate::KeyDigest) -> Self {
        Self(digest.0)
    }
}
