//! Transactions that were taken and are not executed yet, bounded in bytes and by account.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ciro_protocol::amount::Amount;
use ciro_protocol::batch::{ATTACHMENTS_MAX, TXS_MAX};
use ciro_protocol::blob::BlobId;
use ciro_protocol::id::TxId;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::{Body, SignedTx};
use ciro_protocol::wire::Message as _;
use tokio::sync::{Notify, watch};

use crate::metrics::Metrics;

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub struct PendingLimits {
    /// Bytes of all transactions.
    pub bytes: usize,
    /// Transactions of one account.
    pub per_account: usize,
}

/// What a transaction takes, if it is executed on the last state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    /// Its fee.
    pub fee: Amount,
    /// All that leaves its account, the fee included.
    pub spent: Amount,
    /// What the account holds before it.
    pub balance: Amount,
}

/// How far a transaction is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It waits for its batch.
    Waiting,
    /// Its batch is durable: it will be executed.
    Durable,
    /// Its batch could not be made durable.
    Failed,
}

/// Why no more is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Full {
    /// Too much waits.
    #[error("{bytes} bytes of transactions are waiting, at most {max} may")]
    Bytes {
        /// How much waits.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Too much of one account waits.
    #[error("{txs} transactions of the account are waiting, at most {max} may")]
    Account {
        /// How many wait.
        txs: usize,
        /// The limit.
        max: usize,
    },
    /// What waits of one account leaves no fee for another one: a block would hold it, and nobody
    /// would have paid for that.
    #[error(
        "{spent} of the account's {balance} goes to its waiting transactions, the fee is {fee}"
    )]
    Fees {
        /// What those that wait take.
        spent: Amount,
        /// What the account holds.
        balance: Amount,
        /// What this one costs.
        fee: Amount,
    },
}

/// Transactions that were taken and are not executed yet.
#[derive(Debug)]
pub struct Pending {
    limits: PendingLimits,
    inner: Mutex<Inner>,
    /// Somebody has something for a batch.
    arrived: Notify,
    /// The last executed batch of each submitter.
    nonces: watch::Sender<BTreeMap<u64, u64>>,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct Inner {
    queue: VecDeque<SignedTx>,
    known: BTreeMap<TxId, Known>,
    accounts: BTreeMap<Address, Waiting>,
    /// Bytes of all that is known.
    bytes: usize,
    /// Bytes of the queue.
    queued: usize,
}

/// What waits of one account.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    txs: usize,
    /// What leaves the account when all of it is executed.
    spent: Amount,
}

#[derive(Debug)]
struct Known {
    account: Address,
    bytes: usize,
    /// What leaves the account when it is executed.
    spent: Amount,
    stage: watch::Sender<Stage>,
    /// The blobs that it is about.
    blobs: Vec<BlobId>,
}

/// What goes into one batch.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) txs: Vec<SignedTx>,
    pub(super) attachments: BTreeSet<BlobId>,
}

impl Pending {
    /// Begins with nothing.
    #[must_use]
    pub fn new(limits: PendingLimits, nonces: BTreeMap<u64, u64>, metrics: Metrics) -> Self {
        let (inner, arrived) = (Mutex::default(), Notify::new());
        Self { limits, inner, arrived, nonces: watch::channel(nonces).0, metrics }
    }

    /// Returns how far a transaction is, if it is known here and not executed.
    #[must_use]
    pub fn stage(&self, id: TxId) -> Option<watch::Receiver<Stage>> {
        self.lock().known.get(&id).map(|known| known.stage.subscribe())
    }

    /// Takes a transaction, or finds that it is here already. Each alone could be paid: together
    /// they must be, since what cannot pay its fee any more is in a block for nothing.
    ///
    /// # Errors
    ///
    /// [`Full`] if there is no room for it, or no money left for its fee.
    pub fn add(&self, tx: SignedTx, bill: Bill) -> Result<watch::Receiver<Stage>, Full> {
        let id = tx.body.id();
        let mut inner = self.lock();
        if let Some(known) = inner.known.get(&id) {
            return Ok(known.stage.subscribe());
        }
        let (account, size) = (tx.body.header.account, tx.to_bytes().len());
        let bytes = inner.bytes;
        if bytes.saturating_add(size) > self.limits.bytes {
            return Err(Full::Bytes { bytes, max: self.limits.bytes });
        }
        let Waiting { txs, spent } = inner.accounts.get(&account).copied().unwrap_or_default();
        if txs >= self.limits.per_account {
            return Err(Full::Account { txs, max: self.limits.per_account });
        }
        let Bill { fee, balance, .. } = bill;
        if balance.saturating_sub(spent) < fee {
            return Err(Full::Fees { spent, balance, fee });
        }
        let stage = inner.know(&tx, (Stage::Waiting, bill.spent));
        inner.queued += size;
        inner.queue.push_back(tx);
        self.metrics.mempool(inner.known.len(), inner.bytes);
        drop(inner);
        self.arrived.notify_one();
        Ok(stage)
    }

    /// Returns the blobs that transactions here are about: they may not go.
    #[must_use]
    pub fn blobs(&self) -> BTreeSet<BlobId> {
        self.lock().known.values().flat_map(|known| known.blobs.iter().copied()).collect()
    }

    /// Takes note of transactions whose batch was durable when the node stopped. What they take of
    /// their accounts is not known any more, and does not count.
    pub(crate) fn recover(&self, txs: &[SignedTx]) {
        let mut inner = self.lock();
        for tx in txs {
            inner.know(tx, (Stage::Durable, Amount::ZERO));
        }
        self.metrics.mempool(inner.known.len(), inner.bytes);
    }

    /// Waits until something is there for a batch.
    pub(super) async fn arrived(&self) {
        while self.lock().queue.is_empty() {
            self.arrived.notified().await;
        }
    }

    /// Returns how much is there for a batch: transactions and bytes.
    pub(super) fn queued(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.queue.len(), inner.queued)
    }

    /// Takes what fits into a batch of so many bytes, in the order in which it came.
    pub(super) fn take(&self, bytes_max: usize) -> Taken {
        let mut inner = self.lock();
        let (mut taken, mut bytes) = (Taken::default(), 0);
        while let Some(tx) = inner.queue.front() {
            let size = tx.to_bytes().len();
            let named = attachments(&tx.body.body);
            let new = named.iter().filter(|blob| !taken.attachments.contains(blob)).count();
            let fits = taken.txs.len() < TXS_MAX
                && bytes + size <= bytes_max
                && taken.attachments.len() + new <= ATTACHMENTS_MAX;
            if !fits && !taken.txs.is_empty() {
                break;
            }
            let Some(tx) = inner.queue.pop_front() else { break };
            inner.queued = inner.queued.saturating_sub(size);
            bytes += size;
            taken.attachments.extend(named);
            taken.txs.push(tx);
        }
        taken
    }

    /// Says that the batch of these transactions is durable, or never will be.
    pub(super) fn settle(&self, txs: &[SignedTx], stage: &Stage) {
        let mut inner = self.lock();
        for tx in txs {
            let id = tx.body.id();
            if let Some(known) = inner.known.get(&id) {
                known.stage.send_replace(stage.clone());
            }
            if *stage == Stage::Failed {
                inner.forget(id);
            }
        }
        self.metrics.mempool(inner.known.len(), inner.bytes);
    }

    /// Forgets transactions that a block holds.
    pub(crate) fn executed(&self, ids: &[TxId], nonces: &BTreeMap<u64, u64>) {
        let mut inner = self.lock();
        for id in ids {
            inner.forget(*id);
        }
        self.metrics.mempool(inner.known.len(), inner.bytes);
        drop(inner);
        self.nonces.send_replace(nonces.clone());
    }

    /// Returns the nonce of a submitter's last executed batch.
    #[must_use]
    pub fn executed_nonce(&self, submitter: u64) -> u64 {
        self.nonces.borrow().get(&submitter).copied().unwrap_or(0)
    }

    /// Waits until the batch of this nonce of a submitter is executed.
    pub(crate) async fn executed_up_to(&self, submitter: u64, nonce: u64) {
        let reached =
            |nonces: &BTreeMap<u64, u64>| nonces.get(&submitter).copied().unwrap_or(0) >= nonce;
        // The sender is this value itself: waiting ends with it at the latest.
        let _ = self.nonces.subscribe().wait_for(reached).await;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn know(&mut self, tx: &SignedTx, (stage, spent): (Stage, Amount)) -> watch::Receiver<Stage> {
        let (sender, receiver) = watch::channel(stage);
        let (account, bytes) = (tx.body.header.account, tx.to_bytes().len());
        let blobs = blobs_of(&tx.body.body);
        let known = Known { account, bytes, spent, stage: sender, blobs };
        if self.known.insert(tx.body.id(), known).is_none() {
            self.bytes += bytes;
            let waiting = self.accounts.entry(account).or_default();
            waiting.txs += 1;
            waiting.spent = waiting.spent.checked_add(spent).unwrap_or(Amount::SUPPLY);
        }
        receiver
    }

    fn forget(&mut self, id: TxId) {
        let Some(Known { account, bytes, spent, .. }) = self.known.remove(&id) else { return };
        self.bytes = self.bytes.saturating_sub(bytes);
        if let Some(waiting) = self.accounts.get_mut(&account) {
            waiting.txs = waiting.txs.saturating_sub(1);
            waiting.spent = waiting.spent.saturating_sub(spent);
            if waiting.txs == 0 {
                self.accounts.remove(&account);
            }
        }
    }
}

/// Returns the blobs that a transaction is about.
#[must_use]
pub fn blobs_of(body: &Body) -> Vec<BlobId> {
    let mut blobs = attachments(body);
    match body {
        Body::Order(order) => blobs.push(order.input.blob),
        Body::RegisterModel(model) => blobs.push(model.card.blob),
        _ => {}
    }
    blobs
}

/// Returns the blobs that a transaction's validity depends on.
fn attachments(body: &Body) -> Vec<BlobId> {
    let proven = match body {
        Body::SubmitProof(body) => &body.proven,
        Body::ReportFraud(body) => &body.submitted.proven,
        _ => return Vec::new(),
    };
    vec![proven.key_blob, proven.bundle]
}

#[cfg(test)]
mod tests {
    use ciro_consensus::ChainId;
    use ciro_protocol::id::Chain;
    use ciro_protocol::sign::{SecretKey, Signed};
    use ciro_protocol::tx::{Transaction, TxHeader};

    use super::*;

    fn tx(person: u8, salt: u8) -> SignedTx {
        let key = SecretKey::from_seed(&[person]);
        let header = TxHeader {
            chain: Chain(ChainId::new("a test")),
            account: key.address(),
            salt: [salt; 16],
            valid_until_ms: 1,
            fee_max: Amount::ZERO,
        };
        Signed::new(Transaction { header, body: Body::Faucet }, &key).unwrap()
    }

    fn pending(bytes: usize, per_account: usize) -> Pending {
        Pending::new(PendingLimits { bytes, per_account }, BTreeMap::new(), Metrics::new())
    }

    /// Takes what costs nothing.
    fn add(pending: &Pending, tx: SignedTx) -> Result<watch::Receiver<Stage>, Full> {
        pending.add(tx, Bill::default())
    }

    #[test]
    fn what_waits_of_an_account_leaves_the_fee_of_what_comes() {
        let pending = pending(1 << 20, 100);
        let units = |units| Amount::from_units(units).unwrap();
        let bill = |spent| Bill { fee: units(10), spent: units(spent), balance: units(100) };
        pending.add(tx(0, 0), bill(60)).unwrap();
        pending.add(tx(0, 1), bill(31)).unwrap();
        let (spent, balance, fee) = (units(91), units(100), units(10));
        let refused = pending.add(tx(0, 2), bill(10)).unwrap_err();
        assert_eq!(refused, Full::Fees { spent, balance, fee });
        assert!(pending.add(tx(1, 2), bill(10)).is_ok(), "another account's money is another's");
        assert!(pending.add(tx(0, 1), bill(10)).is_ok(), "what is here takes nothing more");
        pending.executed(&[tx(0, 1).body.id()], &BTreeMap::new());
        assert!(pending.add(tx(0, 2), bill(40)).is_ok(), "60 of 100 are gone, 10 is the fee");
        assert!(matches!(pending.add(tx(0, 3), bill(10)), Err(Full::Fees { .. })));
    }

    #[test]
    fn waiting_is_bounded_by_bytes_and_by_account() {
        let size = tx(0, 0).to_bytes().len();
        let pending = pending(3 * size, 2);
        add(&pending, tx(0, 0)).unwrap();
        add(&pending, tx(0, 1)).unwrap();
        assert_eq!(add(&pending, tx(0, 2)).unwrap_err(), Full::Account { txs: 2, max: 2 });
        add(&pending, tx(1, 0)).unwrap();
        let refused = add(&pending, tx(2, 0)).unwrap_err();
        assert_eq!(refused, Full::Bytes { bytes: 3 * size, max: 3 * size });
        assert!(add(&pending, tx(1, 0)).is_ok(), "what is here takes no room");
        pending.executed(&[tx(0, 0).body.id(), tx(9, 9).body.id()], &BTreeMap::new());
        assert!(add(&pending, tx(0, 2)).is_ok(), "what is executed takes none either");
    }

    #[test]
    fn batches_take_what_fits_in_order_and_one_at_least() {
        let size = tx(0, 0).to_bytes().len();
        let pending = pending(1 << 20, 100);
        for salt in 0..5 {
            add(&pending, tx(0, salt)).unwrap();
        }
        let salts = |taken: &Taken| -> Vec<u8> {
            taken.txs.iter().map(|tx| tx.body.header.salt[0]).collect()
        };
        assert_eq!(salts(&pending.take(2 * size)), [0, 1]);
        assert_eq!(salts(&pending.take(1)), [2]);
        assert_eq!(pending.queued(), (2, 2 * size));
        let taken = pending.take(1 << 20);
        assert_eq!(salts(&taken), [3, 4]);
        pending.settle(&taken.txs, &Stage::Failed);
        assert!(pending.stage(tx(0, 3).body.id()).is_none(), "it may come again");
        assert_eq!(*pending.stage(tx(0, 0).body.id()).unwrap().borrow(), Stage::Waiting);
    }
}
