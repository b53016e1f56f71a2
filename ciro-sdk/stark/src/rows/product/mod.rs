//! Rows of matrix products: both sides of the identity that checks them.

mod accumulate;
mod contract;

use ciro_model::Interval;

use super::rounding::Rounding;
use super::table::Tables;
use crate::layout::wiring::Address;

pub(crate) use accumulate::Accumulation;
pub(crate) use contract::place_contraction;

/// One result of a chip that computes and may round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Where the exact result stands.
    pub(crate) raw: Address,
    /// Where what is written stands: the rounded result, or the exact one; `None` if nobody reads
    /// it.
    pub(crate) written: Option<Address>,
    /// How the result is rounded; [`Rounding::IDLE`] in chips that do not round.
    pub(crate) rounding: Rounding,
}

/// A product `y[m, n] = sum_k x[m, k] * w[k, n]`, from whatever operator.
///
/// `m`, `k` and `n` are at least 1: the chips of both sides count products by their rows, so each
/// has a row in both.
#[derive(Clone, Debug)]
pub(crate) struct Product {
    m: usize,
    k: usize,
    n: usize,
    /// Addresses of `x`, row-major.
    left: Vec<Address>,
    /// The matrix `w`, row-major.
    right: Right,
    results: Results,
}

/// The results of a product.
#[derive(Clone, Debug)]
pub(crate) struct Results {
    /// What happens to them, row-major.
    pub(crate) outcomes: Vec<Outcome>,
    /// Whether they are rounded: all or none.
    pub(crate) rounded: bool,
    /// Where several nodes share a product: for each the first row behind its results, and what
    /// they lie in.
    pub(crate) uses: Vec<(usize, Interval)>,
}

/// The right operand of a product.
#[derive(Clone, Debug)]
pub(crate) enum Right {
    /// Part of the model.
    Fixed(Vec<i32>),
    /// Computed: addresses.
    Computed(Vec<Address>),
}

impl Product {
    /// A product of shape `[m, k, n]` with results. One without terms gets the term `0 * 0`, with
    /// `zero` the address of a 0.
    pub(crate) fn new(
        [m, k, n]: [usize; 3],
        (left, right): (Vec<Address>, Right),
        results: Results,
        zero: Address,
    ) -> Self {
        assert_eq!(results.outcomes.len(), m * n, "a product has m * n results");
        assert!(m > 0 && n > 0, "products without results are left out");
        #[cfg(test)]
        if crate::chips::defects::is_back(crate::chips::defects::Defect::NoTerms) {
            return Self { m, k, n, left, right, results };
        }
        if k > 0 {
            return Self { m, k, n, left, right, results };
        }
        let right = match right {
            Right::Fixed(_) => Right::Fixed(vec![0; n]),
            Right::Computed(_) => Right::Computed(vec![zero; n]),
        };
        Self { m, k: 1, n, left: vec![zero; m], right, results }
    }

    /// Whether both operands are computed.
    pub(crate) fn is_dynamic(&self) -> bool {
        matches!(self.right, Right::Computed(_))
    }

    /// Whether the results are rounded.
    pub(crate) fn is_rounded(&self) -> bool {
        self.results.rounded
    }

    /// The roundings of all results.
    pub(crate) fn roundings_mut(&mut self) -> impl Iterator<Item = &mut Rounding> {
        self.results.outcomes.iter_mut().map(|outcome| &mut outcome.rounding)
    }

    /// Rows of the contraction for `left` and `right` lanes.
    pub(super) fn contract_rows(&self, left: usize, right: usize) -> usize {
        self.k * self.block_rows(left, right)
    }

    pub(super) fn block_rows(&self, left: usize, right: usize) -> usize {
        self.m.div_ceil(left).max(self.n.div_ceil(right))
    }

    /// The result at `inner` of the row or column `outer`.
    fn result(&self, turned: bool, outer: usize, inner: usize) -> Outcome {
        let (row, column) = if turned { (inner, outer) } else { (outer, inner) };
        self.results.outcomes[row * self.n + column]
    }

    /// What the lanes `inner` of the row or column `outer` have in common; `None` if they cannot
    /// share a row.
    ///
    /// Where nodes share a product, a lane that nobody reads may belong to another node than its
    /// neighbours: their table has to cover it too.
    fn lanes(
        &self,
        turned: bool,
        outer: usize,
        inner: std::ops::Range<usize>,
        tables: &Tables,
    ) -> Option<Lanes> {
        let lanes = Lanes::of(inner.clone().map(|i| self.result(turned, outer, i)))?;
        let interval = |row: usize| {
            let at = self.results.uses.partition_point(|&(end, _)| end <= row);
            self.results.uses[at].1
        };
        let covered = |i: usize| {
            let row = if turned { i } else { outer };
            tables.covers(lanes.rounding, interval(row))
        };
        let one_node = self.results.uses.len() < 2 || !self.results.rounded;
        (one_node || inner.clone().all(covered)).then_some(lanes)
    }

    /// Outer and inner extent of the results.
    fn extents(&self, turned: bool) -> (usize, usize) {
        if turned { (self.n, self.m) } else { (self.m, self.n) }
    }

    fn accumulate_rows(&self, turned: bool, lanes: usize) -> usize {
        let (outer, inner) = self.extents(turned);
        outer * inner.div_ceil(lanes)
    }

    /// Whether the inner axis of the results is `m` and not `n`: whichever needs fewer rows, if its
    /// rows are regular. `None` if neither is.
    fn turned(&self, lanes: usize, tables: &Tables) -> Option<bool> {
        let mut axes = [false, true];
        axes.sort_by_key(|&turned| self.accumulate_rows(turned, lanes));
        axes.into_iter().find(|&turned| {
            let (outer, inner) = self.extents(turned);
            (0..outer).all(|o| {
                (0..inner).step_by(lanes).all(|first| {
                    let row = first..inner.min(first + lanes);
                    self.lanes(turned, o, row, tables).is_some()
                })
            })
        })
    }
}

/// What the lanes of one row of results have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lanes {
    /// Where lane 0 is written; written lanes are equally far apart.
    address: i64,
    stride: i64,
    rounding: Rounding,
}

impl Lanes {
    /// The common ground of some outcomes; `None` if they cannot share a row.
    fn of(outcomes: impl Iterator<Item = Outcome>) -> Option<Self> {
        let mut this: Option<Self> = None;
        let mut idle = Rounding::IDLE;
        let mut known = 0;
        for (lane, outcome) in (0i64..).zip(outcomes) {
            idle = if lane == 0 { outcome.rounding } else { idle };
            let Some(written) = outcome.written.map(i64::from) else { continue };
            match &mut this {
                None => {
                    let rounding = outcome.rounding;
                    this = Some(Self { address: written, stride: lane, rounding });
                }
                Some(lanes) if lanes.rounding != outcome.rounding => return None,
                // So far, `stride` is the lane of the first address.
                Some(lanes) if known == 1 => {
                    let (first, distance) = (lanes.stride, written - lanes.address);
                    if distance % (lane - first) != 0 {
                        return None;
                    }
                    lanes.stride = distance / (lane - first);
                    lanes.address -= first * lanes.stride;
                }
                Some(lanes) if lanes.address + lane * lanes.stride != written => return None,
                Some(_) => {}
            }
            known += 1;
        }
        if known == 1 {
            this.iter_mut().for_each(|lanes| lanes.stride = 0);
        }
        Some(this.unwrap_or(Self { address: 0, stride: 0, rounding: idle }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chips::unique::Width;

    fn rounding(shift: u32) -> Rounding {
        Rounding { shift: Width::of_remainder(1, shift).unwrap(), offset: 4, table: 1 }
    }

    fn lanes(written: &[Option<Address>]) -> Option<Lanes> {
        let outcome = |&written| Outcome { raw: 0, written, rounding: rounding(3) };
        Lanes::of(written.iter().map(outcome))
    }

    #[test]
    fn lanes_of_a_row_are_equally_far_apart() {
        let lanes =
            |written: &[Option<Address>]| lanes(written).map(|lanes| (lanes.address, lanes.stride));
        assert_eq!(lanes(&[Some(7), Some(9), Some(11)]), Some((7, 2)));
        assert_eq!(lanes(&[Some(7), Some(4)]), Some((7, -3)));
        assert_eq!(lanes(&[Some(7), Some(9), Some(12)]), None);
        // Lanes that are not read stand anywhere.
        assert_eq!(lanes(&[None, Some(9), None, Some(13)]), Some((7, 2)));
        assert_eq!(lanes(&[Some(9), None, Some(12)]), None);
        assert_eq!(lanes(&[None, Some(9), None]), Some((9, 0)));
        assert_eq!(lanes(&[None, None]), Some((0, 0)));
    }

    #[test]
    fn lanes_of_a_row_share_a_rounding() {
        let outcome = |written, rounding| Outcome { raw: 0, written, rounding };
        let (first, other) = (rounding(3), rounding(4));
        let mixed = [outcome(Some(0), first), outcome(Some(1), other)];
        assert_eq!(Lanes::of(mixed.into_iter()), None);
        let unread = [outcome(None, other), outcome(Some(1), first)];
        assert_eq!(Lanes::of(unread.into_iter()).map(|lanes| lanes.rounding), Some(first));
    }
}
