//! What may be in a block. Validity is a property of a batch's bytes and of the blobs that it
//! names, never of the state or the time: otherwise a primary could be blamed for a batch that was
//! valid when it came. Fees, balances, deadlines and attempts are execution's.

mod proof;

use std::collections::BTreeSet;
use std::sync::Arc;

use ciro_protocol::batch::{BATCH_BYTES_MAX, Batch, SignedBatch};
use ciro_protocol::blob::BlobId;
use ciro_protocol::chain::ChainSpec;
use ciro_protocol::economy::{Offence, OffenceError};
use ciro_protocol::id::{Chain, SubmitterId, TxId};
use ciro_protocol::sign::{Address, KeyCache, SignError};
use ciro_protocol::tx::{Body, RegisterModel, SignedTx};
use ciro_protocol::wire::Message;

use proof::Looks;
pub use proof::{ProofSystem, Refused, Stated, Unproven, judge, read_key};

/// Bytes by their id, as far as this machine has them.
pub trait Blobs {
    /// Returns a blob, or `None` if it is not here yet.
    fn get(&self, id: BlobId) -> Option<Arc<[u8]>>;
}

/// Who may hand batches to consensus. The table only grows, so that a batch that was valid stays
/// so.
pub trait Submitters {
    /// Returns a submitter's key.
    fn key(&self, id: SubmitterId) -> Option<Address>;
}

/// Why there is no batch to vote for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// A blob is not here: no verdict, neither way.
    #[error("blob {0} is not available here")]
    Unavailable(BlobId),
    /// Nobody may submit under this number.
    #[error("submitter {0} is not registered, or has another key")]
    Submitter(SubmitterId),
    /// The batch is too long.
    #[error("the batch has {len} bytes, at most {BATCH_BYTES_MAX} are allowed")]
    TooLong {
        /// Its bytes.
        len: usize,
    },
    /// The batch is not signed by its submitter.
    #[error("the batch is not signed by its submitter")]
    Batch(#[source] SignError),
    /// A transaction is not signed by its account.
    #[error("transaction {tx} is not signed by its account")]
    Transaction {
        /// The transaction.
        tx: TxId,
        /// What is wrong.
        source: SignError,
    },
    /// A transaction is too long.
    #[error("transaction {tx} has more bytes than a transaction may have")]
    TransactionTooLong {
        /// The transaction.
        tx: TxId,
    },
    /// The batch's attachments are not those that its transactions name, in the order of their ids.
    #[error("the batch's attachments are not those that its transactions name, in order")]
    Attachments,
    /// A proof does not hold.
    #[error("transaction {tx} brings no proof")]
    Proof {
        /// The transaction.
        tx: TxId,
        /// Why.
        source: Unproven,
    },
    /// A key does not say what the card says that it does.
    #[error("transaction {tx} registers a key that is not what it says")]
    Key {
        /// The transaction.
        tx: TxId,
        /// Why.
        source: Unproven,
    },
    /// Evidence against a validator proves nothing.
    #[error("transaction {tx} brings evidence that proves nothing")]
    Offence {
        /// The transaction.
        tx: TxId,
        /// Why.
        source: OffenceError,
    },
    /// A report is about a proof that holds, or that its provider has not signed.
    #[error("transaction {tx} reports a proof that holds, or that nobody signed")]
    Report {
        /// The transaction.
        tx: TxId,
    },
}

/// What validity is judged by.
pub struct Judges<'a> {
    /// The network.
    pub chain: Chain,
    /// Its specification.
    pub spec: &'a ChainSpec,
    /// Who may submit.
    pub submitters: &'a dyn Submitters,
    /// The blobs at hand.
    pub blobs: &'a dyn Blobs,
    /// The verifier of proofs.
    pub proofs: &'a dyn ProofSystem,
}

impl std::fmt::Debug for Judges<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Judges").field("chain", &self.chain).finish_non_exhaustive()
    }
}

/// Judges a batch.
///
/// # Errors
///
/// [`Invalid::Unavailable`] if there is no verdict yet, any other [`Invalid`] if the batch must not
/// be voted for.
pub fn validate(
    judges: &Judges<'_>,
    batch: &SignedBatch,
    keys: &mut KeyCache,
) -> Result<(), Invalid> {
    let Batch { txs, attachments, .. } = &batch.body;
    check_submitter(judges, batch, keys)?;
    let len = batch.body.to_bytes().len();
    if len > BATCH_BYTES_MAX {
        return Err(Invalid::TooLong { len });
    }
    let mut named = BTreeSet::new();
    for tx in txs.iter() {
        let id = tx.body.id();
        if tx.body.to_bytes().len() > ciro_protocol::Transaction::BYTES_MAX {
            return Err(Invalid::TransactionTooLong { tx: id });
        }
        tx.verify(judges.chain, keys).map_err(|source| Invalid::Transaction { tx: id, source })?;
        let proven = match &tx.body.body {
            Body::SubmitProof(body) => Some(body.proven),
            Body::ReportFraud(body) => Some(body.submitted.proven),
            _ => None,
        };
        named.extend(proven.iter().flat_map(|proven| [proven.key_blob, proven.bundle]));
    }
    if !named.iter().eq(attachments.iter()) {
        return Err(Invalid::Attachments);
    }
    let mut looks = Looks::default();
    let judge = |tx: &SignedTx| judge_body(judges, (tx.body.id(), &tx.body.body), keys, &mut looks);
    txs.iter().try_for_each(judge)
}

/// Checks that a batch is its submitter's, which costs little.
///
/// # Errors
///
/// [`Invalid::Submitter`] or [`Invalid::Batch`].
pub fn check_submitter(
    judges: &Judges<'_>,
    batch: &SignedBatch,
    keys: &mut KeyCache,
) -> Result<(), Invalid> {
    let Batch { submitter, signer, .. } = &batch.body;
    if judges.submitters.key(*submitter) != Some(*signer) {
        return Err(Invalid::Submitter(*submitter));
    }
    batch.verify(judges.chain, keys).map_err(Invalid::Batch)
}

/// Judges what a transaction brings.
fn judge_body(
    judges: &Judges<'_>,
    (tx, body): (TxId, &Body),
    keys: &mut KeyCache,
    looks: &mut Looks,
) -> Result<(), Invalid> {
    match body {
        Body::SubmitProof(body) => {
            looks.judge(judges, &body.proven)?.map_err(|source| Invalid::Proof { tx, source })
        }
        Body::RegisterModel(body) => {
            check_keys(judges, body).map_err(|source| Invalid::Key { tx, source })
        }
        Body::ReportOffence(body) => {
            Offence::prove(&body.evidence, body.key, judges.spec, judges.chain)
                .map(|_| ())
                .map_err(|source| Invalid::Offence { tx, source })
        }
        Body::ReportFraud(body) => {
            // The signature first: a proof that nobody signed is not worth a look.
            let signed = body.signed().verify(judges.chain, keys);
            signed.map_err(|_| Invalid::Report { tx })?;
            match looks.judge(judges, &body.submitted.proven)? {
                Err(_) => Ok(()),
                Ok(()) => Err(Invalid::Report { tx }),
            }
        }
        _ => Ok(()),
    }
}

/// Checks that the keys of a card say what the card says of them.
fn check_keys(judges: &Judges<'_>, body: &RegisterModel) -> Result<(), Unproven> {
    for entry in body.card.keys.iter() {
        let facts = read_key(judges, &entry.bytes)?;
        if facts != entry.facts {
            return Err(Unproven::Other("the facts"));
        }
    }
    Ok(())
}
