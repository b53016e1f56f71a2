//! Receipts that are checked offline: the genesis alone decides whether validators certified one.

use ciro_protocol::chain::Genesis;
use ciro_protocol::id::KeyDigest;
use ciro_protocol::light::{Pin, ReceiptError, ReceiptProof};
use ciro_protocol::receipt::Receipt;
use ciro_protocol::wire::{DecodeError, Message as _};
use ciro_stark::Policy;

use super::{ResultError, check_result};
use crate::verify::KeyRing;

/// A receipt that validators certified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified {
    /// The block whose state they certified.
    pub height: u64,
    /// The receipt.
    pub receipt: Receipt,
}

/// Why a receipt counts for nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The bytes are no receipt.
    #[error("the bytes are no receipt")]
    Decode(#[from] DecodeError),
    /// Validators did not certify it.
    #[error("the receipt is not proven")]
    Receipt(#[from] ReceiptError),
    /// The key file has other keys than the receipt's.
    #[error("the key file has no key {0}, of which the receipt speaks")]
    NoKey(KeyDigest),
    /// The proof beside it is not the receipt's, or does not hold.
    #[error("the proof is not the one of the receipt")]
    Result(#[from] ResultError),
}

/// Checks a receipt with all that proves it, and, if they are given, that the proof bundle is the
/// receipt's and holds under a key of the ring. A pin says who votes in an epoch: without one, the
/// keys of all validators that there ever were are trusted.
///
/// # Errors
/// [`CertificateError`] with the first check that fails.
pub fn verify_receipt(
    (genesis, pin): (&Genesis, Option<Pin>),
    bytes: &[u8],
    proof: Option<(&KeyRing, &[u8])>,
) -> Result<Certified, CertificateError> {
    let certified = ReceiptProof::from_bytes(bytes)?;
    let height = certified.verify(genesis, pin)?;
    let receipt = certified.receipt;
    if let Some((keys, bundle)) = proof {
        let key = keys.keys().find(|key| receipt.key == key.digest().into());
        let key = key.ok_or(CertificateError::NoKey(receipt.key))?;
        let ordered = (receipt.job, receipt.input);
        check_result(ordered, key, &receipt, (bundle, &Policy::default()))?;
    }
    Ok(Certified { height, receipt })
}
