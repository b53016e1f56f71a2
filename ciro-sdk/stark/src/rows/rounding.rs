//! The columns of one rounded value.

use super::table::{TableCounts, Tables};
use crate::air::Filled;
use crate::chips::limbs::Limbs;
use crate::chips::rounding::{RoundingFixed, RoundingLane};
use crate::chips::unique::Width;
use crate::field::embed;

/// `y = table[(x + offset) >> shift]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rounding {
    /// The shift, as the width of the remainder that is below `2^shift`.
    pub(crate) shift: Width,
    pub(crate) offset: i32,
    /// Number of the function table.
    pub(crate) table: u32,
}

impl Rounding {
    /// What rows without work do: `x = 0` has quotient 0, output 0 and remainder 0 in the range
    /// table of width 0.
    pub(crate) const IDLE: Self = Self { shift: Width::ZERO, offset: 0, table: 0 };

    /// The fixed columns of a row.
    pub(crate) fn fixed(self, limbs: Limbs) -> RoundingFixed<Filled> {
        RoundingFixed {
            power: (1u32 << self.shift.bits()).into(),
            offset: embed(self.offset),
            table: self.table.into(),
            widths: limbs.cells(limbs.widths(self.shift)),
        }
    }

    /// Number of witness columns of one lane.
    pub(crate) fn witness_columns(limbs: Limbs) -> usize {
        2 + limbs.count() as usize
    }

    /// The witness of one value; its lookups are counted.
    #[inline]
    pub(crate) fn witness(
        self,
        x: i32,
        limbs: Limbs,
        tables: &Tables,
        counts: &mut TableCounts,
    ) -> RoundingLane<Filled> {
        let shifted = i64::from(x) + i64::from(self.offset);
        let quotient =
            i32::try_from(shifted >> self.shift.bits()).expect("intervals bound quotients");
        let remainder = u32::try_from(shifted - (i64::from(quotient) << self.shift.bits()))
            .expect("a remainder is not negative");
        let output = if self == Self::IDLE {
            counts.range(tables, 0, 0);
            0
        } else {
            counts.function(tables, self.table, quotient);
            tables.apply(self.table, quotient)
        };
        let remainder = counts.limbs(tables, limbs, self.shift, remainder);
        RoundingLane { quotient: embed(quotient), output: embed(output), remainder }
    }
}
