//! Bundles are read whole or not at all, in one way, and within bounds.

use ciro_model::Tensor;
use proptest::prelude::*;

use super::*;

fn statement() -> Statement {
    let tensor = |shape: Vec<usize>, data| Tensor::new(shape, data).unwrap();
    let outputs = vec![tensor(vec![3], vec![-2, 0, i32::MAX])];
    let inputs = vec![tensor(vec![1, 2], vec![1, -3]), Tensor::scalar(i32::MIN)];
    let public = Claim::public(inputs, outputs);
    let committed = Claim { input: StatedInput::Committed([9; 32]), ..public.clone() };
    let context = "0x1234".parse().unwrap();
    Statement { claims: vec![public, committed], context }
}

fn form() -> ClaimForm {
    ClaimForm { inputs: vec![vec![1, 2], vec![]], outputs: vec![vec![3]] }
}

fn sample() -> ProofBundle {
    let (claims, statement, version) = encode(&statement(), Secrecy::Plain);
    ProofBundle {
        route: Route::Tensor,
        preset: Preset::Standard,
        model_key: KeyDigest([7; 32]),
        context: "0x1234".parse().unwrap(),
        claims,
        statement,
        version,
        proof: vec![1, 2, 3, 4],
    }
}

#[test]
fn a_saved_bundle_loads_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proof.ciro");
    for route in Route::ALL.iter().copied() {
        for preset in Preset::ALL {
            let bundle = ProofBundle { route, preset, ..sample() };
            bundle.save(&path).unwrap();
            assert_eq!(ProofBundle::load(&path).unwrap(), bundle);
        }
    }
}

/// What a key may hold, a bundle can: 32 axes, and no more.
#[test]
fn tensors_have_as_many_axes_as_keys_allow() {
    let most = ciro_model::integer::MAX_RANK;
    for (rank, is_read) in [(most, true), (most + 1, false)] {
        let tensor = Tensor::new(vec![1; rank], vec![5]).unwrap();
        let claim = Claim {
            input: StatedInput::Committed([0; 32]),
            outputs: vec![StatedTensor::Public(tensor)],
        };
        let bundle = sample().with_statement(&Statement::of(vec![claim]));
        let read = ProofBundle::from_bytes(&bundle.to_bytes());
        assert_eq!(read.is_ok(), is_read, "{rank} axes");
    }
}

#[test]
fn every_shorter_or_longer_file_is_refused() {
    let bytes = sample().to_bytes();
    for end in 0..bytes.len() {
        ProofBundle::from_bytes(&bytes[..end]).unwrap_err();
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(ProofBundle::from_bytes(&longer), Err(BundleError::TrailingBytes(1)));
}

#[test]
fn other_files_and_versions_are_told_apart() {
    let decode = |at: usize, value: u8| {
        let mut bytes = sample().to_bytes();
        bytes[at] = value;
        ProofBundle::from_bytes(&bytes).unwrap_err()
    };
    assert_eq!(ProofBundle::from_bytes(b"PK\x03\x04"), Err(BundleError::Magic));
    assert_eq!(decode(0, b'X'), BundleError::Magic);
    let old = decode(8, 1);
    assert_eq!(old, BundleError::Version { expected: 4, found: 1 });
    assert!(old.to_string().ends_with("have the inference proven again"), "{old}");
    let new = decode(8, 5);
    assert!(new.to_string().ends_with("use a newer program"), "{new}");
    assert!(matches!(decode(52, 0xff), BundleError::Context(_)));
    assert_eq!(decode(10, 9), BundleError::Route(9));
    assert_eq!(decode(12, b'S'), BundleError::Preset("Standard".to_owned()));
    assert_eq!(decode(88, 2), BundleError::Input(2));
}

#[test]
fn files_and_proofs_past_their_limits_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.ciro");
    std::fs::File::create(&path).unwrap().set_len(MAX_BUNDLE_BYTES + 1).unwrap();
    let error = ProofBundle::load(&path).unwrap_err();
    assert!(error.to_string().ends_with("has more than 67108864 bytes"), "{error}");
    let found = MAX_PROOF_BYTES + 1;
    let bytes = ProofBundle { proof: vec![0; found], ..sample() }.to_bytes();
    let limit = MAX_PROOF_BYTES;
    assert_eq!(ProofBundle::from_bytes(&bytes), Err(BundleError::ProofTooLong { found, limit }));
}

#[test]
#[cfg(feature = "prove")]
fn claims_of_another_form_are_told_without_decoding_them() {
    assert!(sample().has_form(&form()));
    let of = |inputs: &[&[usize]], outputs: &[&[usize]]| ClaimForm {
        inputs: inputs.iter().map(|shape| shape.to_vec()).collect(),
        outputs: outputs.iter().map(|shape| shape.to_vec()).collect(),
    };
    for other in [
        of(&[&[1, 2]], &[&[3]]),
        of(&[&[2], &[]], &[&[3]]),
        of(&[&[1, 2], &[]], &[&[3, 1]]),
        of(&[&[1, 2], &[]], &[]),
    ] {
        assert!(!sample().has_form(&other), "{other:?}");
    }
}

#[test]
fn a_form_bounds_how_many_claims_a_bundle_holds() {
    // 1 tag, 2 + 2 counts, 9 + 8, 1 + 4, 5 + 12 bytes.
    assert_eq!(form().max_claims(), (MAX_STATEMENT_BYTES / 44).min(MAX_TENSORS / 3));
    let huge = ClaimForm { inputs: vec![vec![usize::MAX, 2]], outputs: vec![] };
    assert_eq!(huge.max_claims(), 0);
    let none = ClaimForm { inputs: vec![], outputs: vec![] };
    assert_eq!(none.max_claims(), MAX_TENSORS);
}

proptest! {
    #[test]
    fn no_bytes_panic_and_one_bundle_has_one_encoding(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        tail in prop::collection::vec(any::<u8>(), 0..40),
        keep: prop::sample::Index,
    ) {
        let mut bytes = sample().to_bytes();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(keep.index(bytes.len()) + 1);
        bytes.extend(tail);
        if let Ok(bundle) = ProofBundle::from_bytes(&bytes) {
            prop_assert_eq!(bundle.to_bytes(), bytes);
        }
    }
}

/// With words of 32 bits such a number of bytes overflows, and the reason has to be the same.
#[test]
fn a_tensor_that_no_bundle_holds_is_impossible_on_every_machine() {
    let bundle = sample();
    let mut bytes = bundle.to_bytes();
    // Behind the tag of the input, the number of its tensors and the rank of the first.
    let extent = bundle.claims_at() + 1 + 2 + 1;
    bytes[extent..extent + 4].copy_from_slice(&(1u32 << 30).to_le_bytes());
    let expected = BundleError::Shape(extent - 1);
    assert_eq!(ProofBundle::from_bytes(&bytes), Err(expected));
}
