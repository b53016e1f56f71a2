//! Why a route takes no key, or does not accept a proof.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::verdict::Check;

/// An error of a route, in its own words.
///
/// Two of them are equal if they say the same, causes included.
#[derive(Clone, Debug)]
pub struct RouteError(Arc<dyn Error + Send + Sync>);

impl RouteError {
    pub(crate) fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }

    /// The route's own error, if it is of this type.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }

    fn texts(&self) -> impl Iterator<Item = String> + '_ {
        let first: &(dyn Error + 'static) = &*self.0;
        std::iter::successors(Some(first), |&error| error.source()).map(ToString::to_string)
    }
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for RouteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl PartialEq for RouteError {
    fn eq(&self, other: &Self) -> bool {
        self.texts().eq(other.texts())
    }
}

/// Why a route does not accept a proof.
#[derive(Debug)]
pub(crate) enum Rejected {
    /// It proves no claims about committed inputs.
    CommittedInput,
    /// The bytes do not decode.
    Damaged(RouteError),
    /// A check fails.
    Invalid(Check, RouteError),
}
