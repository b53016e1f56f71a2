//! The child's side.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Instant;

use ciro_protocol::blob::BlobId;
use ciro_sdk::network::{VERIFIER, verify_stated};
use ciro_sdk::{Key, Model, ProveSettings, Prover, error_chain, files};

use super::input::{self, Ordered};
use super::protocol::{
    Fault, MESSAGE_BYTES_MAX, Prepared, Proof, ProofTask, Reply, Task, frame, read,
};

/// Provers that a child keeps: each holds a model and the columns that commit to it.
const KEPT: usize = 4;

type Failed = (Fault, String);

/// Answers tasks from standard input until it ends, within so many MiB of memory.
///
/// # Errors
///
/// What breaks the connection to the parent.
pub fn main(memory_mb: u64) -> io::Result<()> {
    limit_memory(memory_mb)?;
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut kept: VecDeque<Kept> = VecDeque::new();
    let max_memory = memory_mb.saturating_mul(1 << 20);
    while let Some(task) = next(&mut input)? {
        let reply = answer(&mut kept, &task, max_memory);
        let reply = reply.unwrap_or_else(|(fault, reason)| Reply::Failed(fault, reason));
        output.write_all(&frame(&reply)?)?;
        output.flush()?;
    }
    Ok(())
}

/// A prover with the key that it was asked for by.
struct Kept {
    bytes: Vec<u8>,
    key: Key,
    prover: Prover,
    prepared: Prepared,
}

/// Code, stacks and what the allocator keeps beside a proof, in MiB of address space.
const SPACE_BESIDE_MB: u64 = 4096;

fn limit_memory(memory_mb: u64) -> io::Result<()> {
    let bytes = memory_mb.saturating_add(SPACE_BESIDE_MB).saturating_mul(1 << 20);
    rlimit::setrlimit(rlimit::Resource::AS, bytes, bytes)
}

fn next(input: &mut impl Read) -> io::Result<Option<Task>> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_le_bytes(length);
    if length > MESSAGE_BYTES_MAX {
        return Err(io::Error::other("a message from the parent is too long"));
    }
    let mut body = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    input.read_exact(&mut body)?;
    read(&body).map(Some)
}

fn answer(kept: &mut VecDeque<Kept>, task: &Task, max_memory: u64) -> Result<Reply, Failed> {
    let Kept { bytes, key, prover, prepared } = prepare(kept, task, max_memory)?;
    let Some(proof) = &task.proof else { return Ok(Reply::Prepared(*prepared)) };
    let begun = Instant::now();
    let proven = prove(proof, (bytes, key, prover), max_memory)?;
    let prove_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Reply::Proven(Proof { prove_ms, ..proven }))
}

/// Finds or makes the prover of a key, the one that was used last in front.
fn prepare<'k>(
    kept: &'k mut VecDeque<Kept>,
    task: &Task,
    max_memory: u64,
) -> Result<&'k Kept, Failed> {
    let place = kept.iter().position(|kept| kept.bytes == task.key);
    let found = match place.and_then(|place| kept.remove(place)) {
        Some(found) => found,
        None => make(task, max_memory)?,
    };
    kept.truncate(KEPT - 1);
    kept.push_front(found);
    kept.front().ok_or_else(|| machine("no prover"))
}

fn make(task: &Task, max_memory: u64) -> Result<Kept, Failed> {
    let key = Key::from_bytes(&task.key).map_err(|error| machine(error_chain(&error)))?;
    let model =
        Model::load(Path::new(&task.model)).map_err(|error| machine(error_chain(&error)))?;
    let other = || machine("the model is another one than the key's");
    if model.interface() != *key.interface() {
        return Err(other());
    }
    let settings =
        ProveSettings { max_memory_bytes: Some(max_memory), ..ProveSettings::of(key.kind()) };
    let prover = Prover::showing(&model, &settings, &key.visibilities())
        .map_err(|error| machine(error_chain(&error)))?;
    let estimate = prover.estimate();
    if prover.key() != key {
        return Err(other());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a prediction is rounded, and never negative"
    )]
    let prove_ms = estimate.prove_ms.ceil() as u64;
    let memory_mb = u32::try_from(estimate.memory_bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX);
    let prepared = Prepared { memory_mb, prove_ms, proof_bytes: estimate.proof_bytes };
    Ok(Kept { bytes: task.key.clone(), key, prover, prepared })
}

fn prove(
    task: &ProofTask,
    (bytes, key, prover): (&[u8], &Key, &Prover),
    max_memory: u64,
) -> Result<Proof, Failed> {
    let input = std::fs::read(&task.input)
        .map_err(|error| machine(format!("cannot read the input: {error}")))?;
    let ordered = input::read(&input, key, (task.statement, task.sealed.as_ref()));
    let proven = match ordered.map_err(|reason| (Fault::Input, reason))? {
        Ordered::Open(stated) => prover.prove_stated(&stated, Some(max_memory)),
        Ordered::Sealed(secret) => prover.prove_secret(&secret, Some(max_memory)),
    };
    let proven = proven.map_err(|error| machine(error_chain(&error)))?;
    let bundle = proven.bundle.to_bytes();
    let length = u64::try_from(bundle.len()).unwrap_or(u64::MAX);
    if length > task.bundle_bytes_max {
        let max = task.bundle_bytes_max;
        return Err(machine(format!("the bundle has {length} bytes, the network takes {max}")));
    }
    // A proof that does not hold costs a part of the bond: it is shown to nobody.
    let stated = verify_stated(VERIFIER, bytes, &bundle)
        .map_err(|error| (Fault::Unverified, error_chain(&error)))?;
    let id = BlobId::of(&bundle).map_err(|error| machine(error.to_string()))?;
    files::write_durably(&Path::new(&task.bundles).join(id.to_string()), &bundle)
        .map_err(|error| machine(error_chain(&error)))?;
    Ok(Proof {
        key: stated.key,
        input: stated.input,
        output: stated.output,
        bundle: id,
        bundle_bytes: length,
        prove_ms: 0,
    })
}

fn machine(reason: impl Into<String>) -> Failed {
    (Fault::Machine, reason.into())
}
