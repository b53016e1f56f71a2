//! What every route brings: keys, their verification, and with the feature `prove` their prover.
//!
//! A new route is one file here, its `mod` line and its arm in [`backend`], and one line in
//! `route.rs`. Nothing else in this crate, and nothing in the shells, names a route.

#[cfg(feature = "cairo")]
pub(crate) mod cairo;
mod error;
#[cfg(feature = "prove")]
mod proving;
mod tensor;

use std::error::Error;
use std::fmt::Debug;
use std::sync::Arc;

#[cfg(feature = "prove")]
use ciro_model::IntegerModel;
use ciro_model::Tensor;
use ciro_model::integer::{Interface, Statement, Visibilities};
use ciro_stark::{Policy, Security};
#[cfg(feature = "prove")]
use ciro_stark::{Preset, Secrecy};

pub(crate) use error::Rejected;
pub use error::RouteError;
#[cfg(feature = "prove")]
pub(crate) use proving::{Asked, Blindings, RouteProof, RouteProver, check_memory, memory_limit};
#[cfg(feature = "prove")]
pub use proving::{
    CairoPackage, CostEstimate, MemoryShortage, ProveError, ProveSettings, RefusedNode,
};

use crate::advice::Advice;
use crate::blinding::Blinding;
use crate::route::{ProofKind, Route, RouteNotBuilt};
use crate::verdict::Check;

/// A route: a way to prove.
pub(crate) trait Backend: Sync {
    /// Decodes a key; no bytes panic.
    fn key(&self, bytes: &[u8]) -> Result<Arc<dyn RouteKey>, RouteError>;

    /// The jobs about programs whose proofs are this route's, if there are any.
    #[cfg(feature = "network")]
    fn program_jobs(&self) -> Option<&'static dyn crate::network::proofs::ProgramJobs> {
        None
    }

    /// Whether the route has proofs of this kind.
    #[cfg(feature = "prove")]
    fn admits(&self, _: ProofKind) -> Result<(), ProveError> {
        Ok(())
    }

    /// How proofs with these settings show the inputs and outputs of a model, tensor by tensor.
    #[cfg(feature = "prove")]
    fn visibilities(
        &self,
        settings: &ProveSettings,
        interface: &Interface,
    ) -> Result<Visibilities, ProveError> {
        settings.visibilities(interface)
    }

    /// Prepares proofs of a model that show its inputs and outputs like this, if one is expected to
    /// take no more memory than the settings allow.
    #[cfg(feature = "prove")]
    fn prover(
        &self,
        model: &Arc<IntegerModel>,
        settings: &ProveSettings,
        visibilities: &Visibilities,
    ) -> Result<Box<dyn RouteProver>, ProveError>;

    /// Predicts what a proof costs.
    #[cfg(feature = "prove")]
    fn estimate(
        &self,
        model: &Arc<IntegerModel>,
        settings: &ProveSettings,
    ) -> Result<CostEstimate, ProveError>;

    /// What to do about an error that the route alone knows.
    fn advice(&self, _: &(dyn Error + 'static)) -> Option<Advice> {
        None
    }

    /// The check that a proof fails by an error that the route alone knows.
    fn failed_check(&self, _: &(dyn Error + 'static)) -> Option<Check> {
        None
    }

    /// The model as a package of source files, and the hash of its program; `None` if the route has
    /// no programs.
    #[cfg(feature = "prove")]
    fn transpile(&self, _: &IntegerModel, _: &str) -> Option<Result<CairoPackage, ProveError>> {
        None
    }
}

/// All that a verifier needs to know of a model, for one kind of proof.
pub(crate) trait RouteKey: Debug + Send + Sync {
    /// The proofs that the key is for.
    fn kind(&self) -> ProofKind;

    /// The digest of the integer model.
    fn model(&self) -> [u8; 32];

    /// What the model takes and gives.
    fn interface(&self) -> &Interface;

    /// What proofs for this key are worth.
    fn security(&self) -> Security;

    /// Cells that a prover commits to for each proof; `None` if the key does not say.
    fn cells(&self) -> Option<u64> {
        None
    }

    /// The digest of the key's bytes.
    fn digest(&self) -> [u8; 32];

    /// The key's one encoding.
    fn to_bytes(&self) -> Vec<u8>;

    /// Whether a proof of the route is bound to the statement's context. Where it is not, no
    /// statement may have one.
    fn binds_context(&self) -> bool;

    /// Checks that the proof shows every claim of the statement to be what the model computes, and
    /// that it is bound to the statement's context if the route [binds](Self::binds_context) one.
    fn verify(&self, statement: &Statement, proof: &[u8], policy: &Policy) -> Result<(), Rejected>;

    /// The key in felts; `None` if the route has no verifier on Starknet.
    #[cfg(feature = "starknet")]
    fn key_felts(&self) -> Option<Result<Vec<ciro_stark::Felt>, RouteError>> {
        None
    }

    /// The key, a statement and a proof in felts; `None` if the route has no verifier on Starknet.
    #[cfg(feature = "starknet")]
    fn felts(
        &self,
        _statement: &Statement,
        _proof: &[u8],
    ) -> Option<Result<crate::starknet::RouteFelts, RouteError>> {
        None
    }

    /// The commitment to the integers of one tensor under a blinding value; `None` if the route
    /// makes none.
    fn commit_tensor(&self, _integers: &Tensor<i32>, _blinding: Blinding) -> Option<[u8; 32]> {
        None
    }

    /// How proofs for this key show inputs and outputs, tensor by tensor.
    fn visibilities(&self) -> Visibilities {
        Visibilities::public(self.interface())
    }

    /// Whether a proof may commit to its whole input though the key does not say so.
    fn proofs_may_commit(&self) -> bool {
        false
    }

    /// The commitment to an input under a blinding value; `None` if the route makes none.
    fn commit(&self, _input: &[Tensor<i32>], _blinding: Blinding) -> Option<[u8; 32]> {
        None
    }
}

/// The code behind the routes of this build.
pub(crate) fn backends() -> impl Iterator<Item = &'static dyn Backend> {
    Route::ALL.iter().filter_map(|route| backend(*route).ok())
}

/// The code behind a route.
///
/// # Errors
/// [`RouteNotBuilt`] if this build leaves it out.
pub(crate) fn backend(route: Route) -> Result<&'static dyn Backend, RouteNotBuilt> {
    match route {
        Route::Tensor => Ok(&tensor::Tensor),
        #[cfg(feature = "cairo")]
        Route::Cairo => Ok(&cairo::Cairo),
        #[allow(unreachable_patterns, reason = "unless a route is left out")]
        route => Err(RouteNotBuilt(route)),
    }
}

/// The advice to prove a model on another route that can do what this one cannot: those that come
/// later prove more, and slower.
#[cfg(feature = "prove")]
pub(crate) fn other_route(route: Route) -> Option<Advice> {
    let mut others = Route::ALL.iter().copied().filter(|other| *other > route);
    others.find(|other| other.is_built()).map(Advice::UseRoute)
}

/// The kinds of proofs that these routes have of these presets, batch sizes and secrecies, in
/// ascending order; what a route does not have of them is left out, unless it has none.
///
/// # Errors
/// [`ProveError`] if a route has none of them, or is not part of this build.
#[cfg(feature = "prove")]
pub fn proof_kinds(
    routes: &[Route],
    presets: &[Preset],
    batches: &[u32],
    secrecies: &[Secrecy],
) -> Result<Vec<ProofKind>, ProveError> {
    let mut kinds = Vec::new();
    for &route in routes {
        let backend = backend(route)?;
        let (mut found, mut refused) = (false, None);
        let sizes = presets.iter().flat_map(|preset| batches.iter().map(move |b| (preset, b)));
        let all = sizes.flat_map(|size| secrecies.iter().map(move |secrecy| (size, secrecy)));
        for ((&preset, &batch), &secrecy) in all {
            let kind = ProofKind { route, preset, batch, secrecy };
            match backend.admits(kind) {
                Ok(()) => {
                    kinds.push(kind);
                    found = true;
                }
                Err(error) => refused = Some(error),
            }
        }
        if let (false, Some(error)) = (found, refused) {
            return Err(error);
        }
    }
    kinds.sort_unstable();
    kinds.dedup();
    Ok(kinds)
}

impl Route {
    /// Whether this build of the library has the route.
    pub fn is_built(self) -> bool {
        backend(self).is_ok()
    }
}
