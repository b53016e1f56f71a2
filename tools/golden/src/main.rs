//! Verifies the golden proofs of the tensor route with the verifier alone.
//!
//! `.ci/run portable` builds it for the least CPU that releases support, without AVX: a verifier
//! must come to the same verdicts whatever it is compiled for. It needs no prover, compiler or
//! Cairo.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use ciro_model::Tensor;
use ciro_model::integer::{Claim, StatedInput, StatedTensor, Statement};
use ciro_stark::{ModelKey, Policy, Proof, verify};

/// Positions of a proof at which a bit is flipped, spread over all of it.
const FLIPS: usize = 64;

fn main() -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ciro-sdk/stark/tests/fixtures");
    let entries = std::fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))?;
    let mut keys: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<_>>()?;
    keys.retain(|path| path.extension().is_some_and(|ending| ending == "key"));
    keys.sort();
    ensure!(!keys.is_empty(), "{} holds no golden keys", folder.display());
    for key in &keys {
        check(key).with_context(|| format!("{}", key.display()))?;
    }
    Ok(())
}

/// A golden statement: for every sample its input tensors, then its output tensors, shown or stated
/// one by one.
fn statement(bytes: &[u8], committing: bool) -> anyhow::Result<Statement> {
    if committing {
        let claims: Vec<[Vec<StatedTensor>; 2]> = postcard::from_bytes(bytes)?;
        let claim = |[inputs, outputs]: [Vec<StatedTensor>; 2]| Claim {
            input: StatedInput::Mixed(inputs),
            outputs,
        };
        return Ok(Statement::of(claims.into_iter().map(claim).collect()));
    }
    let claims: Vec<[Vec<Tensor<i32>>; 2]> = postcard::from_bytes(bytes)?;
    let claims = claims.into_iter().map(|[inputs, outputs]| Claim::public(inputs, outputs));
    Ok(Statement::of(claims.collect()))
}

/// Checks that a golden proof verifies, and that none does in which a bit is flipped.
fn check(key: &Path) -> anyhow::Result<()> {
    let read = |ending| {
        let path = key.with_extension(ending);
        std::fs::read(&path).with_context(|| format!("{}", path.display()))
    };
    let (proof, key) = (read("proof")?, ModelKey::from_bytes(&read("key")?)?);
    let statement = statement(&read("statement")?, !key.visibilities().is_public())?;
    // Golden models are small: it is their presets' security that is measured elsewhere.
    let policy = Policy { min_security_bits: 0, min_proven_bits: 0 };
    let verdict = |bytes: &[u8]| -> anyhow::Result<()> {
        Ok(verify(&key, &statement, &Proof::from_bytes(bytes, &key)?, &policy)?)
    };
    verdict(&proof)?;
    for flip in 0..FLIPS {
        let at = flip * proof.len() / FLIPS;
        let mut forged = proof.clone();
        forged[at] ^= 1 << (flip % 8);
        ensure!(verdict(&forged).is_err(), "a proof verifies with byte {at} changed");
    }
    Ok(())
}
