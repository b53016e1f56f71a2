//! Floor division.

use ciro_model::integer::NodeId;

use crate::layout::LayoutError;
use crate::layout::collect::Collector;

/// One division for each element.
pub(super) fn collect(collector: &mut Collector<'_>, id: NodeId) -> Result<(), LayoutError> {
    let node = collector.model.node(id);
    let [a, b] = [node.operands[0], node.operands[1]];
    let intervals =
        [collector.model.node(a).interval, collector.model.node(b).interval, node.interval];
    collector.push_division(id, intervals, collector.operand_cells(a, b, id))
}
