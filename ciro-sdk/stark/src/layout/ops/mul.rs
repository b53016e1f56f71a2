//! Elementwise products.

use ciro_model::integer::NodeId;

use crate::layout::collect::Collector;

/// Arithmetic.
pub(super) fn collect(collector: &mut Collector<'_>, id: NodeId) {
    let operands = &collector.model.node(id).operands;
    collector.elementwise(id, [1, 0, 0, 0], operands[0], operands[1]);
}
