//! The contract's class is the one in the lock file.

use std::path::Path;

use ciro_contracts::{BYTECODE_FELTS_MAX, Class};

/// `CIRO_BLESS=1` writes the file again; whoever has deployed the old class keeps it.
#[test]
fn the_class_is_the_one_that_is_locked() {
    let class = Class::of_facts().unwrap();
    assert!(class.bytecode_felts <= BYTECODE_FELTS_MAX, "{class:?}");
    let Class { sierra_hash, casm_hash, sierra_felts, bytecode_felts } = class;
    let text = format!(
        "# The class of `Facts`: a change is another contract.\n\
         sierra_hash = \"{sierra_hash}\"\n\
         casm_hash = \"{casm_hash}\"\n\
         sierra_felts = {sierra_felts}\n\
         bytecode_felts = {bytecode_felts}\n"
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("facts.lock.toml");
    if std::env::var_os("CIRO_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let locked = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, locked, "write the lock file again with CIRO_BLESS=1 if this is meant");
}
