//! A chip whose columns have more coefficients than it has rows.

use stwo::core::ColumnVec;
use stwo::core::air::Component;
use stwo::core::air::accumulation::PointEvaluationAccumulator;
use stwo::core::circle::CirclePoint;
use stwo::core::fields::qm31::SecureField;
use stwo::core::pcs::TreeVec;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::{ComponentProver, DomainEvaluationAccumulator, Trace};
use stwo_constraint_framework::FrameworkComponent;

use crate::air::Air;

/// A component of stwo's framework over columns of `2^excess` times as many coefficients as rows:
/// all that is said of degrees is said of those, all that is said of rows of the rows.
pub(super) struct Masked {
    pub(super) component: FrameworkComponent<Air>,
    pub(super) excess: u32,
}

impl Component for Masked {
    fn n_constraints(&self) -> usize {
        self.component.n_constraints()
    }

    fn max_constraint_log_degree_bound(&self) -> u32 {
        self.component.max_constraint_log_degree_bound()
    }

    fn trace_log_degree_bounds(&self) -> TreeVec<ColumnVec<u32>> {
        self.component.trace_log_degree_bounds().map_cols(|log_size| log_size + self.excess)
    }

    fn mask_points(
        &self,
        point: CirclePoint<SecureField>,
        max_log_degree_bound: u32,
    ) -> TreeVec<ColumnVec<Vec<CirclePoint<SecureField>>>> {
        self.component.mask_points(point, max_log_degree_bound - self.excess)
    }

    fn preprocessed_column_indices(&self) -> ColumnVec<usize> {
        Component::preprocessed_column_indices(&self.component)
    }

    fn evaluate_constraint_quotients_at_point(
        &self,
        point: CirclePoint<SecureField>,
        mask: &TreeVec<ColumnVec<Vec<SecureField>>>,
        accumulator: &mut PointEvaluationAccumulator,
        max_log_degree_bound: u32,
    ) {
        let log_rows = max_log_degree_bound - self.excess;
        self.component.evaluate_constraint_quotients_at_point(point, mask, accumulator, log_rows);
    }
}

impl ComponentProver<SimdBackend> for Masked {
    fn evaluate_constraint_quotients_on_domain(
        &self,
        trace: &Trace<'_, SimdBackend>,
        accumulator: &mut DomainEvaluationAccumulator<SimdBackend>,
    ) {
        self.component.evaluate_constraint_quotients_on_domain(trace, accumulator);
    }
}
