//! Whatever is changed in a proof, a statement or a key, the verifier says no, and says why.

use ciro_model::integer::{Context, StatedInput, Statement};
use ciro_stark::{ModelKey, Policy, Preset, Proof, TensorProver, VerificationError, verify};

use crate::models::{self, Stream};

const TEST: Policy = Policy { min_security_bits: 0, min_proven_bits: 0 };

fn proven(seed: u64, preset: Preset) -> (ModelKey, Statement, Proof) {
    let model = models::mlp();
    let inputs = models::inputs(&model, seed);
    let prover = TensorProver::new(model, preset, 1).unwrap();
    let (statement, proof) = prover.prove(&[inputs]).unwrap();
    (prover.key().clone(), statement, proof)
}

#[test]
fn every_flipped_byte_is_noticed() {
    for preset in Preset::ALL {
        let (key, statement, proof) = proven(1, preset);
        let bytes = proof.to_bytes();
        let mut stream = Stream::new(11);
        let last = i64::try_from(bytes.len()).unwrap() - 1;
        for trial in 0..600 {
            let (at, bit) = (stream.within(0, last), stream.within(0, 7));
            let at = if trial < 64 { trial } else { usize::try_from(at).unwrap() };
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            if let Ok(proof) = Proof::from_bytes(&flipped, &key) {
                assert!(verify(&key, &statement, &proof, &TEST).is_err(), "{preset}: byte {at}");
            }
        }
    }
}

#[test]
fn every_truncation_is_an_error() {
    let (key, _, proof) = proven(1, Preset::FastTest);
    let bytes = proof.to_bytes();
    for len in (0..bytes.len()).step_by(97).chain(bytes.len() - 40..bytes.len()) {
        assert!(Proof::from_bytes(&bytes[..len], &key).is_err(), "{len}");
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(Proof::from_bytes(&longer, &key).is_err());
}

#[test]
fn another_input_or_output_is_refused() {
    for preset in Preset::ALL {
        let (key, statement, proof) = proven(1, preset);
        let mut other = statement.clone();
        other.claims[0].input.public_mut().unwrap()[0].data_mut()[0] ^= 1;
        assert!(verify(&key, &other, &proof, &TEST).is_err(), "{preset}");
        let mut other = statement.clone();
        other.claims[0].outputs[0].public_mut().unwrap().data_mut()[0] ^= 1;
        assert!(verify(&key, &other, &proof, &TEST).is_err(), "{preset}");
        let mut other = statement;
        other.claims[0].input.public_mut().unwrap()[0].data_mut()[0] = 101;
        let verdict = verify(&key, &other, &proof, &TEST);
        assert!(matches!(verdict, Err(VerificationError::Statement { .. })), "{verdict:?}");
    }
}

#[test]
fn another_context_is_refused() {
    let model = models::mlp();
    let inputs = [models::inputs(&model, 1)];
    let context = |last: u8| {
        let mut bytes = [0; 32];
        bytes[31] = last;
        Context::from_bytes(bytes).unwrap()
    };
    for preset in Preset::ALL {
        let prover = TensorProver::new(model.clone(), preset, 1).unwrap();
        for [given, other] in [[0, 1], [1, 0], [1, 2]] {
            let (statement, proof) = prover.prove_in(&inputs, context(given)).unwrap();
            assert_eq!(statement.context, context(given));
            verify(prover.key(), &statement, &proof, &TEST).unwrap();
            let other = Statement { context: context(other), ..statement };
            let verdict = verify(prover.key(), &other, &proof, &TEST);
            assert!(verdict.is_err(), "{preset}: {given} as {other:?}");
        }
    }
}

#[test]
fn proofs_and_keys_of_older_versions_are_refused_with_what_to_do() {
    let (key, _, proof) = proven(1, Preset::FastTest);
    for (version, advice) in [(2, "have the inference proven again"), (4, "use a newer program")] {
        let mut bytes = proof.to_bytes();
        bytes[0] = version;
        let error = Proof::from_bytes(&bytes, &key).unwrap_err().to_string();
        assert!(error.contains("this is version 3") && error.ends_with(advice), "{error}");
    }
    let advice = [(2, "ask the model's owner for a new one"), (5, "use a newer program")];
    for (version, advice) in advice {
        let mut bytes = key.to_bytes();
        bytes["CIROKEY".len()] = version;
        let error = ModelKey::from_bytes(&bytes).unwrap_err().to_string();
        let reads = "this program reads versions 3 and 4";
        let expected = format!("a model key of format version {version}, {reads}: {advice}");
        assert_eq!(error, expected);
    }
}

#[test]
fn another_model_is_refused() {
    for preset in Preset::ALL {
        let (_, statement, proof) = proven(1, preset);
        let other = TensorProver::new(models::cnn(), preset, 1).unwrap();
        let verdict = verify(other.key(), &statement, &proof, &TEST);
        assert!(verdict.is_err(), "{preset}");
    }
}

#[test]
fn weak_presets_are_refused_by_default() {
    let (key, statement, proof) = proven(1, Preset::FastTest);
    let verdict = verify(&key, &statement, &proof, &Policy::default());
    assert!(matches!(verdict, Err(VerificationError::TooWeak { .. })), "{verdict:?}");
}

#[test]
fn proofs_without_conjectures_reach_the_stricter_policy() {
    let strict = Policy { min_security_bits: 100, min_proven_bits: 100 };
    let (key, statement, proof) = proven(1, Preset::Proven);
    verify(&key, &statement, &proof, &strict).unwrap();
    let (key, statement, proof) = proven(1, Preset::Standard);
    assert!(verify(&key, &statement, &proof, &strict).is_err());
}

#[test]
fn a_claim_about_a_committed_input_is_refused() {
    let (key, mut statement, proof) = proven(1, Preset::FastTest);
    statement.claims[0].input = StatedInput::Committed([0; 32]);
    let verdict = verify(&key, &statement, &proof, &TEST);
    assert_eq!(verdict, Err(VerificationError::CommittedInput { sample: 0 }));
}

#[test]
fn another_number_of_samples_is_refused() {
    let (key, mut statement, proof) = proven(1, Preset::FastTest);
    statement.claims.push(statement.claims[0].clone());
    let verdict = verify(&key, &statement, &proof, &TEST);
    assert_eq!(verdict, Err(VerificationError::Batch { expected: 1, got: 2 }));
}

#[test]
fn proofs_are_deterministic() {
    let (_, _, first) = proven(3, Preset::Standard);
    let (_, _, second) = proven(3, Preset::Standard);
    assert_eq!(first.to_bytes(), second.to_bytes());
}

#[test]
fn all_presets_verify() {
    for preset in Preset::ALL {
        let (key, statement, proof) = proven(2, preset);
        verify(&key, &statement, &proof, &TEST).unwrap_or_else(|error| panic!("{preset}: {error}"));
    }
}

#[test]
fn keys_are_read_back_and_damage_is_noticed() {
    let (key, ..) = proven(1, Preset::FastTest);
    let bytes = key.to_bytes();
    assert_eq!(ModelKey::from_bytes(&bytes), Ok(key));
    for len in 0..bytes.len() {
        assert!(ModelKey::from_bytes(&bytes[..len]).is_err(), "{len}");
    }
    // A damaged key is refused, or is another key.
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        if let Ok(other) = ModelKey::from_bytes(&damaged) {
            assert_ne!(other.to_bytes(), bytes);
        }
    }
}
