//! Key bytes behind a length, then proof bytes: decoding and verifying never panic, and a proof has
//! one encoding.
#![no_main]

use ciro_cairo::{CairoKey, CairoProof, verify};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((length, bytes)) = bytes.split_first_chunk::<2>() else { return };
    let length = usize::from(u16::from_le_bytes(*length));
    let Some((key, proof)) = bytes.split_at_checked(length) else { return };
    let decoded = CairoProof::from_bytes(proof);
    if let Ok(decoded) = &decoded {
        assert_eq!(decoded.to_bytes(), proof);
    }
    if let (Ok(key), Ok(proof)) = (CairoKey::from_bytes(key), decoded) {
        let _ = verify(&key, proof);
    }
});
