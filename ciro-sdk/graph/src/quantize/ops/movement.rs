//! Movements: they commute with everything linear, and wait in its expression.

use super::binary;
use crate::float::{Node, NodeId};
use crate::integer::BOUND;
use crate::movement::Movement;
use crate::quantize::emit::{narrow, step_at_least};
use crate::quantize::error::QuantizeError;
use crate::quantize::expr::{Expr, Value, count};
use crate::quantize::lower::{Form, Lowering};

pub(super) fn lower(
    cx: &mut Lowering<'_>,
    id: NodeId,
    movement: &Movement<f64>,
) -> Result<Form, QuantizeError> {
    let node = cx.graph.node(id);
    let &[operand] = &node.operands[..] else {
        return joined(cx, node, movement).map(Form::Expr);
    };
    if movement.fill().is_some_and(|fill| fill.is_infinite() && *fill < 0.0) {
        // Padding of a maximum: the least integer never wins, as every window holds an element.
        let x = cx.narrow(operand)?;
        let least = narrow(cx.interval(x).lo);
        let moved = cx.push(&node.name, movement.map_fill(|_| least), &[x.id], x.scale)?;
        return Ok(Form::Expr(Expr::value(
            node.shape.clone(),
            Value { id: moved, scale: x.scale },
        )));
    }
    let expr = cx.expr(operand)?;
    let grows = count(&node.shape) > count(&cx.graph.node(operand).shape);
    let expr = if grows && expr.as_value().is_none() && !expr.terms.is_empty() {
        // Rounding before elements are repeated is cheaper than after.
        Expr::value(cx.graph.node(operand).shape.clone(), cx.narrow(operand)?)
    } else {
        expr
    };
    cx.moved(expr, movement).map(Form::Expr)
}

/// Movements of several tensors need them at one scale.
fn joined(
    cx: &mut Lowering<'_>,
    node: &Node,
    movement: &Movement<f64>,
) -> Result<Expr, QuantizeError> {
    let values = match cx.demands[cx.at.index()] {
        demand if demand.output || demand.exact => exact(cx, node)?,
        _ => binary::common_of(cx, &node.operands)?,
    };
    let operands: Vec<_> = values.iter().map(|value| value.id).collect();
    let scale = values.first().map_or(1.0, |value| value.scale);
    let id = cx.push(&node.name, movement.map_fill(|_| 0), &operands, scale)?;
    Ok(Expr::value(node.shape.clone(), Value { id, scale }))
}

/// Tensors at one common scale: the finest of theirs, or as fine as the widest of them allows.
///
/// A column of zeros and ones beside measurements must not round the measurements to integers.
fn exact(cx: &mut Lowering<'_>, node: &Node) -> Result<Vec<Value>, QuantizeError> {
    let mut values = vec![];
    for &id in &node.operands {
        if cx.constant_of(id).is_none() {
            values.push((id, cx.wide(id, BOUND as f64 / 2.0)?));
        }
    }
    let finest = values.iter().map(|(_, value)| value.scale).fold(f64::INFINITY, f64::min);
    if finest.is_infinite() {
        return binary::common_of(cx, &node.operands);
    }
    let reach = values.iter().map(|&(_, value)| cx.range_of(value).max_abs()).fold(0.0, f64::max);
    let room = BOUND as f64 / 2.0 - 1.0;
    let scale = if reach > finest * room { step_at_least(finest, reach / room) } else { finest };
    let mut joined = vec![];
    for &id in &node.operands {
        let known = values.iter().find(|(known, _)| *known == id);
        let expr = match known {
            Some(&(_, value)) => Expr::value(cx.graph.node(id).shape.clone(), value),
            None => cx.expr(id)?,
        };
        joined.push(binary::at_scale(cx, id, &expr, scale)?);
    }
    Ok(joined)
}
