#![doc = include_str!("../README.md")]

mod block;
mod certificate;
pub mod crypto;
mod drive;
mod drops;
pub mod evidence;
mod forensics;
mod fork;
mod handle;
mod io;
mod light;
mod merkle;
pub mod message;
mod mutation;
pub mod new_view;
mod observers;
mod params;
mod pending;
mod pin;
mod record;
mod replica;
mod slot;
mod snapshot;
mod stake;
mod stash;
mod statement;
mod types;
pub mod wire;

pub use block::{
    Breach, CommittedBlock, Content, Header, Link, Operation, Proposal, executed_digest,
};
pub use certificate::{Certificate, CertificateError, Committee};
pub use drive::{Host, Write, perform};
pub use drops::Dropped;
pub use forensics::{ForensicReport, Forensics};
pub use fork::{Contradiction, ForkProof, ForkProofError};
pub use io::{Block, Effect, Fault, Input, StateRequest, Timer};
pub use light::{FINALITY_BYTES_MAX, Finality, LightClient, LightError};
#[cfg(feature = "mutations")]
pub use mutation::Mutation;
pub use observers::Observers;
pub use params::{
    CHECKPOINT_INTERVAL_MAX, CLIENTS_MAX, EPOCH_LENGTH_MAX, EVIDENCE_PER_BLOCK_MAX,
    OPERATIONS_PER_BLOCK_MAX, Params, ParamsError,
};
pub use pin::{Pin, PinError};
pub use record::{Accepted, Base, RECORD_BYTES_MAX, Record};
pub use replica::{Footprint, Genesis, Identity, OpenError, Replica};
pub use snapshot::{CheckpointRoots, EpochProof, Snapshot, StableCheckpoint};
pub use stake::{StakeChange, Tally, VALIDATORS_MAX, Validator, ValidatorSet, ValidatorSetError};
pub use statement::{Kind, Statement};
pub use types::{ChainId, ClientId, Digest, Epoch, Nonce, ReplicaId, Seq, View};
pub use wire::{WIRE_VERSION, WireError};
