//! Keys and proofs that the tests damage.

use std::path::Path;

use ciro_model::Tensor;
use ciro_model::integer::{Claim, StatedInput, StatedTensor, Statement};
use ciro_sdk::inputs::Inputs;
use ciro_sdk::{CompileSettings, Key, KeyRing, Model, ProofBundle, ProveSettings, Prover};

/// A key file and a `.ciro` file for it.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) name: String,
    pub(crate) key: Vec<u8>,
    pub(crate) proof: Vec<u8>,
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The golden proofs of the tensor route, as files.
pub(crate) fn golden() -> Vec<Pair> {
    let folder = root().join("ciro-sdk/stark/tests/fixtures");
    let entries = std::fs::read_dir(&folder).unwrap();
    let mut keys: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    keys.retain(|path| path.extension().is_some_and(|ending| ending == "key"));
    keys.sort();
    assert!(!keys.is_empty(), "{} holds no golden keys", folder.display());
    let pair = |path: &std::path::PathBuf| {
        let read = |ending| std::fs::read(path.with_extension(ending)).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let statement = statement(&read("statement"), name.starts_with("committed"));
        let key = Key::from_bytes(&read("key")).unwrap();
        let proof = ProofBundle::new(&key, &statement, read("proof")).to_bytes();
        Pair { name, key: KeyRing::new([key]).unwrap().to_bytes(), proof }
    };
    keys.iter().map(pair).collect()
}

/// For every sample its input tensors, then its output tensors, shown or committed to.
fn statement(bytes: &[u8], committing: bool) -> Statement {
    if committing {
        let claims: Vec<[Vec<StatedTensor>; 2]> = postcard::from_bytes(bytes).unwrap();
        let claim = |[inputs, outputs]: [Vec<StatedTensor>; 2]| Claim {
            input: StatedInput::Mixed(inputs),
            outputs,
        };
        return Statement::of(claims.into_iter().map(claim).collect());
    }
    let claims: Vec<[Vec<Tensor<i32>>; 2]> = postcard::from_bytes(bytes).unwrap();
    let claims = claims.into_iter().map(|[inputs, outputs]| Claim::public(inputs, outputs));
    Statement::of(claims.collect())
}

/// A proof of an example model about its first samples, and the input file of these.
pub(crate) fn example(name: &str, batch: u32) -> (Pair, Vec<u8>) {
    let folder = root().join("examples/models").join(name);
    let inputs = Inputs::read(&folder.join("inputs.npz")).unwrap();
    let settings =
        CompileSettings { calibration: Some(inputs.clone()), ..CompileSettings::default() };
    let model = Model::compile_file(&folder.join("model.onnx"), &settings).unwrap();
    let count = usize::try_from(batch).unwrap();
    let samples = inputs.samples(&model.input_specs()).unwrap();
    let samples = samples[..count].to_vec();
    let prover = Prover::new(&model, &ProveSettings { batch, ..ProveSettings::default() }).unwrap();
    let bundle = prover.prove(&samples).unwrap().bundle;
    let key = KeyRing::new([prover.key()]).unwrap().to_bytes();
    let flat: Vec<f64> = samples.iter().flat_map(|sample| sample[0].data().to_vec()).collect();
    let input = serde_json::json!({ "input_data": [flat] }).to_string();
    (Pair { name: name.to_owned(), key, proof: bundle.to_bytes() }, input.into_bytes())
}
