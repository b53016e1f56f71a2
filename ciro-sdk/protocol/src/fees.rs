//! What transactions and jobs cost.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::tx::{Body, SignedTx};
use crate::wire::Message as _;

/// The most that a byte may cost that nodes keep, of an input or of a bundle: a millionth of a
/// CIRO, so that the longest input costs 17,180 CIRO.
pub const PER_KEPT_BYTE_MAX: Amount = Amount::CIRO.fraction(1, 1_000_000);

/// Bytes of a claim and of a proof together, as they are signed.
const PROVIDER_BYTES: u64 = 577;

/// What transactions and jobs cost.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct FeeSpec {
    /// Each transaction.
    pub base: Amount,
    /// Each byte of it.
    pub per_byte: Amount,
    /// Each proof or key that validators check for it.
    pub per_check: Amount,
    /// Each byte of the input that an order names: nodes keep it until the job has ended, and
    /// whoever could cancel for nothing could fill their disks. At most [`PER_KEPT_BYTE_MAX`].
    pub per_input_byte: Amount,
    /// Each byte of the bundle that settles a job: nodes keep it for a week, and who is requester
    /// and provider in one could fill their disks with bundles. At most [`PER_KEPT_BYTE_MAX`].
    pub per_bundle_byte: Amount,
    /// A model's deposit, for each MiB begun.
    pub deposit_per_mib: Amount,
    /// The market's part of a price, in basis points.
    pub market_bps: u16,
    /// The part of all fees that is burned, in basis points; the rest is the treasury's.
    pub burn_bps: u16,
}

impl FeeSpec {
    /// Returns the fee of a transaction: a base, its bytes, the proofs or keys that validators
    /// check for it, the bytes of the input that it orders a job for, and those of the bundle that
    /// it settles one with. Test money is free, since whoever asks for it has none. `None` if it
    /// exceeds the supply.
    #[must_use]
    pub fn of(&self, tx: &SignedTx) -> Option<Amount> {
        if matches!(tx.body.body, Body::Faucet) {
            return Some(Amount::ZERO);
        }
        let bytes = u64::try_from(tx.to_bytes().len()).ok()?;
        let for_bytes = self.per_byte.checked_mul(bytes)?;
        let for_checks = self.per_check.checked_mul(tx.body.body.checks())?;
        let for_input = self.per_input_byte.checked_mul(tx.body.body.input_bytes())?;
        let for_bundle = self.per_bundle_byte.checked_mul(tx.body.body.bundle_bytes())?;
        let kept = for_input.checked_add(for_bundle)?;
        self.base.checked_add(for_bytes)?.checked_add(for_checks)?.checked_add(kept)
    }

    /// Returns what a provider pays for a job beside its work: the fees of a claim, and of a proof
    /// with a bundle of so many bytes. `None` if they exceed the supply.
    #[must_use]
    pub fn of_provider(&self, bundle_bytes: u64) -> Option<Amount> {
        let for_bytes = self.per_byte.checked_mul(PROVIDER_BYTES)?;
        let for_bundle = self.per_bundle_byte.checked_mul(bundle_bytes)?;
        let both = self.base.checked_mul(2)?.checked_add(for_bytes)?;
        both.checked_add(self.per_check)?.checked_add(for_bundle)
    }
}
