//! Proofs about programs in their files, beside those about models.

use std::path::{Path, PathBuf};

use ciro_sdk::program::{
    Executable, Felt, LoadExecutableError, LoadProgramKeyError, ProgramKey, ProgramProof,
    ProgramProofError, RunProgramError, VerifyProgramError, read_arguments, verify_program,
};
use ciro_sdk::{
    BundleError, Check, Key, KeyRing, KeyRingError, MemoryShortage, Policy, ProofBundle,
    ProveSettings, Prover, Route, Tensor, failed_check, verify,
};

use crate::mutations::damage;
use crate::support::weighted;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/programs/fibonacci").join(name)
}

fn fibonacci() -> Executable {
    Executable::load(&example("fibonacci.executable.json")).unwrap()
}

/// A key and a bundle of the Cairo route.
fn about_a_model() -> (Key, ProofBundle) {
    let model = weighted(2);
    let settings = ProveSettings { route: Route::Cairo, ..ProveSettings::default() };
    let prover = Prover::new(&model, &settings).unwrap();
    let sample = vec![Tensor::new(vec![1, 2], vec![1.0, -2.0]).unwrap()];
    (prover.key(), prover.prove(&[sample]).unwrap().bundle)
}

/// One test for all: proofs take seconds and 1.7 GB each.
#[test]
fn a_program_is_proven_and_neither_kind_of_proof_passes_for_the_other() {
    let program = fibonacci();
    let proven = program.prove(&[Felt::from(10)], None).unwrap();
    assert_eq!(proven.output, [Felt::from(10), Felt::from(55)]);
    let (key, proof, policy) = (program.key(), &proven.proof, Policy::default());
    let verified = verify_program(proof, key, &policy).unwrap();
    assert_eq!((verified.output, verified.key), (proven.output.clone(), key.digest()));
    assert!(verified.security.whole_conjectured_bits() >= 100);
    assert_eq!(proof.claimed_output().unwrap(), proven.output);

    let folder = tempfile::tempdir().unwrap();
    let (key_file, file) = (folder.path().join("a.key"), folder.path().join("a.ciro"));
    key.save(&key_file).unwrap();
    proof.save(&file).unwrap();
    assert_eq!(ProgramKey::load(&key_file).unwrap(), *key);
    assert_eq!(ProgramProof::load(&file).unwrap(), *proof);

    let strict = Policy { min_security_bits: 101, ..Policy::default() };
    let weak = verify_program(proof, key, &strict).unwrap_err();
    assert_eq!(weak.check(), Check::Security);
    a_proof_about_a_program_is_none_about_a_model(key, proof);
    nothing_damaged_is_accepted(key, proof);
}

fn a_proof_about_a_program_is_none_about_a_model(key: &ProgramKey, proof: &ProgramProof) {
    let (model_key, bundle) = about_a_model();
    let ring = KeyRing::new([model_key.clone()]).unwrap();
    // Files.
    let (program_file, model_file) = (proof.to_bytes(), bundle.to_bytes());
    let swapped = |file: &[u8], magic: &[u8]| [magic, &file[8..]].concat();
    assert_eq!(ProofBundle::from_bytes(&program_file), Err(BundleError::Program));
    assert_eq!(ProgramProof::from_bytes(&model_file), Err(ProgramProofError::Model));
    ProofBundle::from_bytes(&swapped(&program_file, b"CIROPROF")).unwrap_err();
    ProgramProof::from_bytes(&swapped(&model_file, b"CIROPROG")).unwrap_err();
    // Keys.
    assert_eq!(KeyRing::from_bytes(&key.to_bytes()), Err(KeyRingError::Program));
    assert!(Key::from_bytes(&key.to_bytes()).is_err());
    for model in [ring.to_bytes(), model_key.to_bytes()] {
        let refused = ProgramKey::from_bytes(&model).unwrap_err();
        assert!(matches!(refused, LoadProgramKeyError::Model), "{refused}");
    }
    // Proofs in the other's file, under the digest that is asked for.
    let dressed = ProgramProof { proof: bundle.proof.clone(), ..proof.clone() };
    let refused = verify_program(&dressed, key, &Policy::default()).unwrap_err();
    assert_eq!(refused.check(), Check::Program, "{refused}");
    let mut dressed = bundle.clone();
    dressed.proof.clone_from(&proof.proof);
    let refused = verify(&dressed, &model_key).unwrap_err();
    assert_eq!(refused.check(), Check::ModelCommitment, "{refused}");
    // Under the digest of a model's key.
    let named = ProgramProof { key: model_key.digest(), ..proof.clone() };
    let refused = verify_program(&named, key, &Policy::default()).unwrap_err();
    assert!(matches!(refused, VerifyProgramError::OtherKey { .. }), "{refused}");
    assert_eq!(failed_check(&refused), Some(Check::Program));
}

fn nothing_damaged_is_accepted(key: &ProgramKey, proof: &ProgramProof) {
    let (file, key_file) = (proof.to_bytes(), key.to_bytes());
    let mut state = 2026_u64;
    let mut below = |end: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % end
    };
    // Proofs of this kind take long to verify.
    let (mut read, trials) = (0, damage::mutations() / 100);
    for trial in 0..trials {
        let damaged = damage::damage(&file, &mut below);
        if damaged != file
            && let Ok(damaged) = ProgramProof::from_bytes(&damaged)
        {
            read += 1;
            assert!(verify_program(&damaged, key, &Policy::default()).is_err(), "trial {trial}");
        }
        let damaged = damage::damage(&key_file, &mut below);
        if damaged != key_file
            && let Ok(other) = ProgramKey::from_bytes(&damaged)
        {
            // Under the other key's digest, so that the proof itself is looked at.
            let named = ProgramProof { key: other.digest(), ..proof.clone() };
            assert!(verify_program(&named, &other, &Policy::default()).is_err(), "trial {trial}");
        }
    }
    println!("{read} of {trials} damaged files are read, none is accepted");
    assert!(read > 0);
}

#[test]
fn runs_end_or_say_why_not() {
    let program = fibonacci();
    let arguments = read_arguments(&example("arguments.json")).unwrap();
    assert_eq!(program.run(&arguments, None).unwrap().output[0], Felt::from(100));
    let longest = [Felt::from(u32::MAX)];
    let refused = program.run(&longest, Some(1 << 20)).unwrap_err();
    assert!(matches!(refused, RunProgramError::Steps(4096)), "{refused}");
    let refused = program.run(&[], None).unwrap_err();
    assert!(matches!(refused, RunProgramError::Panicked(_)), "{refused}");
    let refused = program.prove(&arguments, Some(1 << 30)).unwrap_err();
    assert!(
        matches!(refused, RunProgramError::Memory(MemoryShortage { limit: 1073, .. })),
        "{refused}"
    );
    let refused = Executable::from_bytes(b"{}").unwrap_err();
    assert!(matches!(refused, LoadExecutableError::Read(_)), "{refused}");
}
