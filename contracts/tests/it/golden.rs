//! Golden proofs of the tensor route are accepted.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ciro_contracts::{Verdict, Verifier, model_id};
use ciro_model::integer::{Claim, Context, StatedInput, StatedTensor, Statement};
use ciro_stark::{Felt, ModelKey, Preset, Proof, TensorProver};

use crate::models;

/// A proof with what it is about.
pub(crate) type Proven = (ModelKey, Statement, Proof);

/// The verifier, compiled once.
pub(crate) fn verifier() -> &'static Verifier {
    static VERIFIER: OnceLock<Verifier> = OnceLock::new();
    VERIFIER.get_or_init(|| Verifier::new().unwrap())
}

/// What the verifier says of a proof for a key, at whatever cost.
pub(crate) fn said(key: &ModelKey, felts: &[Felt]) -> Result<(), String> {
    let model = model_id(&key.to_felts().unwrap());
    match verifier().verify(model, felts).unwrap() {
        Verdict::Accepted(_) => Ok(()),
        Verdict::Refused(reason) => Err(reason),
    }
}

/// The golden proofs, which together use every chip.
fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../ciro-sdk/stark/tests/fixtures")
}

/// Those of plain proofs: keys whose proofs hide have no felts.
pub(crate) fn names() -> Vec<String> {
    let is_plain = |path: &PathBuf| {
        !ModelKey::from_bytes(&std::fs::read(path).unwrap()).unwrap().secrecy().hides()
    };
    let entries = std::fs::read_dir(fixtures()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "key"))
        .filter(is_plain)
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// A statement as files keep it: of keys that commit to something, the tensors as they are stated,
/// otherwise their integers.
fn statement(key: &ModelKey, bytes: &[u8]) -> Statement {
    let claim = |[inputs, outputs]: [Vec<_>; 2]| Claim::public(inputs, outputs);
    let stated = |[inputs, outputs]: [Vec<StatedTensor>; 2]| Claim {
        input: StatedInput::Mixed(inputs),
        outputs,
    };
    let claims = match key.visibilities().is_public() {
        true => postcard::from_bytes::<Vec<_>>(bytes).unwrap().into_iter().map(claim).collect(),
        false => postcard::from_bytes::<Vec<_>>(bytes).unwrap().into_iter().map(stated).collect(),
    };
    Statement::of(claims)
}

pub(crate) fn golden(name: &str) -> Proven {
    read(&fixtures(), name)
}

/// Reads a key, a statement and a proof from a folder.
pub(crate) fn read(folder: &Path, name: &str) -> Proven {
    let read = |ending: &str| {
        let path = folder.join(format!("{name}.{ending}"));
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let key = ModelKey::from_bytes(&read("key")).unwrap();
    let proof = Proof::from_bytes(&read("proof"), &key).unwrap();
    let statement = statement(&key, &read("statement"));
    (key, statement, proof)
}

pub(crate) fn felts((key, statement, proof): &Proven) -> Vec<Felt> {
    proof.to_felts(key, statement).unwrap()
}

#[test]
fn golden_proofs_of_every_chip_are_accepted() {
    for name in names() {
        let proven = golden(&name);
        assert_eq!(said(&proven.0, &felts(&proven)), Ok(()), "{name}");
    }
}

#[test]
fn a_proof_is_bound_to_its_context() {
    let (key, mut statement, proof) = golden("mlp_v3");
    let mut bytes = [0; 32];
    bytes[31] = 1;
    statement.context = Context::from_bytes(bytes).unwrap();
    let proven = (key, statement, proof);
    assert_eq!(said(&proven.0, &felts(&proven)), Err("constraints".to_owned()));
}

/// A context has as many bits as a felt: all of them count, in the order of Rust.
#[test]
fn a_proof_with_a_context_is_accepted() {
    let model = models::affine();
    let inputs = models::inputs(&model, 7);
    let prover = TensorProver::new(model, Preset::FastTest, 1).unwrap();
    let bytes = std::array::from_fn(|at| if at == 0 { 7 } else { u8::try_from(at).unwrap() });
    let context = Context::from_bytes(bytes).unwrap();
    let (statement, proof) = prover.prove_in(&[inputs], context).unwrap();
    let proven = (prover.key().clone(), statement, proof);
    assert_eq!(said(&proven.0, &felts(&proven)), Ok(()));
}
