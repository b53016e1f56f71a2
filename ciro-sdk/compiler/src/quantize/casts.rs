//! Casts into the integers of a model.

use ciro_model::integer::BOUND;

#[expect(
    clippy::cast_possible_truncation,
    reason = "casts of floats saturate, and NaN is none of ours"
)]
pub(super) fn round_to_i64(x: f64) -> i64 {
    x as i64
}

pub(super) fn narrow(x: i64) -> i32 {
    i32::try_from(x.clamp(1 - BOUND, BOUND - 1)).expect("clamped below 2^30")
}
