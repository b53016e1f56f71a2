//! What to do about a failure, in the words of the command line.

use ciro_sdk::{Advice, ProofKind, Route};

/// The sentence that a hint shows.
pub(crate) fn spell(advice: &Advice) -> String {
    let fixed = match advice {
        Advice::Do(text) => return text.clone().into_owned(),
        Advice::GiveShape { symbol: Some(symbol), .. } => {
            return format!("add `--shape {symbol}=VALUE`");
        }
        Advice::GiveShape { input, symbol: None } => {
            return format!("add the whole shape, such as `--shape {input}=1x3x32x32`");
        }
        Advice::AskForKey(kind) => return ask_for_key(*kind),
        Advice::BuildWithRoute(route) => {
            return format!(
                "install it with that route: `cargo install --path ciro-cli --features {route}`"
            );
        }
        Advice::UseRoute(route) => return use_route(*route),
        Advice::AcceptRoute(route) => return accept_route(*route),
        Advice::InspectModel => "`ciro inspect MODEL` shows what the model takes",
        Advice::CheckModel => "`ciro check MODEL` lists everything that stands in the way",
        Advice::CompileAgain => {
            "compile the model again: `ciro compile MODEL.onnx -o OUT.ciro-model`"
        }
        Advice::IsCompiled => {
            "leave out `--shape`, `--calibration` and `--activation-bits`, or pass the ONNX file"
        }
        Advice::NameCalibration => {
            "pass the samples that you trust with `--calibration FILE`, or `--uncalibrated`; or verify against a key: `--key FILE`"
        }
        Advice::CalibrateLikeThis => "calibrate with inputs like this one: `--calibration FILE`",
        Advice::CalibrateWithRealInputs => "pass real inputs with `--calibration`",
        Advice::MoreBits => "`ciro compile` shows where; `--activation-bits` up to 16 may help",
        Advice::DeleteCache => {
            "delete the cache (`$CIRO_CACHE_DIR`), and find out who writes into it"
        }
        Advice::WritableFolder => "choose a folder that exists and can be written",
        Advice::EmptyFolder => "choose a new folder with `-o DIR`",
        Advice::DefaultPreset => "leave out `--preset`",
        Advice::OneSample => "prove each sample on its own",
        Advice::FewerSamples => "prove fewer samples at once",
        Advice::FewerSamplesOrMoreMemory => {
            "prove fewer samples at once, or raise `--max-memory` if there is more"
        }
        Advice::MakeKey => {
            "ask the model's owner for a new key file, or make one from the model: `ciro key MODEL -o model.key`"
        }
        Advice::CompareKeys => {
            "keys depend on the model, its calibration, the route, the preset, the batch and what is committed to; see `ciro key --help`"
        }
        Advice::AskForProof => "ask for the proof again; it did not arrive as it was made",
        Advice::StrongerPreset => "ask for a proof with `--preset standard`",
        Advice::DoNotRely => "do not rely on this result: the claim is not what was proven",
        Advice::Report => {
            "do not rely on this result, and report it: a proof verified that should not exist"
        }
        Advice::OpenCommitment => {
            "open the commitment with `--blinding`, which `ciro prove` printed"
        }
        Advice::ChooseNetwork => CHOOSE_NETWORK,
        Advice::NameAccount => NAME_ACCOUNT,
        Advice::NameModel => NAME_MODEL,
        Advice::GivePassphrase => GIVE_PASSPHRASE,
        Advice::OtherInput => "the proof may be valid, but for another input",
        Advice::AllowClamped => {
            "the model moves such values to the end of their range, so the proof is equally about others; `--allow-clamped` accepts that"
        }
    };
    fixed.to_owned()
}

const CHOOSE_NETWORK: &str =
    "`ciro devnet up` starts one, `ciro network use URL --genesis FILE` chooses one";
const NAME_ACCOUNT: &str =
    "`--account NAME` names one, `ciro account new NAME --passphrase-file FILE` makes one";
const NAME_MODEL: &str = "`ciro deploy MODEL` registers one that every provider may prove; `--model-id ID` names one, if its owner's choice suits you";
const GIVE_PASSPHRASE: &str = "write it into a file of mode 600 and name that: `--passphrase-file FILE` or CIRO_PASSPHRASE_FILE";

fn use_route(route: Route) -> String {
    format!("try `--route {route}`")
}

fn accept_route(route: Route) -> String {
    format!("ask for a proof of the other route, or take this one with `--route {route}`")
}

fn ask_for_key(kind: ProofKind) -> String {
    let ProofKind { route, preset, batch, secrecy } = kind;
    let private = if secrecy.hides() { " --private" } else { "" };
    format!(
        "ask the model's owner for a key file with an entry for such proofs: `ciro key MODEL --route {route} --preset {preset} \
         --batch {batch}{private} -o model.key`"
    )
}
