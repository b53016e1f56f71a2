//! Wide tensors in two parts, for products that would not fit below 2^30.
//!
//! A factor with many bits leaves none for what it is multiplied with: the bits of both, and of the
//! sum, share 30. In two parts, `x = 2^k high + low`, the high part carries the range and meets
//! fine weights, and the low part, which is small, meets coarse ones. The sum of both products is
//! rounded no more than it would be anyway.

use super::emit::exponent;
use super::error::QuantizeError;
use super::expr::{Core, Expr, Term, Value};
use super::grid::{ceil_log2, pow2};
use super::lower::Lowering;
use crate::float::NodeId;
use ciro_model::integer::ops::{Combine, Mul, Requantize};
use ciro_model::integer::{BOUND, room};

/// Narrower tensors are not split.
const NARROW: f64 = (1u32 << 13) as f64;
/// Wider tensors are taken apart before they meet factors that have to be rounded.
const WIDE: i64 = 1 << 15;
/// From so many bits of effort on, tensors are taken apart in three.
const THREE: u32 = 9;

impl Lowering<'_> {
    /// The parts of a factor of a product with weights: the tensor itself, unless it has been found
    /// worth so many bits that two parts are better.
    pub(super) fn parts(&mut self, id: NodeId, x: Value) -> Result<Vec<Value>, QuantizeError> {
        match self.effort(id) {
            0 => Ok(vec![x]),
            effort if effort < THREE || !self.is_wide(x) => self.halves(x),
            _ => self.thirds(x),
        }
    }

    /// A tensor as `[high, low]`, unless it is narrow.
    pub(super) fn halves(&mut self, x: Value) -> Result<Vec<Value>, QuantizeError> {
        let most = self.interval(x).max_abs() as f64;
        if !self.is_wide(x) {
            return Ok(vec![x]);
        }
        let shift = u32::try_from(ceil_log2(most) / 2).unwrap_or(0);
        Ok(self.split(x, shift)?.to_vec())
    }

    fn is_wide(&self, x: Value) -> bool {
        self.interval(x).max_abs() as f64 > NARROW
    }

    /// `[high, middle, low]` with `x = high + middle + low`.
    pub(super) fn thirds(&mut self, x: Value) -> Result<Vec<Value>, QuantizeError> {
        let most = self.interval(x).max_abs() as f64;
        let shift = u32::try_from(ceil_log2(most) / 3).unwrap_or(0).max(1);
        let [upper, low] = self.split(x, shift)?;
        let [high, middle] = self.split(upper, shift)?;
        Ok(vec![high, middle, low])
    }

    /// The same expression with its wide tensors taken apart, for what has been found worth
    /// `effort` bits.
    pub(super) fn apart(&mut self, expr: Expr, effort: u32) -> Result<Expr, QuantizeError> {
        if effort == 0 {
            return Ok(expr);
        }
        let mut terms = vec![];
        for term in expr.terms {
            let (x, factor) = match term.core {
                Core::Value { x, factor } if self.builder.node(x).interval.max_abs() > WIDE => {
                    (x, factor)
                }
                _ => {
                    terms.push(term);
                    continue;
                }
            };
            let scale = self.builder.node(x).scale;
            for part in self.thirds(Value { id: x, scale })? {
                let factor = factor * (part.scale / scale);
                let core = Core::Value { x: part.id, factor };
                terms.push(Term { core, moves: term.moves.clone() });
            }
        }
        Ok(Expr { terms, ..expr })
    }

    /// `[high, low]` with `x = high + low`, `low` at most half a unit of `high`.
    pub(super) fn split(&mut self, x: Value, shift: u32) -> Result<[Value; 2], QuantizeError> {
        // What is left is cut to what a remainder may be, which compares it.
        let x = self.within(x, (room::COMPARED / 2) as f64 - pow2(exponent(shift)))?;
        let scale = x.scale * pow2(exponent(shift));
        let high = self.shift_right(x.id, shift, scale)?;
        let name = self.builder.node(x.id).name.clone();
        let low = Combine { coefficients: vec![1, -(1 << shift)], constant: 0 };
        let low = self.push(&format!("{name}.low"), low, &[x.id, high], x.scale)?;
        // Interval analysis does not see that what is left is a remainder.
        let half = 1 << (shift - 1);
        let op = Requantize { shift: 0, lo: -half, hi: half };
        let low = self.push(&format!("{name}.remainder"), op, &[low], x.scale)?;
        Ok([Value { id: high, scale }, Value { id: low, scale: x.scale }])
    }

    /// The product of two tensors of one shape, `terms` of which will be added up: whole where it
    /// fits, in two parts where the result has been found worth the bits, else with rounded
    /// factors.
    pub(super) fn times(
        &mut self,
        [a, b]: [Value; 2],
        (terms, effort): (usize, u32),
    ) -> Result<Expr, QuantizeError> {
        let name = self.node().name.clone();
        let shape = self.builder.node(a.id).shape.clone();
        let most = [a, b].map(|value| (self.interval(value).max_abs() as f64).max(1.0));
        let room = BOUND as f64 / terms.max(1) as f64;
        let (wide, other) = if most[0] >= most[1] { (a, b) } else { (b, a) };
        let (wide_most, other_most) = (most[0].max(most[1]), most[0].min(most[1]));
        // The high part needs to be so narrow, and the low part too.
        let shift = ceil_log2(wide_most * other_most / room) + 1;
        let low = pow2(shift - 1) * other_most;
        let splits = effort > 0 && shift > 1 && low < room && wide_most > pow2(shift);
        let parts = match u32::try_from(shift) {
            Ok(shift) if splits => self.split(wide, shift)?.map(|part| [part, other]).to_vec(),
            Ok(shift) if effort > 0 && shift > 1 => self.both_split([a, b], room)?,
            _ => vec![self.fit([a, b], terms)?],
        };
        let mut sum: Option<Expr> = None;
        for [a, b] in parts {
            let scale = a.scale * b.scale;
            let id = self.push(&name, Mul, &[a.id, b.id], scale)?;
            let part = Expr::value(shape.clone(), Value { id, scale });
            sum = Some(match sum {
                Some(sum) => sum.plus(part),
                None => part,
            });
        }
        Ok(sum.expect("there is a part"))
    }

    /// The factors of the products that `a b` is the sum of, with both taken apart so that each of
    /// them is below `room`; what is wider than that allows is rounded first.
    fn both_split(
        &mut self,
        [a, b]: [Value; 2],
        room: f64,
    ) -> Result<Vec<[Value; 2]>, QuantizeError> {
        // A part of so many bits times another has room.
        let bits = (ceil_log2(room + 1.0) - 1) / 2;
        let shift = u32::try_from(bits).unwrap_or(0).max(2) - 1;
        let most = pow2(2 * bits - 1) - pow2(bits);
        let mut halves = |x: Value| {
            let x = self.within(x, most)?;
            self.split(x, shift)
        };
        let [a_high, a_low] = halves(a)?;
        if a == b {
            let doubled = Value { scale: 2.0 * a_low.scale, ..a_low };
            return Ok(vec![[a_high, a_high], [a_high, doubled], [a_low, a_low]]);
        }
        let [b_high, b_low] = halves(b)?;
        Ok(vec![[a_high, b_high], [a_high, b_low], [a_low, b_high], [a_low, b_low]])
    }
}
