//! Linear algebra and points of circles, for tests of what hiding rests on.

use num_traits::{One, Zero};
use stwo::core::circle::CirclePoint;
use stwo::core::fields::FieldExpOps;
use stwo::core::fields::cm31::CM31;
use stwo::core::fields::m31::{BaseField, P};
use stwo::core::fields::qm31::{QM31, SecureField};

/// `x` to the power of `p^times`: the conjugates of an element.
pub(super) fn conjugate(x: SecureField, times: usize) -> SecureField {
    (0..times).fold(x, |x, _| x.pow(u128::from(P)))
}

pub(super) fn conjugate_point(
    point: CirclePoint<SecureField>,
    times: usize,
) -> CirclePoint<SecureField> {
    CirclePoint { x: conjugate(point.x, times), y: conjugate(point.y, times) }
}

/// An element of CM31 in QM31.
pub(super) fn embed(value: CM31) -> SecureField {
    QM31(value, CM31::zero())
}

/// Solves as many equations for their first unknowns as there are equations; the others become 0.
pub(super) fn solve(mut rows: Vec<(Vec<SecureField>, SecureField)>) -> Vec<SecureField> {
    let mut solution = vec![SecureField::zero(); rows[0].0.len()];
    let mut pivots = vec![];
    for column in 0..solution.len() {
        let at = pivots.len();
        let Some(found) = (at..rows.len()).find(|&row| !rows[row].0[column].is_zero()) else {
            continue;
        };
        rows.swap(at, found);
        let inverse = rows[at].0[column].inverse();
        rows[at].0.iter_mut().for_each(|x| *x *= inverse);
        rows[at].1 *= inverse;
        let (left, right) = rows[at].clone();
        for (row, equation) in rows.iter_mut().enumerate().filter(|(row, _)| *row != at) {
            let _ = row;
            let factor = equation.0[column];
            equation.0.iter_mut().zip(&left).for_each(|(x, &y)| *x -= factor * y);
            equation.1 -= factor * right;
        }
        pivots.push(column);
        if pivots.len() == rows.len() {
            break;
        }
    }
    assert_eq!(pivots.len(), rows.len(), "the equations are independent");
    pivots.iter().zip(&rows).for_each(|(&column, (_, right))| solution[column] = *right);
    solution
}

/// The values of stwo's first basis polynomials at a point: products of `y, x, pi(x), ..`.
pub(super) fn basis(point: CirclePoint<SecureField>, count: usize) -> Vec<SecureField> {
    let mut factors = vec![point.y, point.x];
    while 1usize << factors.len() < count {
        let last = factors[factors.len() - 1];
        factors.push(CirclePoint::double_x(last));
    }
    let value = |at: usize| {
        let used = factors.iter().enumerate().filter(|(bit, _)| at >> bit & 1 == 1);
        used.fold(SecureField::one(), |product, (_, &factor)| product * factor)
    };
    (0..count).map(value).collect()
}

/// The number of independent equations.
pub(super) fn rank(mut rows: Vec<Vec<BaseField>>) -> usize {
    let mut rank = 0;
    for column in 0..rows.first().map_or(0, Vec::len) {
        let Some(pivot) = (rank..rows.len()).find(|&row| !rows[row][column].is_zero()) else {
            continue;
        };
        rows.swap(rank, pivot);
        let (inverse, left) = (rows[rank][column].inverse(), rows[rank].clone());
        for row in &mut rows[rank + 1..] {
            let factor = row[column] * inverse;
            row.iter_mut().zip(&left).for_each(|(x, &y)| *x -= factor * y);
        }
        rank += 1;
    }
    rank
}
