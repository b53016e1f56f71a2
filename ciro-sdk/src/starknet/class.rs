//! The classes of this release's contracts.

use std::collections::BTreeMap;

use serde::Deserialize;
use starknet_rust_core::types::{Felt, FlattenedSierraClass, SierraEntryPoint};
use starknet_types_core::hash::{Poseidon, StarkHash};

/// What the sources of this release compile to.
const LOCK: &str = include_str!("../../../contracts/classes.lock.toml");

/// A class in numbers, as the lock file has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// The hash under which a chain keeps it, in hexadecimal digits, if its interface is spelt as
    /// by the compiler's command line.
    pub class_hash: String,
    /// The hash of its program in Sierra and of its entry points.
    pub sierra_hash: String,
    /// The hash of what the program compiles to.
    pub casm_hash: String,
    /// Felts of the program in Sierra.
    pub sierra_felts: usize,
    /// Felts of bytecode.
    pub bytecode_felts: usize,
}

/// The class of a contract of this release, such as `Facts`; `None` if there is none of the name.
pub fn locked(contract: &str) -> Option<Locked> {
    // A test reads the file.
    let classes: BTreeMap<String, Locked> = toml::from_str(LOCK).unwrap_or_default();
    classes.get(contract).cloned()
}

/// The hash of a class's program in Sierra and of its entry points.
///
/// The hash under which a node keeps the class covers the text of its interface too, which tools
/// spell differently.
pub fn sierra_hash(class: &FlattenedSierraClass) -> Felt {
    let points = |points: &[SierraEntryPoint]| {
        let felts: Vec<Felt> = points
            .iter()
            .flat_map(|point| [point.selector, Felt::from(point.function_idx)])
            .collect();
        Poseidon::hash_array(&felts)
    };
    let entry = &class.entry_points_by_type;
    Poseidon::hash_array(&[
        points(&entry.external),
        points(&entry.l1_handler),
        points(&entry.constructor),
        Poseidon::hash_array(&class.sierra_program),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_that_are_asked_have_a_class() {
        for contract in ["Facts", "Models", "JobEscrow"] {
            let hash = locked(contract).unwrap().sierra_hash;
            assert!(Felt::from_hex(&hash).is_ok_and(|it| it != Felt::ZERO), "{contract}");
        }
        assert_eq!(locked("Nothing"), None);
    }
}
