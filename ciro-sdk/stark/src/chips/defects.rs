//! Defects that this library has had or must not have, to be put in one at a time: whoever looks
//! for forgeries must find one then. They exist in tests alone.

use std::cell::Cell;

/// A defect, by the check that it takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    /// Ranks of features are range-checked at any width, so that every rank passes from 31 bits on.
    WideRanks,
    /// Elements before the chosen one may be 2^30 away from it, which is `-(2^30 - 1)` too.
    LooseArgMax,
    /// Dividends may be `2^30 - 1`, which is `-2^30` too.
    LastDividend,
    /// Roundings at far offsets share a table with more quotients than the modulus has room for.
    FarOffsets,
    /// Any two integers are compared as the limbs of an image.
    AnyLimbs,
    /// Products without terms have no row in the contraction, but a power of lambda in the
    /// accumulation.
    NoTerms,
    /// The running sum of all lookups may be anything.
    OpenWiring,
    /// The first of the chips does not enter the running sum.
    ForgottenChip,
    /// Every copy of a short chip's rows enters the running sum as if it were the only one.
    CountedCopies,
    /// Results of products are not held against their operands.
    OpenProducts,
    /// Totals are compared in the row before the last.
    EarlyTotals,
    /// Elements of committed inputs are range-checked at any width.
    WideAdmission,
    /// Both limbs of a committed image may be at their least.
    AnyImage,
    /// The total of the public values is not held against the statement.
    OpenPublicValues,
    /// Columns are not masked, though the key says that proofs hide.
    BareColumns,
    /// Columns are masked with as many coefficients as they have openings, less one.
    ShortMasks,
    /// All columns of a tree are masked with one mask.
    OneMask,
    /// The pieces of the composition polynomial are not masked.
    BarePieces,
    /// What FRI is about is not masked.
    BareBatch,
    /// Leaves have no salts.
    BareLeaves,
}

impl Defect {
    /// Puts the defect back on this thread until the guard is dropped.
    pub(crate) fn put_back(self) -> PutBack {
        BACK.set(Some(self));
        PutBack
    }
}

thread_local! {
    static BACK: Cell<Option<Defect>> = const { Cell::new(None) };
}

/// Whether a defect has been put back on this thread.
pub(crate) fn is_back(defect: Defect) -> bool {
    BACK.get() == Some(defect)
}

/// Takes the defect away again when it is dropped.
#[must_use]
#[derive(Debug)]
pub(crate) struct PutBack;

impl Drop for PutBack {
    fn drop(&mut self) {
        BACK.set(None);
    }
}
