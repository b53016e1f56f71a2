//! Multiplication of a fixed curve point by precomputed multiples.
//!
//! A validator's key is verified against many times an epoch, so its multiples are worth keeping: a
//! product is then [`WINDOWS`] additions and no doubling. Only public data is multiplied here;
//! signing never touches a table, whose access pattern would leak a secret.

use starknet_types_core::curve::{AffinePoint, ProjectivePoint};
use starknet_types_core::felt::Felt;

/// Bits of the scalar that one addition consumes. 6 balances 172 KB a key against 42 additions a
/// product.
const WINDOW_BITS: usize = 6;
/// Windows of a 252-bit scalar.
const WINDOWS: usize = 42;
/// Nonzero digits of a window.
const DIGITS: usize = (1 << WINDOW_BITS) - 1;

/// The multiples `digit * 2^(6 * window) * P` of one point `P`.
#[derive(Clone, Debug)]
pub(super) struct Table(Vec<AffinePoint>);

impl Table {
    /// Computes the multiples of `point`, which must not be the point at infinity.
    pub(super) fn new(point: &AffinePoint) -> Option<Self> {
        let mut multiples = Vec::with_capacity(WINDOWS * DIGITS);
        let mut base = ProjectivePoint::from_affine(point.x(), point.y()).ok()?;
        for _ in 0..WINDOWS {
            let mut multiple = base.clone();
            for _ in 0..DIGITS {
                multiples.push(multiple.clone());
                multiple += &base;
            }
            base = multiple;
        }
        to_affine(&multiples).map(Self)
    }

    /// Returns `scalar * P` for a scalar below 2^252.
    pub(super) fn mul(&self, scalar: &Felt) -> ProjectivePoint {
        let digits = scalar.to_le_digits();
        let mut sum = ProjectivePoint::identity();
        for window in 0..WINDOWS {
            let digit = digit(&digits, window);
            if digit > 0 {
                sum += &self.0[window * DIGITS + digit - 1];
            }
        }
        sum
    }
}

/// Returns bits `6 * window ..` of a little-endian 256-bit number.
#[expect(clippy::cast_possible_truncation, reason = "masked to six bits")]
fn digit(limbs: &[u64; 4], window: usize) -> usize {
    let (limb, shift) = (window * WINDOW_BITS / 64, window * WINDOW_BITS % 64);
    let low = limbs[limb] >> shift;
    let high = match limbs.get(limb + 1) {
        Some(next) if shift > 64 - WINDOW_BITS => next << (64 - shift),
        _ => 0,
    };
    (low | high) as usize & DIGITS
}

/// Normalises points with one field inversion (Montgomery's trick); `None` if one is at infinity.
fn to_affine(points: &[ProjectivePoint]) -> Option<Vec<AffinePoint>> {
    let mut products = Vec::with_capacity(points.len());
    let mut product = Felt::ONE;
    for point in points {
        products.push(product);
        product *= point.z();
    }
    let mut inverse = product.inverse()?;
    let mut affine = Vec::with_capacity(points.len());
    for (point, product) in points.iter().zip(products).rev() {
        let z_inverse = inverse * product;
        inverse *= point.z();
        affine.push(AffinePoint::new_unchecked(point.x() * z_inverse, point.y() * z_inverse));
    }
    affine.reverse();
    Some(affine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_equal_double_and_add() {
        let generator = AffinePoint::generator();
        let table = Table::new(&generator).unwrap();
        let point = ProjectivePoint::from_affine(generator.x(), generator.y()).unwrap();
        let large = Felt::from(0x1234_5678_9abc_def0_u64).pow(7_u128);
        for scalar in [Felt::ONE, Felt::from(63), Felt::from(64), Felt::MAX, large, large.square()]
        {
            assert_eq!(table.mul(&scalar), &point * scalar, "scalar {scalar:#x}");
        }
        assert!(table.mul(&Felt::ZERO).is_identity());
    }
}
