//! Verification of proof bundles: no feature is needed, and nothing in a bundle is trusted.

pub(crate) mod bundle;
mod disclosure;
mod error;
mod input_check;
mod key;
mod opening;
mod output;
mod real_input;
mod ring;
mod stated;

use ciro_model::integer::{Claim, Context, StatedInput, StatedTensor};
use ciro_stark::{Policy, Preset, Secrecy, Security};

pub use bundle::{BundleError, LoadBundleError, MAX_BUNDLE_BYTES, ProofBundle};
#[cfg(feature = "prove")]
pub(crate) use bundle::{ClaimForm, MAX_PROOF_BYTES};
pub use disclosure::{Disclosure, Shown, ShownTensor};
pub use error::VerifyError;
pub use input_check::{InputCheck, InputMismatch};
pub use key::{Key, KeyDecodeError, KeyDigest};
pub use opening::{CommittedTensor, Opening, OpeningError, Side};
pub use output::RealOutput;
pub use real_input::RealInput;
pub use ring::{KeyRing, KeyRingError, LoadKeyError, MAX_KEY_FILE_BYTES, MAX_KEYS};
pub use stated::{EncodedInputs, InputStatement, InputStatementError};

use crate::route::Route;

/// What a verified bundle establishes: the model of this key, on these inputs, gave these outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// How it was proven.
    pub route: Route,
    /// The key that it was verified with.
    pub model_key: KeyDigest,
    /// The digest of the integer model.
    pub model_digest: [u8; 32],
    /// What the proof is bound to beside the model and the samples: whether that is what it should
    /// be bound to is for the caller to compare ([`ProofBundle::check_context`]).
    pub context: Context,
    /// The security parameters.
    pub preset: Preset,
    /// Whether the proof hides what it does not state of inputs and execution.
    pub secrecy: Secrecy,
    /// What they are worth for this key, in bits.
    pub security: Security,
    /// One entry for each inference.
    pub samples: Vec<VerifiedSample>,
}

/// One inference of a verified bundle.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedSample {
    /// The input: integers, one tensor for each of [`Interface::views`](crate::Interface::views),
    /// or a commitment.
    pub input: StatedInput,
    /// The input as real numbers, one entry for each ONNX input; `None` if the proof only commits
    /// to it or to a part of it.
    pub real_inputs: Option<Vec<RealInput>>,
    /// The outputs that the proof shows, in the model's order.
    pub outputs: Vec<RealOutput>,
    /// The inputs and outputs that the proof commits to instead, one by one.
    pub committed: Vec<CommittedTensor>,
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

/// Verifies a bundle against a key, asking for at least 100 bits of security.
///
/// The key decides everything: shapes, tables and security parameters are never taken from the
/// bundle.
///
/// # Errors
/// [`VerifyError`] with the first check that fails.
pub fn verify(bundle: &ProofBundle, key: &Key) -> Result<Verified, VerifyError> {
    verify_with(bundle, key, &Policy::default())
}

/// Verifies a bundle against a key and the caller's own policy.
///
/// # Errors
/// As [`verify`].
pub fn verify_with(
    bundle: &ProofBundle,
    key: &Key,
    policy: &Policy,
) -> Result<Verified, VerifyError> {
    let route = key.route();
    let _span = tracing::info_span!("verify", %route).entered();
    let statement = bundle.statement(key)?;
    if !statement.context.is_none() && !key.of_route().binds_context() {
        return Err(VerifyError::NoContext(route));
    }
    let verified = key.of_route().verify(&statement, &bundle.proof, policy);
    verified.map_err(|rejected| VerifyError::rejected(route, rejected))?;
    let context = statement.context;
    let samples = statement.claims.into_iter().enumerate();
    let samples = samples.map(|(sample, claim)| decoded(key, sample, claim));
    let samples = samples.collect::<Result<_, _>>()?;
    let (preset, secrecy, security) = (key.preset(), key.secrecy(), key.security());
    let (model_key, model_digest) = (key.digest(), key.model_digest());
    Ok(Verified { route, model_key, model_digest, context, preset, secrecy, security, samples })
}

fn decoded(key: &Key, sample: usize, claim: Claim) -> Result<VerifiedSample, VerifyError> {
    let interface = key.interface();
    let real_inputs = claim.input.public().map(|input| RealInput::all(interface, input));
    let real_inputs = real_inputs.transpose();
    let real_inputs = real_inputs.map_err(|source| VerifyError::Claim { sample, source })?;
    let committed = key.committed(&claim.input, &claim.outputs);
    let outputs = interface.outputs.iter().zip(claim.outputs);
    let outputs = outputs
        .filter_map(|(port, output)| match output {
            StatedTensor::Public(integers) => {
                Some(RealOutput::new(&port.name, &port.decoding, integers))
            }
            StatedTensor::Committed(_) => None,
        })
        .collect();
    Ok(VerifiedSample { input: claim.input, real_inputs, outputs, committed })
}
