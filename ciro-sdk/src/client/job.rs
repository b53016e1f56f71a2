//! Jobs: ordered, waited for, and verified before the user sees what came back.

use std::time::{Duration, Instant};

use ciro_protocol::amount::Amount;
use ciro_protocol::api::{self, Code, JobInfo, JobState};
use ciro_protocol::blob::BlobId;
use ciro_protocol::id::{Chain, InputDigest, JobId, KeyDigest, ModelId, ProviderId};
use ciro_protocol::light::ReceiptProof;
use ciro_protocol::order::{
    Class, Input, JobOrder, LISTED_MAX, Mode, Needs, Offer, Policy as OrderPolicy,
};
use ciro_protocol::receipt::{Outcome, Receipt};
use ciro_protocol::sign::{Address, KeyCache, SecretKey};
use ciro_protocol::tx::{Body, Cancel, SignedTx};
use ciro_protocol::wire::{Bytes, List, Message as _};
use ciro_stark::Policy;

use super::tx::AT_ONCE;
use super::{Client, ClientError, Executed, OrderInput, Terms, check_result};
use crate::network::{ResultError, SecretInputError, check_about, facts_of};
use crate::verify::{Key, Opening, ProofBundle, RealOutput, Side, Verified};

/// How often the node is asked for a job's state.
const LOOK: Duration = Duration::from_millis(500);

/// What is ordered.
#[derive(Clone, Debug)]
pub struct Submission<'a> {
    /// The registered model.
    pub model: ModelId,
    /// The key that the user computed or pinned.
    pub key: &'a Key,
    /// What goes in.
    pub input: &'a OrderInput,
    /// What is paid.
    pub terms: Terms,
    /// What the proof must be worth.
    pub policy: Policy,
    /// Up to 64 bytes of the user's own.
    pub memo: &'a [u8],
    /// Makes equal orders different; the same salt and terms within a minute are one order.
    pub salt: Option<[u8; 16]>,
}

impl<'a> Submission<'a> {
    /// An order under the default policy, without a memo, different from all others.
    pub fn new((model, terms): (ModelId, Terms), key: &'a Key, input: &'a OrderInput) -> Self {
        Self { model, key, input, terms, policy: Policy::default(), memo: &[], salt: None }
    }

    pub(super) fn ordered(&self) -> Ordered<'a> {
        let OrderInput { statement, bytes, recipients, requester } = self.input;
        Ordered {
            model: self.model,
            key: self.key.digest().into(),
            statement: statement.order_digest(self.key),
            bytes,
            recipients: recipients.clone(),
            requester: *requester,
            terms: self.terms,
            policy: self.policy.clone(),
            memo: self.memo,
            salt: self.salt,
        }
    }
}

/// What is ordered, whether of a model or of a program.
#[derive(Clone, Debug)]
pub(crate) struct Ordered<'a> {
    pub(crate) model: ModelId,
    pub(crate) key: KeyDigest,
    /// What the proof has to state as its input.
    pub(crate) statement: InputDigest,
    /// The input's bytes.
    pub(crate) bytes: &'a [u8],
    /// Who alone can read them; empty for everybody.
    pub(crate) recipients: List<ProviderId, LISTED_MAX>,
    /// The account whose order it has to be, if the bytes are sealed for one.
    pub(crate) requester: Option<Address>,
    pub(crate) terms: Terms,
    pub(crate) policy: Policy,
    pub(crate) memo: &'a [u8],
    pub(crate) salt: Option<[u8; 16]>,
}

/// A job, with what its result has to answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// The key that its proof is verified with.
    pub key: Key,
    /// The integers that were ordered.
    pub input: InputDigest,
    /// What the proof must be worth.
    pub policy: Policy,
}

/// A result that was verified here.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// What the ledger says of the job.
    pub receipt: Receipt,
    /// The proof.
    pub bundle: ProofBundle,
    /// What it establishes.
    pub verified: Verified,
}

impl Settled {
    /// The outputs of each inference: those that the proof shows, and those that it commits to, as
    /// far as they are opened.
    ///
    /// # Errors
    /// [`ClientError::Result`] if an opening opens nothing of the proof.
    pub fn outputs(
        &self,
        key: &Key,
        openings: &[Opening],
    ) -> Result<Vec<Vec<RealOutput>>, ClientError> {
        let job = self.receipt.job;
        let samples = self.verified.samples.iter();
        let mut outputs: Vec<_> = samples.map(|sample| sample.outputs.clone()).collect();
        for opening in openings {
            let opened = self.verified.open(key, opening).map_err(ResultError::from);
            let opened =
                opened.map_err(|source| ClientError::Result { job, source: Box::new(source) })?;
            if let (Side::Output, Some(of)) = (opening.side, outputs.get_mut(opening.sample)) {
                of.push(opened);
            }
        }
        Ok(outputs)
    }
}

impl Client {
    /// Builds and signs an order for somebody else to send, who has `valid_for` to do it; less
    /// where the network allows less. The job's own time begins when that ends.
    ///
    /// # Errors
    /// [`ClientError`] if the input or the memo is too long, the input is sealed for the orders of
    /// another account, or the node does not tell the time.
    pub async fn order(
        &self,
        account: &SecretKey,
        submission: &Submission<'_>,
        valid_for: Duration,
    ) -> Result<SignedTx, ClientError> {
        self.order_for(account, submission.ordered(), valid_for).await
    }

    /// As [`Self::order`].
    pub(crate) async fn order_for(
        &self,
        account: &SecretKey,
        mut ordered: Ordered<'_>,
        valid_for: Duration,
    ) -> Result<SignedTx, ClientError> {
        let valid_ms = self.validity_ms(valid_for);
        let latest = self.spec().jobs.deadline_max_ms / 4 * 3;
        let terms = &mut ordered.terms;
        terms.deadline_in_ms = terms.deadline_in_ms.saturating_add(valid_ms).min(latest);
        self.order_of(account, &ordered, valid_ms).await
    }

    /// What the ledger takes for an order once a block holds it, beside the price: for the
    /// transaction, and for each byte of the input. It does not come back, whatever becomes of the
    /// job.
    ///
    /// # Errors
    /// [`ClientError`] if the input or the memo is too long.
    pub fn fee(&self, submission: &Submission<'_>) -> Result<Amount, ClientError> {
        self.fee_of(&submission.ordered())
    }

    /// As [`Self::fee`].
    pub(crate) fn fee_of(&self, ordered: &Ordered<'_>) -> Result<Amount, ClientError> {
        let order = Body::Order(Box::new(self.job_order(ordered, 0)?));
        // It is the same whoever signs.
        let anybody = SecretKey::from_seed(b"a quote");
        Ok(self.sign(&anybody, order, ([0; 16], 0))?.body.header.fee_max)
    }

    /// Builds and signs an order that is valid for `valid_ms`.
    async fn order_of(
        &self,
        account: &SecretKey,
        ordered: &Ordered<'_>,
        valid_ms: u64,
    ) -> Result<SignedTx, ClientError> {
        let found = account.address();
        if ordered.requester.is_some_and(|sealed| sealed != found) {
            // No recipient would prove it.
            return Err(SecretInputError::OtherRequester { found }.into());
        }
        let now = self.chain_info().await?.head.time_ms;
        let order = self.job_order(ordered, now)?;
        let mut salt = ordered.salt.unwrap_or_default();
        if ordered.salt.is_none() {
            getrandom::fill(&mut salt).map_err(ClientError::Random)?;
        }
        let until = now.saturating_add(valid_ms);
        self.sign(account, Body::Order(Box::new(order)), (salt, until))
    }

    /// Builds an order of a moment.
    pub(super) fn job_order(
        &self,
        ordered: &Ordered<'_>,
        now: u64,
    ) -> Result<JobOrder, ClientError> {
        let bytes = ordered.bytes;
        let (found, limit) = (bytes.len() as u64, self.spec().limits.input_bytes);
        let too_long = |what, found, limit| ClientError::TooLong { what, found, limit };
        if found > limit {
            return Err(too_long("the input", found, limit));
        }
        let blob = BlobId::of(bytes).map_err(|_| too_long("the input", found, limit))?;
        let memo = Bytes::new(ordered.memo.to_vec());
        let memo = memo.map_err(|many| too_long("the memo", many.len as u64, 64))?;
        let Policy { min_security_bits, min_proven_bits } = ordered.policy;
        let wanted =
            min_security_bits.max(min_proven_bits).max(self.spec().security_bits_min.into());
        let terms = &ordered.terms;
        Ok(JobOrder {
            model: ordered.model,
            key: ordered.key,
            input: Input {
                blob,
                bytes: found,
                statement: ordered.statement,
                recipients: ordered.recipients.clone(),
            },
            offer: Offer {
                mode: terms.mode,
                price_min: terms.price_min,
                price_max: terms.price_max,
                ramp_start_ms: now,
                ramp_ms: terms.ramp_ms,
                lease_ms: terms.lease_ms,
                deadline_ms: now.saturating_add(terms.deadline_in_ms),
                collateral: terms.collateral,
                attempts_max: match terms.mode {
                    Mode::Open => terms.attempts_max,
                    Mode::Direct(_) => 1,
                },
            },
            policy: OrderPolicy {
                bits: u16::try_from(wanted).unwrap_or(u16::MAX),
                proven: min_proven_bits > 0 && min_proven_bits >= min_security_bits,
            },
            needs: Needs::default(),
            memo,
        })
    }

    /// Uploads the input, orders, and waits until the ledger has opened the job.
    ///
    /// # Errors
    /// [`ClientError`] if the network does not take the order.
    pub async fn submit(
        &self,
        account: &SecretKey,
        submission: &Submission<'_>,
    ) -> Result<Job, ClientError> {
        let ordered = submission.ordered();
        let id = self.open(account, &ordered).await?;
        let Ordered { statement: input, policy, .. } = ordered;
        Ok(Job { id, key: submission.key.clone(), input, policy })
    }

    /// Uploads an input, orders, and waits until the ledger has opened the job.
    pub(crate) async fn open(
        &self,
        account: &SecretKey,
        ordered: &Ordered<'_>,
    ) -> Result<JobId, ClientError> {
        let order = self.order_of(account, ordered, self.validity_ms(AT_ONCE)).await?;
        self.upload(ordered.bytes).await?;
        self.send(&order).await?;
        self.executed(&order).await?;
        Ok(order.body.id().into())
    }

    /// Takes an order back that nobody has claimed.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if somebody has.
    pub async fn cancel(&self, account: &SecretKey, job: JobId) -> Result<Executed, ClientError> {
        self.execute(account, Body::Cancel(Cancel { job })).await
    }

    /// A job. What was ordered by whom is proven by the job's id, which is the hash of the signed
    /// order; how the job stands is the node's word.
    ///
    /// # Errors
    /// [`ClientError`] if there is none; [`ClientError::Answer`] if the answer is about another
    /// order.
    pub async fn job_info(&self, job: JobId) -> Result<JobInfo, ClientError> {
        let info = self.http.get(&api::job(job)).await?;
        check_order(self.chain(), job, &info)?;
        Ok(info)
    }

    /// A page of an account's jobs, the newest first; each as in [`Self::job_info`].
    ///
    /// # Errors
    /// [`ClientError`] if the node does not answer, or a job is none of the account's.
    pub async fn jobs_of(
        &self,
        requester: Address,
        after: Option<&str>,
    ) -> Result<api::Page<JobInfo>, ClientError> {
        let path = format!("{}?requester={requester}", api::JOBS);
        let path = after.map_or_else(|| path.clone(), |after| format!("{path}&after={after}"));
        let page: api::Page<JobInfo> = self.http.get(&path).await?;
        for info in &page.items {
            check_order(self.chain(), info.job, info)?;
            if info.requester != requester {
                let reason = "one of them is another account's".to_owned();
                return Err(ClientError::Answer { what: "the account's jobs", reason });
            }
        }
        Ok(page)
    }

    /// Waits until a job is settled, fetches the proof, and verifies it here against the key and
    /// the input of the order. `seen` is told every state on the way.
    ///
    /// # Errors
    /// [`ClientError::Refunded`] if it was paid back, as the node says
    /// ([`Self::receipt`] proves it), [`ClientError::Result`] if what came back is
    /// no answer, [`ClientError::TimedOut`] after `patience`.
    pub async fn settled(
        &self,
        job: &Job,
        patience: Duration,
        seen: impl FnMut(&JobInfo),
    ) -> Result<Settled, ClientError> {
        let receipt = self.ended(job.id, patience, seen).await?;
        let about = (job.id, job.key.digest().into(), job.input);
        let bundle = self.bundle_of(about, &receipt).await?;
        let ordered = (job.id, job.input);
        let checked = check_result(ordered, &job.key, &receipt, (&bundle, &job.policy));
        let (bundle, verified) = checked.map_err(wrong(job.id))?;
        Ok(Settled { receipt, bundle, verified })
    }

    /// Waits until a job has ended, and returns its receipt, of which nothing is checked yet.
    pub(crate) async fn ended(
        &self,
        job: JobId,
        patience: Duration,
        mut seen: impl FnMut(&JobInfo),
    ) -> Result<Receipt, ClientError> {
        let path = format!("{}?wait={}", api::job(job), api::wait(LOOK));
        let begun = Instant::now();
        loop {
            let info: JobInfo = match self.http.get(&path).await {
                Ok(info) => info,
                // A node that has just been started again executes its last blocks anew.
                Err(error) if unseen(&error) && begun.elapsed() < patience => {
                    tokio::time::sleep(LOOK).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            check_order(self.chain(), job, &info)?;
            seen(&info);
            if matches!(info.state, JobState::Settled | JobState::Refunded) {
                return info.receipt.ok_or(ClientError::Answer {
                    what: "a job",
                    reason: "it ended without a receipt".to_owned(),
                });
            }
            if begun.elapsed() > patience {
                let seconds = patience.as_secs();
                return Err(ClientError::TimedOut { what: "the job's end", seconds });
            }
        }
    }

    /// The bundle that settled a job, as a receipt about a key and what was ordered names it.
    pub(crate) async fn bundle_of(
        &self,
        about: (JobId, KeyDigest, InputDigest),
        receipt: &Receipt,
    ) -> Result<Vec<u8>, ClientError> {
        let job = about.0;
        let settlement = match &receipt.outcome {
            Outcome::Refunded { reason } => {
                check_about(about, receipt).map_err(wrong(job))?;
                return Err(ClientError::Refunded { job, reason: *reason });
            }
            Outcome::Settled(settlement) => settlement,
        };
        let max = usize::try_from(self.spec().limits.bundle_bytes).unwrap_or(usize::MAX);
        self.download(settlement.bundle, max).await
    }

    /// Waits until validators certified a receipt, and verifies that against the genesis.
    ///
    /// # Errors
    /// [`ClientError::Receipt`] if it is not proven, [`ClientError::TimedOut`] after `patience`.
    pub async fn receipt(
        &self,
        job: JobId,
        patience: Duration,
    ) -> Result<ReceiptProof, ClientError> {
        let path = format!("{}?wait={}", api::job_receipt(job), api::wait(Duration::from_secs(5)));
        let begun = Instant::now();
        let bytes = loop {
            match self.http.bytes(&path, ReceiptProof::BYTES_MAX).await {
                Ok(bytes) => break bytes,
                Err(error) if error.code() == Some(Code::NotCertified) || unseen(&error) => {
                    if begun.elapsed() > patience {
                        let (what, seconds) = ("the receipt's certificate", patience.as_secs());
                        return Err(ClientError::TimedOut { what, seconds });
                    }
                    tokio::time::sleep(LOOK).await;
                }
                Err(error) => return Err(error),
            }
        };
        let proof = ReceiptProof::from_bytes(&bytes)?;
        proof
            .verify(self.genesis(), None)
            .map_err(|source| ClientError::Receipt { job, source })?;
        if proof.receipt.job != job {
            let reason = "it is about another job".to_owned();
            return Err(ClientError::Answer { what: "a receipt", reason });
        }
        Ok(proof)
    }
}

/// Checks that an answer is about a job and what was ordered with it. The id is the hash of the
/// order, so a node can tell of no other one under it; and its account has signed it for this
/// network, so that a node that names ids itself invents none.
fn check_order(chain: Chain, job: JobId, info: &JobInfo) -> Result<(), ClientError> {
    let signed = &info.signed.body;
    let own = info.job == job
        && JobId::from(signed.id()) == job
        && info.requester == signed.header.account
        && matches!(&signed.body, Body::Order(order) if **order == info.order)
        && info.receipt.as_ref().is_none_or(|receipt| receipt.job == job)
        && info.signed.verify(chain, &mut KeyCache::new(1)).is_ok();
    if own {
        Ok(())
    } else {
        let reason = "it is about another order".to_owned();
        Err(ClientError::Answer { what: "a job", reason })
    }
}

/// Says of which job a result does not count.
pub(crate) fn wrong(job: JobId) -> impl Fn(ResultError) -> ClientError {
    move |source| ClientError::Result { job, source: Box::new(source) }
}

/// Whether a node knows nothing of a job, or not yet that it has ended.
fn unseen(error: &ClientError) -> bool {
    matches!(error.code(), Some(Code::NotFound | Code::JobNotEnded))
}

impl Key {
    /// The class of jobs that are proven under this key.
    pub fn class(&self) -> Class {
        facts_of(self).class()
    }
}
