//! Paths of the tree: the verifier in the protocol and the library agree.

use std::collections::BTreeMap;

use ciro_protocol::light::{StateProofError, TreeNode};
use ciro_protocol::wire::List;
use proptest::prelude::*;

use crate::MemoryState;
use crate::state::Writes;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Values are proven and absent keys are shown to be absent, after every block; any change of a
    /// path is noticed.
    #[test]
    fn paths_prove_what_the_state_holds_and_nothing_else(
        blocks in prop::collection::vec(
            prop::collection::btree_map(0_u8..40, prop::option::of(0_u8..3), 0..12),
            1..6,
        ),
        asked in 0_u8..48,
        flip in 0_usize..4096,
    ) {
        let mut state = MemoryState::default();
        let mut values: BTreeMap<u8, u8> = BTreeMap::new();
        let first: Writes = [(vec![200], Some(vec![1]))].into();
        state.commit(&first).unwrap();
        for block in blocks {
            // A value that is not there is not removed: the ledger never does.
            let writes = block.iter().filter(|(key, value)| value.is_some() || values.contains_key(key));
            let writes: Writes =
                writes.map(|(key, value)| (vec![*key], value.map(|value| vec![value]))).collect();
            let root = state.commit(&writes).unwrap();
            for (key, value) in block {
                match value {
                    Some(value) => values.insert(key, value),
                    None => values.remove(&key),
                };
            }
            let proof = state.prove(&[asked]).unwrap();
            let value = values.get(&asked).map(|value| vec![*value]);
            prop_assert_eq!(proof.verify(root, &[asked], value.as_deref()), Ok(()));
            let others = [None, Some(vec![0]), Some(vec![1]), Some(vec![9])];
            for other in others.iter().filter(|other| **other != value) {
                prop_assert!(proof.verify(root, &[asked], other.as_deref()).is_err());
            }
            if !proof.siblings.is_empty() {
                let mut siblings: Vec<TreeNode> = proof.siblings.to_vec();
                let place = flip / 256 % siblings.len();
                siblings[place].0[flip / 8 % 32] ^= 1 << (flip % 8);
                let changed = ciro_protocol::light::StateProof {
                    siblings: List::new(siblings).unwrap(),
                    ..proof
                };
                prop_assert_eq!(
                    changed.verify(root, &[asked], value.as_deref()),
                    Err(StateProofError::Root(root))
                );
            }
        }
    }
}
