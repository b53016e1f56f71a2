//! Matrix products.

use std::collections::BTreeSet;

use crate::float::{Node, NodeId, Op, ScalarFn, UnaryFn};
use crate::quantize::error::QuantizeError;
use crate::quantize::expr::{Core, Expr, Term, Value, along, count, rebuilt};
use crate::quantize::facts::whole;
use crate::quantize::grid::{Reach, pow2, step_at_least};
use crate::quantize::lower::Lowering;
use ciro_model::integer::BOUND;
use ciro_model::integer::ops::MatMul;
use ciro_model::movement::Movement;
use ciro_model::tensor::Tensor;

/// Extra bits from which on a product is taken for steep.
const STEEP_BITS: u32 = 4;
/// Bits of sums of such products.
const SUM_BITS: i32 = 28;
/// Their operands stay below this.
const WIDE_MAX: f64 = (1u32 << 28) as f64;

/// Wider tensors are multiplied in three parts where nothing may be rounded.
const VERY_WIDE: i64 = 1 << 20;

/// Rows whose integers are wider are rounded before they meet weights.
const ROW_MAX: i64 = 1 << 15;

/// `a b`: linear where one side is a constant matrix, else a product of two computed matrices.
pub(super) fn lower(cx: &mut Lowering<'_>, node: &Node) -> Result<Expr, QuantizeError> {
    let &[a, b] = &node.operands[..] else { unreachable!("the shape rule takes two operands") };
    let matrix = |id| {
        let value: &Tensor<f64> = cx.constant_of(id)?;
        let (lead, last) = value.shape().split_at(value.rank().checked_sub(2)?);
        lead.iter().all(|&dim| dim == 1).then(|| rebuilt(last, value.data().to_vec()))
    };
    if let Some(weight) = matrix(b) {
        return linear(cx, node, &weight);
    }
    if let Some(weight) = matrix(a) {
        if is_steep(cx) {
            return steep(cx, b, |cx, part| left(cx, node, part, &weight));
        }
        let x = cx.narrow(b)?;
        let mut sum: Option<Expr> = None;
        for part in cx.parts(b, x)? {
            let part = left(cx, node, part, &weight)?;
            sum = Some(match sum {
                Some(sum) => sum.plus(part),
                None => part,
            });
        }
        return Ok(sum.expect("there is a part"));
    }
    product(cx, node)
}

/// `x W`, with the factors and constants of `x` moved into `W` and the bias.
fn linear(cx: &mut Lowering<'_>, node: &Node, weight: &Tensor<f64>) -> Result<Expr, QuantizeError> {
    let operand = node.operands[0];
    let &[k, n] = weight.shape() else { unreachable!("matrices have two axes") };
    let expr = cx.expr(operand)?;
    if let Some(product) = chained(&expr, &node.shape, weight) {
        return Ok(product);
    }
    if is_steep(cx) {
        return steep(cx, operand, |_, part| {
            let weight = weight.map(|w| w * part.scale);
            let core = Core::Linear { x: part.id, weight, bias: None };
            Ok(Expr::core(node.shape.clone(), core))
        });
    }
    let (x, factors, offset) = match folded(cx, &expr, ROW_MAX << cx.effort(operand)) {
        Some((x, factors)) => (x, factors, expr.offset),
        None => {
            let integers = match weight.data().iter().copied().all(whole) {
                true => cx.integers_of(operand)?,
                false => None,
            };
            let value = match integers {
                Some(value) => value,
                None => cx.narrow(operand)?,
            };
            (value.id, vec![value.scale; k], None)
        }
    };
    let unit = cx.builder.node(x).scale;
    let mut product: Option<Expr> = None;
    for part in cx.parts(operand, Value { id: x, scale: unit })? {
        let times = part.scale / unit;
        let data = weight.data().iter().enumerate();
        let data = data.map(|(i, w)| w * factors[i / n.max(1)] * times).collect();
        let core = Core::Linear { x: part.id, weight: rebuilt(&[k, n], data), bias: None };
        let part = Expr::core(node.shape.clone(), core);
        product = Some(match product {
            Some(product) => product.plus(part),
            None => part,
        });
    }
    let mut product = product.expect("there is a part");
    if let Some(offset) = offset {
        let rows = offset.data().chunks_exact(k.max(1));
        let shifted = rows.flat_map(|row| {
            (0..n).map(move |j| (0..k).map(|i| row[i] * weight.data()[i * n + j]).sum::<f64>())
        });
        product = product.plus_constant(rebuilt(&node.shape, shifted.collect()));
    }
    Ok(product)
}

/// Whether the logarithm of the product, perhaps moved, is taken (of energies of many decades), so
/// that no bit of the operand is to spare.
fn is_steep(cx: &Lowering<'_>) -> bool {
    let at = cx.at.index();
    if cx.extra_bits[at] < STEEP_BITS || cx.whole[at] {
        return false;
    }
    let mut moved = BTreeSet::from([cx.at]);
    for (id, node) in cx.graph.iter().skip(at) {
        let reads = node.operands.iter().any(|operand| moved.contains(operand));
        match &node.op {
            Op::Unary(f) if reads && takes_log(f) => return true,
            Op::Move(_) if reads => moved.insert(id),
            _ => false,
        };
    }
    false
}

/// Whether a function takes a logarithm.
fn takes_log(f: &ScalarFn) -> bool {
    f.takes(&|f| matches!(f, UnaryFn::Log))
}

/// The sum of both halves' products. That of the low half has weights as fine as the other, and is
/// rounded to the unit of the sum before it is added: small sums keep their bits.
///
/// Of what has been found worth it, every part is multiplied by itself: the sum is computed near
/// zero once more, where nothing may have been rounded.
fn steep(
    cx: &mut Lowering<'_>,
    operand: NodeId,
    product: impl Fn(&mut Lowering<'_>, Value) -> Result<Expr, QuantizeError>,
) -> Result<Expr, QuantizeError> {
    if cx.effort(cx.at) > 0
        && let Some(parts) = unrounded(cx, operand)?
    {
        let mut sum = product(cx, parts[0])?;
        for &part in &parts[1..] {
            sum = sum.plus(product(cx, part)?);
        }
        return Ok(sum);
    }
    let x = cx.wide(operand, WIDE_MAX)?;
    let [high, low] = cx.halves(x)?[..] else { return product(cx, x) };
    let (high, low) = (product(cx, high)?, product(cx, low)?);
    let reach = Reach::of(&high, &cx.builder).range.max_abs();
    let step = step_at_least(x.scale, reach * pow2(-SUM_BITS));
    let name = format!("{}.low", cx.node().name);
    let low = cx.round_at(&low, step, None, &name)?;
    let shape = high.shape.clone();
    Ok(high.plus(Expr::value(shape, low)))
}

/// The narrow tensors that a tensor is the sum of; `None` where some of it has no integers yet.
fn unrounded(cx: &mut Lowering<'_>, id: NodeId) -> Result<Option<Vec<Value>>, QuantizeError> {
    let Expr { shape, terms, offset } = cx.expr(id)?;
    let known = |term: &Term| matches!(term.core, Core::Value { .. });
    if terms.is_empty() || offset.is_some() || !terms.iter().all(known) {
        return Ok(None);
    }
    let name = format!("{}.part", cx.node().name);
    let mut parts = vec![];
    for term in terms {
        let expr = Expr { shape: shape.clone(), terms: vec![term], offset: None };
        let part = cx.plain(&expr, BOUND as f64, &name)?;
        let wide = cx.interval(part).max_abs() > VERY_WIDE;
        parts.extend(if wide { cx.thirds(part)? } else { cx.halves(part)? });
    }
    Ok(Some(parts))
}

/// `(x V + b) W = x (V W) + b W`, where the product of the weights is no larger than both: nothing
/// is rounded between them.
fn chained(expr: &Expr, shape: &[usize], weight: &Tensor<f64>) -> Option<Expr> {
    let ([term], None) = (&expr.terms[..], &expr.offset) else { return None };
    let Core::Linear { x, weight: first, bias } = &term.core else { return None };
    let (&[k, m], &[_, n]) = (first.shape(), weight.shape()) else { return None };
    if !term.moves.is_empty() || k * n > k * m + m * n {
        return None;
    }
    let rows = |left: &[f64]| -> Vec<f64> {
        let dot = |row: &[f64], column: usize| -> f64 {
            row.iter().enumerate().map(|(i, v)| v * weight.data()[i * n + column]).sum()
        };
        left.chunks_exact(m.max(1)).flat_map(|row| (0..n).map(move |j| dot(row, j))).collect()
    };
    let core = Core::Linear {
        x: *x,
        weight: rebuilt(&[k, n], rows(first.data())),
        bias: bias.as_deref().map(rows),
    };
    Some(Expr::core(shape.to_vec(), core))
}

/// The one tensor of an expression and its factor for each column.
fn folded(
    cx: &Lowering<'_>,
    expr: &Expr,
    most: i64,
) -> Option<(ciro_model::integer::NodeId, Vec<f64>)> {
    let [term] = &expr.terms[..] else { return None };
    let columns = *expr.shape.last()?;
    let (x, factors) = match &term.core {
        Core::Value { x, factor } => (*x, vec![*factor; columns]),
        Core::Scaled { x, factors } => (*x, along(factors, expr.shape.len() - 1)?),
        _ => return None,
    };
    let narrow = cx.builder.node(x).interval.max_abs() <= most;
    (narrow && term.moves.is_empty()).then_some((x, factors))
}

/// `W x = (x^T W^T)^T`; the transpositions are wiring.
fn left(
    cx: &mut Lowering<'_>,
    node: &Node,
    x: Value,
    weight: &Tensor<f64>,
) -> Result<Expr, QuantizeError> {
    let &[m, k] = weight.shape() else { unreachable!("matrices have two axes") };
    // The right side may have fewer axes: those before the matrix have extent 1.
    let mut shape = cx.graph.node(node.operands[1]).shape.clone();
    let rank = shape.len();
    let mut perm: Vec<usize> = (0..rank).collect();
    perm.swap(rank - 2, rank - 1);
    let transpose = Movement::Transpose { perm: perm.clone() };
    let x = Value {
        id: cx.push_move(transpose, x.id, x.scale, &format!("{}.transposed", node.name))?,
        ..x
    };
    let data = (0..k * m).map(|i| weight.data()[(i % m) * k + i / m] * x.scale);
    let core = Core::Linear { x: x.id, weight: rebuilt(&[k, m], data.collect()), bias: None };
    shape[rank - 2] = shape[rank - 1];
    shape[rank - 1] = m;
    let product = cx.moved(Expr::core(shape, core), &Movement::Transpose { perm })?;
    if product.shape == node.shape {
        return Ok(product);
    }
    cx.moved(product, &Movement::Reshape { shape: node.shape.clone() })
}

fn product(cx: &mut Lowering<'_>, node: &Node) -> Result<Expr, QuantizeError> {
    let ids = [node.operands[0], node.operands[1]];
    let terms = cx.graph.node(ids[0]).shape.last().copied().unwrap_or(1);
    let integers = match cx.whole[cx.at.index()] {
        true => (cx.integers_of(ids[0])?, cx.integers_of(ids[1])?),
        false => (None, None),
    };
    let [mut a, b] = match integers {
        (Some(a), Some(b)) => [a, b],
        _ => {
            let factors = [cx.narrow(ids[0])?, cx.narrow(ids[1])?];
            cx.fit(factors, terms.max(1))?
        }
    };
    let [a_shape, b_shape] = ids.map(|id| cx.graph.node(id).shape.clone());
    let scale = a.scale * b.scale;
    let mut shape = node.shape.clone();
    if a_shape.len() > b_shape.len() {
        // One matrix for all batches: the batches are rows.
        let rows = count(&a_shape) / terms.max(1);
        let flat = Movement::Reshape { shape: vec![rows, terms] };
        a.id = cx.push_move(flat, a.id, a.scale, &format!("{}.rows", node.name))?;
        shape = vec![rows, shape[shape.len() - 1]];
    }
    let id = cx.push(&node.name, MatMul, &[a.id, b.id], scale)?;
    let expr = Expr::value(shape, Value { id, scale });
    debug_assert!(cx.interval(Value { id, scale }).max_abs() < BOUND);
    if expr.shape == node.shape {
        return Ok(expr);
    }
    cx.moved(expr, &Movement::Reshape { shape: node.shape.clone() })
}
