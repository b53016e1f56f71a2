//! What to do about a failure.

use std::error::Error;
use std::fmt;

use ciro_sdk::import::ImportError;
use ciro_sdk::inputs::InputError;
use ciro_sdk::integer::{EncodingError, FileError as ModelFileError};
use ciro_sdk::quantize::QuantizeError;
use ciro_sdk::{
    FileError, InputMismatch, LoadBundleError, LoadKeyError, ProveError, RecomputeError,
    SampleMismatch, VerificationError, VerifyError,
};

/// An error of the command itself, with what to do about it.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    message: String,
    hint: String,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {}

/// An error that knows what to do about it.
trait Hint: Error + 'static {
    fn hint(&self) -> Option<String>;
}

/// The hint of the first error in the chain that has one.
pub(crate) fn hint(error: &anyhow::Error) -> Option<String> {
    fn of<E: Hint>(error: &(dyn Error + 'static)) -> Option<String> {
        error.downcast_ref::<E>().and_then(Hint::hint)
    }
    let known = [
        of::<Failure>,
        of::<ImportError>,
        of::<QuantizeError>,
        of::<InputError>,
        of::<ModelFileError>,
        of::<FileError>,
        of::<ProveError>,
        of::<SampleMismatch>,
        of::<EncodingError>,
        of::<LoadKeyError>,
        of::<LoadBundleError>,
        of::<VerifyError>,
        of::<VerificationError>,
        of::<InputMismatch>,
        of::<RecomputeError>,
    ];
    error.chain().find_map(|error| known.iter().find_map(|hint| hint(error)))
}

impl Hint for Failure {
    fn hint(&self) -> Option<String> {
        Some(self.hint.clone())
    }
}

impl Hint for ImportError {
    fn hint(&self) -> Option<String> {
        self.hint()
    }
}

impl Hint for QuantizeError {
    fn hint(&self) -> Option<String> {
        self.hint().map(str::to_owned)
    }
}

impl Hint for InputError {
    fn hint(&self) -> Option<String> {
        self.hint()
    }
}

impl Hint for ModelFileError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Io { .. } | Self::TooLarge { .. } => None,
            _ => {
                Some("compile the model again: `ciro compile MODEL.onnx -o OUT.ciro-model`".into())
            }
        }
    }
}

impl Hint for FileError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Write { .. } => Some("choose a folder that exists and can be written".into()),
            _ => None,
        }
    }
}

impl Hint for ProveError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NotBuilt(_) => {
                Some("install it with the Cairo route: `cargo install --path ciro-cli`".into())
            }
            Self::Memory { .. } => {
                Some("prove fewer samples at once, or raise `--max-memory` if there is more".into())
            }
            Self::Batch(_) => Some("prove each sample on its own".into()),
            Self::OtherRoute { found, .. } => Some(format!(
                "ask for a proof of the other route, or take this one with `--route {found}`"
            )),
            Self::TooMany { .. } => Some("prove fewer samples at once".into()),
            Self::Preset(_) => Some("leave out `--preset`".into()),
            Self::CommitInput => Some("commit to inputs with `--route cairo`".into()),
            Self::Layout(_) => {
                Some("`ciro check MODEL` lists everything that stands in the way".into())
            }
            _ => None,
        }
    }
}

impl Hint for SampleMismatch {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Count { .. } | Self::Shape { .. } => {
                Some("`ciro inspect MODEL` shows what the model takes".into())
            }
            _ => None,
        }
    }
}

impl Hint for EncodingError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NotFinite { .. } => {
                Some("replace missing values before the model, as was done for its training".into())
            }
            _ => None,
        }
    }
}

impl Hint for LoadKeyError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Key(_) => Some("make a key from the model: `ciro key MODEL -o model.key`".into()),
            _ => None,
        }
    }
}

impl Hint for LoadBundleError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Decode(_) => {
                Some("ask for the proof again; it did not arrive as it was made".into())
            }
            _ => None,
        }
    }
}

impl Hint for VerifyError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::OtherKey { .. } | Self::Route { .. } | Self::Preset { .. } => Some(
                "keys depend on the model, its calibration, the route, the preset and the batch; see `ciro key --help`"
                    .into(),
            ),
            #[cfg(feature = "cairo")]
            Self::CairoDamaged(_) => {
                Some("ask for the proof again; it did not arrive as it was made".into())
            }
            #[cfg(feature = "cairo")]
            Self::CairoInvalid(_) => {
                Some("do not rely on this result: the claim is not what was proven".into())
            }
            Self::Stated(_) | Self::Claims(_) | Self::Statement(_) => {
                Some("do not rely on this result: the claim is not what was proven".into())
            }
            Self::Damaged(_) => Some("ask for the proof again; it did not arrive as it was made".into()),
            _ => None,
        }
    }
}

impl Hint for VerificationError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::TooWeak { .. } => Some("ask for a proof with `--preset standard`".into()),
            _ => Some("do not rely on this result: the claim is not what was proven".into()),
        }
    }
}

impl Hint for RecomputeError {
    fn hint(&self) -> Option<String> {
        Some(
            "do not rely on this result, and report it: a proof verified that should not exist"
                .into(),
        )
    }
}

impl Hint for InputMismatch {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Committed => {
                Some("open the commitment with `--blinding`, which `ciro prove` printed".into())
            }
            Self::Value { .. } => Some("the proof may be valid, but for another input".into()),
            Self::Clamped { .. } => Some(
                "the model moves such values to the end of their range, so the proof is equally about others; `--allow-clamped` accepts that"
                    .into(),
            ),
            _ => None,
        }
    }
}
