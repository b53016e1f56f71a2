//! Probabilities of classes from the margins of pairs of classes.

use super::super::super::Reason;
use super::super::super::context::{Context, bad};
use super::super::elementwise::{add, c, clip, mul, of, sub, x};
use crate::float::{BinaryFn, NodeId, Reducer, UnaryFn};

/// The probabilities `[N, classes]` that agree best with those of the pairs, from margins `[N, pairs]`.
///
/// Each margin gives a probability `r` of the first class of its pair by a fitted sigmoid. The classes' probabilities `p`
/// minimise `sum (r_ji p_i - r_ij p_j)^2` with `sum p = 1`, which a linear system solves exactly; onnxruntime stops an
/// iteration for it early, within 0.005 / classes.
///
/// # Source
/// Wu, Lin and Weng, "Probability Estimates for Multi-class Classification by Pairwise Coupling", 2004, section 4.
pub(super) fn probabilities(
    cx: &mut Context<'_, '_>,
    margins: NodeId,
    classes: usize,
) -> Result<NodeId, Reason> {
    let pairwise = pairwise(cx, margins)?;
    if classes == 2 {
        let one = cx.g.scalar(1.0)?;
        let other = cx.g.sub(one, pairwise)?;
        return cx.g.concat(1, &[pairwise, other]);
    }
    let mut rows = matrix(cx, pairwise, classes)?;
    let solution = solve(cx, &mut rows)?;
    let joined = cx.g.concat(1, &solution)?;
    let sum = cx.g.reduce_keep(Reducer::Sum, joined, &[1])?;
    cx.g.div(joined, sum)
}

/// `1 - sigmoid(a * margin + b)`, kept away from 0 and 1.
fn pairwise(cx: &mut Context<'_, '_>, margins: NodeId) -> Result<NodeId, Reason> {
    let (a, b) = (cx.floats("prob_a"), cx.floats("prob_b"));
    let pairs = cx.g.shape(margins)[1];
    if [a.len(), b.len()] != [pairs; 2] {
        return Err(bad("prob_a", "and prob_b have not one element a pair of classes"));
    }
    let (a, b) = (cx.g.vector(a)?, cx.g.vector(b)?);
    let scaled = cx.g.mul(margins, a)?;
    let line = cx.g.add(scaled, b)?;
    let opposite = sub(c(1.0), of(UnaryFn::Sigmoid, x()));
    cx.g.map(clip(opposite, 1e-7, 1.0 - 1e-7), line)
}

/// The matrix `Q` of the quadratic form, each entry `[N, 1]`.
fn matrix(
    cx: &mut Context<'_, '_>,
    pairwise: NodeId,
    classes: usize,
) -> Result<Vec<Vec<NodeId>>, Reason> {
    let zero = cx.g.scalar(0.0)?;
    let mut rows = vec![vec![zero; classes]; classes];
    let mut pair = 0;
    for i in 0..classes {
        for j in i + 1..classes {
            let first = cx.g.slice(pairwise, 1, pair, 1)?;
            let second = cx.g.map(sub(c(1.0), x()), first)?;
            let product = cx.g.binary(BinaryFn::Mul, first, second)?;
            let negated = cx.g.unary(UnaryFn::Neg, product)?;
            (rows[i][j], rows[j][i]) = (negated, negated);
            let square = |cx: &mut Context<'_, '_>, id| cx.g.map(mul(x(), x()), id);
            let (first_2, second_2) = (square(cx, first)?, square(cx, second)?);
            rows[i][i] = cx.g.add(rows[i][i], second_2)?;
            rows[j][j] = cx.g.add(rows[j][j], first_2)?;
            pair += 1;
        }
    }
    // A small diagonal keeps the system regular where one class wins every pair.
    for (i, row) in rows.iter_mut().enumerate() {
        row[i] = cx.g.map(add(x(), c(1e-12)), row[i])?;
    }
    Ok(rows)
}

/// Solves `Q y = 1` by elimination; `Q` is positive definite, so that no pivot vanishes.
fn solve(cx: &mut Context<'_, '_>, rows: &mut [Vec<NodeId>]) -> Result<Vec<NodeId>, Reason> {
    let classes = rows.len();
    let one = cx.g.scalar(1.0)?;
    let mut right = vec![one; classes];
    for pivot in 0..classes {
        for row in pivot + 1..classes {
            let factor = cx.g.div(rows[row][pivot], rows[pivot][pivot])?;
            for column in pivot..classes {
                let part = cx.g.mul(factor, rows[pivot][column])?;
                rows[row][column] = cx.g.sub(rows[row][column], part)?;
            }
            let part = cx.g.mul(factor, right[pivot])?;
            right[row] = cx.g.sub(right[row], part)?;
        }
    }
    let mut solution = right.clone();
    for row in (0..classes).rev() {
        let mut value = right[row];
        for column in row + 1..classes {
            let part = cx.g.mul(rows[row][column], solution[column])?;
            value = cx.g.sub(value, part)?;
        }
        solution[row] = cx.g.div(value, rows[row][row])?;
    }
    Ok(solution)
}
