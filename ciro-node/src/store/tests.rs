//! The state on disk against the state in memory.

use ciro_consensus::crypto::Stark;
use ciro_consensus::{Digest, Seq};
use ciro_ledger::state::AIRDROPPED;
use ciro_ledger::{MemoryState, Outcome, View as _};
use ciro_protocol::amount::Amount;
use ciro_protocol::batch::Batch;
use ciro_protocol::id::SubmitterId;
use ciro_protocol::receipt::TxReceipt;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::{SecretKey, Signed};
use ciro_protocol::tx::{Body, Transaction, TxHeader};
use ciro_protocol::wire::List;
use proptest::prelude::*;

use super::*;

/// Writes of one block: few keys, so that they meet.
fn writes() -> impl Strategy<Value = Writes> {
    let key = proptest::collection::vec(0_u8..3, 1..3);
    let key = key.prop_map(|tail| [b"x".to_vec(), tail].concat());
    let value = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..4));
    proptest::collection::btree_map(key, value, 0..6)
}

fn first() -> (Genesis, Writes) {
    let key = SecretKey::from_seed(b"validator").address();
    ciro_ledger::genesis(crate::devnet::spec(&[key], 1_700_000_000_000)).unwrap()
}

/// What a block does that does nothing.
fn nothing() -> Outcome {
    Outcome { writes: Writes::new(), receipts: vec![], events: vec![], time_ms: 0, changes: vec![] }
}

/// A block without batches.
pub(crate) fn empty(height: u64, outcome: &Outcome) -> Executed<'_> {
    Executed {
        height,
        proposal: Digest::from_u64(height),
        executed: Digest::ZERO,
        certified: None,
        batches: &[],
        punish: &[],
        outcome,
        durable: false,
    }
}

fn commit(store: &StateStore, height: u64, writes: Writes, durable: bool) -> HeadRow {
    let outcome = Outcome { writes, time_ms: height, ..nothing() };
    let block = Executed { durable, ..empty(height, &outcome) };
    store.commit(&store.snapshot().unwrap(), &block).unwrap()
}

/// Compares everything that the ledger may ask for.
fn compare(store: &StateStore, memory: &MemoryState, height: u64) {
    let snapshot = store.snapshot().unwrap();
    let all = memory.range(b"", &[0xFF], usize::MAX);
    assert_eq!(snapshot.range(b"", &[0xFF], usize::MAX), all);
    assert_eq!(snapshot.range(b"x\x01", b"x\x02", 2), memory.range(b"x\x01", b"x\x02", 2));
    assert_eq!(snapshot.range(b"y", b"x", 9), [], "nothing lies between");
    let words = snapshot.head().unwrap().words;
    for tail in [vec![0_u8], vec![1], vec![2, 1], vec![7, 7, 7]] {
        let key = [b"x".to_vec(), tail].concat();
        let value = memory.get(&key);
        assert_eq!(snapshot.get(&key), value);
        let proof = snapshot.prove(height, &key).unwrap();
        assert_eq!(proof, memory.prove(&key).unwrap());
        assert_eq!(proof.verify(words.tree, &key, value.as_deref()), Ok(()));
    }
    snapshot.check().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_state_on_disk_is_the_state_in_memory(
        blocks in proptest::collection::vec((writes(), any::<bool>()), 1..8),
        pruned in 0_usize..8,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.redb");
        let (genesis, first) = first();
        let store = StateStore::open(&path, &genesis, &first).unwrap();
        let mut memory = MemoryState::default();
        let mut roots = vec![memory.commit(&first).unwrap()];
        for (height, (writes, durable)) in (1..).zip(&blocks) {
            let head = commit(&store, height, writes.clone(), *durable);
            roots.push(memory.commit(writes).unwrap());
            prop_assert_eq!(Some(&head.words.tree), roots.last());
            compare(&store, &memory, height);
        }
        let last = blocks.len() as u64;
        // What the tree after the last block needs stays, whatever is removed.
        store.prune((pruned as u64).min(last)).unwrap();
        compare(&store, &memory, last);
        drop(store);
        // An orderly end keeps blocks that were not made durable one by one.
        let store = StateStore::open(&path, &genesis, &first).unwrap();
        compare(&store, &memory, last);
        for (height, root) in (0..).zip(&roots) {
            let row = store.snapshot().unwrap().block(height).unwrap().unwrap();
            prop_assert_eq!(&row.words.tree, root);
        }
    }
}

#[test]
fn a_block_that_leads_to_another_state_than_the_certified_one_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let (genesis, first) = first();
    let store = StateStore::open(&folder.path().join("ledger.redb"), &genesis, &first).unwrap();
    let before = store.snapshot().unwrap().head().unwrap();
    let writes = Writes::from([(b"x".to_vec(), Some(vec![1]))]);
    let outcome = Outcome { writes, time_ms: 1, ..nothing() };
    let expected = before.words.root();
    let block = Executed { certified: Some(expected), ..empty(1, &outcome) };
    let snapshot = store.snapshot().unwrap();
    let refused = store.commit(&snapshot, &block);
    assert!(
        matches!(refused, Err(StoreError::OtherState { height: 1, expected: it, .. }) if it == expected)
    );
    let after = store.snapshot().unwrap();
    assert_eq!((after.head().unwrap(), after.get(b"x")), (before, None));
    assert!(after.block(1).unwrap().is_none() && after.links(1, 9).unwrap().is_empty());
    // The state that it does lead to is no other.
    let StoreError::OtherState { got, .. } = refused.unwrap_err() else { unreachable!() };
    store.commit(&snapshot, &Executed { certified: Some(got), ..block }).unwrap();
}

#[test]
fn what_is_numbered_comes_in_the_order_of_its_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let (genesis, first) = first();
    let store = StateStore::open(&folder.path().join("ledger.redb"), &genesis, &first).unwrap();
    let numbers = || 0_u32..300;
    commit(&store, 1, numbers().map(|it| (AIRDROPPED.key(&it), Some(vec![]))).collect(), true);
    let snapshot = store.snapshot().unwrap();
    let page = |after, max| {
        let found = snapshot.numbered(AIRDROPPED, |it| it, after, max).unwrap();
        found.into_iter().map(|(number, ())| number).collect::<Vec<_>>()
    };
    assert_eq!(page(None, usize::MAX), numbers().collect::<Vec<_>>());
    assert_eq!((page(None, 2), page(Some(0), 2)), (vec![0, 1], vec![1, 2]));
    assert_eq!((page(Some(255), 2), page(Some(298), 9)), (vec![256, 257], vec![299]));
    assert!(page(Some(299), 9).is_empty() && page(Some(u32::MAX), 9).is_empty());
    let stored = snapshot.entries(AIRDROPPED, None, 2).unwrap();
    assert_eq!(stored.into_iter().map(|(number, ())| number).collect::<Vec<_>>(), [0, 256]);
}

#[test]
fn links_lead_to_the_head_whatever_is_pruned_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let (genesis, first) = first();
    let store = StateStore::open(&path, &genesis, &first).unwrap();
    for height in 1..=5 {
        commit(&store, height, [(b"x".to_vec(), Some(vec![1]))].into(), height == 5);
    }
    store.prune(5).unwrap();
    drop(store);
    let store = StateStore::open(&path, &genesis, &first).unwrap();
    let snapshot = store.snapshot().unwrap();
    let links = snapshot.links(1, 9).unwrap();
    assert_eq!(links.len(), 5);
    assert_eq!(snapshot.links(2, 3).unwrap(), links[1..4]);
    let mut header = Digest::ZERO;
    for (height, row) in (1..).zip(links) {
        let link = row.link().unwrap();
        let words = snapshot.block(height).unwrap().unwrap().words;
        assert_eq!((link.proposal, link.state_root), (Digest::from_u64(height), words.root()));
        header = link.header::<Stark>(Seq(height), header);
    }
    assert_eq!(snapshot.head().unwrap().header().unwrap(), header);
}

#[test]
fn an_end_that_is_final_is_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (genesis, first) = first();
    let store = StateStore::open(&folder.path().join("ledger.redb"), &genesis, &first).unwrap();
    let key = SecretKey::from_seed(b"validator");
    let (chain, account) = (genesis.chain().unwrap(), key.address());
    let header =
        TxHeader { chain, account, salt: [0; 16], valid_until_ms: 1, fee_max: Amount::CIRO };
    let tx = Signed::new(Transaction { header, body: Body::Faucet }, &key).unwrap();
    let (id, tally) = (tx.body.id(), tx.body.body.tally());
    let txs = List::new(vec![tx]).unwrap();
    let batch = Batch {
        chain,
        submitter: SubmitterId(0),
        signer: account,
        nonce: 1,
        time_ms: 1,
        txs,
        attachments: List::default(),
    };
    // What is refused before its fee may come again, and then has its end; nothing later has one.
    let ends = [
        (Some(Refusal::FeeUnaffordable), 1),
        (Some(Refusal::FeeAboveMax), 2),
        (None, 3),
        (Some(Refusal::Duplicate), 3),
        (Some(Refusal::Expired), 3),
        (Some(Refusal::ValidityTooLong), 3),
    ];
    for (height, (refused, shown)) in (1..).zip(ends) {
        let receipt = TxReceipt { id, tally, fee: Amount::ZERO, refused };
        let (writes, events) = (Writes::new(), vec![]);
        let outcome =
            Outcome { writes, receipts: vec![receipt], events, time_ms: height, changes: vec![] };
        let batches = std::slice::from_ref(&batch);
        let block = Executed { batches, ..empty(height, &outcome) };
        store.commit(&store.snapshot().unwrap(), &block).unwrap();
        let row = store.snapshot().unwrap().transaction(id).unwrap().unwrap();
        assert_eq!(row.height, shown, "after {refused:?}");
        assert_eq!(
            row.receipt.refused,
            ends[usize::try_from(shown).unwrap() - 1].0,
            "after {refused:?}"
        );
    }
}

#[test]
fn the_state_of_another_network_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let (genesis, writes) = first();
    let store = StateStore::open(&path, &genesis, &writes).unwrap();
    let in_use = StateStore::open(&path, &genesis, &writes);
    assert!(matches!(in_use, Err(StoreError::Open { .. })));
    drop(store);
    let key = SecretKey::from_seed(b"another").address();
    let (other, first) = ciro_ledger::genesis(crate::devnet::spec(&[key], 1)).unwrap();
    let refused = StateStore::open(&path, &other, &first);
    assert!(matches!(refused, Err(StoreError::OtherNetwork)));
}

#[test]
fn no_file_stops_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let (genesis, first) = first();
    for content in [&b"not a database at all"[..], &[0; 8192], &[0xFF; 100]] {
        std::fs::write(&path, content).unwrap();
        assert!(StateStore::open(&path, &genesis, &first).is_err());
    }
}

/// A file with a few blocks, closed in order.
fn written(folder: &Path) -> (std::path::PathBuf, Genesis, Writes) {
    let path = folder.join("ledger.redb");
    let (genesis, first) = first();
    let store = StateStore::open(&path, &genesis, &first).unwrap();
    for height in 1..20_u8 {
        let key = [b"x".to_vec(), vec![height]].concat();
        let writes = [(key, Some(vec![height; 300]))].into();
        commit(&store, height.into(), writes, height % 4 == 0);
    }
    drop(store);
    (path, genesis, first)
}

#[test]
fn flipped_bits_are_found_and_never_stop_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let (path, genesis, first) = written(folder.path());
    let whole = std::fs::read(&path).unwrap();
    let written: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
    // The same places each time: those of the header, then some of what is written at all.
    let mut state = 1_u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap()
    };
    let mut found = 0;
    for round in 0..160 {
        let mut damaged = whole.clone();
        for flip in 0..=round % 3 {
            let at = if round < 40 { round * 8 + flip } else { written[next() % written.len()] };
            damaged[at] ^= 1 << (next() % 8);
        }
        std::fs::write(&path, damaged).unwrap();
        match StateStore::open(&path, &genesis, &first) {
            // Nothing that is in use was hit, or it could be mended: all can be read.
            Ok(store) => {
                let snapshot = store.snapshot().unwrap();
                let all = snapshot.range(b"", &[0xFF], usize::MAX);
                let height = snapshot.head().unwrap().height;
                for (key, _) in all {
                    snapshot.prove(height, &key).unwrap();
                }
                for height in 0..=height {
                    snapshot.block(height).unwrap();
                }
                snapshot.check().unwrap();
                let writes = [(b"y".to_vec(), Some(vec![1; 300]))].into();
                commit(&store, height + 1, writes, true);
                store.prune(height).unwrap();
            }
            Err(error) => {
                let text = ciro_sdk::error_chain(&error);
                assert!(text.contains("ledger.redb"), "{text}");
                found += 1;
            }
        }
    }
    assert!(found > 0);
}
