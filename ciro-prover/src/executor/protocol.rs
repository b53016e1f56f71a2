//! What parent and child say to each other: a 32-bit length, then borsh.

use std::fmt;
use std::io;

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_protocol::blob::BlobId;
use ciro_protocol::id::{InputDigest, KeyDigest, OutputDigest, ProviderId};
use ciro_protocol::sign::Address;

/// The longest message, in bytes: a key and some paths.
pub(super) const MESSAGE_BYTES_MAX: u32 = 1 << 20;

/// What a child hears.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) enum Message {
    /// Do a task.
    Do(Task),
    /// Look whether a task can be done, as far as that shows without a proof.
    Look(Task),
}

/// What a child is asked to do.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Task {
    /// The file of the compiled model, or the executable of a program.
    pub model: String,
    /// The key's bytes: they decide route, preset and batch.
    pub key: Vec<u8>,
    /// What to prove; absent to prepare the prover alone.
    pub proof: Option<ProofTask>,
}

/// One proof.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ProofTask {
    /// The file of the input.
    pub input: String,
    /// What the order says that it holds.
    pub statement: InputDigest,
    /// Who ordered it, and who opens it with what, if it is sealed.
    pub sealed: Option<(Address, Unsealing)>,
    /// The folder that the bundle goes to, under its id.
    pub bundles: String,
    /// The longest bundle that the network takes.
    pub bundle_bytes_max: u64,
}

/// What opens a sealed input.
#[derive(Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Unsealing {
    /// The provider that it is sealed for.
    pub provider: ProviderId,
    /// The bytes that the provider's secret follows from: not the key of its account.
    pub secret: [u8; 32],
}

impl fmt::Debug for Unsealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unsealing({})", self.provider)
    }
}

/// What a child answers.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) enum Reply {
    /// The prover is ready.
    Prepared(Prepared),
    /// The task can be done.
    Looked,
    /// There is a proof, which was verified.
    Proven(Proof),
    /// There is none.
    Failed(Fault, String),
}

/// What a prepared model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Prepared {
    /// Memory of a proof, in MiB.
    pub memory_mb: u32,
    /// Time of a proof on the machine that the estimate is made for, in ms.
    pub prove_ms: u64,
    /// What a proof is expected to have, in bytes.
    pub proof_bytes: u64,
}

/// A proof that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Proof {
    /// The key.
    pub key: KeyDigest,
    /// What goes in.
    pub input: InputDigest,
    /// What comes out.
    pub output: OutputDigest,
    /// The bundle, a file of this name.
    pub bundle: BlobId,
    /// Its length, in bytes.
    pub bundle_bytes: u64,
    /// Milliseconds of proving.
    pub prove_ms: u64,
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) enum Fault {
    /// The input's: not the order's, or none that the model or the program takes.
    Input,
    /// The machine's, or the model's: it cannot be proven here.
    Machine,
    /// The proof does not verify.
    Unverified,
}

/// Spells a message.
pub(super) fn frame<T: BorshSerialize>(message: &T) -> io::Result<Vec<u8>> {
    let body = borsh::to_vec(message)?;
    let length = u32::try_from(body.len()).ok().filter(|length| *length <= MESSAGE_BYTES_MAX);
    let length = length.ok_or_else(|| io::Error::other("a message to a child is too long"))?;
    Ok([&length.to_le_bytes()[..], &body].concat())
}

/// Reads a message's body.
pub(super) fn read<T: BorshDeserialize>(body: &[u8]) -> io::Result<T> {
    T::try_from_slice(body)
}
