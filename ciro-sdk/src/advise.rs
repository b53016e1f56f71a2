//! The advice for an error and its causes, and the check that it reports.

use std::error::Error;

#[cfg(feature = "prove")]
use ciro_compiler::{import::ImportError, quantize::QuantizeError};
use ciro_model::integer::{EncodingError, ModelFileError, SampleMismatch};

use crate::advice::Advice;
use crate::files::FileError;
use crate::inputs::InputError;
#[cfg(feature = "prove")]
use crate::prove::{
    CompileError, InputRefusal, LoadModelError, MakeKeysError, OpenError, RecomputeError,
};
#[cfg(feature = "prove")]
use crate::routes::ProveError;
use crate::routes::backends;
use crate::verdict::Check;
use crate::verify::{InputMismatch, LoadBundleError, LoadKeyError, OpeningError, VerifyError};

/// What to do about an error: the advice of the first one in the chain of causes that has some.
pub fn advice(error: &(dyn Error + 'static)) -> Option<Advice> {
    let mut chain = std::iter::successors(Some(error), |&error| error.source());
    chain.find_map(|error| KNOWN.iter().find_map(|advice| advice(error)))
}

/// The check that a proof fails by this error; `None` if the error says nothing of a proof.
pub fn failed_check(error: &(dyn Error + 'static)) -> Option<Check> {
    std::iter::successors(Some(error), |&error| error.source()).find_map(check)
}

fn check(error: &(dyn Error + 'static)) -> Option<Check> {
    if let Some(error) = error.downcast_ref::<VerifyError>() {
        return Some(error.check());
    }
    if let Some(error) = error.downcast_ref::<InputMismatch>() {
        return error.check();
    }
    if let Some(error) = error.downcast_ref::<OpeningError>() {
        return error.check();
    }
    #[cfg(feature = "prove")]
    match error.downcast_ref() {
        Some(ProveError::Statement) => return Some(Check::Statement),
        Some(ProveError::OtherRoute { .. }) => return Some(Check::Route),
        _ => {}
    }
    #[cfg(feature = "prove")]
    match error.downcast_ref() {
        Some(RecomputeError::OtherModel) => return Some(Check::ModelKey),
        Some(_) => return Some(Check::ModelOutput),
        None => {}
    }
    if let Some(check) = backends().find_map(|route| route.failed_check(error)) {
        return Some(check);
    }
    match error.downcast_ref::<LoadBundleError>()? {
        LoadBundleError::Decode(_) | LoadBundleError::File(FileError::TooLarge { .. }) => {
            Some(Check::Format)
        }
        LoadBundleError::File(_) => None,
    }
}

type Adviser = fn(&(dyn Error + 'static)) -> Option<Advice>;

/// The errors that know what to do. One that stands for its cause alone (`transparent`) is not
/// above it in the chain but in its place, so it has the cause's advice itself.
const KNOWN: &[Adviser] = &[
    #[cfg(feature = "client")]
    |e| e.downcast_ref().and_then(crate::client::ClientError::advice),
    #[cfg(feature = "client")]
    |e| e.downcast_ref().and_then(crate::client::HomeError::advice),
    #[cfg(feature = "client")]
    |e| e.downcast_ref().and_then(crate::client::SessionError::advice),
    #[cfg(feature = "starknet")]
    |e| e.downcast_ref().and_then(crate::starknet::CalldataError::advice),
    #[cfg(feature = "starknet-client")]
    |e| e.downcast_ref().and_then(crate::starknet::SettingsError::advice),
    #[cfg(feature = "starknet-client")]
    |e| e.downcast_ref().and_then(crate::starknet::StarknetError::advice),
    |e| e.downcast_ref().and_then(FileError::advice),
    |e| e.downcast_ref().and_then(InputError::advice),
    |e| e.downcast_ref().and_then(LoadKeyError::advice),
    |e| e.downcast_ref().and_then(LoadBundleError::advice),
    |e| e.downcast_ref().and_then(VerifyError::advice),
    |e| e.downcast_ref().and_then(InputMismatch::advice),
    |e| e.downcast_ref().and_then(sample),
    |e| e.downcast_ref().and_then(encoding),
    |e| e.downcast_ref::<ModelFileError>().map(|_| Advice::CompileAgain),
    |e| backends().find_map(|route| route.advice(e)),
    #[cfg(feature = "prove")]
    |e| e.downcast_ref().and_then(ProveError::advice),
    #[cfg(feature = "prove")]
    |e| e.downcast_ref().and_then(OpenError::advice),
    #[cfg(feature = "prove")]
    |e| e.downcast_ref().and_then(CompileError::advice),
    #[cfg(feature = "prove")]
    |e| e.downcast_ref().and_then(InputRefusal::advice),
    #[cfg(feature = "prove")]
    |e| e.downcast_ref().and_then(LoadModelError::advice),
    #[cfg(feature = "prove")]
    |e| e.downcast_ref().and_then(MakeKeysError::advice),
    #[cfg(feature = "prove")]
    |e| e.downcast_ref().and_then(RecomputeError::advice),
    #[cfg(feature = "prove")]
    |e| e.downcast_ref().and_then(import),
    #[cfg(feature = "prove")]
    |e| e.downcast_ref::<QuantizeError>().and_then(QuantizeError::hint).map(Advice::of),
];

fn sample(error: &SampleMismatch) -> Option<Advice> {
    match error {
        SampleMismatch::Count { .. } | SampleMismatch::Shape { .. } => Some(Advice::InspectModel),
        _ => None,
    }
}

fn encoding(error: &EncodingError) -> Option<Advice> {
    match error {
        EncodingError::NotFinite { .. } => Some(Advice::of(crate::inputs::MISSING_VALUES)),
        _ => None,
    }
}

#[cfg(feature = "prove")]
fn import(error: &ImportError) -> Option<Advice> {
    match error {
        ImportError::UnknownShapes(axes) => axes.first().map(|axis| Advice::GiveShape {
            input: axis.input.clone(),
            symbol: axis.symbol.clone(),
        }),
        ImportError::UnknownName { .. } | ImportError::ShapeConflict { .. } => {
            Some(Advice::InspectModel)
        }
        error => error.hint().map(Advice::of),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn the_first_error_that_knows_what_to_do_speaks() {
        let source = std::io::ErrorKind::PermissionDenied.into();
        let error = LoadKeyError::File(FileError::Write { path: PathBuf::from("k"), source });
        assert_eq!(advice(&error), Some(Advice::WritableFolder));
        assert_eq!(advice(&std::fmt::Error), None);
    }
}
