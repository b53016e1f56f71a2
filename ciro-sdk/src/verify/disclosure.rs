//! What proofs for a key show to whoever reads them, and what they hide.

use ciro_model::integer::Visibility;
use ciro_stark::Secrecy;

use super::{Key, Side};

/// How much whoever holds a key and proofs for it learns of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shown {
    /// All of it: proofs state it.
    Stated,
    /// Proofs neither state it nor hide it: of a small model one proof is enough to compute it, of
    /// a larger one some more.
    Computable,
    /// No more than follows from what is stated.
    Hidden,
}

impl Shown {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Stated, Self::Computable, Self::Hidden];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stated => "stated",
            Self::Computable => "computable",
            Self::Hidden => "hidden",
        }
    }
}

/// An input or output, and what proofs show of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownTensor {
    /// Whether it goes into the model or comes out of it.
    pub side: Side,
    /// Its name.
    pub name: String,
    /// Whether proofs state a commitment in its place.
    pub committed: bool,
    /// What they show of it.
    pub shown: Shown,
}

/// What proofs for a key show: `docs/privacy.md` says what that means, and why it holds.
///
/// The key itself shows names, shapes, scales and class names, the kinds and sizes of what is
/// proven, and a digest of the model, by which a guess of it can be tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosure {
    /// Inputs, then outputs, in the interface's order.
    pub tensors: Vec<ShownTensor>,
    /// Whether a proof may, as it chooses, commit to its whole input, which it then does not state.
    pub input_may_be_committed: bool,
    /// Everything between inputs and outputs.
    pub execution: Shown,
    /// Weights, tables and trees.
    pub model: Shown,
}

impl Key {
    /// What proofs for the key show.
    pub fn disclosure(&self) -> Disclosure {
        let unstated = match self.secrecy() {
            Secrecy::Plain => Shown::Computable,
            Secrecy::Hiding => Shown::Hidden,
        };
        let (interface, visibilities) = (self.interface(), self.visibilities());
        let inputs = interface.inputs.iter().map(|port| (Side::Input, &port.name));
        let outputs = interface.outputs.iter().map(|port| (Side::Output, &port.name));
        let visibilities = visibilities.inputs.iter().chain(&visibilities.outputs);
        let tensor = |((side, name), visibility): ((Side, &String), &Visibility)| {
            let committed = *visibility == Visibility::Committed;
            let shown = if committed { unstated } else { Shown::Stated };
            ShownTensor { side, name: name.clone(), committed, shown }
        };
        Disclosure {
            tensors: inputs.chain(outputs).zip(visibilities).map(tensor).collect(),
            input_may_be_committed: self.of_route().proofs_may_commit(),
            execution: unstated,
            // Masks cover inputs and execution; the model's own columns are bare.
            model: Shown::Computable,
        }
    }
}
