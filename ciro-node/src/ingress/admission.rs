//! What is taken: a transaction that the ledger would execute now.

use std::sync::Arc;

use ciro_ledger::Block;
use ciro_ledger::state::PURSES;
use ciro_protocol::amount::Amount;
use ciro_protocol::api::{Code, Problem};
use ciro_protocol::batch::Batch;
use ciro_protocol::chain::ChainSpec;
use ciro_protocol::event::{Event, Purse};
use ciro_protocol::id::{Chain, SubmitterId};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::{Address, SignError};
use ciro_protocol::tx::SignedTx;
use ciro_protocol::wire::List;
use ciro_sdk::error_chain;
use tokio::sync::watch;

use super::pending::{Bill, Full, Pending, Stage};
use crate::members::Members;
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
    /// Who votes.
    pub members: Arc<Members>,
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
    /// What this node submits does not count.
    #[error("this node does not vote now, and takes no transactions: send it to one that does")]
    NoMember,
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
    /// It may be taken, if its account can pay for it beside what waits.
    New(Box<SignedTx>, Bill),
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
            Judged::New(tx, bill) => Ok((Taken::Waiting(self.pending.add(*tx, bill)?), false)),
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
        if !self.members.submits() {
            return Err(Refused::NoMember);
        }
        let bill = self.simulate(&snapshot, &tx)?;
        drop(snapshot);
        validity.blobs(&tx)?;
        validity.proofs(&tx)?;
        // That took its time: what was executed meanwhile waits no more, and is paid.
        let purse = Purse::Account(tx.body.header.account);
        let balance = self.store.snapshot()?.entry(PURSES, &purse)?.unwrap_or_default();
        Ok(Judged::New(Box::new(tx), Bill { balance, ..bill }))
    }

    /// Executes a transaction on the last state, as the next block would, and forgets it; says what
    /// that takes of its account.
    fn simulate(&self, snapshot: &Snapshot, tx: &SignedTx) -> Result<Bill, Refused> {
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
        let receipt = outcome.receipts.first();
        if let Some(refusal) = receipt.and_then(|receipt| receipt.refused) {
            return Err(Refused::Ledger(refusal));
        }
        let purse = Purse::Account(tx.body.header.account);
        let amounts = outcome.events.iter().filter_map(|event| match event {
            Event::Moved(movement) if movement.from == purse => Some(movement.amount),
            _ => None,
        });
        let sum = |sum: Amount, amount| sum.checked_add(amount).unwrap_or(Amount::SUPPLY);
        let spent = amounts.fold(Amount::ZERO, sum);
        let fee = receipt.map_or(Amount::ZERO, |receipt| receipt.fee);
        Ok(Bill { fee, spent, balance: Amount::ZERO })
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let text = error_chain(&refused);
        match refused {
            Refused::Ledger(refusal) => refusal.into(),
            Refused::Full(Full::Bytes { .. }) => Self::new(Code::QueueFull, text),
            Refused::Full(Full::Account { .. } | Full::Fees { .. }) => {
                Self::new(Code::AccountBusy, text).hint("wait until some of them are executed")
            }
            Refused::NoMember => Self::new(Code::NotReady, text),
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
    use std::path::Path;

    use ciro_consensus::ReplicaId;
    use ciro_protocol::chain::GenesisAccount;
    use ciro_protocol::sign::{SecretKey, Signed};
    use ciro_protocol::tx::{Body, Transaction, Transfer, TxHeader};

    use super::super::pending::PendingLimits;
    use super::*;
    use crate::blobs::{BlobLimits, Blobs};
    use crate::metrics::Metrics;
    use crate::proofs::Verifier;

    /// Returns the gate of a network's only validator, in a folder.
    fn gate(folder: &Path, accounts: Vec<GenesisAccount>) -> Arc<Admission> {
        let key = SecretKey::from_seed(b"validator");
        let accounts = List::new(accounts).unwrap();
        let spec = crate::devnet::spec(&[key.address()], 1_700_000_000_000);
        let spec = ChainSpec { accounts, ..spec };
        let (genesis, first) = ciro_ledger::genesis(spec.clone()).unwrap();
        let (chain, spec) = (genesis.chain().unwrap(), Arc::new(spec));
        let store = StateStore::open(&folder.join("ledger.redb"), &genesis, &first);
        let (total_bytes, blob_bytes, judged_bytes) = (1 << 21, 1 << 20, 1 << 20);
        let limits = BlobLimits { total_bytes, files: 100, blob_bytes, judged_bytes };
        let blobs = Arc::new(Blobs::open(&folder.join("blobs"), limits).unwrap());
        let metrics = Metrics::new();
        let proofs = Verifier::new(metrics.clone());
        let members = Members::new(Arc::clone(&spec), (ReplicaId(0), key.address()));
        let members = Arc::new(members);
        let judged = (chain, Arc::clone(&spec), Arc::clone(&members));
        let validity = Validity::new(judged, blobs, proofs, 1).unwrap();
        let limits = PendingLimits { bytes: 1 << 20, per_account: 9 };
        Arc::new(Admission {
            chain,
            spec,
            submitter: (SubmitterId(0), key.address()),
            store: Arc::new(store.unwrap()),
            validity: Arc::new(validity),
            pending: Arc::new(Pending::new(limits, [].into(), metrics)),
            members,
        })
    }

    #[tokio::test]
    async fn what_an_account_cannot_pay_beside_what_waits_is_in_no_block() {
        let key = SecretKey::from_seed(b"somebody");
        let address = key.address();
        let transfer = |chain, salt, amount| {
            let valid_until_ms = crate::clock::now_ms() + 60_000;
            let (salt, fee_max) = ([salt; 16], Amount::CIRO);
            let header = TxHeader { chain, account: address, salt, valid_until_ms, fee_max };
            let to = SecretKey::from_seed(b"another").address();
            let body = Body::Transfer(Transfer { to, amount });
            Signed::new(Transaction { header, body }, &key).unwrap()
        };
        let folder = tempfile::tempdir().unwrap();
        let other = gate(folder.path(), Vec::new());
        let unit = Amount::from_units(1).unwrap();
        let fee = other.spec.fees.of(&transfer(other.chain, 0, unit)).unwrap();
        // One fee, or ten of which the first transaction takes all.
        for (fees, amount) in [(1, unit), (10, fee.checked_mul(9).unwrap())] {
            let amount_held = fee.checked_mul(fees).unwrap().checked_add(unit).unwrap();
            let account = GenesisAccount { address, amount: amount_held };
            let folder = tempfile::tempdir().unwrap();
            let admission = gate(folder.path(), vec![account]);
            let [first, second] =
                [(0, amount), (1, unit)].map(|(salt, it)| transfer(admission.chain, salt, it));
            let id = first.body.id();
            assert!(matches!(admission.admit(first.clone()).await, Ok((Taken::Waiting(_), false))));
            let refused = admission.admit(second.clone()).await;
            assert!(matches!(refused, Err(Refused::Full(Full::Fees { .. }))), "{refused:?}");
            let code = Problem::from(refused.unwrap_err()).known();
            assert_eq!(code, Some(Code::AccountBusy), "it may come again");
            assert!(matches!(admission.admit(first).await, Ok((_, true))), "it is known");
            admission.pending.executed(&[id], &[].into());
            assert!(matches!(admission.admit(second).await, Ok((Taken::Waiting(_), false))));
        }
    }

    #[tokio::test]
    async fn a_known_transaction_with_a_wrong_signature_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let admission = gate(folder.path(), Vec::new());
        let key = SecretKey::from_seed(b"validator");
        let (chain, account) = (admission.chain, key.address());
        let (salt, valid_until_ms, fee_max) = ([0; 16], 1, Amount::CIRO);
        let header = TxHeader { chain, account, salt, valid_until_ms, fee_max };
        let body = Body::Transfer(Transfer { to: key.address(), amount: Amount::CIRO });
        let good = Signed::new(Transaction { header, body }, &key).unwrap();
        admission.pending.add(good.clone(), Bill::default()).unwrap();
        let mut forged = good.clone();
        forged.signature.0.s[31] ^= 1;
        let refused = admission.admit(forged).await;
        assert!(matches!(refused, Err(Refused::Invalid(TxInvalid::Signature(_)))), "{refused:?}");
        assert!(matches!(admission.admit(good).await, Ok((Taken::Waiting(_), true))));
    }
}
