//! Whether what came back answers what was ordered. No node is asked.

use ciro_protocol::id::{InputDigest, JobId};
use ciro_protocol::receipt::Receipt;
use ciro_stark::Policy;

use super::{ProgramAnswer, ProgramBundle, ProgramJobError, ProgramJobKey};
use crate::network::ResultError;
use crate::network::result::settlement_of;
use crate::routes::RouteError;

/// Checks a bundle against the user's own key, the arguments that were ordered, and the receipt.
///
/// # Errors
/// [`ResultError`] with the first check that fails.
pub fn check_program_result(
    (job, ordered): (JobId, InputDigest),
    key: &ProgramJobKey,
    receipt: &Receipt,
    (bundle, policy): (&[u8], &Policy),
) -> Result<(ProgramBundle, ProgramAnswer), ResultError> {
    let own = (job, key.digest().into(), ordered);
    let settlement = settlement_of(own, receipt, bundle)?;
    let bundle = ProgramBundle::from_bytes(bundle).map_err(unproven)?;
    let answer = bundle.verify(key, policy).map_err(unproven)?;
    if answer.input_digest(key) != ordered {
        return Err(ResultError::Input);
    }
    if answer.output_digest(key) != settlement.output {
        return Err(ResultError::Output);
    }
    Ok((bundle, answer))
}

fn unproven(error: ProgramJobError) -> ResultError {
    ResultError::Program(RouteError::new(error))
}
