//! Inverses modulo the curve's order, by the binary Euclidean algorithm on machine words.
//!
//! It takes a quarter of the time that big integers take, in every verification. Its time depends
//! on its argument: it serves public data only.

use starknet_types_core::felt::Felt;

/// A 256-bit number, least significant limb first.
type Limbs = [u64; 4];

/// Returns `value^-1 mod modulus` for an odd modulus below 2^255 and a value below it, or `None`
/// without an inverse.
pub(super) fn inverse(value: &Felt, modulus: &Felt) -> Option<Felt> {
    let n = modulus.to_le_digits();
    let (mut u, mut v) = (value.to_le_digits(), n);
    let (mut x, mut y) = (ONE, ZERO);
    if u == ZERO {
        return None;
    }
    // Invariant: x * value = u and y * value = v modulo n; v stays odd.
    while u != ZERO {
        while u[0].is_multiple_of(2) {
            u = halved(&u);
            x = half_modulo(&x, &n);
        }
        if less(&u, &v) {
            (u, v, x, y) = (v, u, y, x);
        }
        u = sub(&u, &v);
        x = if less(&x, &y) { sub(&add(&x, &n), &y) } else { sub(&x, &y) };
    }
    (v == ONE).then(|| felt(&y))
}

const ZERO: Limbs = [0; 4];
const ONE: Limbs = [1, 0, 0, 0];

fn less(a: &Limbs, b: &Limbs) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

/// Returns `a + b`, which must be below 2^256.
fn add(a: &Limbs, b: &Limbs) -> Limbs {
    let mut carry = false;
    std::array::from_fn(|i| {
        let (sum, first) = a[i].overflowing_add(b[i]);
        let (sum, second) = sum.overflowing_add(u64::from(carry));
        carry = first || second;
        sum
    })
}

/// Returns `a - b`, which must not be negative.
fn sub(a: &Limbs, b: &Limbs) -> Limbs {
    let mut borrow = false;
    std::array::from_fn(|i| {
        let (difference, first) = a[i].overflowing_sub(b[i]);
        let (difference, second) = difference.overflowing_sub(u64::from(borrow));
        borrow = first || second;
        difference
    })
}

fn halved(a: &Limbs) -> Limbs {
    std::array::from_fn(|i| a[i] >> 1 | a.get(i + 1).map_or(0, |next| next << 63))
}

/// Returns `a / 2` modulo the odd `n`.
fn half_modulo(a: &Limbs, n: &Limbs) -> Limbs {
    if a[0].is_multiple_of(2) { halved(a) } else { halved(&add(a, n)) }
}

fn felt(limbs: &Limbs) -> Felt {
    let mut bytes = [0; 32];
    for (chunk, limb) in bytes.chunks_exact_mut(8).zip(limbs) {
        chunk.copy_from_slice(&limb.to_le_bytes());
    }
    Felt::from_bytes_le(&bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use starknet_types_core::felt::NonZeroFelt;

    use super::*;
    use crate::crypto::stark::ORDER;

    fn check(value: Felt) {
        let order = NonZeroFelt::try_from(ORDER).unwrap();
        assert_eq!(inverse(&value, &ORDER), value.mod_inverse(&order), "{value:#x}");
    }

    #[test]
    fn edges_are_inverted() {
        for value in [Felt::ONE, Felt::TWO, Felt::from(3), ORDER - Felt::ONE, ORDER - Felt::TWO] {
            check(value);
        }
        assert_eq!(inverse(&Felt::ZERO, &ORDER), None);
        assert_eq!(inverse(&Felt::from(6), &Felt::from(15)), None, "a common factor");
    }

    proptest! {
        #[test]
        fn inverses_are_those_of_big_integers(bytes in any::<[u8; 32]>()) {
            let value = Felt::from_bytes_be(&bytes);
            if value != Felt::ZERO && value < ORDER {
                check(value);
            }
        }
    }
}
