use ciro_consensus::ChainId;
use ciro_protocol::batch::Batch;
use ciro_protocol::id::SubmitterId;
use ciro_protocol::sign::{SecretKey, Signed};
use ciro_protocol::wire::List;
use proptest::prelude::*;

use super::*;

fn chain() -> Chain {
    Chain(ChainId::new("a test"))
}

fn batch(nonce: u64) -> Arc<SignedBatch> {
    let key = SecretKey::from_seed(b"validator");
    let body = Batch {
        chain: chain(),
        submitter: SubmitterId(0),
        signer: key.address(),
        nonce,
        time_ms: nonce,
        txs: List::default(),
        attachments: List::default(),
    };
    Arc::new(Signed::new(body, &key).unwrap())
}

fn nonces(batches: &[Arc<SignedBatch>]) -> Vec<u64> {
    batches.iter().map(|batch| batch.body.nonce).collect()
}

fn open(folder: &Path) -> Result<(Bodies, Vec<Arc<SignedBatch>>), BodiesError> {
    Bodies::open(folder, chain(), |_| true)
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
        bodies.append(batch(nonce)).unwrap();
    }
    let payload = |nonce| batch(nonce).body.operation().payload;
    drop(bodies);
    let (bodies, found) = open(folder.path()).unwrap();
    assert_eq!(nonces(&found), [1, 2, 3]);
    assert_eq!(*bodies.get(&payload(2)).unwrap().unwrap(), *batch(2));
    bodies.settle([payload(1), payload(2)]).unwrap();
    assert_eq!(bodies.get(&payload(2)).unwrap(), None);
    assert_eq!(segments(folder.path()).unwrap().len(), 2, "one body of the old segment is needed");
    bodies.settle([payload(3), payload(3)]).unwrap();
    assert_eq!(segments(folder.path()).unwrap().len(), 1);
    drop(bodies);
    assert!(open(folder.path()).unwrap().1.is_empty());
}

#[test]
fn a_body_that_comes_twice_is_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let (bodies, _) = open(folder.path()).unwrap();
    // Two validators bring it at once: each has judged it before the other has written it.
    bodies.append(batch(1)).unwrap();
    let once = fs::metadata(written(folder.path())).unwrap().len();
    bodies.append(batch(1)).unwrap();
    assert_eq!(fs::metadata(written(folder.path())).unwrap().len(), once);
    assert_eq!(bodies.lock().needed.values().sum::<usize>(), 1, "and settled once");
}

#[test]
fn a_torn_frame_is_cut_off_and_its_place_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let (bodies, _) = open(folder.path()).unwrap();
    bodies.append(batch(1)).unwrap();
    bodies.append(batch(2)).unwrap();
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
    found.into_iter().map(|(_, _, batch)| Arc::new(batch)).collect()
}

#[test]
fn a_segment_of_another_network_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (bodies, _) = open(folder.path()).unwrap();
    bodies.append(batch(1)).unwrap();
    drop(bodies);
    let other = Chain(ChainId::new("another"));
    let refused = Bodies::open(folder.path(), other, |_| true);
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
        bytes.extend(frame::frame(Salt(salt), &batch(1)));
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
