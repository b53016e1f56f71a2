//! The network's light client: what the genesis alone proves.

use std::error::Error;

use ciro_protocol::chain::Genesis;
use ciro_protocol::light::{PinError, ReceiptError, ReceiptProof};
use ciro_protocol::receipt::Receipt;
use ciro_protocol::wire::{DecodeError, Message as _};
use ciro_sdk::network::{ResultError, check_result};
use ciro_sdk::{Key, KeyDecodeError, KeyRing, Route};
use serde::Serialize;

use crate::answer::Valid;
use crate::ask::{Room, Rooms};
use crate::failure::Failure;

/// The longest genesis, which JSON makes longer.
pub(crate) const GENESIS_BYTES_MAX: u64 = Genesis::BYTES_MAX as u64 * 4;

/// The longest receipt with its proof.
pub(crate) const RECEIPT_BYTES_MAX: u64 = ReceiptProof::BYTES_MAX as u64;

/// A receipt that validators certified.
#[derive(Debug, Serialize)]
pub(crate) struct Certified {
    /// The block whose state holds it.
    height: u64,
    receipt: Receipt,
    /// What the receipt's proof establishes; `null` if none was given.
    proof: Option<Valid>,
}

/// Why a receipt says nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiptFailure {
    #[error("the genesis cannot be read")]
    Genesis(#[source] DecodeError),
    #[error("the genesis cannot be read")]
    GenesisJson(#[source] serde_json::Error),
    #[error("the receipt cannot be read")]
    Receipt(#[source] DecodeError),
    #[error(transparent)]
    Pin(PinError),
    #[error("the receipt is not certified")]
    NotCertified(#[from] ReceiptError),
    #[error("the key cannot be read")]
    Key(#[source] KeyDecodeError),
    #[error("the key file has no key of the receipt's proof")]
    OtherKey,
    #[error(transparent)]
    Result(#[from] ResultError),
}

impl ReceiptFailure {
    /// The library's error, whose place in a chain a transparent one takes.
    pub(crate) fn inner(&self) -> &(dyn Error + 'static) {
        match self {
            Self::Result(error) => error,
            Self::Pin(error) => error,
            other => other,
        }
    }

    /// What it is about, where no check of a proof says so.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Genesis(_) | Self::GenesisJson(_) => "genesis",
            Self::NotCertified(ReceiptError::Genesis(_)) => "genesis",
            Self::Pin(_) => "argument",
            Self::Key(_) | Self::OtherKey => "key",
            Self::Receipt(_) | Self::NotCertified(_) | Self::Result(_) => "receipt",
        }
    }
}

/// Checks that validators certified the receipt, and, with key and proof, that the proof is the one
/// of the receipt and holds.
pub(crate) fn answer(rooms: &Rooms) -> Result<Certified, Failure> {
    let asked = rooms.asked()?;
    let pin = asked.pin.as_deref().map(str::parse).transpose().map_err(ReceiptFailure::Pin)?;
    let genesis = genesis(rooms.need(Room::Genesis)?)?;
    let certified = ReceiptProof::from_bytes(rooms.need(Room::Receipt)?);
    let certified = certified.map_err(ReceiptFailure::Receipt)?;
    let height = certified.verify(&genesis, pin).map_err(ReceiptFailure::from)?;
    let receipt = certified.receipt;
    let proof = match (rooms.get(Room::Key)?, rooms.get(Room::Proof)?) {
        (None, None) => None,
        (None, Some(_)) => return Err(Failure::Missing(Room::Key)),
        (Some(_), None) => return Err(Failure::Missing(Room::Proof)),
        (Some(keys), Some(bundle)) => {
            let keys = keys_of(keys)?;
            let key = keys.iter().find(|key| receipt.key == key.digest().into());
            let key = key.ok_or(ReceiptFailure::OtherKey)?;
            let ordered = (receipt.job, receipt.input);
            let checked = check_result(ordered, key, &receipt, (bundle, &asked.policy()));
            let (bundle, verified) = checked.map_err(ReceiptFailure::from)?;
            // Proofs for jobs are bound to nothing, which has been checked; asking for more fails.
            asked.context()?.map(|context| bundle.check_context(context)).transpose()?;
            Some(Valid { context_checked: true, ..Valid::new(verified) })
        }
    };
    Ok(Certified { height, receipt, proof })
}

/// The keys of a key file, or one key as a model's card on the network holds it.
fn keys_of(bytes: &[u8]) -> Result<Vec<Key>, Failure> {
    if Route::of_key(bytes).is_some() {
        return Ok(vec![Key::from_bytes(bytes).map_err(ReceiptFailure::Key)?]);
    }
    Ok(KeyRing::from_bytes(bytes)?.keys().cloned().collect())
}

fn genesis(bytes: &[u8]) -> Result<Genesis, ReceiptFailure> {
    if bytes.first() == Some(&b'{') {
        return serde_json::from_slice(bytes).map_err(ReceiptFailure::GenesisJson);
    }
    Genesis::from_bytes(bytes).map_err(ReceiptFailure::Genesis)
}
