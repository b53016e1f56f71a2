//! What of an inference a proof shows, tensor by tensor.

use serde::{Deserialize, Serialize};

use super::interface::{InputPort, Interface, MAX_PORTS};
use crate::bounded;

/// How proofs show an input or output.
///
/// Places for further ways, such as not at all, are behind these two.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub enum Visibility {
    /// As it is.
    #[default]
    Public,
    /// As a commitment: it is fixed, but not shown.
    Committed,
}

/// How proofs show each input and output of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Visibilities {
    /// For each input of the interface.
    #[serde(deserialize_with = "bounded::sequence::<MAX_PORTS, _, _>")]
    pub inputs: Vec<Visibility>,
    /// For each output of the interface.
    #[serde(deserialize_with = "bounded::sequence::<MAX_PORTS, _, _>")]
    pub outputs: Vec<Visibility>,
}

/// Visibilities that a model's proofs cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VisibilityError {
    /// Nothing has this name.
    #[error("the model has no {what} `{name}`, it has {known}")]
    Unknown {
        /// Input or output.
        what: &'static str,
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// Other numbers of inputs or outputs than the model's.
    #[error(
        "the visibilities are those of another model: it has other numbers of inputs or outputs"
    )]
    Count,
    /// No output depends on the input: there are no integers to commit to.
    #[error(
        "no output depends on input `{0}`, so proofs say nothing of it that could be committed"
    )]
    Unused(String),
    /// A commitment would not say that the integer forms of an input come from one real input.
    #[error(
        "input `{0}` is read in several integer forms (by trees and by arithmetic, say), which a \
         commitment does not tie together: prove it with a public input"
    )]
    SeveralViews(String),
}

impl Visibilities {
    /// Everything is shown.
    pub fn public(interface: &Interface) -> Self {
        Self {
            inputs: vec![Visibility::Public; interface.inputs.len()],
            outputs: vec![Visibility::Public; interface.outputs.len()],
        }
    }

    /// Whether everything is shown.
    pub fn is_public(&self) -> bool {
        self.committed() == 0
    }

    /// How many tensors of one inference are committed.
    pub fn committed(&self) -> usize {
        let all = self.inputs.iter().chain(&self.outputs);
        all.filter(|&&visibility| visibility == Visibility::Committed).count()
    }

    /// Whether an input is committed.
    pub fn commits_input(&self, at: usize) -> bool {
        self.inputs.get(at) == Some(&Visibility::Committed)
    }

    /// Whether an output is committed.
    pub fn commits_output(&self, at: usize) -> bool {
        self.outputs.get(at) == Some(&Visibility::Committed)
    }

    /// Checks that proofs of a model with this interface may show it like this.
    ///
    /// # Errors
    /// [`VisibilityError`] with the first input that cannot be committed.
    pub fn check(&self, interface: &Interface) -> Result<(), VisibilityError> {
        let counts = [self.inputs.len(), self.outputs.len()];
        if counts != [interface.inputs.len(), interface.outputs.len()] {
            return Err(VisibilityError::Count);
        }
        for (port, visibility) in interface.inputs.iter().zip(&self.inputs) {
            if *visibility == Visibility::Committed {
                check_input(port)?;
            }
        }
        Ok(())
    }
}

fn check_input(port: &InputPort) -> Result<(), VisibilityError> {
    match port.views.len() {
        0 => Err(VisibilityError::Unused(port.name.clone())),
        1 => Ok(()),
        _ => Err(VisibilityError::SeveralViews(port.name.clone())),
    }
}

/// Which inputs, or which outputs, are committed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Committing {
    /// None.
    #[default]
    Nothing,
    /// All that can be.
    All,
    /// Those of these names.
    Named(Vec<String>),
}

impl Committing {
    /// Whether nothing is committed.
    pub fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }
}

impl Interface {
    /// The visibilities of a model's inputs and outputs when these are committed.
    ///
    /// # Errors
    /// [`VisibilityError`] if a name is none of the model's, or an input cannot be committed.
    pub fn visibilities(
        &self,
        inputs: &Committing,
        outputs: &Committing,
    ) -> Result<Visibilities, VisibilityError> {
        let names = |ports: &[&String]| -> Vec<String> {
            ports.iter().map(|name| (*name).clone()).collect()
        };
        let input_names = names(&self.inputs.iter().map(|port| &port.name).collect::<Vec<_>>());
        let output_names = names(&self.outputs.iter().map(|port| &port.name).collect::<Vec<_>>());
        let mut visibilities = Visibilities {
            inputs: chosen("input", inputs, &input_names)?,
            outputs: chosen("output", outputs, &output_names)?,
        };
        if *inputs == Committing::All {
            // What no output depends on is no part of a statement.
            let unused = self.inputs.iter().map(|port| port.views.is_empty());
            for (visibility, unused) in visibilities.inputs.iter_mut().zip(unused) {
                if unused {
                    *visibility = Visibility::Public;
                }
            }
        }
        visibilities.check(self)?;
        Ok(visibilities)
    }
}

fn chosen(
    what: &'static str,
    committing: &Committing,
    known: &[String],
) -> Result<Vec<Visibility>, VisibilityError> {
    match committing {
        Committing::Nothing => Ok(vec![Visibility::Public; known.len()]),
        Committing::All => Ok(vec![Visibility::Committed; known.len()]),
        Committing::Named(names) => {
            let mut chosen = vec![Visibility::Public; known.len()];
            for name in names {
                let at = known.iter().position(|known| known == name).ok_or_else(|| {
                    let quoted = known.iter().map(|name| format!("`{name}`"));
                    let known = quoted.collect::<Vec<_>>().join(", ");
                    VisibilityError::Unknown { what, name: name.clone(), known }
                })?;
                chosen[at] = Visibility::Committed;
            }
            Ok(chosen)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::interface::tests::two_views;
    use super::*;

    fn named(names: &[&str]) -> Committing {
        Committing::Named(names.iter().map(|&name| name.to_owned()).collect())
    }

    #[test]
    fn what_cannot_be_committed_says_why() {
        let interface = two_views();
        let of = |inputs, outputs| interface.visibilities(&inputs, &outputs);
        assert!(of(Committing::Nothing, Committing::Nothing).unwrap().is_public());
        let outputs = of(Committing::Nothing, Committing::All).unwrap();
        assert_eq!((outputs.committed(), outputs.commits_output(0)), (1, true));
        assert_eq!(of(Committing::Nothing, named(&["y"])), Ok(outputs));
        let several = Err(VisibilityError::SeveralViews("x".to_owned()));
        assert_eq!(of(named(&["x"]), Committing::Nothing), several);
        assert_eq!(of(Committing::All, Committing::Nothing), several);
        let unused = &interface.inputs.iter().find(|port| port.views.is_empty()).unwrap().name;
        let refused = of(named(&[unused]), Committing::Nothing);
        assert_eq!(refused, Err(VisibilityError::Unused(unused.clone())));
        let error = of(Committing::Nothing, named(&["z"])).unwrap_err();
        assert_eq!(error.to_string(), "the model has no output `z`, it has `y`");
        let mut fewer = Visibilities::public(&interface);
        fewer.inputs.pop();
        assert_eq!(fewer.check(&interface), Err(VisibilityError::Count));
    }
}
