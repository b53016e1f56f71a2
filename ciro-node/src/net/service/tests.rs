//! A node among three others of which one says nothing: it takes requests and answers none.

use std::sync::mpsc::{Receiver, sync_channel};

use ciro_protocol::SecretKey;
use ciro_protocol::batch::Batch;
use ciro_protocol::blob::BlobList;
use ciro_protocol::id::{Chain, SubmitterId};
use ciro_protocol::sign::{KeyCache, Signed};

use super::*;
use crate::blobs::BlobLimits;
use crate::driver::Transport as _;
use crate::ingress::PendingLimits;
use crate::metrics::Metrics;
use crate::net::{Addresses, BlobAnswer, Courier, Hello, Identity, Peers, Request};
use crate::proofs::Verifier;

const SEEDS: [&[u8]; 4] = [b"a", b"b", b"c", b"d"];
const MIB: usize = 1 << 20;

/// The validator that says nothing.
const SILENT: ReplicaId = ReplicaId(1);

/// What was asked of whom.
type Asked = Arc<Mutex<Vec<(ReplicaId, Protocol)>>>;

struct World {
    chain: Chain,
    service: Arc<Service>,
    asked: Asked,
    _folder: tempfile::TempDir,
    _inputs: Mutex<Receiver<Input>>,
}

impl World {
    /// Begins a node that is connected with all others, who answer so.
    fn new(answer: impl Fn(ReplicaId, &[u8]) -> Vec<u8> + Send + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = SEEDS.map(|seed| SecretKey::from_seed(seed).address());
        let spec = crate::devnet::spec(&keys, 1_700_000_000_000);
        let (genesis, first) = ciro_ledger::genesis(spec.clone()).unwrap();
        let chain = genesis.chain().unwrap();
        let peers = Arc::new(Peers::new(chain, &spec, ReplicaId(0)));
        for (number, seed) in (1..).zip(&SEEDS[1..]) {
            let who = Identity::from_secret([u8::try_from(number).unwrap(); 32]).unwrap();
            let signer = (ReplicaId(number), &SecretKey::from_seed(seed));
            let hello = Hello::new(chain, signer, &who, &Addresses::default()).unwrap();
            peers.bind(who.peer(), &hello, &mut KeyCache::new(4)).unwrap();
            peers.welcomed(who.peer());
        }
        let metrics = Metrics::new();
        let (net, mut queues) = Net::new(Arc::clone(&peers), metrics.clone());
        let asked = Asked::default();
        let noted = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut unanswered = Vec::new();
            while let Some(Request::Ask { peer, protocol, bytes, answer: to }) =
                queues.requests.recv().await
            {
                let from = peers.validator(peer).unwrap();
                lock(&noted).push((from, protocol));
                if from == SILENT {
                    unanswered.push(to);
                } else {
                    let _ = to.send(answer(from, &bytes));
                }
            }
        });
        let store = StateStore::open(&folder.path().join("ledger.redb"), &genesis, &first);
        let store = Arc::new(store.unwrap());
        let limits = BlobLimits {
            total_bytes: 64 << 20,
            files: 1_000,
            blob_bytes: 8 << 20,
            judged_bytes: 8 << 20,
        };
        let blobs = Arc::new(Blobs::open(&folder.path().join("blobs"), limits).unwrap());
        let limits = PendingLimits { bytes: MIB, per_account: 9 };
        let pending = Arc::new(Pending::new(limits, BTreeMap::new(), metrics.clone()));
        let head = store.snapshot().unwrap().head().unwrap();
        let shared = Arc::new(Shared::new(crate::driver::head_of(&head, &spec.params())));
        let proofs = Verifier::new(metrics);
        let validity = Validity::new((chain, Arc::new(spec)), Arc::clone(&blobs), proofs, 1);
        let (bodies, _) = Bodies::open(&folder.path().join("bodies"), chain, |_| true).unwrap();
        let needed = Needed { store: Arc::clone(&store), pending: Arc::clone(&pending) };
        let (inputs, received) = sync_channel(16);
        let holding = Holding {
            bodies: Arc::new(bodies),
            blobs,
            needed: Arc::new(needed),
            store,
            pending,
            validity: Arc::new(validity.unwrap()),
            inputs,
            shared,
        };
        let service = Arc::new(Service::new(net, holding, &[]));
        Self { chain, service, asked, _folder: folder, _inputs: Mutex::new(received) }
    }

    /// Returns a batch of the last validator.
    fn batch(&self, attachments: &[BlobId]) -> SignedBatch {
        let key = SecretKey::from_seed(SEEDS[3]);
        let body = Batch {
            chain: self.chain,
            submitter: SubmitterId(3),
            signer: key.address(),
            nonce: 1,
            time_ms: 1,
            txs: List::default(),
            attachments: List::new(attachments.to_vec()).unwrap(),
        };
        Signed::new(body, &key).unwrap()
    }

    /// Lets a validator push a batch.
    async fn push(&self, from: u32, batch: &SignedBatch, blobs: &[&[u8]]) -> BatchAnswer {
        let blobs = blobs.iter().map(|blob| Bytes::new(blob.to_vec()).unwrap());
        let blobs = List::new(blobs.collect()).unwrap();
        let push = BatchRequest::Push { batch: Box::new(batch.clone()), blobs }.to_bytes();
        let service = Arc::clone(&self.service);
        let served = service.serve(ReplicaId(from), Protocol::Batch, push).await;
        BatchAnswer::from_bytes(&served.unwrap().0).unwrap()
    }

    fn asked(&self, of: u32, protocol: Protocol) -> usize {
        let wanted = (ReplicaId(of), protocol);
        lock(&self.asked).iter().filter(|asked| **asked == wanted).count()
    }

    async fn until(&self, there: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !there(self) {
            assert!(begun.elapsed() < Duration::from_secs(60), "it does not come");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Answers for somebody who has one blob and nothing else.
fn part_of(blob: &[u8], request: &[u8]) -> Vec<u8> {
    let list = BlobList::of(blob).unwrap();
    let answer = match BlobRequest::from_bytes(request) {
        Ok(BlobRequest::List(id)) if id == list.id() => list.to_bytes(),
        Ok(BlobRequest::Chunk { id, index }) if id == list.id() => {
            blob.chunks(MIB).nth(usize::try_from(index).unwrap()).unwrap().to_vec()
        }
        _ => return BlobAnswer::Unknown.to_bytes(),
    };
    BlobAnswer::Bytes(Bytes::new(answer).unwrap()).to_bytes()
}

fn nothing(_: ReplicaId, _: &[u8]) -> Vec<u8> {
    BatchAnswer::Unknown.to_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pusher_that_hands_out_slowly_delays_nobody_elses_push() {
    let world = Arc::new(World::new(nothing));
    let blob = b"what the batch names";
    let batch = world.batch(&[BlobId::of(blob).unwrap()]);
    // It has heard of the batch, and pushes it before whoever made it does.
    let (slow, pushed) = (Arc::clone(&world), batch.clone());
    let slow = tokio::spawn(async move { slow.push(SILENT.0, &pushed, &[]).await });
    world.until(|world| world.asked(SILENT.0, Protocol::Blob) > 0).await;
    let answer = world.push(3, &batch, &[blob]).await;
    // Judged, that is: no transaction names the attachment.
    assert!(matches!(&answer, BatchAnswer::Refused(_)), "{answer:?}");
    assert!(!slow.is_finished());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_is_judged_though_somebody_hands_out_its_batch_slowly() {
    let blob = vec![7; 100];
    let id = BlobId::of(&blob).unwrap();
    let world = Arc::new(World::new(move |_, request| part_of(&blob, request)));
    let batch = world.batch(&[id]);
    let (slow, pushed) = (Arc::clone(&world), batch.clone());
    tokio::spawn(async move { slow.push(SILENT.0, &pushed, &[]).await });
    world.until(|world| world.asked(SILENT.0, Protocol::Blob) > 0).await;
    let service = &world.service;
    let held = service.hold(Arc::new(batch), ReplicaId(2), Why::Proposed).await;
    assert!(matches!(held, Err(NotHeld::Invalid { label: "batch_invalid", .. })), "{held:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_under_a_bad_signature_is_not_in_the_way_of_the_good_one() {
    let world = World::new(nothing);
    let good = world.batch(&[]);
    let mut bad = good.clone();
    bad.signature = world.batch(&[BlobId([1; 32])]).signature;
    assert_eq!(good.body.operation(), bad.body.operation());
    // As long as the bad one is being judged.
    lock(&world.service.judging).insert(bad.digest());
    assert!(matches!(world.push(1, &bad, &[]).await, BatchAnswer::Busy));
    assert!(matches!(world.push(3, &good, &[]).await, BatchAnswer::Accepted));
    // What is here is accepted from anybody, and what comes with it is not looked at.
    assert!(matches!(world.push(1, &bad, &[b"unnamed"]).await, BatchAnswer::Accepted));
    assert_eq!(world.service.holding.blobs.len(BlobId::of(b"unnamed").unwrap()), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_comes_at_once_though_one_source_says_nothing() {
    let blob: Vec<u8> = (0..3 * MIB + 7).map(|it| u8::try_from(it % 251).unwrap()).collect();
    let (id, content) = (BlobId::of(&blob).unwrap(), blob.clone());
    let world = World::new(move |from, request| match from {
        ReplicaId(3) => part_of(&content, request),
        _ => BlobAnswer::Unknown.to_bytes(),
    });
    let mut sources = Sources::new(vec![SILENT, ReplicaId(2), ReplicaId(3)]);
    let holding = &world.service.holding;
    world.service.net.blob(holding, id, &mut sources).await.unwrap();
    assert_eq!(holding.blobs.len(id), Some(u64::try_from(blob.len()).unwrap()));
    assert_eq!(world.asked(SILENT.0, Protocol::Blob), 1, "for the first part alone");
    assert_eq!(world.asked(3, Protocol::Blob), 5, "a list and four chunks");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_comes_though_its_submitter_says_nothing() {
    let batch = World::new(nothing).batch(&[]);
    let handed = BatchAnswer::Batch(Box::new(batch.clone())).to_bytes();
    let world = World::new(move |_, _| handed.clone());
    let payload = batch.body.operation().payload;
    let got = world.service.net.batch(payload, &world.service.sources(SILENT)).await;
    assert_eq!(got.unwrap().0, batch);
    assert_eq!(world.asked(SILENT.0, Protocol::Batch), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_that_says_nothing_holds_up_no_operation_for_the_next() {
    let world = World::new(nothing);
    let (_courier, mut remote) = Courier::new(Arc::clone(&world.service));
    let operation = world.batch(&[]).body.operation();
    for to in [SILENT, SILENT, ReplicaId(2)] {
        remote.relay(to, vec![operation; 3]);
    }
    world.until(|world| world.asked(2, Protocol::Batch) == 3).await;
    assert_eq!(world.asked(SILENT.0, Protocol::Batch), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_that_asks_too_much_is_told_so_and_others_are_served() {
    let world = World::new(nothing);
    let service = &world.service;
    let mut turns = Vec::new();
    for _ in 0..16 {
        let turn = service.turns[&SILENT].take(Protocol::Batch, BatchRequest::BYTES_MAX).await;
        turns.extend(turn);
    }
    let batch = world.batch(&[]);
    assert!(matches!(world.push(SILENT.0, &batch, &[]).await, BatchAnswer::Busy));
    assert!(matches!(world.push(3, &batch, &[]).await, BatchAnswer::Accepted));
    drop(turns);
    assert!(matches!(world.push(SILENT.0, &batch, &[]).await, BatchAnswer::Accepted));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_pushes_what_is_not_valid_has_one_turn_less_for_a_while() {
    let world = World::new(nothing);
    let mut bad = world.batch(&[]);
    bad.body.time_ms += 1;
    assert!(matches!(world.push(2, &bad, &[]).await, BatchAnswer::Refused(_)));
    let take = |of: u32| world.service.turns[&ReplicaId(of)].take(Protocol::Batch, 1);
    let mut turns = Vec::new();
    for of in [2, 3] {
        for _ in 0..15 {
            turns.push(take(of).await.unwrap());
        }
    }
    let short = Duration::from_millis(200);
    assert!(timeout(short, take(2)).await.is_err());
    assert!(timeout(short, take(3)).await.is_ok(), "others lose nothing");
}
