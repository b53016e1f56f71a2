//! Columns in row order and in the order in which the prover keeps them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rayon::prelude::*;
use stwo::core::fields::m31::BaseField;
use stwo::core::poly::circle::CanonicCoset;
use stwo::core::utils::bit_reverse_coset_to_circle_domain_order;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::poly::BitReversedOrder;
use stwo::prover::poly::circle::CircleEvaluation;

/// A column as stwo takes it.
pub(super) type Evaluation = CircleEvaluation<SimdBackend, BaseField, BitReversedOrder>;

/// Reorders columns from row order to bit-reversed circle-domain order.
pub(super) fn evaluations(columns: &[&[BaseField]]) -> Vec<Evaluation> {
    columns
        .par_iter()
        .map(|column| {
            let log_size = column.len().ilog2();
            let order = order(log_size);
            let values: BaseColumn = order.iter().map(|&row| column[row as usize]).collect();
            CircleEvaluation::new(CanonicCoset::new(log_size).circle_domain(), values)
        })
        .collect()
}

/// For every position of the circle-domain order, the row that stands there.
fn order(log_size: u32) -> Arc<Vec<u32>> {
    static ORDERS: OnceLock<Mutex<BTreeMap<u32, Arc<Vec<u32>>>>> = OnceLock::new();
    let orders = ORDERS.get_or_init(Mutex::default);
    let mut orders = orders.lock().unwrap_or_else(PoisonError::into_inner);
    let make = || {
        let mut rows: Vec<u32> = (0..1u32 << log_size).collect();
        bit_reverse_coset_to_circle_domain_order(&mut rows);
        Arc::new(rows)
    };
    Arc::clone(orders.entry(log_size).or_insert_with(make))
}
