//! Checks a witness row by row and names what is wrong: for tests, where a violated constraint
//! should say which.

use std::collections::BTreeMap;

use ciro_model::integer::Statement;
use num_traits::Zero;
use stwo::core::fields::m31::BaseField;
use stwo::core::fields::qm31::SecureField;

use crate::air::{Challenges, Chip as _, Relation, Row, Total};
use crate::chips::IoChip;
use crate::rows::{Column, PlacedChip};
use crate::statement::public_values;

/// A tuple of a relation.
type Tuple = (u32, Vec<u32>);

/// Lists the violated constraints of a trace, the tuples that do not balance, and public values
/// that are not the statement's.
pub(crate) fn faults(
    chips: &[PlacedChip],
    witness: &[Vec<Column>],
    statement: &Statement,
) -> Vec<String> {
    let challenges = Challenges::dummy();
    let mut faults = vec![];
    let mut balance: BTreeMap<Tuple, BaseField> = BTreeMap::new();
    let mut products = SecureField::zero();
    for (placed, witness) in chips.iter().zip(witness) {
        let name = placed.chip.name();
        let mut row = CheckRow {
            fixed: &placed.fixed,
            witness,
            rows: 1 << placed.chip.log_size(),
            folds: vec![SecureField::zero(); placed.shape.folds],
            total: SecureField::zero(),
            balance: &mut balance,
            at: 0,
            next: [0; 4],
            violated: vec![],
        };
        for at in 0..row.rows {
            (row.at, row.next) = (at, [0; 4]);
            placed.chip.evaluate(&mut row, challenges);
            faults.extend(
                row.violated.drain(..).map(|n| format!("{name}: row {at}: constraint {n}")),
            );
        }
        match placed.chip.total() {
            Total::None => {}
            Total::PublicValues => {
                if row.total != IoChip::public_total(public_values(statement), challenges) {
                    faults.push("public values are not the statement's".to_owned());
                }
            }
            Total::Operands => products += row.total,
            Total::Results => products -= row.total,
        }
    }
    let open = balance.into_iter().filter(|(_, count)| !count.is_zero());
    faults.extend(open.map(|((relation, tuple), count)| {
        format!("relation {relation}: {tuple:?} comes out {count}")
    }));
    if !products.is_zero() {
        faults.push("matrix products do not balance".to_owned());
    }
    faults
}

struct CheckRow<'a> {
    fixed: &'a [Column],
    witness: &'a [Column],
    rows: usize,
    folds: Vec<SecureField>,
    total: SecureField,
    balance: &'a mut BTreeMap<Tuple, BaseField>,
    at: usize,
    /// Next fixed column, witness column, fold and constraint.
    next: [usize; 4],
    violated: Vec<usize>,
}

impl CheckRow<'_> {
    fn take(&mut self, kind: usize) -> usize {
        self.next[kind] += 1;
        self.next[kind] - 1
    }
}

impl Row for CheckRow<'_> {
    type F = BaseField;
    type EF = SecureField;

    fn fixed(&mut self) -> BaseField {
        let column = self.take(0);
        self.fixed[column][self.at]
    }

    fn first(&mut self) -> BaseField {
        u32::from(self.at == 0).into()
    }

    fn witness(&mut self) -> BaseField {
        let column = self.take(1);
        self.witness[column][self.at]
    }

    fn witness_with_previous(&mut self) -> [BaseField; 2] {
        let column = self.take(1);
        let column = &self.witness[column];
        [column[self.at.checked_sub(1).unwrap_or(self.rows - 1)], column[self.at]]
    }

    fn fold(&mut self, multiplier: SecureField, addend: SecureField) -> SecureField {
        let fold = self.take(2);
        if self.at == 0 && !multiplier.is_zero() {
            // The row before the first is the last one: a fold must not look back at it, unless it
            // adds nothing.
            self.violated.push(1000 + fold);
        }
        let fold = &mut self.folds[fold];
        *fold = *fold * multiplier + addend;
        *fold
    }

    fn total(&mut self, multiplier: SecureField, addend: SecureField) {
        self.total = self.fold(multiplier, addend);
    }

    fn constrain(&mut self, value: BaseField) {
        let constraint = self.take(3);
        if !value.is_zero() {
            self.violated.push(constraint);
        }
    }

    fn lookup(&mut self, relation: Relation, multiplicity: BaseField, values: &[BaseField]) {
        if multiplicity.is_zero() {
            return;
        }
        let tuple = (relation as u32, values.iter().map(|value| value.0).collect());
        *self.balance.entry(tuple).or_insert(BaseField::zero()) += multiplicity;
    }
}
