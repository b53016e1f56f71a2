//! Matrix products, checked instead of computed.

use serde::{Deserialize, Serialize};

use super::quantize::read_memory;
use crate::air::{Challenges, Chip, Row, combine, constant};

/// The right-hand side of `sum_{m,n} s^m t^n y[m,n] = sum_k (sum_m s^m x[m,k]) (sum_n t^n w[k,n])` for every product of the model.
///
/// For each `k`, a block of rows folds a column of `x` and a row of `w`, the last elements first; the last row of the block holds both
/// folds complete, and their product joins the total. Where a product begins, the total is multiplied by `lambda`.
///
/// Fixed: `keep` (the block goes on), `close` (the block ends), `next` (a product begins, not in row 0), the addresses of `x`,
/// then `w` itself or, if both operands are computed, its addresses. Witness: `x`, and `w` if computed. Lanes that a block
/// does not need read the constant 0.
///
/// # Soundness
/// Both sides are polynomials in `(s, t, lambda)` of degree at most the sums of extents, fixed by trees 0 and 1 before the challenges are
/// drawn; they differ at random challenges with probability at least `1 - degree / |QM31|` unless they are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ContractChip {
    pub(crate) log_size: u32,
    /// Elements of `x` in a row.
    pub(crate) left: u32,
    /// Elements of `w` in a row.
    pub(crate) right: u32,
    /// Whether `w` is computed (read from memory) rather than part of the model.
    pub(crate) dynamic: bool,
}

impl Chip for ContractChip {
    fn log_size(&self) -> u32 {
        self.log_size
    }

    fn evaluate<R: Row>(&self, row: &mut R, challenges: &Challenges) {
        let (left, right) = (self.left as usize, self.right as usize);
        let (keep, close, next) = (row.fixed(), row.fixed(), row.fixed());
        let x: Vec<_> = (0..left).map(|_| (row.fixed(), row.witness())).collect();
        let w: Vec<_> = (0..right)
            .map(|_| {
                let fixed = row.fixed();
                if self.dynamic { (Some(fixed), row.witness()) } else { (None, fixed) }
            })
            .collect();
        let values = |cells: Vec<R::F>, powers| combine::<R>(powers, &cells);
        let u = row.fold(
            R::EF::from(challenges.s[left]) * keep.clone(),
            values(x.iter().map(|(_, value)| value.clone()).collect(), &challenges.s),
        );
        let v = row.fold(
            R::EF::from(challenges.t[right]) * keep,
            values(w.iter().map(|(_, value)| value.clone()).collect(), &challenges.t),
        );
        let stay = constant::<R>(1) - row.first() - next.clone();
        let sum =
            row.fold(R::EF::from(challenges.lambda) * next + R::EF::from(stay), u * v * close);
        row.total(sum);
        for (address, value) in x {
            read_memory(row, address, value);
        }
        for (address, value) in w {
            if let Some(address) = address {
                read_memory(row, address, value);
            }
        }
    }
}
