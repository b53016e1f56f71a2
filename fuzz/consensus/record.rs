//! Any bytes are a record of the log or none; a record encodes to the bytes it came from.
//!
//! Run with `just fuzz consensus record`.

#![no_main]

use ciro_consensus::Record;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(record) = Record::from_bytes(bytes) {
        assert_eq!(record.to_bytes(), bytes);
    }
});
