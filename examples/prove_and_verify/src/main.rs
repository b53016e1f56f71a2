//! A bank proves the scores of its credit model; a regulator verifies them without seeing the
//! model.
//!
//! ```sh
//! cargo run -p prove-and-verify
//! ```

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ciro_sdk::inputs::{Inputs, Sample};
use ciro_sdk::{CompileSettings, Key, Model, ProofBundle, ProveSettings, Prover, Verified, verify};

/// How many applicants are scored in one proof.
const APPLICANTS: usize = 4;

fn main() -> Result<()> {
    let bank = Bank::new()?;
    let key = bank.prover.key();
    let proof = bank.score(&bank.applicants)?;
    let mut out = std::io::stdout();
    writeln!(out, "key {} bytes, proof {} bytes", key.to_bytes().len(), proof.to_bytes().len())?;

    let verified = regulator(&key, &proof.to_bytes())?;
    for (applicant, sample) in verified.samples.iter().enumerate() {
        let [label, probabilities] = &sample.outputs[..] else {
            anyhow::bail!("a classifier has a label and probabilities");
        };
        let (label, default) = (label.values.data()[0], probabilities.values.data()[1]);
        writeln!(out, "applicant {applicant}: class {label}, risk of default {default:.3}")?;
    }
    writeln!(out, "verified with {} bits of security", verified.security_bits())?;
    Ok(())
}

/// Who has the model.
struct Bank {
    prover: Prover,
    applicants: Vec<Sample>,
}

impl Bank {
    /// Compiles the model: gradient-boosted trees over twenty features of an applicant.
    fn new() -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/xgb_credit_50");
        let file = |name: &str| -> PathBuf { folder.join(name) };
        let inputs = Inputs::read(&file("inputs.npz"))?;
        let settings =
            CompileSettings { calibration: Some(inputs.clone()), ..CompileSettings::default() };
        let model = Model::compile_file(&file("model.onnx"), &settings)?;
        let mut applicants = inputs.samples(&model.input_specs())?;
        applicants.truncate(APPLICANTS);
        let batch = u32::try_from(applicants.len())?;
        let prover = Prover::new(&model, &ProveSettings { batch, ..ProveSettings::default() })?;
        Ok(Self { prover, applicants })
    }

    /// Scores applicants, all in one proof.
    fn score(&self, applicants: &[Sample]) -> Result<ProofBundle> {
        Ok(self.prover.prove(applicants)?.bundle)
    }
}

/// Who has the key alone, and believes nothing else.
fn regulator(key: &Key, proof: &[u8]) -> Result<Verified> {
    let key = Key::from_bytes(&key.to_bytes())?;
    let bundle = ProofBundle::from_bytes(proof)?;
    verify(&bundle, &key).context("the bank's proof does not convince")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_regulator_accepts_the_scores_and_no_others() {
        let bank = Bank::new().unwrap();
        let key = bank.prover.key();
        let proof = bank.score(&bank.applicants).unwrap();
        let verified = regulator(&key, &proof.to_bytes()).unwrap();
        assert_eq!(verified.samples.len(), APPLICANTS);

        let mut statement = proof.statement(&key).unwrap();
        statement.claims[0].outputs[1].public_mut().unwrap().data_mut()[0] -= 1;
        let forged = proof.with_statement(&statement);
        regulator(&key, &forged.to_bytes()).unwrap_err();
    }
}
