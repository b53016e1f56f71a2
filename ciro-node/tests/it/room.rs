//! What a node keeps when more comes than it has room for.

use ciro_protocol::api::{self, TxState};
use ciro_protocol::blob::BlobId;
use ciro_protocol::id::{JobId, ModelId, TxId};
use ciro_protocol::order::{JobOrder, Mode};
use ciro_protocol::tx::{Body, Cancel, Claim, SubmitProof};

use crate::market::{Golden, order, register_model, register_provider};
use crate::world::{RICH, World};

/// The bytes of a long input: about a tenth of the room.
const LONG: usize = 100_000;

/// A network whose node has room for a megabyte.
fn small() -> World {
    let mut world = World::new();
    world.kill();
    let file = world.data().join("node.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    let small = settings.replace("\nbytes_max = 20000000000\n", "\nbytes_max = 1000000\n");
    assert_ne!(small, settings);
    std::fs::write(&file, small).unwrap();
    world.restart();
    world
}

fn long_order(world: &World, golden: &Golden, model: ModelId, seed: u8) -> JobOrder {
    let input = vec![seed; LONG];
    let mut order = order(world, golden, model, Mode::Open);
    order.input.blob = world.store(&input);
    order.input.bytes = input.len() as u64;
    order
}

/// Uploads more than there is room for, in the name of nobody.
fn flood(world: &World, seed: u8) {
    for number in 0..15_u8 {
        world.store(&[&[seed, number][..], &[9; LONG]].concat());
    }
}

fn is_here(world: &World, id: BlobId) -> bool {
    world.get(&api::blob(id)).status == 200
}

fn open(world: &mut World, order: &JobOrder) -> JobId {
    let (id, refused) = world.run(RICH, Body::Order(Box::new(order.clone())));
    assert_eq!(refused, None);
    id.into()
}

#[test]
fn inputs_stay_while_their_jobs_are_open_and_results_after_them() {
    let (mut world, golden) = (small(), Golden::read());
    let model = register_model(&mut world, &golden);
    register_provider(&mut world, b"bob");
    let proven = long_order(&world, &golden, model, 1);
    let job = open(&mut world, &proven);
    let waiting = long_order(&world, &golden, model, 2);
    let unproven = open(&mut world, &waiting);
    flood(&world, 1);
    assert!(is_here(&world, proven.input.blob) && is_here(&world, waiting.input.blob));

    assert_eq!(world.run(b"bob", Body::Claim(Claim { job, attempt: 1 })).1, None);
    for blob in [&golden.key, &golden.bundle] {
        world.store(blob);
    }
    let submit = SubmitProof { job, attempt: 1, proven: golden.proven() };
    assert_eq!(world.run(b"bob", Body::SubmitProof(submit)).1, None);
    flood(&world, 2);
    assert!(!is_here(&world, proven.input.blob), "nobody needs it any more");
    assert!(is_here(&world, golden.proven().bundle), "the result");
    assert!(is_here(&world, waiting.input.blob), "a job of it is open");

    assert_eq!(world.run(RICH, Body::Cancel(Cancel { job: unproven })).1, None);
    flood(&world, 3);
    assert!(!is_here(&world, waiting.input.blob), "cancelled");
    assert!(is_here(&world, golden.proven().bundle) && is_here(&world, model_file()));
    world.kill();
    world.restart();
    flood(&world, 4);
    assert!(is_here(&world, golden.proven().bundle) && is_here(&world, model_file()));
}

fn model_file() -> BlobId {
    BlobId::of(b"the compiled model").unwrap()
}

#[test]
fn inputs_of_open_jobs_never_take_all_room() {
    let (mut world, golden) = (small(), Golden::read());
    let model = register_model(&mut world, &golden);
    let mut orders = Vec::new();
    for seed in 0..12 {
        let order = long_order(&world, &golden, model, seed);
        open(&mut world, &order);
        orders.push(order.input.blob);
    }
    flood(&world, 1);
    let here: Vec<bool> = orders.iter().map(|blob| is_here(&world, *blob)).collect();
    let first: Vec<bool> = (0..12).map(|at| at < 8).collect();
    assert_eq!(here, first, "those that were ordered first, up to seven eighths");
}

#[test]
fn an_order_costs_a_fee_by_the_byte_of_its_input_whatever_becomes_of_it() {
    let (mut world, golden) = (small(), Golden::read());
    let model = register_model(&mut world, &golden);
    let (short, long) =
        (order(&world, &golden, model, Mode::Open), long_order(&world, &golden, model, 1));
    let mut fee = |order: &JobOrder| {
        let job = open(&mut world, order);
        assert_eq!(world.run(RICH, Body::Cancel(Cancel { job })).1, None);
        match world.status(TxId(job.0), "0s").state {
            TxState::Executed { receipt, .. } => receipt.fee.units(),
            TxState::Pending => panic!("{job} is not executed"),
        }
    };
    let more = fee(&long) - fee(&short);
    let bytes = u128::from(long.input.bytes - short.input.bytes);
    assert_eq!(more, bytes * 10_u128.pow(10));
}
