//! Keys: what a verifier holds instead of the model.

use std::fmt;
use std::sync::Arc;

use ciro_model::integer::Visibilities;
use ciro_model::{Interface, Tensor};
use ciro_stark::{Preset, Secrecy, Security};

use crate::blinding::Blinding;
use crate::inputs::InputSpec;
use crate::route::{ProofKind, Route, RouteNotBuilt};
use crate::routes::{RouteError, RouteKey, backend};

/// The identity of a model for everybody who verifies proofs of one kind: the digest of the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyDigest(pub [u8; 32]);

impl fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyDigest({self})")
    }
}

/// All that a verifier needs to know of a model to check proofs of one kind: a commitment to its
/// graph, weights and scales, and what its inputs and outputs mean.
///
/// Whoever trusts a model makes its keys ([`Model::key`](crate::Model::key)); verifiers get them
/// from there, in a [`KeyRing`](crate::KeyRing), never from the prover.
#[derive(Clone)]
pub struct Key(Arc<dyn RouteKey>);

/// Bytes that are no key.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyDecodeError {
    /// No key of any route.
    #[error("not a Ciro model key")]
    Magic,
    /// A key that its route does not take: of another version, damaged, or none that a model has.
    #[error("a key of the {route} route that cannot be used")]
    Route {
        /// The route.
        route: Route,
        /// Why, in the route's own words.
        #[source]
        source: RouteError,
    },
    /// A key of a route that is not part of this build.
    #[error(transparent)]
    NotBuilt(#[from] RouteNotBuilt),
}

impl Key {
    #[cfg(feature = "prove")]
    pub(crate) fn new(key: Arc<dyn RouteKey>) -> Self {
        Self(key)
    }

    pub(crate) fn of_route(&self) -> &dyn RouteKey {
        &*self.0
    }

    /// The proofs that the key is for.
    pub fn kind(&self) -> ProofKind {
        self.0.kind()
    }

    /// The route that the key is made for.
    pub fn route(&self) -> Route {
        self.kind().route
    }

    /// The security parameters that the key is made for.
    pub fn preset(&self) -> Preset {
        self.kind().preset
    }

    /// The number of inferences in one proof.
    pub fn batch(&self) -> u32 {
        self.kind().batch
    }

    /// Whether the key's proofs hide inputs and execution.
    pub fn secrecy(&self) -> Secrecy {
        self.kind().secrecy
    }

    /// The identity of the key.
    pub fn digest(&self) -> KeyDigest {
        KeyDigest(self.0.digest())
    }

    /// The digest of the integer model: keys of one model for different proofs share it.
    pub fn model_digest(&self) -> [u8; 32] {
        self.0.model()
    }

    /// The security of proofs for this key, term by term.
    pub fn security(&self) -> Security {
        self.0.security()
    }

    /// What the model takes and gives.
    pub fn interface(&self) -> &Interface {
        self.0.interface()
    }

    /// Cells that a prover commits to for each proof, the model's own columns not counted; `None`
    /// on a route whose keys do not say.
    pub fn cells(&self) -> Option<u64> {
        self.0.cells()
    }

    /// Names and shapes of the model's inputs.
    pub fn input_specs(&self) -> Vec<InputSpec> {
        InputSpec::all(self.interface())
    }

    /// The commitment to an input under a blinding value; `None` if the route makes none.
    pub(crate) fn commit(&self, input: &[Tensor<i32>], blinding: Blinding) -> Option<[u8; 32]> {
        self.0.commit(input, blinding)
    }

    /// The commitment to the integers of one tensor under a blinding value; `None` if the route
    /// makes none. It is the same for every model and every key of the route.
    pub fn commit_tensor(&self, integers: &Tensor<i32>, blinding: Blinding) -> Option<[u8; 32]> {
        self.0.commit_tensor(integers, blinding)
    }

    /// How proofs show the inputs and outputs.
    pub fn visibilities(&self) -> Visibilities {
        self.0.visibilities()
    }

    /// The bytes of the key, which are an entry of a key file.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes()
    }

    /// Decodes the bytes of a key.
    ///
    /// # Errors
    /// [`KeyDecodeError`] if the bytes are no key of this version; no bytes panic.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyDecodeError> {
        let route = Route::of_key(bytes).ok_or(KeyDecodeError::Magic)?;
        let key = backend(route)?.key(bytes);
        key.map(Self).map_err(|source| KeyDecodeError::Route { route, source })
    }
}

/// Keys are equal if their bytes are.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.to_bytes() == other.to_bytes()
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("kind", &self.kind()).field("digest", &self.digest()).finish()
    }
}
