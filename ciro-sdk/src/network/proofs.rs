//! Facts of keys, and the verification of bundles as validators do it.

use ciro_model::integer::Context;
use ciro_protocol::id::{InputDigest, KeyDigest, OutputDigest};
use ciro_protocol::model::KeyFacts;
use ciro_protocol::order::Route as ProtocolRoute;
use ciro_stark::{Policy, Security};

use crate::route::Route;
use crate::routes::{RouteError, backend};
use crate::verify::{
    BundleError, InputStatement, Key, KeyDecodeError, ProofBundle, VerifyError, verify_with,
};

/// The latest version of the verifier that this build has: which proofs count. Any change to what
/// [`verify_stated`] accepts is another number.
///
/// Version 1 verifies proofs about models, version 2 proofs about programs too.
pub const VERIFIER: u8 = 2;

/// The first version of the verifier that verifies proofs about programs.
pub const PROGRAMS_SINCE: u8 = 2;

/// What every key of jobs about programs begins with, whatever its version.
const PROGRAM_KEY_NAME: &[u8] = b"ciro-program-job/";

/// What [`KeyFacts::cells`] is on a route whose keys say nothing of cells: the Cairo route and
/// programs, whose jobs are a class of their own.
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
    #[error("verifier {found} is not part of this build, which has 1 to {VERIFIER}")]
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
    /// The key or the proof is about a program, and does not count.
    #[error("nothing is proven about the program")]
    Program(#[source] RouteError),
    /// The key is of a program, and this build verifies no proofs about programs.
    #[error("the key is of a program: this build verifies no proofs about programs")]
    ProgramsNotBuilt,
}

/// Whether this build has a version of the verifier.
pub const fn verifies(verifier: u8) -> bool {
    1 <= verifier && verifier <= VERIFIER
}

/// Whether bytes begin as keys of jobs about programs do, whatever their version.
pub fn is_program_key(bytes: &[u8]) -> bool {
    bytes.starts_with(PROGRAM_KEY_NAME)
}

/// Reads a key under a version of the verifier.
///
/// # Errors
/// [`NotProven`] if the bytes are no key, or the version is another one than this build's.
pub fn facts(verifier: u8, key: &[u8]) -> Result<KeyFacts, NotProven> {
    check_verifier(verifier)?;
    if verifier >= PROGRAMS_SINCE && is_program_key(key) {
        return programs()?.facts(key).map_err(NotProven::Program);
    }
    Ok(facts_of(&Key::from_bytes(key)?))
}

/// Returns what a key says of its proofs.
pub fn facts_of(key: &Key) -> KeyFacts {
    let route = match key.route() {
        Route::Tensor => ProtocolRoute::Tensor,
        Route::Cairo => ProtocolRoute::Cairo,
    };
    let (bits, proven_bits) = bits_of(&key.security());
    KeyFacts {
        digest: key.digest().into(),
        route,
        bits,
        proven_bits,
        batch: key.batch(),
        cells: key.cells().unwrap_or(KEY_CELLS_UNKNOWN),
    }
}

/// Conjectured and proven bits, as keys say them: they are cut off at 1024.
pub(crate) fn bits_of(security: &Security) -> (u16, u16) {
    let bits = |bits: u32| u16::try_from(bits).unwrap_or(u16::MAX);
    (bits(security.whole_conjectured_bits()), bits(security.whole_proven_bits()))
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
    if verifier >= PROGRAMS_SINCE && is_program_key(key) {
        return programs()?.verify_stated(key, bundle).map_err(NotProven::Program);
    }
    let (key, bundle) = (Key::from_bytes(key)?, ProofBundle::from_bytes(bundle)?);
    let any = Policy { min_security_bits: 0, min_proven_bits: 0 };
    verify_with(&bundle, &key, &any)?;
    bundle.check_context(Context::NONE)?;
    let (input, output) = bundle.stated_digests(&key)?;
    Ok(Stated { key: key.digest().into(), input: InputDigest(input), output: OutputDigest(output) })
}

/// What keys and bundles of jobs about programs say, where a build verifies such proofs.
pub(crate) trait ProgramJobs: Sync {
    /// As [`facts`].
    fn facts(&self, key: &[u8]) -> Result<KeyFacts, RouteError>;

    /// As [`verify_stated`].
    fn verify_stated(&self, key: &[u8], bundle: &[u8]) -> Result<Stated, RouteError>;
}

/// Programs are proven as the Cairo route proves models.
fn programs() -> Result<&'static dyn ProgramJobs, NotProven> {
    let route = backend(Route::Cairo).ok();
    route.and_then(|route| route.program_jobs()).ok_or(NotProven::ProgramsNotBuilt)
}

fn check_verifier(found: u8) -> Result<(), NotProven> {
    if verifies(found) { Ok(()) } else { Err(NotProven::Verifier { found }) }
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
