//! Comparisons of the model's inputs with constants.

use super::{input, tree_ensemble};
use crate::float::{BinaryFn, ElementType, Graph, Node, NodeId, Op};
use crate::quantize::error::QuantizeError;
use crate::quantize::expr::{Expr, Value, count, rebuilt};
use crate::quantize::lower::Lowering;
use crate::quantize::scalar::{Line, Shape, compares};
use ciro_model::integer::ops::{Bucketize, Lookup};
use ciro_model::integer::ordered_image;
use ciro_model::movement::Movement;
use ciro_model::tensor::Tensor;

/// The most elements that are compared so: each has a threshold in the model key.
const ELEMENTS_MAX: usize = 1 << 12;

/// What an operator compares, if it compares a float input, perhaps moved, with constants.
pub(in crate::quantize) struct Thresholds {
    input: NodeId,
    f: BinaryFn,
    /// One for each element.
    constants: Vec<f32>,
    /// What is done with the truth value.
    outer: Line,
}

impl Thresholds {
    /// Measured data often lies on the thresholds that were learned from it, so such comparisons
    /// are exact: as in a tree, it is the order-preserving images of float32 that are compared.
    pub(in crate::quantize) fn of(graph: &Graph, node: &Node) -> Option<Self> {
        let elements = count(&node.shape);
        let (input, f, constants, outer) = match (&node.op, &node.operands[..]) {
            (Op::Unary(f), &[x]) => {
                let Shape::Compare { f, inner, outer } = Shape::of(f) else { return None };
                let (f, constant) = match inner.slope {
                    1.0 => (f, -inner.offset),
                    -1.0 => (mirrored(f), inner.offset),
                    _ => return None,
                };
                (x, f, vec![constant; elements], outer)
            }
            (Op::Binary(f), &[a, b]) if compares(*f) => {
                let (x, f, constant) = match (graph.constant(a), graph.constant(b)) {
                    (None, Some(constant)) => (a, *f, constant),
                    (Some(constant), None) => (b, mirrored(*f), constant),
                    _ => return None,
                };
                (x, f, constant.data().to_vec(), Line { slope: 1.0, offset: 0.0 })
            }
            _ => return None,
        };
        if elements == 0 || elements > ELEMENTS_MAX {
            return None;
        }
        let (index, _) = tree_ensemble::features(graph, input)?;
        let is_float = graph.inputs[index].element_type == ElementType::Float;
        let constants = constants.into_iter().map(single).collect::<Option<_>>()?;
        is_float.then_some(Self { input, f, constants, outer })
    }
}

/// One rank among the thresholds for each element, which is the truth value or tells it.
pub(super) fn lower(
    cx: &mut Lowering<'_>,
    node: &Node,
    thresholds: &Thresholds,
) -> Result<Expr, QuantizeError> {
    let Some((index, movements)) = tree_ensemble::features(cx.graph, thresholds.input) else {
        unreachable!("thresholds are of inputs")
    };
    let elements = count(&node.shape);
    let flat = Movement::Reshape { shape: vec![elements, 2] };
    let mut x = input::ordered(cx, index)?;
    for movement in movements.into_iter().chain([flat]) {
        x = cx.push_move(movement, x, 1.0, &format!("{}.images", node.name))?;
    }
    let boundaries = |&threshold: &f32| {
        let image = ordered_image(threshold);
        match thresholds.f {
            BinaryFn::LessOrEqual | BinaryFn::Greater => vec![image],
            BinaryFn::Less | BinaryFn::GreaterOrEqual => vec![image - 1],
            _ => vec![image - 1, image],
        }
    };
    let boundaries = thresholds.constants.iter().map(boundaries).collect();
    let name = format!("{}.ranks", node.name);
    let bucketize = Bucketize { boundaries, limbs: true };
    let mut rank = cx.push(&name, bucketize, &[x], 1.0)?;
    rank = cx.push_move(Movement::Reshape { shape: node.shape.clone() }, rank, 1.0, &name)?;
    // The rank counts thresholds below the element.
    let truth = match thresholds.f {
        BinaryFn::Greater | BinaryFn::GreaterOrEqual => rank,
        BinaryFn::Less | BinaryFn::LessOrEqual => truth(cx, node, rank, vec![1, 0])?,
        _ => truth(cx, node, rank, vec![0, 1, 0])?,
    };
    let expr = Expr::value(node.shape.clone(), Value { id: truth, scale: 1.0 });
    let Line { slope, offset } = thresholds.outer;
    let offset = rebuilt(&node.shape, vec![offset; elements]);
    Ok(expr.times(slope).plus_constant(offset))
}

/// The truth value of each rank.
fn truth(
    cx: &mut Lowering<'_>,
    node: &Node,
    rank: ciro_model::integer::NodeId,
    of_rank: Vec<i32>,
) -> Result<ciro_model::integer::NodeId, QuantizeError> {
    let table = cx.builder.constant(Tensor::vector(of_rank));
    cx.push(&node.name, Lookup { offset: 0, shift: 0, lo: 0, table }, &[rank], 1.0)
}

/// The comparison with its sides exchanged.
fn mirrored(f: BinaryFn) -> BinaryFn {
    match f {
        BinaryFn::Less => BinaryFn::Greater,
        BinaryFn::LessOrEqual => BinaryFn::GreaterOrEqual,
        BinaryFn::Greater => BinaryFn::Less,
        BinaryFn::GreaterOrEqual => BinaryFn::LessOrEqual,
        other => other,
    }
}

/// A finite constant that float32 holds.
#[expect(clippy::cast_possible_truncation, reason = "what does not fit is compared and left out")]
fn single(constant: f64) -> Option<f32> {
    let single = constant as f32;
    let same = single.is_finite() && f64::from(single).to_bits() == constant.to_bits();
    same.then_some(single)
}
