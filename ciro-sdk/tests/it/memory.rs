//! What a stranger's bytes make a verifier allocate, counted byte by byte on the thread that reads
//! them.

use std::time::Instant;

use ciro_sdk::inputs::Sample;
use ciro_sdk::integer::ops::ArgMax;
use ciro_sdk::integer::{Decoding, Encoding, ModelBuilder};
use ciro_sdk::{
    CalibrateWith, Key, KeyDecodeError, Model, OpenSettings, ProofBundle, ProveError,
    ProveSettings, Prover, Route, Statement, Tensor, VerifyError, refusals, verify,
};

/// The most bytes that any file may make a verifier hold at once.
const BYTES_MAX: u64 = 256_000_000;

/// The longest key file, in bytes.
const KEY_BYTES_MAX: usize = 1 << 22;

/// The class of each of `rows` pairs of numbers, by name.
fn classifier(rows: usize, names: Vec<String>) -> Model {
    let mut builder = ModelBuilder::new();
    let input = builder.input("x", vec![rows, 2]);
    let x = builder.view(input, Encoding::Affine { scale: 1.0, lo: -9, hi: 9 }).unwrap();
    let class = builder.push("class", ArgMax, &[x], 1.0).unwrap();
    builder.output("class", class, Decoding::Names(names));
    Model::from(builder.finish().unwrap())
}

fn names(count: usize, bytes: usize) -> Vec<String> {
    vec!["n".repeat(bytes); count]
}

fn proven(model: &Model, rows: usize) -> (Key, ProofBundle) {
    let prover = Prover::new(model, &ProveSettings::default()).unwrap();
    let sample: Sample = vec![Tensor::new(vec![rows, 2], vec![1.0; 2 * rows]).unwrap()];
    (prover.key(), prover.prove(&[sample]).unwrap().bundle)
}

/// Counts what `work` holds at once, says so, and checks the bound.
fn bounded<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let mut result = None;
    let counted = allocation_counter::measure(|| result = Some(work()));
    println!("{what}: {} bytes, {:?}", counted.bytes_max, start.elapsed());
    assert!(counted.bytes_max <= BYTES_MAX, "{what}: {} bytes", counted.bytes_max);
    result.expect("the work is done")
}

#[test]
fn keys_of_class_names_take_a_bounded_amount_of_memory() {
    // As many names as there may be, of any length, and the longest.
    for (count, bytes) in [(Decoding::MAX_NAMES, 0), (240_000, 16), (1_000, 4_096)] {
        let key = Prover::new(&classifier(1, names(count, bytes)), &ProveSettings::default());
        let file = key.unwrap().key().to_bytes();
        assert!(file.len() <= KEY_BYTES_MAX, "{}", file.len());
        let read = bounded(&format!("a key of {count} names"), || Key::from_bytes(&file));
        let (key, bundle) = proven(&classifier(1, names(count, bytes)), 1);
        assert_eq!(read.as_ref(), Ok(&key));
        bounded("its proof", || verify(&bundle, &key)).unwrap();
    }
}

#[test]
fn a_key_of_millions_of_names_is_refused_before_memory_is_made() {
    let (key, _) = proven(&classifier(1, names(2, 3)), 1);
    let file = key.to_bytes();
    let honest = [2, 3, b'n', b'n', b'n', 3, b'n', b'n', b'n'];
    let at = file.windows(honest.len()).position(|bytes| bytes == honest).unwrap();
    let count = KEY_BYTES_MAX - file.len();
    // The number of names, seven bits a byte, and as many empty names.
    let length = [0, 7, 14, 21].map(|shift| {
        u8::try_from(count >> shift & 127).unwrap() | if shift < 21 { 128 } else { 0 }
    });
    let hostile = [&file[..at], &length, &vec![0; count], &file[at + honest.len()..]].concat();
    let read = bounded("a key of 4 million names", || Key::from_bytes(&hostile));
    assert!(matches!(read, Err(KeyDecodeError::Route { route: Route::Tensor, .. })), "{read:?}");
}

#[test]
fn long_class_names_of_many_rows_take_a_bounded_amount_of_memory() {
    let rows = 16_000;
    let (key, bundle) = proven(&classifier(rows, names(2, 4_096)), rows);
    let verified = bounded("the labels of 16,000 rows", || verify(&bundle, &key)).unwrap();
    assert_eq!(verified.samples.len(), 1);
}

#[test]
fn a_bundle_does_not_choose_the_cairo_route() {
    let model = classifier(40, names(2, 4));
    let (_, mut bundle) = proven(&model, 40);
    bundle.route = Route::Cairo;
    let file = bundle.to_bytes();
    let refused = bounded("a bundle of the Cairo route", || {
        let bundle = ProofBundle::from_bytes(&file).unwrap();
        model.key_for(&bundle, Route::Tensor, None).unwrap_err()
    });
    assert!(matches!(refused, ProveError::OtherRoute { found: Route::Cairo, .. }), "{refused}");
}

#[test]
fn a_batch_of_a_strangers_choice_takes_a_bounded_amount_of_memory() {
    let model = classifier(40, names(2, 4));
    let (key, bundle) = proven(&model, 40);
    let claim = bundle.statement(&key).unwrap().claims.remove(0);
    for claims in [2_000, 20_000, 100_000] {
        let hostile = bundle.clone().with_statement(&Statement::of(vec![claim.clone(); claims]));
        let file = hostile.to_bytes();
        let result = bounded(&format!("{claims} claims"), || {
            let bundle = ProofBundle::from_bytes(&file).unwrap();
            let key = model.key_for(&bundle, Route::Tensor, None)?;
            Ok::<_, ProveError>(verify(&bundle, &key).unwrap_err())
        });
        match result {
            Ok(VerifyError::OtherKey { .. }) | Err(ProveError::Memory(_)) => {}
            other => panic!("{claims} claims: {other:?}"),
        }
    }
}

#[test]
fn names_of_several_outputs_count_together() {
    let count = Decoding::MAX_NAMES;
    let mut builder = ModelBuilder::new();
    let input = builder.input("x", vec![1, 2]);
    let x = builder.view(input, Encoding::Affine { scale: 1.0, lo: -9, hi: 9 }).unwrap();
    let class = builder.push("class", ArgMax, &[x], 1.0).unwrap();
    for at in 0..2 {
        let names = Decoding::Names(names(count / 2 + 1, 0));
        builder.output(format!("class{at}"), class, names);
    }
    let model = Model::from(builder.finish().unwrap());
    let file = Prover::new(&model, &ProveSettings::default()).unwrap().key().to_bytes();
    let read = bounded("two outputs with too many names", || Key::from_bytes(&file));
    assert!(matches!(read, Err(KeyDecodeError::Route { .. })), "{read:?}");
}

#[test]
fn long_names_of_ports_do_not_multiply_with_the_batch() {
    let (ports, bytes, batch) = (1_000, 4_000, 128);
    let mut builder = ModelBuilder::new();
    let input = builder.input("x", vec![1, 2]);
    for at in 0..ports {
        builder.input(format!("{at}{}", "n".repeat(bytes)), vec![1]);
    }
    let x = builder.view(input, Encoding::Affine { scale: 1.0, lo: -9, hi: 9 }).unwrap();
    let class = builder.push("class", ArgMax, &[x], 1.0).unwrap();
    builder.output("class", class, Decoding::Integer);
    let model = Model::from(builder.finish().unwrap());
    let key = |batch| model.key(&ProveSettings { batch, ..ProveSettings::default() }).unwrap();
    let one = key(1).to_bytes();
    bounded("one inference of a model with 1,000 long names", || Key::from_bytes(&one)).unwrap();
    let many = key(batch).to_bytes();
    let read = bounded("a batch of them", || Key::from_bytes(&many));
    assert!(matches!(read, Err(KeyDecodeError::Route { .. })), "{read:?}");
}

/// A field of protobuf: its number, and bytes with their length before them.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut length = content.len();
    let mut bytes = vec![number << 3 | 2];
    while length > 127 {
        bytes.push(u8::try_from(length & 127).unwrap() | 128);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap());
    bytes.extend(content);
    bytes
}

#[test]
fn what_has_no_meaning_is_found_in_three_times_the_size_of_a_model() {
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models");
    // Weights beside those of an example, in a second part of the same graph: 2^23 of them.
    let (dims, kind) = ([8, 128, 128, 128, 4], [16, 1]);
    let raw = field(9, &vec![0; 1 << 25]);
    let weights = [&dims[..], &kind, &field(8, b"heavy"), &raw].concat();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    for (example, found) in [("mlp_mnist", 0), ("bad_nonmaxsuppression", 1)] {
        let mut file = std::fs::read(examples.join(example).join("model.onnx")).unwrap();
        file.extend(field(7, &field(5, &weights)));
        std::fs::write(&path, &file).unwrap();
        let settings =
            OpenSettings { calibrate: CalibrateWith::Nothing, ..OpenSettings::default() };
        let mut refused = None;
        let counted =
            allocation_counter::measure(|| refused = Some(refusals(&path, &settings).unwrap()));
        assert_eq!(refused.map(|refused| refused.len()), Some(found));
        // And a little for what the rest of the graph says.
        let limit = 3 * file.len() as u64 + (1 << 16);
        assert!(counted.bytes_max < limit, "{} of {limit}", counted.bytes_max);
    }
}
