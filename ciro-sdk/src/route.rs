//! The two ways to prove an integer model.

use std::fmt;
use std::str::FromStr;

/// How an inference is proven; both routes prove the same integer model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Route {
    /// The tensor STARK: milliseconds, the default.
    #[default]
    Tensor,
    /// A Cairo program, proven with stwo-cairo: seconds, for whoever wants a Cairo program.
    Cairo,
}

impl Route {
    /// Both routes.
    pub const ALL: [Self; 2] = [Self::Tensor, Self::Cairo];

    /// The route's name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tensor => "tensor",
            Self::Cairo => "cairo",
        }
    }

    /// Whether this build of the library knows the route.
    pub fn is_built(self) -> bool {
        match self {
            Self::Tensor => true,
            Self::Cairo => cfg!(feature = "cairo"),
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No route has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown route `{0}`: expected `tensor` or `cairo`")]
pub struct UnknownRoute(String);

impl FromStr for Route {
    type Err = UnknownRoute;

    fn from_str(name: &str) -> Result<Self, UnknownRoute> {
        Self::ALL
            .into_iter()
            .find(|route| route.name() == name)
            .ok_or_else(|| UnknownRoute(name.to_owned()))
    }
}

/// The route is left out of this build (feature `cairo`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the route `{0}` is not part of this build")]
pub struct RouteNotBuilt(pub Route);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_back() {
        for route in Route::ALL {
            assert_eq!(route.name().parse(), Ok(route));
        }
        let error = "stark".parse::<Route>().unwrap_err();
        assert_eq!(error.to_string(), "unknown route `stark`: expected `tensor` or `cairo`");
    }
}
