//! Proves what a model says about a flower, and verifies it.

use std::path::Path;

use anyhow::Result;
use ciro_sdk::inputs::Inputs;
use ciro_sdk::{CompileSettings, KeyRing, Model, ProofBundle, ProveSettings, Prover, verify};

fn main() -> Result<()> {
    let proof = prove()?;
    println!("proof: {} bytes", proof.to_bytes().len());

    let keys = KeyRing::load(Path::new("model.key"))?;
    let verified = verify(&proof, keys.find(&proof)?)?;
    for output in &verified.samples[0].outputs {
        println!("{}: {:?}", output.name, output.values.data());
    }
    println!("verified with {} bits of security", verified.security_bits());
    Ok(())
}

/// What the model's owner does: compiles the model, publishes its key, proves an answer.
fn prove() -> Result<ProofBundle> {
    let calibration = Some(Inputs::read(Path::new("inputs.npz"))?);
    let settings = CompileSettings { calibration, ..CompileSettings::default() };
    let model = Model::compile_file(Path::new("model.onnx"), &settings)?;
    let prover = Prover::new(&model, &ProveSettings::default())?;
    KeyRing::new([prover.key()])?.save(Path::new("model.key"))?;

    let samples = Inputs::read(Path::new("input.json"))?.samples(&model.input_specs())?;
    Ok(prover.prove(&samples)?.bundle)
}
