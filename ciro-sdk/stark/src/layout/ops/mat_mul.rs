//! Products of two computed matrices.

use ciro_model::integer::NodeId;

use crate::layout::collect::Collector;
use crate::layout::wiring::Address;
use crate::rows::product::{Results, Right};

/// One product for each matrix of the batch.
pub(super) fn collect(collector: &mut Collector<'_>, id: NodeId) {
    let node = collector.model.node(id);
    let [a, b] = [node.operands[0], node.operands[1]];
    let n = *node.shape.last().expect("a matrix");
    let m = node.shape[node.shape.len() - 2];
    let k = *collector.model.node(a).shape.last().expect("a matrix");
    for sample in collector.samples() {
        let [a, b] = [a, b].map(|node| collector.wiring.cells(node, sample));
        for (block, outcomes) in collector.outcomes(id, sample).chunks(m * n).enumerate() {
            let part = |cells: &[Address], len: usize| cells[block * len..][..len].to_vec();
            let operands = (part(&a, m * k), Right::Computed(part(&b, k * n)));
            let rounded = collector.rounds(id);
            let results = Results { outcomes: outcomes.to_vec(), rounded, uses: vec![] };
            collector.push_product([m, k, n], operands, results);
        }
    }
}
