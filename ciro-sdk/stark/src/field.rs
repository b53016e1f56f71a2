//! Integers as field elements.

use stwo::core::fields::m31::{BaseField, P};

/// The field element of an integer below 2^30 in absolute value.
pub(crate) fn embed(value: i32) -> BaseField {
    let magnitude = value.unsigned_abs();
    debug_assert!(magnitude < P);
    if value < 0 { BaseField::from(P - magnitude) } else { BaseField::from(magnitude) }
}
