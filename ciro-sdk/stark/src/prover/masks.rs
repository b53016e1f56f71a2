//! Masks: what makes opened values random numbers. The argument is in `docs/privacy.md`.
//!
//! A column `f` of `2^n` rows is committed as `f + v r`: `v` vanishes on the rows, so that they
//! stay as they are, and `r` has random coefficients. In stwo's basis `v r` is what stands in the
//! upper half of the coefficients.

use blake2::{Blake2s256, Digest};
use ciro_model::Tensor;
use ciro_model::integer::Context;
use num_traits::Zero;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;
use stwo::core::fields::m31::{BaseField, P};
use stwo::core::fields::qm31::SECURE_EXTENSION_DEGREE;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::simd::fft::CACHED_FFT_LOG_SIZE;
use stwo::prover::backend::simd::m31::{LOG_N_LANES, N_LANES, PackedBaseField};
use stwo::prover::poly::circle::{CircleCoefficients, SecureCirclePoly};
use zeroize::Zeroizing;

#[cfg(test)]
use crate::chips::defects::{Defect, is_back};
use crate::commitment::Salt;
use crate::secrecy::Secrecy;

/// A polynomial as stwo keeps it.
pub(super) type Coefficients = CircleCoefficients<SimdBackend>;

/// What the masks of one proof are drawn from.
pub(crate) struct Entropy(Zeroizing<[u8; 32]>);

impl Entropy {
    /// Mixes a random seed with what it is used for and a digest of all secrets of the proof: a
    /// seed that is drawn twice gives the same masks to the same proof alone, as in RFC 6979.
    pub(super) fn new(seed: &[u8; 32], key: [u8; 32], secrets: [u8; 32]) -> Self {
        let mut hash = Blake2s256::new_with_prefix(b"ciro masks v1");
        [seed, &key, &secrets].into_iter().for_each(|part| hash.update(part));
        Self(Zeroizing::new(hash.finalize().into()))
    }

    /// The masks of one attempt, each of so many coefficients; attempts share none.
    pub(super) fn masks(&self, attempt: u32, length: usize) -> Masks {
        let mut hash = Blake2s256::new_with_prefix(*self.0);
        hash.update(attempt.to_le_bytes());
        Masks {
            key: Zeroizing::new(hash.finalize().into()),
            length,
            #[cfg(test)]
            off: Kind::ALL.map(|kind| is_back(kind.defect())),
        }
    }
}

/// A digest of all that a proof's masks depend on beside the seed: what the witness follows from.
pub(super) fn secrets(inputs: &[Vec<Tensor<i32>>], context: Context, salts: &[Salt]) -> [u8; 32] {
    let mut hash = Blake2s256::new_with_prefix(context.to_bytes());
    for tensor in inputs.iter().flatten() {
        hash.update((tensor.data().len() as u64).to_le_bytes());
        tensor.data().iter().for_each(|value| hash.update(value.to_le_bytes()));
    }
    let salts = salts.iter().flat_map(|salt| salt.integers());
    salts.for_each(|value| hash.update(value.to_le_bytes()));
    hash.finalize().into()
}

/// What a random stream is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The mask of a column of a tree.
    Column,
    /// What one piece of the composition polynomial gives the next.
    Piece,
    /// A mask of FRI.
    Batch,
    /// A column of salts.
    Salt,
}

#[cfg(test)]
impl Kind {
    const ALL: [Self; 4] = [Self::Column, Self::Piece, Self::Batch, Self::Salt];

    fn defect(self) -> Defect {
        match self {
            Self::Column => Defect::BareColumns,
            Self::Piece => Defect::BarePieces,
            Self::Batch => Defect::BareBatch,
            Self::Salt => Defect::BareLeaves,
        }
    }
}

/// The masks of one attempt at a proof.
pub(super) struct Masks {
    key: Zeroizing<[u8; 32]>,
    /// Random coefficients of a column's mask.
    length: usize,
    /// Which kinds are left out, in tests of what they are good for.
    #[cfg(test)]
    off: [bool; 4],
}

impl Masks {
    /// The stream of one column: independent of all others, whatever thread asks first.
    fn elements(&self, kind: Kind, [tree, column]: [usize; 2], count: usize) -> Vec<BaseField> {
        #[cfg(test)]
        if self.off[kind as usize] {
            return vec![BaseField::zero(); count];
        }
        let mut hash = Blake2s256::new_with_prefix(*self.key);
        hash.update([kind as u8]);
        [tree, column].into_iter().for_each(|at| hash.update((at as u64).to_le_bytes()));
        let mut stream = ChaCha20Rng::from_seed(hash.finalize().into());
        // One of 2^31 draws is refused.
        let draws = std::iter::repeat_with(|| stream.next_u32() >> 1).filter(|&value| value < P);
        draws.take(count).map(BaseField::from_u32_unchecked).collect()
    }

    /// Masks the columns of a tree.
    pub(super) fn columns(&self, tree: usize, columns: Vec<Coefficients>) -> Vec<Coefficients> {
        let length = self.length;
        // Of `2 q + 16`, as many as openings at queries and at the point out of domain, less one.
        #[cfg(test)]
        let length = if is_back(Defect::ShortMasks) { length / 2 - 5 } else { length };
        #[cfg(test)]
        let one = is_back(Defect::OneMask);
        let mask = |(at, column): (usize, Coefficients)| {
            #[cfg(test)]
            let at = if one { 0 } else { at };
            extend(&column.coeffs, &self.elements(Kind::Column, [tree, at], length))
        };
        columns.into_par_iter().enumerate().map(mask).collect()
    }

    /// The salts of a tree, columns of `2^log_size` coefficients that nobody reads.
    pub(super) fn salts(&self, tree: usize, log_size: u32) -> Vec<Coefficients> {
        self.noise(Kind::Salt, (tree, Secrecy::Hiding.salts()[tree]), log_size)
    }

    /// The masks of FRI, of `2^log_size` coefficients: all that a batch of columns can show but
    /// what is opened.
    pub(super) fn batch(&self, log_size: u32) -> Vec<Coefficients> {
        self.noise(Kind::Batch, (0, SECURE_EXTENSION_DEGREE), log_size)
    }

    fn noise(&self, kind: Kind, (tree, count): (usize, usize), log_size: u32) -> Vec<Coefficients> {
        let column = |at| {
            let values = self.elements(kind, [tree, at], 1 << log_size);
            CircleCoefficients::new(values.into_iter().collect())
        };
        (0..count).into_par_iter().map(column).collect()
    }

    /// Splits the composition polynomial into four pieces, `q = h0 + v h1 + v^2 h2 + v^3 h3`, of
    /// which any three are random wherever they are opened: `h_i + v t_i - t_(i-1)`.
    pub(super) fn pieces(&self, composition: SecureCirclePoly<SimdBackend>) -> Vec<Coefficients> {
        // v^2 stands for the halves of the halves: pi(v) = 2 v^2 - 1.
        let (low, high) = composition.split_at_mid();
        let ((low0, low1), (high0, high1)) = (low.split_at_mid(), high.split_at_mid());
        let [low0, low1, high0, high1] =
            [low0, low1, high0, high1].map(SecureCirclePoly::into_coordinate_polys);
        let by_coordinate = |coordinate: usize| {
            let of = |part: &[Coefficients; SECURE_EXTENSION_DEGREE]| {
                part[coordinate].coeffs.data.clone()
            };
            let (high0, high1) = (of(&high0), of(&high1));
            let minus = |a: Vec<PackedBaseField>, b: &[PackedBaseField]| {
                a.into_iter().zip(b).map(|(a, &b)| a - b).collect::<Vec<_>>()
            };
            let twice = |a: &[PackedBaseField]| a.iter().map(|a| a.double()).collect();
            let pieces =
                [minus(of(&low0), &high0), minus(of(&low1), &high1), twice(&high0), twice(&high1)];
            let mut taken = vec![];
            let last = pieces.len() - 1;
            let masked = pieces.into_iter().enumerate().map(|(at, data)| {
                let mut piece = BaseColumn { length: data.len() * N_LANES, data };
                subtract(&mut piece, &taken);
                let given = if at < last { self.length } else { 0 };
                taken = self.elements(Kind::Piece, [at, coordinate], given);
                extend(&piece, &taken)
            });
            masked.collect::<Vec<_>>()
        };
        let coordinates: Vec<Vec<Coefficients>> =
            (0..SECURE_EXTENSION_DEGREE).into_par_iter().map(by_coordinate).collect();
        let mut coordinates: Vec<_> = coordinates.into_iter().map(Vec::into_iter).collect();
        let mut pieces = vec![];
        while let Some(piece) =
            coordinates.iter_mut().map(Iterator::next).collect::<Option<Vec<_>>>()
        {
            pieces.extend(piece);
        }
        pieces
    }
}

/// Doubles the room for coefficients: `low` stays, then come `high` ones, then zeros.
pub(super) fn extend(low: &BaseColumn, high: &[BaseField]) -> Coefficients {
    let log_size = low.length.ilog2();
    let vectors = low.data.len();
    let mut data = vec![PackedBaseField::zero(); 2 * vectors];
    for at in 0..vectors {
        data[place(log_size + 1, at)] = low.data[place(log_size, at)];
    }
    for (at, values) in high.chunks(N_LANES).enumerate() {
        data[place(log_size + 1, vectors + at)] = packed(values);
    }
    CircleCoefficients::new(BaseColumn { length: 2 * low.length, data })
}

/// Subtracts coefficients, from the lowest on.
fn subtract(column: &mut BaseColumn, values: &[BaseField]) {
    let log_size = column.length.ilog2();
    for (at, values) in values.chunks(N_LANES).enumerate() {
        column.data[place(log_size, at)] -= packed(values);
    }
}

fn packed(values: &[BaseField]) -> PackedBaseField {
    let mut lanes = [BaseField::zero(); N_LANES];
    lanes[..values.len()].copy_from_slice(values);
    PackedBaseField::from_array(lanes)
}

/// Where stwo keeps vector `at` of the coefficients of a polynomial: those of large ones stand as
/// its transform leaves them, with the bits of their positions swapped around the middle.
fn place(log_size: u32, at: usize) -> usize {
    if log_size <= CACHED_FFT_LOG_SIZE {
        return at;
    }
    let bits = log_size - LOG_N_LANES;
    let half = bits / 2;
    let low = at & ((1 << half) - 1);
    let high = at >> (bits - half);
    let middle = at & (((1 << (bits & 1)) - 1) << half);
    (low << (bits - half)) | middle | high
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use num_traits::Zero;
    use stwo::core::circle::{CirclePoint, SECURE_FIELD_CIRCLE_GEN};
    use stwo::core::fields::qm31::SecureField;
    use stwo::core::poly::circle::CanonicCoset;
    use stwo::core::utils::bit_reverse_index;
    use stwo::prover::backend::{Column as _, CpuBackend};
    use stwo::prover::poly::circle::PolyOps;

    use super::*;
    use crate::prover::columns::evaluations;

    fn masks(length: usize) -> Masks {
        Entropy::new(&[1; 32], [2; 32], [3; 32]).masks(0, length)
    }

    #[test]
    fn a_seed_that_is_drawn_again_masks_other_secrets_with_other_masks() {
        let kinds = [Kind::Column, Kind::Piece, Kind::Batch, Kind::Salt];
        let mut seen = BTreeSet::new();
        let mut draws = 0;
        for (key, secrets) in [(0, 0), (0, 1), (1, 0)] {
            let entropy = Entropy::new(&[1; 32], [key; 32], [secrets; 32]);
            for (attempt, kind) in (0..2).flat_map(|attempt| kinds.map(|kind| (attempt, kind))) {
                for at in [[0, 0], [0, 1], [1, 0]] {
                    let elements = entropy.masks(attempt, 4).elements(kind, at, 4);
                    seen.insert(elements.iter().map(|element| element.0).collect::<Vec<_>>());
                    draws += 1;
                }
            }
        }
        assert_eq!(seen.len(), draws);
    }

    /// Coefficients in their order: stwo's vectors are not for points of the base field.
    fn natural(polynomial: &Coefficients) -> CircleCoefficients<CpuBackend> {
        let column = &polynomial.coeffs;
        let log_size = column.length.ilog2();
        let vectors = (0..column.data.len()).map(|at| column.data[place(log_size, at)].to_array());
        CircleCoefficients::new(vectors.flatten().collect())
    }

    /// Beyond 2^16 coefficients stwo keeps them in another order.
    #[test]
    fn masked_columns_keep_their_rows_whatever_their_height() {
        for log_size in [7, 9, 15, 16, 17] {
            let rows: Vec<BaseField> = (0..1u32 << log_size).map(BaseField::from).collect();
            let larger = CanonicCoset::new(log_size + 2).circle_domain();
            let twiddles = SimdBackend::precompute_twiddles(larger.half_coset);
            let bare = SimdBackend::interpolate_columns(evaluations(&[&rows]), &twiddles);
            let masked = masks(22).columns(1, bare.clone()).remove(0);
            let extended = extend(&bare[0].coeffs, &[]);
            let point = SECURE_FIELD_CIRCLE_GEN.mul(4321);
            assert_eq!(extended.eval_at_point(point), bare[0].eval_at_point(point), "{log_size}");
            assert_ne!(masked.eval_at_point(point), bare[0].eval_at_point(point), "{log_size}");
            let natural = natural(&masked);
            let coset = CanonicCoset::new(log_size);
            for row in [0, 1, 5, (1 << log_size) - 1] {
                let point: CirclePoint<SecureField> = coset.at(row).into_ef();
                assert_eq!(natural.eval_at_point(point), rows[row].into(), "{log_size}, {row}");
            }
            // As a transform sees it, too.
            let values = SimdBackend::evaluate(&masked, larger, &twiddles).values;
            let place = bit_reverse_index(3, log_size + 2);
            let value = natural.eval_at_point(larger.at(3).into_ef());
            assert_eq!(value, values.at(place).into(), "{log_size}");
        }
    }

    /// Whether pieces add up, and how many random coefficients the first three have.
    fn pieces(log_degree: u32) -> (bool, Vec<usize>) {
        let mut seed = masks(1).noise(Kind::Salt, (9, 4), log_degree + 1);
        let composition = SecureCirclePoly(std::array::from_fn(|_| seed.remove(0)));
        let point = SECURE_FIELD_CIRCLE_GEN.mul(987_654);
        let whole = composition.eval_at_point(point);
        let length = 22;
        let pieces = masks(length).pieces(composition);
        assert_eq!(pieces.len(), 16);
        let v = point.repeated_double(log_degree - 2).x;
        let values = pieces.chunks(4).map(|piece| {
            SecureField::from_partial_evals(std::array::from_fn(|at| {
                piece[at].eval_at_point(point)
            }))
        });
        let values: Vec<_> = values.collect();
        let sum = values.iter().rev().fold(SecureField::zero(), |sum, &value| sum * v + value);
        (sum == whole, pieces.iter().map(random_above).collect())
    }

    /// Random coefficients in the upper half of a polynomial.
    fn random_above(polynomial: &Coefficients) -> usize {
        let (_, high) = SimdBackend::split_at_mid(polynomial.clone());
        high.coeffs.to_cpu().iter().filter(|value| !value.is_zero()).count()
    }

    #[test]
    fn every_column_has_a_whole_mask_of_its_own() {
        let zeros = || CircleCoefficients::new([BaseField::zero(); 1 << 7].into_iter().collect());
        let mut seen = BTreeSet::new();
        for tree in [1, 2] {
            for column in masks(22).columns(tree, (0..3).map(|_| zeros()).collect()) {
                assert_eq!(random_above(&column), 22);
                seen.insert(column.coeffs.to_cpu().iter().map(|it| it.0).collect::<Vec<_>>());
            }
        }
        assert_eq!(seen.len(), 6);
    }

    #[test]
    fn every_mask_of_fri_and_every_salt_is_random_from_end_to_end() {
        let masks = masks(22);
        let mut seen = BTreeSet::new();
        for column in [masks.batch(8), masks.salts(1, 8), masks.salts(2, 8)].concat() {
            let values: Vec<u32> = column.coeffs.to_cpu().iter().map(|it| it.0).collect();
            assert_eq!(values.iter().filter(|&&value| value != 0).count(), 1 << 8);
            seen.insert(values);
        }
        let salts: usize = Secrecy::Hiding.salts().iter().sum();
        assert_eq!(seen.len(), SECURE_EXTENSION_DEGREE + salts);
    }

    #[test]
    fn pieces_add_up_to_the_composition_and_three_of_them_are_random() {
        for log_degree in [8, 15, 16, 17, 18] {
            let random = [vec![22; 12], vec![0; 4]].concat();
            assert_eq!(pieces(log_degree), (true, random), "{log_degree}");
        }
        let _back = Defect::BarePieces.put_back();
        assert_eq!(pieces(8), (true, vec![0; 16]));
    }
}
