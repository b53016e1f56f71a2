//! Errors as text.

use std::error::Error;

/// An error and its causes in one line.
///
/// Names from models, keys and proofs may be in it:
/// [`printable_message`](crate::printable_message) makes it fit for a terminal.
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
