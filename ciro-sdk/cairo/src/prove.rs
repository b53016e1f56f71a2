//! Proves executions with stwo-cairo.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cairo_air::CairoProofForRustVerifier;
use stwo::core::poly::circle::CanonicCoset;
use stwo::core::utils::MaybeOwned;
use stwo::core::vcs_lifted::blake2_merkle::{Blake2sMerkleChannel, Blake2sMerkleHasher};
use stwo::prover::CommitmentTreeProver;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::mempool::BaseColumnPool;
use stwo::prover::poly::circle::PolyOps;
use stwo::prover::poly::twiddles::TwiddleTree;
use stwo_cairo_adapter::adapter::adapt;
use stwo_cairo_adapter::{ExecutionResources, PublicSegmentContext};
use stwo_cairo_common::preprocessed_columns::preprocessed_trace::{
    PreProcessedTrace, PreProcessedTraceVariant,
};
use stwo_cairo_prover::prover::{ChannelHash, ProverParameters, prove_cairo_with_precompute};
use stwo_cairo_prover::witness::preprocessed_trace::gen_trace;

use crate::program::Program;
use crate::run::Execution;
use crate::security;

/// Tables that depend on the trace's size alone, built once per process.
pub struct Tables {
    twiddles: TwiddleTree<SimdBackend>,
    trace: Arc<PreProcessedTrace>,
    tree: CommitmentTreeProver<SimdBackend, Blake2sMerkleChannel>,
}

pub fn tables(lifting_log_size: u32) -> Arc<Tables> {
    static TABLES: OnceLock<Mutex<HashMap<u32, Arc<Tables>>>> = OnceLock::new();
    let mut cache =
        TABLES.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(
        cache.entry(lifting_log_size).or_insert_with(|| Arc::new(Tables::new(lifting_log_size))),
    )
}

impl Tables {
    fn new(lifting_log_size: u32) -> Self {
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
    pub fn root(&self) -> String {
        self.tree.commitment.root().to_string()
    }
}

pub fn prove(
    program: &Program,
    execution: &Execution,
    lifting: u32,
) -> CairoProofForRustVerifier<Blake2sMerkleHasher> {
    let t = std::time::Instant::now();
    let mut input = adapt(&execution.runner).unwrap();
    input.public_segment_context = PublicSegmentContext::new(program.builtins());
    let r = ExecutionResources::from_prover_input(&input);
    println!("adapt {:?} {:?}", t.elapsed(), r);
    let t = std::time::Instant::now();
    let tables = tables(lifting);
    println!("tables {:?} root {}", t.elapsed(), tables.root());
    let parameters = ProverParameters {
        channel_hash: ChannelHash::Blake2s,
        channel_salt: 0,
        pcs_config: security::pcs_config(lifting),
        preprocessed_trace: PreProcessedTraceVariant::CanonicalSmall,
        store_polynomials_coefficients: false,
        include_all_preprocessed_columns: false,
    };
    let t = std::time::Instant::now();
    let proof = prove_cairo_with_precompute::<Blake2sMerkleChannel>(
        &BaseColumnPool::new(),
        &tables.twiddles,
        Arc::clone(&tables.trace),
        MaybeOwned::Borrowed(&tables.tree),
        input,
        parameters,
    )
    .unwrap();
    println!("prove {:?}", t.elapsed());
    let flat = proof.claim.flatten_claim();
    println!(
        "max log {:?} cells {:?}",
        flat.component_log_sizes.iter().max(),
        stwo_cairo_prover::witness::utils::witness_trace_cells(&proof.claim, &tables.trace)
    );
    proof.into()
}
pub fn verify(p: CairoProofForRustVerifier<Blake2sMerkleHasher>) {
    let t = std::time::Instant::now();
    println!("bytes {}", bincode::serialize(&p).unwrap().len());
    cairo_air::verifier::verify_cairo::<Blake2sMerkleChannel>(p).unwrap();
    println!("verify {:?}", t.elapsed());
}
