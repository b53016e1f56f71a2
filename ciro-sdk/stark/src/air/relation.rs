//! The relations that LogUp balances.

/// A multiset that chips add to and take from; every relation must come out empty.
///
/// The discriminant is the first element of every tuple, so that tuples of different relations
/// never cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Relation {
    /// `(address, value)`: one tensor element. Its producer adds it once for each static reader.
    Memory = 1,
    /// `(table, in, out)`: an entry of a fixed table.
    Table = 2,
    /// `(slot, rank)`: the rank of one feature of one sample, for every tree node that reads it.
    Rank = 3,
    /// `(node, feature, threshold, left, right)`: a node of a decision tree.
    TreeNode = 4,
    /// `(node, output, weight)`: what a leaf adds to an output.
    Leaf = 5,
    /// `(feature, rank, lower.., upper..)`: the interval of a rank between two boundaries.
    Boundary = 6,
}

impl Relation {
    /// The most values that a tuple holds, the relation's own number included.
    pub(crate) const MAX_WIDTH: usize = 8;
}
