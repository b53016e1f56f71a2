//! What ties a proof to one key.

use blake2::{Blake2s256, Digest};
use ciro_model::integer::{IntegerModel, Interface};
use starknet_types_core::felt::Felt;

/// The digest of an integer model and of what its inputs and outputs mean, as a number of 248 bits.
///
/// It is a constant of the model's program, which writes it at the front of every statement and
/// into every commitment to an input. Two models may compile to equal bytecode, which knows no
/// names, scales or classes; their identities differ, so a proof about one is none about the other.
/// Equal digests of two models take a collision of Blake2s cut to 248 bits: 2^124 hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(pub(crate) Felt);

impl Identity {
    /// The identity of a model.
    pub fn of(model: &IntegerModel) -> Self {
        Self::new(model.digest(), &Interface::of(model))
    }

    /// `blake2s("ciro-cairo-identity/1" | digest of the model | interface)`, without the last byte.
    pub(crate) fn new(model: [u8; 32], interface: &Interface) -> Self {
        let interface = postcard::to_stdvec(interface);
        let mut hasher = Blake2s256::new();
        hasher.update(b"ciro-cairo-identity/1");
        hasher.update(model);
        hasher.update(interface.expect("a key holds nothing that postcard refuses"));
        let mut bytes: [u8; 32] = hasher.finalize().into();
        bytes[31] = 0;
        Self(Felt::from_bytes_le(&bytes))
    }
}
