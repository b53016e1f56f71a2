//! Proves executions with stwo-cairo.

mod cost;
mod rows;

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use cairo_air::claims::CairoClaim;
use stwo::core::pcs::TreeVec;
use stwo::core::poly::circle::CanonicCoset;
use stwo::core::utils::MaybeOwned;
use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleChannel;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::mempool::BaseColumnPool;
use stwo::prover::poly::circle::PolyOps;
use stwo::prover::poly::twiddles::TwiddleTree;
use stwo::prover::{CommitmentTreeProver, ProvingError};
use stwo_cairo_adapter::adapter::adapt;
use stwo_cairo_adapter::{ExecutionResources, ProverInput, PublicSegmentContext};
use stwo_cairo_common::preprocessed_columns::preprocessed_trace::{
    PreProcessedTrace, PreProcessedTraceVariant,
};
use stwo_cairo_prover::prover::{ChannelHash, ProverParameters, prove_cairo_with_precompute};
use stwo_cairo_prover::witness::preprocessed_trace::gen_trace;

use self::rows::Rows;
use crate::program::Program;
use crate::proof::{self, CairoProof};
use crate::run::Execution;
use crate::{guard, security};

/// An execution that is not proven.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CairoProveError {
    /// The execution is too long for the parameters of this crate.
    #[error(
        "the execution is too long to prove with 100 bits of security: it takes {rows} rows for {what}, at most {rows_max} are possible; a \
         proof of this length would have {bits} bits; smaller inputs, fewer weights or layers make it shorter, and the tensor route \
         proves models of this size"
    )]
    TooLong {
        /// What there is too much of.
        what: String,
        /// How many rows it takes.
        rows: usize,
        /// How many it may take.
        rows_max: usize,
        /// Whole bits of security that a proof of this length would have.
        bits: u32,
    },
    /// No felt of the run is large enough for a component that every proof has.
    #[error(
        "the execution holds no felt of 2^72 or more, and proofs exist of those that do: a large constant helps, such as the text of ten \
         letters or more in an `assert`"
    )]
    NoLargeValue,
    /// The run multiplies points of the curve, and stwo-cairo proves that with larger tables only.
    #[error(
        "the execution multiplies points of the curve, and no such execution is proven: the tables of this crate are too small for it"
    )]
    Curve,
    /// The trace cannot be brought into the prover's form.
    #[error("the execution cannot be handed to the prover: {0}")]
    Adapter(String),
    /// The prover found a constraint that does not hold.
    #[error("the execution breaks the rules of Cairo")]
    Constraints(#[source] ProvingError),
    /// The prover gave up.
    #[error("the prover stopped: {0}")]
    Stopped(String),
}

/// An execution in the prover's form that is short enough to be proven.
pub struct Provable {
    input: ProverInput,
    claim: CairoClaim,
    columns: TreeVec<Vec<u32>>,
    /// Bytes of the felts that the proof shows.
    shown: usize,
    steps: usize,
}

impl std::fmt::Debug for Provable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provable").field("steps", &self.steps).finish_non_exhaustive()
    }
}

impl Provable {
    /// Brings an execution of a program into the prover's form. What it is refused for is found out
    /// before any of the trace is made.
    ///
    /// # Errors
    /// [`CairoProveError`] if the execution is none of this program, or none that is proven.
    pub fn new(program: &Program, execution: Execution) -> Result<Self, CairoProveError> {
        let (printed, steps) = (execution.output.len(), execution.steps);
        let input = prover_input(program, execution)?;
        let claim = Rows::of(&ExecutionResources::from_prover_input(&input))?.claim();
        let columns = claim.log_sizes();
        let shown = guard::silent(|| shown(&input, printed)).map_err(CairoProveError::Adapter)?;
        Ok(Self { input, claim, columns, shown, steps })
    }

    /// The columns of trace and lookups by their rows, as binary logarithms: at most as many as the
    /// proof is going to have, in the order of its claim.
    pub fn columns(&self) -> &TreeVec<Vec<u32>> {
        &self.columns
    }

    /// The memory that the proof takes at its peak, in bytes: that of its components. Bringing the
    /// execution into its form took memory for steps and cells, which may have been more.
    pub fn memory_bytes(&self) -> u64 {
        cost::memory_bytes(&self.columns)
    }

    /// The most bytes that the proof has.
    pub fn proof_bytes(&self) -> usize {
        cost::proof_bytes(&self.claim, &self.columns).saturating_add(self.shown)
    }

    /// Proves the execution.
    ///
    /// The first proof of a process also builds the tables that all proofs of its size share. Equal
    /// executions give equal proofs.
    ///
    /// # Errors
    /// [`CairoProveError`] if the prover finds fault with it.
    pub fn prove(self) -> Result<CairoProof, CairoProveError> {
        let _span = tracing::info_span!("prove", steps = self.steps).entered();
        let input = self.input;
        // stwo-cairo asserts what it relies on; nothing of its state outlives a panic but the
        // tables, which are complete.
        let proof = guard::silent(move || {
            let tables = tables();
            prove_cairo_with_precompute::<Blake2sMerkleChannel>(
                &BaseColumnPool::new(),
                &tables.twiddles,
                Arc::clone(&tables.trace),
                MaybeOwned::Borrowed(&tables.tree),
                input,
                parameters(),
            )
        });
        let proof =
            proof.map_err(CairoProveError::Stopped)?.map_err(CairoProveError::Constraints)?;
        Ok(CairoProof { inner: proof.into() })
    }
}

/// Proves an execution of a program, as [`Provable::prove`] does.
///
/// # Errors
/// [`CairoProveError`] if the execution is too long, or is none of this program.
pub fn prove(program: &Program, execution: Execution) -> Result<CairoProof, CairoProveError> {
    Provable::new(program, execution)?.prove()
}

/// Checks that an execution is short enough to be proven, as [`prove`] does before it proves:
/// executions of one program differ by a few per mille at most.
///
/// # Errors
/// [`CairoProveError::TooLong`] with what there is too much of, and the bits that a proof of this
/// length would have; otherwise as [`Provable::new`].
pub fn check_length(program: &Program, execution: Execution) -> Result<(), CairoProveError> {
    Provable::new(program, execution).map(drop)
}

fn parameters() -> ProverParameters {
    ProverParameters {
        channel_hash: ChannelHash::Blake2s,
        channel_salt: 0,
        pcs_config: security::pcs_config(),
        preprocessed_trace: PreProcessedTraceVariant::CanonicalSmall,
        store_polynomials_coefficients: false,
        include_all_preprocessed_columns: false,
    }
}

/// Relocates the trace and sorts it by component.
fn prover_input(program: &Program, execution: Execution) -> Result<ProverInput, CairoProveError> {
    let Execution { runner, .. } = execution;
    let adapted = guard::silent(|| adapt(&runner)).map_err(CairoProveError::Adapter)?;
    let mut input = adapted.map_err(|error| CairoProveError::Adapter(format!("{error:#}")))?;
    // `adapt` assumes the bootloader's builtins, and leaves these addresses in the order of a hash
    // map.
    input.public_segment_context = PublicSegmentContext::new(program.vm_builtins());
    input.public_memory_addresses.sort_unstable();
    Ok(input)
}

/// Bytes of the felts of program and output in the proof of an execution that prints so many.
fn shown(input: &ProverInput, printed: usize) -> usize {
    let states = &input.state_transitions;
    let (start, end) = (states.initial_state.ap.0, states.final_state.ap.0);
    let felts = |addresses: Range<u32>| -> Vec<_> {
        let felt = |at| (input.memory.get_raw_id(at), input.memory.get(at).as_u256());
        addresses.map(felt).collect()
    };
    // The first call's frame lies between program and stack, the output behind the stack.
    let program = felts(states.initial_state.pc.0..start.saturating_sub(2));
    let printed = u32::try_from(printed).expect("a run reaches fewer cells");
    proof::felts_bytes(&program, &felts(end..end.saturating_add(printed)))
}

/// What all proofs share.
struct Tables {
    twiddles: TwiddleTree<SimdBackend>,
    trace: Arc<PreProcessedTrace>,
    tree: CommitmentTreeProver<SimdBackend, Blake2sMerkleChannel>,
}

/// The tables, built once per process.
fn tables() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(Tables::new)
}

impl Tables {
    fn new() -> Self {
        let size = security::LIFTING_LOG_SIZE;
        let _span = tracing::info_span!("tables", lifting_log_size = size).entered();
        let coset = CanonicCoset::new(size).circle_domain().half_coset;
        let twiddles = SimdBackend::precompute_twiddles(coset);
        let trace = Arc::new(PreProcessedTraceVariant::CanonicalSmall.to_preprocessed_trace());
        let polys = SimdBackend::interpolate_columns(gen_trace(Arc::clone(&trace)), &twiddles);
        let tree = CommitmentTreeProver::new(
            polys,
            security::LOG_BLOWUP_FACTOR,
            &twiddles,
            false,
            Some(size),
            &BaseColumnPool::new(),
        );
        Self { twiddles, trace, tree }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listed_root_is_that_of_the_tables() {
        assert_eq!(Tables::new().tree.commitment.root(), security::preprocessed_root());
    }
}
