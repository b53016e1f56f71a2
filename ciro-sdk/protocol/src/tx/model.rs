//! Models.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::id::ModelId;
use crate::model::{Listing, ModelCard};

/// Registers a model, for a deposit by its size.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterModel {
    /// What it is, for good. Its owner is the transaction's account.
    pub card: ModelCard,
    /// Who may prove it.
    pub listing: Listing,
}

/// Changes who may prove a model.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateModel {
    /// The model.
    pub model: ModelId,
    /// The new listing.
    pub listing: Listing,
}

/// Ends a model: no further orders, the deposit comes back.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct RetireModel {
    /// The model.
    pub model: ModelId,
}
