//! A node among three others of which one says nothing: it takes requests and answers none.

use std::sync::mpsc::{Receiver, sync_channel};

use ciro_consensus::{Operation, Seq};
use ciro_protocol::SecretKey;
use ciro_protocol::batch::Batch;
use ciro_protocol::blob::BlobList;
use ciro_protocol::id::{Chain, SubmitterId};
use ciro_protocol::sign::{KeyCache, Signed};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::*;
use crate::blobs::BlobLimits;
use crate::driver::Transport as _;
use crate::ingress::PendingLimits;
use crate::members::Members;
use crate::metrics::Metrics;
use crate::net::{
    Addresses, BlobAnswer, BlockAnswer, Courier, Hello, Identity, Peers, Request, Supply,
};
use crate::proofs::Verifier;
use crate::store::OrderedRow;

mod unseated;

const SEEDS: [&[u8]; 4] = [b"a", b"b", b"c", b"d"];
const MIB: usize = 1 << 20;

/// The validator that says nothing.
const SILENT: ReplicaId = ReplicaId(1);
/// The validator that may answer late.
const LATE: ReplicaId = ReplicaId(2);
const PROPOSED: Why = Why::Proposed { until: 8 };

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
        Self::late(Duration::ZERO, answer)
    }

    /// Does the same where one answers after some time.
    fn late(by: Duration, answer: impl Fn(ReplicaId, &[u8]) -> Vec<u8> + Send + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = SEEDS.map(|seed| SecretKey::from_seed(seed).address());
        let spec = crate::devnet::spec(&keys, 1_700_000_000_000);
        let (genesis, first) = ciro_ledger::genesis(spec.clone()).unwrap();
        let chain = genesis.chain().unwrap();
        let spec = Arc::new(spec);
        let members = Arc::new(Members::new(Arc::clone(&spec), (ReplicaId(0), keys[0])));
        let peers = Arc::new(Peers::new(chain, Arc::clone(&members), BTreeSet::new()));
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
                    let (answer, by) = (answer(from, &bytes), by * u32::from(from == LATE));
                    tokio::spawn(async move {
                        tokio::time::sleep(by).await;
                        let _ = to.send(answer);
                    });
                }
            }
        });
        let store = StateStore::open(&folder.path().join("ledger.redb"), &genesis, &first);
        let store = Arc::new(store.unwrap());
        let limits = BlobLimits {
            total_bytes: 64 << 20,
            files: 1_000,
            blob_bytes: 8 << 20,
            judged_bytes: 4 << 20,
        };
        let blobs = Arc::new(Blobs::open(&folder.path().join("blobs"), limits).unwrap());
        let limits = PendingLimits { bytes: MIB, per_account: 9 };
        let pending = Arc::new(Pending::new(limits, BTreeMap::new(), metrics.clone()));
        let head = store.snapshot().unwrap().head().unwrap();
        let shared = Arc::new(Shared::new(crate::driver::head_of(&head, &spec.params())));
        let proofs = Verifier::new(metrics);
        let validity = Validity::new((chain, spec, members), Arc::clone(&blobs), proofs, 1);
        let own = (chain, SubmitterId(0));
        let path = folder.path().join("bodies");
        let bodies = Bodies::open(&path, own, |_, _| Some(Keep::Place));
        let needed = Needed::new(Arc::clone(&store), Arc::clone(&pending));
        let (inputs, received) = sync_channel(16);
        let holding = Holding {
            bodies: Arc::new(bodies.unwrap().0),
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

    /// Returns an empty batch of a validator.
    fn batch_at(&self, (submitter, nonce): (u32, u64), time_ms: u64) -> SignedBatch {
        let key = SecretKey::from_seed(SEEDS[usize::try_from(submitter).unwrap()]);
        let (signer, submitter) = (key.address(), SubmitterId(submitter.into()));
        let body = Batch { submitter, signer, nonce, time_ms, ..self.batch(&[]).body };
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

/// Answers for somebody who has some batches and nothing else.
fn one_of(batches: &[SignedBatch], request: &[u8]) -> Vec<u8> {
    let wanted = match BatchRequest::from_bytes(request) {
        Ok(BatchRequest::Get { payload }) => Digest::from_bytes(payload),
        _ => None,
    };
    let found = batches.iter().find(|it| Some(it.body.operation().payload) == wanted);
    let found = found.map(|it| BatchAnswer::Batch(Box::new(it.clone())));
    found.unwrap_or(BatchAnswer::Unknown).to_bytes()
}

fn nothing(_: ReplicaId, _: &[u8]) -> Vec<u8> {
    BatchAnswer::Unknown.to_bytes()
}

/// Lets a proposal be judged.
async fn judged(world: &World, operations: Vec<Operation>) -> bool {
    let supply = Supply::new(Arc::clone(&world.service), Handle::current());
    let (answer, answered) = oneshot::channel();
    supply.judge((Seq(1), 9), operations, move |valid| answer.send(valid).unwrap());
    answered.await.unwrap()
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
    let held = service.hold(Arc::new(batch), ReplicaId(2), PROPOSED).await;
    assert!(matches!(held, Err(NotHeld::Invalid { label: "batch_invalid", .. })), "{held:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_under_a_bad_signature_is_not_in_the_way_of_the_good_one() {
    let world = World::new(nothing);
    let good = world.batch(&[]);
    let mut bad = good.clone();
    bad.signature = world.batch(&[BlobId([1; 32])]).signature;
    assert_eq!(good.body.operation(), bad.body.operation());
    assert!(matches!(world.push(1, &bad, &[]).await, BatchAnswer::Refused(_)));
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
    let len = u64::try_from(blob.len()).unwrap();
    let long = world.service.net.blob(holding, (id, len - 1), &mut sources.clone()).await;
    assert!(matches!(long, Err(FetchError::TooLong { .. })), "{long:?}");
    lock(&world.asked).clear();
    world.service.net.blob(holding, (id, len), &mut sources).await.unwrap();
    assert_eq!(holding.blobs.len(id), Some(len));
    assert_eq!(world.asked(SILENT.0, Protocol::Blob), 1, "for the first part alone");
    assert_eq!(world.asked(3, Protocol::Blob), 5, "a list and four chunks");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_comes_though_its_submitter_says_nothing() {
    let batch = World::new(nothing).batch(&[]);
    let handed = BatchAnswer::Batch(Box::new(batch.clone())).to_bytes();
    let world = World::new(move |_, _| handed.clone());
    let payload = batch.body.operation().payload;
    let mut sources = world.service.asking(SILENT);
    let got = sources.first(|from| world.service.net.batch_from(from, payload)).await;
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
    let guest = service.guest(SILENT);
    for _ in 0..16 {
        turns.extend(guest.turns.take(Protocol::Batch, BatchRequest::BYTES_MAX).await);
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
    let take = |of: u32| {
        let guest = world.service.guest(ReplicaId(of));
        async move { guest.turns.take(Protocol::Batch, 1).await }
    };
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

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_fetched_or_stored_for_a_batch_that_its_submitter_has_not_signed() {
    let world = World::new(nothing);
    let blob = b"what the batch names";
    let id = BlobId::of(blob).unwrap();
    let mut bad = world.batch(&[id, BlobId([9; 32])]);
    bad.body.time_ms += 1;
    assert!(matches!(world.push(2, &bad, &[blob]).await, BatchAnswer::Refused(_)));
    assert_eq!(world.service.holding.blobs.len(id), None);
    // Nor is a proposal invalid because somebody hands over its batch so.
    let held = world.service.hold(Arc::new(bad), ReplicaId(2), PROPOSED).await;
    assert!(matches!(held, Err(NotHeld::Later)), "{held:?}");
    assert_eq!((1..4).map(|of| world.asked(of, Protocol::Blob)).sum::<usize>(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_blob_that_is_too_long_for_validity_the_list_is_enough() {
    let blob = vec![7; 5 * MIB];
    let id = BlobId::of(&blob).unwrap();
    let world = World::new(move |_, request| part_of(&blob, request));
    let batch = Arc::new(world.batch(&[id]));
    for _ in 0..2 {
        let held = world.service.hold(Arc::clone(&batch), ReplicaId(2), PROPOSED).await;
        // No transaction names the attachment: there is a verdict.
        assert!(matches!(held, Err(NotHeld::Invalid { .. })), "{held:?}");
    }
    assert_eq!(world.asked(2, Protocol::Blob), 1, "for the list");
    let holding = &world.service.holding;
    let seen = ciro_ledger::Blobs::get(&*holding.blobs, id).unwrap();
    assert_eq!((seen.len(), holding.blobs.taken().files), (4 * MIB + 1, 0));
    let list = holding.blob(BlobRequest::List(id));
    assert!(matches!(list, BlobAnswer::Bytes(_)), "others hear of it here");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_blocks_from_the_last_number_on_gets_none() {
    let world = World::new(nothing);
    let asked = BlockRequest::Rows { from: u64::MAX, max: 2 };
    let answer = world.service.holding.blocks(asked).unwrap();
    assert!(matches!(answer, BlockAnswer::Rows(rows) if rows.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_of_a_silent_submitter_are_judged_in_the_time_of_one() {
    let world = World::new(nothing);
    let batches: Vec<SignedBatch> =
        (1..=64).map(|nonce| world.batch_at((SILENT.0, nonce), 1)).collect();
    let operations: Vec<Operation> = batches.iter().map(|it| it.body.operation()).collect();
    let world = World::new(move |_, request| one_of(&batches, request));
    let begun = Instant::now();
    assert!(judged(&world, operations.clone()).await);
    // One after the other they take a second each.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let asked = world.asked(SILENT.0, Protocol::Batch);
    assert!(asked <= 16, "whoever answers just in time costs that time once, not {asked} times");
    assert_eq!(world.service.sources(SILENT).last(), Some(&SILENT), "it goes last from now on");
    let bodies = &world.service.holding.bodies;
    let kept = || operations.iter().filter(|it| bodies.contains(&it.payload)).count();
    assert_eq!(kept(), 64);
    bodies.settle(9, &BTreeMap::new()).unwrap();
    assert_eq!(kept(), 0, "they were kept for the block alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submitter_that_hands_over_its_batch_under_a_bad_signature_holds_up_nothing() {
    let world = World::new(nothing);
    let (good, mut bad) = (world.batch(&[]), world.batch_at((3, 1), 2));
    bad.body = good.body.clone();
    let operation = good.body.operation();
    let world = World::new(move |from, request| {
        one_of(std::slice::from_ref(if from == ReplicaId(3) { &bad } else { &good }), request)
    });
    let verdict = timeout(Duration::from_secs(3), judged(&world, vec![operation])).await;
    assert!(matches!(verdict, Ok(true)), "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_another_network_is_not_valid_whoever_hands_it_over() {
    let key = SecretKey::from_seed(SEEDS[3]);
    let chain = Chain(ciro_consensus::ChainId::new("another"));
    let body = Batch { chain, ..World::new(nothing).batch(&[]).body };
    let (operation, batch) = (body.operation(), Signed::new(body, &key).unwrap());
    let world = World::new(move |_, request| one_of(std::slice::from_ref(&batch), request));
    let verdict = timeout(Duration::from_secs(3), judged(&world, vec![operation])).await;
    assert!(matches!(verdict, Ok(false)), "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn attachments_that_are_handed_out_just_in_time_cost_that_time_once() {
    let blobs: Vec<[u8; 100]> = (0..64).map(|it| [it; 100]).collect();
    let ids: Vec<BlobId> = blobs.iter().map(|blob| BlobId::of(blob).unwrap()).collect();
    let world = World::late(Duration::from_millis(900), move |_, request| {
        let unknown = BlobAnswer::Unknown.to_bytes();
        let mut parts = blobs.iter().map(|blob| part_of(blob, request));
        parts.find(|part| *part != unknown).unwrap_or(unknown)
    });
    let (batch, begun) = (Arc::new(world.batch(&ids)), Instant::now());
    let held = world.service.hold(batch, LATE, PROPOSED).await;
    // No transaction names them: there is a verdict.
    assert!(matches!(held, Err(NotHeld::Invalid { label: "batch_invalid", .. })), "{held:?}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_ne!(world.service.sources(LATE)[0], LATE, "others are asked before it from now on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_comes_from_whoever_has_executed_it_though_its_submitter_says_nothing() {
    let world = World::new(nothing);
    let batches: Vec<Batch> =
        (1..=8).map(|nonce| world.batch_at((SILENT.0, nonce), 1).body).collect();
    let operations: Vec<Operation> = batches.iter().map(Batch::operation).collect();
    let batches = List::new(batches).unwrap();
    let row = OrderedRow { height: 5, batches, punish: List::default() };
    let rows = BlockAnswer::Rows(List::new(vec![row]).unwrap()).to_bytes();
    let world = World::new(move |_, request| match BlockRequest::from_bytes(request) {
        Ok(BlockRequest::Rows { from: 5, max: 1 }) => rows.clone(),
        _ => BatchAnswer::Unknown.to_bytes(),
    });
    let supply = Supply::new(Arc::clone(&world.service), Handle::current());
    let begun = Instant::now();
    // As the thread of execution does.
    let got = tokio::task::spawn_blocking(move || supply.ordered(Seq(5), &operations));
    assert_eq!(got.await.unwrap().unwrap().len(), 8);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let asked = world.asked(2, Protocol::Block) + world.asked(3, Protocol::Block);
    assert!((1..=2).contains(&asked), "a block is fetched once, not once for each batch: {asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_proposal_ordered_stays_longer_only_if_its_submitter_may_show_it() {
    let world = World::new(nothing);
    let service = &world.service;
    let (next, far) = (world.batch_at((3, 1), 1), world.batch_at((3, 1_000_000), 1));
    for batch in [&next, &far] {
        service.hold(Arc::new(batch.clone()), ReplicaId(2), PROPOSED).await.unwrap();
    }
    let order = |batch: &SignedBatch| service.order(*batch.body.operation().payload.as_bytes());
    assert!(matches!(order(&far).await, BatchAnswer::Busy));
    assert!(matches!(order(&next).await, BatchAnswer::Ordered));
    // Another one for the same place.
    let other = world.batch_at((3, 1), 2);
    service.hold(Arc::new(other.clone()), ReplicaId(2), PROPOSED).await.unwrap();
    assert!(matches!(order(&other).await, BatchAnswer::Busy));
    assert!(matches!(world.push(3, &other, &[]).await, BatchAnswer::Refused(_)));
    let bodies = &service.holding.bodies;
    bodies.settle(8, &BTreeMap::new()).unwrap();
    let here = |batch: &SignedBatch| bodies.contains(&batch.body.operation().payload);
    assert_eq!([&next, &far, &other].map(here), [true, false, false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_pushed_too_many_bytes_waits_and_nobody_else_does() {
    let world = World::new(nothing);
    let later = Instant::now() + Duration::from_secs(3600);
    assert!(lock(&world.service.guest(ReplicaId(2)).allowance).take_many(32 << 20, later));
    let batch = world.batch(&[]);
    assert!(matches!(world.push(2, &batch, &[]).await, BatchAnswer::Busy));
    assert!(matches!(world.push(3, &batch, &[]).await, BatchAnswer::Accepted));
    assert!(matches!(world.push(2, &batch, &[]).await, BatchAnswer::Accepted), "it is here");
}
