//! What chips claim, held against each other and against the statement.

use ciro_model::integer::Statement;
use num_traits::Zero;
use stwo::core::fields::qm31::SecureField;

use super::error::VerificationError;
use crate::air::{Challenges, Chip as _, Total};
use crate::chips::IoChip;
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
        match chip.total() {
            Total::None => {
                if !claim.total.is_zero() {
                    return Err(VerificationError::Structure("a total of a chip without one"));
                }
            }
            Total::PublicValues => {
                if claim.total != IoChip::public_total(public_values(statement), challenges) {
                    return Err(VerificationError::PublicValues);
                }
            }
            Total::Operands => products += claim.total,
            Total::Results => products -= claim.total,
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
