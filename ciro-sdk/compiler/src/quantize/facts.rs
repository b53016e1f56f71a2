//! What is known of tensors before anything is rounded, from types and operators alone, never from
//! samples.

use crate::float::{BinaryFn, ElementType, Graph, Node, Op, Reducer, ScalarFn, UnaryFn};

/// For each node, whether all of its elements are whole numbers on every input.
///
/// Whole numbers keep scale 1 and are never rounded: positions, codes, counts and amounts mean
/// nothing else.
pub(super) fn whole_numbers(graph: &Graph) -> Vec<bool> {
    let mut known: Vec<bool> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let whole = is_whole(graph, node, &known);
        known.push(whole);
    }
    known
}

fn is_whole(graph: &Graph, node: &Node, known: &[bool]) -> bool {
    let all = || node.operands.iter().all(|id| known[id.index()]);
    match &node.op {
        Op::Input { index } => graph.inputs[*index].element_type != ElementType::Float,
        Op::Constant(value) => value.data().iter().all(|&x| whole(x) || x.is_infinite()),
        Op::Unary(f) => gives_whole(f, all()),
        Op::Binary(f) => f.decides() || (keeps_whole(*f) && all()),
        Op::Where => node.operands[1..].iter().all(|id| known[id.index()]),
        Op::Reduce(Reducer::ArgMax | Reducer::ArgMin) => true,
        Op::Reduce(Reducer::Mean | Reducer::LogSumExp) => false,
        Op::Reduce(_) | Op::MatMul | Op::Conv { .. } => all(),
        Op::Gather => known[node.operands[0].index()],
        Op::Move(movement) => all() && movement.fill().is_none_or(|&x| whole(x)),
        Op::Softmax | Op::TreeEnsemble(_) => false,
    }
}

/// Whether a function gives whole numbers, of whole numbers if `of_whole`.
fn gives_whole(f: &ScalarFn, of_whole: bool) -> bool {
    match f {
        ScalarFn::X => of_whole,
        ScalarFn::Const(c) => whole(*c),
        ScalarFn::Unary(f, inner) => match f {
            UnaryFn::Neg | UnaryFn::Abs | UnaryFn::Relu => gives_whole(inner, of_whole),
            UnaryFn::Floor | UnaryFn::Ceil | UnaryFn::Round | UnaryFn::Truncate => true,
            UnaryFn::Sign | UnaryFn::Not | UnaryFn::IsNaN | UnaryFn::IsInf => true,
            _ => false,
        },
        ScalarFn::Binary(f, a, b) => {
            let both = || gives_whole(a, of_whole) && gives_whole(b, of_whole);
            f.decides() || (keeps_whole(*f) && both())
        }
        ScalarFn::Where(_, a, b) => gives_whole(a, of_whole) && gives_whole(b, of_whole),
    }
}

/// Whether a function of whole numbers gives whole numbers.
fn keeps_whole(f: BinaryFn) -> bool {
    matches!(
        f,
        BinaryFn::Add
            | BinaryFn::Sub
            | BinaryFn::Mul
            | BinaryFn::Max
            | BinaryFn::Min
            | BinaryFn::Mod
            | BinaryFn::Fmod
    )
}

/// Whether a number is whole.
pub(super) fn whole(x: f64) -> bool {
    (x - x.round()).abs() == 0.0
}

/// Whether a number is 0 or 1.
pub(super) fn is_truth(x: f64) -> bool {
    whole(x) && (0.0..=1.0).contains(&x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_that_round_or_compare_give_whole_numbers() {
        let half = ScalarFn::binary(BinaryFn::Mul, ScalarFn::X, ScalarFn::Const(0.5));
        let floor = ScalarFn::Unary(UnaryFn::Floor, Box::new(half.clone()));
        let plus = ScalarFn::binary(BinaryFn::Add, ScalarFn::X, ScalarFn::Const(3.0));
        assert!(!gives_whole(&half, true) && gives_whole(&floor, false));
        assert!(gives_whole(&plus, true) && !gives_whole(&plus, false));
        let less = ScalarFn::binary(BinaryFn::Less, half, ScalarFn::Const(0.5));
        assert!(gives_whole(&less, false));
    }
}
