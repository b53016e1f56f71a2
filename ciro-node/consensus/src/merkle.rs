//! Binary Merkle trees over words.

use crate::crypto::Scheme;
use crate::types::Digest;

/// Returns the root of a tree with `2^depth` leaves: `leaves`, then zeros.
///
/// # Panics
///
/// When there are more than `2^depth` leaves.
pub(crate) fn root<S: Scheme>(leaves: &[Digest], depth: u32) -> Digest {
    assert!(leaves.len() <= 1 << depth, "a tree of depth {depth} holds {} leaves", 1 << depth);
    let mut level = leaves.to_vec();
    let mut empty = Digest::ZERO;
    for _ in 0..depth {
        level = parents::<S>(&level, &empty);
        empty = S::compress(&empty, &empty);
    }
    level.first().copied().unwrap_or(empty)
}

/// Returns the siblings on the way from leaf `index` to the root, lowest first.
pub(crate) fn path<S: Scheme>(leaves: &[Digest], depth: u32, mut index: usize) -> Vec<Digest> {
    let mut level = leaves.to_vec();
    let mut empty = Digest::ZERO;
    let mut path = Vec::new();
    for _ in 0..depth {
        path.push(level.get(index ^ 1).copied().unwrap_or(empty));
        level = parents::<S>(&level, &empty);
        empty = S::compress(&empty, &empty);
        index /= 2;
    }
    path
}

/// Returns the root that `leaf` at `index` and the siblings `path` lead to.
pub(crate) fn root_from_path<S: Scheme>(leaf: Digest, mut index: u64, path: &[Digest]) -> Digest {
    path.iter().fold(leaf, |node, sibling| {
        let parent = if index.is_multiple_of(2) {
            S::compress(&node, sibling)
        } else {
            S::compress(sibling, &node)
        };
        index /= 2;
        parent
    })
}

/// Returns the depth of the smallest tree that holds `leaves` leaves.
pub(crate) fn depth_for(leaves: usize) -> u32 {
    leaves.next_power_of_two().trailing_zeros()
}

fn parents<S: Scheme>(level: &[Digest], empty: &Digest) -> Vec<Digest> {
    level.chunks(2).map(|pair| S::compress(&pair[0], pair.get(1).unwrap_or(empty))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::Stark;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn paths_lead_to_the_root(count in 0_usize..9, index in 0_usize..16, wrong in 0_usize..16) {
            let leaves: Vec<Digest> = (1..=count).map(|i| Digest::from_u128(i as u128)).collect();
            let root = root::<Stark>(&leaves, 4);
            let path = path::<Stark>(&leaves, 4, index);
            let leaf = leaves.get(index).copied().unwrap_or(Digest::ZERO);
            prop_assert_eq!(root_from_path::<Stark>(leaf, index as u64, &path), root);
            let other = leaves.get(wrong).copied().unwrap_or(Digest::ZERO);
            let same = root_from_path::<Stark>(other, index as u64, &path) == root;
            prop_assert_eq!(same, other == leaf);
        }
    }
}
