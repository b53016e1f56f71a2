//! Reductions over the last axis.

use super::{Misfit, take, tensor};
use crate::float::{Reducer, UnaryFn};
use ciro_model::tensor::Tensor;

pub(super) fn shape(reducer: Reducer, operands: &[&[usize]]) -> Result<Vec<usize>, Misfit> {
    let [x] = take::<1, _>(operands)?;
    let [shape @ .., extent] = x else {
        return Err(Misfit::Rule("a reduction needs an axis"));
    };
    if *extent == 0 && !matches!(reducer, Reducer::Sum | Reducer::Prod) {
        return Err(Misfit::Rule("only sums and products are defined over no elements"));
    }
    Ok(shape.to_vec())
}

pub(super) fn eval(reducer: Reducer, x: &Tensor<f64>) -> Tensor<f64> {
    let shape = x.shape()[..x.rank() - 1].to_vec();
    let extent = x.last_dim();
    let data = match extent {
        0 => vec![reduce(reducer, &[]); shape.iter().product()],
        _ => x.data().chunks_exact(extent).map(|row| reduce(reducer, row)).collect(),
    };
    tensor(shape, data)
}

fn reduce(reducer: Reducer, row: &[f64]) -> f64 {
    match reducer {
        Reducer::Sum => row.iter().sum(),
        Reducer::Mean => row.iter().sum::<f64>() / as_f64(row.len()),
        Reducer::Prod => row.iter().product(),
        Reducer::Max => row.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        Reducer::Min => row.iter().copied().fold(f64::INFINITY, f64::min),
        Reducer::ArgMax => as_f64(first(row, |a, b| a > b)),
        Reducer::ArgMin => as_f64(first(row, |a, b| a < b)),
        Reducer::LogSumExp => log_sum_exp(row),
    }
}

/// Relative to the greatest element, so that no exponential overflows.
fn log_sum_exp(row: &[f64]) -> f64 {
    let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most.is_infinite() {
        return most;
    }
    let sum: f64 = row.iter().map(|x| UnaryFn::Exp.eval(x - most)).sum();
    most + UnaryFn::Log.eval(sum)
}

/// The lowest position that no other element is before.
fn first(row: &[f64], before: impl Fn(f64, f64) -> bool) -> usize {
    (1..row.len()).fold(0, |best, i| if before(row[i], row[best]) { i } else { best })
}

/// Positions and extents are far below 2^53.
fn as_f64(count: usize) -> f64 {
    count as f64
}
