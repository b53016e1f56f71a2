//! Comparisons of the model's inputs with constants.

use super::{features, input};
use crate::float::{BinaryFn, ElementType, Graph, Node, NodeId, Op};
use crate::quantize::error::QuantizeError;
use crate::quantize::expr::{Expr, Value, count, rebuilt};
use crate::quantize::lower::Lowering;
use crate::quantize::missing::tells_missing;
use crate::quantize::scalar::{Line, Shape};
use ciro_model::integer::ops::{Bucketize, Lookup};
use ciro_model::integer::{MISSING_BOUNDARY, ordered_image};
use ciro_model::movement::Movement;
use ciro_model::tensor::Tensor;

/// The most elements that are compared so: each has a threshold in the model key.
const ELEMENTS_MAX: usize = 1 << 12;

/// What an operator compares, if it compares a float input, perhaps moved, with constants, or tells
/// what of it is missing.
pub(in crate::quantize) struct Thresholds {
    input: NodeId,
    test: Test,
    /// What is done with the truth value.
    outer: Line,
}

/// What is asked of every element.
enum Test {
    /// A comparison with one constant for each element.
    Compares(BinaryFn, Vec<f32>),
    /// Whether it is missing.
    IsMissing,
}

impl Thresholds {
    /// Measured data often lies on the thresholds that were learned from it, so such comparisons
    /// are exact: as in a tree, it is the order-preserving images of float32 that are compared.
    pub(in crate::quantize) fn of(graph: &Graph, node: &Node) -> Option<Self> {
        let elements = count(&node.shape);
        let (input, f, constants, outer) = match (&node.op, &node.operands[..]) {
            (Op::Unary(f), &[x]) if tells_missing(f).is_some() => {
                let slope = if tells_missing(f)? { 1.0 } else { -1.0 };
                let outer = Line { slope, offset: 0.5 - 0.5 * slope };
                return Self { input: x, test: Test::IsMissing, outer }.if_it_reads_a_float(graph);
            }
            (Op::Unary(f), &[x]) => {
                let Shape::Compare { f, inner, outer } = Shape::of(f) else { return None };
                let (f, constant) = match inner.slope {
                    1.0 => (f, -inner.offset),
                    -1.0 => (mirrored(f), inner.offset),
                    _ => return None,
                };
                (x, f, vec![constant; elements], outer)
            }
            (Op::Binary(f), &[a, b]) if f.compares() => {
                let (x, f, constant) = match (graph.constant(a), graph.constant(b)) {
                    (None, Some(constant)) => (a, *f, constant),
                    (Some(constant), None) => (b, mirrored(*f), constant),
                    _ => return None,
                };
                (x, f, constant.data().to_vec(), Line { slope: 1.0, offset: 0.0 })
            }
            _ => return None,
        };
        if elements > ELEMENTS_MAX {
            return None;
        }
        let constants = constants.into_iter().map(single).collect::<Option<_>>()?;
        Self { input, test: Test::Compares(f, constants), outer }.if_it_reads_a_float(graph)
    }

    fn if_it_reads_a_float(self, graph: &Graph) -> Option<Self> {
        let elements = count(&graph.node(self.input).shape);
        let (index, _) = features::of_input(graph, self.input)?;
        let is_float = graph.inputs[index].element_type == ElementType::Float;
        (is_float && (1..=ELEMENTS_MAX).contains(&elements)).then_some(self)
    }

    /// The truth value of each rank; what is missing has the greatest, one more than all numbers
    /// where it needs one of its own.
    fn of_ranks(&self, detours: bool) -> Vec<i32> {
        let mut truths = match self.test {
            Test::IsMissing | Test::Compares(BinaryFn::Greater | BinaryFn::GreaterOrEqual, _) => {
                vec![0, 1]
            }
            Test::Compares(BinaryFn::Less | BinaryFn::LessOrEqual, _) => vec![1, 0],
            Test::Compares(..) => vec![0, 1, 0],
        };
        if detours {
            truths.extend(truths.last().map(|truth| 1 - truth));
        }
        truths
    }

    /// The boundaries of an element, below which it has one rank less each.
    fn boundaries(&self, element: usize) -> Vec<i64> {
        let Test::Compares(f, constants) = &self.test else { return vec![MISSING_BOUNDARY] };
        let image = ordered_image(constants[element]);
        match f {
            BinaryFn::LessOrEqual | BinaryFn::Greater => vec![image],
            BinaryFn::Less | BinaryFn::GreaterOrEqual => vec![image - 1],
            _ => vec![image - 1, image],
        }
    }

    /// Whether an element that may be missing needs a rank of its own for that: its comparison is
    /// not what it is for the greatest numbers. `imputed` is what it counts as, if it does.
    fn detours(&self, element: usize, imputed: Option<f64>) -> bool {
        let Test::Compares(f, constants) = &self.test else { return imputed.is_some() };
        let holds = imputed.is_some_and(|value| {
            f.eval(f64::from(rounded(value)), f64::from(constants[element])) != 0.0
        });
        holds != matches!(f, BinaryFn::Greater | BinaryFn::GreaterOrEqual)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "inputs are encoded as float32")]
fn rounded(value: f64) -> f32 {
    value as f32
}

/// One rank among the thresholds for each element, which is the truth value or tells it.
pub(super) fn lower(
    cx: &mut Lowering<'_>,
    node: &Node,
    thresholds: &Thresholds,
) -> Result<Expr, QuantizeError> {
    let Some((index, movements)) = features::of_input(cx.graph, thresholds.input) else {
        unreachable!("thresholds are of inputs")
    };
    let elements = count(&node.shape);
    let flat = Movement::Reshape { shape: vec![elements, 2] };
    let may_miss = cx.missing.columns(index).is_some();
    let imputed = cx.missing.imputed(cx.graph, thresholds.input);
    let mut x = input::compared(cx, index)?;
    for movement in movements.into_iter().chain([flat]) {
        x = cx.push_move(movement, x, 1.0, &format!("{}.images", node.name))?;
    }
    let mut any_detours = false;
    let mut boundaries = Vec::with_capacity(elements);
    for element in 0..elements {
        let imputed = imputed.as_ref().map(|values| values.data()[element]);
        let mut own = thresholds.boundaries(element);
        if may_miss && thresholds.detours(element, imputed) {
            own.push(MISSING_BOUNDARY);
            any_detours = true;
        }
        boundaries.push(own);
    }
    let name = format!("{}.ranks", node.name);
    let bucketize = Bucketize { boundaries, limbs: true };
    let mut rank = cx.push(&name, bucketize, &[x], 1.0)?;
    rank = cx.push_move(Movement::Reshape { shape: node.shape.clone() }, rank, 1.0, &name)?;
    // The rank counts thresholds below the element.
    let truth = match thresholds.of_ranks(any_detours) {
        truths if truths == [0, 1] => rank,
        truths => truth(cx, node, rank, truths)?,
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
