//! Proofs that hide inputs and execution: keys of their own, found and derived like others.

use ciro_sdk::inputs::Sample;
use ciro_sdk::integer::ops::{Linear, MatMul};
use ciro_sdk::integer::{Decoding, Encoding, ModelBuilder};
use ciro_sdk::{
    Advice, Blinding, BundleError, Committing, Context, Key, KeyRing, KeyRingError, Model, Policy,
    Preset, ProofBundle, ProofKind, ProveError, ProveSettings, Prover, Route, Secrecy, Shown,
    ShownTensor, Side, Tensor, VerifyError, advice, proof_kinds, verify,
};

/// `sum = [1, weight] . x` of two numbers in [-9, 9].
fn model(weight: i32) -> Model {
    let mut builder = ModelBuilder::new();
    let input = builder.input("x", vec![1, 2]);
    let x = builder.view(input, Encoding::Affine { scale: 1.0, lo: -9, hi: 9 }).unwrap();
    let weight = builder.constant(Tensor::new(vec![2, 1], vec![1, weight]).unwrap());
    let sum = builder.push("sum", Linear { weight, bias: None }, &[x], 1.0).unwrap();
    builder.output("sum", sum, Decoding::Real { scale: 1.0 });
    Model::from(builder.finish().unwrap())
}

fn hiding() -> ProveSettings {
    ProveSettings { secrecy: Secrecy::Hiding, ..ProveSettings::default() }
}

fn committing(settings: ProveSettings) -> ProveSettings {
    ProveSettings { commit_input: true, ..settings }
}

fn sample() -> Sample {
    vec![Tensor::new(vec![1, 2], vec![4.0, -2.0]).unwrap()]
}

fn proven(settings: &ProveSettings) -> (Key, ProofBundle) {
    let prover = Prover::new(&model(2), settings).unwrap();
    let bundle = prover.prove(&vec![sample(); settings.batch as usize]).unwrap().bundle;
    // What is read is what was written.
    assert_eq!(ProofBundle::from_bytes(&bundle.to_bytes()).as_ref(), Ok(&bundle));
    (prover.key(), bundle)
}

#[test]
fn a_plain_and_a_hiding_key_of_one_model_are_two_entries_and_each_proof_finds_its_own() {
    let plain = ProveSettings::default();
    let all = [plain, hiding(), committing(plain), committing(hiding())];
    let proven = all.map(|settings| proven(&settings));
    let ring = KeyRing::new(proven.iter().map(|(key, _)| key.clone())).unwrap();
    assert_eq!(KeyRing::from_bytes(&ring.to_bytes()).as_ref(), Ok(&ring));
    assert_eq!((ring.keys().count(), ring.kinds().count()), (4, 2));
    for (settings, (key, bundle)) in all.iter().zip(&proven) {
        assert_eq!((key.kind(), bundle.kind()), (settings.kind(), settings.kind()));
        assert_eq!(ring.find(bundle), Ok(key));
        let verified = ring.verify(bundle, &Policy::default()).unwrap();
        assert_eq!(verified.secrecy, settings.secrecy);
        // A committed input is not shown.
        assert_eq!(verified.samples[0].real_inputs.is_none(), settings.commit_input);
    }
    assert_eq!(ring.get(hiding().kind()), Some(&proven[1].0));
}

#[test]
fn a_key_says_what_its_proofs_show() {
    let plain = ProveSettings::default();
    for (settings, unstated) in [(plain, Shown::Computable), (hiding(), Shown::Hidden)] {
        for commit_input in [false, true] {
            let prover = Prover::new(&model(2), &ProveSettings { commit_input, ..settings });
            let disclosure = prover.unwrap().key().disclosure();
            let shown = if commit_input { unstated } else { Shown::Stated };
            let name = || "x".to_owned();
            let x = ShownTensor { side: Side::Input, name: name(), committed: commit_input, shown };
            let (side, name, shown) = (Side::Output, "sum".to_owned(), Shown::Stated);
            let sum = ShownTensor { side, name, committed: false, shown };
            assert_eq!(disclosure.tensors, [x, sum]);
            assert_eq!((disclosure.execution, disclosure.model), (unstated, Shown::Computable));
            assert!(!disclosure.input_may_be_committed);
        }
    }
}

/// `y = x . w` of two inputs: a model whose weights are its owner's.
fn architecture() -> Model {
    let mut builder = ModelBuilder::new();
    let encoding = || Encoding::Affine { scale: 1.0, lo: -9, hi: 9 };
    let [x, w] = [("x", vec![1, 2]), ("w", vec![2, 1])].map(|(name, shape)| {
        let input = builder.input(name, shape);
        builder.view(input, encoding()).unwrap()
    });
    let y = builder.push("y", MatMul, &[x, w], 1.0).unwrap();
    builder.output("y", y, Decoding::Real { scale: 1.0 });
    Model::from(builder.finish().unwrap())
}

#[test]
fn weights_that_are_committed_inputs_are_the_same_in_every_proof_and_shown_in_none() {
    let weights = Committing::Named(vec!["w".to_owned()]);
    let committed = [&weights, &Committing::Nothing];
    let prover = Prover::committing(&architecture(), &hiding(), committed).unwrap();
    let key = prover.key();
    let blinding: Blinding = format!("00{}", "07".repeat(31)).parse().unwrap();
    let prove = |x: [f64; 2], w: [f64; 2]| {
        let tensor = |shape, data: [f64; 2]| Tensor::new(shape, data.to_vec()).unwrap();
        let sample = vec![tensor(vec![1, 2], x), tensor(vec![2, 1], w)];
        let blindings = [(Side::Input, "w".to_owned(), blinding)];
        let proven = prover.prove_blinded(&[sample], &blindings, (Context::NONE, None)).unwrap();
        let verified = verify(&proven.bundle, &key).unwrap();
        let [sample] = &verified.samples[..] else { panic!("{verified:?}") };
        let [weights] = &sample.committed[..] else { panic!("{sample:?}") };
        (weights.commitment, sample.outputs[0].integers.data().to_vec())
    };
    let (first, y) = prove([4.0, -2.0], [1.0, 3.0]);
    assert_eq!(y, [-2]);
    let (second, y) = prove([0.0, 5.0], [1.0, 3.0]);
    assert_eq!((second, &y[..]), (first, &[15][..]));
    assert_ne!(prove([4.0, -2.0], [1.0, 2.0]).0, first);
    let tensors = key.disclosure().tensors;
    let weights = tensors.iter().find(|tensor| tensor.name == "w").unwrap();
    assert_eq!((weights.committed, weights.shown), (true, Shown::Hidden));
}

#[test]
fn a_missing_hiding_key_is_asked_for_by_name() {
    let [plain, hides] = [ProveSettings::default(), hiding()].map(|settings| proven(&settings));
    for ((key, _), (_, bundle)) in [(&plain, &hides), (&hides, &plain)] {
        let ring = KeyRing::new([key.clone()]).unwrap();
        let refused = ring.verify(bundle, &Policy::default()).unwrap_err();
        let (wanted, held) = (bundle.kind(), vec![key.kind()]);
        assert_eq!(refused, VerifyError::NoKey { wanted, held });
        assert_eq!(advice(&refused), Some(Advice::AskForKey(wanted)));
        let refused = verify(bundle, key).unwrap_err();
        assert!(matches!(refused, VerifyError::OtherKey { .. }), "{refused}");
    }
    let text = hides.0.kind().to_string();
    assert_eq!(text, "route `tensor`, preset `standard`, 1 inference, hiding");
    let other = KeyRing::new([model(3).key(&hiding()).unwrap()]).unwrap();
    let refused = other.verify(&hides.1, &Policy::default()).unwrap_err();
    assert!(matches!(refused, VerifyError::OtherKey { .. }), "{refused}");
}

#[test]
fn two_hiding_proofs_of_one_statement_differ_and_plain_ones_do_not() {
    let of = |settings: &ProveSettings| [(); 2].map(|()| proven(settings));
    let [(key, one), (same, other)] = of(&hiding());
    assert_eq!(key, same);
    assert_eq!(one.statement(&key), other.statement(&key));
    assert_ne!(one.proof, other.proof);
    let [one, other] = of(&ProveSettings::default());
    assert_eq!(one, other);
}

#[test]
fn whoever_has_the_model_needs_no_key_of_a_hiding_proof() {
    let two = ProveSettings { batch: 2, ..hiding() };
    for settings in [hiding(), two, committing(hiding())] {
        let (key, bundle) = proven(&settings);
        let derived = model(2).key_for(&bundle, Route::Tensor, None).unwrap();
        assert_eq!(derived, key);
        let verified = verify(&bundle, &derived).unwrap();
        let inputs = if settings.commit_input { 0 } else { settings.batch as usize };
        assert_eq!(model(2).recompute(&verified), Ok(inputs));
        let other = model(3).key_for(&bundle, Route::Tensor, None).unwrap();
        assert!(matches!(verify(&bundle, &other), Err(VerifyError::OtherKey { .. })));
    }
}

#[test]
fn a_committed_input_of_a_hiding_proof_is_opened_by_its_blinding_value() {
    let prover = Prover::new(&model(2), &committing(hiding())).unwrap();
    let proven = prover.prove(&[sample()]).unwrap();
    let verified = verify(&proven.bundle, &prover.key()).unwrap();
    let opened = verified.open(&prover.key(), &proven.openings[0]).unwrap();
    assert_eq!((proven.openings[0].side, opened.values.data()), (Side::Input, &[4.0, -2.0][..]));
    // Nothing of the input stands in the bundle: neither its integers nor what opens it.
    let bytes = proven.bundle.to_bytes();
    let holds = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    let integers: Vec<u8> = [4_i32, -2].iter().flat_map(|value| value.to_le_bytes()).collect();
    assert!(!holds(&integers) && !holds(&proven.openings[0].blinding.0[1..]));
}

/// A bundle's version says whether its proof hides; one that says the wrong thing is refused.
#[test]
fn a_bundle_says_whether_its_proof_hides_and_only_the_truth_verifies() {
    let version = |bundle: &ProofBundle, version: u8| {
        let mut bytes = bundle.to_bytes();
        bytes[8] = version;
        ProofBundle::from_bytes(&bytes)
    };
    let (key, bundle) = proven(&hiding());
    assert_eq!(bundle.to_bytes()[8], 4);
    assert_eq!(version(&bundle, 3), Err(BundleError::NothingCommitted));
    assert!(version(&bundle, 2).is_err());
    let newer = version(&bundle, 5);
    assert_eq!(newer, Err(BundleError::Version { expected: 4, found: 5 }));
    verify(&bundle, &key).unwrap();
    let plain = ProveSettings::default();
    for (settings, other) in [(committing(hiding()), 3), (committing(plain), 4)] {
        let (key, bundle) = proven(&settings);
        let claimed = version(&bundle, other).unwrap();
        let (expected, found) = (key.secrecy(), claimed.secrecy());
        assert_ne!(expected, found);
        assert_eq!(verify(&claimed, &key), Err(VerifyError::Secrecy { expected, found }));
        let ring = KeyRing::new([key]).unwrap().verify(&claimed, &Policy::default());
        assert!(matches!(ring, Err(VerifyError::NoKey { .. })), "{ring:?}");
    }
}

#[test]
fn an_entry_says_whether_its_key_hides() {
    let keys = [hiding(), committing(hiding())].map(|settings| proven(&settings).0);
    for (key, mode) in keys.into_iter().zip([2, 3]) {
        let mut bytes = KeyRing::new([key.clone()]).unwrap().to_bytes();
        let at = 8 + 2 + 2 + 1 + 1 + key.preset().name().len() + 4;
        assert_eq!(bytes[at], mode);
        let mut changed = |mode| {
            bytes[at] = mode;
            KeyRing::from_bytes(&bytes).unwrap_err()
        };
        assert_eq!(changed(mode ^ 1), KeyRingError::OtherMode(0));
        let announced = ProofKind { secrecy: Secrecy::Plain, ..key.kind() };
        let held = key.kind();
        assert_eq!(changed(mode & 1), KeyRingError::Mislabelled { entry: 0, announced, held });
        assert_eq!(changed(4), KeyRingError::Mode { entry: 0, mode: 4 });
    }
}

#[test]
fn what_has_no_hiding_proofs_refuses_them_and_says_why() {
    let refused = |settings| Prover::new(&model(2), &settings).unwrap_err();
    let chain = refused(ProveSettings { preset: Preset::Chain, ..hiding() });
    assert!(matches!(chain, ProveError::HidingPreset(Preset::Chain)), "{chain}");
    assert!(chain.to_string().contains("Starknet"), "{chain}");
    assert_eq!(advice(&chain), Some(Advice::DefaultPreset));
    // What one preset does not have is left out, unless there is nothing else.
    let both = [Preset::Standard, Preset::Chain];
    let kinds =
        |presets: &[Preset]| proof_kinds(&[Route::Tensor], presets, &[1], &[Secrecy::Hiding]);
    assert_eq!(kinds(&both).unwrap(), [hiding().kind()]);
    assert!(matches!(kinds(&both[1..]), Err(ProveError::HidingPreset(Preset::Chain))));
    let secrecies = [Secrecy::Plain, Secrecy::Hiding];
    let all = proof_kinds(&[Route::Tensor], &both, &[1], &secrecies).unwrap();
    assert_eq!(all.len(), 3, "{all:?}");
}

#[cfg(feature = "cairo")]
#[test]
fn the_cairo_route_hides_nothing() {
    let settings = ProveSettings { route: Route::Cairo, ..hiding() };
    let refused = Prover::new(&model(2), &settings).unwrap_err();
    assert!(matches!(refused, ProveError::HidingRoute(Route::Cairo)), "{refused}");
    assert_eq!(advice(&refused), Some(Advice::UseRoute(Route::Tensor)));
}
