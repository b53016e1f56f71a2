//! More bits everywhere, but where there is no room for them.
//!
//! Of a hundred tensors that get more bits, one may be in the way of all others: a check that it
//! goes through compares only so much, a sum leaves 2^30. That one stays as it was, and what it
//! reads after it, as far as it takes; the others keep what they got.

use std::collections::{BTreeMap, BTreeSet};

use super::refine::{Bits, Subject};
use crate::float::{Graph, NodeId, Op};
use ciro_model::integer::{IntegerModel, NodeId as IntegerId, Op as IntegerOp, room};

/// How often a model is made anew without some of its bits.
const ATTEMPTS: usize = 12;
/// How many operators back from where there is no room bits are given up.
const BACK: usize = 4;

impl Subject<'_> {
    /// The integer model of these bits, without those that something has no room for, and the bits
    /// that are left.
    pub(super) fn fitting(&self, bits: &Bits) -> Option<(IntegerModel, Bits)> {
        let mut bits = bits.clone();
        let mut back: BTreeMap<NodeId, usize> = BTreeMap::new();
        for _ in 0..ATTEMPTS {
            let at = match self.attempt(&bits) {
                Ok(model) => return Some((model, bits)),
                Err(at) => at?,
            };
            let back = back.entry(at).or_default();
            loop {
                let read = read_by(self.graph, at, *back);
                *back += 1;
                // Each, not any: all of them give up theirs.
                let had = read.iter().filter(|node| bits.effort.give_up(node.index())).count();
                if had > 0 {
                    break;
                }
                if *back > BACK {
                    return None;
                }
            }
        }
        None
    }

    /// The integer model of these bits, or the node of the float graph that has no room for them.
    fn attempt(&self, bits: &Bits) -> Result<IntegerModel, Option<NodeId>> {
        let mut lowering = self.lowering(bits).map_err(|_| None)?;
        if lowering.run().is_err() {
            return Err(Some(lowering.at));
        }
        let builder = std::mem::take(&mut lowering.builder);
        let model = builder.finish().map_err(|_| None)?;
        match without_room(&model) {
            Some(node) => Err(Some(lowering.maker(&model.node(node).name))),
            None => Ok(model),
        }
    }
}

/// A node and what it reads, directly or up to so many operators away; movements are no distance.
fn read_by(graph: &Graph, at: NodeId, back: usize) -> BTreeSet<NodeId> {
    let mut reached = BTreeSet::from([at]);
    let mut edge = vec![(at, 0)];
    while let Some((node, far)) = edge.pop() {
        for &operand in &graph.node(node).operands {
            let far = far + usize::from(!matches!(graph.node(operand).op, Op::Move(_)));
            if far <= back && reached.insert(operand) {
                edge.push((operand, far));
            }
        }
    }
    reached
}

/// The first node whose check of a division, clamp or rank has no room for what it may meet.
pub(super) fn without_room(model: &IntegerModel) -> Option<IntegerId> {
    let interval = |id: IntegerId| model.node(id).interval;
    let has_room = |op: &IntegerOp, operands: &[IntegerId], result| match (op, operands) {
        (IntegerOp::DivFloor(_), &[a, b]) => {
            room::division(interval(a), interval(b), result).is_some()
        }
        (IntegerOp::Requantize(op), &[x]) => {
            let all = op.quotient(interval(x));
            let cuts = all.lo < i64::from(op.lo) || all.hi > i64::from(op.hi);
            !cuts || all.max_abs() < room::COMPARED
        }
        (IntegerOp::Bucketize(op), &[x]) => op.limbs || interval(x).max_abs() <= room::RANKED,
        _ => true,
    };
    let nodes = model.iter();
    let mut without = nodes.filter(|(_, it)| !has_room(&it.op, &it.operands, it.interval));
    without.next().map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::{BinaryFn, ElementType, Input, Labels, Node, Output};
    use crate::quantize::missing::Missing;
    use crate::quantize::ops::steps::Known;
    use crate::quantize::refine::Judge;
    use crate::quantize::{Calibration, Settings, calibrate};
    use ciro_model::tensor::Tensor;

    /// `a = x y` and `b = softmax(x y) / z`.
    fn graph() -> Graph {
        let node = |name: &str, op: Op, operands: &[u32]| Node {
            name: name.to_owned(),
            origin: "Test".to_owned(),
            op,
            operands: operands.iter().copied().map(NodeId).collect(),
            shape: vec![1, 4],
            unrolled: None,
        };
        let nodes = vec![
            node("x", Op::Input { index: 0 }, &[]),
            node("y", Op::Input { index: 1 }, &[]),
            node("z", Op::Input { index: 2 }, &[]),
            node("a", Op::Binary(BinaryFn::Mul), &[0, 1]),
            node("p", Op::Softmax, &[3]),
            node("b", Op::Binary(BinaryFn::Div), &[4, 2]),
        ];
        let input = |name: &str| Input {
            name: name.to_owned(),
            shape: vec![1, 4],
            element_type: ElementType::Float,
        };
        let output =
            |name: &str, node| Output { name: name.to_owned(), node, labels: Labels::Real };
        Graph {
            nodes,
            inputs: ["x", "y", "z"].map(input).to_vec(),
            outputs: vec![output("a", NodeId(3)), output("b", NodeId(5))],
        }
    }

    fn calibration(graph: &Graph) -> Calibration {
        let row = |at: u32, scale: f64| {
            let values = (0..4).map(|k| scale * f64::from((7 * at + 5 * k) % 11 + 1)).collect();
            Tensor::new(vec![1, 4], values).unwrap()
        };
        let samples: Vec<_> =
            (0..16).map(|at| vec![row(at, 0.1), row(at + 3, 1.0), row(at + 5, 0.01)]).collect();
        calibrate(graph, &samples).unwrap()
    }

    #[test]
    fn bits_are_given_up_where_there_is_no_room_and_nowhere_else() {
        let (graph, missing) = (graph(), Missing::default());
        let calibration = calibration(&graph);
        let judge = Judge::new(&graph, &[]);
        let (calibration, graph, known) = (&calibration, &graph, Known::default());
        let subject = Subject { graph, calibration, truths: &[], missing: &missing, judge, known };
        let mut gave_up = 0;
        for more in [2, 4, 6, 8, 10, 12] {
            let bits = Bits::of(Settings::default(), &vec![more; graph.nodes.len()]);
            let (model, left) = subject.fitting(&bits).expect("some bits have room");
            assert_eq!(without_room(&model), None, "{more} bits");
            if subject.attempt(&bits).is_ok() {
                assert_eq!(left, bits, "{more} bits have room");
                continue;
            }
            gave_up += 1;
            let of = |node| left.effort.of(node);
            assert!((0..graph.nodes.len()).any(|node| of(node) == 0), "{more} bits");
            assert!((0..graph.nodes.len()).any(|node| of(node) == more), "{more} bits");
        }
        assert!(gave_up > 0, "the graph has no room for 12 bits more");
    }

    #[test]
    fn what_is_read_is_so_many_operators_away() {
        let graph = graph();
        let reached = |back| read_by(&graph, NodeId(5), back).len();
        assert_eq!([reached(0), reached(1), reached(2), reached(3)], [1, 3, 4, 6]);
    }
}
