//! Any sequence of messages leaves a replica without fault, as long as their senders hold no keys.
//!
//! Run with `just fuzz consensus replica`. Each message is preceded by its length in two bytes.

#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ciro_consensus::crypto::{Scheme, Stark, StarkSigningKey};
use ciro_consensus::message::Message;
use ciro_consensus::{
    ChainId, Digest, Epoch, Genesis, Identity, Input, Params, Replica, ReplicaId, Seq, Validator,
    ValidatorSet,
};
use libfuzzer_sys::fuzz_target;

static GENESIS: LazyLock<Genesis<Stark>> = LazyLock::new(|| {
    let validators = (0..4).map(|id| {
        let key = Stark::public_key(&key(id));
        Validator { id: ReplicaId(id), key, stake: 1 }
    });
    let set = ValidatorSet::new(validators).expect("four validators are a set");
    Genesis::new(ChainId::new("fuzz"), Params::default(), set, Digest::short_string("genesis"))
});

fn key(id: u32) -> StarkSigningKey {
    let secret = Digest::from_u64(u64::from(id) + 1);
    StarkSigningKey::from_bytes(secret.as_bytes()).expect("a small scalar is in range")
}

fuzz_target!(|bytes: &[u8]| {
    let identity = Identity { id: ReplicaId(3), key: key(3), votes_from: Epoch(0) };
    let opened = Replica::open(&GENESIS, identity, Duration::ZERO, Vec::new());
    let (mut replica, _) = opened.expect("an empty log opens");
    let mut rest = bytes;
    while let Some((len, tail)) = rest.split_first_chunk::<2>() {
        let (message, tail) = tail.split_at(usize::from(u16::from_be_bytes(*len)).min(tail.len()));
        rest = tail;
        if let Ok(message) = Message::from_bytes(message) {
            let (peer, message) = (ReplicaId(0), Arc::new(message));
            replica.step(Duration::from_secs(1), Input::Message { peer, message });
        }
    }
    assert_eq!((replica.fault(), replica.executed()), (None, Seq(0)));
});
