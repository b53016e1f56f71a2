//! The tensor STARK.

use std::sync::Arc;

use ciro_model::integer::{Interface, Statement};
use ciro_stark::{ModelKey, Policy, Proof, Security, VerificationError};

#[cfg(feature = "prove")]
use self::proving::{estimate, prover};
use super::{Backend, Rejected, RouteError, RouteKey};
#[cfg(feature = "prove")]
use super::{CostEstimate, ProveError, ProveSettings, RouteProver};
use crate::route::{ProofKind, Route};
use crate::verdict::Check;

/// The route.
pub(super) struct Tensor;

impl Backend for Tensor {
    fn key(&self, bytes: &[u8]) -> Result<Arc<dyn RouteKey>, RouteError> {
        Ok(Arc::new(ModelKey::from_bytes(bytes).map_err(RouteError::new)?))
    }

    #[cfg(feature = "prove")]
    fn prover(
        &self,
        model: &Arc<ciro_model::IntegerModel>,
        settings: &ProveSettings,
    ) -> Result<Box<dyn RouteProver>, ProveError> {
        Ok(Box::new(prover(model, settings)?))
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
        ProofKind { route: Route::Tensor, preset: self.preset(), batch: self.batch() }
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

    fn verify(&self, statement: &Statement, proof: &[u8], policy: &Policy) -> Result<(), Rejected> {
        if statement.claims.iter().any(|claim| claim.input.public().is_none()) {
            return Err(Rejected::CommittedInput);
        }
        let proof = Proof::from_bytes(proof, self)
            .map_err(|error| Rejected::Damaged(RouteError::new(error)))?;
        ciro_stark::verify(self, statement, &proof, policy)
            .map_err(|error| Rejected::Invalid(check(&error), RouteError::new(error)))
    }
}

/// The word for what fails.
fn check(error: &VerificationError) -> Check {
    match error {
        VerificationError::TooWeak { .. } => Check::Security,
        VerificationError::Statement { .. } => Check::Statement,
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

    use ciro_model::integer::Context;
    use ciro_model::{IntegerModel, Tensor};
    use ciro_stark::{LayoutError, Plan, TensorProver};

    use crate::route::Route;
    use crate::routes::{
        CostEstimate, ProveError, ProveSettings, RefusedNode, RouteError, RouteKey, RouteProof,
        RouteProver, check_memory, memory_limit, other_route,
    };

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
            context: Context,
            limit: u64,
        ) -> Result<RouteProof, ProveError> {
            check_memory(figures(self.estimate()).memory_bytes, limit)?;
            let failed =
                |error| ProveError::Failed { route: Route::Tensor, source: RouteError::new(error) };
            let (statement, proof) = self.prove_in(inputs, context).map_err(failed)?;
            Ok(RouteProof { statement, proof: proof.to_bytes(), steps: None, blinding: None })
        }
    }

    pub(super) fn prover(
        model: &Arc<IntegerModel>,
        settings: &ProveSettings,
    ) -> Result<TensorProver, ProveError> {
        if settings.commit_input {
            return Err(ProveError::CommitInput(Route::Tensor));
        }
        let limit = memory_limit(settings.max_memory_bytes);
        let plan = |batch| {
            let plan = plan(model, settings, batch)?;
            check_memory(figures(plan.estimate()).memory_bytes, limit)?;
            Ok(plan)
        };
        Ok(lay_out_within(settings.batch, plan)?.commit())
    }

    pub(super) fn estimate(
        model: &Arc<IntegerModel>,
        settings: &ProveSettings,
    ) -> Result<CostEstimate, ProveError> {
        Ok(figures(plan(model, settings, settings.batch)?.estimate()))
    }

    fn plan(
        model: &Arc<IntegerModel>,
        settings: &ProveSettings,
        batch: u32,
    ) -> Result<Plan, ProveError> {
        Plan::new(Arc::clone(model), settings.preset, batch).map_err(refused)
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
            LayoutError::Ranks { node } => (node.as_str(), "TreeEnsemble", error.to_string()),
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
                check_memory(u64::from(batch) * 10_000_000, 1_000_000_000)
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
