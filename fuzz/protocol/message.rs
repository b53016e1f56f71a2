//! Any bytes are a message of the protocol or none, and a message encodes to the bytes it came
//! from; what is signed verifies for nobody.
//!
//! Run with `just fuzz protocol message`. The first byte says which message; the rest is it.

#![no_main]

use ciro_protocol::batch::{Batch, SignedBatch};
use ciro_protocol::id::Chain;
use ciro_protocol::sign::KeyCache;
use ciro_protocol::tx::{SignedTx, Transaction};
use ciro_protocol::{BlobList, ChainSpec, Genesis, Message, ModelCard, Receipt, ReceiptProof};
use libfuzzer_sys::fuzz_target;

/// Decodes, and encodes again.
fn same<M: Message>(bytes: &[u8]) -> Option<M> {
    let message = M::from_bytes(bytes).ok()?;
    assert_eq!(message.to_bytes(), bytes);
    Some(message)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 9 {
        0 => {
            let Some(tx) = same::<SignedTx>(bytes) else { return };
            let _ = (tx.body.id(), tx.body.body.kind());
            let chain: Chain = tx.body.header.chain;
            let _ = tx.verify(chain, &mut KeyCache::new(1));
        }
        1 => drop(same::<Transaction>(bytes)),
        2 => {
            let Some(batch) = same::<SignedBatch>(bytes) else { return };
            let _ = batch.body.operation();
        }
        3 => drop(same::<Batch>(bytes)),
        4 => {
            let Some(list) = same::<BlobList>(bytes) else { return };
            let _ = list.id();
        }
        5 => {
            let Some(spec) = same::<ChainSpec>(bytes) else { return };
            let _ = spec.check();
        }
        6 => {
            let Some(genesis) = same::<Genesis>(bytes) else { return };
            let _ = genesis.chain();
        }
        7 => {
            let Some(card) = same::<ModelCard>(bytes) else { return };
            let _ = card.id();
        }
        _ => drop((same::<Receipt>(bytes), same::<ReceiptProof>(bytes))),
    }
});
