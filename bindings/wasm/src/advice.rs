//! What to do about a failure, in the words of the JavaScript package.

use ciro_sdk::{Advice, ProofKind};

/// The sentence that a hint shows.
pub(crate) fn spell(advice: &Advice) -> String {
    let fixed = match advice {
        Advice::Do(text) => return text.clone().into_owned(),
        Advice::AskForKey(kind) => return ask_for_key(*kind),
        Advice::BuildWithRoute(route) | Advice::UseRoute(route) | Advice::AcceptRoute(route) => {
            return format!("verify it with the command `ciro`, which has the route `{route}`");
        }
        Advice::InspectModel => "`inspectKey` shows what the model takes",
        Advice::MakeKey => "ask the model's owner for a new key file",
        Advice::CompareKeys => {
            "keys depend on the model, its calibration, the route, the preset, the batch and what is committed to"
        }
        Advice::AskForProof => "ask for the proof again; it did not arrive as it was made",
        Advice::StrongerPreset => "ask for a proof with the preset `standard` or stronger",
        Advice::DoNotRely => "do not rely on this result: the claim is not what was proven",
        Advice::Report => "report it: a proof verified that should not exist",
        Advice::OpenCommitment => "open the commitment with `blinding`, which the prover has",
        Advice::OtherInput => "the proof may be valid, but for another input",
        Advice::AllowClamped => {
            "the model moves such values to the end of their range, so the proof is equally about others; `allowClamped` accepts that"
        }
        // About models and provers, which are none of a verifier's business.
        Advice::GiveShape { .. }
        | Advice::CheckModel
        | Advice::CompileAgain
        | Advice::IsCompiled
        | Advice::NameCalibration
        | Advice::CalibrateLikeThis
        | Advice::CalibrateWithRealInputs
        | Advice::MoreBits
        | Advice::DeleteCache
        | Advice::WritableFolder
        | Advice::EmptyFolder
        | Advice::DefaultPreset
        | Advice::OneSample
        | Advice::ChooseNetwork
        | Advice::NameAccount
        | Advice::NameModel
        | Advice::GivePassphrase
        | Advice::FewerSamples
        | Advice::FewerSamplesOrMoreMemory => "ask whoever made the proof",
    };
    fixed.to_owned()
}

fn ask_for_key(kind: ProofKind) -> String {
    let ProofKind { route, preset, batch, secrecy } = kind;
    let private = if secrecy.hides() { " --private" } else { "" };
    format!(
        "ask the model's owner for a key file with an entry for such proofs: `ciro key MODEL --route {route} --preset {preset} \
         --batch {batch}{private} -o model.key`"
    )
}
