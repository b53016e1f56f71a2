//! How much security a verifier asks for.

use super::error::VerificationError;
use crate::preset::Preset;
use crate::security::Security;

/// What a verifier asks of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Conjectured security bits that proofs for the key must reach. 100 by default; lower it for
    /// tests alone.
    pub min_security_bits: u32,
    /// Security bits that they must reach without any conjecture. 0 by default; 100 asks for the
    /// preset `proven`.
    pub min_proven_bits: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self { min_security_bits: 100, min_proven_bits: 0 }
    }
}

impl Policy {
    /// Whether proofs of this security, with the parameters of a preset, are enough: one rule for
    /// every route.
    ///
    /// # Errors
    /// [`VerificationError::TooWeak`] if they are not.
    pub fn check(&self, preset: Preset, security: &Security) -> Result<(), VerificationError> {
        let enough = |bits: f64, wanted: u32| bits >= f64::from(wanted);
        if enough(security.conjectured_bits, self.min_security_bits)
            && enough(security.proven_bits, self.min_proven_bits)
        {
            return Ok(());
        }
        let (policy, security) = (self.clone(), Box::new(security.clone()));
        Err(VerificationError::TooWeak { preset, security, policy })
    }
}

/// Which demand of a policy is not met.
pub(super) fn shortfall(security: &Security, policy: &Policy) -> String {
    let (bits, wanted, kind) = if security.conjectured_bits < f64::from(policy.min_security_bits) {
        (security.conjectured_bits, policy.min_security_bits, "")
    } else {
        (security.proven_bits, policy.min_proven_bits, " without conjectures")
    };
    // Rounded down: 99.96 bits are not 100.
    let bits = (bits * 100.0).floor() / 100.0;
    format!("{bits} bits of security{kind}, the policy asks for {wanted}")
}
