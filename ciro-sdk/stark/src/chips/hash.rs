//! Poseidon, one round a row: commitments to tensors.

use serde::{Deserialize, Serialize};

use crate::air::{Challenges, Chip, Relation, Row, columns, constant};
use crate::poseidon::{RATE, WIDTH, factor};

columns! {
    fixed HashFixed(_chip: &HashChip) {
        /// What is added to the state: the round's constants, and in the first row of a tensor its
        /// length and the domain.
        constants[WIDTH],
        /// The addresses of what is absorbed.
        addresses[RATE],
        /// How often each is given: -1 in a round, which reads them; 0 where the salt is absorbed;
        /// 1 in the row behind the last round, which gives the digest.
        multiplicity,
        /// 1 in full rounds: the whole state goes through the S-box.
        full,
        /// 1 in all rounds, 0 in the row behind a tensor's last one and in rows without work.
        round,
    }
}

columns! {
    witness HashWitness(_chip: &HashChip) {
        /// The state before the S-box.
        state: twice[WIDTH],
        /// The squares of what goes through the S-box, 1 in place of what does not; 0 in rows that
        /// are no rounds.
        squares: twice[WIDTH],
        /// What is added to the first elements of the state.
        absorbed[RATE],
    }
}

/// Absorbs tensors and gives their digests.
///
/// One row a round. A tensor's rounds begin with those that absorb its salt, eight further values
/// are absorbed before every 22nd round; all other rounds absorb the constant 0. In the row behind
/// the last round, the values absorbed are those that bring the first eight elements to 0: the
/// negated digest, which the chip gives to memory, from where the public values take it.
///
/// # Soundness
/// The state follows from the row before it and from what is absorbed. In rows that are no rounds
/// the squares are 0, so that nothing of them reaches the row behind: that is a tensor's first. The
/// salt is free, as it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HashChip {
    pub(crate) log_size: u32,
}

impl Chip for HashChip {
    fn log_size(&self) -> u32 {
        self.log_size
    }

    fn name(&self) -> &'static str {
        "commitments"
    }

    fn is_sane(&self) -> bool {
        true
    }

    fn evaluate<R: Row>(&self, row: &mut R, _challenges: &Challenges) {
        let HashFixed { constants, addresses, multiplicity, full, round } =
            HashFixed::read(row, self);
        let HashWitness { state, squares, absorbed } = HashWitness::read(row, self);

        let powers: Vec<R::F> = state
            .iter()
            .zip(&squares)
            .map(|([state, _], [square, _])| state.clone() * (square.clone() * square.clone()))
            .collect();
        for (to, ([_, state], constants)) in state.iter().zip(constants).enumerate() {
            let mut sum = constants;
            for (from, power) in powers.iter().enumerate() {
                sum = sum + power.clone() * R::F::from(factor(to, from));
            }
            if let Some(absorbed) = absorbed.get(to) {
                sum = sum + absorbed.clone();
            }
            row.constrain(state.clone() - sum);
        }
        for (at, ([_, state], [_, square])) in state.iter().zip(squares).enumerate() {
            let squared = state.clone() * state.clone();
            row.constrain(match at {
                0 => square - round.clone() * squared,
                _ => square - full.clone() * squared - (round.clone() - full.clone()),
            });
        }
        let idle = constant::<R>(1) - round;
        for [_, state] in &state[..RATE] {
            row.constrain(idle.clone() * state.clone());
        }
        for (address, absorbed) in addresses.into_iter().zip(absorbed) {
            row.lookup(Relation::Memory, multiplicity.clone(), &[address, absorbed]);
        }
    }
}
