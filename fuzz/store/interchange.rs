//! Any text is a slashing-protection file or none; one that is read says the same when it is
//! written.
//!
//! Run with `just fuzz store interchange`.

#![no_main]

use ciro_consensus::ChainId;
use ciro_store::Interchange;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &str| {
    let chain = ChainId::new("fuzz");
    let Ok(guard) = Interchange::import(json, chain) else { return };
    let written = Interchange::export(&guard, chain).to_json().expect("plain data becomes JSON");
    let again = Interchange::import(&written, chain).expect("own text is read");
    assert_eq!(Interchange::export(&again, chain), Interchange::export(&guard, chain));
});
