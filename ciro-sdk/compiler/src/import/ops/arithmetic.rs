//! Elementwise operators of several operands, with broadcasting.

use super::bits;
use crate::float::scalar::x;
use crate::float::{BinaryFn, NodeId, ScalarFn, UnaryFn};
use crate::import::Reason;
use crate::import::context::{Context, Cx, Family};
use crate::import::data_type::{DataType, data_type, integer_range, is_float};
use crate::import::text;
use crate::import::value::{Outputs, Value, one};
use ciro_model::tensor::Tensor;

pub(super) const OPS: Family = &[
    ("Add", 1, |cx| binary(cx, BinaryFn::Add)),
    ("And", 1, |cx| predicate(cx, BinaryFn::And)),
    ("Cast", 1, cast_to),
    ("CastLike", 15, cast_like),
    ("Div", 1, div),
    ("Equal", 1, equal),
    ("Greater", 1, |cx| predicate(cx, BinaryFn::Greater)),
    ("GreaterOrEqual", 12, |cx| predicate(cx, BinaryFn::GreaterOrEqual)),
    ("Less", 1, |cx| predicate(cx, BinaryFn::Less)),
    ("LessOrEqual", 12, |cx| predicate(cx, BinaryFn::LessOrEqual)),
    ("Max", 1, |cx| variadic(cx, BinaryFn::Max)),
    ("Mean", 1, mean),
    ("Min", 1, |cx| variadic(cx, BinaryFn::Min)),
    ("Mod", 10, modulo),
    ("Mul", 1, |cx| binary(cx, BinaryFn::Mul)),
    ("Or", 1, |cx| predicate(cx, BinaryFn::Or)),
    ("Pow", 1, pow),
    ("Sub", 1, |cx| binary(cx, BinaryFn::Sub)),
    ("Sum", 1, |cx| variadic(cx, BinaryFn::Add)),
    ("Where", 9, where_op),
    ("Xor", 1, |cx| predicate(cx, BinaryFn::Xor)),
];

/// Arithmetic; the element type stays.
fn binary(cx: &mut Cx<'_, '_>, f: BinaryFn) -> Outputs {
    let (a, b) = operands(cx)?;
    one(a.with(cx.g.binary(f, a.id, b)?))
}

/// A comparison or a logical operator; the result is a truth value.
fn predicate(cx: &mut Cx<'_, '_>, f: BinaryFn) -> Outputs {
    let (a, b) = operands(cx)?;
    Context::give(cx.g.binary(f, a.id, b)?, DataType::Bool)
}

/// Equality of numbers, or of strings as positions in one list of names.
fn equal(cx: &mut Cx<'_, '_>) -> Outputs {
    let (a, b) = (cx.tensor(0)?, cx.tensor(1)?);
    if a.kind != DataType::String {
        return predicate(cx, BinaryFn::Equal);
    }
    let is_open = |value: &Value| value.names.as_ref().is_some_and(|names| text::is_open(names));
    if is_open(&a) && is_open(&b) {
        return Err(Reason::TextLeaves.into());
    }
    let [a, b] = same_names(cx, [a, b])?;
    Context::give(cx.g.binary(BinaryFn::Equal, a.id, b.id)?, DataType::Bool)
}

/// Division; of integers toward zero.
fn div(cx: &mut Cx<'_, '_>) -> Outputs {
    let (a, b) = operands(cx)?;
    let quotient = cx.g.div(a.id, b)?;
    if is_float(a.kind) {
        return one(a.with(quotient));
    }
    one(a.with(cx.g.unary(UnaryFn::Truncate, quotient)?))
}

/// Power; of integers, toward zero.
fn pow(cx: &mut Cx<'_, '_>) -> Outputs {
    let (a, b) = operands(cx)?;
    if let Some(exponent) = cx.g.uniform(b).filter(|_| cx.g.broadcast(&[a.id, b]).is_ok()) {
        let f = match exponent {
            1.0 => Some(x()),
            2.0 => Some(x() * x()),
            3.0 => Some(x() * (x() * x())),
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
    let positive = |id| cx.g.value(id).is_some_and(|value| value.data().iter().all(|&x| x > 0.0));
    let several = cx.g.uniform(a.id).is_none();
    let power = if is_float(a.kind) && several && cx.g.value(b).is_none() && positive(a.id) {
        // Constant bases that have a power of any exponent.
        let log = cx.g.unary(UnaryFn::Log, a.id)?;
        let product = cx.g.mul(b, log)?;
        cx.g.unary(UnaryFn::Exp, product)?
    } else {
        cx.g.binary(BinaryFn::Pow, a.id, b)?
    };
    if is_float(a.kind) {
        return one(a.with(power));
    }
    one(a.with(cx.g.unary(UnaryFn::Truncate, power)?))
}

/// Remainder; the sign is the divisor's, or with `fmod` the dividend's.
fn modulo(cx: &mut Cx<'_, '_>) -> Outputs {
    let f = if cx.flag("fmod", false) { BinaryFn::Fmod } else { BinaryFn::Mod };
    binary(cx, f)
}

/// `Max`, `Min`, `Sum` of any number of operands.
fn variadic(cx: &mut Cx<'_, '_>, f: BinaryFn) -> Outputs {
    let first = cx.number(0)?;
    let mut sum = first.id;
    for index in 1..cx.inputs.len() {
        let next = cx.number(index)?;
        sum = cx.g.binary(f, sum, next.id)?;
    }
    one(first.with(sum))
}

/// Mean of any number of operands.
fn mean(cx: &mut Cx<'_, '_>) -> Outputs {
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
fn where_op(cx: &mut Cx<'_, '_>) -> Outputs {
    let condition = cx.number(0)?;
    let [a, b] = [cx.tensor(1)?, cx.tensor(2)?];
    let [a, b] = if a.kind == DataType::String { same_names(cx, [a, b])? } else { [a, b] };
    one(a.with(cx.g.choose(condition.id, a.id, b.id)?))
}

/// Both operands; before opset 7 the second is laid along the axis that an attribute names.
pub(super) fn operands(cx: &mut Cx<'_, '_>) -> Result<(Value, NodeId), Reason> {
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

/// Two string tensors over one list of names; constants are rewritten.
pub(super) fn same_names(cx: &mut Cx<'_, '_>, [a, b]: [Value; 2]) -> Result<[Value; 2], Reason> {
    let (Some(names_a), Some(names_b)) = (&a.names, &b.names) else {
        return Err(Reason::Strings);
    };
    if names_a == names_b {
        return Ok([a, b]);
    }
    // What is not in the list of an input's texts is one code, whatever text it is.
    for (open, other) in [(names_a, names_b), (names_b, names_a)] {
        if text::is_open(open) && !other.iter().all(|name| open.contains(name)) {
            return Err(Reason::TextLeaves);
        }
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

/// Converts to the element type of an attribute.
fn cast_to(cx: &mut Cx<'_, '_>) -> Outputs {
    let to = data_type(i32::try_from(cx.int("to", 0)).unwrap_or(0))?;
    cast(cx, to)
}

/// Converts to the element type of the second operand.
fn cast_like(cx: &mut Cx<'_, '_>) -> Outputs {
    let to = cx.tensor(1)?.kind;
    cast(cx, to)
}

/// Converts between element types.
///
/// Floats become integers toward zero; anything but 0 becomes true. Values that the new type cannot
/// hold are not modelled, but for types of 4 bits, nor is the rounding to narrower floats.
fn cast(cx: &mut Cx<'_, '_>, to: DataType) -> Outputs {
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
            let not = x().then(UnaryFn::Not).then(UnaryFn::Not);
            cx.g.map(not, from.id)?
        }
        // Integers of 4 bits keep the low bits of what does not fit.
        DataType::Int4 | DataType::Uint4 => {
            let whole = cx.g.unary(UnaryFn::Truncate, from.id)?;
            bits::wrap(cx, whole, to)?
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
