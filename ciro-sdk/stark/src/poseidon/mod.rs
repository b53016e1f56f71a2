//! Poseidon over M31: the permutation behind commitments, in the form in which a chip proves it.
//!
//! The original Poseidon (ePrint 2019/458) of width 16 with one MDS matrix for all rounds: `x^5`,
//! four full rounds, fourteen partial ones, four full ones. Constants and matrix are those of
//! Plonky3, whose known answer is checked below.

mod constants;

use stwo::core::fields::m31::BaseField;

use self::constants::{MDS_ROW, ROUND_CONSTANTS};

/// Elements of the state.
pub(crate) const WIDTH: usize = 16;

/// Elements that are absorbed and squeezed at once; the others are the capacity, 248 bits.
pub(crate) const RATE: usize = 8;

/// Rounds of the permutation.
pub(crate) const ROUNDS: usize = ROUND_CONSTANTS.len();

/// Full rounds before and after the partial ones.
const HALF_FULL_ROUNDS: usize = 4;

/// A state of the permutation.
pub(crate) type State = [BaseField; WIDTH];

/// Whether the whole state goes through the S-box in a round, not its first element alone.
pub(crate) fn is_full(round: usize) -> bool {
    !(HALF_FULL_ROUNDS..ROUNDS - HALF_FULL_ROUNDS).contains(&round)
}

/// What is added to the state before a round.
pub(crate) fn constants(round: usize) -> State {
    ROUND_CONSTANTS[round].map(BaseField::from)
}

/// The factor of element `from` in element `to` of the mixed state.
pub(crate) fn factor(to: usize, from: usize) -> BaseField {
    MDS_ROW[(from + WIDTH - to) % WIDTH].into()
}

/// What a round adds its powers with: an element's square where it goes through the S-box, else 1.
pub(crate) fn squares(state: &State, round: usize) -> State {
    let full = is_full(round);
    std::array::from_fn(|at| match at == 0 || full {
        true => state[at] * state[at],
        false => BaseField::from(1u32),
    })
}

/// The state behind a round, from that before its S-box.
pub(crate) fn mixed(state: &State, squares: &State) -> State {
    // The matrix has small entries: a whole sum stays below 2^42 and is reduced once.
    const ROW_TWICE: [u64; 2 * WIDTH] = {
        let mut twice = [0; 2 * WIDTH];
        let mut at = 0;
        while at < 2 * WIDTH {
            twice[at] = MDS_ROW[at % WIDTH] as u64;
            at += 1;
        }
        twice
    };
    let powers: [u64; WIDTH] =
        std::array::from_fn(|at| (state[at] * squares[at] * squares[at]).0.into());
    std::array::from_fn(|to| {
        let factors = &ROW_TWICE[WIDTH - to..2 * WIDTH - to];
        let terms = factors.iter().zip(&powers).map(|(factor, power)| factor * power);
        BaseField::reduce(terms.sum())
    })
}

/// The permutation.
pub(crate) fn permute(state: &mut State) {
    for round in 0..ROUNDS {
        let constants = constants(round);
        let before: State = std::array::from_fn(|at| state[at] + constants[at]);
        *state = mixed(&before, &squares(&before, round));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answer of `p3-mersenne-31` 0.8.0, `test_poseidon1_mersenne31_width_16`.
    #[test]
    fn the_permutation_is_the_published_one() {
        let mut state: State = std::array::from_fn(BaseField::from);
        permute(&mut state);
        let expected = [
            763_678_880,
            1_665_665_156,
            138_326_798,
            2_029_009_038,
            523_315_643,
            1_240_724_959,
            799_985_579,
            1_533_764_468,
            1_851_415_257,
            580_298_256,
            158_301_910,
            1_486_286_674,
            1_604_442_932,
            919_070_942,
            791_307_160,
            922_090_452,
        ];
        assert_eq!(state.map(|element| element.0), expected);
    }

    #[test]
    fn fourteen_rounds_are_partial() {
        let full: Vec<usize> = (0..ROUNDS).filter(|&round| is_full(round)).collect();
        assert_eq!(full, [0, 1, 2, 3, 18, 19, 20, 21]);
    }
}
