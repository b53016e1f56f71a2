//! The interface through which a chip describes one row of its trace.

use std::ops::{Add, Mul, Neg, Sub};

use stwo::core::fields::m31::BaseField;
use stwo::core::fields::qm31::SecureField;

use super::{Challenges, Relation};

/// A chip: a rectangular part of the trace with constraints of its own.
pub(crate) trait Chip {
    /// Binary logarithm of the number of rows.
    fn log_size(&self) -> u32;

    /// The chip's name in reports and error messages.
    #[cfg_attr(not(feature = "prove"), allow(dead_code, reason = "verifiers name no chip"))]
    fn name(&self) -> &'static str;

    /// Whether lane counts and limbs are such that the chip can be built; keys from outside are not
    /// trusted.
    fn is_sane(&self) -> bool;

    /// Which total the chip has.
    fn total(&self) -> Total {
        Total::None
    }

    /// Degree of one row's part of the total in the folding challenges together: a row adds the
    /// powers of its lanes, and where folds are folded again, one power of each challenge.
    fn folding_degree(&self) -> u32 {
        0
    }

    /// Reads one row and states what must hold for it.
    ///
    /// The order of calls is the order of columns. All folds come before the first lookup.
    fn evaluate<R: Row>(&self, row: &mut R, challenges: &Challenges);
}

/// What the total of a chip is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Total {
    /// The chip has none.
    None,
    /// The public values of the statement.
    PublicValues,
    /// Operands of matrix products: the same sum as of their results.
    Operands,
    /// Results of matrix products.
    Results,
}

/// One row of a chip's trace, over whatever field the caller evaluates in.
///
/// Constraints have degree at most 3 in the columns; a lookup's multiplicity and values have degree
/// at most 1.
pub(crate) trait Row {
    /// Column values.
    type F: Clone
        + From<BaseField>
        + Add<Output = Self::F>
        + Sub<Output = Self::F>
        + Mul<Output = Self::F>
        + Neg<Output = Self::F>;
    /// Column values and challenges.
    type EF: Clone
        + From<SecureField>
        + From<Self::F>
        + Add<Output = Self::EF>
        + Sub<Output = Self::EF>
        + Mul<Output = Self::EF>
        + Mul<Self::F, Output = Self::EF>;

    /// The next fixed column of the chip (tree 0: part of the model key).
    fn fixed(&mut self) -> Self::F;

    /// 1 in the first row, else 0.
    fn first(&mut self) -> Self::F;

    /// The next witness column of the chip (tree 1).
    fn witness(&mut self) -> Self::F;

    /// The next witness column, in the previous row and in this one. The row before the first is
    /// the last one.
    fn witness_with_previous(&mut self) -> [Self::F; 2];

    /// A column in the extension field that is fully determined: `new = old * multiplier + addend`,
    /// with `old` from the previous row.
    ///
    /// A chip makes `multiplier` 0 in the first row.
    fn fold(&mut self, multiplier: Self::EF, addend: Self::EF) -> Self::EF;

    /// A fold, the chip's last one, whose value in the last row is the chip's total.
    fn total(&mut self, multiplier: Self::EF, addend: Self::EF) {
        self.fold(multiplier, addend);
    }

    /// Demands that `value` is 0.
    fn constrain(&mut self, value: Self::F);

    /// Adds `multiplicity` copies of a tuple to a relation; negative multiplicities take away.
    fn lookup(&mut self, relation: Relation, multiplicity: Self::F, values: &[Self::F]);
}

/// The constant `value` as a column value.
pub(crate) fn constant<R: Row>(value: u32) -> R::F {
    R::F::from(BaseField::from(value))
}

/// `sum_i powers[i] * values[i]`.
pub(crate) fn combine<R: Row>(powers: &[SecureField], values: &[R::F]) -> R::EF {
    let mut terms = powers.iter().zip(values);
    let (&power, value) = terms.next().expect("at least one value");
    terms.fold(R::EF::from(power) * value.clone(), |sum, (&power, value)| {
        sum + R::EF::from(power) * value.clone()
    })
}

/// Takes a tensor element from memory.
pub(crate) fn read_memory<R: Row>(row: &mut R, address: R::F, value: R::F) {
    row.lookup(Relation::Memory, -constant::<R>(1), &[address, value]);
}

/// Whether so many lanes can be built: the folding challenges have as many powers.
pub(crate) fn are_lanes(lanes: u32) -> bool {
    (1..=Challenges::MAX_LANES).contains(&(lanes as usize))
}
