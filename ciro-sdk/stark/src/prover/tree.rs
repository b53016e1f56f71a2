//! Tree 0: the model's columns, committed once.

use rayon::prelude::*;
use stwo::core::fields::m31::BaseField;
use stwo::core::poly::circle::CanonicCoset;
use stwo::prover::CommitmentTreeProver;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::mempool::BaseColumnPool;
use stwo::prover::poly::circle::PolyOps;
use stwo::prover::poly::twiddles::TwiddleTree;

use super::columns::evaluations;
use super::masks::extend;
use crate::air::{Chip as _, FIRST, fixed_columns, named_column_id};
use crate::chips::AnyChip;
#[cfg(test)]
use crate::chips::defects::{Defect, is_back};
use crate::layout::Layout;
use crate::preset::Parameters;
use crate::rows::Column;
use crate::transcript::Trees;

/// The committed columns of a model, with the tables that every transform needs.
pub(super) struct ModelTree {
    pub(super) tree: CommitmentTreeProver<SimdBackend, Trees>,
    pub(super) twiddles: TwiddleTree<SimdBackend>,
    pub(super) pool: BaseColumnPool<SimdBackend>,
}

impl ModelTree {
    pub(super) fn new(layout: &Layout, parameters: Parameters) -> Self {
        let excess = parameters.secrecy.excess();
        let log_degree = layout.max_log_size() + excess;
        let config = parameters.pcs_config(log_degree);
        let log_blowup = config.fri_config.log_blowup_factor;
        // Constraints are evaluated on a domain of twice as many points as columns have
        // coefficients, columns are extended by the blow-up.
        let log_domain = log_degree + log_blowup.max(1);
        let twiddles = SimdBackend::precompute_twiddles(
            CanonicCoset::new(log_domain).circle_domain().half_coset,
        );
        let chips: Vec<_> = layout.chips.iter().map(|placed| placed.chip).collect();
        let own: usize = layout.chips.iter().map(|placed| placed.fixed.len()).sum();
        let selectors = selectors(&chips, own);
        let columns: Vec<&[BaseField]> = layout
            .chips
            .iter()
            .flat_map(|placed| {
                debug_assert_eq!(placed.fixed.len(), placed.shape.fixed, "{}", placed.chip.name());
                debug_assert!(
                    placed.fixed.iter().all(|column| column.len() == 1 << placed.chip.log_size())
                );
                &placed.fixed
            })
            .chain(&selectors)
            .map(Vec::as_slice)
            .collect();
        let pool = BaseColumnPool::new();
        let mut polynomials = SimdBackend::interpolate_columns(evaluations(&columns), &twiddles);
        if excess > 0 {
            // The model is public: its columns are as large as all others, and bare.
            let extended = polynomials.into_par_iter().map(|column| extend(&column.coeffs, &[]));
            polynomials = extended.collect();
        }
        let tree = CommitmentTreeProver::new(
            polynomials,
            log_blowup,
            &twiddles,
            true,
            config.lifting_log_size,
            &pool,
        );
        Self { tree, twiddles, pool }
    }

    pub(super) fn root(&self) -> [u8; 32] {
        self.tree.commitment.root().0
    }
}

/// The columns of tree 0 that stand behind the chips' `own` ones: 1 in the first row, or in the
/// last, and 0 elsewhere.
pub(super) fn selectors(chips: &[AnyChip], own: usize) -> Vec<Column> {
    let selector = |(id, log_size): &(_, u32)| {
        let rows = 1usize << log_size;
        let is_first = *id == named_column_id(FIRST, *log_size);
        let row = if is_first { 0 } else { rows - 1 };
        #[cfg(test)]
        let row = if !is_first && is_back(Defect::EarlyTotals) { row - 1 } else { row };
        let mut column = vec![BaseField::from(0u32); rows];
        column[row] = BaseField::from(1u32);
        column
    };
    fixed_columns(chips)[own..].iter().map(selector).collect()
}
