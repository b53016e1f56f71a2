//! What the rows of a trace look up, and with which cells.

use std::collections::BTreeMap;
use std::ops::{Add, Mul, Neg, Sub};

use num_traits::Zero;
use stwo::core::fields::m31::BaseField;
use stwo::core::fields::qm31::SecureField;

use crate::air::{Challenges, Chip as _, Relation, Row};
use crate::layout::Layout;
use crate::rows::Column;

/// A column value, and the witness column that it is read from if it is one cell's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    pub(super) value: BaseField,
    pub(super) column: Option<usize>,
}

/// A value that depends on challenges, which nothing here does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nothing;

/// One lookup of one row.
#[derive(Clone, Debug)]
pub(super) struct Lookup {
    pub(super) chip: usize,
    pub(super) row: usize,
    pub(super) relation: Relation,
    pub(super) multiplicity: Cell,
    pub(super) values: Vec<Cell>,
}

impl Lookup {
    /// The tuple, whatever its multiplicity.
    pub(super) fn tuple(&self) -> (u32, Vec<u32>) {
        (self.relation as u32, self.values.iter().map(|cell| cell.value.0).collect())
    }
}

/// Every lookup of a trace.
pub(super) fn lookups(layout: &Layout, witness: &[Vec<Column>]) -> Vec<Lookup> {
    let challenges = Challenges::dummy();
    let mut all = vec![];
    for (chip, (placed, witness)) in layout.chips.iter().zip(witness).enumerate() {
        let rows = 1 << placed.chip.log_size();
        let fixed = &placed.fixed;
        for row in 0..rows {
            let mut recorder = Recorder { fixed, witness, chip, row, rows, next: [0; 2], all };
            placed.chip.evaluate(&mut recorder, challenges);
            all = recorder.all;
        }
    }
    all
}

/// Sets every multiplicity that a prover chooses so that tables and slots balance.
pub(in crate::prover) fn rebalance(layout: &Layout, witness: &mut [Vec<Column>]) {
    let all = lookups(layout, witness);
    let mut taken: BTreeMap<(u32, Vec<u32>), BaseField> = BTreeMap::new();
    let chosen = |lookup: &&Lookup| lookup.multiplicity.column.is_some();
    for lookup in all.iter().filter(|lookup| !chosen(lookup)) {
        if lookup.relation != Relation::Memory {
            *taken.entry(lookup.tuple()).or_insert(BaseField::zero()) -= lookup.multiplicity.value;
        }
    }
    for lookup in all.iter().filter(chosen) {
        let count = taken.remove(&lookup.tuple()).unwrap_or(BaseField::zero());
        let column = lookup.multiplicity.column.expect("filtered");
        witness[lookup.chip][column][lookup.row] = count;
    }
}

struct Recorder<'a> {
    fixed: &'a [Column],
    witness: &'a [Column],
    chip: usize,
    row: usize,
    rows: usize,
    /// Next fixed and next witness column.
    next: [usize; 2],
    all: Vec<Lookup>,
}

impl Recorder<'_> {
    fn take(&mut self, kind: usize) -> usize {
        self.next[kind] += 1;
        self.next[kind] - 1
    }
}

impl Row for Recorder<'_> {
    type F = Cell;
    type EF = Nothing;

    fn fixed(&mut self) -> Cell {
        let column = self.take(0);
        self.fixed[column][self.row].into()
    }

    fn first(&mut self) -> Cell {
        BaseField::from(u32::from(self.row == 0)).into()
    }

    fn witness(&mut self) -> Cell {
        let column = self.take(1);
        Cell { value: self.witness[column][self.row], column: Some(column) }
    }

    fn witness_with_previous(&mut self) -> [Cell; 2] {
        let cell = self.witness();
        let column = cell.column.expect("a witness cell");
        let before = self.row.checked_sub(1).unwrap_or(self.rows - 1);
        [self.witness[column][before].into(), cell]
    }

    fn fold(&mut self, _multiplier: Nothing, _addend: Nothing) -> Nothing {
        Nothing
    }

    fn constrain(&mut self, _value: Cell) {}

    fn lookup(&mut self, relation: Relation, multiplicity: Cell, values: &[Cell]) {
        let (chip, row, values) = (self.chip, self.row, values.to_vec());
        self.all.push(Lookup { chip, row, relation, multiplicity, values });
    }
}

impl From<BaseField> for Cell {
    fn from(value: BaseField) -> Self {
        Self { value, column: None }
    }
}

impl Add for Cell {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        (self.value + other.value).into()
    }
}

impl Sub for Cell {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        (self.value - other.value).into()
    }
}

impl Mul for Cell {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        (self.value * other.value).into()
    }
}

impl Neg for Cell {
    type Output = Self;

    fn neg(self) -> Self {
        (-self.value).into()
    }
}

impl From<SecureField> for Nothing {
    fn from(_: SecureField) -> Self {
        Self
    }
}

impl From<Cell> for Nothing {
    fn from(_: Cell) -> Self {
        Self
    }
}

impl Add for Nothing {
    type Output = Self;

    fn add(self, _: Self) -> Self {
        Self
    }
}

impl Sub for Nothing {
    type Output = Self;

    fn sub(self, _: Self) -> Self {
        Self
    }
}

impl Mul for Nothing {
    type Output = Self;

    fn mul(self, _: Self) -> Self {
        Self
    }
}

impl Mul<Cell> for Nothing {
    type Output = Self;

    fn mul(self, _: Cell) -> Self {
        Self
    }
}
