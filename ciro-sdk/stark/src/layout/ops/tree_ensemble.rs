//! Sums of decision-tree leaves.

use ciro_model::integer::ops::{TreeEnsemble, TreeNode};
use ciro_model::integer::{NodeId, Op};

use crate::layout::collect::Collector;
use crate::rows::arithmetic::Elementwise;
use crate::rows::rank::RankWork;
use crate::rows::table::Tables;
use crate::rows::tree::EnsemblePaths;

/// Puts a node aside until all ranks are known; one of no features needs none.
pub(super) fn collect(collector: &mut Collector<'_>, id: NodeId, op: &TreeEnsemble) {
    if op.features == 0 {
        leaf_sums(collector, id, op);
    } else {
        collector.ensembles.push(id);
    }
}

/// The forests of all nodes; the sums of leaf weights join the matrix products.
pub(in crate::layout) fn forests(
    collector: &mut Collector<'_>,
    ranks: &RankWork,
    tables: &mut Tables,
) -> Vec<EnsemblePaths> {
    let (mut forests, mut nodes) = (vec![], 0);
    for &id in &collector.ensembles {
        let node = collector.model.node(id);
        let Op::TreeEnsemble(op) = &node.op else { unreachable!("collected by operator") };
        let cells = collector.all_cells(node.operands[0]);
        let read = ranks.find(&cells).expect("grouped with the ranks");
        let results = collector.all_cells(id);
        let (forest, products) =
            EnsemblePaths::new(op, read, &results, (nodes, tables, &mut collector.wiring));
        nodes += forest.nodes();
        collector.products.extend(products);
        forests.push(forest);
    }
    forests
}

/// An ensemble of no features is a sum of leaves.
fn leaf_sums(collector: &mut Collector<'_>, id: NodeId, op: &TreeEnsemble) {
    let one = collector.wiring.constant(1);
    let cells = collector.all_cells(id);
    let leaves: Vec<i32> = (0..op.outputs())
        .map(|output| {
            let weight = |&root: &u32| match &op.nodes[root as usize] {
                TreeNode::Leaf { weights } => i64::from(weights[output]),
                TreeNode::Branch { .. } => unreachable!("there is no feature to branch on"),
            };
            let sum = i64::from(op.base[output]) + op.roots.iter().map(weight).sum::<i64>();
            i32::try_from(sum).expect("interval analysis bounds the sum")
        })
        .collect();
    for (output, &sum) in leaves.iter().enumerate() {
        let results = cells.iter().skip(output).step_by(leaves.len());
        let cells = results.map(|&y| [one, one, y]).collect();
        let coefficients = [0, sum, 0, 0];
        collector.elementwise.push(Elementwise { coefficients, rounding: None, cells });
    }
}
