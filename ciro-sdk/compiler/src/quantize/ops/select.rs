//! `Where`: masks, constant choices, computed choices.

use std::sync::Arc;

use super::binary;
use crate::float::{Node, NodeId, Op, Reducer};
use crate::quantize::error::{QuantizeError, Refusal};
use crate::quantize::expr::{Expr, Value, count, uniform};
use crate::quantize::lower::{Hidden, Lowered, Lowering};
use ciro_model::movement::Movement;

/// Constants from here down hide a position from a softmax.
const HIDDEN: f64 = -1e4;

pub(super) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> Result<Lowered, QuantizeError> {
    let node = cx.graph.node(id);
    let &[condition, a, b] = &node.operands[..] else {
        unreachable!("the shape rule takes three operands")
    };
    let hides = |cx: &Lowering<'_>, id| {
        let value = cx.constant_of(id).and_then(|value| uniform(value));
        value.is_some_and(|value| value <= HIDDEN)
    };
    let Some(condition) = cx.constant_of(condition) else {
        if masks(cx, id) && (hides(cx, a) || hides(cx, b)) {
            let negated = hides(cx, a);
            let inner = if negated { b } else { a };
            return Ok(Lowered::Hidden(Hidden { inner, keep: condition, negated }));
        }
        let condition = binary::truth(cx, condition)?;
        return Ok(Lowered::Expr(binary::choose(cx, node, condition)?));
    };
    let takes_a: Vec<bool> = condition.data().iter().map(|&c| c != 0.0).collect();
    if masks(cx, id) {
        if hides(cx, a) {
            return Ok(Lowered::Masked(b, Arc::new(takes_a.iter().map(|&takes| !takes).collect())));
        }
        if hides(cx, b) {
            return Ok(Lowered::Masked(a, Arc::new(takes_a)));
        }
    }
    fixed(cx, node, &takes_a).map(Lowered::Expr)
}

/// Whether everything that reads the node is a softmax or a maximum.
fn masks(cx: &Lowering<'_>, id: NodeId) -> bool {
    let mut readers = cx
        .graph
        .iter()
        .filter(|(reader, node)| cx.demands[reader.index()].alive && node.operands.contains(&id));
    let output = cx.graph.outputs.iter().any(|output| output.node == id);
    !output
        && readers.all(|(_, node)| {
            matches!(
                node.op,
                Op::Softmax | Op::Reduce(Reducer::Max | Reducer::ArgMax | Reducer::LogSumExp)
            )
        })
}

/// A choice that is known: wiring between two tensors of one scale.
fn fixed(cx: &mut Lowering<'_>, node: &Node, takes_a: &[bool]) -> Result<Expr, QuantizeError> {
    let (a, b) = (node.operands[1], node.operands[2]);
    for side in [a, b] {
        if cx.constant_of(side).is_some_and(|c| c.data().iter().any(|c| c.is_infinite())) {
            return Err(cx.refuse(Refusal::Infinity));
        }
    }
    let [first, second] = binary::common(cx, [a, b])?;
    let elements = count(&node.shape);
    let indices =
        takes_a.iter().enumerate().map(|(at, &takes)| if takes { at } else { elements + at });
    let indices = indices.map(|index| u32::try_from(index).expect("import bounds elements"));
    let chosen = Movement::Index { shape: node.shape.clone(), indices: indices.collect() };
    let id = cx.push(&node.name, chosen, &[first.id, second.id], first.scale)?;
    Ok(Expr::value(node.shape.clone(), Value { id, scale: first.scale }))
}
