//! The results of matrix products, rounded or raw.

use serde::{Deserialize, Serialize};

use super::limbs::Limbs;
use super::quantize::Rounding;
use crate::air::{Challenges, Chip, Relation, Row, combine, constant};

/// The left-hand side `sum_{m,n} s^m t^n y[m,n]` of every product (see [`ContractChip`](super::ContractChip)).
///
/// The lanes of a row run along one axis of `y` (the *inner* one), rows along the inner axis first, then along the *outer* one, the last
/// elements first. Three folds: over the inner axis, over the outer axis, over the products.
///
/// Fixed: `turn` (0: inner axis `n`, 1: inner axis `m`), `keep` (the inner fold goes on), `close` (the inner axis ends), `chain` (it ends and
/// is not the first of its product), `add` (the product ends), `next` (as `add`, or a product of another chip is passed over; not in
/// row 0), address of lane 0 and distance of addresses, then for each lane the number of readers, then the rounding.
/// Witness: for each lane the rounding's columns, or the raw value.
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

    fn evaluate<R: Row>(&self, row: &mut R, challenges: &Challenges) {
        let lanes = self.lanes as usize;
        let [turn, keep, close, chain, add, next, address, stride] =
            std::array::from_fn(|_| row.fixed());
        let readers: Vec<R::F> = (0..lanes).map(|_| row.fixed()).collect();
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
        let sum = row.fold(R::EF::from(challenges.lambda) * next + R::EF::from(stay), outer * add);
        row.total(sum);

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
