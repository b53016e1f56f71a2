//! Turns expressions into nodes of the integer model.

use std::borrow::Cow;

use super::calibrate::Range;
use super::casts::{narrow, round_to_i64};
use super::error::{QuantizeError, Refusal};
use super::expr::{Core, Expr, Term, Value, along, count, rebuilt};
use super::grid::{
    Lattice, QUOTIENT_BITS, QUOTIENT_BITS_MAX, Reach, ceil_log2, pow2, real, step_at_least,
    union_reach,
};
use super::lower::Lowering;
use super::target::{Clamp, Target};
use ciro_model::integer::ops::{Combine, Constant, Conv, Linear, Mul, Requantize};
use ciro_model::integer::{BOUND, ConstId, Interval, ModelError, NodeId, Op};
use ciro_model::movement::Movement;
use ciro_model::tensor::Tensor;

/// A unit and a shift: sums are computed at `unit` and rounded to `unit * 2^shift`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Grid {
    pub(super) unit: f64,
    pub(super) shift: u32,
}

impl Grid {
    /// The scale after rounding.
    pub(super) fn step(self) -> f64 {
        self.unit * pow2(i32::try_from(self.shift).unwrap_or(0))
    }
}

impl Lowering<'_> {
    /// Emits an expression with integers of unit `unit`: `real = unit * integer`, up to the
    /// rounding of weights.
    pub(super) fn emit(
        &mut self,
        expr: &Expr,
        unit: f64,
        name: &str,
    ) -> Result<NodeId, QuantizeError> {
        let expr = &self.joined(expr, unit, name)?;
        let offset = expr.offset.as_ref().map(|c| self.integers(c, unit)).transpose()?;
        if let ([term], None) = (&expr.terms[..], &offset) {
            let (id, coefficient) = self.emit_term(term, unit, name)?;
            if coefficient == 1 {
                return Ok(id);
            }
            return self.push(
                name,
                Combine { coefficients: vec![coefficient], constant: 0 },
                &[id],
                unit,
            );
        }
        let mut operands = vec![];
        let mut coefficients = vec![];
        for term in &expr.terms {
            let (id, coefficient) = self.emit_term(term, unit, &format!("{name}.term"))?;
            operands.push(id);
            coefficients.push(coefficient);
        }
        let mut constant = 0;
        if let Some(offset) = offset {
            match offset.data().split_first() {
                Some((&first, rest))
                    if !operands.is_empty() && rest.iter().all(|&c| c == first) =>
                {
                    constant = first;
                }
                _ => {
                    let label =
                        if operands.is_empty() { name } else { &format!("{name}.constant") };
                    operands.push(self.constant(offset, unit, label)?);
                    coefficients.push(1);
                }
            }
        }
        if operands.is_empty() {
            let zero = rebuilt(&expr.shape, vec![0; count(&expr.shape)]);
            return self.constant(zero, unit, name);
        }
        if let (&[id], &[1], 0) = (&operands[..], &coefficients[..], constant) {
            return Ok(id);
        }
        self.push(name, Combine { coefficients, constant }, &operands, unit)
    }

    /// Joins products of several tensors with matrices, `x A + h B`, into one: `[x h] [A; B]`.
    ///
    /// One tensor has one interval, so every weight then meets the union of both: where that could
    /// leave 2^30, the products stay apart.
    fn joined<'e>(
        &mut self,
        expr: &'e Expr,
        unit: f64,
        name: &str,
    ) -> Result<Cow<'e, Expr>, QuantizeError> {
        let plain =
            |term: &&Term| term.moves.is_empty() && matches!(term.core, Core::Linear { .. });
        if expr.terms.iter().filter(plain).count() < 2
            || union_reach(expr, &self.builder).units(unit) >= BOUND as f64
        {
            return Ok(Cow::Borrowed(expr));
        }
        let (products, mut terms): (Vec<_>, Vec<_>) =
            expr.terms.iter().cloned().partition(|term| plain(&term));
        let mut operands = vec![];
        let mut weights = vec![];
        let mut sum: Option<Vec<f64>> = None;
        for term in products {
            let Core::Linear { x, weight, bias } = term.core else { continue };
            operands.push(x);
            weights.extend(weight.into_data());
            sum = match (sum, bias) {
                (Some(a), Some(b)) => Some(a.iter().zip(&b).map(|(a, b)| a + b).collect()),
                (a, b) => a.or(b),
            };
        }
        let axis = expr.shape.len() - 1;
        let columns = expr.shape[axis];
        let scale = self.builder.node(operands[0]).scale;
        let joined = Movement::Concat { axis };
        let x = self.push(&format!("{name}.joined"), joined, &operands, scale)?;
        let weight = rebuilt(&[weights.len() / columns.max(1), columns], weights);
        terms.push(Term { core: Core::Linear { x, weight, bias: sum }, moves: vec![] });
        let (shape, offset) = (expr.shape.clone(), expr.offset.clone());
        Ok(Cow::Owned(Expr { shape, terms, offset }))
    }

    /// A constant tensor as a node.
    pub(super) fn constant(
        &mut self,
        value: Tensor<i32>,
        scale: f64,
        name: &str,
    ) -> Result<NodeId, QuantizeError> {
        let value = self.builder.constant(value);
        self.push(name, Constant { value }, &[], scale)
    }

    /// Rounds real numbers to units.
    pub(super) fn integers(
        &self,
        real: &Tensor<f64>,
        unit: f64,
    ) -> Result<Tensor<i32>, QuantizeError> {
        let data = real.data().iter().map(|&x| to_integer(x / unit)).collect::<Option<_>>();
        match data {
            Some(data) => Ok(rebuilt(real.shape(), data)),
            None if real.data().iter().any(|x| x.is_infinite()) => {
                Err(self.refuse(Refusal::Infinity))
            }
            None => Err(self.refuse(Refusal::NoRoom)),
        }
    }

    /// Emits a term; the expression needs it with the coefficient that comes back.
    fn emit_term(
        &mut self,
        term: &Term,
        unit: f64,
        name: &str,
    ) -> Result<(NodeId, i32), QuantizeError> {
        let inner = if term.moves.is_empty() { name } else { &format!("{name}.before") };
        let (mut id, coefficient, scale) = match &term.core {
            Core::Value { x, factor } => {
                let coefficient =
                    to_integer(factor / unit).ok_or_else(|| self.refuse(Refusal::NoRoom))?;
                (*x, coefficient, self.builder.node(*x).scale)
            }
            Core::Scaled { x, factors } => (self.emit_scaled(*x, factors, unit, inner)?, 1, unit),
            Core::Linear { x, weight, bias } => {
                let (weight, bias) = self.weights(weight, bias.as_ref(), unit)?;
                (self.push(inner, Linear { weight, bias }, &[*x], unit)?, 1, unit)
            }
            Core::Conv { x, weight, bias, geometry } => {
                let (weight, bias) = self.weights(weight, bias.as_ref(), unit)?;
                let conv = Conv {
                    weight,
                    bias,
                    strides: geometry.strides.clone(),
                    dilations: geometry.dilations.clone(),
                    pads: geometry.pads.clone(),
                    groups: geometry.groups,
                };
                (self.push(inner, conv, &[*x], unit)?, 1, unit)
            }
        };
        for (at, movement) in term.moves.iter().enumerate() {
            let last = at + 1 == term.moves.len();
            let label = if last { name } else { inner };
            id = self.push_move(movement.clone(), id, scale, label)?;
        }
        Ok((id, coefficient))
    }

    /// A movement of one tensor, unless it changes nothing.
    pub(super) fn push_move(
        &mut self,
        movement: Movement<i32>,
        x: NodeId,
        scale: f64,
        name: &str,
    ) -> Result<NodeId, QuantizeError> {
        let idle = match &movement {
            Movement::Reshape { shape } | Movement::Expand { shape } => {
                *shape == self.builder.node(x).shape
            }
            _ => false,
        };
        if idle { Ok(x) } else { self.push(name, movement, &[x], scale) }
    }

    fn weights(
        &mut self,
        weight: &Tensor<f64>,
        bias: Option<&Vec<f64>>,
        unit: f64,
    ) -> Result<(ConstId, Option<ConstId>), QuantizeError> {
        let weight = self.integers(weight, unit)?;
        let bias =
            bias.map(|bias| self.integers(&Tensor::vector(bias.clone()), unit)).transpose()?;
        let weight = self.builder.constant(weight);
        Ok((weight, bias.map(|bias| self.builder.constant(bias))))
    }

    /// `factors * x`: a constant, stretched to the shape of `x` where it differs along the last
    /// axis alone.
    fn emit_scaled(
        &mut self,
        x: NodeId,
        factors: &Tensor<f64>,
        unit: f64,
        name: &str,
    ) -> Result<NodeId, QuantizeError> {
        let shape = factors.shape().to_vec();
        let label = format!("{name}.factors");
        let row = shape.len().checked_sub(1).and_then(|axis| along(factors, axis));
        let constant = match row {
            Some(row) => {
                let row = self.integers(&Tensor::vector(row), unit)?;
                let row = self.constant(row, unit, &label)?;
                self.push_move(Movement::Expand { shape }, row, unit, &label)?
            }
            None => {
                let factors = self.integers(factors, unit)?;
                self.constant(factors, unit, &label)?
            }
        };
        self.push(name, Mul, &[x, constant], unit)
    }

    /// Rounds an expression to an interval of about `target.bits` bits.
    pub(super) fn round_to(
        &mut self,
        expr: &Expr,
        target: &Target,
        name: &str,
    ) -> Result<Value, QuantizeError> {
        let expr = &self.without_zeros(expr);
        let reach = Reach::of(expr, &self.builder);
        let wanted = wanted_range(target, reach.range);
        let lattice = Lattice::of(expr);
        let step = step_for(&lattice, target.bits, wanted, reach.range);
        let lattice = lattice.refined(step);
        let keeps = reach.range.width() / lattice.base < pow2(exponent(target.bits) + 2);
        let fits = reach.units(lattice.base) < BOUND as f64;
        if lattice.exact
            && lattice.fixed
            && fits
            && (step <= lattice.base || (keeps && target.clip.is_none()))
        {
            return self.keep(expr, lattice.base, target, name);
        }
        let (expr, grid) = self.grid(expr, step)?;
        self.finish(&expr, grid, Some(target.clamp(wanted)), name)
    }

    /// Emits an expression that is exact at `unit` and narrow enough as it is; clamps where that is
    /// part of the meaning.
    fn keep(
        &mut self,
        expr: &Expr,
        unit: f64,
        target: &Target,
        name: &str,
    ) -> Result<Value, QuantizeError> {
        let reach = Reach::of(expr, &self.builder);
        let wide = reach.range.width() / unit >= pow2(exponent(target.bits) + 2);
        let clamp = match target.clip {
            None if wide => Some(target.clamp(wanted_range(target, reach.range))),
            clip => clip.map(|clip| target.clamp(clip)),
        };
        self.finish(expr, Grid { unit, shift: 0 }, clamp, name)
    }

    /// Rounds an expression to an exact scale.
    pub(super) fn round_at(
        &mut self,
        expr: &Expr,
        step: f64,
        clamp: Option<Clamp>,
        name: &str,
    ) -> Result<Value, QuantizeError> {
        let reach = Reach::of(expr, &self.builder);
        let lattice = Lattice::of(expr).refined(step);
        if expr.terms.is_empty() {
            return self.finish(expr, Grid { unit: step, shift: 0 }, clamp, name);
        }
        if lattice.exact && lattice.fixed {
            let ratio = step / lattice.base;
            let exponent = ceil_log2(ratio);
            if (pow2(exponent) / ratio - 1.0).abs() < 1e-12 {
                let shift = u32::try_from(exponent).unwrap_or(0);
                let unit = if shift > 0 { lattice.base } else { step };
                if reach.units(unit) + step / unit < BOUND as f64 {
                    return self.finish(expr, Grid { unit, shift }, clamp, name);
                }
            }
        }
        let most = reach.shift_max(step).ok_or_else(|| self.refuse(Refusal::NoRoom))?;
        let shift = if lattice.fixed { most.min(20) } else { reach.shift_wanted().min(most) };
        for shift in (0..=shift).rev() {
            let unit = step * pow2(-exponent(shift));
            if let Some(expr) = self.fitted(expr, unit, pow2(exponent(shift)) / 2.0)? {
                return self.finish(&expr, Grid { unit, shift }, clamp, name);
            }
        }
        Err(self.refuse(Refusal::NoRoom))
    }

    /// Computes an expression as finely as integers below `limit` allow, without rounding.
    pub(super) fn finest(
        &mut self,
        expr: &Expr,
        limit: f64,
        name: &str,
    ) -> Result<Value, QuantizeError> {
        let (expr, unit) = self.finest_unit(expr, limit)?;
        Ok(Value { id: self.emit(&expr, unit, name)?, scale: unit })
    }

    /// The expression as it is if it is one scaled tensor below `limit`, else as fine as fits.
    pub(super) fn plain(
        &mut self,
        expr: &Expr,
        limit: f64,
        name: &str,
    ) -> Result<Value, QuantizeError> {
        let expr = &self.without_zeros(expr);
        let reach = Reach::of(expr, &self.builder);
        let lattice = Lattice::of(expr).refined(0.0);
        if lattice.exact && lattice.fixed && reach.units(lattice.base) < limit.min(BOUND as f64) {
            return Ok(Value { id: self.emit(expr, lattice.base, name)?, scale: lattice.base });
        }
        self.finest(expr, limit, name)
    }

    /// Emits the sum at `grid.unit`, rounds it to `grid.step()` and clamps it to a range.
    pub(super) fn finish(
        &mut self,
        expr: &Expr,
        grid: Grid,
        clamp: Option<Clamp>,
        name: &str,
    ) -> Result<Value, QuantizeError> {
        let step = grid.step();
        let exact = grid.shift == 0;
        let id = self.emit(
            expr,
            grid.unit,
            &if exact && clamp.is_none() { name.to_owned() } else { format!("{name}.sum") },
        )?;
        let interval = self.builder.node(id).interval;
        let quotient = Requantize { shift: grid.shift, lo: 0, hi: 0 }.quotient(interval);
        let bounds = match clamp {
            Some(Clamp { kept, .. }) => Interval::new(
                round_to_i64((kept.lo / step).round()),
                round_to_i64((kept.hi / step).round()),
            ),
            None => quotient,
        };
        if exact && bounds.contains(quotient) {
            return Ok(Value { id, scale: step });
        }
        let lo = quotient.lo.clamp(bounds.lo, bounds.hi);
        let hi = quotient.hi.clamp(bounds.lo, bounds.hi);
        let op = Requantize { shift: grid.shift, lo: narrow(lo), hi: narrow(hi) };
        let id = self.push(name, op, &[id], step)?;
        let harmless = clamp.map(|clamp| clamp.harmless(Interval::new(lo, hi)));
        if let Some(harmless) = harmless.filter(|harmless| !harmless.contains(quotient)) {
            self.builder.guard(id, harmless);
        }
        Ok(Value { id, scale: step })
    }

    /// A rounding shift without a clamp.
    pub(super) fn shift_right(
        &mut self,
        x: NodeId,
        shift: u32,
        scale: f64,
    ) -> Result<NodeId, QuantizeError> {
        let node = self.builder.node(x);
        let quotient = Requantize { shift, lo: 0, hi: 0 }.quotient(node.interval);
        let op = Requantize { shift, lo: narrow(quotient.lo), hi: narrow(quotient.hi) };
        let name = format!("{}.coarse", node.name);
        self.push(&name, op, &[x], scale)
    }

    /// Adds a node with a name of its own.
    pub(super) fn push(
        &mut self,
        name: &str,
        op: impl Into<Op>,
        operands: &[NodeId],
        scale: f64,
    ) -> Result<NodeId, QuantizeError> {
        let name = self.fresh(name);
        let node = self.graph.node(self.at);
        let pushed = self.builder.push(name, op, operands, scale).map_err(|source| match source {
            ModelError::Overflow { interval, .. } if self.whole[self.at.index()] => {
                self.refuse(Refusal::WideIntegers { lo: interval.lo, hi: interval.hi })
            }
            source => QuantizeError::model(node, source),
        });
        pushed.inspect(|&id| self.made(id))
    }

    /// The interval of a node in real units of `value`.
    pub(super) fn range_of(&self, value: Value) -> Range {
        real(self.builder.node(value.id).interval).affine(value.scale, 0.0)
    }
}

/// Bits that are left for all that a sum may reach.
const SUM_BITS: u32 = 26;

/// The part of the reachable range that is worth representing.
fn wanted_range(target: &Target, reach: Range) -> Range {
    let mut range = if target.range.lo > target.range.hi { reach } else { target.range };
    if let Some(clip) = target.clip {
        range = range.clamp(clip.lo, clip.hi);
        if range.hi < reach.lo || range.lo > reach.hi {
            // All that is reached lies beyond one bound, which is then the result.
            return range;
        }
    }
    range.clamp(reach.lo, reach.hi)
}

/// The step at which `wanted` has `bits` bits, coarser where the whole reach would need too large a
/// table.
fn step_for(lattice: &Lattice, bits: u32, wanted: Range, reach: Range) -> f64 {
    let width = [wanted.width(), wanted.max_abs(), reach.max_abs(), 1.0]
        .into_iter()
        .find(|width| *width > 0.0)
        .expect("1 is positive");
    let fine = width * pow2(-exponent(bits));
    // So many bits go through no table, but they need room for all that is reached.
    if bits > QUOTIENT_BITS_MAX {
        let least = reach.width() * pow2(-exponent(SUM_BITS));
        return step_at_least(lattice.base, fine.max(least));
    }
    let table = reach.width() * pow2(-exponent(QUOTIENT_BITS));
    let table_max = reach.width() * pow2(-exponent(QUOTIENT_BITS_MAX));
    let coarsest = (width * pow2(2 - exponent(bits))).max(table_max);
    step_at_least(lattice.base, fine.max(table.min(coarsest)))
}

/// A small number of bits as an exponent.
pub(super) fn exponent(bits: u32) -> i32 {
    i32::try_from(bits).expect("bits are few")
}

fn to_integer(x: f64) -> Option<i32> {
    let rounded = x.round_ties_even();
    (rounded.abs() < BOUND as f64).then(|| narrow(round_to_i64(rounded)))
}
