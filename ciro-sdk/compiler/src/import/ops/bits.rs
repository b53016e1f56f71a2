//! Operators on the bits of integers, by arithmetic.

use super::arithmetic::operands;
use crate::float::scalar::{c, x};
use crate::float::{BinaryFn, NodeId, UnaryFn};
use crate::import::Reason;
use crate::import::context::{Context, Cx, Family};
use crate::import::data_type::{DataType, data_type, integer_bits, integer_range};
use crate::import::value::{Outputs, one};

pub(super) const OPS: Family = &[
    ("BitCast", 26, bit_cast),
    ("BitShift", 11, bit_shift),
    ("BitwiseAnd", 18, |cx| bitwise(cx, BinaryFn::And)),
    ("BitwiseNot", 18, bitwise_not),
    ("BitwiseOr", 18, |cx| bitwise(cx, BinaryFn::Or)),
    ("BitwiseXor", 18, |cx| bitwise(cx, BinaryFn::Xor)),
];

/// Shifts by a number of bits: a product or quotient with a power of two.
fn bit_shift(cx: &mut Cx<'_, '_>) -> Outputs {
    let (a, b) = operands(cx)?;
    // Shifts by a negative number, or by more than there are bits, leave nothing but the sign.
    let bits = f64::from(integer_bits(a.kind).ok_or(NOT_INTEGERS)?);
    let inside = x().min(c(bits));
    let b = cx.g.map(x().less(c(0.0)).choose(c(bits), inside), b)?;
    let two = cx.g.scalar(2.0)?;
    let power = cx.g.binary(BinaryFn::Pow, two, b)?;
    if cx.text("direction", "") == "RIGHT" {
        let quotient = cx.g.div(a.id, power)?;
        return one(a.with(cx.g.unary(UnaryFn::Floor, quotient)?));
    }
    let product = cx.g.mul(a.id, power)?;
    one(a.with(wrap(cx, product, a.kind)?))
}

/// The integer of another type with the same bits.
fn bit_cast(cx: &mut Cx<'_, '_>) -> Outputs {
    let from = cx.number(0)?;
    let to = data_type(i32::try_from(cx.int("to", 0)).unwrap_or(0))?;
    let span = |kind| integer_range(kind).map(|(low, high)| high - low);
    let same = span(from.kind).is_some() && span(from.kind) == span(to);
    match (from.kind, to) {
        (DataType::Bool, DataType::Uint8) => Context::give(from.id, to),
        _ if same => Context::give(wrap(cx, from.id, to)?, to),
        _ => Err(Reason::Unsupported("the bits of floats have no integer meaning").into()),
    }
}

/// `-1 - x` of signed integers, `max - x` of unsigned ones.
fn bitwise_not(cx: &mut Cx<'_, '_>) -> Outputs {
    let a = cx.number(0)?;
    let (low, high) = integers(a.kind)?;
    one(a.with(cx.g.map(c(low + high) - x(), a.id)?))
}

/// Bitwise logic of integers, bit after bit.
///
/// The operands are shifted into `0 .. 2^bits`, which keeps their bits in two's complement.
fn bitwise(cx: &mut Cx<'_, '_>, f: BinaryFn) -> Outputs {
    let (a, b) = operands(cx)?;
    let bits = integer_bits(a.kind).ok_or(NOT_INTEGERS)?;
    // Doubles hold 53 bits: wider integers have to be constants that fit.
    let fits =
        |id| cx.g.value(id).is_some_and(|v| v.data().iter().all(|x| (0.0..EXACT).contains(x)));
    if bits > 32 && !(fits(a.id) && fits(b)) {
        return Err(Reason::Unsupported("bitwise operators of 64-bit integers").into());
    }
    let bits = bits.min(53);
    let span = 2f64.powi(bits);
    let [a_bits, b_bits] =
        [cx.g.with(BinaryFn::Mod, a.id, span)?, cx.g.with(BinaryFn::Mod, b, span)?];
    let mut sum: Option<NodeId> = None;
    for bit in 0..bits {
        let weight = 2f64.powi(bit);
        let digit = (x() * c(weight.recip())).floor() % c(2.0);
        let (a_bit, b_bit) = (cx.g.map(digit.clone(), a_bits)?, cx.g.map(digit, b_bits)?);
        let both = cx.g.binary(f, a_bit, b_bit)?;
        let part = cx.g.with(BinaryFn::Mul, both, weight)?;
        sum = Some(match sum {
            Some(sum) => cx.g.add(sum, part)?,
            None => part,
        });
    }
    let sum = sum.ok_or(NOT_INTEGERS)?;
    one(a.with(wrap(cx, sum, a.kind)?))
}

/// The number of a type's range that is equal modulo its span.
pub(super) fn wrap(cx: &mut Cx<'_, '_>, id: NodeId, kind: DataType) -> Result<NodeId, Reason> {
    let (low, high) = integers(kind)?;
    let rest = cx.g.with(BinaryFn::Mod, id, high - low + 1.0)?;
    if low == 0.0 {
        return Ok(rest);
    }
    let above = x().greater(c(high));
    cx.g.map(above.choose(x() - c(high - low + 1.0), x()), rest)
}

fn integers(kind: DataType) -> Result<(f64, f64), Reason> {
    integer_range(kind).ok_or(NOT_INTEGERS)
}

const NOT_INTEGERS: Reason = Reason::Unsupported("bitwise operators need integers");
/// Every smaller non-negative integer is a double.
const EXACT: f64 = 9_007_199_254_740_992.0;
