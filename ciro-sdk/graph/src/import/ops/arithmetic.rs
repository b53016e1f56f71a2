//! Elementwise operators of several operands, with broadcasting.

use super::super::Reason;
use super::super::context::Context;
use super::super::data_type::{DataType, integer_range, is_float};
use super::super::value::{Outputs, Value, one};
use super::elementwise::{c, mul, of, sub, x};
use crate::float::{BinaryFn, NodeId, ScalarFn, UnaryFn};
use crate::tensor::Tensor;

type Cx<'a, 'm> = Context<'a, 'm>;

/// Arithmetic; the element type stays.
pub(super) fn binary(cx: &mut Cx<'_, '_>, f: BinaryFn) -> Outputs {
    let (a, b) = operands(cx)?;
    one(a.with(cx.g.binary(f, a.id, b)?))
}

/// A comparison or a logical operator; the result is a truth value.
pub(super) fn predicate(cx: &mut Cx<'_, '_>, f: BinaryFn) -> Outputs {
    let (a, b) = operands(cx)?;
    Context::give(cx.g.binary(f, a.id, b)?, DataType::Bool)
}

/// Equality of numbers, or of strings as positions in one list of names.
pub(super) fn equal(cx: &mut Cx<'_, '_>) -> Outputs {
    let (a, b) = (cx.tensor(0)?, cx.tensor(1)?);
    if a.kind != DataType::String {
        return predicate(cx, BinaryFn::Equal);
    }
    let [a, b] = same_names(cx, [a, b])?;
    Context::give(cx.g.binary(BinaryFn::Equal, a.id, b.id)?, DataType::Bool)
}

/// Division; of integers toward zero.
pub(super) fn div(cx: &mut Cx<'_, '_>) -> Outputs {
    let (a, b) = operands(cx)?;
    let quotient = cx.g.div(a.id, b)?;
    if is_float(a.kind) {
        return one(a.with(quotient));
    }
    one(a.with(cx.g.unary(UnaryFn::Truncate, quotient)?))
}

/// Power; of integers, toward zero.
pub(super) fn pow(cx: &mut Cx<'_, '_>) -> Outputs {
    let (a, b) = operands(cx)?;
    if let Some(exponent) = cx.g.uniform(b).filter(|_| cx.g.broadcast(&[a.id, b]).is_ok()) {
        let f = match exponent {
            1.0 => Some(x()),
            2.0 => Some(mul(x(), x())),
            3.0 => Some(mul(x(), mul(x(), x()))),
            0.5 => Some(ScalarFn::unary(UnaryFn::Sqrt)),
            -1.0 => Some(ScalarFn::unary(UnaryFn::Reciprocal)),
            _ => None,
        };
        if let Some(f) = f.filter(|_| is_float(a.kind)) {
            let shape = cx.g.broadcast(&[a.id, b])?;
            let base = cx.g.expand(a.id, &shape)?;
            return one(a.with(cx.g.map(f, base)?));
        }
    }
    let power = cx.g.binary(BinaryFn::Pow, a.id, b)?;
    if is_float(a.kind) {
        return one(a.with(power));
    }
    one(a.with(cx.g.unary(UnaryFn::Truncate, power)?))
}

/// Remainder; the sign is the divisor's, or with `fmod` the dividend's.
pub(super) fn modulo(cx: &mut Cx<'_, '_>) -> Outputs {
    let f = if cx.flag("fmod", false) { BinaryFn::Fmod } else { BinaryFn::Mod };
    binary(cx, f)
}

/// `Max`, `Min`, `Sum` of any number of operands.
pub(super) fn variadic(cx: &mut Cx<'_, '_>, f: BinaryFn) -> Outputs {
    let first = cx.number(0)?;
    let mut sum = first.id;
    for index in 1..cx.inputs.len() {
        let next = cx.number(index)?;
        sum = cx.g.binary(f, sum, next.id)?;
    }
    one(first.with(sum))
}

/// Mean of any number of operands.
pub(super) fn mean(cx: &mut Cx<'_, '_>) -> Outputs {
    let count = cx.inputs.len() as f64;
    let first = cx.number(0)?;
    let mut sum = first.id;
    for index in 1..cx.inputs.len() {
        let next = cx.number(index)?;
        sum = cx.g.add(sum, next.id)?;
    }
    one(first.with(cx.g.with(BinaryFn::Div, sum, count)?))
}

/// `condition ? a : b`.
pub(super) fn where_op(cx: &mut Cx<'_, '_>) -> Outputs {
    let condition = cx.number(0)?;
    let [a, b] = [cx.tensor(1)?, cx.tensor(2)?];
    let [a, b] = if a.kind == DataType::String { same_names(cx, [a, b])? } else { [a, b] };
    one(a.with(cx.g.choose(condition.id, a.id, b.id)?))
}

/// Shifts by a number of bits: a product or quotient with a power of two.
pub(super) fn bit_shift(cx: &mut Cx<'_, '_>) -> Outputs {
    let (a, b) = operands(cx)?;
    let two = cx.g.scalar(2.0)?;
    let power = cx.g.binary(BinaryFn::Pow, two, b)?;
    if cx.text("direction", "") == "RIGHT" {
        let quotient = cx.g.div(a.id, power)?;
        return one(a.with(cx.g.unary(UnaryFn::Floor, quotient)?));
    }
    let product = cx.g.mul(a.id, power)?;
    let (_, top) = unsigned_range(a.kind)?;
    one(a.with(cx.g.with(BinaryFn::Mod, product, top + 1.0)?))
}

/// `-1 - x` of signed integers, `max - x` of unsigned ones.
pub(super) fn bitwise_not(cx: &mut Cx<'_, '_>) -> Outputs {
    let a = cx.number(0)?;
    let (low, high) =
        integer_range(a.kind).ok_or(Reason::Unsupported("bitwise operators need integers"))?;
    one(a.with(cx.g.map(sub(c(low + high), x()), a.id)?))
}

/// Bitwise logic of integers, bit after bit.
///
/// The operands are shifted into `0 .. 2^bits`, which keeps their bits in two's complement.
pub(super) fn bitwise(cx: &mut Cx<'_, '_>, f: BinaryFn) -> Outputs {
    let (a, b) = operands(cx)?;
    let (low, high) =
        integer_range(a.kind).ok_or(Reason::Unsupported("bitwise operators need integers"))?;
    let span = high - low + 1.0;
    if span > 2f64.powi(53) {
        let exact = [a.id, b].iter().all(|&id| {
            cx.g.value(id).is_some_and(|v| v.data().iter().all(|x| x.abs() < 2f64.powi(52)))
        });
        if !exact {
            return Err(Reason::Unsupported("bitwise operators of 64-bit integers").into());
        }
    }
    let bits = if span > 2f64.powi(53) { 53 } else { span.log2().round() as u32 };
    let span = 2f64.powi(i32::try_from(bits).unwrap_or(53));
    let [a_bits, b_bits] =
        [cx.g.with(BinaryFn::Mod, a.id, span)?, cx.g.with(BinaryFn::Mod, b, span)?];
    let mut sum: Option<NodeId> = None;
    for bit in 0..bits {
        let weight = 2f64.powi(i32::try_from(bit).unwrap_or(0));
        let digit = ScalarFn::binary(
            BinaryFn::Mod,
            of(UnaryFn::Floor, mul(x(), c(weight.recip()))),
            c(2.0),
        );
        let (a_bit, b_bit) = (cx.g.map(digit.clone(), a_bits)?, cx.g.map(digit, b_bits)?);
        let both = cx.g.binary(f, a_bit, b_bit)?;
        let part = cx.g.with(BinaryFn::Mul, both, weight)?;
        sum = Some(match sum {
            Some(sum) => cx.g.add(sum, part)?,
            None => part,
        });
    }
    let sum = sum.ok_or(Reason::Unsupported("bitwise operators need integers"))?;
    if low == 0.0 {
        return one(a.with(sum));
    }
    let wrap = super::elementwise::where_(
        ScalarFn::binary(BinaryFn::GreaterOrEqual, x(), c(span / 2.0)),
        sub(x(), c(span)),
        x(),
    );
    one(a.with(cx.g.map(wrap, sum)?))
}

/// Both operands; before opset 7 the second is laid along the axis that an attribute names.
fn operands(cx: &mut Cx<'_, '_>) -> Result<(Value, NodeId), Reason> {
    let (a, b) = (cx.number(0)?, cx.number(1)?);
    let (rank_a, rank_b) = (cx.g.rank(a.id), cx.g.rank(b.id));
    if cx.opset >= 7 || !cx.flag("broadcast", false) || cx.attribute("axis").is_none() {
        return Ok((a, b.id));
    }
    let axis = cx.axis(0, rank_a.max(1))?;
    let mut shape = cx.g.shape(b.id).to_vec();
    shape.resize((rank_a - axis).max(rank_b), 1);
    let b = cx.g.reshape(b.id, &shape)?;
    Ok((a, b))
}

fn unsigned_range(kind: DataType) -> Result<(f64, f64), Reason> {
    match integer_range(kind) {
        Some((0.0, high)) => Ok((0.0, high)),
        _ => Err(Reason::Unsupported("shifts need unsigned integers")),
    }
}

/// Two string tensors over one list of names; constants are rewritten.
pub(super) fn same_names(cx: &mut Cx<'_, '_>, [a, b]: [Value; 2]) -> Result<[Value; 2], Reason> {
    let (Some(names_a), Some(names_b)) = (&a.names, &b.names) else {
        return Err(Reason::Strings);
    };
    if names_a == names_b {
        return Ok([a, b]);
    }
    let mut names = names_a.to_vec();
    let mut positions = Vec::with_capacity(names_b.len());
    for name in names_b.iter() {
        positions.push(names.iter().position(|known| known == name).unwrap_or_else(|| {
            names.push(name.clone());
            names.len() - 1
        }) as f64);
    }
    let table = Tensor::vector(positions);
    let table = cx.g.constant(table)?;
    let table = cx.g.unsqueeze(table, 1)?;
    let shape = cx.g.shape(b.id).to_vec();
    let id = cx.g.rows(table, b.id)?;
    let id = cx.g.reshape(id, &shape)?;
    let names = Some(std::sync::Arc::new(names));
    Ok([Value { names: names.clone(), ..a }, Value { id, names, ..b }])
}

/// Converts between element types.
///
/// Floats become integers toward zero; anything but 0 becomes true. Values that the new type cannot hold, and the
/// rounding to narrower floats, are not modelled.
pub(super) fn cast(cx: &mut Cx<'_, '_>, to: DataType) -> Outputs {
    let from = cx.tensor(0)?;
    if from.kind == to {
        return one(from);
    }
    if from.kind == DataType::String {
        return parse(cx, &from, to);
    }
    let id = match to {
        DataType::String => return Err(Reason::Strings.into()),
        DataType::Bool => {
            let not = of(UnaryFn::Not, of(UnaryFn::Not, x()));
            cx.g.map(not, from.id)?
        }
        to if integer_range(to).is_some() && is_float(from.kind) => {
            cx.g.unary(UnaryFn::Truncate, from.id)?
        }
        _ => from.id,
    };
    Context::give(id, to)
}

/// Names that are numbers, as numbers.
fn parse(cx: &mut Cx<'_, '_>, from: &Value, to: DataType) -> Outputs {
    let names = from.names.as_ref().ok_or(Reason::Strings)?;
    let numbers: Result<Vec<f64>, _> = names.iter().map(|name| name.trim().parse()).collect();
    let table = cx.g.vector(numbers.map_err(|_| Reason::Strings)?)?;
    let table = cx.g.unsqueeze(table, 1)?;
    let shape = cx.g.shape(from.id).to_vec();
    let rows = cx.g.rows(table, from.id)?;
    Context::give(cx.g.reshape(rows, &shape)?, to)
}
