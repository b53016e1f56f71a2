//! Unary functions by table.

use ciro_model::integer::NodeId;

use crate::layout::collect::Collector;
use crate::rows::arithmetic::Elementwise;

/// Rounded arithmetic, unless the chip that computes the operand looks it up as well.
pub(super) fn collect(collector: &mut Collector<'_>, id: NodeId) {
    if collector.sinks.absorbs(id) {
        return;
    }
    let operand = collector.model.node(id).operands[0];
    let cells = collector.operand_cells(operand, operand, id);
    let (coefficients, rounding) = ([0, 1, 0, 0], Some(collector.rounded[&id]));
    collector.elementwise.push(Elementwise { coefficients, rounding, cells });
}
