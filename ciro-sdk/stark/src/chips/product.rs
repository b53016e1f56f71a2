//! Matrix products, checked instead of computed: their operands and their results.

use serde::{Deserialize, Serialize};

use super::limbs::Limbs;
use super::rounding::Rounding;
use crate::air::{
    Challenges, Chip, Relation, Row, Total, are_lanes, columns, combine, constant, read_memory,
};

columns! {
    fixed ContractFixed(chip: &ContractChip) {
        /// The block goes on.
        keep,
        /// The block ends.
        close,
        /// A product begins; not in row 0.
        next,
        /// Addresses of `x`.
        x[chip.left],
        /// `w` itself or, if both operands are computed, its addresses.
        w[chip.right],
    }
}

columns! {
    witness ContractWitness(chip: &ContractChip) {
        x[chip.left],
        /// `w` if it is computed.
        w[if chip.dynamic { chip.right } else { 0 }],
    }
}

/// The right-hand side of `sum_{m,n} s^m t^n y[m,n] = sum_k (sum_m s^m x[m,k]) (sum_n t^n w[k,n])`
/// for every product of the model.
///
/// For each `k`, a block of rows folds a column of `x` and a row of `w`, the last elements first;
/// the last row of the block holds both folds complete, and their product joins the total. Where a
/// product begins, the total is multiplied by `lambda`.
///
/// Lanes that a block does not need read the constant 0.
///
/// # Soundness
/// Both sides are polynomials in `(s, t, lambda)` of degree at most the sums of extents, fixed by
/// trees 0 and 1 before the challenges are drawn; they differ at random challenges with probability
/// at least `1 - degree / |QM31|` unless they are equal.
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

    fn name(&self) -> &'static str {
        if self.dynamic { "products of activations" } else { "products with weights" }
    }

    fn is_sane(&self) -> bool {
        are_lanes(self.left) && are_lanes(self.right)
    }

    fn total(&self) -> Total {
        Total::Operands
    }

    fn folding_degree(&self) -> u32 {
        self.left + self.right + 1
    }

    fn evaluate<R: Row>(&self, row: &mut R, challenges: &Challenges) {
        let (left, right) = (self.left as usize, self.right as usize);
        let ContractFixed { keep, close, next, x: at_x, w: fixed } = ContractFixed::read(row, self);
        let ContractWitness { x, w: computed } = ContractWitness::read(row, self);
        let (at_w, w) = if self.dynamic { (fixed, computed) } else { (vec![], fixed) };
        let u = row
            .fold(R::EF::from(challenges.s[left]) * keep.clone(), combine::<R>(&challenges.s, &x));
        let v = row.fold(R::EF::from(challenges.t[right]) * keep, combine::<R>(&challenges.t, &w));
        let stay = constant::<R>(1) - row.first() - next.clone();
        row.total(R::EF::from(challenges.lambda) * next + R::EF::from(stay), u * v * close);
        for (address, value) in at_x.into_iter().zip(x).chain(at_w.into_iter().zip(w)) {
            read_memory(row, address, value);
        }
    }
}

columns! {
    /// One row, before the rounding.
    fixed AccumulateFixed(chip: &AccumulateChip) {
        /// 0: the inner axis is `n`; 1: it is `m`.
        turn,
        /// The inner fold goes on.
        keep,
        /// The inner axis ends.
        close,
        /// It ends and is not the first of its product.
        chain,
        /// The product ends.
        add,
        /// As `add`, or a product of another chip is passed over; not in row 0.
        next,
        /// Address of lane 0.
        address,
        /// Distance of the lanes' addresses.
        stride,
        /// For each lane the number of readers.
        readers[chip.lanes],
    }
}

/// The left-hand side `sum_{m,n} s^m t^n y[m,n]` of every product (see [`ContractChip`]).
///
/// The lanes of a row run along one axis of `y` (the *inner* one), rows along the inner axis first,
/// then along the *outer* one, the last elements first. Three folds: over the inner axis, over the
/// outer axis, over the products.
///
/// # Soundness
/// Lanes past the end of the inner axis have exponents of their own: the identity forces them to 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccumulateChip {
    pub(crate) log_size: u32,
    pub(crate) lanes: u32,
    /// How values are rounded; `None` for raw values.
    pub(crate) limbs: Option<Limbs>,
}

impl Chip for AccumulateChip {
    fn log_size(&self) -> u32 {
        self.log_size
    }

    fn name(&self) -> &'static str {
        if self.limbs.is_some() { "rounded products" } else { "raw products" }
    }

    fn is_sane(&self) -> bool {
        are_lanes(self.lanes) && self.limbs.is_none_or(Limbs::is_sane)
    }

    fn total(&self) -> Total {
        Total::Results
    }

    fn folding_degree(&self) -> u32 {
        self.lanes + 2
    }

    fn evaluate<R: Row>(&self, row: &mut R, challenges: &Challenges) {
        let lanes = self.lanes as usize;
        let AccumulateFixed { turn, keep, close, chain, add, next, address, stride, readers } =
            AccumulateFixed::read(row, self);
        let rounding = self.limbs.map(|limbs| Rounding::read(row, limbs));
        let rounded: Vec<_> = match &rounding {
            Some(rounding) => (0..lanes).map(|_| rounding.lane(row)).collect(),
            None => vec![],
        };
        let (inputs, outputs): (Vec<R::F>, Vec<R::F>) = if rounding.is_some() {
            rounded.iter().map(|lane| (lane.input.clone(), lane.output.clone())).unzip()
        } else {
            (0..lanes).map(|_| row.witness()).map(|value| (value.clone(), value)).unzip()
        };

        let one = constant::<R>(1);
        let choose = |n: R::EF, m: R::EF| n.clone() + (m - n) * turn.clone();
        let (t, s) = (&challenges.t, &challenges.s);
        let inner = row.fold(
            choose(t[lanes].into(), s[lanes].into()) * keep,
            choose(combine::<R>(t, &inputs), combine::<R>(s, &inputs)),
        );
        let not_first = one.clone() - row.first();
        let hold = (one - close.clone()) * not_first.clone();
        let outer =
            row.fold(choose(s[1].into(), t[1].into()) * chain + R::EF::from(hold), inner * close);
        let stay = not_first - next.clone();
        row.total(R::EF::from(challenges.lambda) * next + R::EF::from(stay), outer * add);

        let mut address = address;
        for (readers, output) in readers.into_iter().zip(outputs) {
            row.lookup(Relation::Memory, readers, &[address.clone(), output]);
            address = address + stride.clone();
        }
        if let Some(rounding) = &rounding {
            for lane in &rounded {
                rounding.lookup(row, lane);
            }
        }
    }
}
