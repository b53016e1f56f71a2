//! What to do about a failure, in the words of the Python package.

use ciro_sdk::{Advice, ProofKind, printable};

/// The sentence that a hint shows.
pub(crate) fn spell(advice: &Advice) -> String {
    let fixed = match advice {
        Advice::Do(text) => return text.clone().into_owned(),
        Advice::GiveShape { symbol: Some(symbol), .. } => {
            return format!("pass shapes={{\"{}\": VALUE}}", printable(symbol));
        }
        Advice::GiveShape { input, symbol: None } => {
            return format!(
                "pass shapes={{\"{}\": (1, 3, 32, 32)}}, the whole shape",
                printable(input)
            );
        }
        Advice::AskForKey(kind) => return ask_for_key(*kind),
        Advice::BuildWithRoute(route) => {
            return format!("build the package with that route: `--features {route}`");
        }
        Advice::UseRoute(route) => return format!("try `route=\"{route}\"`"),
        Advice::AcceptRoute(route) => {
            return format!("ask for a proof of the other route, or pass `route=\"{route}\"`");
        }
        Advice::InspectModel => "`model.inputs` shows what the model takes",
        Advice::CheckModel => "`ciro.check` lists everything that stands in the way",
        Advice::CompileAgain => "compile the model again: `ciro.compile`",
        Advice::IsCompiled => "open it with `ciro.Model.load`",
        Advice::NameCalibration => {
            "name the samples that you trust: `ciro.compile(..., calibration=...)`, or verify against a key"
        }
        Advice::CalibrateLikeThis => {
            "calibrate with inputs like this one: `ciro.compile(..., calibration=X)`"
        }
        Advice::CalibrateWithRealInputs => "pass real inputs: `calibration=X`",
        Advice::MoreBits => {
            "`print(model.accuracy)` shows where, and more `input_bits` or `activation_bits` may help"
        }
        Advice::DeleteCache => {
            "delete the cache (`$CIRO_CACHE_DIR`), and find out who writes into it"
        }
        Advice::WritableFolder => "choose a folder that exists and can be written",
        Advice::EmptyFolder => "choose a new folder",
        Advice::DefaultPreset => "leave out `preset`",
        Advice::OneSample => "prove each sample on its own",
        Advice::FewerSamples => "prove fewer samples at once",
        Advice::FewerSamplesOrMoreMemory => {
            "prove fewer samples at once, or raise `max_memory` if there is more"
        }
        Advice::MakeKey => {
            "ask the model's owner for a new key file, or make one from the model: `model.key`"
        }
        Advice::CompareKeys => {
            "keys depend on the model, its calibration, the route, the preset, the batch and what is committed to"
        }
        Advice::AskForProof => "ask for the proof again; it did not arrive as it was made",
        Advice::StrongerPreset => "ask for a proof with `preset=\"standard\"` or stronger",
        Advice::DoNotRely => "do not rely on this result: the claim is not what was proven",
        Advice::Report => "report it: a proof verified that should not exist",
        Advice::OpenCommitment => "open the commitment with `blinding`, which the prover has",
        Advice::ChooseNetwork => {
            "`ciro devnet up` starts one, `ciro network use URL --genesis FILE` chooses one"
        }
        Advice::NameAccount => "name one, `ciro.Client(account=...)`; `ciro account new` makes one",
        Advice::NameModel => NAME_MODEL,
        Advice::GivePassphrase => {
            "write it into a file of mode 600 and name that: `ciro.Client(passphrase_file=...)`"
        }
        Advice::OtherInput => "the proof may be valid, but for another input",
        Advice::AllowClamped => {
            "the model moves such values to the end of their range, so the proof is equally about others; `allow_clamped=True` accepts that"
        }
    };
    fixed.to_owned()
}

const NAME_MODEL: &str = "`client.deploy(model)` registers one that every provider may prove; `ciro.RemoteModel` names one by its id, if its owner's choice suits you";

fn ask_for_key(kind: ProofKind) -> String {
    let ProofKind { route, preset, batch, secrecy } = kind;
    let private = if secrecy.hides() { ", private=True" } else { "" };
    format!(
        "ask the model's owner for a key with an entry for such proofs: `model.make_key(route=\"{route}\", preset=\"{preset}\", \
         batch={batch}{private})`"
    )
}
