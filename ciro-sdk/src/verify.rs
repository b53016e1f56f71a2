//! Verification of proof bundles.

use ciro_graph::Tensor;
use ciro_graph::integer::EncodingError;
use ciro_stark::{Policy, Preset, Security, VerificationError};

use crate::bundle::ProofBundle;
use crate::key::{KeyDigest, ModelKey};
use crate::output::Output;
use crate::route::Route;
use crate::statement::{Claim, StatedInput};

/// Why a proof bundle does not convince.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
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
    /// The route cannot prove claims about committed inputs.
    #[error("the tensor route proves no claims about committed inputs")]
    CommittedInput,
    /// The proof bytes do not decode.
    #[error("the proof is damaged")]
    Damaged(#[from] ciro_stark::DecodeError),
    /// A check of the verifier fails.
    #[error("the proof does not hold")]
    Invalid(#[from] VerificationError),
    /// The bundle claims more or fewer inferences than a proof of the Cairo route is about.
    #[error("a proof of the Cairo route is about one inference, the bundle claims {0}")]
    Claims(usize),
    /// The proof is about something else than the bundle claims.
    #[error("the proof states another {0} than the bundle")]
    Stated(&'static str),
    /// The bytes of a Cairo proof do not decode.
    #[cfg(feature = "cairo")]
    #[error("the proof is damaged")]
    CairoDamaged(#[from] ciro_cairo::ProofDecodeError),
    /// A check of the Cairo verifier fails.
    #[cfg(feature = "cairo")]
    #[error("the proof does not hold")]
    CairoInvalid(#[from] ciro_cairo::VerificationError),
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
    /// What they are worth for this key, in bits.
    pub security: Security,
    /// One entry for each inference.
    pub samples: Vec<VerifiedSample>,
}

/// One inference of a verified bundle.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedSample {
    /// The input: integers in the order of [`ModelKey::inputs`], or a commitment.
    pub input: StatedInput,
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
    /// The proof shows a commitment only.
    #[error("the proof is about a committed input")]
    Committed,
    /// The proof shows the input itself.
    #[error("the proof shows its input, there is no commitment to open")]
    Public,
    /// The commitment is to another input, or made with another blinding value.
    #[error("the proof is about another input, or the blinding value is another one")]
    Commitment,
    /// Other integers than the proven ones.
    #[error("the proof is about another value of input `{name}`")]
    Value {
        /// The input.
        name: String,
    },
}

impl Verified {
    /// Whole bits of security, by the conjecture behind most deployed STARKs.
    pub fn security_bits(&self) -> u32 {
        self.security.whole_conjectured_bits()
    }

    /// Whole bits of security that are proven without a conjecture.
    pub fn proven_security_bits(&self) -> u32 {
        self.security.whole_proven_bits()
    }
}

impl VerifiedSample {
    /// Checks that the inference was made on these real inputs: `inputs` holds one tensor for each input of the model.
    ///
    /// # Errors
    /// [`InputMismatch`] with the first input that is another one.
    pub fn check_inputs(
        &self,
        key: &ModelKey,
        inputs: &[Tensor<f64>],
    ) -> Result<(), InputMismatch> {
        let mut proven = self.input.public().ok_or(InputMismatch::Committed)?.iter();
        for (view, encoded) in key.inputs().iter().zip(encode(key, inputs)?) {
            if Some(&encoded) != proven.next() {
                return Err(InputMismatch::Value { name: view.name.clone() });
            }
        }
        Ok(())
    }

    /// Checks that the inference was made on these real inputs, to which the proof commits under this blinding value.
    ///
    /// # Errors
    /// [`InputMismatch`] if the commitment is to other inputs, or the proof shows its input as it is.
    pub fn check_committed_inputs(
        &self,
        key: &ModelKey,
        inputs: &[Tensor<f64>],
        blinding: crate::Blinding,
    ) -> Result<(), InputMismatch> {
        let StatedInput::Committed(commitment) = &self.input else {
            return Err(InputMismatch::Public);
        };
        #[cfg(feature = "cairo")]
        if crate::cairo::commit(&encode(key, inputs)?, blinding) == *commitment {
            return Ok(());
        }
        // Without the Cairo route no bundle with a commitment verifies, and there is nothing to open.
        #[cfg(not(feature = "cairo"))]
        let _ = (key, inputs, commitment, blinding);
        Err(InputMismatch::Commitment)
    }
}

/// The integers of real inputs, one tensor for each input view of the key.
fn encode(key: &ModelKey, inputs: &[Tensor<f64>]) -> Result<Vec<Tensor<i32>>, InputMismatch> {
    let expected = key.real_inputs().count();
    if expected != inputs.len() {
        return Err(InputMismatch::Count { expected, got: inputs.len() });
    }
    let views = key.real_inputs().zip(inputs);
    let views = views.flat_map(|(views, real)| views.iter().map(move |view| (view, real)));
    let encode = |(view, real): (&ciro_stark::KeyInput, &Tensor<f64>)| {
        let encoded = view.encoding.encode(real);
        encoded
            .map(|encoded| encoded.tensor)
            .map_err(|source| InputMismatch::Encoding { name: view.name.clone(), source })
    };
    views.map(encode).collect()
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
    let security = match key {
        ModelKey::Tensor(key) => {
            let proof = ciro_stark::Proof::from_bytes(&bundle.proof, key)?;
            let statement = bundle.statement.to_tensor().ok_or(VerifyError::CommittedInput)?;
            ciro_stark::verify(key, &statement, &proof, policy)?;
            Security::of(key)
        }
        #[cfg(feature = "cairo")]
        ModelKey::Cairo(cairo) => {
            let security = key.security();
            if security.whole_conjectured_bits() < policy.min_security_bits
                || security.whole_proven_bits() < policy.min_proven_bits
            {
                let (preset, security) = (key.preset(), Box::new(security));
                let policy = policy.clone();
                return Err(VerificationError::TooWeak { preset, security, policy }.into());
            }
            crate::cairo::verify(cairo, &bundle.statement, &bundle.proof)?;
            security
        }
    };
    let samples = bundle.statement.claims.iter().map(|claim| decoded(key, claim)).collect();
    let (route, preset) = (key.route(), key.preset());
    Ok(Verified { route, model_key: expected, preset, security, samples })
}

fn decoded(key: &ModelKey, claim: &Claim) -> VerifiedSample {
    let outputs = key.outputs().iter().zip(&claim.outputs);
    VerifiedSample {
        input: claim.input.clone(),
        outputs: outputs
            .map(|(output, integers)| Output::new(&output.name, &output.decoding, integers.clone()))
            .collect(),
    }
}
