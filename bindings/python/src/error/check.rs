//! What is refused in a model, and which check a proof fails.

use ciro_sdk::import::Refused as ImportRefused;
use ciro_sdk::quantize::QuantizeError;
use ciro_sdk::{Refusal, VerificationError, VerifyError};

use super::chain;

/// Node, operator, reason, hint.
pub(crate) type Refused = (String, String, String, Option<String>);

/// What the import refuses.
pub(super) fn refused(refused: &ImportRefused) -> Refused {
    let hint = refused.reason.hint().map(str::to_owned);
    (refused.node.clone(), refused.op.clone(), refused.reason.to_string(), hint)
}

/// What has no integer form; `None` if no node is to blame.
pub(super) fn unquantizable(error: &QuantizeError) -> Option<Refused> {
    let (node, op, reason) = match error {
        QuantizeError::Refused { node, op, reason } => (node, op, reason.to_string()),
        QuantizeError::Model { node, op, source } => (node, op, chain(source)),
        _ => return None,
    };
    Some((node.clone(), op.clone(), reason, error.hint().map(str::to_owned)))
}

/// A refusal in a report.
pub(crate) fn reported(refusal: Refusal) -> Refused {
    let Refusal { node, op, reason, hint } = refusal;
    // The library's advice is for the command line.
    let hint = hint.map(|hint| hint.replace("`--route cairo`", "`route=\"cairo\"`"));
    (node, op, reason, hint)
}

/// The check that a proof fails, in one word that programs may rely on.
pub(super) fn name(error: &VerifyError) -> &'static str {
    match error {
        VerifyError::OtherKey { .. } => "model_key",
        VerifyError::Route { .. } => "route",
        VerifyError::Preset { .. } => "preset",
        VerifyError::CommittedInput => "committed_input",
        VerifyError::Damaged(_) => "format",
        #[cfg(feature = "cairo")]
        VerifyError::CairoDamaged(_) => "format",
        VerifyError::Claims(_) => "batch",
        VerifyError::Statement(_) => "statement",
        VerifyError::Stated(_) => "public_values",
        VerifyError::Invalid(error) => match error {
            VerificationError::TooWeak { .. } => "security",
            VerificationError::Statement { .. } => "statement",
            VerificationError::Batch { .. } => "batch",
            VerificationError::Structure(_) => "structure",
            VerificationError::OtherModel => "model_commitment",
            VerificationError::ChallengeProofOfWork | VerificationError::QueryProofOfWork => {
                "proof_of_work"
            }
            VerificationError::PublicValues => "public_values",
            VerificationError::Wiring => "wiring",
            VerificationError::Products => "products",
            VerificationError::Constraints => "constraints",
            VerificationError::Opening(_) => "opening",
            _ => "proof",
        },
        _ => "proof",
    }
}

/// What the caller can do about it.
pub(super) fn hint(error: &VerifyError) -> Option<&'static str> {
    match error {
        VerifyError::OtherKey { .. } | VerifyError::Route { .. } | VerifyError::Preset { .. } => {
            Some("keys depend on the model, its calibration, the route, the preset and the batch")
        }
        VerifyError::Invalid(VerificationError::TooWeak { .. }) => {
            Some("ask for a proof with `preset=\"standard\"` or stronger")
        }
        VerifyError::Invalid(VerificationError::Batch { .. }) => {
            Some("make the key with the batch's size: `model.make_key(batch=...)`")
        }
        _ => None,
    }
}
