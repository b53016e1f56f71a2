//! Matrix products.

use crate::float::{BinaryFn, NodeId};
use crate::import::Reason;
use crate::import::context::{Cx, Family};
use crate::import::value::{Outputs, Value, one};

pub(super) const OPS: Family = &[
    ("Det", 11, det),
    ("Gemm", 1, gemm),
    ("MatMul", 1, mat_mul),
    ("com.microsoft.FusedMatMul", 1, fused_mat_mul),
];

/// `a b`, with NumPy's broadcasting.
fn mat_mul(cx: &mut Cx<'_, '_>) -> Outputs {
    let (a, b) = (cx.number(0)?, cx.number(1)?);
    one(a.with(cx.g.mat_mul(a.id, b.id)?))
}

/// `alpha * a' b' + beta * c`, where `a'` and `b'` may be transposed.
fn gemm(cx: &mut Cx<'_, '_>) -> Outputs {
    one(product(cx)?)
}

pub(super) fn product(cx: &mut Cx<'_, '_>) -> Result<Value, Reason> {
    let (a, b) = (cx.number(0)?, cx.number(1)?);
    let (alpha, beta) = (cx.float("alpha", 1.0), cx.float("beta", 1.0));
    let left = transposed(cx, a.id, "transA")?;
    let right = transposed(cx, b.id, "transB")?;
    let right = scaled(cx, right, alpha)?;
    let mut sum = cx.g.mat_mul(left, right)?;
    if let Some(c) = cx.optional(2)? {
        let c = scaled(cx, c.id, beta)?;
        sum = cx.g.add(sum, c)?;
    }
    Ok(a.with(sum))
}

/// `com.microsoft.FusedMatMul`: `alpha * a' b'`, the last two axes transposed where asked.
fn fused_mat_mul(cx: &mut Cx<'_, '_>) -> Outputs {
    let (a, b) = (cx.number(0)?, cx.number(1)?);
    if cx.flag("transBatchA", false) || cx.flag("transBatchB", false) {
        return Err(Reason::Unsupported("transposed batch axes are not supported").into());
    }
    let alpha = cx.float("alpha", 1.0);
    let left = transposed(cx, a.id, "transA")?;
    let right = transposed(cx, b.id, "transB")?;
    let product = cx.g.mat_mul(left, right)?;
    one(a.with(scaled(cx, product, alpha)?))
}

/// Determinant by expansion along the first row, for matrices up to 4 x 4.
fn det(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.number(0)?;
    let shape = cx.g.shape(x.id).to_vec();
    match shape.as_slice() {
        [_batch @ .., rows, columns] if rows == columns && (1..=4).contains(rows) => {
            let columns: Vec<usize> = (0..*rows).collect();
            one(x.with(minor(cx, x.id, 0, &columns)?))
        }
        _ => Err(Reason::Unsupported("determinants are computed up to 4 x 4").into()),
    }
}

/// The determinant of the rows from `row` on and the given columns.
fn minor(cx: &mut Cx<'_, '_>, x: NodeId, row: usize, columns: &[usize]) -> Result<NodeId, Reason> {
    let rank = cx.g.rank(x);
    let mut sum = None;
    for (position, &column) in columns.iter().enumerate() {
        let element = cx.g.slice(x, rank - 2, row, 1)?;
        let element = cx.g.slice(element, rank - 1, column, 1)?;
        let shape = cx.g.shape(x)[..rank - 2].to_vec();
        let mut term = cx.g.reshape(element, &shape)?;
        let others: Vec<usize> = columns.iter().copied().filter(|&c| c != column).collect();
        if !others.is_empty() {
            let rest = minor(cx, x, row + 1, &others)?;
            term = cx.g.mul(term, rest)?;
        }
        let f = if position % 2 == 0 { BinaryFn::Add } else { BinaryFn::Sub };
        sum = Some(match sum {
            None => term,
            Some(sum) => cx.g.binary(f, sum, term)?,
        });
    }
    sum.ok_or(Reason::Unsupported("a determinant needs a matrix"))
}

fn transposed(cx: &mut Cx<'_, '_>, x: NodeId, flag: &str) -> Result<NodeId, Reason> {
    if !cx.flag(flag, false) {
        return Ok(x);
    }
    if cx.g.rank(x) < 2 {
        return Err(cx.g.misfit("a matrix has two axes", &[x]));
    }
    cx.g.swap_matrix(x)
}

#[expect(clippy::float_cmp, reason = "a factor of exactly 1 changes nothing")]
fn scaled(cx: &mut Cx<'_, '_>, x: NodeId, factor: f64) -> Result<NodeId, Reason> {
    if factor == 1.0 { Ok(x) } else { cx.g.with(BinaryFn::Mul, x, factor) }
}
