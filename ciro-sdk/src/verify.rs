//! Verification of proof bundles.

use ciro_graph::integer::Encoding;
use ciro_graph::{Tensor, integer::EncodingError};
use ciro_stark::{Inference, Policy, Preset, VerificationError};

use crate::bundle::ProofBundle;
use crate::key::{KeyDigest, ModelKey};
use crate::output::Output;
use crate::route::Route;

/// Why a proof bundle does not convince.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The bundle is about another model than the key.
    #[error("the proof is about the model with key {found}, the verifier's key is {expected}")]
    OtherKey {
        /// The digest of the verifier's key.
        expected: KeyDigest,
        /// The digest in the bundle.
        found: KeyDigest,
    },
    /// The bundle names another route than the key.
    #[error("the proof names the route `{found}`, the key is made for `{expected}`")]
    Route {
        /// The key's route.
        expected: Route,
        /// The bundle's route.
        found: Route,
    },
    /// The bundle names other security parameters than the key.
    #[error("the proof names the preset `{found}`, the key is made for `{expected}`")]
    Preset {
        /// The key's preset.
        expected: Preset,
        /// The bundle's preset.
        found: Preset,
    },
    /// The proof bytes do not decode.
    #[error("the proof is damaged")]
    Damaged(#[from] ciro_stark::DecodeError),
    /// A check of the verifier fails.
    #[error("the proof does not hold")]
    Invalid(#[from] VerificationError),
}

/// What a verified bundle establishes: the model of this key, on these inputs, gave these outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// How it was proven.
    pub route: Route,
    /// The model.
    pub model_key: KeyDigest,
    /// The security parameters.
    pub preset: Preset,
    /// One entry for each inference.
    pub samples: Vec<VerifiedSample>,
}

/// One inference of a verified bundle.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedSample {
    /// The integer inputs, in the order of [`ModelKey::inputs`].
    pub inputs: Vec<Tensor<i32>>,
    /// The outputs, in the model's order.
    pub outputs: Vec<Output>,
}

/// An input of a verified inference is not the one that was asked about.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InputMismatch {
    /// Another number of inputs than the model takes.
    #[error("the model takes {expected} input(s), got {got}")]
    Count {
        /// How many the model takes.
        expected: usize,
        /// How many came.
        got: usize,
    },
    /// An input that the model does not take.
    #[error("input `{name}`")]
    Encoding {
        /// The input.
        name: String,
        /// Why it is not taken.
        #[source]
        source: EncodingError,
    },
    /// Other integers than the proven ones.
    #[error("the proof is about another value of input `{name}`")]
    Value {
        /// The input.
        name: String,
    },
}

impl Verified {
    /// Bits of security, by the conjecture behind most deployed STARKs.
    pub fn security_bits(&self) -> u32 {
        self.preset.conjectured_bits()
    }

    /// Bits of security that are proven without a conjecture.
    pub fn proven_security_bits(&self) -> u32 {
        self.preset.proven_bits()
    }
}

impl VerifiedSample {
    /// Checks that the inference was made on these real inputs: `inputs` holds one tensor for each input of the model.
    ///
    /// # Errors
    /// [`InputMismatch`] with the first input that is another one.
    pub fn check_inputs(&self, key: &ModelKey, inputs: &[Tensor<f64>]) -> Result<(), InputMismatch> {
        // Views of one input follow each other.
        let mut position = None;
        let mut previous = None;
        let expected = key.inputs().chunk_by(|a, b| a.name == b.name).count();
        if expected != inputs.len() {
            return Err(InputMismatch::Count { expected, got: inputs.len() });
        }
        for (view, proven) in key.inputs().iter().zip(&self.inputs) {
            if previous != Some(&view.name) {
                position = Some(position.map_or(0, |position| position + 1));
                previous = Some(&view.name);
            }
            let real = position.and_then(|position| inputs.get(position));
            let encoded = real.map(|real| encode(&view.encoding, real)).transpose();
            let encoded = encoded
                .map_err(|source| InputMismatch::Encoding { name: view.name.clone(), source })?;
            if encoded.as_ref() != Some(proven) {
                return Err(InputMismatch::Value { name: view.name.clone() });
            }
        }
        Ok(())
    }
}

fn encode(encoding: &Encoding, real: &Tensor<f64>) -> Result<Tensor<i32>, EncodingError> {
    Ok(encoding.encode(real)?.tensor)
}

/// Verifies a bundle against a model key, asking for at least 100 bits of security.
///
/// The key decides everything: shapes, tables and security parameters are never taken from the bundle.
///
/// # Errors
/// [`VerifyError`] with the first check that fails.
pub fn verify(bundle: &ProofBundle, key: &ModelKey) -> Result<Verified, VerifyError> {
    verify_with(bundle, key, &Policy::default())
}

/// Verifies a bundle against a model key and the caller's own policy.
///
/// # Errors
/// As [`verify`].
pub fn verify_with(
    bundle: &ProofBundle,
    key: &ModelKey,
    policy: &Policy,
) -> Result<Verified, VerifyError> {
    let _span = tracing::info_span!("verify", route = %key.route()).entered();
    let (expected, found) = (key.route(), bundle.route);
    if expected != found {
        return Err(VerifyError::Route { expected, found });
    }
    let (expected, found) = (key.preset(), bundle.preset);
    if expected != found {
        return Err(VerifyError::Preset { expected, found });
    }
    let (expected, found) = (key.digest(), bundle.model_key);
    if expected != found {
        return Err(VerifyError::OtherKey { expected, found });
    }
    match key {
        ModelKey::Tensor(key) => {
            let proof = ciro_stark::Proof::from_bytes(&bundle.proof)?;
            ciro_stark::verify(key, &bundle.statement, &proof, policy)?;
        }
    }
    let samples = bundle.statement.samples.iter().map(|sample| decoded(key, sample)).collect();
    Ok(Verified { route: key.route(), model_key: expected, preset: key.preset(), samples })
}

fn decoded(key: &ModelKey, sample: &Inference) -> VerifiedSample {
    let outputs = key.outputs().iter().zip(&sample.outputs);
    VerifiedSample {
        inputs: sample.inputs.clone(),
        outputs: outputs
            .map(|(output, integers)| {
                Output::new(&output.name, &output.decoding, integers.clone())
            })
            .collect(),
    }
}
