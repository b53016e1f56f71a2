#![doc = include_str!("../README.md")]

pub mod amount;
pub mod api;
pub mod batch;
pub mod blob;
pub mod bridge;
pub mod chain;
pub mod economy;
pub mod event;
mod fees;
pub mod id;
pub mod light;
pub mod model;
pub mod order;
pub mod provider;
pub mod receipt;
pub mod refusal;
pub mod sign;
pub mod text;
pub mod tx;
pub mod wire;

pub use amount::Amount;
pub use batch::{Batch, SignedBatch};
pub use blob::{BlobId, BlobList};
pub use chain::{ChainSpec, Genesis};
pub use event::Event;
pub use id::{
    Chain, InputDigest, JobId, KeyDigest, ModelId, OutputDigest, ProviderId, ReceiptDigest,
    SubmitterId, TxId,
};
pub use light::ReceiptProof;
pub use model::ModelCard;
pub use order::JobOrder;
pub use receipt::Receipt;
pub use refusal::Refusal;
pub use sign::{Address, SecretKey, Signed};
pub use tx::{Body, SignedTx, Transaction};
pub use wire::{DecodeError, Message};
