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

impl Admission {
    /// Takes a transaction, after everything that could be said against it: the cheap first, so
    /// that a proof is looked at only where it could be paid.
    ///
    /// # Errors
    ///
    /// [`Refused`] with the first objection.
    pub async fn admit(self: &Arc<Self>, tx: SignedTx) -> Result<(Taken, bool), Refused> {
        let id = tx.body.id();
        if let Some(stage) = self.pending.stage(id) {
            return Ok((Taken::Waiting(stage), true));
        }
        let gate = Arc::clone(self);
        let judged = self.validity.run(move |validity| gate.judge(validity, tx)).await;
        match judged.ok_or(Refused::Judge)?? {
            None => Ok((Taken::Executed, true)),
            Some(tx) => Ok((Taken::Waiting(self.pending.add(tx)?), false)),
        }
    }

    /// Judges a transaction; `None` if it was executed.
    fn judge(&self, validity: &Validity, tx: SignedTx) -> Result<Option<SignedTx>, Refused> {
        validity.signature(&tx)?;
        let snapshot = self.store.snapshot()?;
        // It came before, and what became of it is known: sending it again is harmless.
        let before = snapshot.transaction(tx.body.id())?;
        if before.is_some_and(|row| is_final(row.receipt.refused)) {
            return Ok(None);
        }
        if let Some(refusal) = self.simulate(&snapshot, &tx)? {
            return Err(Refused::Ledger(refusal));
        }
        drop(snapshot);
        validity.blobs(&tx)?;
        validity.proofs(&tx)?;
        Ok(Some(tx))
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
        let block = Block { height: head.height + 1, batches: &[batch] };
        let outcome = ciro_ledger::execute(&self.spec, snapshot, &block);
        snapshot.check()?;
        let outcome = outcome.map_err(StoreError::from)?;
        Ok(outcome.receipts.first().and_then(|receipt| receipt.refused))
    }
}

/// Whether what became of a transaction stays: what is refused before its fee may come again.
const fn is_final(refused: Option<Refusal>) -> bool {
    !matches!(
        refused,
        Some(
            Refusal::Expired
                | Refusal::ValidityTooLong
                | Refusal::FeeAboveMax
                | Refusal::FeeUnaffordable
        )
    )
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
                TxInvalid::Report => Self::new(Code::ReportInvalid, text),
            },
        }
    }
}
