//! Why a proof does not convince.

use ciro_model::integer::ClaimError;

use super::policy::{Policy, shortfall};
use crate::preset::Preset;
use crate::security::Security;

/// Why a proof does not convince.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VerificationError {
    /// The key's preset is weaker than the verifier's policy.
    #[error("proofs for this key (preset `{preset}`) have {}", shortfall(security, policy))]
    TooWeak {
        /// The key's preset.
        preset: Preset,
        /// What it gives for this key.
        security: Box<Security>,
        /// What the verifier asks for.
        policy: Policy,
    },
    /// The statement is about no input of the model, or does not have the form that the key
    /// prescribes.
    #[error("statement (sample {sample})")]
    Statement {
        /// Position in the batch.
        sample: usize,
        /// What is wrong.
        #[source]
        source: ClaimError,
    },
    /// The input is committed as a whole, or though the key's proofs show it.
    #[error("the input of sample {sample} is committed, proofs for this key show it")]
    CommittedInput {
        /// Position in the batch.
        sample: usize,
    },
    /// A tensor is shown that the key's proofs commit to, or the other way round.
    #[error(
        "sample {sample}: {what} `{name}` is shown where proofs for this key commit to it, or the \
         other way round"
    )]
    Visibility {
        /// Position in the batch.
        sample: usize,
        /// Input or output.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Bytes that no tensor has as its commitment.
    #[error(
        "sample {sample}: what stands for {what} `{name}` is no commitment: it has numbers of 2^31 \
         - 1 or more"
    )]
    Commitment {
        /// Position in the batch.
        sample: usize,
        /// Input or output.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Another number of samples than the key is made for.
    #[error("the key is made for {expected} inference(s) in a proof, the statement holds {got}")]
    Batch {
        /// What the key prescribes.
        expected: u32,
        /// What the statement holds.
        got: usize,
    },
    /// The proof does not have the form that the key prescribes.
    #[error("the proof's form is not the key's: {0}")]
    Structure(&'static str),
    /// The model columns are not those of the key.
    #[error("the proof is made for another model")]
    OtherModel,
    /// A proof of work before challenges is missing.
    #[error("a proof of work before challenges is missing")]
    ChallengeProofOfWork,
    /// A constraint is violated, or an opened value is not the committed one: the proof is made for
    /// other inputs or outputs, a value was used that nothing made, a product is wrong, or any
    /// other rule of the model is broken.
    #[error(
        "a constraint does not hold at the point of evaluation: this is no proof of these inputs \
         and outputs"
    )]
    Constraints,
    /// The commitments do not open as claimed.
    #[error("the commitments do not open as claimed: {0}")]
    Opening(String),
    /// The proof of work before the queries is missing.
    #[error("the proof of work before the queries is missing")]
    QueryProofOfWork,
}
