//! Products with constant matrices.

use ciro_model::Tensor;
use ciro_model::integer::ops::Linear;
use ciro_model::integer::{ConstId, NodeId};

use crate::layout::collect::Collector;
use crate::rows::product::{Results, Right};

/// The nodes that one weight matrix is used by.
pub(in crate::layout) type Uses = Vec<NodeId>;

/// Puts a node beside the others that use its weights.
pub(super) fn collect(collector: &mut Collector<'_>, id: NodeId, op: &Linear) {
    let key = (op.weight, op.bias, collector.rounds(id));
    collector.linears.entry(key).or_default().push(id);
}

/// Makes the products, once all nodes have been collected.
pub(in crate::layout) fn finish(collector: &mut Collector<'_>) {
    for ((weight, bias, _), nodes) in std::mem::take(&mut collector.linears) {
        product(collector, (weight, bias), &nodes);
    }
}

/// All uses of one weight matrix become one product: its rows are paid once.
fn product(
    collector: &mut Collector<'_>,
    (weight, bias): (ConstId, Option<ConstId>),
    nodes: &[NodeId],
) {
    let weight = &collector.model.constants()[weight];
    let (k, n) = (weight.shape()[0], weight.shape()[1]);
    let mut right = weight.data().to_vec();
    let bias = bias.map(|bias| &collector.model.constants()[bias]);
    right.extend(bias.into_iter().flat_map(Tensor::data));
    let one = collector.wiring.constant(1);
    let (mut left, mut results, mut uses) = (vec![], vec![], vec![]);
    for &id in nodes {
        for sample in collector.samples() {
            let cells = collector.wiring.cells(collector.model.node(id).operands[0], sample);
            for row in 0..collector.model.node(id).len() / n {
                left.extend_from_slice(&cells[row * k..][..k]);
                left.extend(bias.map(|_| one));
            }
            results.extend(collector.outcomes(id, sample));
        }
        uses.push((results.len() / n, collector.model.node(id).interval));
    }
    let k = k + usize::from(bias.is_some());
    let rounded = nodes.iter().any(|&id| collector.rounds(id));
    let m = results.len() / n;
    let results = Results { outcomes: results, rounded, uses };
    collector.push_product([m, k, n], (left, Right::Fixed(right)), results);
}
