//! Sums over the last axis: products with a column of ones.

use ciro_model::integer::NodeId;

use crate::layout::collect::Collector;

/// One product.
pub(super) fn collect(collector: &mut Collector<'_>, id: NodeId) {
    let operand = collector.model.node(id).operands[0];
    let k = *collector.model.node(operand).shape.last().expect("checked by the shape rule");
    collector.row_sums(id, collector.all_cells(operand), vec![1; k]);
}
