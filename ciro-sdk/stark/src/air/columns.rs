//! Columns by name: constraints, rows and tests mean the same column by the same word.

#[cfg(feature = "prove")]
use stwo::core::fields::m31::BaseField;

use super::Row;

/// What stands in the place of a column.
pub(crate) trait Cells {
    /// In the place of one column.
    type Cell;
    /// In the place of a column that is read in the previous row and in this one.
    type Twice;
    /// In the place of the limbs of a value, or of their widths.
    type Limbs;
}

/// While constraints run: the values of a row, over whatever field.
impl<R: Row> Cells for R {
    type Cell = R::F;
    type Twice = [R::F; 2];
    type Limbs = Vec<R::F>;
}

/// While a row is filled: its values. Of limbs, as many count as the chip has.
#[cfg(feature = "prove")]
#[derive(Debug)]
pub(crate) enum Filled {}

#[cfg(feature = "prove")]
impl Cells for Filled {
    type Cell = BaseField;
    type Twice = BaseField;
    type Limbs = crate::chips::limbs::LimbCells;
}

/// For whoever looks at single columns: their positions.
#[cfg(test)]
#[derive(Debug)]
pub(crate) enum Places {}

#[cfg(test)]
impl Cells for Places {
    type Cell = usize;
    type Twice = usize;
    type Limbs = Vec<usize>;
}

/// Declares neighbouring columns of one tree (`fixed` or `witness`), in their order.
///
/// A column is a name; `name: twice` is read in the previous row too, `name(limbs)` stands for one
/// column a limb, `name[count]` for `count` columns, `name: twice[count]` for both. Who reads the
/// columns gets all of them, and who fills a row has to give all of them: a column that is
/// forgotten does not compile.
macro_rules! columns {
    ($(#[$about:meta])* $tree:ident $name:ident($chip:ident: $of:ty) {
        $($(#[$doc:meta])* $field:ident
            $(: $twice:ident)? $([$($list:tt)+])? $(($($limbs:tt)+))?),+ $(,)?
    }) => {
        $(#[$about])*
        pub(crate) struct $name<C: $crate::air::Cells> {
            $($(#[$doc])* pub(crate) $field:
                columns!(@type C $(: $twice)? $([$($list)+])? $(($($limbs)+))?),)+
        }

        impl<R: $crate::air::Row> $name<R> {
            /// Reads the columns.
            #[inline]
            pub(crate) fn read(row: &mut R, $chip: $of) -> Self {
                let _ = $chip;
                Self { $($field: columns!(
                    @read row $tree $(: $twice)? $([$($list)+])? $(($($limbs)+))?
                ),)+ }
            }
        }

        #[cfg(feature = "prove")]
        #[allow(dead_code, reason = "some chips' columns are filled column by column")]
        impl $name<$crate::air::Filled> {
            /// Writes one row, column by column.
            #[inline]
            pub(crate) fn write(self, $chip: $of, to: &mut $crate::air::Filler) {
                let _ = $chip;
                let Self { $($field),+ } = self;
                $(columns!(
                    @write to $field $(: $twice)? $([$($list)+])? $(($($limbs)+))?
                );)+
            }
        }

        #[cfg(test)]
        #[allow(dead_code, reason = "not every group of columns is looked at from outside")]
        impl $name<$crate::air::Places> {
            /// The positions of the columns in their tree, among those of the chip.
            pub(crate) fn at(first: usize, $chip: $of) -> Self {
                let mut next = first..;
                let mut next = move || next.next().expect("few columns");
                let _ = $chip;
                Self { $($field: columns!(
                    @place next $(: $twice)? $([$($list)+])? $(($($limbs)+))?
                ),)+ }
            }
        }
    };
    (@type $c:ident) => { $c::Cell };
    (@type $c:ident : twice) => { $c::Twice };
    (@type $c:ident : twice [$($list:tt)+]) => { Vec<$c::Twice> };
    (@type $c:ident [$($list:tt)+]) => { Vec<$c::Cell> };
    (@type $c:ident ($($limbs:tt)+)) => { $c::Limbs };
    (@read $row:ident $tree:ident) => { $row.$tree() };
    (@read $row:ident witness : twice) => { $row.witness_with_previous() };
    (@read $row:ident witness : twice [$($list:tt)+]) => {
        (0..$($list)+).map(|_| $row.witness_with_previous()).collect()
    };
    (@read $row:ident $tree:ident [$($list:tt)+]) => { (0..$($list)+).map(|_| $row.$tree()).collect() };
    (@read $row:ident $tree:ident ($($limbs:tt)+)) => {
        (0..$($limbs)+.count()).map(|_| $row.$tree()).collect()
    };
    (@write $to:ident $field:ident) => { $to.push($field) };
    (@write $to:ident $field:ident : twice) => { $to.push($field) };
    (@write $to:ident $field:ident : twice [$($list:tt)+]) => {
        columns!(@write $to $field [$($list)+])
    };
    (@write $to:ident $field:ident [$($list:tt)+]) => {
        $field.into_iter().for_each(|value| $to.push(value))
    };
    (@write $to:ident $field:ident ($($limbs:tt)+)) => {
        $field.into_iter().take($($limbs)+.count() as usize).for_each(|value| $to.push(value))
    };
    (@place $next:ident) => { $next() };
    (@place $next:ident : twice) => { $next() };
    (@place $next:ident : twice [$($list:tt)+]) => { columns!(@place $next [$($list)+]) };
    (@place $next:ident [$($list:tt)+]) => { (0..$($list)+).map(|_| $next()).collect() };
    (@place $next:ident ($($limbs:tt)+)) => { (0..$($limbs)+.count()).map(|_| $next()).collect() };
}

pub(crate) use columns;
