//! No bytes prove a receipt of a network whose validators have signed none.
//!
//! Run with `just fuzz protocol receipt_proof`.

#![no_main]

use std::sync::LazyLock;

use ciro_protocol::{Genesis, Message, ReceiptProof};
use libfuzzer_sys::fuzz_target;

/// A network whose key nobody has used.
static GENESIS: LazyLock<Genesis> = LazyLock::new(|| {
    let text = include_str!("../../ciro-sdk/src/client/test_genesis.json");
    serde_json::from_str(text).expect("a genesis")
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(proof) = ReceiptProof::from_bytes(bytes) else { return };
    assert_eq!(proof.to_bytes(), bytes);
    assert!(proof.verify(&GENESIS, None).is_err());
});
