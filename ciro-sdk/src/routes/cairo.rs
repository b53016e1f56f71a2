//! The Cairo route: a model as a Cairo program, its proofs, and their verification.

use std::error::Error;
use std::sync::Arc;

use ciro_cairo::{CairoKey, CairoProof, CairoVerificationError, Felt};
use ciro_model::Tensor;
#[cfg(feature = "prove")]
use ciro_model::integer::Visibilities;
use ciro_model::integer::{Interface, Statement};
use ciro_stark::{Policy, Preset, Secrecy, Security};

use super::{Backend, Rejected, RouteError, RouteKey};
#[cfg(feature = "prove")]
use super::{CairoPackage, CostEstimate, ProveError, ProveSettings, RouteProver};
use crate::advice::Advice;
use crate::blinding::Blinding;
use crate::program;
use crate::route::{ProofKind, Route};
use crate::verdict::Check;

/// The preset that names the route's one set of security parameters.
const PRESET: Preset = Preset::Standard;

/// The route.
pub(super) struct Cairo;

impl Backend for Cairo {
    fn key(&self, bytes: &[u8]) -> Result<Arc<dyn RouteKey>, RouteError> {
        Ok(Arc::new(CairoKey::from_bytes(bytes).map_err(RouteError::new)?))
    }

    #[cfg(feature = "prove")]
    fn admits(&self, kind: ProofKind) -> Result<(), ProveError> {
        let ProofKind { route, preset, batch, secrecy } = kind;
        match (batch, preset) {
            _ if secrecy.hides() => Err(ProveError::HidingRoute(route)),
            (1, PRESET) => Ok(()),
            (1, preset) => Err(ProveError::Preset { route, preset }),
            (batch, _) => Err(ProveError::Batch { route, batch }),
        }
    }

    /// One commitment is to the whole input, which is no matter of single tensors.
    #[cfg(feature = "prove")]
    fn visibilities(
        &self,
        settings: &ProveSettings,
        interface: &Interface,
    ) -> Result<Visibilities, ProveError> {
        match settings.commit_output {
            true => Err(ProveError::CommitOutput(Route::Cairo)),
            false => Ok(Visibilities::public(interface)),
        }
    }

    #[cfg(feature = "prove")]
    fn prover(
        &self,
        model: &Arc<ciro_model::IntegerModel>,
        settings: &ProveSettings,
        visibilities: &Visibilities,
    ) -> Result<Box<dyn RouteProver>, ProveError> {
        if !visibilities.is_public() {
            return Err(ProveError::CommitOutput(Route::Cairo));
        }
        Ok(Box::new(proving::Prover::new(model, settings)?))
    }

    #[cfg(feature = "prove")]
    fn estimate(
        &self,
        model: &Arc<ciro_model::IntegerModel>,
        settings: &ProveSettings,
    ) -> Result<CostEstimate, ProveError> {
        Ok(proving::Prover::new(model, settings)?.estimate())
    }

    #[cfg(feature = "network")]
    fn program_jobs(&self) -> Option<&'static dyn crate::network::proofs::ProgramJobs> {
        Some(&program::job::Jobs)
    }

    fn advice(&self, error: &(dyn Error + 'static)) -> Option<Advice> {
        program::advice(error)
    }

    fn failed_check(&self, error: &(dyn Error + 'static)) -> Option<Check> {
        program::failed_check(error)
    }

    #[cfg(feature = "prove")]
    fn transpile(
        &self,
        model: &ciro_model::IntegerModel,
        name: &str,
    ) -> Option<Result<CairoPackage, ProveError>> {
        Some(proving::transpile(model, name))
    }
}

impl RouteKey for CairoKey {
    fn kind(&self) -> ProofKind {
        ProofKind { route: Route::Cairo, preset: PRESET, batch: 1, secrecy: Secrecy::Plain }
    }

    fn model(&self) -> [u8; 32] {
        self.model
    }

    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn security(&self) -> Security {
        ciro_cairo::security()
    }

    fn digest(&self) -> [u8; 32] {
        self.digest()
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.to_bytes()
    }

    /// The program's output begins with the key's identity; it has no place for a context.
    fn binds_context(&self) -> bool {
        false
    }

    fn verify(&self, statement: &Statement, proof: &[u8], policy: &Policy) -> Result<(), Rejected> {
        policy
            .check(PRESET, &self.security())
            .map_err(|error| Rejected::Invalid(Check::Security, RouteError::new(error)))?;
        let [claim] = &statement.claims[..] else {
            let error = CairoVerificationError::Stated("number of inferences");
            return Err(Rejected::Invalid(Check::Batch, RouteError::new(error)));
        };
        let proof = CairoProof::from_bytes(proof)
            .map_err(|error| Rejected::Damaged(RouteError::new(error)))?;
        ciro_cairo::verify_statement(self, proof, claim)
            .map_err(|error| Rejected::Invalid(check(&error), RouteError::new(error)))
    }

    fn proofs_may_commit(&self) -> bool {
        true
    }

    fn commit(&self, input: &[Tensor<i32>], blinding: Blinding) -> Option<[u8; 32]> {
        let blinding = Felt::from_bytes_be(&blinding.0);
        Some(ciro_cairo::commit_input(self.identity(), input, blinding).to_bytes_be())
    }
}

/// The word for what fails.
pub(crate) fn check(error: &CairoVerificationError) -> Check {
    match error {
        CairoVerificationError::Parameters { .. } => Check::Security,
        CairoVerificationError::Program { .. } => Check::ModelCommitment,
        CairoVerificationError::Statement(_) => Check::Statement,
        CairoVerificationError::Stated(_) => Check::PublicValues,
        CairoVerificationError::Structure(_) => Check::Structure,
        _ => Check::Proof,
    }
}

/// The memory that a proof of a run of so many steps takes at its peak, beside what it reads.
#[cfg(feature = "prove")]
pub(crate) const fn run_bytes(steps: u64) -> u64 {
    1_780_000_000 + 1_250 * steps
}

/// The time that a proof of a run of so many steps takes, in milliseconds.
#[cfg(feature = "prove")]
pub(crate) fn run_ms(steps: f64) -> f64 {
    3500.0 + steps / 188.0
}

/// What a proof has beside what it shows of its program, in bytes.
#[cfg(feature = "prove")]
pub(crate) const PROOF_BYTES: u64 = 900_000;

#[cfg(feature = "prove")]
mod proving {
    use std::sync::Arc;

    use ciro_cairo::{
        CairoKey, Compiler, EmitError, EmitSettings, Execution, Felt, InputMode, Package, Program,
        STEPS_MAX, Subject,
    };
    use ciro_model::integer::{Context, Statement};
    use ciro_model::{IntegerModel, Tensor};

    use super::Cairo;
    use crate::blinding::Blinding;
    use crate::route::Route;
    use crate::routes::{
        Asked, Backend as _, Blindings, CairoPackage, CostEstimate, ProveError, ProveSettings,
        RefusedNode, RouteError, RouteKey, RouteProof, RouteProver, check_memory, memory_limit,
    };

    /// A model's program, ready to run.
    #[derive(Debug)]
    pub(super) struct Prover {
        model: Arc<IntegerModel>,
        package: Package,
        program: Program,
        key: CairoKey,
        work: Work,
        commit_input: bool,
    }

    impl Prover {
        pub(super) fn new(
            model: &Arc<IntegerModel>,
            settings: &ProveSettings,
        ) -> Result<Self, ProveError> {
            Cairo.admits(settings.kind())?;
            check_context(settings.context)?;
            let package = package(model, "model")?;
            let program = compile(&package)?;
            let key = CairoKey::new(model, &program);
            if let (true, Some(port)) =
                (settings.commit_input, key.interface.first_with_several_views())
            {
                return Err(ProveError::CommitSeveralViews(port.name.clone()));
            }
            if let (true, Some(port)) =
                (settings.commit_input, key.interface.first_with_texts_of_its_own())
            {
                return Err(ProveError::CommitTexts(port.name.clone()));
            }
            let model = Arc::clone(model);
            let subject =
                Subject { model: &model, package: &package, program: &program, key: &key };
            // A key is a promise about the model: the program is compared with it first.
            let execution = subject.probe(steps_max(settings)).map_err(refused)?;
            let work = Work::of(&package, &execution);
            // A program too long for a proof of 100 bits is refused before anything is proven.
            ciro_cairo::check_length(&program, execution).map_err(refused)?;
            Ok(Self { model, package, program, key, work, commit_input: settings.commit_input })
        }

        fn mode(&self) -> Result<(InputMode, Option<Blinding>), ProveError> {
            if !self.commit_input {
                return Ok((InputMode::Public, None));
            }
            let blinding = Blinding::random().map_err(failed)?;
            Ok((InputMode::Committed(Felt::from_bytes_be(&blinding.0)), Some(blinding)))
        }
    }

    impl RouteProver for Prover {
        fn key(&self) -> Arc<dyn RouteKey> {
            Arc::new(self.key.clone())
        }

        /// What a proof takes; inputs change it by a few per mille at most.
        #[expect(clippy::cast_precision_loss, reason = "a prediction is rounded")]
        fn estimate(&self) -> CostEstimate {
            let (security, work) = (ciro_cairo::security(), self.work);
            CostEstimate {
                cells: None,
                steps: Some(work.steps),
                prove_ms: super::run_ms(work.steps as f64) + 0.083 * work.words as f64,
                memory_bytes: work.memory_bytes(),
                proof_bytes: super::PROOF_BYTES,
                security_bits: security.whole_conjectured_bits(),
                proven_security_bits: security.whole_proven_bits(),
            }
        }

        /// Runs the program on one sample, compares it with the model, and proves the run.
        fn prove(
            &self,
            inputs: &[Vec<Tensor<i32>>],
            asked: &Asked<'_>,
        ) -> Result<RouteProof, ProveError> {
            check_context(asked.context)?;
            if let Some((side, name, _)) = asked.blindings.named().first() {
                return Err(ProveError::Blinding { side: *side, name: name.clone() });
            }
            if let Blindings::Seeded(_) = asked.blindings {
                return Err(ProveError::CommitOutput(Route::Cairo));
            }
            let [input] = inputs else {
                let batch = u32::try_from(inputs.len()).unwrap_or(u32::MAX);
                return Err(ProveError::Batch { route: Route::Cairo, batch });
            };
            let (mode, blinding) = self.mode()?;
            let Self { model, package, program, key, .. } = self;
            let subject = Subject { model, package, program, key };
            let (stated, execution) = subject.run(input, mode).map_err(failed)?;
            let work = Work::of(package, &execution);
            check_memory(work.memory_bytes(), asked.limit)?;
            let proof = ciro_cairo::prove(program, execution).map_err(failed)?.to_bytes();
            let statement = Statement::of(vec![stated]);
            let (steps, openings) = (Some(work.steps), Vec::new());
            Ok(RouteProof { statement, proof, steps, blinding, openings })
        }
    }

    /// The program's output begins with the key's identity; it has no place for a context.
    fn check_context(context: Context) -> Result<(), ProveError> {
        if context.is_none() { Ok(()) } else { Err(ProveError::Context(Route::Cairo)) }
    }

    /// The most steps that a run may take: the virtual machine takes some hundred bytes for each.
    fn steps_max(settings: &ProveSettings) -> usize {
        const BYTES_OF_STEP: u64 = 128;
        let limit = memory_limit(settings.max_memory_bytes) / BYTES_OF_STEP;
        usize::try_from(limit).unwrap_or(usize::MAX).min(STEPS_MAX)
    }

    /// What decides the cost of a proof.
    #[derive(Clone, Copy, Debug)]
    struct Work {
        /// Steps of the program.
        steps: u64,
        /// Words of weights that the program hashes.
        words: u64,
    }

    impl Work {
        fn of(package: &Package, execution: &Execution) -> Self {
            Self { steps: execution.steps as u64, words: package.weights.len() as u64 }
        }

        /// The memory that a proof takes at its peak.
        fn memory_bytes(self) -> u64 {
            super::run_bytes(self.steps) + 30_000 * self.words
        }
    }

    fn package(model: &IntegerModel, name: &str) -> Result<Package, ProveError> {
        ciro_cairo::emit(model, name, EmitSettings::default()).map_err(|error| match &error {
            EmitError::Refused { node, op, reason } => {
                let refusal = RefusedNode {
                    node: node.clone(),
                    op: (*op).to_owned(),
                    reason: reason.clone(),
                    advice: None,
                };
                refused_for(refusal, error)
            }
            _ => refused(error),
        })
    }

    fn compile(package: &Package) -> Result<Program, ProveError> {
        let mut compiler = Compiler::new().map_err(failed)?;
        compiler.compile(package).map_err(failed)
    }

    /// The model as a package, and its compiled program's hash.
    pub(super) fn transpile(model: &IntegerModel, name: &str) -> Result<CairoPackage, ProveError> {
        let package = package(model, name)?;
        let program_hash = compile(&package)?.hash().to_string();
        Ok(CairoPackage { files: package.files.into_iter().collect(), program_hash })
    }

    /// A model as a whole has no proof.
    fn refused(error: impl std::error::Error + Send + Sync + 'static) -> ProveError {
        let (node, op) = ("model".to_owned(), String::new());
        refused_for(RefusedNode { node, op, reason: error.to_string(), advice: None }, error)
    }

    fn refused_for(
        refusal: RefusedNode,
        error: impl std::error::Error + Send + Sync + 'static,
    ) -> ProveError {
        let source = RouteError::new(error);
        ProveError::Refused { route: Route::Cairo, refused: vec![refusal], source }
    }

    fn failed(error: impl std::error::Error + Send + Sync + 'static) -> ProveError {
        ProveError::Failed { route: Route::Cairo, source: RouteError::new(error) }
    }
}
