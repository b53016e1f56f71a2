//! Functions of one variable.

use super::{compare, divide, input, periodic, ranked, table, whole, zoom};
use crate::float::{BinaryFn, NodeId, Op, Reducer, ScalarFn, UnaryFn};
use crate::quantize::calibrate::Range;
use crate::quantize::casts::narrow;
use crate::quantize::emit::exponent;
use crate::quantize::error::{QuantizeError, Refusal};
use crate::quantize::expr::{Core, Expr, Term, Value, count};
use crate::quantize::grid::pow2;
use crate::quantize::lower::{Lowered, Lowering};
use crate::quantize::scalar::{self, Line, Parts, Shape, Steps, guards_zero};
use crate::quantize::target::{Clamp, Target};
use ciro_model::integer::ops::{Combine, Isqrt, Requantize};
use ciro_model::integer::room;

/// Tensors of at most this many elements may be clamped at full width, which costs more limbs.
const FEW: usize = 256;
/// Bits of radicands under reciprocal roots, at least.
const ROOT_BITS: u32 = 20;
/// Bits of the greatest integer root.
const ROOT_UNIT_BITS: i32 = 14;

pub(super) fn lower(
    cx: &mut Lowering<'_>,
    id: NodeId,
    f: &ScalarFn,
) -> Result<Expr, QuantizeError> {
    let operand = cx.graph.node(id).operands[0];
    if let Some(exact) = whole::lower(cx, id, operand, f)? {
        return Ok(exact);
    }
    if let Some(periodic) = periodic::of(cx, id, f)? {
        return Ok(periodic);
    }
    if let Some(magnitude) = magnitude(cx, id, operand, f)? {
        return Ok(magnitude);
    }
    let shape = Shape::of(f);
    if let Some(ranked) = fine(cx, id, (operand, f), &shape)? {
        return Ok(ranked);
    }
    match shape {
        Shape::Line(line) => {
            let expr = cx.expr(operand)?;
            Ok(along(expr, line))
        }
        Shape::Steps(form) => steps(cx, id, operand, &form),
        Shape::Rounded(form, outer) => {
            let inner = steps(cx, id, operand, &form)?;
            let calibrated = cx.ranges[operand.index()];
            let before = calibrated.affine(form.before.slope, form.before.offset);
            let seen = before.clamp(form.lo, form.hi).affine(form.after.slope, form.after.offset);
            table::of(cx, id, &inner, seen, &|x| outer.eval(x))
        }
        Shape::Sqrt { inner, outer } => {
            let root = sqrt(cx, id, operand, inner)?;
            Ok(along(root, outer))
        }
        Shape::Reciprocal { inner, outer } => {
            let expr = along(cx.expr(operand)?, inner);
            let range = cx.divisor_range(operand).affine(inner.slope, inner.offset);
            if range.lo <= 0.0 && range.hi >= 0.0 {
                return Err(divide::sign_error(cx, range));
            }
            let r = divide::reciprocal(cx, &expr, range, divide::RECIPROCAL_BITS)?;
            Ok(along(Expr::value(expr.shape, r).times(divide::sign(range)), outer))
        }
        Shape::ReciprocalSqrt { inner, outer } => {
            let root = sqrt(cx, id, operand, inner)?;
            let range = cx.ranges[operand.index()].affine(inner.slope, inner.offset);
            let range = Range { lo: range.lo.max(0.0).sqrt(), hi: range.hi.max(0.0).sqrt() };
            let r = divide::reciprocal(cx, &root, range, divide::RECIPROCAL_BITS)?;
            Ok(along(Expr::value(root.shape, r), outer))
        }
        Shape::Square { inner, outer } => {
            let value = square_factor(cx, id, operand, inner)?;
            let effort = cx.effort(id).max(cx.effort(operand));
            let square = cx.times([value, value], (reduced_terms(cx, id), effort))?;
            Ok(along(square, outer))
        }
        Shape::Compare { f, inner, outer } if inner.offset.is_infinite() => {
            let truth = outer.slope * f.eval(inner.offset, 0.0) + outer.offset;
            beyond_all(cx, id, operand, truth)
        }
        Shape::Compare { f, inner, outer } => {
            let difference = along(cx.expr(operand)?, inner);
            let truth = compare::with_zero(cx, cx.graph.node(id), f, &difference)?;
            Ok(along(truth, outer))
        }
        Shape::Other if guards_zero(f) && divides(cx, id) => cx.expr(operand),
        Shape::Other => {
            let expr = cx.expr(operand)?;
            let range = cx.ranges[operand.index()];
            table::of(cx, id, &expr, range, &|x| f.eval(x))
        }
    }
}

/// A magnitude of few elements that has been found worth it: the sum of what is above zero and of
/// what is below, as fine as integers hold it, where a table would round.
fn magnitude(
    cx: &mut Lowering<'_>,
    id: NodeId,
    operand: NodeId,
    f: &ScalarFn,
) -> Result<Option<Expr>, QuantizeError> {
    let (outer, core) = scalar::peel(f);
    let ScalarFn::Unary(UnaryFn::Abs, inner) = core else { return Ok(None) };
    let Some((slope, offset)) = inner.affine() else { return Ok(None) };
    let node = cx.graph.node(id);
    if cx.effort(id) == 0 || count(&node.shape) > FEW || slope == 0.0 {
        return Ok(None);
    }
    let expr = along(cx.expr(operand)?, Line { slope, offset });
    let x = cx.plain(&expr, room::COMPARED as f64, &format!("{}.signed", node.name))?;
    let mut sum = Expr { shape: node.shape.clone(), terms: vec![], offset: None };
    for sign in [1, -1] {
        let name = format!("{}.side", node.name);
        let side = match sign {
            1 => x.id,
            _ => {
                let negated = Combine { coefficients: vec![sign], constant: 0 };
                cx.push(&name, negated, &[x.id], x.scale)?
            }
        };
        let hi = cx.builder.node(side).interval.hi;
        if hi > 0 {
            let above = Requantize { shift: 0, lo: 0, hi: narrow(hi) };
            let id = cx.push(&name, above, &[side], x.scale)?;
            sum = sum.plus(Expr::value(node.shape.clone(), Value { id, scale: x.scale }));
        }
    }
    Ok(Some(along(sum, outer)))
}

/// A comparison with infinity, which has one result.
///
/// No integer stands for infinity: only a maximum of which everything may be hidden could be
/// infinite.
fn beyond_all(
    cx: &Lowering<'_>,
    id: NodeId,
    operand: NodeId,
    truth: f64,
) -> Result<Expr, QuantizeError> {
    if hides_all(cx, operand) {
        return Err(cx.refuse(Refusal::Infinity));
    }
    let shape = cx.graph.node(id).shape.clone();
    let truths = vec![truth; count(&shape)];
    Ok(Expr::constant(crate::quantize::expr::rebuilt(&shape, truths)))
}

/// A function by ranks, where a table of equal steps, an integer root or a quotient would be too
/// coarse.
fn fine(
    cx: &mut Lowering<'_>,
    id: NodeId,
    (operand, f): (NodeId, &ScalarFn),
    shape: &Shape,
) -> Result<Option<Expr>, QuantizeError> {
    let curved = matches!(
        shape,
        Shape::Sqrt { .. } | Shape::Reciprocal { .. } | Shape::ReciprocalSqrt { .. } | Shape::Other
    );
    if curved && let Some(ranked) = ranked::of_input(cx, id, operand, f)? {
        return Ok(Some(ranked));
    }
    let seen = cx.ranges[operand.index()];
    if *shape == Shape::Other && Parts::of(f).are_steps() {
        let expr = cx.expr(operand)?;
        return ranked::of(cx, id, &expr, seen, &|x| f.eval(x));
    }
    let (inner, bits) = match shape {
        Shape::Sqrt { inner, .. } | Shape::ReciprocalSqrt { inner, .. } => (inner, ROOT_BITS),
        Shape::Reciprocal { inner, .. } => (inner, divide::DIVISOR_BITS),
        _ => return Ok(None),
    };
    let range = seen.affine(inner.slope, inner.offset);
    let real = |x: f64| f.eval(x);
    if matches!(shape, Shape::Reciprocal { .. }) && inner.slope != 0.0 {
        let own = cx.divisor_range(operand).affine(inner.slope, inner.offset);
        if own.lo <= 0.0 && own.hi >= 0.0 {
            let expr = cx.expr(operand)?;
            return ranked::of(cx, id, &expr, seen, &real);
        }
    }
    let step = range.max_abs() * 2.0 * pow2(-exponent(bits)) / inner.slope.abs();
    let roots = matches!(shape, Shape::Sqrt { .. });
    if range.lo < 0.0 || inner.slope == 0.0 {
        return Ok(None);
    }
    let coarse = match roots {
        // The root's own unit counts, not the radicand's.
        true => {
            let unit = range.hi.max(0.0).sqrt() * pow2(-ROOT_UNIT_BITS);
            let width = cx.own_ranges[id.index()].width();
            width > 0.0 && (unit * root_slope(shape) > width * pow2(-9) || ranked::relative(cx, id))
        }
        false => ranked::too_coarse(cx, id, (seen, step), &real),
    };
    if !coarse {
        return Ok(None);
    }
    let expr = cx.expr(operand)?;
    ranked::of(cx, id, &expr, seen, &real)
}

/// How much of a root's unit the result has.
fn root_slope(shape: &Shape) -> f64 {
    match shape {
        Shape::Sqrt { outer, .. } => outer.slope.abs(),
        _ => 1.0,
    }
}

/// `slope * expr + offset`.
pub(super) fn along(expr: Expr, line: Line) -> Expr {
    let shape = expr.shape.clone();
    let expr = expr.times(line.slope);
    if line.offset == 0.0 {
        return expr;
    }
    let offset = vec![line.offset; count(&shape)];
    expr.plus_constant(crate::quantize::expr::rebuilt(&shape, offset))
}

fn square_factor(
    cx: &mut Lowering<'_>,
    id: NodeId,
    operand: NodeId,
    inner: Line,
) -> Result<Value, QuantizeError> {
    if inner.offset == 0.0 && inner.slope > 0.0 {
        let value = cx.factor(operand)?;
        return Ok(Value { scale: value.scale * inner.slope, ..value });
    }
    let expr = along(cx.expr(operand)?, inner);
    let range = cx.range(operand).affine(inner.slope, inner.offset);
    let target = Target { range, bits: cx.factor_bits(operand), clip: None, own: true };
    let name = format!("{}.factor", cx.graph.node(id).name);
    cx.round_to(&expr, &target, &name)
}

/// Whether a tensor, perhaps moved, is a maximum of masked elements.
fn hides_all(cx: &Lowering<'_>, mut id: NodeId) -> bool {
    loop {
        let node = cx.graph.node(id);
        match (&node.op, &node.operands[..]) {
            (Op::Move(_), &[inner]) => id = inner,
            (Op::Reduce(_), &[inner]) => {
                return matches!(cx.lowered(inner), Some(Lowered::Masked(..) | Lowered::Hidden(_)));
            }
            _ => return false,
        }
    }
}

/// Whether everything that reads a node, perhaps moved, divides by it.
fn divides(cx: &Lowering<'_>, id: NodeId) -> bool {
    let output = cx.graph.outputs.iter().any(|output| output.node == id);
    let mut readers =
        cx.graph.iter().skip(id.index()).filter(|(_, node)| node.operands.contains(&id));
    !output
        && readers.all(|(reader, node)| match node.op {
            Op::Move(_) => divides(cx, reader),
            Op::Binary(BinaryFn::Div) => node.operands[0] != id,
            _ => false,
        })
}

/// How many elements of a node are added by the one operator that reads it.
pub(super) fn reduced_terms(cx: &Lowering<'_>, id: NodeId) -> usize {
    let mut at = id;
    for (reader, node) in cx.graph.iter().skip(id.index() + 1) {
        if !node.operands.contains(&at) || !cx.demands[reader.index()].alive {
            continue;
        }
        match node.op {
            Op::Move(_) => at = reader,
            Op::Reduce(Reducer::Sum | Reducer::Mean) => {
                return cx.graph.node(at).shape.last().copied().unwrap_or(1).max(1);
            }
            _ => return 1,
        }
    }
    1
}

/// Rounding and clamping: one `Requantize`, fused with the product before it.
fn steps(
    cx: &mut Lowering<'_>,
    id: NodeId,
    operand: NodeId,
    form: &Steps,
) -> Result<Expr, QuantizeError> {
    let node = cx.graph.node(id);
    if !form.round {
        let expr = along(cx.expr(operand)?, form.before);
        let calibrated = cx.ranges[operand.index()].affine(form.before.slope, form.before.offset);
        let range = calibrated.widen(cx.settings.margin);
        let clip = Some(Range { lo: form.lo, hi: form.hi });
        let target =
            Target { range: range.clamp(form.lo, form.hi), bits: cx.bits(id), clip, own: true };
        let expr = match zoom::clipped(cx, id, &expr, Range { lo: form.lo, hi: form.hi })? {
            Some(near) => Expr::value(expr.shape, near),
            None => expr,
        };
        let value = cx.round_to(&expr, &target, &node.name)?;
        return Ok(along(Expr::value(node.shape.clone(), value), form.after));
    }
    if let (Some(&Lowered::Input(index)), 1) =
        (cx.lowered(operand), cx.demands[operand.index()].uses)
        && form.before.offset == 0.0
        && form.before.slope > 0.0
        && form.lo.is_finite()
        && form.hi.is_finite()
    {
        let x = input::rounded(cx, index, form.before.slope.recip(), (form.lo, form.hi))?;
        let core = Core::Value { x, factor: 1.0 };
        return Ok(along(Expr::core(node.shape.clone(), core), form.after));
    }
    let expr = along(cx.expr(operand)?, form.before);
    let clamp = match form.lo.is_finite() && form.hi.is_finite() {
        true => Range { lo: form.lo, hi: form.hi },
        false => {
            let seen = cx.ranges[operand.index()].affine(form.before.slope, form.before.offset);
            seen.widen(cx.settings.margin).clamp(form.lo, form.hi)
        }
    };
    let own = Range { lo: form.lo, hi: form.hi };
    let clamp = Clamp::seen(clamp, Some(own));
    let value = cx.round_at(&expr, 1.0, Some(clamp), &node.name)?;
    let term = Term { core: Core::Value { x: value.id, factor: 1.0 }, moves: vec![] };
    let expr = Expr { shape: node.shape.clone(), terms: vec![term], offset: None };
    Ok(along(expr, form.after))
}

/// `sqrt(inner(x))` as an integer root of the finest radicand that fits.
fn sqrt(
    cx: &mut Lowering<'_>,
    id: NodeId,
    operand: NodeId,
    inner: Line,
) -> Result<Expr, QuantizeError> {
    let node = cx.graph.node(id);
    let expr = along(cx.expr(operand)?, inner);
    let name = format!("{}.radicand", node.name);
    let range = cx.ranges[operand.index()].affine(inner.slope, inner.offset);
    if range.hi < 0.0 {
        return Err(cx.refuse(Refusal::NotFinite { at: range.hi.to_string() }));
    }
    // A clamp at 0 compares any two values.
    let mut radicand = cx.finest(&expr, room::COMPARED as f64, &name)?;
    if cx.interval(radicand).lo < 0 {
        // What has been found worth more bits is compared at full width, however many there are: so
        // few bits leave nothing of what is small.
        if count(&node.shape) > FEW && cx.effort(id) == 0 {
            radicand = cx.within(radicand, 32767.0)?;
        }
        let hi = narrow(cx.interval(radicand).hi.max(0));
        let op = Requantize { shift: 0, lo: 0, hi };
        radicand.id = cx.push(&name, op, &[radicand.id], radicand.scale)?;
    }
    let scale = radicand.scale.sqrt();
    let root = cx.push(&node.name, Isqrt, &[radicand.id], scale)?;
    Ok(Expr::value(node.shape.clone(), Value { id: root, scale }))
}
