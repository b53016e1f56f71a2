//! Fills the LogUp columns of a chip, sixteen rows at a time.

use num_traits::{One, Zero};
use rayon::prelude::*;
use stwo::core::fields::FieldExpOps;
use stwo::core::fields::m31::BaseField;
use stwo::core::fields::qm31::SECURE_EXTENSION_DEGREE;
use stwo::prover::backend::simd::m31::{N_LANES, PackedBaseField};
use stwo::prover::backend::simd::qm31::PackedSecureField;

use crate::air::{Challenges, Chip, Relation, Row, Shape};
use crate::chips::AnyChip;
use crate::rows::Column;

/// The LogUp columns of a chip, four coordinates each: runs the chip's lookups over its rows,
/// inverts the denominators in batches, and sums up along each row. The last column holds the rows'
/// sums.
pub(super) fn fill(
    chip: &AnyChip,
    shape: &Shape,
    [fixed, witness]: [&[Column]; 2],
    challenges: &Challenges,
) -> Vec<Column> {
    let rows = 1usize << chip.log_size();
    let width = shape.logup_columns();
    let vectors = rows / N_LANES;
    let mut sums = vec![PackedSecureField::zero(); vectors * width];
    const CHUNK: usize = 16;
    sums.par_chunks_mut(CHUNK * width).enumerate().for_each(|(chunk, sums)| {
        let mut denominators = vec![PackedSecureField::one(); sums.len()];
        for (i, (sums, denominators)) in
            sums.chunks_exact_mut(width).zip(denominators.chunks_exact_mut(width)).enumerate()
        {
            let mut row = LogupRow {
                fixed,
                witness,
                challenges,
                at: chunk * CHUNK + i,
                next_fixed: 0,
                next_witness: 0,
                open: None,
                pairs: sums.iter_mut().zip(denominators.iter_mut()),
            };
            chip.evaluate(&mut row, challenges);
            row.finish();
        }
        let inverses = PackedSecureField::batch_inverse(&denominators);
        for (sums, inverses) in sums.chunks_exact_mut(width).zip(inverses.chunks_exact(width)) {
            let mut running = PackedSecureField::zero();
            for (sum, inverse) in sums.iter_mut().zip(inverses) {
                running += *sum * *inverse;
                *sum = running;
            }
        }
    });
    into_columns(&sums, rows, width)
}

/// Splits the sums of vectors of rows into columns.
fn into_columns(sums: &[PackedSecureField], rows: usize, width: usize) -> Vec<Column> {
    let mut columns = vec![vec![BaseField::zero(); rows]; SECURE_EXTENSION_DEGREE * width];
    let of_one = columns.par_chunks_mut(SECURE_EXTENSION_DEGREE).enumerate();
    of_one.for_each(|(position, coordinates)| {
        for (vector, sums) in sums.chunks_exact(width).enumerate() {
            let packed = sums[position].into_packed_m31s();
            for (column, values) in coordinates.iter_mut().zip(packed) {
                column[vector * N_LANES..][..N_LANES].copy_from_slice(&values.to_array());
            }
        }
    });
    columns
}

type Pairs<'a> = std::iter::Zip<
    std::slice::IterMut<'a, PackedSecureField>,
    std::slice::IterMut<'a, PackedSecureField>,
>;

struct LogupRow<'a> {
    fixed: &'a [Column],
    witness: &'a [Column],
    challenges: &'a Challenges,
    at: usize,
    next_fixed: usize,
    next_witness: usize,
    open: Option<(PackedBaseField, PackedSecureField)>,
    pairs: Pairs<'a>,
}

impl LogupRow<'_> {
    #[inline]
    fn load(column: &Column, at: usize) -> PackedBaseField {
        let values = column[at * N_LANES..][..N_LANES].try_into().expect("a slice of one vector");
        PackedBaseField::from_array(values)
    }

    fn write(&mut self, numerator: PackedSecureField, denominator: PackedSecureField) {
        let (n, d) = self.pairs.next().expect("the shape counts the lookups");
        (*n, *d) = (numerator, denominator);
    }

    fn finish(mut self) {
        if let Some((multiplicity, denominator)) = self.open.take() {
            self.write(multiplicity.into(), denominator);
        }
    }
}

impl Row for LogupRow<'_> {
    type F = PackedBaseField;
    type EF = PackedSecureField;

    #[inline]
    fn fixed(&mut self) -> PackedBaseField {
        self.next_fixed += 1;
        Self::load(&self.fixed[self.next_fixed - 1], self.at)
    }

    fn first(&mut self) -> PackedBaseField {
        let mut values = [BaseField::zero(); N_LANES];
        values[0] = u32::from(self.at == 0).into();
        PackedBaseField::from_array(values)
    }

    #[inline]
    fn witness(&mut self) -> PackedBaseField {
        self.next_witness += 1;
        Self::load(&self.witness[self.next_witness - 1], self.at)
    }

    /// Lookups only see the current row: the previous value is not needed and not loaded.
    fn witness_with_previous(&mut self) -> [PackedBaseField; 2] {
        [PackedBaseField::zero(), self.witness()]
    }

    /// Lookups do not see folds.
    #[inline]
    fn fold(&mut self, _: PackedSecureField, _: PackedSecureField) -> PackedSecureField {
        PackedSecureField::zero()
    }

    fn constrain(&mut self, _value: PackedBaseField) {}

    fn lookup(
        &mut self,
        relation: Relation,
        multiplicity: PackedBaseField,
        values: &[PackedBaseField],
    ) {
        let challenges = self.challenges;
        let tag = challenges.alpha[0] * BaseField::from(relation as u32) - challenges.z;
        let denominator = values
            .iter()
            .zip(&challenges.alpha[1..])
            .fold(PackedSecureField::broadcast(tag), |sum, (&value, &power)| {
                sum + PackedSecureField::broadcast(power) * value
            });
        match self.open.take() {
            None => self.open = Some((multiplicity, denominator)),
            Some((first, before)) => {
                let numerator = denominator * first + before * multiplicity;
                self.write(numerator, before * denominator);
            }
        }
    }
}
