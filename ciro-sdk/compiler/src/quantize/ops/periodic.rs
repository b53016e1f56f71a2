//! Functions that repeat themselves: sines and cosines over many turns.
//!
//! A table over all turns would be coarse where each of them needs to be fine. The operand is
//! counted in parts of a turn instead, and what is left of it after whole turns has a table.

use super::table::{self, Told};
use crate::float::{NodeId, ScalarFn, UnaryFn};
use crate::quantize::emit::exponent;
use crate::quantize::error::QuantizeError;
use crate::quantize::expr::Expr;
use crate::quantize::grid::{Reach, ceil_log2, pow2};
use crate::quantize::lower::Lowering;
use crate::quantize::steep::Steepness;
use ciro_model::integer::ConstId;
use ciro_model::integer::ops::{Combine, Lookup, Requantize};

/// Up to so many turns one table does.
const TURNS: f64 = 4.0;
/// The fewest bits of a turn.
const BITS_MIN: u32 = 8;
/// The most bits of a turn: the table has as many entries.
const BITS_MAX: u32 = 16;
/// Turns in parts stay below this power of two, so that they can be told from what is left of them.
const ROOM: i32 = 28;

/// A function of many turns, if it is one and has been seen over many.
pub(super) fn of(
    cx: &mut Lowering<'_>,
    id: NodeId,
    f: &ScalarFn,
) -> Result<Option<Expr>, QuantizeError> {
    let Some(period) = period(f) else { return Ok(None) };
    let operand = cx.graph.node(id).operands[0];
    if cx.ranges[operand.index()].width() <= TURNS * period {
        return Ok(None);
    }
    let expr = cx.expr(operand)?;
    let turns = Reach::of(&expr, &cx.builder).range.max_abs() / period;
    let room = ROOM - ceil_log2(turns.max(1.0));
    let effort = cx.effort(id).max(cx.effort(operand));
    let wanted = (cx.settings.table_bits + effort).min(BITS_MAX);
    let bits = wanted.min(u32::try_from(room).unwrap_or(0));
    if expr.terms.is_empty() || bits < BITS_MIN {
        return Ok(None);
    }
    let name = cx.graph.node(id).name.clone();
    let parts = pow2(exponent(bits));
    let turned = expr.times(parts / period);
    let turned = cx.round_at(&turned, 1.0, None, &format!("{name}.turned"))?;
    let whole = cx.shift_right(turned.id, bits, parts)?;
    let (half, turn) = (1i32 << (bits - 1), 1i32 << bits);
    let rest = Combine { coefficients: vec![1, -turn], constant: 0 };
    let rest = cx.push(&format!("{name}.rest"), rest, &[turned.id, whole], 1.0)?;
    // What is left of a whole turn, after rounding it, is within half a turn: nothing is cut.
    let inside = Requantize { shift: 0, lo: -half, hi: half };
    let rest = cx.push(&format!("{name}.inside"), inside, &[rest], 1.0)?;
    let values: Vec<f64> =
        (-half..=half).map(|part| f.eval(f64::from(part) / parts * period)).collect();
    let steep = match Steepness::of(cx, id, false) {
        Some(known) => {
            let entries = (-half..=half).map(|part| f64::from(part) / parts * period).zip(&values);
            let cell = 0.5 * period / parts;
            entries.map(|(x, &y)| known.uncertain(x - cell, x + cell, y)).collect()
        }
        None => vec![],
    };
    let told = Told { hull: 0..=values.len() - 1, values: &values, steep: &steep };
    let op = Lookup { offset: 0, shift: 0, lo: -half, table: ConstId(0) };
    table::emit(cx, id, rest, &told, &op).map(Some)
}

/// The period of a function that reads its variable through sines and cosines alone.
pub(in crate::quantize) fn period(f: &ScalarFn) -> Option<f64> {
    let mut slopes = vec![];
    if !turns(f, &mut slopes) {
        return None;
    }
    let least = slopes.iter().copied().fold(f64::INFINITY, f64::min);
    let whole = |slope: &f64| (slope / least - (slope / least).round()).abs() < 1e-9;
    (least.is_finite() && slopes.iter().all(whole)).then(|| std::f64::consts::TAU / least)
}

/// Gathers how fast the variable turns; `false` if it is read in another way.
fn turns(f: &ScalarFn, slopes: &mut Vec<f64>) -> bool {
    match f {
        ScalarFn::X => false,
        ScalarFn::Const(_) => true,
        ScalarFn::Unary(UnaryFn::Sin | UnaryFn::Cos, inner) => match inner.affine() {
            Some((slope, _)) => {
                slopes.extend((slope != 0.0).then_some(slope.abs()));
                true
            }
            None => turns(inner, slopes),
        },
        ScalarFn::Unary(_, inner) => turns(inner, slopes),
        ScalarFn::Binary(_, a, b) => turns(a, slopes) && turns(b, slopes),
        ScalarFn::Where(condition, a, b) => {
            [condition, a, b].into_iter().all(|part| turns(part, slopes))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::BinaryFn;

    fn sine(slope: f64, offset: f64) -> ScalarFn {
        let scaled = ScalarFn::binary(BinaryFn::Mul, ScalarFn::X, ScalarFn::Const(slope));
        let inner = ScalarFn::binary(BinaryFn::Add, scaled, ScalarFn::Const(offset));
        ScalarFn::Unary(UnaryFn::Sin, Box::new(inner))
    }

    #[test]
    fn what_turns_by_multiples_of_one_speed_has_a_period() {
        let near = |f: &ScalarFn, expected: f64| {
            let found = period(f).expect("it repeats itself");
            assert!((found / expected - 1.0).abs() < 1e-9, "{found}");
        };
        let tau = std::f64::consts::TAU;
        near(&sine(1.0, 0.3), tau);
        near(&sine(-4.0, 0.0), tau / 4.0);
        near(&ScalarFn::binary(BinaryFn::Mul, sine(6.0, 1.0), sine(2.0, 0.0)), tau / 2.0);
        near(&ScalarFn::Unary(UnaryFn::Exp, Box::new(sine(2.0, 0.0))), tau / 2.0);
    }

    #[test]
    fn other_functions_have_none() {
        assert_eq!(period(&ScalarFn::X), None);
        assert_eq!(period(&ScalarFn::Const(1.0)), None);
        assert_eq!(period(&ScalarFn::binary(BinaryFn::Add, sine(1.0, 0.0), ScalarFn::X)), None);
        assert_eq!(period(&ScalarFn::binary(BinaryFn::Add, sine(2.0, 0.0), sine(3.0, 0.0))), None);
    }
}
