//! The contracts' classes are those in the lock file.

use std::fmt::Write as _;
use std::path::Path;

use ciro_contracts::{BYTECODE_FELTS_MAX, Class, Contract};

/// `CIRO_BLESS=1` writes the file again; whoever has deployed an old class keeps it.
#[test]
fn the_classes_are_those_that_are_locked() {
    let mut text = "# The classes of the contracts: a change is another contract.\n".to_owned();
    for contract in Contract::ALL {
        let class = Class::of(contract).unwrap();
        assert!(class.bytecode_felts <= BYTECODE_FELTS_MAX, "{contract:?}: {class:?}");
        let Class { class_hash, sierra_hash, casm_hash, sierra_felts, bytecode_felts } = class;
        let name = contract.name();
        write!(
            text,
            "\n[{name}]\n\
             class_hash = \"{class_hash}\"\n\
             sierra_hash = \"{sierra_hash}\"\n\
             casm_hash = \"{casm_hash}\"\n\
             sierra_felts = {sierra_felts}\n\
             bytecode_felts = {bytecode_felts}\n"
        )
        .unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("classes.lock.toml");
    if std::env::var_os("CIRO_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let locked = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, locked, "write the lock file again with CIRO_BLESS=1 if this is meant");
}
