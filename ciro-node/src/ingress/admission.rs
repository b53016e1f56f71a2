//! What is taken: a transaction that the ledger would execute now.

use std::sync::Arc;

use ciro_ledger::Block;
use ciro_protocol::api::{Code, Problem};
use ciro_protocol::batch::Batch;
use ciro_protocol::chain::ChainSpec;
use ciro_protocol::id::{Chain, SubmitterId};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::{Address, SignError};
use ciro_protocol::tx::SignedTx;
use ciro_protocol::wire::List;
use ciro_sdk::error_chain;
use tokio::sync::watch;

use super::pending::{Full, Pending, Stage};
use crate::store::{Snapshot, StateStore, StoreError};
use crate::validity::{TxInvalid, Validity};

/// The gate of a node.
#[derive(Debug)]
pub struct Admission {
    /// The network.
    pub chain: Chain,
    /// Its specification.
    pub spec: Arc<ChainSpec>,
    /// Who submits, as batches name it.
    pub submitter: (SubmitterId, Address),
    /// The state.
    pub store: Arc<StateStore>,
    /// Who judges signatures and proofs.
    pub validity: Arc<Validity>,
    /// What waits.
    pub pending: Arc<Pending>,
}

/// Why a transaction is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It is not valid.
    #[error(transparent)]
    Invalid(#[from] TxInvalid),
    /// The ledger would refuse it.
    #[error("the ledger refuses: {0}")]
    Ledger(Refusal),
    /// There is no room.
    #[error(transparent)]
    Full(#[from] Full),
    /// The state cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A thread of the judge panicked.
    #[error("the judge of transactions failed")]
    Judge,
}

/// What becomes of a transaction that was taken.
#[derive(Debug)]
pub enum Taken {
    /// It waits for its batch.
    Waiting(watch::Receiver<Stage>),
    /// A block holds it.
    Executed,
}

/// What the judge says of a transaction that is not refused.
enum Judged {
    /// It came before.
    Known(Taken),
    /// It may be taken.
    New(Box<SignedTx>),
}

impl Admission {
    /// Takes a transaction, after everything that could be said against it: the cheap first, so
    /// that a proof is looked at only where it could be paid.
    ///
    /// # Errors
    ///
    /// [`Refused`] with the first objection.
    pub async fn admit(self: &Arc<Self>, tx: SignedTx) -> Result<(Taken, bool), Refused> {
        let gate = Arc::clone(self);
        let judged = self.validity.run(move |validity| gate.judge(validity, tx)).await;
        match judged.ok_or(Refused::Judge)?? {
            Judged::Known(taken) => Ok((taken, true)),
            Judged::New(tx) => Ok((Taken::Waiting(self.pending.add(*tx)?), false)),
        }
    }

    /// Judges a transaction. An id says nothing of the signature, so that comes first.
    fn judge(&self, validity: &Validity, tx: SignedTx) -> Result<Judged, Refused> {
        validity.signature(&tx)?;
        // In this order: a transaction is in the state before it is no longer pending.
        if let Some(stage) = self.pending.stage(tx.body.id()) {
            return Ok(Judged::Known(Taken::Waiting(stage)));
        }
        let snapshot = self.store.snapshot()?;
        // It came before, and what became of it is known: sending it again is harmless.
        let before = snapshot.transaction(tx.body.id())?;
        if before.is_some_and(|row| row.receipt.is_final()) {
            return Ok(Judged::Known(Taken::Executed));
        }
        if let Some(refusal) = self.simulate(&snapshot, &tx)? {
            return Err(Refused::Ledger(refusal));
        }
        drop(snapshot);
        validity.blobs(&tx)?;
        validity.proofs(&tx)?;
        Ok(Judged::New(Box::new(tx)))
    }

    /// Executes a transaction on the last state, as the next block would, and forgets it.
    fn simulate(&self, snapshot: &Snapshot, tx: &SignedTx) -> Result<Option<Refusal>, Refused> {
        let head = snapshot.head()?;
        let (submitter, signer) = self.submitter;
        let batch = Batch {
            chain: self.chain,
            submitter,
            signer,
            nonce: 0,
            time_ms: crate::clock::now_ms(),
            txs: List::new(vec![tx.clone()]).unwrap_or_default(),
            attachments: List::default(),
        };
        let block = Block { height: head.height + 1, batches: &[batch], punish: &[] };
        let outcome = ciro_ledger::execute(&self.spec, snapshot, &block);
        snapshot.check()?;
        let outcome = outcome.map_err(StoreError::from)?;
        Ok(outcome.receipts.first().and_then(|receipt| receipt.refused))
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let text = error_chain(&refused);
        match refused {
            Refused::Ledger(refusal) => refusal.into(),
            Refused::Full(Full::Bytes { .. }) => Self::new(Code::QueueFull, text),
            Refused::Full(Full::Account { .. }) => {
                Self::new(Code::AccountBusy, text).hint("wait until some of them are executed")
            }
            Refused::Store(_) | Refused::Judge => Self::new(Code::Internal, text),
            Refused::Invalid(invalid) => match invalid {
                TxInvalid::Signature(SignError::Chain { .. }) => {
                    Self::new(Code::WrongChain, text).hint("take `chain` from `GET /v1/chain`")
                }
                TxInvalid::Signature(_) => Self::new(Code::BadSignature, text),
                TxInvalid::Blob(blob) => Self::new(Code::BlobMissing, text)
                    .hint(format!("upload it: `PUT /v1/blobs/{blob}`")),
                TxInvalid::BlobBytes { .. } => Self::new(Code::BadBlob, text),
                TxInvalid::Proof(_) => Self::new(Code::ProofInvalid, text),
                TxInvalid::Key(_) => Self::new(Code::KeyInvalid, text),
                TxInvalid::Report | TxInvalid::Offence(_) => Self::new(Code::ReportInvalid, text),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use ciro_protocol::amount::Amount;
    use ciro_protocol::sign::{SecretKey, Signed};
    use ciro_protocol::tx::{Body, Transaction, Transfer, TxHeader};

    use super::super::pending::PendingLimits;
    use super::*;
    use crate::blobs::{BlobLimits, Blobs};
    use crate::metrics::Metrics;
    use crate::proofs::Verifier;

    #[tokio::test]
    async fn a_known_transaction_with_a_wrong_signature_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let key = SecretKey::from_seed(b"validator");
        let spec = crate::devnet::spec(&[key.address()], 1_700_000_000_000);
        let (genesis, first) = ciro_ledger::genesis(spec.clone()).unwrap();
        let (chain, spec) = (genesis.chain().unwrap(), Arc::new(spec));
        let store = StateStore::open(&folder.path().join("ledger.redb"), &genesis, &first);
        let (total_bytes, blob_bytes, judged_bytes) = (1 << 21, 1 << 20, 1 << 20);
        let limits = BlobLimits { total_bytes, files: 100, blob_bytes, judged_bytes };
        let blobs = Arc::new(Blobs::open(&folder.path().join("blobs"), limits).unwrap());
        let metrics = Metrics::new();
        let proofs = Verifier::new(metrics.clone());
        let validity = Validity::new((chain, Arc::clone(&spec)), blobs, proofs, 1).unwrap();
        let limits = PendingLimits { bytes: 1 << 20, per_account: 9 };
        let admission = Arc::new(Admission {
            chain,
            spec,
            submitter: (SubmitterId(0), key.address()),
            store: Arc::new(store.unwrap()),
            validity: Arc::new(validity),
            pending: Arc::new(Pending::new(limits, [].into(), metrics)),
        });
        let (salt, valid_until_ms, fee_max) = ([0; 16], 1, Amount::CIRO);
        let header = TxHeader { chain, account: key.address(), salt, valid_until_ms, fee_max };
        let body = Body::Transfer(Transfer { to: key.address(), amount: Amount::CIRO });
        let good = Signed::new(Transaction { header, body }, &key).unwrap();
        admission.pending.add(good.clone()).unwrap();
        let mut forged = good.clone();
        forged.signature.0.s[31] ^= 1;
        let refused = admission.admit(forged).await;
        assert!(matches!(refused, Err(Refused::Invalid(TxInvalid::Signature(_)))), "{refused:?}");
        assert!(matches!(admission.admit(good).await, Ok((Taken::Waiting(_), true))));
    }
}
