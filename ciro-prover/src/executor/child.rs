//! The child's side.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Instant;

use ciro_protocol::blob::BlobId;
#[cfg(feature = "cairo")]
use ciro_sdk::network::is_program_key;
use ciro_sdk::network::{VERIFIER, verify_stated};
#[cfg(feature = "cairo")]
use ciro_sdk::program::job::JobProgram;
use ciro_sdk::{CostEstimate, Key, Model, ProveSettings, Prover, error_chain, files};

use super::input::{self, Ordered};
#[cfg(feature = "cairo")]
use super::program;
use super::protocol::{
    Fault, MESSAGE_BYTES_MAX, Message, Prepared, Proof, ProofTask, Reply, Task, frame, read,
};

/// Provers that a child keeps: each holds a model and the columns that commit to it.
const KEPT: usize = 4;

pub(super) type Failed = (Fault, String);

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
    while let Some(message) = next(&mut input)? {
        let reply = answer(&mut kept, &message, max_memory);
        let reply = reply.unwrap_or_else(|(fault, reason)| Reply::Failed(fault, reason));
        output.write_all(&frame(&reply)?)?;
        output.flush()?;
    }
    Ok(())
}

/// What proves under a key, with the key's bytes that it was asked for by.
struct Kept {
    bytes: Vec<u8>,
    ready: Ready,
    prepared: Prepared,
}

/// What proves.
enum Ready {
    Model(Box<(Key, Prover)>),
    #[cfg(feature = "cairo")]
    Program(Box<JobProgram>),
}

/// Code, stacks and what the allocator keeps beside a proof, in MiB of address space.
const SPACE_BESIDE_MB: u64 = 4096;

fn limit_memory(memory_mb: u64) -> io::Result<()> {
    let bytes = memory_mb.saturating_add(SPACE_BESIDE_MB).saturating_mul(1 << 20);
    rlimit::setrlimit(rlimit::Resource::AS, bytes, bytes)
}

fn next(input: &mut impl Read) -> io::Result<Option<Message>> {
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

fn answer(kept: &mut VecDeque<Kept>, message: &Message, max_memory: u64) -> Result<Reply, Failed> {
    let (Message::Do(task) | Message::Look(task)) = message;
    let Kept { bytes, ready, prepared } = prepare(kept, task, max_memory)?;
    let Some(proof) = &task.proof else { return Ok(Reply::Prepared(*prepared)) };
    if let Message::Look(_) = message {
        return look(ready, proof, max_memory).map(|()| Reply::Looked);
    }
    let begun = Instant::now();
    let bundle = prove(ready, proof, max_memory)?;
    let proven = keep(proof, bytes, &bundle)?;
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
    let path = Path::new(&task.model);
    let bytes = task.key.clone();
    #[cfg(feature = "cairo")]
    if is_program_key(&bytes) {
        let program = program::load(path, &bytes)?;
        let prepared = prepared(&program.estimate());
        return Ok(Kept { bytes, ready: Ready::Program(Box::new(program)), prepared });
    }
    let key = Key::from_bytes(&bytes).map_err(|error| machine(error_chain(&error)))?;
    let model = Model::load(path).map_err(|error| machine(error_chain(&error)))?;
    let other = || machine("the model is another one than the key's");
    if model.interface() != *key.interface() {
        return Err(other());
    }
    let settings =
        ProveSettings { max_memory_bytes: Some(max_memory), ..ProveSettings::of(key.kind()) };
    let prover = Prover::showing(&model, &settings, &key.visibilities())
        .map_err(|error| machine(error_chain(&error)))?;
    if prover.key() != key {
        return Err(other());
    }
    let prepared = prepared(&prover.estimate());
    Ok(Kept { bytes, ready: Ready::Model(Box::new((key, prover))), prepared })
}

fn prepared(estimate: &CostEstimate) -> Prepared {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a prediction is rounded, and never negative"
    )]
    let prove_ms = estimate.prove_ms.ceil() as u64;
    let memory_mb = u32::try_from(estimate.memory_bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX);
    Prepared { memory_mb, prove_ms, proof_bytes: estimate.proof_bytes }
}

/// Looks whether an order can be answered, as far as that shows without a proof.
#[cfg_attr(not(feature = "cairo"), expect(unused_variables, reason = "programs alone are run"))]
fn look(ready: &Ready, task: &ProofTask, max_memory: u64) -> Result<(), Failed> {
    match ready {
        Ready::Model(model) => ordered(task, &model.0).map(drop),
        #[cfg(feature = "cairo")]
        Ready::Program(program) => program::look(program, task, max_memory),
    }
}

/// Reads what goes into a model.
fn ordered(task: &ProofTask, key: &Key) -> Result<Ordered, Failed> {
    let input = std::fs::read(&task.input)
        .map_err(|error| machine(format!("cannot read the input: {error}")))?;
    input::read(&input, key, (task.statement, task.sealed.as_ref()))
        .map_err(|reason| (Fault::Input, reason))
}

/// Makes a bundle.
fn prove(ready: &Ready, task: &ProofTask, max_memory: u64) -> Result<Vec<u8>, Failed> {
    let (key, prover) = match ready {
        Ready::Model(model) => (&model.0, &model.1),
        #[cfg(feature = "cairo")]
        Ready::Program(program) => return program::prove(program, task, max_memory),
    };
    let proven = match ordered(task, key)? {
        Ordered::Open(stated) => prover.prove_stated(&stated, Some(max_memory)),
        Ordered::Sealed(secret) => prover.prove_secret(&secret, Some(max_memory)),
    };
    Ok(proven.map_err(|error| machine(error_chain(&error)))?.bundle.to_bytes())
}

/// Verifies a bundle as validators do, and keeps it under its id.
fn keep(task: &ProofTask, key: &[u8], bundle: &[u8]) -> Result<Proof, Failed> {
    let length = u64::try_from(bundle.len()).unwrap_or(u64::MAX);
    if length > task.bundle_bytes_max {
        let max = task.bundle_bytes_max;
        return Err(machine(format!("the bundle has {length} bytes, the network takes {max}")));
    }
    // A proof that does not hold costs a part of the bond: it is shown to nobody.
    let stated = verify_stated(VERIFIER, key, bundle)
        .map_err(|error| (Fault::Unverified, error_chain(&error)))?;
    let id = BlobId::of(bundle).map_err(|error| machine(error.to_string()))?;
    files::write_durably(&Path::new(&task.bundles).join(id.to_string()), bundle)
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

pub(super) fn machine(reason: impl Into<String>) -> Failed {
    (Fault::Machine, reason.into())
}
