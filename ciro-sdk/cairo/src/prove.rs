//! Proves executions with stwo-cairo.

use std::sync::{Arc, OnceLock};

use cairo_air::components::{cube_252, partial_ec_mul_generic, partial_ec_mul_window_bits_9};
use cairo_vm::types::builtin_name::BuiltinName;
use cairo_vm::vm::runners::builtin_runner::BuiltinRunner;
use cairo_vm::vm::runners::cairo_runner::CairoRunner;
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
/// The first proof of a process also builds the tables that all proofs of its size share. Equal
/// executions give equal proofs.
///
/// # Errors
/// [`CairoProveError`] if the execution is too long, or is none of this program.
pub fn prove(program: &Program, execution: Execution) -> Result<CairoProof, CairoProveError> {
    let _span = tracing::info_span!("prove", steps = execution.steps).entered();
    let input = prover_input(program, execution)?;
    check_rows(&ExecutionResources::from_prover_input(&input))?;
    // stwo-cairo asserts what it relies on; nothing of its state outlives a panic but the tables,
    // which are complete.
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
    let proof = proof.map_err(CairoProveError::Stopped)?.map_err(CairoProveError::Constraints)?;
    Ok(CairoProof { inner: proof.into() })
}

/// Checks that an execution is short enough to be proven, as [`prove`] does before it proves:
/// executions of one program differ by a few per mille at most.
///
/// # Errors
/// [`CairoProveError::TooLong`] with what there is too much of, and the bits that a proof of this
/// length would have; [`CairoProveError::NoLargeValue`] if no felt is large.
pub fn check_length(program: &Program, execution: Execution) -> Result<(), CairoProveError> {
    let input = prover_input(program, execution)?;
    check_rows(&ExecutionResources::from_prover_input(&input))
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

/// Rows of the largest component that counts its rows in the preprocessed trace.
const COUNTED_ROWS_MAX: usize = 1 << SMALL_MAX_SEQUENCE_LOG_SIZE;

/// Rows that one Poseidon permutation adds to the longest of its components (`cube_252`), rounded
/// up.
const ROWS_PER_PERMUTATION: usize = 128;

/// Rows that one Pedersen hash adds to the longest of its components
/// (`partial_ec_mul_window_bits_9`).
const ROWS_PER_PEDERSEN: usize = 56;

/// Rows that one operation on the curve adds to the longest of its components
/// (`partial_ec_mul_generic`).
const ROWS_PER_EC_OP: usize = 252;

/// Rows that one Blake2s compression adds to the longest of its components (`blake_g`): eight
/// mixings in each of ten rounds.
const ROWS_PER_COMPRESSION: usize = 80;

/// Checks that every component's columns fit into the size that traces are lifted to.
fn check_rows(resources: &ExecutionResources) -> Result<(), CairoProveError> {
    let limited = |what: &str, rows: usize, rows_max: usize| {
        if rows <= rows_max {
            return Ok(());
        }
        let log_rows = rows.checked_next_power_of_two().map_or(usize::BITS, usize::ilog2);
        let bits = security::security_of(log_rows).whole_conjectured_bits();
        Err(CairoProveError::TooLong { what: what.to_owned(), rows, rows_max, bits })
    };
    const ROWS_MAX: usize = 1 << security::LOG_ROWS;
    limited("instructions", resources.verify_instruction, ROWS_MAX)?;
    for (opcode, count) in &resources.opcodes_instance_counter {
        let rows_of_one = if opcode.starts_with("blake") { ROWS_PER_COMPRESSION } else { 1 };
        limited(&format!("`{opcode}`"), count.saturating_mul(rows_of_one), ROWS_MAX)?;
    }
    for (builtin, count) in &resources.builtin_instance_counter {
        limited(&format!("`{builtin}`"), *count, COUNTED_ROWS_MAX.min(ROWS_MAX))?;
        let (what, rows_of_one) = match builtin.as_str() {
            name if name.starts_with("poseidon") => ("Poseidon", ROWS_PER_PERMUTATION),
            name if name.starts_with("pedersen") => ("Pedersen", ROWS_PER_PEDERSEN),
            name if name.starts_with("ec_op") => ("operations on the curve", ROWS_PER_EC_OP),
            _ => continue,
        };
        limited(what, count.saturating_mul(rows_of_one), ROWS_MAX)?;
    }
    let sizes = &resources.memory_tables_sizes;
    let addresses = sizes.memory_address_to_id.div_ceil(security::MEMORY_PARTS);
    limited("memory", addresses, COUNTED_ROWS_MAX.min(ROWS_MAX))?;
    let values = sizes.memory_id_to_big.div_ceil(security::MEMORY_PARTS);
    limited("large values", values, COUNTED_ROWS_MAX.min(ROWS_MAX))?;
    limited("small values", sizes.memory_id_to_small, COUNTED_ROWS_MAX.min(ROWS_MAX))?;
    if sizes.memory_id_to_big == 0 {
        return Err(CairoProveError::NoLargeValue);
    }
    Ok(())
}

/// The memory that the longest components of builtins take while an execution is proven, in bytes.
pub(crate) fn builtin_bytes(runner: &CairoRunner) -> u64 {
    /// Of a felt of the trace: itself, its extension, and its part in the lookup argument.
    const BYTES_OF_CELL: u64 = 20;
    let bytes = |builtin: &BuiltinRunner| {
        let (rows_of_one, columns) = match builtin.name() {
            BuiltinName::poseidon => (ROWS_PER_PERMUTATION, cube_252::N_TRACE_COLUMNS),
            BuiltinName::pedersen => {
                (ROWS_PER_PEDERSEN, partial_ec_mul_window_bits_9::N_TRACE_COLUMNS)
            }
            BuiltinName::ec_op => (ROWS_PER_EC_OP, partial_ec_mul_generic::N_TRACE_COLUMNS),
            _ => return 0,
        };
        let rows = match builtin.get_used_instances(&runner.vm.segments) {
            Ok(0) | Err(_) => return 0,
            Ok(count) => count.saturating_mul(rows_of_one),
        };
        let rows = rows.checked_next_power_of_two().unwrap_or(usize::MAX) as u64;
        rows.saturating_mul(columns as u64).saturating_mul(BYTES_OF_CELL)
    };
    runner.vm.get_builtin_runners().iter().map(bytes).fold(0, u64::saturating_add)
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
    use std::collections::HashMap;

    use stwo_cairo_adapter::MemoryTablesSizes;

    use super::*;

    #[test]
    fn the_listed_root_is_that_of_the_tables() {
        assert_eq!(Tables::new().tree.commitment.root(), security::preprocessed_root());
    }

    #[test]
    fn longer_executions_are_refused_with_their_bits() {
        let rows = (1 << security::LOG_ROWS) + 1;
        let resources = ExecutionResources { verify_instruction: rows, ..no_resources() };
        let error = check_rows(&resources).unwrap_err();
        assert!(matches!(error, CairoProveError::TooLong { bits: 99, .. }), "{error}");
        let resources = ExecutionResources { verify_instruction: rows - 1, ..no_resources() };
        check_rows(&resources).unwrap();
    }

    #[test]
    fn the_longest_component_of_each_builtin_is_counted() {
        for (builtin, rows_of_one) in
            [("pedersen_builtin", 56_usize), ("ec_op_builtin", 252), ("poseidon_builtin", 128)]
        {
            let most = (1_usize << security::LOG_ROWS) / rows_of_one;
            let with = |count: usize| {
                let builtin_instance_counter = HashMap::from([(builtin.to_owned(), count)]);
                check_rows(&ExecutionResources { builtin_instance_counter, ..no_resources() })
            };
            with(most).unwrap();
            let error = with(most + 1).unwrap_err();
            assert!(matches!(error, CairoProveError::TooLong { .. }), "{builtin}: {error}");
        }
    }

    #[test]
    fn every_table_of_values_is_counted_and_none_may_be_empty() {
        let with = |memory_id_to_big: usize, memory_id_to_small: usize| {
            let sizes =
                MemoryTablesSizes { memory_address_to_id: 0, memory_id_to_big, memory_id_to_small };
            check_rows(&ExecutionResources { memory_tables_sizes: sizes, ..no_resources() })
        };
        with(1, COUNTED_ROWS_MAX.min(1 << security::LOG_ROWS)).unwrap();
        let error = with(1, COUNTED_ROWS_MAX + 1).unwrap_err();
        assert!(matches!(error, CairoProveError::TooLong { .. }), "{error}");
        let error = with(0, 1).unwrap_err();
        assert!(matches!(error, CairoProveError::NoLargeValue), "{error}");
    }

    fn no_resources() -> ExecutionResources {
        ExecutionResources {
            opcodes_instance_counter: HashMap::default(),
            builtin_instance_counter: HashMap::default(),
            memory_tables_sizes: MemoryTablesSizes {
                memory_address_to_id: 0,
                memory_id_to_big: 1,
                memory_id_to_small: 0,
            },
            verify_instruction: 0,
        }
    }
}
