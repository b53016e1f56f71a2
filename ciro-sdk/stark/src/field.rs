//! Integers as field elements.

use stwo::core::fields::m31::{BaseField, P};

/// The field element of an integer. Integers of a model are below 2^30 in absolute value; others,
/// like weights that multiply a 0, are taken modulo the prime.
pub(crate) fn embed(value: i32) -> BaseField {
    let residue = i64::from(value).rem_euclid(i64::from(P));
    BaseField::from(u32::try_from(residue).expect("a residue is below the modulus"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_integer_has_the_element_of_its_residue() {
        let element = |value| embed(value).0;
        assert_eq!([0, 1, -1].map(element), [0, 1, P - 1]);
        assert_eq!([i32::MAX, -i32::MAX, i32::MIN].map(element), [0, 0, P - 1]);
    }
}
