//! What provers of every route take and give.

use std::fmt::Debug;
use std::sync::Arc;

use ciro_model::integer::{
    Committing, Context, SampleMismatch, Statement, Visibilities, VisibilityError,
};
use ciro_model::{Interface, Tensor};
use ciro_stark::{Preset, Secrecy};

use super::{RouteError, RouteKey};
use crate::advice::Advice;
use crate::blinding::{Blinding, BlindingSeed};
use crate::machine::available_memory;
use crate::route::{ProofKind, Route, RouteNotBuilt};
use crate::verify::{Opening, Side};

/// How inferences are proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProveSettings {
    /// The route. Default: tensor.
    pub route: Route,
    /// The security parameters. Default: standard, the only ones of the Cairo route.
    pub preset: Preset,
    /// How many inferences one proof is about. Default: 1, valid from 1; always 1 on the Cairo
    /// route.
    pub batch: u32,
    /// Whether proofs hide inputs and execution, so that they show nothing beside the key and the
    /// statement: an input that shall be hidden is also committed to. The model is public, and so
    /// are outputs that are not committed to. Default: plain, always so on the Cairo route and with
    /// the preset `chain`.
    pub secrecy: Secrecy,
    /// Whether proofs state a commitment to the input instead of the input: on the tensor route one
    /// to each input, on the Cairo route one to all. Default: no.
    pub commit_input: bool,
    /// Whether proofs state commitments to the outputs instead of the outputs. Default: no; for the
    /// tensor route alone.
    pub commit_output: bool,
    /// What proofs are bound to beside model, input and output: a job, a caller, a contract.
    /// Default: [nothing](Context::NONE), always so on the Cairo route.
    pub context: Context,
    /// The most memory, in bytes, that a proof may be expected to take. Default: `None`, what the
    /// machine has [free](crate::available_memory); `u64::MAX` sets no limit.
    pub max_memory_bytes: Option<u64>,
}

impl ProveSettings {
    /// The settings for proofs of one kind.
    pub fn of(kind: ProofKind) -> Self {
        let ProofKind { route, preset, batch, secrecy } = kind;
        Self { route, preset, batch, secrecy, ..Self::default() }
    }

    /// The settings for proofs of inputs that are sealed for whoever proves: they hide, and commit
    /// to all inputs.
    #[must_use]
    pub fn sealed(self) -> Self {
        Self { secrecy: Secrecy::Hiding, commit_input: true, ..self }
    }

    /// How proofs show the inputs and outputs of a model on a route that commits to tensors one by
    /// one.
    ///
    /// # Errors
    /// [`ProveError::Visibility`] if an input cannot be committed.
    pub(crate) fn visibilities(&self, interface: &Interface) -> Result<Visibilities, ProveError> {
        let all = |all| if all { Committing::All } else { Committing::Nothing };
        let (inputs, outputs) = (all(self.commit_input), all(self.commit_output));
        Ok(interface.visibilities(&inputs, &outputs)?)
    }

    /// The kind of proof that is made.
    pub fn kind(&self) -> ProofKind {
        let Self { route, preset, batch, secrecy, .. } = *self;
        ProofKind { route, preset, batch, secrecy }
    }
}

impl Default for ProveSettings {
    fn default() -> Self {
        Self {
            route: Route::Tensor,
            preset: Preset::Standard,
            batch: 1,
            secrecy: Secrecy::Plain,
            commit_input: false,
            commit_output: false,
            context: Context::NONE,
            max_memory_bytes: None,
        }
    }
}

/// The limit of memory in force now, in bytes.
pub(crate) fn memory_limit(max_memory_bytes: Option<u64>) -> u64 {
    max_memory_bytes.or_else(available_memory).unwrap_or(u64::MAX)
}

/// Refuses work that is expected to take more memory than allowed.
pub(crate) fn check_memory(needed: u64, limit: u64) -> Result<(), MemoryShortage> {
    if needed <= limit {
        return Ok(());
    }
    Err(MemoryShortage { needed: needed.div_ceil(1_000_000), limit: limit / 1_000_000 })
}

/// Proves inferences of one model.
pub(crate) trait RouteProver: Debug + Send + Sync {
    /// The key that verifiers need.
    fn key(&self) -> Arc<dyn RouteKey>;

    /// What a proof costs.
    fn estimate(&self) -> CostEstimate;

    /// Runs the model on integer inputs and proves the results.
    fn prove(
        &self,
        inputs: &[Vec<Tensor<i32>>],
        asked: &Asked<'_>,
    ) -> Result<RouteProof, ProveError>;
}

/// What is asked of one proof beside its inputs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// What it is bound to.
    pub(crate) context: Context,
    /// The most memory that it may be expected to take, in bytes.
    pub(crate) limit: u64,
    /// Blinding values of tensors that proofs commit to.
    pub(crate) blindings: Blindings<'a>,
}

/// Where blinding values come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Blindings<'a> {
    /// These, in every inference; for tensors that are not named new ones are drawn.
    Named(&'a [(Side, String, Blinding)]),
    /// All are computed from a seed.
    Seeded(BlindingSeed),
}

impl Blindings<'_> {
    /// Those of tensors that are named.
    pub(crate) fn named(&self) -> &[(Side, String, Blinding)] {
        match self {
            Self::Named(named) => named,
            Self::Seeded(_) => &[],
        }
    }

    /// The value of a tensor of an inference; `None` if a new one is to be drawn.
    pub(crate) fn of(&self, sample: usize, (side, name): (Side, &str)) -> Option<Blinding> {
        match self {
            Self::Named(named) => {
                let found = named.iter().find(|(s, n, _)| (*s, n.as_str()) == (side, name));
                found.map(|(_, _, blinding)| *blinding)
            }
            Self::Seeded(seed) => Some(seed.blinding(sample, side, name)),
        }
    }
}

/// A proof as a route makes it.
#[derive(Debug)]
pub(crate) struct RouteProof {
    pub(crate) statement: Statement,
    pub(crate) proof: Vec<u8>,
    /// Steps of the program that ran, if one did.
    pub(crate) steps: Option<u64>,
    /// What opens the commitment to the input, if there is one alone.
    pub(crate) blinding: Option<Blinding>,
    /// What opens the commitments to single tensors.
    pub(crate) openings: Vec<Opening>,
}

/// The predicted cost of a proof.
///
/// On the tensor route, the model is laid out and its columns are counted: see
/// [`ciro_stark::Estimate`].
///
/// On the Cairo route, with `s` steps (the program is compiled and run to count them) and `w` words
/// of committed weights:
///
/// | figure | formula |
/// |---|---|
/// | time | 3.5 s + s / 188 000 steps a second + 0.083 ms w |
/// | memory | 1.78 GB + 1.25 kB s + 30 kB w |
/// | proof | 900 kB, from 660 kB to 1.2 MB |
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CostEstimate {
    /// Committed cells, the model's own columns not counted; `None` on the Cairo route.
    pub cells: Option<u64>,
    /// Steps of the Cairo program; `None` on the tensor route.
    pub steps: Option<u64>,
    /// Milliseconds from input to proof.
    pub prove_ms: f64,
    /// Peak memory in bytes.
    pub memory_bytes: u64,
    /// Size of the proof in bytes.
    pub proof_bytes: u64,
    /// Bits of security of the proof, by the conjecture behind most deployed STARKs, rounded down.
    pub security_bits: u32,
    /// Bits of security that hold without a conjecture, rounded down.
    pub proven_security_bits: u32,
}

/// One node that cannot be proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedNode {
    /// The node's name; `model` if no single node is to blame.
    pub node: String,
    /// Its operator.
    pub op: String,
    /// Why it is refused.
    pub reason: String,
    /// What to change, if there is advice.
    pub advice: Option<Advice>,
}

/// A model as a Cairo package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CairoPackage {
    /// Path relative to the package's root, and text, of every file.
    pub files: Vec<(String, String)>,
    /// The hash of the compiled program, in hexadecimal digits.
    pub program_hash: String,
}

impl ProveError {
    /// What to do about it.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Self::NotBuilt(RouteNotBuilt(route)) => Some(Advice::BuildWithRoute(*route)),
            Self::Refused { .. } => Some(Advice::CheckModel),
            Self::Memory(_) => Some(Advice::FewerSamplesOrMoreMemory),
            Self::TooMany { .. } => Some(Advice::FewerSamples),
            Self::CommitOutput(_) | Self::HidingRoute(_) | Self::Context(_) => {
                Some(Advice::UseRoute(Route::Tensor))
            }
            Self::OtherRoute { found, .. } => Some(Advice::AcceptRoute(*found)),
            Self::Batch { .. } => Some(Advice::OneSample),
            Self::Preset { .. } | Self::HidingPreset(_) => Some(Advice::DefaultPreset),
            Self::TooLong { .. }
            | Self::Sample { .. }
            | Self::Statement
            | Self::Stated
            | Self::StatesCommitment(_)
            | Self::CommitSeveralViews(_)
            | Self::CommitTexts(_)
            | Self::Visibility(_)
            | Self::Blinding { .. }
            | Self::Failed { .. } => None,
        }
    }
}

/// A proof that would take more memory than is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proof needs about {needed} MB of memory, more than the limit of {limit} MB")]
pub struct MemoryShortage {
    /// What it is expected to take, in megabytes.
    pub needed: u64,
    /// What is allowed, in megabytes.
    pub limit: u64,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The route is not part of this build.
    #[error(transparent)]
    NotBuilt(#[from] RouteNotBuilt),
    /// The model cannot be proven on this route.
    #[error("the {route} route cannot prove this model")]
    Refused {
        /// The route.
        route: Route,
        /// Everything that stands in the way.
        refused: Vec<RefusedNode>,
        /// The first of it, in the route's own words.
        #[source]
        source: RouteError,
    },
    /// The proof would take more memory than is allowed.
    #[error(transparent)]
    Memory(#[from] MemoryShortage),
    /// More inferences than a bundle holds.
    #[error("a proof of this model is about at most {limit} inference(s), not {batch}")]
    TooMany {
        /// How many were asked for.
        batch: u32,
        /// The most.
        limit: usize,
    },
    /// A proof that no verifier reads.
    #[error("the proof has {found} bytes, the longest that is read has {limit}")]
    TooLong {
        /// Its length.
        found: usize,
        /// The greatest length.
        limit: usize,
    },
    /// A sample does not fit the model.
    #[error("sample {sample}")]
    Sample {
        /// Its position.
        sample: usize,
        /// What does not fit.
        #[source]
        source: SampleMismatch,
    },
    /// The bundle names another route than the verifier expects.
    #[error("the proof is of the route `{found}`, not `{expected}`")]
    OtherRoute {
        /// What the verifier expects.
        expected: Route,
        /// What the bundle names.
        found: Route,
    },
    /// The bundle's inputs and outputs have other shapes than the model's.
    #[error("the proof is not about this model: its inputs or outputs have other shapes")]
    Statement,
    /// A statement that does not show what is to be proven.
    #[error("the statement only commits to its input: proving takes the integers themselves")]
    Stated,
    /// A statement that shows what proofs of the prover commit to.
    #[error("the statement shows input `{0}`, to which proofs for this key commit")]
    StatesCommitment(String),
    /// The route commits to whole inputs alone.
    #[error("the {0} route cannot commit to single inputs or to outputs")]
    CommitOutput(Route),
    /// The model's inputs and outputs cannot be shown like this.
    #[error(transparent)]
    Visibility(#[from] VisibilityError),
    /// A blinding value for what is not committed.
    #[error("there is a blinding value for {} `{name}`, to which proofs do not commit", .side.name())]
    Blinding {
        /// Input or output.
        side: Side,
        /// Its name.
        name: String,
    },
    /// The route binds proofs to nothing else.
    #[error("the {0} route binds no proof to a context")]
    Context(Route),
    /// A commitment would not say that the integer forms of an input come from one real input.
    #[error(
        "input `{0}` is read in several integer forms (by trees and by arithmetic, say), which a \
         commitment does not tie together: prove it with a public input"
    )]
    CommitSeveralViews(String),
    /// A commitment would not say that each element is one of its own texts.
    #[error(
        "elements of input `{0}` take some texts each, to which a commitment does not hold them: \
         prove it with a public input"
    )]
    CommitTexts(String),
    /// The route proves one inference at a time.
    #[error("the {route} route proves one inference at a time, not {batch}")]
    Batch {
        /// The route.
        route: Route,
        /// How many were asked for.
        batch: u32,
    },
    /// The route has one set of parameters.
    #[error("the {route} route has no preset `{preset}`")]
    Preset {
        /// The route.
        route: Route,
        /// The preset that was asked for.
        preset: Preset,
    },
    /// The route has no proofs that hide.
    #[error("the {0} route has no proofs that hide inputs and execution")]
    HidingRoute(Route),
    /// The preset has no proofs that hide.
    #[error(
        "the preset `{0}` has no proofs that hide inputs and execution: the verifier on Starknet \
         knows plain ones alone"
    )]
    HidingPreset(Preset),
    /// The prover stopped.
    #[error("the {route} route failed")]
    Failed {
        /// The route.
        route: Route,
        /// Why, in the route's own words.
        #[source]
        source: RouteError,
    },
}
