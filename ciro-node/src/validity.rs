//! Judging batches and transactions, beside everything else: signatures and proofs take
//! milliseconds each, on threads of their own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, TryLockError};

use ciro_consensus::ReplicaId;
use ciro_ledger::Submitters;
use ciro_ledger::validity::{Invalid, Judges, Refused, check_submitter, judge, read_key};
use ciro_protocol::batch::SignedBatch;
use ciro_protocol::chain::ChainSpec;
use ciro_protocol::economy::{Offence, OffenceError};
use ciro_protocol::id::{Chain, SubmitterId};
use ciro_protocol::sign::{Address, KeyCache, SignError};
use ciro_protocol::tx::{Body, Proven, SignedTx, SubmitProof};
use ciro_sdk::error_chain;
use rayon::ThreadPool;

use crate::blobs::Blobs;
use crate::members::Members;
use crate::proofs::Verifier;

/// Keys that each thread keeps at hand: 44 MB.
const KEYS_PER_THREAD: usize = 256;

/// The judge of a node.
#[derive(Debug)]
pub struct Validity {
    chain: Chain,
    spec: Arc<ChainSpec>,
    members: Arc<Members>,
    blobs: Arc<Blobs>,
    proofs: Verifier,
    pool: ThreadPool,
    keys: Vec<Mutex<KeyCache>>,
}

/// What a node says of a transaction before it takes it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TxInvalid {
    /// It is not signed for this network by its account.
    #[error(transparent)]
    Signature(#[from] SignError),
    /// It names a blob that is not here.
    #[error("blob {0} is not here")]
    Blob(ciro_protocol::BlobId),
    /// It names the length of a blob, and the blob has another one.
    #[error("blob {blob} has {got} bytes, the transaction says {said}")]
    BlobBytes {
        /// The blob.
        blob: ciro_protocol::BlobId,
        /// Its length.
        got: u64,
        /// The length named.
        said: u64,
    },
    /// The proof does not hold.
    #[error("{0}")]
    Proof(String),
    /// A key does not say what the card says.
    #[error("{0}")]
    Key(String),
    /// The report is about a proof that holds, or that nobody signed.
    #[error("the reported proof holds, or the provider has not signed it")]
    Report,
    /// The evidence against a validator proves nothing.
    #[error("the reported offence is none")]
    Offence(#[from] OffenceError),
}

impl Validity {
    /// Makes a judge with so many threads.
    ///
    /// # Errors
    ///
    /// [`rayon::ThreadPoolBuildError`] if the system gives no threads.
    pub fn new(
        (chain, spec, members): (Chain, Arc<ChainSpec>, Arc<Members>),
        blobs: Arc<Blobs>,
        proofs: Verifier,
        threads: usize,
    ) -> Result<Self, rayon::ThreadPoolBuildError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|number| format!("validity-{number}"))
            .build()?;
        let caches = 0..pool.current_num_threads();
        let keys = caches.map(|_| Mutex::new(KeyCache::new(KEYS_PER_THREAD))).collect();
        Ok(Self { chain, spec, members, blobs, proofs, pool, keys })
    }

    /// Runs something on the judge's threads. If it panics, the node goes on without its answer.
    pub fn spawn(self: &Arc<Self>, work: impl FnOnce(&Self) + Send + 'static) {
        let judge = Arc::clone(self);
        self.pool.spawn(move || {
            // What a panic leaves behind is locks, all of which are taken poisoned or not.
            if catch_unwind(AssertUnwindSafe(|| work(&judge))).is_err() {
                tracing::error!("a judge panicked: this is a fault of the node");
            }
        });
    }

    /// Runs something on the judge's threads and waits for its answer; `None` if it panicked.
    pub async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Option<T> {
        let (done, answer) = tokio::sync::oneshot::channel();
        self.spawn(move |judge| {
            // Whoever asked may have left.
            let _ = done.send(work(judge));
        });
        answer.await.ok()
    }

    /// Judges a batch.
    ///
    /// # Errors
    ///
    /// [`Invalid`] as the ledger says.
    pub fn batch(&self, batch: &SignedBatch) -> Result<(), Invalid> {
        self.with_keys(|keys| ciro_ledger::validate(&self.judges(), batch, keys))
    }

    /// Checks that a batch is its submitter's, which costs little: nothing is done for it before.
    ///
    /// # Errors
    ///
    /// [`Invalid::Submitter`] or [`Invalid::Batch`].
    pub fn submitter(&self, batch: &SignedBatch) -> Result<(), Invalid> {
        self.with_keys(|keys| check_submitter(&self.judges(), batch, keys))
    }

    /// Checks network and signature of a transaction.
    ///
    /// # Errors
    ///
    /// [`TxInvalid::Signature`].
    pub fn signature(&self, tx: &SignedTx) -> Result<(), TxInvalid> {
        Ok(self.with_keys(|keys| tx.verify(self.chain, keys))?)
    }

    /// Checks that the blobs that a transaction is about are here.
    ///
    /// # Errors
    ///
    /// [`TxInvalid`] naming the first that is not.
    pub fn blobs(&self, tx: &SignedTx) -> Result<(), TxInvalid> {
        let here = |blob| self.blobs.len(blob).ok_or(TxInvalid::Blob(blob));
        let sized = |blob, said| match here(blob)? {
            got if got == said => Ok(()),
            got => Err(TxInvalid::BlobBytes { blob, got, said }),
        };
        match &tx.body.body {
            Body::Order(order) => sized(order.input.blob, order.input.bytes),
            Body::RegisterModel(model) => sized(model.card.blob, model.card.bytes),
            Body::SubmitProof(SubmitProof { proven, .. }) => {
                here(proven.key_blob)?;
                sized(proven.bundle, proven.bundle_bytes)
            }
            // Another length than was said is what may be reported.
            Body::ReportFraud(body) => {
                here(body.submitted.proven.key_blob)?;
                here(body.submitted.proven.bundle).map(|_| ())
            }
            _ => Ok(()),
        }
    }

    /// Judges the proofs and keys that a transaction brings, as validity will.
    ///
    /// # Errors
    ///
    /// [`TxInvalid`] in the verifier's own words.
    pub fn proofs(&self, tx: &SignedTx) -> Result<(), TxInvalid> {
        let judged = |proven: &Proven| match judge(&self.judges(), proven) {
            Ok(judged) => Ok(judged),
            Err(Invalid::Unavailable(blob)) => Err(TxInvalid::Blob(blob)),
            Err(other) => Err(TxInvalid::Proof(error_chain(&other))),
        };
        match &tx.body.body {
            Body::SubmitProof(body) => {
                judged(&body.proven)?.map_err(|unproven| TxInvalid::Proof(error_chain(&unproven)))
            }
            Body::ReportFraud(body) => {
                // The signature first: a proof that nobody signed is not worth a look.
                self.signature(&body.signed()).map_err(|_| TxInvalid::Report)?;
                let holds = judged(&body.submitted.proven)?.is_ok();
                if holds { Err(TxInvalid::Report) } else { Ok(()) }
            }
            Body::ReportOffence(body) => {
                Offence::prove(&body.evidence, body.key, &self.spec, self.chain)?;
                Ok(())
            }
            Body::RegisterModel(body) => {
                for entry in body.card.keys.iter() {
                    let facts = read_key(&self.judges(), &entry.bytes);
                    let facts = facts.map_err(|Refused(reason)| TxInvalid::Key(reason))?;
                    if facts != entry.facts {
                        let reason = format!("the card says {:?}, the key {facts:?}", entry.facts);
                        return Err(TxInvalid::Key(reason));
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn judges(&self) -> Judges<'_> {
        Judges {
            chain: self.chain,
            spec: &self.spec,
            submitters: self,
            blobs: &*self.blobs,
            proofs: &self.proofs,
        }
    }

    /// Lends a thread its keys. A thread that waits for a part of its work may take on other work
    /// meanwhile: that gets keys of its own.
    fn with_keys<T>(&self, work: impl FnOnce(&mut KeyCache) -> T) -> T {
        let thread = self.pool.current_thread_index().unwrap_or(0);
        match self.keys.get(thread).map(Mutex::try_lock) {
            Some(Ok(mut keys)) => work(&mut keys),
            Some(Err(TryLockError::Poisoned(keys))) => work(&mut keys.into_inner()),
            Some(Err(TryLockError::WouldBlock)) | None => work(&mut KeyCache::new(16)),
        }
    }
}

impl Submitters for Validity {
    fn key(&self, id: SubmitterId) -> Option<Address> {
        self.members.roll().key(ReplicaId(u32::try_from(id.0).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use ciro_protocol::blob::BlobId;
    use ciro_protocol::id::{InputDigest, JobId, KeyDigest, OutputDigest};
    use ciro_protocol::sign::{SecretKey, Signed};
    use ciro_protocol::tx::{ReportFraud, Transaction, TxHeader};
    use ciro_sdk::network::VERIFIER;

    use super::*;
    use crate::blobs::BlobLimits;
    use crate::metrics::Metrics;

    const LIMITS: BlobLimits =
        BlobLimits { total_bytes: 1 << 21, files: 100, blob_bytes: 1 << 20, judged_bytes: 1 << 20 };

    /// A network with one validator.
    fn alone(
        chain: Chain,
        spec: ChainSpec,
        key: &SecretKey,
    ) -> (Chain, Arc<ChainSpec>, Arc<Members>) {
        let spec = Arc::new(spec);
        let members = Members::new(Arc::clone(&spec), (ReplicaId(0), key.address()));
        (chain, spec, Arc::new(members))
    }

    /// Proofs that were looked at and do not hold.
    fn looked_at(metrics: &Metrics) -> bool {
        let text = metrics.text().unwrap();
        text.lines().any(|line| line.starts_with("ciro_verify_rejected_total{"))
    }

    #[tokio::test]
    async fn a_judge_that_panics_gives_no_answer_and_the_node_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Arc::new(Blobs::open(folder.path(), LIMITS).unwrap());
        let key = SecretKey::from_seed(b"validator");
        let spec = crate::devnet::spec(&[key.address()], 1_700_000_000_000);
        let chain = ciro_ledger::genesis(spec.clone()).unwrap().0.chain().unwrap();
        let proofs = Verifier::new(Metrics::new());
        let validity = Validity::new(alone(chain, spec, &key), blobs, proofs, 1);
        let validity = Arc::new(validity.unwrap());
        assert_eq!(validity.run(|_| -> u8 { panic!("a fault of ours") }).await, None);
        assert_eq!(validity.run(|_| 7).await, Some(7));
    }

    #[test]
    fn a_report_that_nobody_signed_costs_no_verification() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Arc::new(Blobs::open(folder.path(), LIMITS).unwrap());
        let put = |bytes: &[u8]| {
            let id = BlobId::of(bytes).unwrap();
            blobs.put(id, bytes, || Some(Vec::new())).unwrap();
            id
        };
        let proven = Proven {
            verifier: VERIFIER,
            key_blob: put(b"no key"),
            bundle: put(b"no bundle"),
            bundle_bytes: 9,
            key: KeyDigest([1; 32]),
            input: InputDigest([2; 32]),
            output: OutputDigest([3; 32]),
        };
        let provider = SecretKey::from_seed(b"provider");
        let spec = crate::devnet::spec(&[provider.address()], 1_700_000_000_000);
        let chain = ciro_ledger::genesis(spec.clone()).unwrap().0.chain().unwrap();
        let sign = |key: &SecretKey, body| {
            let account = key.address();
            let (salt, fee_max) = ([0; 16], ciro_protocol::amount::Amount::CIRO);
            let header = TxHeader { chain, account, salt, valid_until_ms: 1, fee_max };
            Signed::new(Transaction { header, body }, key).unwrap()
        };
        let submitted = SubmitProof { job: JobId([1; 32]), attempt: 1, proven };
        let by_provider: SignedTx = sign(&provider, Body::SubmitProof(submitted));
        let report = |attempt| {
            let header = by_provider.body.header;
            let submitted = SubmitProof { attempt, ..submitted };
            let report = ReportFraud { header, submitted, signature: by_provider.signature };
            sign(&SecretKey::from_seed(b"reporter"), Body::ReportFraud(Box::new(report)))
        };
        let metrics = Metrics::new();
        let proofs = Verifier::new(metrics.clone());
        let validity = Validity::new(alone(chain, spec, &provider), Arc::clone(&blobs), proofs, 1);
        let validity = validity.unwrap();
        assert!(matches!(validity.proofs(&report(2)), Err(TxInvalid::Report)));
        assert!(!looked_at(&metrics));
        assert!(validity.proofs(&report(1)).is_ok(), "signed, and it does not hold");
        assert!(looked_at(&metrics));
    }
}
