//! Every trained model is compiled, proven at full strength and verified.

use std::path::{Path, PathBuf};
use std::time::Instant;

use ciro_sdk::inputs::Sample;
use ciro_sdk::{Key, Model, ProofBundle, ProveSettings, Prover, VerifyError, verify};

use crate::support::compiled;

fn folder(model: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models").join(model)
}

/// A compiled model and its first samples.
fn compile(model: &str, count: usize) -> (Model, Vec<Sample>) {
    let (compiled, mut samples) = compiled(&folder(model));
    samples.truncate(count);
    (compiled, samples)
}

#[track_caller]
fn proves(model: &str) {
    let (compiled, samples) = compile(model, 2);
    let start = Instant::now();
    let prover = Prover::new(&compiled, &ProveSettings::default())
        .unwrap_or_else(|error| panic!("{model}: {error:?}"));
    let prepared = start.elapsed();
    let key = Key::from_bytes(&prover.key().to_bytes()).unwrap();
    assert!(key.to_bytes().len() < 10_000, "{model}: {} bytes", key.to_bytes().len());
    let proven = prover.prove(&samples[..1]).unwrap_or_else(|error| panic!("{model}: {error:?}"));
    assert_eq!(proven.outputs[0], compiled.run(&samples[0]).unwrap(), "{model}");
    let bundle = ProofBundle::from_bytes(&proven.bundle.to_bytes()).unwrap();
    let start = Instant::now();
    let verified = verify(&bundle, &key).unwrap_or_else(|error| panic!("{model}: {error:?}"));
    println!(
        "{model}: prepare {prepared:.1?}, prove {:.1} ms, verify {:.1?}, proof {} bytes, key {} bytes, {} cells, {:.1} bits",
        proven.prove_ms,
        start.elapsed(),
        bundle.proof.len(),
        key.to_bytes().len(),
        prover.cells().unwrap_or(0),
        verified.security.conjectured_bits,
    );
    assert_eq!(verified.samples[0].outputs, proven.outputs[0], "{model}");
    assert!(verified.security_bits() >= 100, "{model}: {:?}", verified.security);
    verified.samples[0].check_inputs(&key, &samples[0]).unwrap();
    assert_eq!(compiled.recompute(&verified), Ok(1), "{model}");
    verified.samples[0].check_inputs(&key, &samples[1]).unwrap_err();

    let mut statement = bundle.statement(&key).unwrap();
    statement.claims[0].outputs[0].public_mut().unwrap().data_mut()[0] ^= 1;
    let forged = bundle.with_statement(&statement);
    assert!(matches!(verify(&forged, &key), Err(VerifyError::Invalid { .. })), "{model}");
}

macro_rules! real_models {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                proves(stringify!($name));
            }
        )*

        #[test]
        fn no_model_is_left_out() {
            let mut folders: Vec<String> = std::fs::read_dir(folder(""))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter(|name| !name.starts_with("bad_"))
                .collect();
            folders.sort_unstable();
            let mut names = vec![$(stringify!($name)),*];
            names.sort_unstable();
            assert_eq!(names, folders);
        }
    };
}

real_models!(
    linreg_diabetes,
    logreg_iris,
    linsvc_wine,
    kmeans_iris,
    dtree_wine,
    rf_cancer_30,
    xgb_credit_50,
    mlp_mnist,
    mlp_sig_tanh_gelu,
    mlp_dynamo_public,
    autoencoder_mnist,
    lenet5_mnist,
    qdq_int8_lenet5,
    qop_int8_lenet5,
    mobilenet_mini_cm32,
    resnet8_cm32,
    lstm_rows_mnist,
    encoder_text32,
    nanogpt_shakespeare,
);
