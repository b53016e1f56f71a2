//! Proves executions with stwo-cairo.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

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
    PreProcessedTrace, PreProcessedTraceVariant, SMALL_MAX_SEQUENCE_LOG_SIZE,
};
use stwo_cairo_prover::prover::{ChannelHash, ProverParameters, prove_cairo_with_precompute};
use stwo_cairo_prover::witness::preprocessed_trace::gen_trace;

use crate::guard;
use crate::program::Program;
use crate::proof::CairoProof;
use crate::run::Execution;
use crate::security;

/// An execution that is not proven.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The execution is too long for the parameters of this crate.
    #[error(
        "the execution is too long to prove: {rows} rows for {what}, at most {rows_max} are possible"
    )]
    TooLong {
        /// What there is too much of.
        what: String,
        /// How many rows it takes.
        rows: usize,
        /// How many it may take.
        rows_max: usize,
    },
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

/// Proves an execution of a program.
///
/// The first proof of a process also builds the tables that all proofs of its size share. Equal executions give equal
/// proofs.
///
/// # Errors
/// [`ProveError`] if the execution is too long, or is none of this program.
pub fn prove(program: &Program, execution: Execution) -> Result<CairoProof, ProveError> {
    let _span = tracing::info_span!("prove", steps = execution.steps).entered();
    let input = prover_input(program, execution)?;
    let lifting_log_size = lifting_log_size(&input)?;
    // stwo-cairo asserts what it relies on; nothing of its state outlives a panic but the tables, which are complete.
    let proof = guard::silent(move || {
        let tables = tables(lifting_log_size);
        prove_cairo_with_precompute::<Blake2sMerkleChannel>(
            &BaseColumnPool::new(),
            &tables.twiddles,
            Arc::clone(&tables.trace),
            MaybeOwned::Borrowed(&tables.tree),
            input,
            parameters(lifting_log_size),
        )
    });
    let proof = proof.map_err(ProveError::Stopped)?.map_err(ProveError::Constraints)?;
    Ok(CairoProof { inner: proof.into() })
}

fn parameters(lifting_log_size: u32) -> ProverParameters {
    ProverParameters {
        channel_hash: ChannelHash::Blake2s,
        channel_salt: 0,
        pcs_config: security::pcs_config(lifting_log_size),
        preprocessed_trace: PreProcessedTraceVariant::CanonicalSmall,
        store_polynomials_coefficients: false,
        include_all_preprocessed_columns: false,
    }
}

/// Relocates the trace and sorts it by component.
fn prover_input(program: &Program, execution: Execution) -> Result<ProverInput, ProveError> {
    let Execution { runner, .. } = execution;
    let adapted = guard::silent(|| adapt(&runner)).map_err(ProveError::Adapter)?;
    let mut input = adapted.map_err(|error| ProveError::Adapter(format!("{error:#}")))?;
    // `adapt` assumes the bootloader's builtins, and leaves these addresses in the order of a hash map.
    input.public_segment_context = PublicSegmentContext::new(program.builtins());
    input.public_memory_addresses.sort_unstable();
    Ok(input)
}

/// Rows of the largest component that counts its rows in the preprocessed trace.
const COUNTED_ROWS_MAX: usize = 1 << SMALL_MAX_SEQUENCE_LOG_SIZE;

/// Rows that one Poseidon permutation adds to the longest of its components (`cube_252`), rounded up.
const ROWS_PER_PERMUTATION: usize = 128;

/// Rows that one Blake2s compression adds to the longest of its components (`blake_g`): eight mixings in each of ten rounds.
const ROWS_PER_COMPRESSION: usize = 80;

/// The smallest size that every component's columns fit in.
fn lifting_log_size(input: &ProverInput) -> Result<u32, ProveError> {
    let resources = ExecutionResources::from_prover_input(input);
    let limited = |what: &str, rows: usize, rows_max: usize| {
        if rows <= rows_max {
            return Ok(rows);
        }
        Err(ProveError::TooLong { what: what.to_owned(), rows, rows_max })
    };
    let largest = *security::LIFTING_LOG_SIZES.end() - security::LOG_BLOWUP_FACTOR;
    let mut rows = resources.verify_instruction;
    for (opcode, count) in &resources.opcodes_instance_counter {
        let rows_of_one = if opcode.starts_with("blake") { ROWS_PER_COMPRESSION } else { 1 };
        let rows_of_all = count.saturating_mul(rows_of_one);
        rows = rows.max(limited(&format!("`{opcode}`"), rows_of_all, 1 << largest)?);
    }
    for (builtin, count) in &resources.builtin_instance_counter {
        rows = rows.max(limited(&format!("`{builtin}`"), *count, COUNTED_ROWS_MAX)?);
        if builtin.starts_with("poseidon") {
            let cubes = count.saturating_mul(ROWS_PER_PERMUTATION);
            rows = rows.max(limited("Poseidon", cubes, 1 << largest)?);
        }
    }
    let sizes = &resources.memory_tables_sizes;
    let addresses = sizes.memory_address_to_id.div_ceil(security::MEMORY_PARTS);
    rows = rows.max(limited("memory", addresses, COUNTED_ROWS_MAX)?);
    let values = sizes.memory_id_to_big.div_ceil(security::MEMORY_PARTS);
    limited("large values", values, COUNTED_ROWS_MAX)?;
    let log_rows = rows.next_power_of_two().ilog2();
    Ok((log_rows + security::LOG_BLOWUP_FACTOR).max(*security::LIFTING_LOG_SIZES.start()))
}

/// What depends on the size of a trace alone.
struct Tables {
    twiddles: TwiddleTree<SimdBackend>,
    trace: Arc<PreProcessedTrace>,
    tree: CommitmentTreeProver<SimdBackend, Blake2sMerkleChannel>,
}

/// The tables of a size, built once per process.
fn tables(lifting_log_size: u32) -> Arc<Tables> {
    static TABLES: OnceLock<Mutex<HashMap<u32, Arc<Tables>>>> = OnceLock::new();
    let mut cache =
        TABLES.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let tables =
        cache.entry(lifting_log_size).or_insert_with(|| Arc::new(Tables::new(lifting_log_size)));
    Arc::clone(tables)
}

impl Tables {
    fn new(lifting_log_size: u32) -> Self {
        let _span = tracing::info_span!("tables", lifting_log_size).entered();
        let coset = CanonicCoset::new(lifting_log_size).circle_domain().half_coset;
        let twiddles = SimdBackend::precompute_twiddles(coset);
        let trace = Arc::new(PreProcessedTraceVariant::CanonicalSmall.to_preprocessed_trace());
        let polys = SimdBackend::interpolate_columns(gen_trace(Arc::clone(&trace)), &twiddles);
        let tree = CommitmentTreeProver::new(
            polys,
            security::LOG_BLOWUP_FACTOR,
            &twiddles,
            false,
            Some(lifting_log_size),
            &BaseColumnPool::new(),
        );
        Self { twiddles, trace, tree }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_roots_are_those_of_the_tables() {
        let root = |size| (size, Tables::new(size).tree.commitment.root());
        let listed = |size| Some((size, security::preprocessed_root(size)?));
        let computed: Vec<_> = security::LIFTING_LOG_SIZES.map(root).collect();
        let listed: Vec<_> = security::LIFTING_LOG_SIZES.filter_map(listed).collect();
        assert_eq!(computed, listed);
    }
}
