use ciro_consensus::{ChainId, ClientId, Nonce, Params};
use ciro_protocol::batch::Batch;
use ciro_protocol::sign::{SecretKey, Signed};
use ciro_protocol::wire::List;
use proptest::prelude::*;

use super::frame::HEADER_BYTES;
use super::*;

/// The submitter of all batches.
const OWN: SubmitterId = SubmitterId(0);

fn chain() -> Chain {
    Chain(ChainId::new("a test"))
}

fn batch(nonce: u64) -> Arc<SignedBatch> {
    other_batch(nonce, nonce)
}

/// Returns a batch for a place; those of other times are other batches.
fn other_batch(nonce: u64, time_ms: u64) -> Arc<SignedBatch> {
    let key = SecretKey::from_seed(b"validator");
    let body = Batch {
        chain: chain(),
        submitter: OWN,
        signer: key.address(),
        nonce,
        time_ms,
        txs: List::default(),
        attachments: List::default(),
    };
    Arc::new(Signed::new(body, &key).unwrap())
}

fn nonces(batches: &[Arc<SignedBatch>]) -> Vec<u64> {
    batches.iter().map(|batch| batch.body.nonce).collect()
}

fn open(folder: &Path) -> Result<(Bodies, Vec<Arc<SignedBatch>>), BodiesError> {
    let (bodies, found) = Bodies::open(folder, (chain(), OWN), |_, _| Some(Keep::Place))?;
    assert!(found.others.is_empty());
    Ok((bodies, found.own))
}

/// Does the same as a node does that starts.
fn recover(folder: &Path, recovery: &Recovery<'_>) -> (Bodies, Recovered) {
    Bodies::open(folder, (chain(), OWN), |batch, kind| recovery.keep(batch, kind)).unwrap()
}

/// The state after which a submitter's batches up to this one are executed.
fn executed(nonce: u64) -> BTreeMap<u64, u64> {
    BTreeMap::from([(0, nonce)])
}

/// Returns the file of the only segment that holds anything.
fn written(folder: &Path) -> PathBuf {
    let paths = segments(folder).unwrap().into_iter().map(|number| segment_path(folder, number));
    let len = |path: &PathBuf| fs::metadata(path).unwrap().len();
    paths.max_by_key(len).unwrap()
}

#[test]
fn bodies_outlast_the_process_until_they_are_settled() {
    let folder = tempfile::tempdir().unwrap();
    let (bodies, found) = open(folder.path()).unwrap();
    assert!(found.is_empty());
    for nonce in 1..=3 {
        bodies.append(batch(nonce), Keep::Place).unwrap();
    }
    let payload = |nonce| batch(nonce).body.operation().payload;
    drop(bodies);
    let (bodies, found) = open(folder.path()).unwrap();
    assert_eq!(nonces(&found), [1, 2, 3]);
    assert_eq!(*bodies.get(&payload(2)).unwrap().unwrap(), *batch(2));
    bodies.settle(8, &executed(2)).unwrap();
    assert_eq!(bodies.get(&payload(2)).unwrap(), None);
    assert_eq!(segments(folder.path()).unwrap().len(), 2, "one body of the old segment is needed");
    bodies.settle(16, &executed(3)).unwrap();
    assert_eq!(segments(folder.path()).unwrap().len(), 1);
    drop(bodies);
    assert!(open(folder.path()).unwrap().1.is_empty());
}

#[test]
fn a_body_that_comes_twice_is_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let (bodies, _) = open(folder.path()).unwrap();
    // Two validators bring it at once: each has judged it before the other has written it.
    bodies.append(batch(1), Keep::Place).unwrap();
    let once = fs::metadata(written(folder.path())).unwrap().len();
    bodies.append(batch(1), Keep::Place).unwrap();
    assert_eq!(fs::metadata(written(folder.path())).unwrap().len(), once);
    assert_eq!(bodies.lock().needed.values().sum::<usize>(), 1, "and settled once");
}

#[test]
fn what_a_block_ordered_for_nothing_goes_with_the_block() {
    let folder = tempfile::tempdir().unwrap();
    let (bodies, _) = open(folder.path()).unwrap();
    let far = |number: u64| batch(1_000_000 + number);
    for number in 0..64 {
        bodies.append(far(number), Keep::Block(16)).unwrap();
    }
    bodies.append(batch(1), Keep::Place).unwrap();
    bodies.settle(8, &executed(0)).unwrap();
    assert!(bodies.contains(&far(63).body.operation().payload), "its block may still be executed");
    bodies.settle(16, &executed(0)).unwrap();
    assert_eq!(bodies.lock().places.len(), 1);
    // What was judged while its block was executed comes too late.
    bodies.append(far(64), Keep::Block(16)).unwrap();
    bodies.settle(24, &executed(1)).unwrap();
    bodies.append(batch(1), Keep::Place).unwrap();
    assert_eq!(bodies.lock().places.len(), 0);
    drop(bodies);
    let left = open(folder.path()).unwrap().1;
    assert_eq!(left.len(), 65, "the segment in use goes when it is full");
    let nonces = executed(0);
    let params = Params { checkpoint_interval: 8, operations_per_block: 64, ..Params::default() };
    let recovery = Recovery::new((24, &nonces), &params, SubmitterId(1));
    let (_, found) = recover(folder.path(), &recovery);
    assert_eq!(self::nonces(&found.own), [1], "nobody can have executed the others");
}

#[test]
fn one_batch_for_each_place_outlasts_the_blocks_that_order_others() {
    let folder = tempfile::tempdir().unwrap();
    let (bodies, _) = open(folder.path()).unwrap();
    bodies.append(batch(5), Keep::Place).unwrap();
    for time_ms in 100..110 {
        bodies.append(other_batch(5, time_ms), Keep::Block(8)).unwrap();
    }
    drop(bodies);
    let nonces = executed(4);
    let params = Params { checkpoint_interval: 8, operations_per_block: 64, ..Params::default() };
    let recovery = Recovery::new((8, &nonces), &params, SubmitterId(1));
    let (bodies, found) = recover(folder.path(), &recovery);
    assert_eq!(self::nonces(&found.own), [5]);
    assert_eq!(bodies.lock().places.len(), 11, "a block that was proposed may hold any of them");
    bodies.settle(8 + 16 + 8, &nonces).unwrap();
    assert_eq!(bodies.lock().places.len(), 1);
    assert_eq!(*bodies.get(&batch(5).body.operation().payload).unwrap().unwrap(), *batch(5));
}

#[test]
fn the_longer_reason_to_keep_a_body_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (bodies, _) = open(folder.path()).unwrap();
    let operation = batch(2).body.operation();
    assert_eq!(bodies.keep_place(&operation).unwrap(), None, "it is not here");
    bodies.append(batch(2), Keep::Block(8)).unwrap();
    assert_eq!(bodies.keep(&operation, 16), Some(true));
    bodies.append(batch(2), Keep::Block(9)).unwrap();
    bodies.settle(9, &executed(0)).unwrap();
    let kept = bodies.keep_place(&operation).unwrap();
    assert_eq!(kept, Some(true), "a later block holds it too");
    bodies.settle(99, &executed(1)).unwrap();
    assert!(bodies.contains(&operation.payload), "its submitter has shown it");
    let other = Operation { nonce: Nonce(3), ..operation };
    assert_eq!(bodies.keep_place(&other).unwrap(), Some(false));
    let other = Operation { client: ClientId(1), ..operation };
    assert_eq!(bodies.keep_place(&other).unwrap(), Some(false));
    bodies.settle(100, &executed(2)).unwrap();
    assert!(!bodies.contains(&operation.payload));
}

#[test]
fn a_body_that_was_forgotten_and_came_again_is_found_once() {
    let folder = tempfile::tempdir().unwrap();
    let (bodies, _) = open(folder.path()).unwrap();
    bodies.append(batch(2), Keep::Block(8)).unwrap();
    bodies.settle(8, &executed(0)).unwrap();
    bodies.append(batch(2), Keep::Place).unwrap();
    drop(bodies);
    let nonces = executed(1);
    let recovery = Recovery::new((8, &nonces), &Params::default(), SubmitterId(1));
    let (bodies, found) = recover(folder.path(), &recovery);
    assert_eq!(self::nonces(&found.own), [2], "its first frame says nothing of the second");
    assert_eq!(bodies.lock().needed.values().sum::<usize>(), 1);
    bodies.settle(9, &executed(2)).unwrap();
    assert_eq!(segments(folder.path()).unwrap().len(), 1);
}

#[test]
fn after_a_start_a_body_stays_no_longer_and_no_shorter_than_before() {
    let folder = tempfile::tempdir().unwrap();
    let (bodies, _) = open(folder.path()).unwrap();
    let (brought, shown) = (batch(2), batch(3));
    bodies.append(Arc::clone(&brought), Keep::Block(8)).unwrap();
    bodies.append(Arc::clone(&shown), Keep::Block(8)).unwrap();
    // Its submitter pushes it after it was proposed.
    bodies.append(Arc::clone(&shown), Keep::Place).unwrap();
    assert_eq!(bodies.lock().needed.values().sum::<usize>(), 2);
    drop(bodies);
    let nonces = executed(1);
    let params = Params { checkpoint_interval: 8, ..Params::default() };
    let recovery = Recovery::new((8, &nonces), &params, SubmitterId(1));
    for _ in 0..2 {
        let (bodies, found) = recover(folder.path(), &recovery);
        assert_eq!(self::nonces(&found.own), [3], "nobody has shown the other one");
        assert!(bodies.contains(&brought.body.operation().payload), "it may be executed");
        assert_eq!(bodies.lock().needed.values().sum::<usize>(), 2);
    }
    let (bodies, _) = recover(folder.path(), &recovery);
    bodies.settle(8 + params.window() + params.pipeline_depth, &nonces).unwrap();
    assert!(!bodies.contains(&brought.body.operation().payload));
    assert_eq!(*bodies.get(&shown.body.operation().payload).unwrap().unwrap(), *shown);
}

#[test]
fn what_others_have_submitted_is_not_read_into_memory_at_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let (bodies, _) = open(folder.path()).unwrap();
    bodies.append(batch(1), Keep::Place).unwrap();
    drop(bodies);
    let needed = |_: &SignedBatch, kind: Kind| (kind == Kind::Place).then_some(Keep::Place);
    let other = (chain(), SubmitterId(1));
    let (bodies, found) = Bodies::open(folder.path(), other, needed).unwrap();
    assert_eq!(found.others, [batch(1).body.operation()]);
    assert!(found.own.is_empty());
    assert!(found.operations().eq(found.others.iter().copied()));
    assert!(bodies.lock().places.values().all(|place| place.batch.is_none()));
}

#[test]
fn a_body_whose_file_is_lost_is_missed_once() {
    let folder = tempfile::tempdir().unwrap();
    let (bodies, _) = open(folder.path()).unwrap();
    bodies.append(batch(1), Keep::Place).unwrap();
    drop(bodies);
    let (bodies, _) = open(folder.path()).unwrap();
    fs::remove_file(written(folder.path())).unwrap();
    let lost = bodies.get(&batch(1).body.operation().payload);
    assert!(matches!(lost, Err(BodiesError::File { .. })), "{lost:?}");
}

#[test]
fn few_batches_are_kept_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (bodies, _) = open(folder.path()).unwrap();
    let count = u64::try_from(CACHED_MAX).unwrap() + 3;
    for nonce in 1..=count {
        bodies.append(batch(nonce), Keep::Place).unwrap();
    }
    let cached = bodies.lock().places.values().filter(|place| place.batch.is_some()).count();
    assert_eq!(cached, CACHED_MAX);
    assert_eq!(*bodies.get(&batch(1).body.operation().payload).unwrap().unwrap(), *batch(1));
}

#[test]
fn a_torn_frame_is_cut_off_and_its_place_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let (bodies, _) = open(folder.path()).unwrap();
    bodies.append(batch(1), Keep::Place).unwrap();
    bodies.append(batch(2), Keep::Place).unwrap();
    drop(bodies);
    let path = written(folder.path());
    let whole = fs::read(&path).unwrap();
    let frame = (whole.len() - HEADER_BYTES) / 2;
    for cut in [1, 7, frame - 1] {
        fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        assert_eq!(nonces(&scan_of(&path)), [1], "{cut} bytes are missing");
    }
    // What follows damage was flushed after it: nothing is thrown away in silence.
    let mut damaged = whole.clone();
    damaged[HEADER_BYTES + frame / 2] ^= 1;
    fs::write(&path, &damaged).unwrap();
    let refused = scan(&path, chain(), true);
    assert!(matches!(refused, Err(BodiesError::Damaged { .. })));
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let refused = scan(&path, chain(), false);
    assert!(matches!(refused, Err(BodiesError::Damaged { .. })), "only the last one may be torn");
}

fn scan_of(path: &Path) -> Vec<Arc<SignedBatch>> {
    let found = scan(path, chain(), true).unwrap();
    found.into_iter().map(|it| Arc::new(it.batch)).collect()
}

#[test]
fn a_segment_of_another_network_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (bodies, _) = open(folder.path()).unwrap();
    bodies.append(batch(1), Keep::Place).unwrap();
    drop(bodies);
    let other = Chain(ChainId::new("another"));
    let refused = Bodies::open(folder.path(), (other, OWN), |_, _| Some(Keep::Place));
    assert!(matches!(refused, Err(BodiesError::Header(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever stands in a segment, reading it ends with batches or an error.
    #[test]
    fn no_bytes_stop_the_reader(
        salt in any::<[u8; 8]>(),
        tail in proptest::collection::vec(any::<u8>(), 0..200),
        flips in proptest::collection::vec((0_usize..400, 0_u8..8), 0..4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = segment_path(folder.path(), 0);
        let mut bytes = [frame::header(chain()), salt.to_vec()].concat();
        bytes.extend(frame::frame(Salt(salt), Kind::Place, &batch(1)));
        bytes.extend(tail);
        for (at, bit) in flips {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
        }
        fs::write(&path, &bytes).unwrap();
        let _ = scan(&path, chain(), true);
        let _ = scan(&path, chain(), false);
    }
}
