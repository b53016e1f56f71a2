//! A program's proof settles the job that was ordered, and no wrong one comes as far as a vote.

use std::path::Path;

use ciro_protocol::api::{self, JobInfo, JobState};
use ciro_protocol::blob::BlobId;
use ciro_protocol::id::{JobId, ModelId};
use ciro_protocol::model::{KeyEntry, KeyFacts, Listing, ModelCard};
use ciro_protocol::order::{Class, Input, JobOrder, Mode, Needs, Offer, Policy, Region, Route};
use ciro_protocol::provider::{Ask, Asks, Profile};
use ciro_protocol::receipt::Outcome;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::SecretKey;
use ciro_protocol::text::Text;
use ciro_protocol::tx::{Body, Claim, Proven, RegisterModel, RegisterProvider, SubmitProof};
use ciro_protocol::wire::{Bytes, List, Message as _};
use ciro_sdk::network::{VERIFIER, verify_stated};
use ciro_sdk::program::Felt;
use ciro_sdk::program::job::{JobProgram, ProgramInput, ProgramJobKey};

use crate::market::{ciro, the_state_keeps_its_invariants};
use crate::world::{RICH, World};

fn program() -> (Vec<u8>, JobProgram) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/programs/fibonacci");
    let bytes = std::fs::read(folder.join("fibonacci.executable.json")).unwrap();
    let program = JobProgram::new(&bytes, 100_000).unwrap();
    (bytes, program)
}

fn input(number: u64) -> ProgramInput {
    ProgramInput::new(vec![Felt::from(number)]).unwrap()
}

fn card(world: &World, executable: &[u8], key: Vec<u8>, facts: KeyFacts) -> ModelCard {
    ModelCard {
        owner: SecretKey::from_seed(RICH).address(),
        name: Text::new("fibonacci").unwrap(),
        version: Text::new("1").unwrap(),
        licence: Text::new("MIT").unwrap(),
        blob: world.store(executable),
        bytes: executable.len() as u64,
        keys: List::new(vec![KeyEntry { bytes: Bytes::new(key).unwrap(), facts }]).unwrap(),
    }
}

fn register(card: ModelCard) -> Body {
    let listing = Listing { providers: List::default(), price_hint: ciro(1) };
    Body::RegisterModel(Box::new(RegisterModel { card, listing }))
}

fn provide(world: &mut World, seed: &[u8]) {
    assert_eq!(world.run(seed, Body::Faucet).1, None);
    let profile = Profile {
        name: Text::new("bob").unwrap(),
        region: Region::new(*b"DE").unwrap(),
        memory_mb: 4_096,
    };
    let prices = List::new(vec![Ask { class: Class::Cairo, price: ciro(1) }]).unwrap();
    let asks = Asks { prices, capacity: 4, direct: None, sealing: None };
    let body = RegisterProvider { profile, asks, bond: ciro(200) };
    assert_eq!(world.run(seed, Body::RegisterProvider(body)).1, None);
}

fn order(world: &World, model: ModelId, key: &ProgramJobKey, input: &ProgramInput) -> Body {
    let (bytes, now) = (input.to_bytes(), world.info().head.time_ms);
    Body::Order(Box::new(JobOrder {
        model,
        key: key.digest().into(),
        input: Input {
            blob: world.store(&bytes),
            bytes: bytes.len() as u64,
            statement: input.order_digest(key),
            recipients: List::default(),
        },
        offer: Offer {
            mode: Mode::Open,
            price_min: ciro(1),
            price_max: ciro(1),
            ramp_start_ms: now,
            ramp_ms: 0,
            lease_ms: 600_000,
            deadline_ms: now + 3_600_000,
            collateral: ciro(1),
            attempts_max: 1,
        },
        policy: Policy { bits: 100, proven: false },
        needs: Needs::default(),
        memo: Bytes::default(),
    }))
}

#[test]
fn a_program_is_ordered_proven_and_paid_and_every_wrong_proof_is_refused_before_the_vote() {
    let mut world = World::new();
    let (executable, program) = program();
    let key = program.key();
    // A card says what its key says, and nothing else.
    let facts = KeyFacts { route: Route::Cairo, ..key.facts() };
    let tx = register(card(&world, &executable, key.to_bytes(), facts));
    let tx = world.sign(RICH, tx);
    assert_eq!(world.post(api::TRANSACTIONS, &tx.to_bytes()).code(), "key_invalid");
    let card = card(&world, &executable, key.to_bytes(), key.facts());
    let model = card.id();
    assert_eq!(world.run(RICH, register(card)).1, None);
    provide(&mut world, b"bob");
    let body = order(&world, model, key, &input(10));
    let (id, refused) = world.run(RICH, body);
    assert_eq!(refused, None);
    let job = JobId::from(id);
    assert_eq!(world.run(b"bob", Body::Claim(Claim { job, attempt: 1 })).1, None);

    let bundle = program.prove(&input(10), None).unwrap();
    let proven = |bytes: &[u8]| {
        let stated = verify_stated(VERIFIER, &key.to_bytes(), bytes).unwrap();
        Proven {
            verifier: VERIFIER,
            key_blob: BlobId::of(&key.to_bytes()).unwrap(),
            bundle: BlobId::of(bytes).unwrap(),
            bundle_bytes: bytes.len() as u64,
            key: stated.key,
            input: stated.input,
            output: stated.output,
        }
    };
    let good = proven(&bundle.to_bytes());
    world.store(&key.to_bytes());
    let submit = |proven| Body::SubmitProof(SubmitProof { job, attempt: 1, proven });
    let refused = |world: &mut World, bytes: &[u8], said: Proven| {
        let bundle = world.store(bytes);
        let said = Proven { bundle, bundle_bytes: bytes.len() as u64, ..said };
        let tx = world.sign(b"bob", submit(said));
        assert_eq!(world.post(api::TRANSACTIONS, &tx.to_bytes()).code(), "proof_invalid");
    };
    let mut forged = bundle.to_bytes();
    *forged.last_mut().unwrap() ^= 1;
    refused(&mut world, &forged, good);
    // The same proof that says of another number of felts that they are arguments.
    let mut other = bundle.clone();
    other.arguments = 0;
    refused(&mut world, &other.to_bytes(), good);
    // The answer of somebody else's arguments, under the order's name.
    let eleven = program.prove(&input(11), None).unwrap().to_bytes();
    refused(&mut world, &eleven, good);
    // And what it does prove settles no job of ten.
    world.store(&eleven);
    let tx = world.sign(b"bob", submit(proven(&eleven)));
    let answer = world.post(api::TRANSACTIONS, &tx.to_bytes());
    assert_eq!(answer.code(), Refusal::WrongInput.name());

    world.store(&bundle.to_bytes());
    assert_eq!(world.run(b"bob", submit(good)).1, None);
    let ended: JobInfo = world.get(&format!("{}?wait=20s", api::job(job))).json();
    assert_eq!(ended.state, JobState::Settled);
    let Outcome::Settled(settled) = ended.receipt.unwrap().outcome else { panic!("refunded") };
    assert_eq!((settled.output, settled.verifier), (good.output, VERIFIER));
    let metrics = String::from_utf8(world.get(api::METRICS).body).unwrap();
    assert!(metrics.contains("ciro_verify_seconds_count{route=\"program\"}"), "{metrics}");
    assert!(world.terminate());
    the_state_keeps_its_invariants(&world);
}
