//! Key files: one encoding, one model, one entry for each kind of proof, and nothing that panics.

use ciro_sdk::integer::ops::ArgMax;
use ciro_sdk::integer::{Decoding, Encoding, ModelBuilder};
use ciro_sdk::{
    Advice, Check, Committing, Key, KeyRing, KeyRingError, LoadKeyError, MakeKeysError, Model,
    Policy, Preset, ProofKind, ProveSettings, Prover, Route, Secrecy, Tensor, VerifyError, advice,
};
use proptest::prelude::*;

use crate::support::weighted;

const NOTHING: [&Committing; 2] = [&Committing::Nothing; 2];

fn kind(preset: Preset, batch: u32) -> ProofKind {
    ProofKind { route: Route::Tensor, preset, batch, secrecy: Secrecy::Plain }
}

fn ring() -> KeyRing {
    let kinds = [(Preset::Proven, 1), (Preset::Standard, 8), (Preset::Standard, 1)];
    weighted(2).key_ring(kinds.map(|(preset, batch)| kind(preset, batch)), NOTHING, None).unwrap()
}

/// Where the entries of a key file begin, and its end.
fn entries(bytes: &[u8]) -> Vec<usize> {
    let mut starts = vec![12];
    while let Some(&at) = starts.last().filter(|&&at| at < bytes.len()) {
        let header = 1 + 1 + usize::from(bytes[at + 1]) + 4 + 1;
        let length = bytes[at + header..at + header + 4].try_into().unwrap();
        starts.push(at + header + 4 + u32::from_le_bytes(length) as usize);
    }
    starts
}

fn single(key: Key) -> KeyRing {
    KeyRing::new([key]).unwrap()
}

#[test]
fn a_saved_ring_loads_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.key");
    let ring = ring();
    ring.save(&path).unwrap();
    assert_eq!(KeyRing::load(&path).unwrap(), ring);
    let kinds: Vec<ProofKind> = ring.kinds().collect();
    let ascending = [(Preset::Standard, 1), (Preset::Standard, 8), (Preset::Proven, 1)];
    assert_eq!(kinds, ascending.map(|(preset, batch)| kind(preset, batch)));
    assert!(ring.keys().all(|key| key.model_digest() == weighted(2).integer().digest()));
}

#[test]
fn the_key_of_a_proof_is_found_or_said_to_be_missing() {
    let settings = ProveSettings { batch: 8, ..ProveSettings::default() };
    let prover = Prover::new(&weighted(2), &settings).unwrap();
    let sample = vec![Tensor::new(vec![1, 2], vec![4.0, -2.0]).unwrap()];
    let bundle = prover.prove(&vec![sample; 8]).unwrap().bundle;
    assert_eq!(ring().find(&bundle).unwrap(), &prover.key());
    assert_eq!(ring().verify(&bundle, &Policy::default()).unwrap().samples.len(), 8);

    let one = single(weighted(2).key(&ProveSettings::default()).unwrap());
    let missing = one.verify(&bundle, &Policy::default()).unwrap_err();
    let (wanted, held) = (kind(Preset::Standard, 8), vec![kind(Preset::Standard, 1)]);
    assert_eq!(missing, VerifyError::NoKey { wanted, held });
    assert_eq!(missing.check(), Check::ModelKey);
    assert_eq!(advice(&missing), Some(Advice::AskForKey(wanted)));
    assert_eq!(
        missing.to_string(),
        "the key file has no entry for proofs of route `tensor`, preset `standard`, 8 inferences; it has route `tensor`, preset \
         `standard`, 1 inference"
    );
    let other = single(weighted(3).key(&settings).unwrap());
    let other = other.verify(&bundle, &Policy::default()).unwrap_err();
    assert!(matches!(other, VerifyError::OtherKey { .. }), "{other}");
}

#[test]
fn a_ring_is_of_one_model_and_has_one_key_for_each_kind() {
    let key = |weight, batch| {
        weighted(weight).key(&ProveSettings { batch, ..ProveSettings::default() }).unwrap()
    };
    assert_eq!(KeyRing::new([key(2, 1), key(3, 2)]), Err(KeyRingError::OtherModel));
    let twice = Err(KeyRingError::Twice(kind(Preset::Standard, 1)));
    assert_eq!(KeyRing::new([key(2, 1), key(3, 1)]), twice);
    assert_eq!(single(key(2, 1)).with(single(key(3, 1))), twice);
    assert_eq!(KeyRing::new([]), Err(KeyRingError::Count(0)));
    let joined = single(key(2, 1)).with(KeyRing::new([key(2, 1), key(2, 2)]).unwrap());
    assert_eq!(joined, KeyRing::new([key(2, 2), key(2, 1)]));
}

#[test]
fn a_ring_has_one_encoding() {
    let bytes = ring().to_bytes();
    let starts = entries(&bytes);
    let entry = |at: usize| &bytes[starts[at]..starts[at + 1]];
    let of = |count: u8, entries: &[&[u8]]| {
        let header = [&bytes[..10], &[count, 0]].concat();
        KeyRing::from_bytes(&[&header[..], &entries.concat()].concat())
    };
    assert_eq!(of(3, &[entry(0), entry(1), entry(2)]), Ok(ring()));
    assert_eq!(of(2, &[entry(1), entry(0)]), Err(KeyRingError::Order(1)));
    assert_eq!(of(2, &[entry(1), entry(1)]), Err(KeyRingError::Order(1)));
    assert!(matches!(of(1, &[entry(1), entry(2)]), Err(KeyRingError::Damaged(_))));
    assert!(matches!(of(2, &[entry(1)]), Err(KeyRingError::Damaged(_))));
    assert_eq!(of(0, &[]), Err(KeyRingError::Count(0)));
    let theirs = single(weighted(3).key(&ProveSettings::default()).unwrap()).to_bytes();
    assert_eq!(of(2, &[&theirs[12..], entry(1)]), Err(KeyRingError::OtherModel));
}

#[test]
fn entries_are_what_they_say() {
    let bytes = ring().to_bytes();
    let changed = |at: usize, value: u8| {
        let mut bytes = bytes.clone();
        bytes[12 + at] = value;
        KeyRing::from_bytes(&bytes).unwrap_err()
    };
    assert_eq!(changed(0, 9), KeyRingError::Route { entry: 0, code: 9 });
    let mislabelled = changed(1 + 1 + 8, 2);
    let (announced, held) = (kind(Preset::Standard, 2), kind(Preset::Standard, 1));
    assert_eq!(mislabelled, KeyRingError::Mislabelled { entry: 0, announced, held });
    let mode = |value| changed(1 + 1 + 8 + 4, value);
    assert_eq!(mode(1), KeyRingError::OtherMode(0));
    assert_eq!(mode(4), KeyRingError::Mode { entry: 0, mode: 4 });
    let preset = changed(2, b'S');
    assert_eq!(preset, KeyRingError::Preset { entry: 0, name: "Standard".to_owned() });
    let other_route = changed(0, 1);
    assert!(matches!(other_route, KeyRingError::Mislabelled { .. }), "{other_route}");
}

#[test]
fn other_files_are_told_apart() {
    let single = weighted(2).key(&ProveSettings::default()).unwrap().to_bytes();
    assert_eq!(KeyRing::from_bytes(&single), Err(KeyRingError::SingleKey));
    assert_eq!(KeyRing::from_bytes(b"PK\x03\x04"), Err(KeyRingError::Magic));
    let mut bytes = ring().to_bytes();
    bytes[8] = 9;
    assert_eq!(KeyRing::from_bytes(&bytes), Err(KeyRingError::Version { found: 9 }));
    let error = LoadKeyError::from(KeyRingError::SingleKey);
    assert_eq!(advice(&error), Some(Advice::MakeKey));
    Key::from_bytes(&single).unwrap();
}

/// All kinds of keys of a build that has both routes.
#[cfg(feature = "cairo")]
#[test]
fn one_file_holds_keys_of_every_route() {
    let cairo = ProofKind { route: Route::Cairo, ..kind(Preset::Standard, 1) };
    let ring = weighted(2).key_ring([cairo, kind(Preset::Standard, 1)], NOTHING, None).unwrap();
    assert_eq!(KeyRing::from_bytes(&ring.to_bytes()), Ok(ring.clone()));
    assert_eq!(ring.get(cairo).map(Key::route), Some(Route::Cairo));
    let disclosure = ring.get(cairo).unwrap().disclosure();
    assert!(
        disclosure.input_may_be_committed && disclosure.execution == ciro_sdk::Shown::Computable
    );
    assert_eq!(ring.left_out().count(), 0);
    assert_eq!(ring.keys().count(), 2);
}

proptest! {
    #[test]
    fn no_bytes_panic_and_one_ring_has_one_encoding(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        tail in prop::collection::vec(any::<u8>(), 0..40),
        keep: prop::sample::Index,
        cut: bool,
    ) {
        let mut bytes = ring().to_bytes();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if cut {
            bytes.truncate(keep.index(bytes.len()) + 1);
            bytes.extend(tail);
        }
        if let Ok(ring) = KeyRing::from_bytes(&bytes) {
            prop_assert_eq!(ring.to_bytes(), bytes);
        }
    }
}

#[test]
fn a_ring_that_nobody_would_read_is_not_made() {
    let mut builder = ModelBuilder::new();
    let input = builder.input("x", vec![1, 2]);
    let x = builder.view(input, Encoding::Affine { scale: 1.0, lo: -9, hi: 9 }).unwrap();
    let class = builder.push("class", ArgMax, &[x], 1.0).unwrap();
    builder.output("class", class, Decoding::Names(vec!["n".repeat(11); 200_000]));
    let model = Model::from(builder.finish().unwrap());
    let kinds = |most| (1..=most).map(|batch| kind(Preset::Standard, batch));
    let ring = model.key_ring(kinds(3), NOTHING, None).unwrap();
    assert_eq!(KeyRing::from_bytes(&ring.to_bytes()).as_ref(), Ok(&ring));
    let refused = model.key_ring(kinds(4), NOTHING, None).unwrap_err();
    assert!(matches!(refused, MakeKeysError::Ring(KeyRingError::TooLong(_))), "{refused}");
    let fourth = single(model.key(&ProveSettings { batch: 4, ..Default::default() }).unwrap());
    assert!(matches!(ring.with(fourth), Err(KeyRingError::TooLong(_))));
    let long = vec![0; usize::try_from(ciro_sdk::MAX_KEY_FILE_BYTES).unwrap() + 1];
    assert_eq!(KeyRing::from_bytes(&long), Err(KeyRingError::TooLong(long.len())));
}
