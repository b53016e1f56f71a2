//! From a model to a receipt that the genesis alone proves, through a kill in the middle.

use std::path::Path;

use ciro_model::Tensor;
use ciro_model::integer::{Claim, Statement};
use ciro_node::store::StateStore;
use ciro_protocol::amount::Amount;
use ciro_protocol::api::{
    self, AccountInfo, BlockInfo, Finality, JobInfo, JobOffer, JobState, ModelInfo, Page,
    ProviderInfo,
};
use ciro_protocol::blob::BlobId;
use ciro_protocol::id::{JobId, ModelId, ProviderId};
use ciro_protocol::light::ReceiptProof;
use ciro_protocol::model::{KeyEntry, Listing, ModelCard};
use ciro_protocol::order::{Input, JobOrder, Mode, Needs, Offer, Policy, Region};
use ciro_protocol::provider::{Ask, Asks, DirectKeys, DirectTerms, Profile};
use ciro_protocol::receipt::Outcome;
use ciro_protocol::sign::SecretKey;
use ciro_protocol::text::Text;
use ciro_protocol::tx::{
    Body, Claim as Take, Proven, RegisterModel, RegisterProvider, SubmitProof, UpdateModel,
};
use ciro_protocol::wire::{Bytes, List, Message as _};
use ciro_sdk::network::{self, VERIFIER};
use ciro_sdk::{Key, ProofBundle};

use crate::world::{RICH, World};

/// A golden proof: a small network of neurons, with the parameters of tests.
pub(crate) struct Golden {
    pub(crate) key: Vec<u8>,
    pub(crate) bundle: Vec<u8>,
}

impl Golden {
    pub(crate) fn read() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = folder.join("../ciro-sdk/stark/tests/fixtures");
        let read = |kind: &str| std::fs::read(folder.join(format!("mlp_v3.{kind}"))).unwrap();
        let samples: Vec<[Vec<Tensor<i32>>; 2]> = postcard::from_bytes(&read("statement")).unwrap();
        let claims = samples.into_iter().map(|[input, outputs]| Claim::public(input, outputs));
        let statement = Statement::of(claims.collect());
        let key = Key::from_bytes(&read("key")).unwrap();
        let bundle = ProofBundle::new(&key, &statement, read("proof")).to_bytes();
        Self { key: key.to_bytes(), bundle }
    }

    pub(crate) fn stated(&self) -> network::Stated {
        network::verify_stated(VERIFIER, &self.key, &self.bundle).unwrap()
    }

    pub(crate) fn proven(&self) -> Proven {
        let network::Stated { key, input, output } = self.stated();
        Proven {
            verifier: VERIFIER,
            key_blob: BlobId::of(&self.key).unwrap(),
            bundle: BlobId::of(&self.bundle).unwrap(),
            bundle_bytes: self.bundle.len() as u64,
            key,
            input,
            output,
        }
    }
}

pub(crate) fn ciro(count: u64) -> Amount {
    Amount::CIRO.checked_mul(count).unwrap()
}

/// Registers the golden model for the rich account.
pub(crate) fn register_model(world: &mut World, golden: &Golden) -> ModelId {
    let content = b"the compiled model";
    let facts = network::facts(VERIFIER, &golden.key).unwrap();
    let bytes = Bytes::new(golden.key.clone()).unwrap();
    let card = ModelCard {
        owner: SecretKey::from_seed(RICH).address(),
        name: Text::new("mlp").unwrap(),
        version: Text::new("1").unwrap(),
        licence: Text::new("MIT").unwrap(),
        blob: world.store(content),
        bytes: content.len() as u64,
        keys: List::new(vec![KeyEntry { bytes, facts }]).unwrap(),
    };
    let listing = Listing { providers: List::default(), price_hint: ciro(1) };
    let model = card.id();
    let body = Body::RegisterModel(Box::new(RegisterModel { card, listing }));
    assert_eq!(world.run(RICH, body).1, None);
    model
}

/// Lets an account become a provider of small jobs.
pub(crate) fn register_provider(world: &mut World, seed: &[u8]) {
    assert_eq!(world.run(seed, Body::Faucet).1, None);
    let class = network::facts(VERIFIER, &Golden::read().key).unwrap().class();
    let body = RegisterProvider {
        profile: Profile {
            name: Text::new("bob").unwrap(),
            region: Region::new(*b"DE").unwrap(),
            memory_mb: 1_000,
        },
        asks: Asks {
            prices: List::new(vec![Ask { class, price: ciro(1) }]).unwrap(),
            capacity: 4,
            direct: Some(DirectTerms {
                keys: DirectKeys::Listed(List::new(vec![Golden::read().stated().key]).unwrap()),
                collateral_max: ciro(200),
                lease_min_ms: 1,
                input_bytes_max: 1 << 30,
            }),
            sealing: None,
        },
        bond: ciro(200),
    };
    assert_eq!(world.run(seed, Body::RegisterProvider(body)).1, None);
}

pub(crate) fn order(world: &World, golden: &Golden, model: ModelId, mode: Mode) -> JobOrder {
    let input = b"the input";
    let network::Stated { key, input: statement, .. } = golden.stated();
    let now = world.info().head.time_ms;
    JobOrder {
        model,
        key,
        input: Input {
            blob: world.store(input),
            bytes: input.len() as u64,
            statement,
            recipients: List::default(),
        },
        offer: Offer {
            mode,
            price_min: ciro(1),
            price_max: ciro(2),
            ramp_start_ms: now,
            ramp_ms: 60_000,
            lease_ms: 60_000,
            deadline_ms: now + 600_000,
            collateral: ciro(1),
            attempts_max: 1,
        },
        policy: Policy { bits: 1, proven: false },
        needs: Needs::default(),
        memo: Bytes::default(),
    }
}

fn offers(world: &World, query: &str) -> Vec<JobOffer> {
    let class = network::facts(VERIFIER, &Golden::read().key).unwrap().class();
    let answer = world.get(&format!("{}?{query}", api::queue(class)));
    assert_eq!(answer.status, 200);
    let text = String::from_utf8(answer.body).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns the state roots of all blocks up to a height.
fn roots(world: &World, height: u64) -> Vec<String> {
    let root = |height| world.get(&api::block(height)).json::<BlockInfo>().state_root;
    (1..=height).map(|height| serde_json::to_string(&root(height)).unwrap()).collect()
}

#[test]
fn an_order_is_proven_paid_and_receipted_through_a_kill() {
    let (mut world, golden) = (World::new(), Golden::read());
    let model = register_model(&mut world, &golden);
    register_provider(&mut world, b"bob");
    let body = Body::Order(Box::new(order(&world, &golden, model, Mode::Open)));
    let (id, refused) = world.run(RICH, body);
    assert_eq!(refused, None);
    let job = JobId::from(id);

    let waiting = offers(&world, "after=0&wait=20s");
    assert_eq!(waiting.len(), 1);
    assert_eq!((waiting[0].job, waiting[0].attempt, waiting[0].held), (job, 1, None));
    assert_eq!(waiting[0].order.body.id(), id);
    let position = waiting[0].position;
    assert_eq!(offers(&world, &format!("after={position}")).len(), 0);
    assert_eq!(world.run(b"bob", Body::Claim(Take { job, attempt: 1 })).1, None);
    assert_eq!(offers(&world, "after=0").len(), 0, "it is taken");
    let held: JobInfo = world.get(&api::job(job)).json();
    assert_eq!(
        (held.state, held.requester),
        (JobState::Claimed, SecretKey::from_seed(RICH).address())
    );

    a_wrong_proof_is_refused(&mut world, &golden, job);

    let before = world.info();
    let known = roots(&world, before.head.height);
    world.kill();
    world.restart();
    assert!(world.info().head.height >= before.certified);
    let submit = SubmitProof { job, attempt: 1, proven: golden.proven() };
    assert_eq!(world.run(b"bob", Body::SubmitProof(submit)).1, None);
    assert_eq!(roots(&world, before.head.height), known, "what was said stays");

    let ended: JobInfo = world.get(&format!("{}?wait=20s", api::job(job))).json();
    assert_eq!(ended.state, JobState::Settled);
    assert_eq!(ended.signed.body.id(), id, "whoever asks sees what was ordered");
    assert_eq!(ended.signed.body.body, Body::Order(Box::new(ended.order)));
    let receipt = ended.receipt.unwrap();
    let Outcome::Settled(settled) = &receipt.outcome else { panic!("{receipt:?}") };
    assert_eq!((settled.output, settled.bundle), (golden.proven().output, golden.proven().bundle));

    let answer = world.get(&format!("{}?wait=20s", api::job_receipt(job)));
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let proof = ReceiptProof::from_bytes(&answer.body).unwrap();
    assert_eq!(proof.receipt, receipt);
    assert!(proof.verify(&world.genesis, None).unwrap() >= receipt.height);
    let firm: JobInfo = world.get(&api::job(job)).json();
    assert_eq!(firm.finality, Finality::Certified);
    lists_say_the_same(&world, model, job);
    a_listing_that_leaves_somebody_out_is_said_before_it_holds(&mut world, model);
    assert!(world.terminate(), "a node that is asked to stop ends well");
    the_state_keeps_its_invariants(&world);
    world.restart();
    assert_eq!(roots(&world, before.head.height), known);
}

/// Money and escrow add up in the state that the node left on disk.
pub(crate) fn the_state_keeps_its_invariants(world: &World) {
    let (genesis, first) = ciro_ledger::genesis(world.genesis.spec.clone()).unwrap();
    let store = StateStore::open(&world.data().join("ledger.redb"), &genesis, &first).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(ciro_ledger::check_invariants(&snapshot), Ok(()));
    snapshot.check().unwrap();
}

fn a_wrong_proof_is_refused(world: &mut World, golden: &Golden, job: JobId) {
    let mut bundle = golden.bundle.clone();
    let last = bundle.len() - 40;
    bundle[last] ^= 1;
    let (key_blob, bundle) = (world.store(&golden.key), world.store(&bundle));
    let proven = Proven { key_blob, bundle, ..golden.proven() };
    let submit = |proven| Body::SubmitProof(SubmitProof { job, attempt: 1, proven });
    let tx = world.sign(b"bob", submit(proven));
    let answer = world.post(api::TRANSACTIONS, &tx.to_bytes());
    assert_eq!(answer.code(), "proof_invalid");
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(text.contains("the proof does not hold"), "{text}");
    // A proof that nobody has uploaded, and one that holds and is said to show something else.
    let tx = world.sign(b"bob", submit(golden.proven()));
    assert_eq!(world.post(api::TRANSACTIONS, &tx.to_bytes()).code(), "blob_missing");
    world.store(&golden.bundle);
    let mut other = golden.proven();
    other.output.0[0] ^= 1;
    let tx = world.sign(b"bob", submit(other));
    assert_eq!(world.post(api::TRANSACTIONS, &tx.to_bytes()).code(), "proof_invalid");
    let mut shorter = golden.proven();
    shorter.bundle_bytes -= 1;
    let tx = world.sign(b"bob", submit(shorter));
    assert_eq!(world.post(api::TRANSACTIONS, &tx.to_bytes()).code(), "bad_blob");
    // Whoever does not hold the job is told so before anybody looks at a proof.
    let tx = world.sign(RICH, submit(golden.proven()));
    assert_eq!(world.post(api::TRANSACTIONS, &tx.to_bytes()).code(), "not_holder");
}

fn a_listing_that_leaves_somebody_out_is_said_before_it_holds(world: &mut World, model: ModelId) {
    let known: ModelInfo = world.get(&api::model(model)).json();
    assert_eq!(known.next, None);
    let providers = List::new(vec![ProviderId(0)]).unwrap();
    let listing = Listing { providers, ..known.listing.clone() };
    let body = UpdateModel { model, listing: listing.clone() };
    assert_eq!(world.run(RICH, Body::UpdateModel(body)).1, None);
    let models: Page<ModelInfo> = world.get(api::MODELS).json();
    for told in [world.get(&api::model(model)).json::<ModelInfo>(), models.items[0].clone()] {
        assert_eq!(told.listing, known.listing);
        let next = told.next.unwrap();
        assert_eq!(next.listing, listing);
        assert!(next.from_ms > world.info().head.time_ms);
    }
}

fn lists_say_the_same(world: &World, model: ModelId, job: JobId) {
    let (alice, bob) =
        (SecretKey::from_seed(RICH).address(), SecretKey::from_seed(b"bob").address());
    let models: Page<ModelInfo> = world.get(api::MODELS).json();
    assert_eq!(models.items.iter().map(|it| it.model).collect::<Vec<_>>(), [model]);
    assert_eq!(world.get(&api::model(model)).json::<ModelInfo>(), models.items[0]);
    let providers: Page<ProviderInfo> = world.get(api::PROVIDERS).json();
    assert_eq!(world.get(&api::provider(bob)).json::<ProviderInfo>(), providers.items[0]);
    assert_eq!((providers.items[0].settled, providers.items[0].held), (1, 0));
    for query in [
        String::new(),
        format!("?requester={alice}&state=settled"),
        "?provider=0&limit=1".to_owned(),
    ] {
        let jobs: Page<JobInfo> = world.get(&format!("{}{query}", api::JOBS)).json();
        assert_eq!(jobs.items.iter().map(|it| it.job).collect::<Vec<_>>(), [job], "{query}");
        assert_eq!(jobs.next, None);
    }
    let none: Page<JobInfo> = world.get(&format!("{}?state=open", api::JOBS)).json();
    assert!(none.items.is_empty());
    let account: AccountInfo = world.get(&api::account(bob)).json();
    assert!(account.balance > ciro(800) && account.faucet_taken && account.provider.is_some());
    let metrics = String::from_utf8(world.get(api::METRICS).body).unwrap();
    for name in [
        "ciro_consensus_height ",
        "ciro_verify_seconds_count{route=\"tensor\"}",
        "ciro_ledger_ops_total{kind=\"compute\",op=\"submit_proof\",code=\"ok\"}",
        "ciro_jobs_settled_total",
        "ciro_consensus_persist_seconds_bucket",
    ] {
        assert!(metrics.contains(name), "{name} is not in\n{metrics}");
    }
}

#[test]
fn a_direct_order_is_in_the_queue_of_its_provider_alone() {
    let (mut world, golden) = (World::new(), Golden::read());
    let model = register_model(&mut world, &golden);
    register_provider(&mut world, b"bob");
    let provider = ciro_protocol::ProviderId(0);
    let body = Body::Order(Box::new(order(&world, &golden, model, Mode::Direct(provider))));
    let (id, refused) = world.run(RICH, body);
    assert_eq!(refused, None);
    assert_eq!(offers(&world, "after=0").len(), 0);
    assert_eq!(offers(&world, "after=0&provider=1").len(), 0);
    let mine = offers(&world, "after=0&provider=0&wait=20s");
    assert_eq!((mine.len(), mine[0].job), (1, JobId::from(id)));
    assert_eq!(mine[0].held.map(|held| (held.provider, held.price)), Some((provider, ciro(1))));
}
