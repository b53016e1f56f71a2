//! Integers as field elements.

use stwo::core::fields::m31::{BaseField, P};

/// The field element of an integer: its residue modulo `2^31 - 1`.
///
/// Integers below 2^30 in absolute value, which is where every interval of a model lies, have
/// residues of their own.
pub(crate) fn embed(value: i32) -> BaseField {
    // Twice the modulus makes every 32-bit integer positive.
    BaseField::reduce((i64::from(value) + 2 * i64::from(P)).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_integer_has_its_residue() {
        let edges = [i32::MIN, i32::MIN + 1, -(1 << 30), -1, 0, 1, 1 << 30, i32::MAX - 1, i32::MAX];
        for value in edges {
            let residue = i64::from(value).rem_euclid(P.into());
            assert_eq!(i64::from(embed(value).0), residue, "{value}");
        }
    }
}
