//! Rows of divisions and square roots.

use stwo::core::fields::m31::BaseField;

use super::cost::{Costs, log_size};
use super::tables::{TableCounts, Tables};
use super::wiring::{Address, Wiring};
use super::{Column, PlacedChip, Witness};
use crate::air::Shape;
use crate::chips::limbs::Limbs;
use crate::chips::unique::{self, Division, Width};
use crate::chips::{AnyChip, DivideChip, RootChip};
use crate::field::embed;

/// The elements of one division or square-root node.
#[derive(Clone, Debug)]
pub(crate) struct Divisions {
    split: Split,
    /// `(a, b, q)`, or `(x, x, y)` for roots.
    cells: Vec<[Address; 3]>,
}

/// How the values of a node are split, and the widths of what is range-checked.
#[derive(Clone, Copy, Debug)]
enum Split {
    Division(Division),
    Root,
}

impl Divisions {
    /// Divisions, by the check that their intervals allow.
    pub(crate) fn division(check: Division, cells: Vec<[Address; 3]>) -> Self {
        Self { split: Split::Division(check), cells }
    }

    /// Square roots.
    pub(crate) fn root(cells: Vec<[Address; 3]>) -> Self {
        Self { split: Split::Root, cells }
    }

    /// Widths of the range-checked values.
    fn widths(&self) -> Vec<Width> {
        match self.split {
            Split::Division(check) => check.widths().to_vec(),
            Split::Root => unique::ROOT.to_vec(),
        }
    }
}

/// Rows of all divisions (or all roots), before the readers of the results are known.
pub(crate) struct DivisionRows {
    chip: AnyChip,
    is_root: bool,
    limbs: Limbs,
    rows: Vec<(Split, Vec<u32>, [Address; 3], bool)>,
}

impl DivisionRows {
    /// Lays all divisions or all roots; `None` if there is none.
    pub(crate) fn new(
        work: &[Divisions],
        is_root: bool,
        costs: Costs,
        (tables, wiring): (&mut Tables, &mut Wiring<'_>),
    ) -> Option<Self> {
        let mine = work.iter().filter(|work| matches!(work.split, Split::Root) == is_root);
        let log_size = log_size(mine.clone().map(|work| work.cells.len()).sum());
        let chip = |limbs| {
            if is_root {
                AnyChip::Root(RootChip { log_size, limbs })
            } else {
                AnyChip::Divide(DivideChip { log_size, limbs })
            }
        };
        let limbs =
            costs.cheapest_limbs(&mine.clone().flat_map(Divisions::widths).collect(), tables, chip);
        let mut rows = vec![];
        for work in mine {
            let widths: Vec<u32> =
                work.widths().into_iter().flat_map(|width| limbs.widths(width)).collect();
            rows.extend(work.cells.iter().map(|&cells| (work.split, widths.clone(), cells, true)));
        }
        // Rows without work repeat the first one and write nothing.
        let (split, widths, cells, _) = rows.first()?.clone();
        rows.resize(1 << log_size, (split, widths, cells, false));
        for (_, widths, [a, b, _], _) in &rows {
            wiring.read(*a);
            if !is_root {
                wiring.read(*b);
            }
            widths.iter().for_each(|&width| {
                tables.range(width);
            });
        }
        Some(Self { chip: chip(limbs), limbs, is_root, rows })
    }

    /// Writes the fixed columns, once all reads have been counted.
    pub(crate) fn place(self, wiring: &Wiring<'_>) -> PlacedChip {
        let chip = self.chip;
        let shape = Shape::of(&chip);
        let mut fixed = vec![Vec::with_capacity(self.rows.len()); shape.fixed];
        for (split, widths, [a, b, y], writes) in &self.rows {
            let readers = if *writes { wiring.readers(*y) } else { 0 };
            let mut values = match split {
                Split::Division(check) => {
                    let offsets = [check.quotient_offset(), check.dividend_offset()];
                    [[*a, *b, *y, readers, 1 << check.half()].as_slice(), &offsets].concat()
                }
                Split::Root => vec![*a, *y, readers],
            };
            values.extend(widths);
            for (column, value) in fixed.iter_mut().zip(values) {
                column.push(BaseField::from(value));
            }
        }
        PlacedChip { chip, shape, fixed, witness: Box::new(self) }
    }
}

impl Split {
    /// The range-checked values of one row, then what is read and written beside them.
    fn values(&self, a: i32, b: i32) -> (Vec<u32>, Vec<i32>) {
        let unsigned = |value: i64| u32::try_from(value).expect("offsets make values unsigned");
        let (a, b) = (i64::from(a), i64::from(b));
        match *self {
            Self::Division(check) => {
                let half = check.half();
                let (q, r) = (a.div_euclid(b), a.rem_euclid(b));
                let low = |value: i64| value & ((1 << half) - 1);
                let carry = (low(q) * b + r - low(a)) >> half;
                let checked = [
                    low(q),
                    (q >> half) + i64::from(check.quotient_offset()),
                    low(a),
                    (a >> half) + i64::from(check.dividend_offset()),
                    carry,
                    r,
                    b - 1 - r,
                ];
                let plain = [a, q].map(|v| i32::try_from(v).expect("intervals bound values"));
                (checked.map(unsigned).to_vec(), plain.to_vec())
            }
            Self::Root => {
                let y = a.isqrt();
                let r = a - y * y;
                let x = i32::try_from(a).expect("intervals bound values");
                ([y, r, 2 * y - r].map(unsigned).to_vec(), vec![x])
            }
        }
    }
}

impl Witness for DivisionRows {
    fn columns(&self, values: &[i32], tables: &Tables, counts: &mut TableCounts) -> Vec<Column> {
        let (checked, plain) =
            if self.is_root { (RootChip::CHECKED, 1) } else { (DivideChip::CHECKED, 2) };
        let limbs = self.limbs.count() as usize;
        let mut columns = vec![Vec::with_capacity(self.rows.len()); checked * limbs + plain];
        for (split, widths, [a, b, _], _) in &self.rows {
            let (checked, plain) = split.values(values[*a as usize], values[*b as usize]);
            let limbs = checked.into_iter().flat_map(|value| self.limbs.split(value));
            let mut at = 0;
            for (limb, &width) in limbs.zip(widths) {
                counts.range(tables, width, limb);
                columns[at].push(BaseField::from(limb));
                at += 1;
            }
            for value in plain {
                columns[at].push(embed(value));
                at += 1;
            }
        }
        columns
    }
}
