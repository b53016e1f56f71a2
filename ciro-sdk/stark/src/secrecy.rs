//! Whether proofs hide: what a masked proof has more of than a plain one.

use stwo::core::fields::qm31::SECURE_EXTENSION_DEGREE;

use crate::proof_shape::TREES;

/// What proofs for a key show of inputs and execution beside the statement. It is a property of the
/// key: its proofs are of one kind, and verifiers ask nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Secrecy {
    /// Opened values are equations on the trace; see `docs/privacy.md`.
    #[default]
    Plain,
    /// Opened values are random numbers: columns, composition and FRI are masked.
    Hiding,
}

impl Secrecy {
    /// What a mask has more coefficients for than the openings of a column: one is needed, and
    /// this pays for a mistake.
    const SPARE: usize = 8;

    /// Whether proofs hide.
    pub fn hides(self) -> bool {
        self == Self::Hiding
    }

    /// How many more coefficients a column has than its chip has rows, as a binary logarithm of
    /// the factor: masks stand in the upper half.
    pub(crate) fn excess(self) -> u32 {
        u32::from(self.hides())
    }

    /// Random coefficients of the mask of a column, for so many queries.
    ///
    /// An opened row is one equation for a query, and so is the row before it, which what is
    /// opened of the composition depends on; the out-of-domain point and the one a row before it
    /// are four each.
    pub(crate) fn mask(self, queries: usize) -> usize {
        match self {
            Self::Plain => 0,
            Self::Hiding => 2 * queries + 8 + Self::SPARE,
        }
    }

    /// The fewest rows of a chip, as a binary logarithm, for so many queries.
    ///
    /// A constraint of degree 3 over masked columns of `2^n + mask` coefficients leaves `2 * 2^n +
    /// 3 * mask` coefficients of a quotient, for which there is room for `4 * 2^n`.
    pub(crate) fn log_size_min(self, queries: usize) -> u32 {
        let rows = (3 * self.mask(queries)).div_ceil(2);
        rows.next_power_of_two().ilog2().max(LOG_SIZE_MIN)
    }

    /// Columns that the composition polynomial is split into, and the masks of FRI beside them;
    /// all as tall as the tallest column, in four coordinates each.
    pub(crate) fn pieces(self) -> [usize; 2] {
        match self {
            Self::Plain => [2, 0],
            Self::Hiding => [4, 1],
        }
    }

    /// Columns as tall as the tallest that a proof commits to because it hides: pieces, masks of
    /// FRI, salts.
    pub(crate) fn noise(self) -> u32 {
        let pieces = SECURE_EXTENSION_DEGREE * self.pieces().iter().sum::<usize>();
        let columns = pieces + self.salts().iter().sum::<usize>();
        let columns = u32::try_from(columns).expect("a few dozen columns");
        if self.hides() { columns } else { 0 }
    }

    /// For each tree, columns that are never opened out of domain, so that no leaf can be guessed.
    ///
    /// Those of trees 1 and 2 are 248 random bits in every leaf by themselves: masked columns may
    /// be tied by other values. The last tree has 12 elements that nothing else ties. Tree 0 is
    /// public.
    pub(crate) fn salts(self) -> [usize; TREES] {
        match self {
            Self::Plain => [0; TREES],
            Self::Hiding => [0, 8, 8, 0],
        }
    }
}

/// The fewest rows a chip may have, as a binary logarithm: one vector of the prover's widest
/// evaluator.
pub(crate) const LOG_SIZE_MIN: u32 = 5;
