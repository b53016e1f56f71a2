//! The unit at which an expression is computed, in closed form.
//!
//! A term that is one tensor times a factor enters a sum at `unit` as `coefficient * (x >> shift)`:
//! the shift rounds the tensor, the coefficient rounds the factor. Both errors are known
//! beforehand, so each tensor is rounded at most once, by the shift with the smallest error, and a
//! unit that does not fit is doubled: nothing is computed twice, and nothing recurs.

use std::borrow::Cow;

use super::emit::{Grid, exponent};
use super::error::{QuantizeError, Refusal};
use super::expr::{Core, Expr, Term};
use super::grid::{Lattice, Reach, ceil_log2, pow2, shift_between, step_at_least};
use super::lower::Lowering;
use ciro_model::integer::BOUND;

/// The largest shift of a tensor.
const SHIFT_MAX: u32 = 28;

/// How often a unit that does not fit is doubled.
const DOUBLINGS: u32 = 64;

/// Rounding errors of less than this part of the result's step are not worth a node.
const HARMLESS: f64 = 0.125;

/// Products whose rounded weights may add up to more than this many units get a narrower operand.
const SLACK_MAX: f64 = (1u32 << 28) as f64;

/// How the tensors of an expression are rounded for a sum at some unit.
struct Plan {
    /// The shift of each term's tensor.
    shifts: Vec<u32>,
    /// The greatest absolute integer of the sum.
    units: f64,
}

impl Plan {
    /// The plan for a sum at `unit` in which errors up to `tolerated` do not matter.
    fn of(expr: &Expr, cx: &Lowering<'_>, reach: &Reach, unit: f64, tolerated: f64) -> Self {
        let mut plan = Self { shifts: vec![0; expr.terms.len()], units: reach.units(unit) };
        for (term, shift) in expr.terms.iter().zip(&mut plan.shifts) {
            let Core::Value { x, factor } = term.core else { continue };
            let most = cx.builder.node(x).interval.max_abs() as f64;
            let error;
            (*shift, error) = least_error(factor.abs(), most, unit, tolerated);
            // The reach counts one unit for each term already.
            plan.units += (error / unit - 1.0).max(0.0);
        }
        plan
    }
}

/// The shift of a tensor of integers up to `most`, worth `factor` each, that a sum at `unit` takes
/// with the least error, and that error; no shift if its error is at most `tolerated`.
fn least_error(factor: f64, most: f64, unit: f64, tolerated: f64) -> (u32, f64) {
    let error = |shift: u32| {
        let scale = pow2(exponent(shift));
        let rounding = if shift == 0 { 0.0 } else { 0.5 * factor * scale };
        let coefficient = (factor * scale / unit).round_ties_even() * unit - factor * scale;
        rounding + coefficient.abs() * (most / scale).ceil()
    };
    let plain = error(0);
    if plain <= tolerated.max(1e-9 * factor * most) {
        return (0, plain);
    }
    let errors = (0..=SHIFT_MAX).map(|shift| (shift, error(shift)));
    errors.fold((0, plain), |best, next| if next.1 < best.1 { next } else { best })
}

impl Lowering<'_> {
    /// The unit and shift at which an expression is best rounded to `step`, or to its own unit
    /// where that is coarser; finer operands than fit are rounded first.
    pub(super) fn grid<'e>(
        &mut self,
        expr: &'e Expr,
        step: f64,
    ) -> Result<(Cow<'e, Expr>, Grid), QuantizeError> {
        let expr = self.without_zeros(expr);
        if expr.terms.is_empty() {
            return Ok((expr, Grid { unit: step, shift: 0 }));
        }
        let expr = self.with_narrow_operands(expr)?;
        let expr = self.with_parts(expr)?;
        let reach = Reach::of(&expr, &self.builder);
        let lattice = Lattice::of(&expr).refined(step);
        for doubling in 0..=DOUBLINGS {
            let scale = pow2(exponent(doubling));
            let Some(grid) = grid_at(&lattice, &reach, step, scale) else { continue };
            let plan = Plan::of(&expr, self, &reach, grid.unit, grid.step() * HARMLESS);
            if plan.units + pow2(exponent(grid.shift)) / 2.0 < BOUND as f64 {
                return Ok((self.shifted(expr, &plan.shifts)?, grid));
            }
        }
        Err(self.refuse(Refusal::NoRoom))
    }

    /// The expression and the unit at which it is as fine as integers below `limit` allow.
    pub(super) fn finest_unit<'e>(
        &mut self,
        expr: &'e Expr,
        limit: f64,
    ) -> Result<(Cow<'e, Expr>, f64), QuantizeError> {
        let expr = self.without_zeros(expr);
        let expr = self.with_narrow_operands(expr)?;
        let expr = self.with_parts(expr)?;
        let reach = Reach::of(&expr, &self.builder);
        let base = Lattice::of(&expr).base;
        let limit = limit.min(BOUND as f64);
        let room = limit - 1.0 - reach.slack;
        if room < 1.0 {
            return Err(self.refuse(Refusal::NoRoom));
        }
        let least = reach.most / room;
        let unit = if least > 0.0 { step_at_least(base, least) } else { base };
        for doubling in 0..=DOUBLINGS {
            let unit = unit * pow2(exponent(doubling));
            let plan = Plan::of(&expr, self, &reach, unit, 0.0);
            if plan.units < limit {
                return Ok((self.shifted(expr, &plan.shifts)?, unit));
            }
        }
        Err(self.refuse(Refusal::NoRoom))
    }

    /// The expression with tensors rounded for a sum at `unit`, if that stays below 2^30 by more
    /// than `half`.
    pub(super) fn fitted<'e>(
        &mut self,
        expr: &'e Expr,
        unit: f64,
        half: f64,
    ) -> Result<Option<Cow<'e, Expr>>, QuantizeError> {
        let reach = Reach::of(expr, &self.builder);
        let plan = Plan::of(expr, self, &reach, unit, 2.0 * half * unit * HARMLESS);
        if plan.units + half >= BOUND as f64 {
            return Ok(None);
        }
        self.shifted(Cow::Borrowed(expr), &plan.shifts).map(Some)
    }

    /// Rounds the tensors of an expression.
    fn shifted<'e>(
        &mut self,
        mut expr: Cow<'e, Expr>,
        shifts: &[u32],
    ) -> Result<Cow<'e, Expr>, QuantizeError> {
        for (at, &shift) in shifts.iter().enumerate().filter(|(_, shift)| **shift > 0) {
            let Core::Value { x, factor } = expr.terms[at].core else { continue };
            let coarser = pow2(exponent(shift));
            let x = self.shift_right(x, shift, self.builder.node(x).scale * coarser)?;
            expr.to_mut().terms[at].core = Core::Value { x, factor: factor * coarser };
        }
        Ok(expr)
    }

    /// The expression without tensors that are zero, whose units say nothing.
    pub(super) fn without_zeros<'e>(&self, expr: &'e Expr) -> Cow<'e, Expr> {
        let zero = |term: &Term| match term.core {
            Core::Value { x, .. } => self.builder.node(x).interval.max_abs() == 0,
            _ => false,
        };
        if !expr.terms.iter().any(zero) {
            return Cow::Borrowed(expr);
        }
        let terms = expr.terms.iter().filter(|term| !zero(term)).cloned().collect();
        Cow::Owned(Expr { terms, shape: expr.shape.clone(), offset: expr.offset.clone() })
    }

    /// Takes wide tensors apart that are added with factors without a common unit, where the sum
    /// has been found worth it: the rounding of a factor then costs what a narrow part makes of it.
    fn with_parts<'e>(&mut self, expr: Cow<'e, Expr>) -> Result<Cow<'e, Expr>, QuantizeError> {
        let effort = self.effort(self.at);
        // Ranks have less room than sums of parts need.
        let ranked = self.demands[self.at.index()].is_ranked();
        match effort == 0 || ranked || Lattice::of(&expr).exact {
            true => Ok(expr),
            false => self.apart(expr.into_owned(), effort).map(Cow::Owned),
        }
    }

    /// Rounds operands of products that are so wide that the rounding of weights alone would fill
    /// 2^30.
    fn with_narrow_operands<'e>(
        &mut self,
        mut expr: Cow<'e, Expr>,
    ) -> Result<Cow<'e, Expr>, QuantizeError> {
        for at in 0..expr.terms.len() {
            let (x, terms) = match &expr.terms[at].core {
                Core::Linear { x, weight, .. } => (*x, weight.shape()[0]),
                Core::Conv { x, weight, .. } => (*x, weight.shape()[1..].iter().product()),
                Core::Value { .. } | Core::Scaled { .. } => continue,
            };
            let slack = 0.5 * terms as f64 * self.builder.node(x).interval.max_abs() as f64;
            if slack < SLACK_MAX {
                continue;
            }
            let shift = u32::try_from(ceil_log2(slack / SLACK_MAX)).unwrap_or(0).min(SHIFT_MAX);
            let scale = pow2(exponent(shift));
            let rounded = self.shift_right(x, shift, self.builder.node(x).scale * scale)?;
            if let Core::Linear { x, weight, .. } | Core::Conv { x, weight, .. } =
                &mut expr.to_mut().terms[at].core
            {
                *x = rounded;
                *weight = weight.map(|w| w * scale);
            }
        }
        Ok(expr)
    }
}

/// The unit and shift for results of `step`, `scale` times as coarse as would be best; `None` if it
/// does not fit.
fn grid_at(lattice: &Lattice, reach: &Reach, step: f64, scale: f64) -> Option<Grid> {
    if lattice.exact {
        let unit = lattice.base * scale;
        return Some(Grid { unit, shift: shift_between(unit, step) });
    }
    let step = if lattice.fixed { step.max(lattice.base) } else { step } * scale;
    let most = reach.shift_max(step)?;
    let least = if lattice.fixed { shift_between(lattice.base, step) } else { 0 };
    let shift = if least <= most { reach.shift_wanted().clamp(least, most) } else { most };
    Some(Grid { unit: step * pow2(-exponent(shift)), shift })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn factors_that_are_multiples_of_the_unit_are_not_rounded() {
        assert_eq!(least_error(3.0, 1e6, 1.0, 0.0), (0, 0.0));
        assert_eq!(least_error(0.25, 1e6, 1.0, 0.0), (2, 0.5));
        // Three quarters of a unit: exact only four times as coarse.
        assert_eq!(least_error(0.75, 1e6, 1.0, 0.0), (2, 1.5));
    }

    #[test]
    fn wide_tensors_of_odd_factors_share_the_bits_between_tensor_and_coefficient() {
        let (shift, error) = least_error(std::f64::consts::SQRT_2, 1e8, 1.0, 0.0);
        assert!((10..=16).contains(&shift) && error < 2e4, "{shift} {error}");
    }

    proptest! {
        #[test]
        fn no_shift_has_a_smaller_error(
            factor in 1e-6f64..1e6, most in 1f64..1e9, unit in 1e-3f64..1e3, other in 0u32..28,
        ) {
            let (shift, error) = least_error(factor, most, unit, 0.0);
            prop_assert!(shift <= SHIFT_MAX);
            let scale = pow2(exponent(other));
            let coefficient = (factor * scale / unit).round_ties_even() * unit - factor * scale;
            let rounding = if other == 0 { 0.0 } else { 0.5 * factor * scale };
            let another = rounding + coefficient.abs() * (most / scale).ceil();
            prop_assert!(error <= another.max(1e-9 * factor * most));
        }
    }
}
