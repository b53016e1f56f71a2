//! What the worker wants, done.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_protocol::api::{Code, JobState};
use ciro_protocol::blob::BlobId;
use ciro_protocol::id::{InputDigest, JobId};
use ciro_protocol::order::JobOrder;
use ciro_protocol::receipt::Outcome;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::{Body, Claim, Proven, Release, SignedTx, SubmitProof};
use ciro_protocol::wire::Message as _;
use ciro_sdk::client::{Client, ClientError};
use ciro_sdk::error_chain;
use ciro_sdk::network::is_program_key;

use super::keep::{NotKept, keep, remove, sweep};
use super::known::Entry;
use super::{Shell, ShellError, Task};
use crate::executor::{self, Failure, Pool, Unsealing};
use crate::queue::JobQueue as _;
use crate::worker::{
    Answer, Deed, Effect, FetchError, Input, Place, ProveError, ProveTask, Row, Sighting, Standing,
    State,
};

/// The pause after a node that did not say who ordered a job.
const PAUSE: Duration = Duration::from_millis(500);

/// The longest that a program may run before its job is claimed: others wait for it.
const RUN_MAX: Duration = Duration::from_secs(30);

/// What makes equal transactions of a worker equal.
#[derive(BorshSerialize, BorshDeserialize)]
struct Salted {
    job: JobId,
    attempt: u8,
    deed: u8,
    until_ms: u64,
}

impl ciro_protocol::wire::Message for Salted {
    const NAME: &'static str = "CIRO_WORKER_SALT_V1";
    const BYTES_MAX: usize = 64;
}

impl Shell {
    /// Performs one effect. Rows are durable before anything leaves that rests on them.
    pub(super) async fn perform(&mut self, effect: Effect) -> Result<(), ShellError> {
        match effect {
            Effect::Save(row) => self.journal.save(&row)?,
            Effect::Forget(job, attempt) => self.journal.forget(job, attempt)?,
            Effect::Ack(position) => {
                self.journal.sync()?;
                if let Err(error) = self.queue.ack(position).await {
                    tracing::warn!(%error, "a record will come again");
                }
            }
            Effect::Ask(job) => {
                let client = self.client.clone();
                self.spawn(Task::Ask(job), async move { ask(&client, job).await });
            }
            Effect::Send { deed, job, attempt, until_ms } => {
                self.journal.sync()?;
                self.send((deed, job, attempt), until_ms);
            }
            Effect::Unjail { until_ms } => self.unjail(until_ms),
            Effect::Look(task) => self.look(*task),
            Effect::Fetch(blob) => self.fetch(blob),
            Effect::Prove(task) => self.prove(*task),
            Effect::Kill(job, attempt) => {
                if let Some(child) = self.running.remove(&Task::Prove(job, attempt)) {
                    child.abort();
                }
            }
            Effect::Store(bundle) => self.store(bundle),
            Effect::Again(from) => self.queue.again(from),
            Effect::Progress(job, attempt, state) => {
                tracing::info!(%job, attempt, state = state.name(), "progress");
                if state.is_end() || state == State::Seen {
                    self.tidy((job, attempt));
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, (deed, job, attempt): (Deed, JobId, u8), until_ms: u64) {
        let body = match deed {
            Deed::Claim => Body::Claim(Claim { job, attempt }),
            Deed::Release(reason) => Body::Release(Release { job, attempt, reason }),
            Deed::Submit(proven) => Body::SubmitProof(SubmitProof { job, attempt, proven }),
        };
        let kind = match deed {
            Deed::Claim => 0,
            Deed::Release(_) => 1,
            Deed::Submit(_) => 2,
        };
        let digest = Salted { job, attempt, deed: kind, until_ms }.digest();
        let mut salt = [0; 16];
        salt.copy_from_slice(&digest[..16]);
        let Some(tx) = self.signed(body, (salt, until_ms)) else { return };
        let client = self.client.clone();
        let evidence = match deed {
            Deed::Submit(proven) => Some(self.evidence(&proven)),
            _ => None,
        };
        self.spawn(Task::Send(tx.body.id()), async move {
            match sent(&client, &tx, evidence.as_ref()).await {
                Ok(refused) => {
                    vec![Input::Answered(Answer { deed, job, attempt, until_ms, refused })]
                }
                // The worker sends it again, for as long as it makes sense.
                Err(error) => {
                    tracing::warn!(%error, %job, attempt, "a transaction did not arrive");
                    Vec::new()
                }
            }
        });
    }

    fn signed(&self, body: Body, salted: ([u8; 16], u64)) -> Option<SignedTx> {
        let kind = body.kind();
        let signed = self.client.sign(&self.key, body, salted);
        signed
            .inspect_err(|error| tracing::error!(%error, kind, "a transaction cannot be signed"))
            .ok()
    }

    fn unjail(&mut self, until_ms: u64) {
        let mut salt = [0; 16];
        salt[..8].copy_from_slice(&until_ms.to_be_bytes());
        let Some(tx) = self.signed(Body::Unjail, (salt, until_ms)) else { return };
        let client = self.client.clone();
        self.spawn(Task::Unjail, async move {
            match sent(&client, &tx, None).await {
                Ok(None) => tracing::info!("the provider has left jail"),
                Ok(Some(refused)) => {
                    tracing::warn!(refused = refused.name(), "the provider stays in jail");
                }
                Err(error) => tracing::warn!(%error, "a transaction did not arrive"),
            }
            Vec::new()
        });
    }

    fn fetch(&mut self, blob: BlobId) {
        let (client, path) = (self.client.clone(), self.input_file(blob));
        let rows = self.worker.rows().filter(|row| row.order.input.blob == blob);
        let max = rows.map(|row| row.order.input.bytes).max().unwrap_or(0);
        self.spawn(Task::Fetch(blob), async move {
            let fetched = fetched(&client, &path, (blob, max)).await;
            fetched.map(|result| Input::Blob(blob, result)).into_iter().collect()
        });
    }

    /// Fetches the input of a job that is not claimed yet, and reads it.
    fn look(&mut self, task: ProveTask) {
        let ProveTask { job, attempt, order } = task;
        let Some(entry) = self.catalog.entry(order.key) else {
            tracing::error!(%job, "the key of a job that is looked at is not proven here");
            return;
        };
        let (client, blob) = (self.client.clone(), order.input.blob);
        let (path, run) = (self.input_file(blob), self.run_of(&entry, &order));
        let sealed = (!order.input.recipients.is_empty()).then(|| self.unsealing.clone());
        self.spawn(Task::Look(job, attempt), async move {
            let result = match fetched(&client, &path, (blob, order.input.bytes)).await {
                None => return Vec::new(),
                Some(Err(error)) => Err(error),
                Some(Ok(())) => match (owned(&client, job, sealed).await, run) {
                    // An input that is sealed is none of a program: its proof would show it.
                    (Ok(None), Some((pool, task))) => ran(&pool, &task).await,
                    (Ok(sealed), _) => read(path, entry.key, (order.input.statement, sealed)).await,
                    // The node may not have executed the order yet.
                    (Err(error), _)
                        if error.is_transient() || error.code() == Some(Code::NotFound) =>
                    {
                        return Vec::new();
                    }
                    (Err(_), _) => Err(FetchError::Unavailable),
                },
            };
            if let Err(error) = result {
                tracing::warn!(%error, %job, attempt, "the input of a job is not here");
            }
            vec![Input::Looked(job, attempt, result)]
        });
    }

    /// What a child runs before a job is claimed: a program, and no model.
    fn run_of(&self, entry: &Entry, order: &JobOrder) -> Option<(Pool, executor::Task)> {
        let program = is_program_key(&entry.key);
        program.then(|| {
            let proof = Some(self.proof_task(order));
            (self.pool.clone(), executor::Task { proof, ..child_task(entry.clone()) })
        })
    }

    /// What a child is asked to prove, without what opens a sealed input.
    fn proof_task(&self, order: &JobOrder) -> executor::ProofTask {
        executor::ProofTask {
            input: self.input_file(order.input.blob).to_string_lossy().into_owned(),
            statement: order.input.statement,
            sealed: None,
            bundles: self.data.join("bundles").to_string_lossy().into_owned(),
            bundle_bytes_max: self.client.spec().limits.bundle_bytes,
        }
    }

    fn prove(&mut self, task: ProveTask) {
        let ProveTask { job, attempt, order } = task;
        let Some(entry) = self.catalog.entry(order.key) else {
            tracing::error!(%job, "the model of a job that is held is not here");
            return;
        };
        let sealed = (!order.input.recipients.is_empty()).then(|| self.unsealing.clone());
        let program = is_program_key(&entry.key).then(|| Arc::clone(&self.catalog));
        let (proof, child) = (self.proof_task(&order), child_task(entry));
        let verifier = self.client.spec().verifier;
        let (client, pool) = (self.client.clone(), self.pool.clone());
        self.spawn(Task::Prove(job, attempt), async move {
            // Whoever gives the job up ends this.
            let sealed = loop {
                match owned(&client, job, sealed.clone()).await {
                    Ok(sealed) => break sealed,
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            };
            let proof = Some(executor::ProofTask { sealed, ..proof });
            let child = executor::Task { proof, ..child };
            let result = proven(&pool, &child, verifier).await.map_err(|error| {
                tracing::error!(%error, %job, attempt, "there is no proof");
                match error {
                    Failure::Input(_) => ProveError::Input,
                    Failure::Unverified(_) => ProveError::Unverified,
                    _ => ProveError::Child,
                }
            });
            let mut heard = vec![Input::Proof(job, attempt, result)];
            if let (Err(_), Some(catalog)) = (result, program) {
                tracing::warn!(key = %order.key, "no more jobs of this program are taken");
                catalog.stop(order.key);
                heard.push(Input::Models(catalog.served()));
            }
            heard
        });
    }

    fn store(&mut self, bundle: BlobId) {
        let row = self.worker.rows().find(|row| row.proven.is_some_and(|it| it.bundle == bundle));
        let Some(proven) = row.and_then(|row| row.proven) else { return };
        let (client, evidence) = (self.client.clone(), self.evidence(&proven));
        self.spawn(Task::Store(bundle), async move {
            match evidence.upload(&client).await {
                Ok(()) => vec![Input::Stored(bundle)],
                Err(error) => {
                    tracing::warn!(%error, %bundle, "a bundle is not at a node yet");
                    Vec::new()
                }
            }
        });
    }

    fn input_file(&self, blob: BlobId) -> PathBuf {
        self.data.join("inputs").join(blob.to_string())
    }

    /// Removes all inputs that no attempt needs: of attempts that were forgotten before they were
    /// claimed, and what arrived after its attempt was over.
    pub(super) fn sweep(&self) {
        let live = self.worker.rows().filter(|row| needs_files(row));
        let needed: BTreeSet<BlobId> = live.map(|row| row.order.input.blob).collect();
        sweep(&self.data.join("inputs"), |file| {
            // Another name is that of a file that is being written.
            let name = file.file_name().and_then(OsStr::to_str);
            let blob = name.and_then(|name| name.parse::<BlobId>().ok());
            blob.is_some_and(|blob| !needed.contains(&blob))
        });
    }

    /// Removes the files of an attempt that is over, or waits to be looked at again, unless another
    /// one has the same.
    fn tidy(&mut self, over: (JobId, u8)) {
        if let Some(look) = self.running.remove(&Task::Look(over.0, over.1)) {
            look.abort();
        }
        let Some(row) = self.worker.rows().find(|row| (row.job, row.attempt) == over) else {
            return;
        };
        let live = || self.worker.rows().filter(|row| needs_files(row));
        let input = row.order.input.blob;
        let needs_input = live().any(|row| row.order.input.blob == input);
        let bundle = row.proven.map(|proven| proven.bundle);
        let bundle = bundle.filter(|bundle| {
            !live().any(|row| row.proven.is_some_and(|proven| proven.bundle == *bundle))
        });
        let input = (!needs_input).then(|| self.input_file(input));
        let bundle = bundle.map(|bundle| self.data.join("bundles").join(bundle.to_string()));
        for path in input.into_iter().chain(bundle) {
            remove(&path);
        }
    }

    fn evidence(&self, proven: &Proven) -> Evidence {
        let bundle = self.data.join("bundles").join(proven.bundle.to_string());
        Evidence { bundle, key: self.catalog.entry(proven.key).map(|entry| entry.key) }
    }
}

/// Whether an attempt goes on with its files: it is not over, nor is its input to be looked at.
pub(super) fn needs_files(row: &Row) -> bool {
    !row.state.is_end() && row.state != State::Seen
}

/// Sees to it that an input of at most so many bytes is in a file; `None` if nobody knows yet.
async fn fetched(
    client: &Client,
    path: &Path,
    (blob, bytes): (BlobId, u64),
) -> Option<Result<(), FetchError>> {
    let max = bytes.min(client.spec().limits.input_bytes);
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    Some(match keep(client, path, blob, max).await {
        Ok(()) => Ok(()),
        Err(NotKept::File(error)) => {
            let error = error_chain(&error);
            tracing::error!(error, %blob, "an input cannot be kept");
            Err(FetchError::Local)
        }
        // A node that does not answer says nothing of the input.
        Err(NotKept::Client(error)) if error.is_transient() => {
            tracing::warn!(%error, %blob, "an input is not here yet");
            return None;
        }
        Err(NotKept::Client(error)) => {
            tracing::warn!(%error, %blob, "an input cannot be had");
            Err(FetchError::Unavailable)
        }
    })
}

/// Finds out whose order a sealed input must be for. The job's id proves what the node says, as it
/// is the hash of the signed order.
async fn owned(
    client: &Client,
    job: JobId,
    sealed: Option<Unsealing>,
) -> Result<Option<(Address, Unsealing)>, ClientError> {
    let Some(unsealing) = sealed else { return Ok(None) };
    let info = client.job_info(job).await.inspect_err(|error| {
        tracing::warn!(%error, %job, "the node does not say who ordered a job");
    })?;
    Ok(Some((info.requester, unsealing)))
}

/// What a child is asked about a key, without what to prove.
fn child_task(entry: Entry) -> executor::Task {
    let model = entry.model.to_string_lossy().into_owned();
    executor::Task { model, key: entry.key, proof: None }
}

/// Has a child run a program on the arguments that an order states. What does not run within its
/// key's steps, prints something else or ends the child is not claimed, whatever it is.
async fn ran(pool: &Pool, task: &executor::Task) -> Result<(), FetchError> {
    pool.look(task, RUN_MAX).await.map_err(|error| {
        tracing::warn!(%error, "a program does not answer an order");
        FetchError::Unreadable
    })
}

/// Reads whether a file holds the input that an order states.
async fn read(
    path: PathBuf,
    key: Vec<u8>,
    (statement, sealed): (InputDigest, Option<(Address, Unsealing)>),
) -> Result<(), FetchError> {
    let read = tokio::task::spawn_blocking(move || {
        let bytes = std::fs::read(&path).map_err(|error| {
            tracing::error!(%error, file = %path.display(), "an input cannot be read");
            FetchError::Local
        })?;
        executor::look(&bytes, &key, (statement, sealed.as_ref())).map_err(|reason| {
            tracing::warn!(reason, "an input is not the order's");
            FetchError::Unreadable
        })
    });
    // Whatever makes a reader panic is not claimed.
    read.await.unwrap_or(Err(FetchError::Unreadable))
}

/// What a proof is judged by: its bundle, in a file, and its key.
struct Evidence {
    bundle: PathBuf,
    key: Option<Vec<u8>>,
}

impl Evidence {
    /// Brings to the node what of it is here.
    async fn upload(&self, client: &Client) -> Result<(), ClientError> {
        let bundle = std::fs::read(&self.bundle).ok();
        for blob in bundle.iter().chain(&self.key) {
            client.upload(blob).await?;
        }
        Ok(())
    }
}

/// Sends a transaction and waits for what becomes of it: `Some` if it changed nothing.
async fn sent(
    client: &Client,
    tx: &SignedTx,
    evidence: Option<&Evidence>,
) -> Result<Option<Refusal>, ClientError> {
    let answer = |error: ClientError| match &error {
        ClientError::Refused { refusal, .. } => Ok(Some(*refusal)),
        ClientError::Expired(_) => Ok(Some(Refusal::Expired)),
        _ => match error.code() {
            Some(Code::Refused(refusal)) => Ok(Some(refusal)),
            _ => Err(error),
        },
    };
    if let Err(error) = client.send(tx).await {
        if let (Some(Code::BlobMissing), Some(evidence)) = (error.code(), evidence) {
            evidence.upload(client).await?;
            return Err(error);
        }
        return answer(error);
    }
    match client.executed(tx).await {
        Ok(_) => Ok(None),
        Err(error) => answer(error),
    }
}

async fn proven(pool: &Pool, task: &executor::Task, verifier: u8) -> Result<Proven, Failure> {
    let proof = pool.prove(task).await?;
    let key_blob = BlobId::of(&task.key).map_err(|error| Failure::Machine(error.to_string()))?;
    tracing::info!(prove_ms = proof.prove_ms, bundle = %proof.bundle, "proven and verified");
    Ok(Proven {
        verifier,
        key_blob,
        bundle: proof.bundle,
        bundle_bytes: proof.bundle_bytes,
        key: proof.key,
        input: proof.input,
        output: proof.output,
    })
}

/// Asks how a job stands. The place is the head from before the question: what happened up to it
/// is part of the answer.
async fn ask(client: &Client, job: JobId) -> Vec<Input> {
    let standing = async {
        let head = client.chain_info().await?.head;
        let standing = match client.job_info(job).await {
            Ok(info) => match (info.state, info.held, info.receipt) {
                (JobState::Open, ..) => Standing::Open { attempt: info.attempt },
                (JobState::Claimed, Some(held), _) => Standing::Claimed {
                    attempt: info.attempt,
                    provider: held.provider,
                    lease_until_ms: held.lease_until_ms,
                },
                (JobState::Claimed, None, _) => {
                    let reason = "it is claimed by nobody".to_owned();
                    return Err(ClientError::Answer { what: "a job", reason });
                }
                (JobState::Settled | JobState::Refunded, _, receipt) => {
                    let by = receipt.and_then(|receipt| match receipt.outcome {
                        Outcome::Settled(settled) => Some(settled.provider),
                        Outcome::Refunded { .. } => None,
                    });
                    Standing::Ended { by }
                }
            },
            Err(error) if error.code() == Some(Code::NotFound) => Standing::Unknown,
            Err(error) => return Err(error),
        };
        let place = Place { height: head.height, index: u32::MAX };
        Ok(Sighting { place, time_ms: head.time_ms, job, standing })
    };
    match standing.await {
        Ok(sighting) => vec![Input::Ledger(sighting)],
        Err(error) => {
            tracing::warn!(%error, %job, "the node does not say how a job stands");
            Vec::new()
        }
    }
}
