//! Where the two limbs of an image come from.

use std::collections::BTreeMap;

use super::ops::Bucketize;
use super::{IntegerModel, ModelError, NodeId, Op};
use crate::movement::Source;

/// Elements of ordered inputs, by the node that holds them: `(input node, row-major index)`.
type Origins = BTreeMap<NodeId, Vec<Option<(NodeId, u32)>>>;

/// Checks that what a node ranks by two limbs are the two limbs of an element of an `Ordered`
/// input.
///
/// Only such limbs are known to be `high` in `[-2^15, 2^15)` and `low` in `[0, 2^16)`, where
/// comparing them one after the other is comparing `high * 2^16 + low`.
pub(super) fn check(model: &IntegerModel) -> Result<(), ModelError> {
    if !model.nodes().iter().any(|node| ranks_limbs(&node.op)) {
        return Ok(());
    }
    let mut origins = Origins::new();
    for (id, encoding) in model.input_nodes() {
        if encoding.has_limbs() {
            let len = u32::try_from(model.node(id).len()).expect("at most 2^28 elements");
            origins.insert(id, (0..len).map(|at| Some((id, at))).collect());
        }
    }
    for (id, node) in model.iter() {
        if let Op::Move(movement) = &node.op
            && node.operands.iter().any(|operand| origins.contains_key(operand))
        {
            let shapes: Vec<&[usize]> =
                node.operands.iter().map(|&operand| &model.node(operand).shape[..]).collect();
            let plan = movement.plan(&shapes).expect("the shape rule has been checked");
            let origin = |source: &Source| match *source {
                Source::Element { operand, index } => {
                    origins.get(&node.operands[operand as usize])?[index as usize]
                }
                Source::Fill => None,
            };
            let moved = plan.sources.iter().map(origin).collect();
            origins.insert(id, moved);
        }
        if ranks_limbs(&node.op) {
            let limbs = origins.get(&node.operands[0]).map_or(&[][..], Vec::as_slice);
            let pair = |pair: &[Option<(NodeId, u32)>]| match *pair {
                [Some((a, high)), Some((b, low))] => {
                    a == b && high.is_multiple_of(2) && low == high + 1
                }
                _ => false,
            };
            if limbs.len() != 2 * node.len() || !limbs.chunks_exact(2).all(pair) {
                let what =
                    "two limbs that are ranked are not those of an element of an `Ordered` input";
                return Err(ModelError::Inconsistent { node: node.name.clone(), what });
            }
        }
    }
    Ok(())
}

fn ranks_limbs(op: &Op) -> bool {
    matches!(op, Op::Bucketize(Bucketize { limbs: true, .. }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integer::{Decoding, Encoding, ModelBuilder};
    use crate::movement::Movement;

    fn ranked(
        encoding: Encoding,
        shape: Vec<usize>,
        movement: Movement<i32>,
    ) -> Result<(), String> {
        let mut builder = ModelBuilder::new();
        let input = builder.input("x", shape);
        let x = builder.view(input, encoding).unwrap();
        let moved = builder.push("moved", movement, &[x], 1.0).unwrap();
        let features = builder.node(moved).shape[..].iter().rev().nth(1).copied().unwrap_or(0);
        let op = Bucketize { boundaries: vec![vec![-1]; features], limbs: true };
        let y = builder.push("ranks", op, &[moved], 1.0).unwrap();
        builder.output("y", y, Decoding::Integer);
        builder.finish().map(|_| ()).map_err(|error| error.to_string())
    }

    #[test]
    fn limbs_that_stay_together_are_ranked() {
        let perm = Movement::Transpose { perm: vec![1, 0, 2] };
        assert_eq!(ranked(Encoding::Ordered, vec![2, 3], perm), Ok(()));
        let some = Movement::Select { axis: 1, indices: vec![2, 2, 0] };
        assert_eq!(ranked(Encoding::Ordered, vec![2, 3], some), Ok(()));
    }

    #[test]
    fn limbs_of_no_image_are_refused() {
        let error = "node `ranks`: two limbs that are ranked are not those of an element of an `Ordered` input";
        let swapped = Movement::Select { axis: 2, indices: vec![1, 0] };
        assert_eq!(ranked(Encoding::Ordered, vec![2, 3], swapped), Err(error.into()));
        let filled = Movement::Pad { pads: vec![(0, 0), (1, 0), (0, 0)], fill: 0 };
        assert_eq!(ranked(Encoding::Ordered, vec![2, 3], filled), Err(error.into()));
        let integers = Encoding::Integer { lo: -0x8000, hi: 0xffff };
        let same = Movement::Reshape { shape: vec![2, 2] };
        assert_eq!(ranked(integers, vec![2, 2], same), Err(error.into()));
    }
}
