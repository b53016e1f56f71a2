//! Any bytes are a message or none; a message encodes to the bytes it came from.
//!
//! Run with `just fuzz consensus message`.

#![no_main]

use ciro_consensus::message::Message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = Message::from_bytes(bytes) {
        assert_eq!(message.to_bytes(), bytes);
    }
});
