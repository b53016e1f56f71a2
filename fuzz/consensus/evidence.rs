//! Any bytes are evidence or none; evidence encodes to the bytes it came from and is verified
//! without a panic.
//!
//! Run with `just fuzz consensus evidence`; the encodings in `ciro-node/consensus/tests/vectors`
//! make a good corpus.

#![no_main]

use ciro_consensus::ChainId;
use ciro_consensus::crypto::{Scheme, Stark, StarkSigningKey};
use ciro_consensus::evidence::{Evidence, EvidenceDomain, verify_evidence};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(evidence) = Evidence::from_bytes(bytes) else { return };
    assert_eq!(evidence.to_bytes(), bytes);
    let key = StarkSigningKey::from_bytes(&[1; 32]).expect("a scalar in range");
    let key = Stark::expand(&Stark::public_key(&key)).expect("an own key is valid");
    let domain = EvidenceDomain { chain: ChainId::new("fuzz"), window: 8 };
    // Nobody without the key forges a signature.
    assert!(verify_evidence::<Stark>(&domain, &key, &evidence).is_err());
});
