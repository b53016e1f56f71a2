//! Adds the columns of chips of different heights up, as [`Balance`] says.

use std::collections::BTreeMap;

use num_traits::Zero;
use rayon::prelude::*;
use stwo::core::fields::m31::BaseField;
use stwo::core::fields::qm31::{SECURE_EXTENSION_DEGREE, SecureField};
use stwo::core::poly::circle::CanonicCoset;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::poly::circle::CircleEvaluation;
use stwo::prover::{Poly, Trace};
use stwo_constraint_framework::INTERACTION_TRACE_IDX;

use crate::air::{Balance, Kind, Sum};
use crate::rows::Column;

/// In which order the values of a column stand, and so how it is lifted.
#[derive(Clone, Copy)]
enum Order {
    /// Rows of the trace: a short column repeats.
    Rows,
    /// Points of the domain that constraints are evaluated on, so many for each row as a binary
    /// logarithm, as stwo orders them: bit by bit reversed, neighbours are mirror images of each
    /// other.
    Points(u32),
}

impl Order {
    /// How many values there are for each row.
    fn log_values_per_row(self) -> u32 {
        match self {
            Self::Rows => 0,
            Self::Points(log_values_per_row) => log_values_per_row,
        }
    }

    /// Where the value at place `at` of a column stands in one that is `2^log_copies` times shorter
    /// and has `length` values.
    fn place(self, at: usize, length: usize, log_copies: u32) -> usize {
        match self {
            Self::Rows => at % length,
            Self::Points(_) => ((at >> (log_copies + 1)) << 1) + (at & 1),
        }
    }

    /// One coordinate of what the terms of a sum add, at the height of the chip that closes it.
    fn add_up<'a>(
        self,
        sum: &Sum,
        coordinate: usize,
        column: &impl Fn(usize) -> &'a [BaseField],
    ) -> Column {
        let length = |log_size: u32| 1usize << (log_size + self.log_values_per_row());
        let zeros = |log_size| vec![BaseField::zero(); length(log_size)];
        let mut by_height: BTreeMap<u32, Column> = BTreeMap::new();
        for term in &sum.terms {
            let total = by_height.entry(term.log_size).or_insert_with(|| zeros(term.log_size));
            for (total, &value) in total.iter_mut().zip(column(term.column + coordinate)) {
                *total += value * term.factor;
            }
        }
        by_height.entry(sum.log_size).or_insert_with(|| zeros(sum.log_size));
        // From the shortest to the tallest, each with all shorter ones lifted to it.
        let mut heights = by_height.into_values();
        let shortest = heights.next().expect("at least the closing chip's");
        heights.fold(shortest, |shorter, mut total| {
            let log_copies = (total.len() / shorter.len()).ilog2();
            for (at, total) in total.iter_mut().enumerate() {
                *total += shorter[self.place(at, shorter.len(), log_copies)];
            }
            total
        })
    }
}

/// All coordinates, beside each other.
fn coordinates<T: Send>(of_one: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    (0..SECURE_EXTENSION_DEGREE).into_par_iter().map(of_one).collect()
}

/// What the sums of a trace come to; both are 0 for honest provers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Residues {
    /// Of the lookups.
    pub(super) wiring: SecureField,
    /// Of the matrix products.
    pub(super) products: SecureField,
}

/// Completes tree 2: the sums of rows in the last LogUp column of the chip that closes the wiring
/// become sums of all chips up to each row.
pub(super) fn close(balance: &Balance, columns: &mut [Column]) -> Residues {
    let mut residues = Residues { wiring: SecureField::zero(), products: SecureField::zero() };
    for sum in balance.sums() {
        match sum.kind {
            Kind::Wiring => residues.wiring = run(sum, columns),
            Kind::Products => {
                let last = |column: usize| {
                    let coordinate = |at: usize| columns[column + at].last().copied();
                    SecureField::from_m31_array(std::array::from_fn(|at| {
                        coordinate(at).expect("a column has rows")
                    }))
                };
                let others = sum.terms.iter().map(|term| last(term.column) * term.factor);
                residues.products = last(sum.column) - others.sum::<SecureField>();
            }
        }
    }
    residues
}

/// Lets a column run over the rows of all chips, and returns where it ends.
fn run(sum: &Sum, columns: &mut [Column]) -> SecureField {
    let read = |column: usize| columns[column].as_slice();
    let running = coordinates(|coordinate| {
        let mut running = Order::Rows.add_up(sum, coordinate, &read);
        let mut total = BaseField::zero();
        for (others, &own) in running.iter_mut().zip(read(sum.column + coordinate)) {
            total += *others + own;
            *others = total;
        }
        running
    });
    let end = std::array::from_fn(|at| *running[at].last().expect("a column has rows"));
    for (column, running) in columns[sum.column..].iter_mut().zip(running) {
        *column = running;
    }
    SecureField::from_m31_array(end)
}

/// What other chips add to each sum, on the domain that constraints are evaluated on: twice as
/// large as a column has coefficients, which are `2^excess` times as many as rows.
pub(super) fn others(
    balance: &Balance,
    trace: &Trace<'_, SimdBackend>,
    [log_blowup, excess]: [u32; 2],
) -> Vec<Poly<SimdBackend>> {
    let tree = &trace.polys[INTERACTION_TRACE_IDX];
    // Committed columns are evaluated on a larger domain, of which this one is the first part.
    let read = |column: usize| tree[column].evals.values.as_slice();
    let of_sum = |sum: &Sum| {
        let committed = CanonicCoset::new(sum.log_size + excess + log_blowup).circle_domain();
        let domain = committed.split(log_blowup - 1).0;
        coordinates(|coordinate| {
            let values = Order::Points(1 + excess).add_up(sum, coordinate, &read);
            Poly::new(None, CircleEvaluation::new(domain, values.into_iter().collect()))
        })
    };
    balance.sums().iter().flat_map(of_sum).collect()
}
