//! Linear expressions that have no scale yet.
//!
//! A product with constant weights may be computed at any scale, so it is not computed where it
//! stands: sums, factors, movements and biases are collected into an [`Expr`] until an operator
//! needs integers. Only then are a scale and a shift chosen, once, for the whole expression, and
//! bias, residual and rounding come out as few, fused nodes.

use super::facts::whole;
use ciro_model::integer::NodeId;
use ciro_model::movement::{Movement, MovementError};
use ciro_model::tensor::{Tensor, element_count};

/// An integer tensor and the real value of one unit: `real = scale * integer`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Value {
    pub(super) id: NodeId,
    pub(super) scale: f64,
}

/// A sum of terms plus a constant, all of one shape.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expr {
    pub(super) shape: Vec<usize>,
    pub(super) terms: Vec<Term>,
    /// A constant that is added; `None` is zero.
    pub(super) offset: Option<Tensor<f64>>,
}

/// Something linear in one integer tensor, then moved.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Term {
    pub(super) core: Core,
    /// Movements of the core's result, first to last; they fill with zero.
    pub(super) moves: Vec<Movement<i32>>,
}

/// What a term computes from an integer tensor.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Core {
    /// `factor * x`.
    Value { x: NodeId, factor: f64 },
    /// `factors * x`, elementwise, `factors` of the shape of `x`.
    Scaled { x: NodeId, factors: Tensor<f64> },
    /// `x W + b`, `W: [K, N]` real for each integer unit of `x`.
    Linear { x: NodeId, weight: Tensor<f64>, bias: Option<Vec<f64>> },
    /// Convolution of `x` with `W`, real for each integer unit of `x`.
    Conv { x: NodeId, weight: Tensor<f64>, bias: Option<Vec<f64>>, geometry: Geometry },
}

/// How a convolution's kernel walks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Geometry {
    pub(super) strides: Vec<usize>,
    pub(super) dilations: Vec<usize>,
    pub(super) pads: Vec<(usize, usize)>,
    pub(super) groups: usize,
}

impl Expr {
    pub(super) fn constant(value: Tensor<f64>) -> Self {
        Self { shape: value.shape().to_vec(), terms: vec![], offset: Some(value) }
    }

    pub(super) fn core(shape: Vec<usize>, core: Core) -> Self {
        Self { shape, terms: vec![Term { core, moves: vec![] }], offset: None }
    }

    pub(super) fn value(shape: Vec<usize>, value: Value) -> Self {
        Self::core(shape, Core::Value { x: value.id, factor: value.scale })
    }

    /// The integer tensor, factor and movements of an expression that is nothing but one tensor,
    /// scaled.
    pub(super) fn as_value(&self) -> Option<(NodeId, f64, &[Movement<i32>])> {
        match (&self.terms[..], &self.offset) {
            ([Term { core: Core::Value { x, factor }, moves }], None) => Some((*x, *factor, moves)),
            _ => None,
        }
    }

    /// Whether every factor, weight and constant is a whole number: integers of scale 1 hold the
    /// expression exactly.
    pub(super) fn is_whole(&self) -> bool {
        let all = |values: &[f64]| values.iter().copied().all(whole);
        let term = |term: &Term| match &term.core {
            Core::Value { factor, .. } => whole(*factor),
            Core::Scaled { factors, .. } => all(factors.data()),
            Core::Linear { weight, bias, .. } | Core::Conv { weight, bias, .. } => {
                all(weight.data()) && bias.as_ref().is_none_or(|bias| all(bias))
            }
        };
        self.offset.as_ref().is_none_or(|c| all(c.data())) && self.terms.iter().all(term)
    }

    /// The sum of two expressions of one shape.
    pub(super) fn plus(mut self, other: Self) -> Self {
        // A constant may find its place in the other's terms.
        let offsets = [self.offset.take(), other.offset];
        self.terms.extend(other.terms);
        offsets.into_iter().flatten().fold(self, Self::plus_constant)
    }

    /// Adds a constant of the same shape; where it fits, as the bias of a product.
    pub(super) fn plus_constant(mut self, constant: Tensor<f64>) -> Self {
        if constant.data().iter().all(|&c| c == 0.0) {
            return self;
        }
        for term in self.terms.iter_mut().filter(|term| term.moves.is_empty()) {
            let (axis, bias) = match &mut term.core {
                Core::Linear { bias, .. } => (self.shape.len() - 1, bias),
                Core::Conv { bias, .. } => (1, bias),
                Core::Value { .. } | Core::Scaled { .. } => continue,
            };
            if let Some(values) = along(&constant, axis) {
                *bias = Some(match bias.take() {
                    Some(bias) => bias.iter().zip(&values).map(|(a, b)| a + b).collect(),
                    None => values,
                });
                return self;
            }
        }
        self.offset = Some(match self.offset.take() {
            Some(offset) => zip(&offset, &constant, |a, b| a + b),
            None => constant,
        });
        self
    }

    /// Every element times `factor`.
    pub(super) fn times(mut self, factor: f64) -> Self {
        if factor == 0.0 {
            self.terms.clear();
        }
        for term in &mut self.terms {
            match &mut term.core {
                Core::Value { factor: f, .. } => *f *= factor,
                Core::Scaled { factors, .. } => *factors = factors.map(|f| f * factor),
                Core::Linear { weight, bias, .. } | Core::Conv { weight, bias, .. } => {
                    *weight = weight.map(|w| w * factor);
                    bias.iter_mut().flatten().for_each(|b| *b *= factor);
                }
            }
        }
        self.offset = self.offset.map(|offset| offset.map(|c| c * factor));
        self
    }

    /// The expression with every factor, weight and constant replaced.
    pub(super) fn mapped(mut self, f: &dyn Fn(f64) -> f64) -> Self {
        for term in &mut self.terms {
            match &mut term.core {
                Core::Value { factor, .. } => *factor = f(*factor),
                Core::Scaled { factors, .. } => *factors = factors.map(|&x| f(x)),
                Core::Linear { weight, bias, .. } | Core::Conv { weight, bias, .. } => {
                    *weight = weight.map(|&w| f(w));
                    bias.iter_mut().flatten().for_each(|b| *b = f(*b));
                }
            }
        }
        self.offset = self.offset.map(|offset| offset.map(|&c| f(c)));
        self
    }

    /// Every element times the constant at its place, if every term can take it in.
    pub(super) fn times_constant(mut self, constant: &Tensor<f64>) -> Option<Self> {
        let last = self.shape.len().checked_sub(1)?;
        for term in &mut self.terms {
            if !term.moves.is_empty() {
                return None;
            }
            match &mut term.core {
                Core::Value { x, factor } => {
                    let factors = constant.map(|c| c * *factor);
                    term.core = Core::Scaled { x: *x, factors };
                }
                Core::Scaled { factors, .. } => *factors = zip(factors, constant, |a, b| a * b),
                Core::Linear { weight, bias, .. } => {
                    let columns = along(constant, last)?;
                    let data = weight.data().iter().zip(columns.iter().cycle());
                    let data = data.map(|(w, c)| w * c).collect();
                    *weight = rebuilt(weight.shape(), data);
                    bias.iter_mut().flatten().zip(&columns).for_each(|(b, c)| *b *= c);
                }
                Core::Conv { weight, bias, .. } => {
                    let channels = along(constant, 1)?;
                    let taps = weight.len() / weight.shape()[0].max(1);
                    let data = weight.data().iter().enumerate();
                    let data = data.map(|(i, w)| w * channels[i / taps.max(1)]).collect();
                    *weight = rebuilt(weight.shape(), data);
                    bias.iter_mut().flatten().zip(&channels).for_each(|(b, c)| *b *= c);
                }
            }
        }
        self.offset = self.offset.map(|offset| zip(&offset, constant, |a, b| a * b));
        Some(self)
    }

    /// The moved expression; `fill` stands where the movement fills.
    ///
    /// # Errors
    /// [`MovementError`] if the movement does not fit.
    pub(super) fn moved(mut self, movement: &Movement<f64>) -> Result<Self, MovementError> {
        let shape = movement.shape(&[&self.shape])?;
        let fill = movement.fill().copied().unwrap_or(0.0);
        if self.offset.is_none() && fill != 0.0 {
            self.offset = Some(rebuilt(&self.shape, vec![0.0; count(&self.shape)]));
        }
        self.offset = match &self.offset {
            Some(offset) => Some(movement.apply(&[offset])?),
            None => None,
        };
        for term in &mut self.terms {
            term.moves.push(movement.map_fill(|_| 0));
        }
        self.shape = shape;
        Ok(self)
    }
}

/// The values of a tensor that differ along one axis alone.
pub(super) fn along(tensor: &Tensor<f64>, axis: usize) -> Option<Vec<f64>> {
    let extent = *tensor.shape().get(axis)?;
    let inner: usize = tensor.shape()[axis + 1..].iter().product();
    let inner = inner.max(1);
    let values: Vec<f64> = tensor.data().iter().copied().step_by(inner).take(extent).collect();
    let same = |(at, x): (usize, &f64)| x.to_bits() == values[at / inner % extent].to_bits();
    (values.len() == extent && tensor.data().iter().enumerate().all(same)).then_some(values)
}

/// The one value of a tensor whose elements are equal.
pub(super) fn uniform(tensor: &Tensor<f64>) -> Option<f64> {
    let (&first, rest) = tensor.data().split_first()?;
    rest.iter().all(|x| x.to_bits() == first.to_bits()).then_some(first)
}

/// Elementwise combination of two tensors of one shape.
pub(super) fn zip(a: &Tensor<f64>, b: &Tensor<f64>, f: impl Fn(f64, f64) -> f64) -> Tensor<f64> {
    rebuilt(a.shape(), a.data().iter().zip(b.data()).map(|(&a, &b)| f(a, b)).collect())
}

/// A tensor of a shape whose element count is known to fit.
pub(super) fn rebuilt<T>(shape: &[usize], data: Vec<T>) -> Tensor<T> {
    Tensor::new(shape.to_vec(), data).expect("one element for each place")
}

/// The number of elements of the shape of a node that exists.
pub(super) fn count(shape: &[usize]) -> usize {
    element_count(shape).expect("shapes of graph nodes are counted at import")
}
