//! How many columns of which kind a chip has.

use num_traits::Zero;
use stwo::core::fields::m31::BaseField;
use stwo::core::fields::qm31::SecureField;

use super::{Challenges, Chip, Relation, Row};

/// The number of columns of a chip, found by running its constraints once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Fixed columns of its own.
    pub(crate) fixed: usize,
    /// Whether it reads the first-row selector.
    pub(crate) first: bool,
    /// Witness columns.
    pub(crate) witness: usize,
    /// Those of them that are read in two rows.
    pub(crate) witness_twice: usize,
    /// Folded columns, each four base-field columns.
    pub(crate) folds: usize,
    /// Constraints that are neither folds nor lookups.
    pub(crate) constraints: usize,
    /// Lookups in a row; two share one column in the extension field.
    pub(crate) lookups: usize,
}

impl Shape {
    pub(crate) fn of(chip: &impl Chip) -> Self {
        let mut shape = Self::default();
        chip.evaluate(&mut shape, Challenges::dummy());
        shape
    }

    /// LogUp columns in the extension field.
    pub(crate) fn logup_columns(&self) -> usize {
        self.lookups.div_ceil(2)
    }

    /// Constraints of all kinds but what its total is compared with.
    pub(crate) fn all_constraints(&self) -> usize {
        self.constraints + self.folds + self.logup_columns()
    }

    /// Base-field columns that the prover commits for each proof.
    pub(crate) fn committed(&self) -> usize {
        self.witness + 4 * (self.folds + self.logup_columns())
    }
}

impl Row for Shape {
    type F = BaseField;
    type EF = SecureField;

    fn fixed(&mut self) -> BaseField {
        self.fixed += 1;
        BaseField::zero()
    }

    fn first(&mut self) -> BaseField {
        self.first = true;
        BaseField::zero()
    }

    fn witness(&mut self) -> BaseField {
        self.witness += 1;
        BaseField::zero()
    }

    fn witness_with_previous(&mut self) -> [BaseField; 2] {
        self.witness += 1;
        self.witness_twice += 1;
        [BaseField::zero(); 2]
    }

    fn fold(&mut self, _multiplier: SecureField, _addend: SecureField) -> SecureField {
        assert_eq!(self.lookups, 0, "folds come before lookups");
        self.folds += 1;
        SecureField::zero()
    }

    fn constrain(&mut self, _value: BaseField) {
        self.constraints += 1;
    }

    fn lookup(&mut self, _relation: Relation, _multiplicity: BaseField, values: &[BaseField]) {
        assert!(values.len() < Relation::MAX_WIDTH, "a tuple and its relation fit the powers");
        self.lookups += 1;
    }
}
