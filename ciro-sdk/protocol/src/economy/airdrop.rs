//! The tree over the shares of the public, and the way from a share to its root.

use blake2::{Blake2s256, Digest as _};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::id::AirdropNode;
use crate::sign::Address;
use crate::wire::encode;

/// The deepest tree: four billion shares.
pub const AIRDROP_DEPTH_MAX: usize = 32;

/// Somebody's share.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct AirdropShare {
    /// Its place among all shares.
    pub index: u32,
    /// Whose it is.
    pub to: Address,
    /// How much.
    pub amount: Amount,
}

impl AirdropShare {
    /// Returns the root that a way of siblings leads to, lowest first. The bits of the index say
    /// on which side each sibling is; an index beyond the way leads nowhere.
    #[must_use]
    pub fn root(&self, path: &[AirdropNode]) -> Option<AirdropNode> {
        let mut place = u64::from(self.index);
        let mut node = hash(b"CIRO_AIRDROP_SHARE_V1", &encode(self));
        for sibling in path {
            node = if place & 1 == 0 { parent(node, *sibling) } else { parent(*sibling, node) };
            place >>= 1;
        }
        (place == 0).then_some(node)
    }
}

/// Returns the root over shares, in the order of their indices, and each one's way to it. Places
/// beyond the last share are zeros up to a power of two.
#[must_use]
pub fn airdrop_root(shares: &[AirdropShare]) -> (AirdropNode, Vec<Vec<AirdropNode>>) {
    let width = shares.len().next_power_of_two();
    let leaves = shares.iter().map(|share| hash(b"CIRO_AIRDROP_SHARE_V1", &encode(share)));
    let mut level: Vec<AirdropNode> = leaves.collect();
    level.resize(width, AirdropNode([0; 32]));
    let mut paths = vec![Vec::new(); shares.len()];
    let mut height = 0;
    while level.len() > 1 {
        for (place, path) in paths.iter_mut().enumerate() {
            path.push(level[(place >> height) ^ 1]);
        }
        level = level.chunks(2).map(|pair| parent(pair[0], pair[1])).collect();
        height += 1;
    }
    (level[0], paths)
}

fn parent(left: AirdropNode, right: AirdropNode) -> AirdropNode {
    hash(b"CIRO_AIRDROP_NODE_V1", &[left.0, right.0].concat())
}

fn hash(domain: &[u8], bytes: &[u8]) -> AirdropNode {
    let hasher = Blake2s256::new().chain_update(domain).chain_update([0]);
    AirdropNode(hasher.chain_update(bytes).finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::SecretKey;

    fn shares(count: u32) -> Vec<AirdropShare> {
        let share = |index: u32| AirdropShare {
            index,
            to: SecretKey::from_seed(&index.to_le_bytes()).address(),
            amount: Amount::from_units(u128::from(index) + 1).unwrap(),
        };
        (0..count).map(share).collect()
    }

    #[test]
    fn every_share_leads_to_the_root_by_its_own_way() {
        for count in [1, 2, 3, 5, 8] {
            let shares = shares(count);
            let (root, paths) = airdrop_root(&shares);
            for (share, path) in shares.iter().zip(&paths) {
                assert_eq!(share.root(path), Some(root));
            }
        }
    }

    #[test]
    fn another_share_or_way_leads_elsewhere() {
        let shares = shares(5);
        let (root, paths) = airdrop_root(&shares);
        let (share, path) = (shares[2], &paths[2]);
        let amount = Amount::CIRO;
        let others = [
            AirdropShare { amount, ..share },
            AirdropShare { to: shares[1].to, ..share },
            AirdropShare { index: 3, ..share },
            AirdropShare { index: 2 + 8, ..share },
        ];
        for other in others {
            assert_ne!(other.root(path), Some(root), "{other:?}");
        }
        assert_ne!(share.root(&path[..2]), Some(root));
        // A node is no share: its two halves cannot be claimed as one.
        let inner = shares[0].root(&paths[0][..1]).unwrap();
        assert_ne!(hash(b"CIRO_AIRDROP_SHARE_V1", &[inner.0, inner.0].concat()), root);
    }
}
