//! Integer square roots.

use ciro_model::integer::NodeId;

use crate::layout::collect::Collector;

/// One root for each element.
pub(super) fn collect(collector: &mut Collector<'_>, id: NodeId) {
    let [x, y] = [collector.model.node(id).operands[0], id].map(|node| collector.all_cells(node));
    collector.roots.extend(x.into_iter().zip(y).map(|(x, y)| [x, y]));
}
