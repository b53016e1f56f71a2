//! What to do about a failure, in no shell's words: each shell spells every advice in one match.

use std::borrow::Cow;

use crate::route::{ProofKind, Route};

/// What a user can do about a failure.
///
/// The list is closed: a shell that does not spell a new one does not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advice {
    /// A sentence that is the same in every shell: what to change in a model, a file or the data.
    Do(Cow<'static, str>),
    /// Give the extent of an input's axis that the model leaves open.
    GiveShape {
        /// The input.
        input: String,
        /// The symbol that stands for the extent; without one the whole shape has to be given.
        symbol: Option<String>,
    },
    /// Look at the shapes that the model takes.
    InspectModel,
    /// List everything in the model that cannot be proven.
    CheckModel,
    /// Compile the ONNX file again.
    CompileAgain,
    /// Open a compiled model as what it is, or pass the ONNX file that it comes from.
    IsCompiled,
    /// Name the calibration samples that are trusted, say that there are none, or use a key.
    NameCalibration,
    /// Calibrate with inputs like the one that lies outside of the range.
    CalibrateLikeThis,
    /// Calibrate with real inputs instead of random numbers.
    CalibrateWithRealInputs,
    /// Spend more bits on the integers.
    MoreBits,
    /// Delete the cache, and find out who writes into it.
    DeleteCache,
    /// Choose a folder that exists and can be written.
    WritableFolder,
    /// Choose a new or an empty folder.
    EmptyFolder,
    /// Use a build of Ciro that has the route.
    BuildWithRoute(Route),
    /// Prove on this route.
    UseRoute(Route),
    /// Ask for a proof of the other route, or accept this one's.
    AcceptRoute(Route),
    /// Prove with the default preset, the only one that the route has.
    DefaultPreset,
    /// Prove each sample on its own.
    OneSample,
    /// Prove fewer samples at once.
    FewerSamples,
    /// Prove fewer samples at once, or allow more memory.
    FewerSamplesOrMoreMemory,
    /// Make a key file from the model, or ask the model's owner for a new one.
    MakeKey,
    /// Ask the model's owner for a key file with an entry for such proofs.
    AskForKey(ProofKind),
    /// Find out which model, calibration, route, preset and batch the key was made for.
    CompareKeys,
    /// Ask for the proof again: it did not arrive as it was made.
    AskForProof,
    /// Ask for a proof with a stronger preset.
    StrongerPreset,
    /// Do not rely on the result: the claim is not what was proven.
    DoNotRely,
    /// Do not rely on the result, and report it: a proof verified that should not exist.
    Report,
    /// Open the commitment to the input with the blinding value that the prover has.
    OpenCommitment,
    /// Start a network, or choose one.
    ChooseNetwork,
    /// Name the account that signs, or make one.
    NameAccount,
    /// Deploy the model for every provider, or name a registered one by its id.
    NameModel,
    /// Write the passphrase into a file that only its owner can read, and name that.
    GivePassphrase,
    /// The proof may be valid for another input.
    OtherInput,
    /// Accept that values outside of the calibrated range count as its end.
    AllowClamped,
}

impl Advice {
    /// Advice that needs no shell.
    pub(crate) fn of(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Do(text.into())
    }
}
