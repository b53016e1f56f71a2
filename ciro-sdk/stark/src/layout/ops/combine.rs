//! Linear combinations of tensors.

use ciro_model::integer::NodeId;
use ciro_model::integer::ops::Combine;

use crate::layout::collect::Collector;
use crate::layout::wiring::Address;

/// Arithmetic of one or two operands; a product with the coefficients for more.
pub(super) fn collect(collector: &mut Collector<'_>, id: NodeId, combine: &Combine) {
    let operands = &collector.model.node(id).operands;
    let constant = combine.constant;
    match (&operands[..], &combine.coefficients[..]) {
        (&[a], &[q]) => collector.elementwise(id, [0, q, 0, constant], a, a),
        (&[a, b], &[q, r]) => collector.elementwise(id, [0, q, r, constant], a, b),
        _ => {
            let columns: Vec<Vec<Address>> =
                operands.iter().map(|&operand| collector.all_cells(operand)).collect();
            let one = collector.wiring.constant(1);
            let mut weights = combine.coefficients.clone();
            weights.extend((constant != 0).then_some(constant));
            let left = (0..columns[0].len())
                .flat_map(|i| {
                    let cells = columns.iter().map(move |column| column[i]);
                    cells.chain((constant != 0).then_some(one))
                })
                .collect();
            collector.row_sums(id, left, weights);
        }
    }
}
