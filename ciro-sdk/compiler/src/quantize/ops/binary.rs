//! Functions of two variables: sums, products, maxima, logic.

use super::{compare, divide, remainder};
use crate::float::{BinaryFn, Node, NodeId};
use crate::quantize::error::{QuantizeError, Refusal};
use crate::quantize::expr::{Core, Expr, Term, Value, uniform};
use crate::quantize::facts::whole;
use crate::quantize::grid::step_at_least;
use crate::quantize::lower::Lowering;
use crate::quantize::target::Target;
use ciro_model::integer::BOUND;
use ciro_model::integer::ops::{Combine, Mul, ReduceMax};
use ciro_model::movement::Movement;
use ciro_model::tensor::Tensor;

/// Wider integers are rounded before they are multiplied with a constant tensor, whose bits would
/// have no room else.
const FACTOR_MAX: i64 = 1 << 15;

pub(super) fn lower(cx: &mut Lowering<'_>, id: NodeId, f: BinaryFn) -> Result<Expr, QuantizeError> {
    let node = cx.graph.node(id);
    let &[a, b] = &node.operands[..] else { unreachable!("the shape rule takes two operands") };
    match f {
        BinaryFn::Add => Ok(cx.expr(a)?.plus(cx.expr(b)?)),
        BinaryFn::Sub => Ok(cx.expr(a)?.plus(cx.expr(b)?.times(-1.0))),
        BinaryFn::Mul => match (cx.constant_of(a).is_some(), cx.constant_of(b).is_some()) {
            (false, false) => product(cx, node),
            (true, _) => scaled(cx, node, b, a, |c| c),
            (_, true) => scaled(cx, node, a, b, |c| c),
        },
        BinaryFn::Div if cx.constant_of(b).is_some() => scaled(cx, node, a, b, f64::recip),
        BinaryFn::Div => divide::lower(cx, id),
        BinaryFn::Max => maximum(cx, node, 1.0),
        BinaryFn::Min => maximum(cx, node, -1.0),
        BinaryFn::And | BinaryFn::Or | BinaryFn::Xor => logic(cx, node, f),
        BinaryFn::Less
        | BinaryFn::LessOrEqual
        | BinaryFn::Greater
        | BinaryFn::GreaterOrEqual
        | BinaryFn::Equal => compare::lower(cx, node, f),
        BinaryFn::Mod | BinaryFn::Fmod => remainder::lower(cx, node, f),
        BinaryFn::Pow => Err(cx.refuse(Refusal::Function { function: format!("{f:?}") })),
    }
}

/// The product of two computed tensors, exact.
fn product(cx: &mut Lowering<'_>, node: &Node) -> Result<Expr, QuantizeError> {
    if cx.whole[cx.at.index()]
        && let (Some(a), Some(b)) =
            (cx.integers_of(node.operands[0])?, cx.integers_of(node.operands[1])?)
    {
        let id = cx.push(&node.name, Mul, &[a.id, b.id], 1.0)?;
        return Ok(Expr::value(node.shape.clone(), Value { id, scale: 1.0 }));
    }
    let factors = [cx.factor(node.operands[0])?, cx.factor(node.operands[1])?];
    let terms = super::unary::reduced_terms(cx, cx.at);
    let effort = node.operands.iter().map(|&id| cx.effort(id)).fold(cx.effort(cx.at), u32::max);
    cx.times(factors, (terms, effort))
}

/// Integers below this magnitude are few.
const FEW_DISTINCT: i64 = 1 << 7;

/// `x` times `g(constant)`: a change of scale, or taken into the weights before it.
fn scaled(
    cx: &mut Lowering<'_>,
    node: &Node,
    x: NodeId,
    constant: NodeId,
    g: impl Fn(f64) -> f64,
) -> Result<Expr, QuantizeError> {
    let Some(constant) = cx.constant_of(constant) else {
        return Err(cx.refuse(Refusal::NoRoom));
    };
    let constant = constant.map(|&c| g(c));
    if constant.data().iter().any(|c| !c.is_finite()) {
        return Err(cx.refuse(Refusal::Infinity));
    }
    let expr = cx.expr(x)?;
    if let Some(factor) = uniform(&constant) {
        return Ok(expr.times(factor));
    }
    if cx.whole[cx.at.index()]
        && constant.data().iter().copied().all(whole)
        && let Some(value) = cx.integers_of(x)?
        && let Some(expr) = Expr::value(node.shape.clone(), value).times_constant(&constant)
    {
        return Ok(expr);
    }
    let most = FACTOR_MAX << cx.effort(x);
    let narrow = |term: &Term| match term.core {
        Core::Value { x, .. } => cx.builder.node(x).interval.max_abs() <= most,
        _ => true,
    };
    // Ranks take a change of scale into their boundaries: nothing is multiplied.
    let ranked = cx.demands[cx.at.index()].is_ranked();
    if ranked || expr.terms.iter().all(narrow) {
        let expr = if ranked { expr } else { cx.apart(expr, cx.effort(x))? };
        if let Some(expr) = expr.times_constant(&constant) {
            return Ok(expr);
        }
    }
    let value = cx.rounded_factor(x)?;
    let expr = cx.apart(Expr::value(node.shape.clone(), value), cx.effort(x))?;
    expr.times_constant(&constant).ok_or_else(|| cx.refuse(Refusal::NoRoom))
}

/// `sign * max(sign * a, sign * b)`: both at one scale, side by side, then the maximum.
fn maximum(cx: &mut Lowering<'_>, node: &Node, sign: f64) -> Result<Expr, QuantizeError> {
    let ids = [node.operands[0], node.operands[1]];
    let [a, b] = common(cx, ids)?;
    let shape = [&node.shape[..], &[1]].concat();
    let mut parts = vec![];
    for value in [a, b] {
        let mut x = value.id;
        if sign < 0.0 {
            let op = Combine { coefficients: vec![-1], constant: 0 };
            x = cx.push(&format!("{}.negated", node.name), op, &[x], a.scale)?;
        }
        let column = Movement::Reshape { shape: shape.clone() };
        parts.push(cx.push_move(column, x, a.scale, &format!("{}.column", node.name))?);
    }
    let axis = node.shape.len();
    let stacked =
        cx.push(&format!("{}.stacked", node.name), Movement::Concat { axis }, &parts, a.scale)?;
    let id = cx.push(&node.name, ReduceMax, &[stacked], a.scale)?;
    Ok(Expr::value(node.shape.clone(), Value { id, scale: a.scale }).times(sign))
}

/// Tensors at one common scale: the coarsest that any of them would get alone, but for those of few
/// distinct integers.
pub(super) fn common<const N: usize>(
    cx: &mut Lowering<'_>,
    ids: [NodeId; N],
) -> Result<[Value; N], QuantizeError> {
    let values = common_of(cx, &ids)?;
    Ok(values.try_into().expect("one value for each node"))
}

/// As [`common`], for any number of tensors.
pub(super) fn common_of(
    cx: &mut Lowering<'_>,
    ids: &[NodeId],
) -> Result<Vec<Value>, QuantizeError> {
    if ids.iter().all(|id| cx.whole[id.index()])
        && let Some(values) = whole_numbers(cx, ids)?
    {
        return Ok(values);
    }
    let mut values = vec![];
    for &id in ids {
        if cx.constant_of(id).is_none() {
            values.push(cx.narrow(id)?);
        }
    }
    // A tensor of few distinct integers, such as zeros and ones, has no say: it fits any finer
    // scale.
    let is_few = |value: &&Value| cx.interval(**value).max_abs() < FEW_DISTINCT;
    let coarsest = values.iter().filter(|value| !is_few(value)).map(|value| value.scale);
    let mut scale = coarsest.fold(0.0, f64::max);
    if scale == 0.0 {
        scale = values.iter().map(|value| value.scale).fold(0.0, f64::max);
    } else {
        let reach = |value: &Value| cx.range_of(*value).max_abs();
        let few = values.iter().filter(is_few).map(reach).fold(0.0, f64::max);
        scale = step_at_least(scale, scale.max(few / FACTOR_MAX as f64));
    }
    if scale == 0.0 {
        scale = cx.narrow(ids[0])?.scale;
    }
    let mut values = vec![];
    for &id in ids {
        let expr = match cx.constant_of(id) {
            Some(value) => Expr::constant(value.as_ref().clone()),
            None => Expr::value(cx.graph.node(id).shape.clone(), cx.narrow(id)?),
        };
        values.push(at_scale(cx, id, &expr, scale)?);
    }
    Ok(values)
}

/// Whole numbers at scale 1; `None` if one of them is computed from others.
fn whole_numbers(
    cx: &mut Lowering<'_>,
    ids: &[NodeId],
) -> Result<Option<Vec<Value>>, QuantizeError> {
    let mut values = vec![];
    for &id in ids {
        let infinite =
            |value: &std::sync::Arc<Tensor<f64>>| value.data().iter().any(|x| x.is_infinite());
        if cx.constant_of(id).is_some_and(infinite) {
            return Ok(None);
        }
        match cx.whole(id)? {
            Some(value) => values.push(value),
            None => return Ok(None),
        }
    }
    Ok(Some(values))
}

/// A tensor at an exact scale; rounded if it has another.
pub(super) fn at_scale(
    cx: &mut Lowering<'_>,
    id: NodeId,
    expr: &Expr,
    scale: f64,
) -> Result<Value, QuantizeError> {
    match expr.as_value() {
        Some((x, factor, [])) if (factor / scale - 1.0).abs() < 1e-12 => Ok(Value { id: x, scale }),
        _ => {
            let name = format!("{}.common", cx.graph.node(id).name);
            cx.round_at(expr, scale, None, &name)
        }
    }
}

/// `and`, `or`, `xor` of truth values.
fn logic(cx: &mut Lowering<'_>, node: &Node, f: BinaryFn) -> Result<Expr, QuantizeError> {
    let a = truth(cx, node.operands[0])?;
    let b = truth(cx, node.operands[1])?;
    let both = cx.push(&format!("{}.both", node.name), Mul, &[a.id, b.id], 1.0)?;
    let product = match f {
        BinaryFn::And => {
            return Ok(Expr::value(node.shape.clone(), Value { id: both, scale: 1.0 }));
        }
        BinaryFn::Or => -1,
        _ => -2,
    };
    let op = Combine { coefficients: vec![1, 1, product], constant: 0 };
    let id = cx.push(&format!("{}.sum", node.name), op, &[a.id, b.id, both], 1.0)?;
    // Interval analysis does not see that the sum is a truth value again.
    let clamp = ciro_model::integer::ops::Requantize { shift: 0, lo: 0, hi: 1 };
    let id = cx.push(&node.name, clamp, &[id], 1.0)?;
    Ok(Expr::value(node.shape.clone(), Value { id, scale: 1.0 }))
}

/// A tensor of zeros and ones.
pub(super) fn truth(cx: &mut Lowering<'_>, id: NodeId) -> Result<Value, QuantizeError> {
    let value = cx.whole(id)?.ok_or_else(|| cx.refuse(Refusal::NotABoolean))?;
    let interval = cx.interval(value);
    if interval.lo < 0 || interval.hi > 1 {
        return Err(cx.refuse(Refusal::NotABoolean));
    }
    Ok(value)
}

/// `condition * (a - b) + b`, exact where the condition is 0 or 1.
pub(super) fn choose(
    cx: &mut Lowering<'_>,
    node: &Node,
    condition: Value,
) -> Result<Expr, QuantizeError> {
    let (a, b) = (node.operands[1], node.operands[2]);
    let base = cx.expr(b)?;
    let difference = cx.expr(a)?.plus(base.clone().times(-1.0));
    if cx.whole[cx.at.index()] && difference.is_whole() {
        let difference = cx.emit(&difference, 1.0, &format!("{}.difference", node.name))?;
        let operands = [condition.id, difference];
        let id = cx.push(&format!("{}.chosen", node.name), Mul, &operands, 1.0)?;
        return Ok(Expr::value(node.shape.clone(), Value { id, scale: 1.0 }).plus(base));
    }
    let range = cx.range(a).union(cx.range(b));
    let spread =
        crate::quantize::calibrate::Range { lo: range.lo - range.hi, hi: range.hi - range.lo };
    let target = Target {
        range: spread,
        bits: cx.settings.activation_bits + 1 + cx.effort(cx.at),
        clip: None,
        own: true,
    };
    let difference = cx.round_to(&difference, &target, &format!("{}.difference", node.name))?;
    let id = cx.push(
        &format!("{}.chosen", node.name),
        Mul,
        &[condition.id, difference.id],
        difference.scale,
    )?;
    let chosen = Expr::value(node.shape.clone(), Value { id, scale: difference.scale });
    debug_assert!(cx.range_of(difference).max_abs() / difference.scale < BOUND as f64);
    Ok(chosen.plus(base))
}
