//! The verifier's random choices that constraints depend on.

use std::sync::OnceLock;

use num_traits::One;
use stwo::core::channel::{Blake2sChannel, Channel};
use stwo::core::fields::qm31::SecureField;

use super::Relation;

/// Challenges drawn after the execution tree has been committed: they bind every activation, the
/// model key and the public values.
#[derive(Clone, Debug)]
pub(crate) struct Challenges {
    /// Where the LogUp fractions are evaluated.
    pub(crate) z: SecureField,
    /// Powers that compress a tuple to one element.
    pub(crate) alpha: [SecureField; Relation::MAX_WIDTH],
    /// Powers of the challenge that folds the columns of a matrix; `t[0] = 1`.
    pub(crate) t: Vec<SecureField>,
    /// Powers of the challenge that folds the rows of a matrix; `s[0] = 1`.
    pub(crate) s: Vec<SecureField>,
    /// Separates the matrix products from each other.
    pub(crate) lambda: SecureField,
}

impl Challenges {
    /// The most lanes a chip may fold in one row.
    pub(crate) const MAX_LANES: usize = 64;

    pub(crate) fn draw(channel: &mut impl Channel) -> Self {
        let [z, alpha, t, s, lambda] = std::array::from_fn(|_| channel.draw_secure_felt());
        let alpha_powers = powers(alpha, Relation::MAX_WIDTH);
        Self {
            z,
            alpha: std::array::from_fn(|i| alpha_powers[i]),
            t: powers(t, Self::MAX_LANES + 1),
            s: powers(s, Self::MAX_LANES + 1),
            lambda,
        }
    }

    /// Any challenges, for counting columns: always the same, drawn once.
    pub(crate) fn dummy() -> &'static Self {
        static DUMMY: OnceLock<Challenges> = OnceLock::new();
        DUMMY.get_or_init(|| Self::draw(&mut Blake2sChannel::default()))
    }
}

fn powers(base: SecureField, count: usize) -> Vec<SecureField> {
    std::iter::successors(Some(SecureField::one()), |&power| Some(power * base))
        .take(count)
        .collect()
}
