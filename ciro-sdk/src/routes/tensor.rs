//! The tensor STARK.

use std::sync::Arc;

use ciro_model::integer::{Claim, Interface, StatedInput, Statement, Visibilities};
#[cfg(feature = "prove")]
use ciro_stark::Preset;
use ciro_stark::{ModelKey, Policy, Proof, SALT_BYTES, Salt, Security, VerificationError};

#[cfg(feature = "prove")]
use self::proving::{estimate, prover};
use super::{Backend, Rejected, RouteError, RouteKey};
#[cfg(feature = "prove")]
use super::{CostEstimate, ProveError, ProveSettings, RouteProver};
use crate::blinding::Blinding;
use crate::route::{ProofKind, Route};
use crate::verdict::Check;

/// The route.
pub(super) struct Tensor;

impl Backend for Tensor {
    fn key(&self, bytes: &[u8]) -> Result<Arc<dyn RouteKey>, RouteError> {
        Ok(Arc::new(ModelKey::from_bytes(bytes).map_err(RouteError::new)?))
    }

    #[cfg(feature = "prove")]
    fn admits(&self, kind: ProofKind) -> Result<(), ProveError> {
        let ProofKind { preset, secrecy, .. } = kind;
        match preset {
            Preset::Chain if secrecy.hides() => Err(ProveError::HidingPreset(preset)),
            _ => Ok(()),
        }
    }

    #[cfg(feature = "prove")]
    fn prover(
        &self,
        model: &Arc<ciro_model::IntegerModel>,
        settings: &ProveSettings,
        visibilities: &Visibilities,
    ) -> Result<Box<dyn RouteProver>, ProveError> {
        Ok(Box::new(prover(model, settings, visibilities)?))
    }

    #[cfg(feature = "prove")]
    fn estimate(
        &self,
        model: &Arc<ciro_model::IntegerModel>,
        settings: &ProveSettings,
    ) -> Result<CostEstimate, ProveError> {
        estimate(model, settings)
    }
}

impl RouteKey for ModelKey {
    fn kind(&self) -> ProofKind {
        let (preset, batch, secrecy) = (self.preset(), self.batch(), self.secrecy());
        ProofKind { route: Route::Tensor, preset, batch, secrecy }
    }

    fn model(&self) -> [u8; 32] {
        self.model_digest()
    }

    fn interface(&self) -> &Interface {
        self.interface()
    }

    fn security(&self) -> Security {
        Security::of(self)
    }

    fn cells(&self) -> Option<u64> {
        Some(self.cells())
    }

    /// The transcript begins with the key and the context.
    fn binds_context(&self) -> bool {
        true
    }

    fn digest(&self) -> [u8; 32] {
        self.digest()
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.to_bytes()
    }

    fn commit_tensor(
        &self,
        integers: &ciro_model::Tensor<i32>,
        blinding: Blinding,
    ) -> Option<[u8; 32]> {
        Some(ciro_stark::commit(integers.data(), salt(blinding)))
    }

    fn visibilities(&self) -> Visibilities {
        self.visibilities().clone()
    }

    #[cfg(feature = "starknet")]
    fn key_felts(&self) -> Option<Result<Vec<ciro_stark::Felt>, RouteError>> {
        Some(self.to_felts().map_err(RouteError::new))
    }

    #[cfg(feature = "starknet")]
    fn felts(
        &self,
        statement: &Statement,
        proof: &[u8],
    ) -> Option<Result<crate::starknet::RouteFelts, RouteError>> {
        let proof = match Proof::from_bytes(proof, self) {
            Ok(proof) => proof,
            Err(error) => return Some(Err(RouteError::new(error))),
        };
        let felts = || {
            Ok(crate::starknet::RouteFelts {
                key: self.to_felts()?,
                statement: self.statement_to_felts(statement)?,
                all: proof.to_felts(self, statement)?,
            })
        };
        let felts: Result<_, ciro_stark::FeltsError> = felts();
        Some(felts.map_err(RouteError::new))
    }

    fn verify(&self, statement: &Statement, proof: &[u8], policy: &Policy) -> Result<(), Rejected> {
        let whole = |claim: &Claim| matches!(claim.input, StatedInput::Committed(_));
        if statement.claims.iter().any(whole) {
            return Err(Rejected::CommittedInput);
        }
        let proof = Proof::from_bytes(proof, self)
            .map_err(|error| Rejected::Damaged(RouteError::new(error)))?;
        ciro_stark::verify(self, statement, &proof, policy)
            .map_err(|error| Rejected::Invalid(check(&error), RouteError::new(error)))
    }
}

/// The salt of a commitment: the random bytes of its blinding value.
fn salt(Blinding(bytes): Blinding) -> Salt {
    let mut salt = [0; SALT_BYTES];
    salt.copy_from_slice(&bytes[1..]);
    Salt::from_bytes(salt)
}

/// The word for what fails.
fn check(error: &VerificationError) -> Check {
    match error {
        VerificationError::TooWeak { .. } => Check::Security,
        VerificationError::Statement { .. }
        | VerificationError::Visibility { .. }
        | VerificationError::Commitment { .. } => Check::Statement,
        VerificationError::CommittedInput { .. } => Check::CommittedInput,
        VerificationError::Batch { .. } => Check::Batch,
        VerificationError::Structure(_) => Check::Structure,
        VerificationError::OtherModel => Check::ModelCommitment,
        VerificationError::ChallengeProofOfWork | VerificationError::QueryProofOfWork => {
            Check::ProofOfWork
        }
        VerificationError::Constraints => Check::Constraints,
        VerificationError::Opening(_) => Check::Opening,
        _ => Check::Proof,
    }
}

#[cfg(feature = "prove")]
mod proving {
    use std::sync::Arc;

    use ciro_model::integer::Visibilities;
    use ciro_model::{IntegerModel, Interface, Tensor};
    use ciro_stark::{LayoutError, Plan, Salt, Secrecy, TensorProver};

    use super::{Tensor as Here, salt};
    use crate::blinding::Blinding;
    use crate::route::Route;
    use crate::routes::{
        Asked, Backend as _, CostEstimate, ProveError, ProveSettings, RefusedNode, RouteError,
        RouteKey, RouteProof, RouteProver, check_memory, memory_limit, other_route,
    };
    use crate::verify::{Opening, Side};

    impl RouteProver for TensorProver {
        fn key(&self) -> Arc<dyn RouteKey> {
            Arc::new(self.key().clone())
        }

        fn estimate(&self) -> CostEstimate {
            figures(self.estimate())
        }

        fn prove(
            &self,
            inputs: &[Vec<Tensor<i32>>],
            asked: &Asked<'_>,
        ) -> Result<RouteProof, ProveError> {
            check_memory(figures(self.estimate()).memory_bytes, asked.limit)?;
            let key = self.key();
            let failed =
                |error| ProveError::Failed { route: Route::Tensor, source: RouteError::new(error) };
            let mut openings = openings(key.interface(), key.visibilities(), asked, inputs.len())?;
            let salts: Vec<Salt> = openings.iter().map(|opening| salt(opening.blinding)).collect();
            let (statement, proof) =
                self.prove_committed(inputs, asked.context, &salts).map_err(failed)?;
            fill(self.model(), inputs, &mut openings);
            let (proof, steps, blinding) = (proof.to_bytes(), None, only_input(&openings));
            Ok(RouteProof { statement, proof, steps, blinding, openings })
        }
    }

    /// Blinding values for all committed tensors in the order of salts, those that are given and
    /// new ones; the integers are filled in later.
    fn openings(
        interface: &Interface,
        visibilities: &Visibilities,
        asked: &Asked<'_>,
        samples: usize,
    ) -> Result<Vec<Opening>, ProveError> {
        let inputs = interface.inputs.iter().enumerate();
        let inputs = inputs.filter(|(at, _)| visibilities.commits_input(*at));
        let inputs = inputs.map(|(_, port)| (Side::Input, &port.name));
        let outputs = interface.outputs.iter().enumerate();
        let outputs = outputs.filter(|(at, _)| visibilities.commits_output(*at));
        let tensors: Vec<_> =
            inputs.chain(outputs.map(|(_, port)| (Side::Output, &port.name))).collect();
        for (side, name, _) in asked.blindings.named() {
            if !tensors.contains(&(*side, name)) {
                return Err(ProveError::Blinding { side: *side, name: name.clone() });
            }
        }
        let mut openings = vec![];
        for sample in 0..samples {
            for &(side, name) in &tensors {
                let blinding = match asked.blindings.of(sample, (side, name)) {
                    Some(blinding) => blinding,
                    None => Blinding::random().map_err(|error| ProveError::Failed {
                        route: Route::Tensor,
                        source: RouteError::new(error),
                    })?,
                };
                let (name, integers) = (name.clone(), Tensor::vector(vec![]));
                openings.push(Opening { sample, side, name, integers, blinding });
            }
        }
        Ok(openings)
    }

    /// What opens the commitment to the input, where one input alone is committed.
    fn only_input(openings: &[Opening]) -> Option<Blinding> {
        let mut inputs = openings.iter().filter(|opening| opening.side == Side::Input);
        let blinding = inputs.next()?.blinding;
        inputs.next().is_none().then_some(blinding)
    }

    /// Fills in the integers of openings.
    fn fill(model: &IntegerModel, inputs: &[Vec<Tensor<i32>>], openings: &mut [Opening]) {
        let views = || {
            let ports = model.inputs().iter();
            ports.flat_map(|input| input.views.iter().map(|_| &input.name))
        };
        for (sample, inputs) in inputs.iter().enumerate() {
            let of_sample = openings.iter_mut().filter(|opening| opening.sample == sample);
            let mut outputs = None;
            for opening in of_sample {
                let found = match opening.side {
                    Side::Input => views()
                        .zip(inputs)
                        .find(|(name, _)| **name == opening.name)
                        .map(|(_, integers)| integers.clone()),
                    Side::Output => {
                        let outputs =
                            outputs.get_or_insert_with(|| model.run(inputs).unwrap_or_default());
                        let named = model.outputs().iter().zip(outputs.iter());
                        named
                            .into_iter()
                            .find(|(output, _)| output.name == opening.name)
                            .map(|(_, integers)| integers.clone())
                    }
                };
                opening.integers = found.expect("committed tensors are the model's");
            }
        }
    }

    pub(super) fn prover(
        model: &Arc<IntegerModel>,
        settings: &ProveSettings,
        visibilities: &Visibilities,
    ) -> Result<TensorProver, ProveError> {
        let limit = memory_limit(settings.max_memory_bytes);
        let plan = |batch| {
            let plan = plan(model, (settings, batch), visibilities)?;
            check_memory(figures(plan.estimate()).memory_bytes, limit)?;
            Ok(plan)
        };
        Ok(lay_out_within(settings.batch, plan)?.commit())
    }

    pub(super) fn estimate(
        model: &Arc<IntegerModel>,
        settings: &ProveSettings,
    ) -> Result<CostEstimate, ProveError> {
        let visibilities = settings.visibilities(&Interface::of(model))?;
        Ok(figures(plan(model, (settings, settings.batch), &visibilities)?.estimate()))
    }

    fn plan(
        model: &Arc<IntegerModel>,
        (settings, batch): (&ProveSettings, u32),
        visibilities: &Visibilities,
    ) -> Result<Plan, ProveError> {
        Here.admits(settings.kind())?;
        let (model, preset) = (Arc::clone(model), settings.preset);
        let visibilities = visibilities.clone();
        let plan = match settings.secrecy {
            Secrecy::Plain => Plan::showing(model, preset, batch, visibilities),
            Secrecy::Hiding => Plan::hiding(model, preset, batch, visibilities),
        };
        plan.map_err(refused)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a prediction is rounded, and never negative"
    )]
    fn figures(estimate: ciro_stark::Estimate) -> CostEstimate {
        CostEstimate {
            cells: Some(estimate.cells),
            steps: None,
            prove_ms: estimate.prove_ms,
            memory_bytes: (estimate.memory_mb * 1_048_576.0) as u64,
            proof_bytes: estimate.proof_bytes,
            security_bits: estimate.security_bits,
            proven_security_bits: estimate.proven_security_bits,
        }
    }

    /// Lays out the batches 1, ... `batch` / 16, `batch` / 4 and then `batch` itself, up to the
    /// first that is refused.
    ///
    /// A layout takes memory for every inference before its cost is known, a part of what the proof
    /// takes. When one begins here, the layout of a quarter of its inferences has shown that a
    /// proof of those fits, so whoever chose the batch cannot make much more memory than the limit
    /// allows.
    fn lay_out_within<T>(
        batch: u32,
        mut lay_out: impl FnMut(u32) -> Result<T, ProveError>,
    ) -> Result<T, ProveError> {
        let smaller = std::iter::successors(Some(batch / 4), |batch| Some(batch / 4));
        let mut smaller: Vec<u32> = smaller.take_while(|&batch| batch > 0).collect();
        smaller.reverse();
        for batch in smaller {
            lay_out(batch)?;
        }
        lay_out(batch)
    }

    /// The model that cannot be laid out, with the node that is to blame.
    fn refused(error: LayoutError) -> ProveError {
        let (node, op, reason) = match &error {
            LayoutError::NoRoom { node, op, source } => (node.as_str(), *op, source.to_string()),
            LayoutError::WideDivision { node, op, .. }
            | LayoutError::WideSpread { node, op, .. } => (node.as_str(), *op, error.to_string()),
            LayoutError::WideRanks { node, .. } | LayoutError::Images { node, .. } => {
                (node.as_str(), "Bucketize", error.to_string())
            }
            LayoutError::CommitInput { name, .. } => (name.as_str(), "Input", error.to_string()),
            LayoutError::Ranks { node, .. } => (node.as_str(), "TreeEnsemble", error.to_string()),
            _ => ("model", "", error.to_string()),
        };
        let (node, op) = (node.to_owned(), op.to_owned());
        let refused = vec![RefusedNode { node, op, reason, advice: other_route(Route::Tensor) }];
        ProveError::Refused { route: Route::Tensor, refused, source: RouteError::new(error) }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// What is laid out on the way to `batch` inferences of 10 MB each, under a limit of 1 GB.
        fn laid_out(batch: u32) -> (Vec<u32>, bool) {
            let mut seen = Vec::new();
            let result = lay_out_within(batch, |batch| {
                seen.push(batch);
                Ok(check_memory(u64::from(batch) * 10_000_000, 1_000_000_000)?)
            });
            (seen, result.is_ok())
        }

        #[test]
        fn a_batch_of_any_size_is_refused_before_much_is_laid_out() {
            assert_eq!(laid_out(1), (vec![1], true));
            assert_eq!(laid_out(100), (vec![1, 6, 25, 100], true));
            for batch in [101, 400, 40_000, 1 << 20, u32::MAX] {
                let (seen, allowed) = laid_out(batch);
                assert!(!allowed && seen.iter().all(|&batch| batch <= 400), "{batch}: {seen:?}");
            }
        }
    }
}
