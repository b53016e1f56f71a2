//! The ways to prove an integer model, by name.

use std::fmt;
use std::str::FromStr;

use ciro_stark::{Preset, Secrecy};

/// Declares the routes, one line for each: variant, code in files, name, what its keys begin with.
macro_rules! routes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal, $magic:literal;)+) => {
        /// How an inference is proven; every route proves the same integer model.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Route {
            $($(#[$doc])* $variant,)+
        }

        impl Route {
            /// All routes, those that this build leaves out included.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The route's name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The number that stands for the route in files.
            pub(crate) const fn code(self) -> u8 {
                match self {
                    $(Self::$variant => $code,)+
                }
            }

            /// What the route's keys begin with, whatever their version.
            pub(crate) const fn magic(self) -> &'static [u8] {
                match self {
                    $(Self::$variant => $magic,)+
                }
            }
        }
    };
}

routes! {
    /// The tensor STARK: milliseconds, the default.
    #[default]
    Tensor = 0, "tensor", b"CIROKEY";
    /// A Cairo program, proven with stwo-cairo: seconds, for whoever wants a Cairo program.
    Cairo = 1, "cairo", b"ciro-cairo-key/";
}

impl Route {
    /// The route of a number in a file.
    pub(crate) fn of_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|route| route.code() == code)
    }

    /// The route that a key belongs to, by its first bytes.
    pub fn of_key(bytes: &[u8]) -> Option<Self> {
        Self::ALL.iter().copied().find(|route| bytes.starts_with(route.magic()))
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No route has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown route `{name}`: expected {}", names())]
pub struct UnknownRoute {
    /// The name.
    pub name: String,
}

impl FromStr for Route {
    type Err = UnknownRoute;

    fn from_str(name: &str) -> Result<Self, UnknownRoute> {
        let mut routes = Self::ALL.iter().copied();
        routes
            .find(|route| route.name() == name)
            .ok_or_else(|| UnknownRoute { name: name.to_owned() })
    }
}

fn names() -> String {
    let names: Vec<String> = Route::ALL.iter().map(|route| format!("`{route}`")).collect();
    names.join(" or ")
}

/// The route is left out of this build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the route `{0}` is not part of this build")]
pub struct RouteNotBuilt(pub Route);

/// What tells proofs of one model apart: each kind has a key of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProofKind {
    /// How they are made.
    pub route: Route,
    /// Their security parameters.
    pub preset: Preset,
    /// How many inferences one proof is about, at least 1.
    pub batch: u32,
    /// Whether they hide inputs and execution.
    pub secrecy: Secrecy,
}

impl fmt::Display for ProofKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { route, preset, batch, secrecy } = self;
        let plural = if *batch == 1 { "" } else { "s" };
        write!(f, "route `{route}`, preset `{preset}`, {batch} inference{plural}")?;
        if secrecy.hides() { f.write_str(", hiding") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_are_parsed_back() {
        for &route in Route::ALL {
            assert_eq!(route.name().parse(), Ok(route));
            assert_eq!(Route::of_code(route.code()), Some(route));
            assert_eq!(Route::of_key(&[route.magic(), &[9]].concat()), Some(route));
        }
        assert_eq!((Route::of_code(9), Route::of_key(b"CIRO")), (None, None));
        let error = "stark".parse::<Route>().unwrap_err();
        assert_eq!(error.to_string(), "unknown route `stark`: expected `tensor` or `cairo`");
    }

    #[test]
    fn no_key_can_be_of_two_routes() {
        for one in Route::ALL {
            for other in Route::ALL.iter().filter(|other| *other != one) {
                assert!(!one.magic().starts_with(other.magic()) && one.code() != other.code());
            }
        }
    }
}
