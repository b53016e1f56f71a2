//! Signatures: whose, on which network, over what.

use ciro_consensus::ChainId;
use ciro_protocol::id::Chain;
use ciro_protocol::sign::{KeyCache, SignError, Signed};
use ciro_protocol::tx::Body;

use crate::values::{batch, chain, key, signed, transactions};

#[test]
fn signatures_count_for_their_signer_network_and_bytes() {
    let mut keys = KeyCache::new(2);
    for tx in transactions() {
        assert_eq!(tx.verify(chain(), &mut keys), Ok(()));
        let mut other = tx.clone();
        other.body.header.salt[0] ^= 1;
        let refused = other.verify(chain(), &mut keys);
        assert!(matches!(refused, Err(SignError::Signature { .. })), "{refused:?}");
        let elsewhere = Chain(ChainId::new("elsewhere"));
        let expected = SignError::Chain { expected: elsewhere, got: chain() };
        assert_eq!(tx.verify(elsewhere, &mut keys), Err(expected));
    }
    assert_eq!(batch().verify(chain(), &mut keys), Ok(()));
    let tx = signed(3, Body::Faucet);
    let (expected, got) = (key(3).address(), key(5).address());
    let refused = Signed::new(tx.body, &key(5)).unwrap_err();
    assert_eq!(refused, SignError::Signer { expected, got });
}

#[test]
fn a_second_signature_makes_no_second_transaction() {
    let tx = signed(1, Body::Faucet);
    let mut other = tx.clone();
    other.signature.0.s[31] ^= 1;
    assert_eq!(tx.body.id(), other.body.id());
    let mut again = batch();
    again.signature = tx.signature;
    assert_eq!(again.body.operation(), batch().body.operation());
}
