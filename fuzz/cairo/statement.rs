//! Key bytes behind a length, then an output segment: reading a statement never panics.
#![no_main]

use ciro_cairo::{CairoKey, parse_claim};
use libfuzzer_sys::fuzz_target;
use starknet_types_core::felt::Felt;

fuzz_target!(|bytes: &[u8]| {
    let Some((length, bytes)) = bytes.split_first_chunk::<2>() else { return };
    let length = usize::from(u16::from_le_bytes(*length));
    let Some((key, segment)) = bytes.split_at_checked(length) else { return };
    if let Ok(key) = CairoKey::from_bytes(key) {
        let (chunks, _) = segment.as_chunks::<8>();
        let felts: Vec<Felt> =
            chunks.iter().map(|chunk| Felt::from(i64::from_le_bytes(*chunk))).collect();
        let _ = parse_claim(&key, &felts);
    }
});
