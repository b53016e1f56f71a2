//! Fuses elementwise operators of one variable into one function.

use super::uses;
use crate::float::{BinaryFn, Graph, NodeId, Op, ScalarFn, UnaryFn};

/// Expressions do not grow beyond this many parts.
const SIZE_MAX: usize = 200;
/// How far back a common variable is looked for.
const DEPTH_MAX: usize = 24;

/// Fuses what can be fused in one pass; returns whether something was.
///
/// A function of a function becomes one function if nothing else reads the inner one, except that
/// what integers compute exactly (affine functions, clips) is not buried in a table. Operators of
/// two or three operands that are functions of one variable become one function of it.
pub(super) fn fuse(graph: &mut Graph) -> bool {
    let uses = uses(graph);
    let mut changed = false;
    for at in 0..graph.nodes.len() {
        let fused = match &graph.nodes[at].op {
            Op::Unary(f) => chain(graph, &uses, f, graph.nodes[at].operands[0]),
            Op::Binary(_) | Op::Where => meeting(graph, at),
            _ => None,
        };
        if let Some((root, f)) = fused {
            graph.nodes[at].op = Op::Unary(simplified(f));
            graph.nodes[at].operands = vec![root];
            changed = true;
        }
    }
    changed
}

/// `f` of a function of a variable, as one function of that variable.
fn chain(graph: &Graph, uses: &[usize], f: &ScalarFn, inner: NodeId) -> Option<(NodeId, ScalarFn)> {
    let node = graph.node(inner);
    let Op::Unary(g) = &node.op else { return None };
    if tells_missing(g) {
        // What is missing is replaced before anything is computed of it: by itself, that is free.
        return None;
    }
    let both_affine = f.affine().is_some() && g.affine().is_some();
    let exact = piecewise_linear(f) && piecewise_linear(g);
    if uses[inner.index()] > 1 || (exact && !both_affine) || f.size() * g.size() > SIZE_MAX {
        return None;
    }
    Some((node.operands[0], f.after(g)))
}

/// An operator whose operands are all functions of one variable, as one function of it.
fn meeting(graph: &Graph, at: usize) -> Option<(NodeId, ScalarFn)> {
    let node = &graph.nodes[at];
    let histories: Vec<_> = node.operands.iter().map(|&id| history(graph, id)).collect();
    let (variable, _) = histories
        .iter()
        .find_map(|h| match h {
            History::Variable(steps) => Some(steps),
            History::Constant(_) => None,
        })
        .and_then(|steps| {
            steps.iter().find(|(root, _)| histories.iter().all(|other| other.of(*root).is_some()))
        })?
        .clone();
    let mut parts = histories.iter().filter_map(|h| h.of(variable));
    let f = match node.op {
        Op::Binary(f) => ScalarFn::binary(f, parts.next()?, parts.next()?),
        _ => {
            let [condition, a, b] = [parts.next()?, parts.next()?, parts.next()?].map(Box::new);
            ScalarFn::Where(condition, a, b)
        }
    };
    (f.size() <= SIZE_MAX).then_some((variable, f))
}

/// The variables that a node is a function of, nearest first.
enum History {
    Constant(f64),
    Variable(Vec<(NodeId, ScalarFn)>),
}

impl History {
    /// The node as a function of `root`.
    fn of(&self, root: NodeId) -> Option<ScalarFn> {
        match self {
            Self::Constant(value) => Some(ScalarFn::Const(*value)),
            Self::Variable(steps) => {
                steps.iter().find(|(id, _)| *id == root).map(|(_, f)| f.clone())
            }
        }
    }
}

fn history(graph: &Graph, id: NodeId) -> History {
    if let Some((first, rest)) = graph.constant(id).and_then(|value| value.data().split_first())
        && rest.iter().all(|x| x.to_bits() == first.to_bits())
    {
        return History::Constant(*first);
    }
    let mut steps = vec![(id, ScalarFn::X)];
    let (mut id, mut f) = (id, ScalarFn::X);
    while let Op::Unary(g) = &graph.node(id).op {
        if steps.len() >= DEPTH_MAX || f.size() * g.size() > SIZE_MAX {
            break;
        }
        f = f.after(g);
        id = graph.node(id).operands[0];
        steps.push((id, f.clone()));
    }
    History::Variable(steps)
}

/// Whether a function depends on whether its variable is missing (NaN).
fn tells_missing(f: &ScalarFn) -> bool {
    f.takes(&|f| matches!(f, UnaryFn::IsNaN))
}

/// Whether a function is made of affine parts, maxima and minima, which integers compute exactly.
fn piecewise_linear(f: &ScalarFn) -> bool {
    match f {
        ScalarFn::X | ScalarFn::Const(_) => true,
        ScalarFn::Unary(UnaryFn::Neg | UnaryFn::Abs | UnaryFn::Relu, a) => piecewise_linear(a),
        ScalarFn::Binary(BinaryFn::Add | BinaryFn::Sub | BinaryFn::Max | BinaryFn::Min, a, b) => {
            piecewise_linear(a) && piecewise_linear(b)
        }
        ScalarFn::Binary(BinaryFn::Mul | BinaryFn::Div, a, b) => {
            matches!(**b, ScalarFn::Const(_)) && piecewise_linear(a)
                || matches!((f, &**a), (ScalarFn::Binary(BinaryFn::Mul, ..), ScalarFn::Const(_)))
                    && piecewise_linear(b)
        }
        _ => false,
    }
}

/// How many times a function reads its variable.
fn readings(f: &ScalarFn) -> usize {
    match f {
        ScalarFn::X => 1,
        ScalarFn::Const(_) => 0,
        ScalarFn::Unary(_, a) => readings(a),
        ScalarFn::Binary(_, a, b) => readings(a) + readings(b),
        ScalarFn::Where(condition, a, b) => readings(condition) + readings(a) + readings(b),
    }
}

/// Affine functions in one form, `x * slope + offset`; others as they are, and those whose variable
/// cancels: float32 arithmetic leaves its rounding there, which whoever asks for it has to see.
fn simplified(f: ScalarFn) -> ScalarFn {
    const CANCELLED: f64 = 1e-6;
    let Some((slope, offset)) = f.affine() else { return f };
    if slope.abs() < CANCELLED && readings(&f) > 1 {
        return f;
    }
    let scaled = match slope {
        1.0 => ScalarFn::X,
        _ => ScalarFn::binary(BinaryFn::Mul, ScalarFn::X, ScalarFn::Const(slope)),
    };
    if offset == 0.0 {
        return scaled;
    }
    ScalarFn::binary(BinaryFn::Add, scaled, ScalarFn::Const(offset))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::scalar::{c, x};

    #[test]
    fn a_variable_that_cancels_leaves_its_rounding() {
        let kept = simplified((x() + c(1e-5)) - x());
        assert!((kept.eval(3.0) - 1e-5).abs() < 1e-12);
        assert!((kept.eval_single(3.0) - 1e-5).abs() > 1e-8);
        assert_eq!(simplified((x() + c(2.0)) - c(2.0)), ScalarFn::X);
    }
}
