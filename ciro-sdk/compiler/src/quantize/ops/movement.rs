//! Movements: they commute with everything linear, and wait in its expression.

use super::binary;
use crate::float::{BinaryFn, Node, NodeId, Op};
use crate::quantize::casts::narrow;
use crate::quantize::error::QuantizeError;
use crate::quantize::expr::{Core, Expr, Term, Value, count, rebuilt, uniform};
use crate::quantize::grid::step_at_least;
use crate::quantize::lower::{Lowered, Lowering};
use ciro_model::integer::{ModelError, room};
use ciro_model::movement::Movement;

/// Integers beside others stay below this, so that weights have room.
const COLUMN_MAX: f64 = 32767.0;

/// The most elements that keep scales of their own where they are repeated.
const REPEATED_MAX: usize = 1 << 10;

pub(super) fn lower(
    cx: &mut Lowering<'_>,
    id: NodeId,
    movement: &Movement<f64>,
) -> Result<Lowered, QuantizeError> {
    let node = cx.graph.node(id);
    let &[operand] = &node.operands[..] else {
        return joined(cx, node, movement).map(Lowered::Expr);
    };
    if movement.fill().is_some_and(|fill| fill.is_infinite() && *fill < 0.0) {
        // Padding of a maximum: the least integer never wins, as every window holds an element.
        let x = cx.narrow(operand)?;
        let least = narrow(cx.interval(x).lo);
        let moved = cx.push(&node.name, movement.map_fill(|_| least), &[x.id], x.scale)?;
        return Ok(Lowered::Expr(Expr::value(
            node.shape.clone(),
            Value { id: moved, scale: x.scale },
        )));
    }
    let expr = cx.expr(operand)?;
    let expr = match by_column(cx, node, &expr, movement)? {
        Some(moved) => return Ok(Lowered::Expr(moved)),
        None => expr,
    };
    let grows = count(&node.shape) > count(&cx.graph.node(operand).shape);
    let expr = if grows && expr.as_value().is_none() && !expr.terms.is_empty() {
        // Rounding before elements are repeated is cheaper than after.
        Expr::value(cx.graph.node(operand).shape.clone(), cx.narrow(operand)?)
    } else {
        expr
    };
    cx.moved(expr, movement).map(Lowered::Expr)
}

/// A tensor whose elements have scales of their own keeps them when it is moved.
///
/// Each element of the result takes its integer and its scale along; rounded to one scale, the
/// elements of the finest would lose what tells them apart.
fn by_column(
    cx: &mut Lowering<'_>,
    node: &Node,
    expr: &Expr,
    movement: &Movement<f64>,
) -> Result<Option<Expr>, QuantizeError> {
    let ([Term { core: Core::Scaled { x, factors }, moves }], None) =
        (&expr.terms[..], &expr.offset)
    else {
        return Ok(None);
    };
    if movement.fill().is_some() || !moves.is_empty() {
        return Ok(None);
    }
    let Ok(factors) = movement.apply(&[factors]) else { return Ok(None) };
    let common = uniform(&factors);
    let elements = count(&node.shape);
    if elements > count(&expr.shape) && elements > REPEATED_MAX && common.is_none() {
        return Ok(None);
    }
    let scale = cx.builder.node(*x).scale;
    let name = format!("{}.columns", node.name);
    let x = cx.push_move(movement.map_fill(|_| 0), *x, scale, &name)?;
    let core = match common {
        Some(factor) => Core::Value { x, factor },
        None => Core::Scaled { x, factors },
    };
    Ok(Some(Expr::core(node.shape.clone(), core)))
}

/// Whether everything that reads a node, perhaps scaled and moved by constants first, multiplies it
/// with a constant matrix.
fn weighted(cx: &Lowering<'_>, id: NodeId) -> bool {
    let output = cx.graph.outputs.iter().any(|output| output.node == id);
    let alive = |reader: NodeId| cx.demands[reader.index()].alive;
    let mut readers =
        cx.graph.iter().skip(id.index()).filter(|(_, node)| node.operands.contains(&id));
    !output
        && readers.all(|(reader, node)| match (&node.op, &node.operands[..]) {
            _ if !alive(reader) => true,
            (Op::MatMul, &[_, weight]) => cx.constant_of(weight).is_some_and(|w| w.rank() == 2),
            (Op::Move(movement), [_]) => movement.fill().is_none() && weighted(cx, reader),
            (Op::Unary(f), _) => f.affine().is_some() && weighted(cx, reader),
            (
                Op::Binary(BinaryFn::Add | BinaryFn::Sub | BinaryFn::Mul | BinaryFn::Div),
                &[_, c],
            ) => cx.constant_of(c).is_some() && weighted(cx, reader),
            _ => false,
        })
}

/// The integers that stand for one of several tensors side by side.
type Column = fn(&mut Lowering<'_>, NodeId) -> Result<Value, QuantizeError>;

/// A column that a matrix follows: weights need room beside it.
fn weighted_column(cx: &mut Lowering<'_>, id: NodeId) -> Result<Value, QuantizeError> {
    let value = cx.factor(id)?;
    cx.within(value, COLUMN_MAX)
}

/// A column that trees rank: as fine as ranks take it.
fn ranked_column(cx: &mut Lowering<'_>, id: NodeId) -> Result<Value, QuantizeError> {
    match cx.constant_of(id) {
        Some(_) => cx.factor(id),
        None => cx.wide(id, room::RANKED as f64),
    }
}

/// Tensors side by side, each at its own scale: the weights or ranks that follow take the scales
/// in.
fn side_by_side(
    cx: &mut Lowering<'_>,
    node: &Node,
    axis: usize,
    column: Column,
) -> Result<Expr, QuantizeError> {
    let (mut operands, mut scales) = (vec![], vec![]);
    for &id in &node.operands {
        let shape = &cx.graph.node(id).shape;
        let expr = cx.expr(id)?;
        let (x, factors) = match &expr.terms[..] {
            [Term { core: Core::Scaled { x, factors }, moves }]
                if moves.is_empty() && expr.offset.is_none() =>
            {
                (*x, factors.clone())
            }
            _ => {
                let value = column(cx, id)?;
                (value.id, rebuilt(shape, vec![value.scale; count(shape)]))
            }
        };
        operands.push(x);
        scales.push(factors);
    }
    let scales: Vec<_> = scales.iter().collect();
    let joined = Movement::Concat { axis };
    let factors = joined.apply(&scales).map_err(|source| {
        let (name, source) = (node.name.clone(), source.into());
        QuantizeError::model(node, ModelError::Operator { node: name, op: "Move", source })
    })?;
    let common = uniform(&factors);
    let name = match common {
        Some(_) => node.name.clone(),
        None => format!("{}.columns", node.name),
    };
    let x = cx.push(&name, joined.map_fill(|_: &f64| 0), &operands, common.unwrap_or(1.0))?;
    let core = match common {
        Some(factor) => Core::Value { x, factor },
        None => Core::Scaled { x, factors },
    };
    Ok(Expr::core(node.shape.clone(), core))
}

/// Movements of several tensors need them at one scale.
fn joined(
    cx: &mut Lowering<'_>,
    node: &Node,
    movement: &Movement<f64>,
) -> Result<Expr, QuantizeError> {
    let values = match cx.demands[cx.at.index()] {
        demand if demand.output || demand.exact => exact(cx, node)?,
        demand => match movement {
            Movement::Concat { axis } if demand.is_ranked() => {
                return side_by_side(cx, node, *axis, ranked_column);
            }
            Movement::Concat { axis } if weighted(cx, cx.at) => {
                return side_by_side(cx, node, *axis, weighted_column);
            }
            _ => binary::common_of(cx, &node.operands)?,
        },
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
            values.push((id, cx.wide(id, room::COMPARED as f64)?));
        }
    }
    let finest = values.iter().map(|(_, value)| value.scale).fold(f64::INFINITY, f64::min);
    if finest.is_infinite() {
        return binary::common_of(cx, &node.operands);
    }
    let reach = values.iter().map(|&(_, value)| cx.range_of(value).max_abs()).fold(0.0, f64::max);
    let most = room::COMPARED as f64 - 1.0;
    let scale = if reach > finest * most { step_at_least(finest, reach / most) } else { finest };
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
