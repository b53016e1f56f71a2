//! Rows of constant tables, chosen by computed indices.

use super::compare;
use crate::float::{BinaryFn, NodeId};
use crate::quantize::calibrate::Range;
use crate::quantize::casts::narrow;
use crate::quantize::emit::exponent;
use crate::quantize::error::{QuantizeError, Refusal};
use crate::quantize::expr::{Expr, Value};
use crate::quantize::grid::{pow2, step_at_least};
use crate::quantize::lower::Lowering;
use ciro_model::integer::Interval;
use ciro_model::integer::ops::{Embed, Requantize};

/// Bits of a table's entries beyond those of activations: they are constants, and cost nothing
/// more.
const EXTRA_BITS: u32 = 2;

/// `table[indices]`; a table of integers stays one.
pub(super) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> Result<Expr, QuantizeError> {
    let node = cx.graph.node(id);
    let table = cx.constant_of(node.operands[0]);
    let table = table.ok_or_else(|| cx.refuse(Refusal::ComputedTable))?;
    let rows = table.shape()[0];
    let indices = cx.whole(node.operands[1])?;
    let indices = indices.ok_or_else(|| cx.refuse(Refusal::NotAnIndex { rows }))?;
    let indices = inside(cx, indices, rows)?;
    let whole = |&v: &f64| (v - v.round()).abs() == 0.0 && v.abs() < f64::from(1 << 20);
    let scale = if table.data().iter().all(whole) {
        1.0
    } else {
        let range = Range::of(table.data());
        let width = range.width().max(range.max_abs()).max(f64::MIN_POSITIVE);
        step_at_least(1.0, width * pow2(-exponent(cx.bits(id) + EXTRA_BITS)))
    };
    let table = cx.integers(table, scale)?;
    let table = cx.builder.constant(table);
    let embedded = cx.push(&node.name, Embed { table }, &[indices.id], scale)?;
    Ok(Expr::value(node.shape.clone(), Value { id: embedded, scale }))
}

/// Positions inside a table of `rows` rows; those outside, which ONNX refuses, take the nearest,
/// and that is told.
///
/// Elements of one input may index tables of unlike heights, so that the input's own range is that
/// of the highest.
fn inside(cx: &mut Lowering<'_>, indices: Value, rows: usize) -> Result<Value, QuantizeError> {
    let interval = cx.interval(indices);
    let last = i64::try_from(rows).unwrap_or(i64::MAX).saturating_sub(1);
    if rows == 0 {
        return Err(cx.refuse(Refusal::NotAnIndex { rows }));
    }
    if interval.lo >= 0 && interval.hi <= last {
        return Ok(indices);
    }
    let name = format!("{}.indices", cx.node().name);
    let mut indices = indices;
    if interval.lo < 0 {
        // Negative positions count from the end.
        let node = cx.node();
        let expr = Expr::value(cx.builder.node(indices.id).shape.clone(), indices);
        let negative = compare::with_zero(cx, node, BinaryFn::Less, &expr)?;
        let counted = expr.plus(negative.times(rows as f64));
        indices.id = cx.emit(&counted, 1.0, &format!("{name}.counted"))?;
    }
    let op = Requantize { shift: 0, lo: 0, hi: narrow(last) };
    let id = cx.push(&name, op, &[indices.id], 1.0)?;
    cx.builder.guard(id, Interval::new(0, last));
    Ok(Value { id, ..indices })
}
