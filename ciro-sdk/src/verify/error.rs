//! Why a proof bundle does not convince.

use ciro_model::integer::{ClaimError, Context};
use ciro_stark::{Preset, Secrecy};

use super::{BundleError, KeyDigest};
use crate::advice::Advice;
use crate::route::{ProofKind, Route, RouteNotBuilt};
use crate::routes::{Rejected, RouteError};
use crate::verdict::Check;

/// Why a proof bundle does not convince.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The route is not part of this build.
    #[error(transparent)]
    NotBuilt(#[from] RouteNotBuilt),
    /// The key file has no entry for such proofs.
    #[error("the key file has no entry for proofs of {wanted}; it has {}", list(held))]
    NoKey {
        /// What the bundle names.
        wanted: ProofKind,
        /// What there are entries for.
        held: Vec<ProofKind>,
    },
    /// The bundle is about another model than the key.
    #[error("the proof is about the model with key {found}, the verifier's key is {expected}")]
    OtherKey {
        /// The digest of the verifier's key.
        expected: KeyDigest,
        /// The digest in the bundle.
        found: KeyDigest,
    },
    /// The bundle names another route than the key.
    #[error("the proof names the route `{found}`, the key is made for `{expected}`")]
    Route {
        /// The key's route.
        expected: Route,
        /// The bundle's route.
        found: Route,
    },
    /// The bundle names other security parameters than the key.
    #[error("the proof names the preset `{found}`, the key is made for `{expected}`")]
    Preset {
        /// The key's preset.
        expected: Preset,
        /// The bundle's preset.
        found: Preset,
    },
    /// The bundle says that its proof hides where the key is for plain ones, or the other way
    /// round.
    #[error("the proof is said to be {}, the key is made for {}", word(*found), word(*expected))]
    Secrecy {
        /// The key's.
        expected: Secrecy,
        /// The bundle's.
        found: Secrecy,
    },
    /// The bundle claims more or fewer inferences than the key is made for.
    #[error("the key is made for {expected} inference(s) in a proof, the bundle claims {found}")]
    Batch {
        /// What the key prescribes.
        expected: u32,
        /// What the bundle claims.
        found: u32,
    },
    /// The bundle is bound to another context than the one that was asked for.
    #[error("the proof is bound to {}, not to {}", named(found), named(expected))]
    Context {
        /// What the verifier asks for.
        expected: Context,
        /// What the bundle says.
        found: Context,
    },
    /// The route binds no proof to a context.
    #[error("the {0} route binds no proof to a context")]
    NoContext(Route),
    /// The route cannot prove claims about committed inputs.
    #[error("the {0} route proves no claims about committed inputs")]
    CommittedInput(Route),
    /// The claims have another form than the key's model gives them.
    #[error("the claims do not fit the model")]
    Statement(#[from] BundleError),
    /// A claim is about no input of the model.
    #[error("inference {sample}")]
    Claim {
        /// Its position.
        sample: usize,
        /// What is wrong.
        #[source]
        source: ClaimError,
    },
    /// The proof bytes do not decode.
    #[error("the proof is damaged")]
    Damaged(#[source] RouteError),
    /// A check of the verifier fails.
    #[error("the proof does not hold")]
    Invalid {
        /// Which one.
        check: Check,
        /// Why, in the route's own words.
        #[source]
        source: RouteError,
    },
}

impl VerifyError {
    /// The check that the proof fails.
    pub fn check(&self) -> Check {
        match self {
            Self::NotBuilt(_) | Self::Route { .. } => Check::Route,
            Self::NoKey { .. } | Self::OtherKey { .. } | Self::Secrecy { .. } => Check::ModelKey,
            Self::Preset { .. } => Check::Preset,
            Self::Batch { .. } => Check::Batch,
            Self::CommittedInput(_) => Check::CommittedInput,
            Self::Statement(_) | Self::Claim { .. } => Check::Statement,
            Self::Context { .. } | Self::NoContext(_) => Check::Context,
            Self::Damaged(_) => Check::Format,
            Self::Invalid { check, .. } => *check,
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Self::NotBuilt(RouteNotBuilt(route)) => Some(Advice::BuildWithRoute(*route)),
            Self::NoKey { wanted, .. } => Some(Advice::AskForKey(*wanted)),
            Self::OtherKey { .. }
            | Self::Route { .. }
            | Self::Preset { .. }
            | Self::Secrecy { .. }
            | Self::Batch { .. } => Some(Advice::CompareKeys),
            Self::Damaged(_) => Some(Advice::AskForProof),
            Self::Invalid { check: Check::Security, .. } => Some(Advice::StrongerPreset),
            Self::Statement(_) | Self::Claim { .. } | Self::Invalid { .. } => {
                Some(Advice::DoNotRely)
            }
            Self::Context { .. } | Self::NoContext(_) => Some(Advice::DoNotRely),
            Self::CommittedInput(_) => None,
        }
    }

    pub(super) fn rejected(route: Route, rejected: Rejected) -> Self {
        match rejected {
            Rejected::CommittedInput => Self::CommittedInput(route),
            Rejected::Damaged(source) => Self::Damaged(source),
            Rejected::Invalid(check, source) => Self::Invalid { check, source },
        }
    }
}

fn list(kinds: &[ProofKind]) -> String {
    let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
    kinds.join("; ")
}

/// What proofs are called.
fn word(secrecy: Secrecy) -> &'static str {
    if secrecy.hides() { "a hiding one" } else { "a plain one" }
}

fn named(context: &Context) -> String {
    if context.is_none() { "no context".to_owned() } else { format!("context {context}") }
}
