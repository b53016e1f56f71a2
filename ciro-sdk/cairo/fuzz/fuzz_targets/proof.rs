//! Key bytes behind a length, then proof bytes: decoding and verifying never panic.
#![no_main]

use ciro_cairo::{CairoKey, CairoProof, verify};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((length, bytes)) = bytes.split_first_chunk::<2>() else { return };
    let length = usize::from(u16::from_le_bytes(*length));
    let Some((key, proof)) = bytes.split_at_checked(length) else { return };
    if let (Ok(key), Ok(proof)) = (CairoKey::from_bytes(key), CairoProof::from_bytes(proof)) {
        let _ = verify(&key, &proof);
    }
});
