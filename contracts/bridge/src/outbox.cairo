//! What the Ciro chain says to Starknet: messages, in a Merkle tree that is filled from the left.
//!
//! Invariant: a message names the network and the bridge that it is for and its place among all
//! messages. Leaves are hashes of lists and nodes hashes of pairs, which Poseidon keeps apart.
use core::poseidon::{hades_permutation, poseidon_hash_span};
use starknet::ContractAddress;

/// Levels of the tree above its leaves.
pub const DEPTH: u32 = 32;

/// Money that leaves the Ciro chain.
#[derive(Copy, Drop, Serde)]
pub struct Exit {
    /// How many messages were before it.
    pub index: u64,
    pub to: ContractAddress,
    /// Units of 10^-18 CIRO.
    pub amount: u128,
}

/// The leaf of a message to a bridge, on the network of Starknet with this id.
pub fn leaf(network: felt252, bridge: ContractAddress, exit: Exit) -> felt252 {
    let Exit { index, to, amount } = exit;
    let words = array![
        'CIRO_EXIT_V1', network, bridge.into(), index.into(), to.into(), amount.into(),
    ];
    poseidon_hash_span(words.span())
}

/// The root that a leaf and the siblings on its way lead to, the lowest sibling first.
pub fn root_of(leaf: felt252, index: u64, path: Span<felt252>) -> felt252 {
    assert(path.len() == DEPTH, 'path: length');
    let mut index = index;
    let mut node = leaf;
    for sibling in path {
        node = if index % 2 == 0 {
            pair(node, *sibling)
        } else {
            pair(*sibling, node)
        };
        index /= 2;
    };
    assert(index == 0, 'path: beyond the tree');
    node
}
fn pair(left: felt252, right: felt252) -> felt252 {
    let (hash, _, _) = hades_permutation(left, right, 2);
    hash
}
