//! What a proof takes, told by the components of its trace: memory, and bytes.

use cairo_air::claims::CairoClaim;
use stwo::core::pcs::TreeVec;
use stwo_cairo_common::preprocessed_columns::preprocessed_trace::PreProcessedTraceVariant;

use crate::security;

/// The memory that a proof takes at its peak, in bytes.
///
/// A cell of a column is there as itself, in its extension to twice the rows, and as what lookups
/// are made of; the rest is the same for all proofs.
pub(super) fn memory_bytes(columns: &TreeVec<Vec<u32>>) -> u64 {
    /// The tables, hashes over the size that traces are lifted to, and quotients.
    const BYTES_OF_ALL: u64 = 1_280_000_000;
    /// Ten were measured, whatever the component; the rest is room.
    const BYTES_OF_CELL: u64 = 12;
    let cells = columns.iter().flatten().fold(0_u64, |sum, &log| sum.saturating_add(1 << log));
    cells.saturating_mul(BYTES_OF_CELL).saturating_add(BYTES_OF_ALL)
}

/// The most bytes that a proof has, beside the felts of program and output.
///
/// What is queried and opened is counted as [`crate::proof`] packs it, in which nothing repeats but
/// what columns of few rows have to; paths in hash trees share no more than they must.
pub(super) fn proof_bytes(claim: &CairoClaim, columns: &TreeVec<Vec<u32>>) -> usize {
    /// Columns of the composition polynomial.
    const COMPOSITION: usize = 8;
    /// Elements of the extension: four of the field, and two bits before them.
    const OPENED_BITS: usize = 4 * 31 + 2;
    /// The columns of each component's last sum are opened at the row before, too.
    const OPENED_TWICE: usize = 4;
    /// Rows, sums and their options.
    const BYTES_OF_COMPONENT: usize = 64;
    /// Format, parameters, registers, segments, commitments, and the counts of all lists.
    const BYTES_OF_ALL: usize = 4096;
    let fixed = PreProcessedTraceVariant::CanonicalSmall.n_columns() + COMPOSITION;
    let fixed = std::iter::repeat_n(security::LOG_ROWS, fixed);
    let columns = columns.iter().flatten().copied().chain(fixed);
    let column_bits: usize = columns.map(|log| queried_bits(log) + OPENED_BITS + 1).sum();
    let components = claim.flatten_claim().component_enable_bits;
    let components = components.into_iter().filter(|&enabled| enabled).count();
    let bits = column_bits + components * OPENED_TWICE * OPENED_BITS;
    bits.div_ceil(8) + components * BYTES_OF_COMPONENT + hash_bytes() + BYTES_OF_ALL
}

/// The most bits of a queried column whose rows have this binary logarithm: that it is new, a
/// pattern, and its distinct values, of which short columns have few.
fn queried_bits(log_rows: u32) -> usize {
    const PATTERN_BITS: usize = 1 + 1 + 8;
    let queries = security::QUERIES;
    let values = 1_usize << (log_rows + security::LOG_BLOWUP_FACTOR);
    let distinct = queries.min(values);
    // Which of up to 128 values it is.
    let repeated = 7 * (queries - distinct);
    PATTERN_BITS + queries + repeated + 31 * distinct
}

/// The most bytes of hash paths and of FRI's layers, each of which has half the rows of the last.
fn hash_bytes() -> usize {
    const TREES: usize = 4;
    const BYTES_OF_HASH: usize = 32;
    /// Its root and the lengths of its lists.
    const BYTES_OF_LAYER: usize = 64;
    const BYTES_OF_VALUE: usize = 16;
    let queries = security::QUERIES;
    // Of each pair of nodes, one is known at least, and no more are known than queries.
    let path = |depth: u32| (0..depth).map(|level| queries.min(1 << level)).sum::<usize>();
    let layers = (1..=security::LIFTING_LOG_SIZE)
        .map(|depth| path(depth) * BYTES_OF_HASH + queries * BYTES_OF_VALUE + BYTES_OF_LAYER);
    TREES * path(security::LIFTING_LOG_SIZE) * BYTES_OF_HASH + layers.sum::<usize>()
}
