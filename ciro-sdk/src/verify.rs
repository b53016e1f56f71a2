//! Verification of proof bundles.

use ciro_model::Tensor;
use ciro_model::integer::SampleMismatch;
use ciro_stark::{Policy, Preset, Security, VerificationError};

use crate::bundle::ProofBundle;
use crate::key::{KeyDigest, ModelKey};
use crate::output::Output;
use crate::real_input::RealInput;
use crate::route::Route;
use crate::statement::{Claim, StatedInput, Statement};

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
    /// The claims have another form than the key's model gives them.
    #[error("the claims do not fit the model")]
    Statement(#[from] crate::bundle::DecodeError),
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
    /// The input: integers, one tensor for each of [`Interface::views`](crate::Interface::views), or a commitment.
    pub input: StatedInput,
    /// The input as real numbers, one entry for each ONNX input; `None` if the proof only commits to it.
    pub real_inputs: Option<Vec<RealInput>>,
    /// The outputs, in the model's order.
    pub outputs: Vec<Output>,
}

/// An input of a verified inference is not the one that was asked about.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InputMismatch {
    /// A sample that the model does not take.
    #[error(transparent)]
    NotTaken(#[from] SampleMismatch),
    /// Values outside of the calibrated range: the model sees them moved to its end, so the proof is equally about other inputs.
    #[error("{count} value(s) of input `{name}` lie outside of the calibrated range")]
    Clamped {
        /// The input.
        name: String,
        /// How many values.
        count: usize,
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
    /// Another number of samples than the proof has inferences.
    #[error("the proof is about {proven} inference(s), the inputs hold {given}")]
    Samples {
        /// Inferences of the proof.
        proven: usize,
        /// Samples that came.
        given: usize,
    },
    /// One of several samples is another one.
    #[error("sample {sample}")]
    Sample {
        /// Its position.
        sample: usize,
        /// How it differs.
        #[source]
        source: Box<Self>,
    },
    /// Other integers than the proven ones.
    #[error("the proof is about another value of input `{name}`")]
    Value {
        /// The input.
        name: String,
    },
}

/// How inputs are compared with proven ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputCheck {
    /// What opens the commitment to the input, for proofs that do not show it. Default: none.
    pub blinding: Option<crate::Blinding>,
    /// Whether values outside of the calibrated range count as the end of the range that the model moves them to. Default: no, since
    /// the same proof is then about all inputs out there.
    pub allow_clamped: bool,
}

impl InputMismatch {
    /// The mismatch itself, without the position of its sample.
    pub fn reason(&self) -> &Self {
        match self {
            Self::Sample { source, .. } => source.reason(),
            reason => reason,
        }
    }
}

impl Verified {
    /// Compares the inputs of all inferences with samples, and says how many of their values were moved to the end of their range.
    ///
    /// # Errors
    /// [`InputMismatch`] with the first sample that is another one.
    pub fn compare_inputs(
        &self,
        key: &ModelKey,
        samples: &[Vec<Tensor<f64>>],
        check: &InputCheck,
    ) -> Result<usize, InputMismatch> {
        let (proven, given) = (self.samples.len(), samples.len());
        if proven != given {
            return Err(InputMismatch::Samples { proven, given });
        }
        let mut clamped = 0;
        for (sample, (verified, inputs)) in self.samples.iter().zip(samples).enumerate() {
            let compared = verified.compare_inputs(key, inputs, check);
            clamped += compared.map_err(|source| match proven {
                1 => source,
                _ => InputMismatch::Sample { sample, source: Box::new(source) },
            })?;
        }
        Ok(clamped)
    }

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
    /// [`InputMismatch`] with the first input that is another one, or lies outside of the range that the model can tell apart.
    pub fn check_inputs(
        &self,
        key: &ModelKey,
        inputs: &[Tensor<f64>],
    ) -> Result<(), InputMismatch> {
        self.compare_inputs(key, inputs, &InputCheck::default()).map(drop)
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
        let check = InputCheck { blinding: Some(blinding), ..InputCheck::default() };
        self.compare_inputs(key, inputs, &check).map(drop)
    }

    /// Compares the inference's input with real inputs, and says how many of their values were moved to the end of their range.
    ///
    /// # Errors
    /// [`InputMismatch`] with the first input that is another one.
    pub fn compare_inputs(
        &self,
        key: &ModelKey,
        inputs: &[Tensor<f64>],
        check: &InputCheck,
    ) -> Result<usize, InputMismatch> {
        let encoded = key.interface().encode(inputs)?;
        match (&self.input, check.blinding) {
            (StatedInput::Public(_), Some(_)) => return Err(InputMismatch::Public),
            (StatedInput::Committed(_), None) => return Err(InputMismatch::Committed),
            (StatedInput::Public(proven), None) => {
                let mut views = key.interface().views().zip(proven.iter().zip(&encoded.tensors));
                if let Some(((port, _), _)) = views.find(|(_, (proven, given))| proven != given) {
                    return Err(InputMismatch::Value { name: port.name.clone() });
                }
            }
            (StatedInput::Committed(commitment), Some(blinding)) => {
                check_commitment(key, &encoded.tensors, blinding, commitment)?;
            }
        }
        match encoded.clamped.first() {
            Some((name, count)) if !check.allow_clamped => {
                Err(InputMismatch::Clamped { name: name.clone(), count: *count })
            }
            _ => Ok(encoded.clamped.iter().map(|(_, count)| count).sum()),
        }
    }
}

#[cfg(feature = "cairo")]
fn check_commitment(
    key: &ModelKey,
    input: &[Tensor<i32>],
    blinding: crate::Blinding,
    commitment: &[u8; 32],
) -> Result<(), InputMismatch> {
    match key {
        ModelKey::Cairo(key) if crate::cairo::commit(key, input, blinding) == *commitment => Ok(()),
        _ => Err(InputMismatch::Commitment),
    }
}

/// Without the Cairo route no bundle with a commitment verifies, and there is nothing to open.
#[cfg(not(feature = "cairo"))]
fn check_commitment(
    _: &ModelKey,
    _: &[Tensor<i32>],
    _: crate::Blinding,
    _: &[u8; 32],
) -> Result<(), InputMismatch> {
    Err(InputMismatch::Commitment)
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
    let statement = bundle.statement(key)?;
    let (statement, security) = match key {
        ModelKey::Tensor(key) => {
            let statement = statement.into_tensor().ok_or(VerifyError::CommittedInput)?;
            let proof = ciro_stark::Proof::from_bytes(&bundle.proof, key)?;
            ciro_stark::verify(key, &statement, &proof, policy)?;
            (Statement::from_tensor(statement), Security::of(key))
        }
        #[cfg(feature = "cairo")]
        ModelKey::Cairo(cairo) => {
            let security = key.security();
            policy.check(key.preset(), &security)?;
            crate::cairo::verify(cairo, &statement, &bundle.proof)?;
            (statement, security)
        }
    };
    let samples = statement.claims.into_iter().enumerate();
    let samples =
        samples.map(|(sample, claim)| decoded(key, sample, claim)).collect::<Result<_, _>>()?;
    let (route, preset, model_key) = (key.route(), key.preset(), key.digest());
    Ok(Verified { route, model_key, preset, security, samples })
}

fn decoded(key: &ModelKey, sample: usize, claim: Claim) -> Result<VerifiedSample, VerifyError> {
    let interface = key.interface();
    let real_inputs = claim.input.public().map(|input| RealInput::all(interface, input));
    let real_inputs = real_inputs
        .transpose()
        .map_err(|source| VerificationError::Statement { sample, source })?;
    let outputs = interface.outputs.iter().zip(claim.outputs);
    let outputs =
        outputs.map(|(port, integers)| Output::new(&port.name, &port.decoding, integers)).collect();
    Ok(VerifiedSample { input: claim.input, real_inputs, outputs })
}
