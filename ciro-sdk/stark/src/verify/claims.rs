//! What chips claim, held against each other and against the statement.

use ciro_model::integer::Statement;
use num_traits::Zero;
use stwo::core::fields::qm31::SecureField;

use super::error::VerificationError;
use crate::air::Challenges;
use crate::chips::{AnyChip, IoChip};
use crate::key::ModelKey;
use crate::proof::ChipClaim;
use crate::statement::public_values;

/// LogUp sums cancel, matrix products cancel, and the public values are the statement's.
pub(super) fn check_claims(
    key: &ModelKey,
    statement: &Statement,
    claims: &[ChipClaim],
    challenges: &Challenges,
) -> Result<(), VerificationError> {
    let mut products = SecureField::zero();
    for (chip, claim) in key.chips.iter().zip(claims) {
        if !chip.has_total() && !claim.total.is_zero() {
            return Err(VerificationError::Structure("a total of a chip without one"));
        }
        match chip.product_sign() {
            Some(sign) if sign > 0 => products += claim.total,
            Some(_) => products -= claim.total,
            None => {}
        }
        if matches!(chip, AnyChip::Io(_))
            && claim.total != IoChip::public_total(public_values(statement), challenges)
        {
            return Err(VerificationError::PublicValues);
        }
    }
    if !products.is_zero() {
        return Err(VerificationError::Products);
    }
    let logup: SecureField = claims.iter().map(|claim| claim.logup).sum();
    if !logup.is_zero() {
        return Err(VerificationError::Wiring);
    }
    Ok(())
}
