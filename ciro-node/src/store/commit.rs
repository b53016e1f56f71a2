//! Writing a block: the state, the tree, and what is known of the block, at once.

use ciro_consensus::crypto::Stark;
use ciro_consensus::{Digest, Link, Seq};
use ciro_ledger::state::{MODELS, Writes, tree};
use ciro_ledger::{Outcome, View};
use ciro_protocol::batch::Batch;
use ciro_protocol::chain::Genesis;
use ciro_protocol::economy::Offence;
use ciro_protocol::event::Event;
use ciro_protocol::id::{JobId, TxId};
use ciro_protocol::light::StateWords;
use ciro_protocol::order::{Class, JobOrder};
use ciro_protocol::receipt::{Outcome as Ended, TxReceipt};
use ciro_protocol::tx::{Body, SignedTx};
use ciro_protocol::wire::List;
use jmt::storage::TreeUpdateBatch;
use redb::{Durability, ReadableTable, Table, WriteTransaction};

use super::snapshot::{Snapshot, history_key};
use super::tables::{
    BLOCKS, BlockRow, BlockTxRow, EVENTS, EventRow, HEAD, HISTORY, HeadRow, JOBS, JobRow, LINKS,
    LISTS, LinkRow, Listed, NODES, ORDERED, OrderedRow, QUEUE, STALE, STALE_NODE, STALE_VALUE,
    STATE, TXS, TxRow, borsh_of, queue_key, read,
};
use super::{StateStore, StoreError};

type Bytes = &'static [u8];

/// A block that was executed, as it is to be written.
#[derive(Clone, Copy, Debug)]
pub struct Executed<'a> {
    /// Its height.
    pub height: u64,
    /// The proposal's digest.
    pub proposal: Digest,
    /// The digest of what is executed of it.
    pub executed: Digest,
    /// The root of the state after it, if a quorum has certified that already.
    pub certified: Option<Digest>,
    /// Its batches.
    pub batches: &'a [Batch],
    /// The offences that consensus had proven.
    pub punish: &'a [Offence],
    /// What they did.
    pub outcome: &'a Outcome,
    /// Whether it must outlast the process before this returns: a checkpoint.
    pub durable: bool,
}

impl StateStore {
    /// Writes the state before the first block.
    pub(super) fn begin(&self, genesis: &Genesis, first: &Writes) -> Result<(), StoreError> {
        let snapshot = self.snapshot()?;
        let (tree, update) = tree::update(&snapshot, 0, first)?;
        let words = StateWords { tree, time_ms: genesis.spec.genesis_ms };
        if words.root() != genesis.state_root.0 {
            return Err(StoreError::OtherNetwork);
        }
        let transaction = self.database.begin_write()?;
        write_state(&transaction, first)?;
        write_tree(&transaction, 0, &update)?;
        let (header, nonces) = ([0; 32], Default::default());
        let head = HeadRow { height: 0, words, header, events: 0, nonces };
        let row =
            BlockRow { digest: [0; 32], words, batches: 0, txs: Vec::new(), changes: Vec::new() };
        put(&mut transaction.open_table(HEAD)?, &[], &head)?;
        put(&mut transaction.open_table(BLOCKS)?, &0_u64.to_be_bytes(), &row)?;
        Ok(transaction.commit()?)
    }

    /// Writes a block after the state that `snapshot` shows, and returns where the state then is.
    ///
    /// # Errors
    ///
    /// [`StoreError::OtherState`] if it leads to another state than the certified one, and others;
    /// what is on disk is the state before or after the block.
    pub fn commit(&self, snapshot: &Snapshot, block: &Executed<'_>) -> Result<HeadRow, StoreError> {
        let (root, update) = tree::update(snapshot, block.height, &block.outcome.writes)?;
        let words = block.outcome.words(root);
        let (height, got) = (block.height, words.root());
        if let Some(expected) = block.certified.filter(|expected| *expected != got) {
            return Err(StoreError::OtherState { height, got, expected });
        }
        let before = snapshot.head()?;
        let mut transaction = self.database.begin_write()?;
        if block.durable {
            // Without it, opening after a crash would walk through the whole file.
            transaction.set_quick_repair(true);
        } else {
            transaction.set_durability(Durability::None)?;
        }
        write_state(&transaction, &block.outcome.writes)?;
        write_tree(&transaction, block.height, &update)?;
        let head = Rows { transaction: &transaction, snapshot, block }.write(before, words)?;
        transaction.commit()?;
        Ok(head)
    }
}

/// Writes the ledger's keys and values.
fn write_state(transaction: &WriteTransaction, writes: &Writes) -> Result<(), StoreError> {
    let mut table = transaction.open_table(STATE)?;
    for (key, value) in writes {
        match value {
            Some(value) => table.insert(&key[..], &value[..])?,
            None => table.remove(&key[..])?,
        };
    }
    Ok(())
}

/// Writes new nodes and values of the tree, and notes which of the old ones have served.
fn write_tree(
    transaction: &WriteTransaction,
    version: u64,
    update: &TreeUpdateBatch,
) -> Result<(), StoreError> {
    let mut stale = transaction.open_table(STALE)?;
    let mut note = |since: u64, kind: u8, key: &[u8]| -> Result<(), StoreError> {
        let place = [&since.to_be_bytes()[..], &[kind], key].concat();
        stale.insert(&place[..], &[][..])?;
        Ok(())
    };
    let mut nodes = transaction.open_table(NODES)?;
    for (key, node) in update.node_batch.nodes() {
        nodes.insert(&borsh_of(key)[..], &borsh_of(node)[..])?;
    }
    for index in &update.stale_node_index_batch {
        note(index.stale_since_version, STALE_NODE, &borsh_of(&index.node_key))?;
    }
    let mut history = transaction.open_table(HISTORY)?;
    for ((_, key), value) in update.node_batch.values() {
        let (from, to) = (history_key(*key, 0), history_key(*key, version));
        let last = history.range(&from[..]..&to[..])?.next_back().transpose()?;
        let last = last.map(|(key, _)| key.value().to_vec());
        if let Some(before) = last {
            note(version, STALE_VALUE, &before)?;
        }
        if value.is_none() {
            // Nothing there says the same as nothing written.
            note(version, STALE_VALUE, &to)?;
        }
        history.insert(&to[..], &borsh_of(value)[..])?;
    }
    Ok(())
}

fn put<T: borsh::BorshSerialize>(
    table: &mut Table<'_, Bytes, Bytes>,
    key: &[u8],
    value: &T,
) -> Result<(), StoreError> {
    table.insert(key, &borsh_of(value)[..])?;
    Ok(())
}

/// What is known of blocks, while one is written.
struct Rows<'a> {
    transaction: &'a WriteTransaction,
    snapshot: &'a Snapshot,
    block: &'a Executed<'a>,
}

impl Rows<'_> {
    fn write(&self, before: HeadRow, words: StateWords) -> Result<HeadRow, StoreError> {
        let Executed { height, batches, punish, outcome, .. } = *self.block;
        let txs = batches.iter().flat_map(|batch| batch.txs.iter()).zip(&outcome.receipts);
        let txs: Vec<(&SignedTx, &TxReceipt)> = txs.collect();
        self.transactions(&txs)?;
        let opened: Vec<(JobId, &SignedTx)> = txs
            .iter()
            .filter(|(_, receipt)| receipt.refused.is_none())
            .filter_map(|(tx, _)| tx.body.job().map(|job| (job, *tx)))
            .collect();
        let mut events = before.events;
        for event in &outcome.events {
            events += 1;
            let row = EventRow { height, time_ms: words.time_ms, event: event.clone() };
            put(&mut self.transaction.open_table(EVENTS)?, &events.to_be_bytes(), &row)?;
            self.follow_job(events, event, &opened)?;
        }
        let txs = txs.iter().map(|(tx, receipt)| BlockTxRow {
            kind: tx.body.body.kind().to_owned(),
            account: tx.body.header.account,
            receipt: (*receipt).clone(),
        });
        let (digest, key) = (*self.block.proposal.as_bytes(), height.to_be_bytes());
        let count = u32::try_from(batches.len()).unwrap_or(u32::MAX);
        let (txs, changes) = (txs.collect(), outcome.changes.clone());
        let row = BlockRow { digest, words, batches: count, txs, changes };
        put(&mut self.transaction.open_table(BLOCKS)?, &key, &row)?;
        let header = self.link(&before, words)?;
        let batches = List::new(batches.to_vec()).map_err(|_| StoreError::Batches { height })?;
        let punish = List::new(punish.to_vec()).map_err(|_| StoreError::Offences { height })?;
        let ordered = OrderedRow { height, batches, punish };
        put(&mut self.transaction.open_table(ORDERED)?, &key, &ordered)?;
        let batches = &ordered.batches;
        let mut nonces = before.nonces;
        nonces.extend(batches.iter().map(|batch| (batch.submitter.0, batch.nonce)));
        let head = HeadRow { height, words, header, events, nonces };
        put(&mut self.transaction.open_table(HEAD)?, &[], &head)?;
        Ok(head)
    }

    /// Writes the block's link of the chain of headers and returns the header's digest.
    fn link(&self, before: &HeadRow, words: StateWords) -> Result<[u8; 32], StoreError> {
        let Executed { height, proposal, executed, .. } = *self.block;
        let link = Link { proposal, executed, state_root: words.root() };
        let key = height.to_be_bytes();
        put(&mut self.transaction.open_table(LINKS)?, &key, &LinkRow::from(link))?;
        Ok(*link.header::<Stark>(Seq(height), before.header()?).as_bytes())
    }

    /// Remembers what became of transactions. What came to its end stays so, whoever brings it once
    /// more and whenever: a second time in time is a duplicate, a later one has expired.
    fn transactions(&self, txs: &[(&SignedTx, &TxReceipt)]) -> Result<(), StoreError> {
        let mut table = self.transaction.open_table(TXS)?;
        for (_, receipt) in txs {
            let TxId(id) = receipt.id;
            let before = table.get(&id[..])?.map(|row| read("transactions", &id, row.value()));
            let before: Option<TxRow> = before.transpose()?;
            if !before.is_some_and(|row| row.receipt.is_final()) {
                let receipt = (*receipt).clone();
                put(&mut table, &id, &TxRow { height: self.block.height, receipt })?;
            }
        }
        Ok(())
    }

    /// Follows a job by its events.
    fn follow_job(
        &self,
        seq: u64,
        event: &Event,
        opened: &[(JobId, &SignedTx)],
    ) -> Result<(), StoreError> {
        let job = match event {
            Event::JobOpened { job, .. }
            | Event::JobClaimed { job, .. }
            | Event::JobRenewed { job, .. }
            | Event::JobLost { job, .. } => *job,
            Event::JobEnded { receipt } => receipt.job,
            _ => return Ok(()),
        };
        let mut row = match self.job_row(job)? {
            Some(row) => row,
            None => self.begin_job(seq, job, opened)?,
        };
        row.changed = self.block.height;
        let direct = row.opened == seq && matches!(event, Event::JobClaimed { .. });
        let stays = matches!(event, Event::JobRenewed { .. });
        let place = match event {
            Event::JobOpened { .. } => Some(seq),
            // A direct order is held from the start: its provider finds it in the queue.
            Event::JobClaimed { .. } if direct => Some(seq),
            _ if stays => row.position,
            _ => None,
        };
        self.move_in_queue(job, &mut row, place)?;
        if let Event::JobClaimed { provider, .. } = event {
            self.list(Listed::Provider(*provider), row.opened, job)?;
        }
        if let Event::JobEnded { receipt } = event {
            row.receipt = Some((**receipt).clone());
            if let Ended::Settled(settled) = &receipt.outcome {
                self.list(Listed::Provider(settled.provider), row.opened, job)?;
            }
        }
        put(&mut self.transaction.open_table(JOBS)?, &job.0, &row)
    }

    fn job_row(&self, job: JobId) -> Result<Option<JobRow>, StoreError> {
        let table = self.transaction.open_table(JOBS)?;
        let value = table.get(&job.0[..])?;
        value.map(|value| read("jobs", &job.0, value.value())).transpose()
    }

    /// Begins to follow a job by the transaction that ordered it.
    fn begin_job(
        &self,
        seq: u64,
        job: JobId,
        opened: &[(JobId, &SignedTx)],
    ) -> Result<JobRow, StoreError> {
        let missing = || StoreError::State(ciro_ledger::StateError::Missing { table: "jobs" });
        let (_, order) = opened.iter().find(|(id, _)| *id == job).ok_or_else(missing)?;
        let Body::Order(body) = &order.body.body else { return Err(missing()) };
        self.list(Listed::All, seq, job)?;
        self.list(Listed::Requester(order.body.header.account), seq, job)?;
        Ok(JobRow {
            order: (*order).clone(),
            class: self.class_of(body)?,
            height: self.block.height,
            time_ms: self.block.outcome.time_ms,
            opened: seq,
            position: None,
            changed: self.block.height,
            receipt: None,
        })
    }

    /// Returns the class of an order's work. Its model may be as new as the order.
    fn class_of(&self, order: &JobOrder) -> Result<Class, StoreError> {
        let key = MODELS.key(&order.model);
        let value = match self.block.outcome.writes.get(&key) {
            Some(value) => value.clone(),
            None => self.snapshot.get(&key),
        };
        self.snapshot.check()?;
        let missing = || ciro_ledger::StateError::Missing { table: "models" };
        let record = MODELS.decode(&key, &value.ok_or_else(missing)?)?;
        Ok(record.card.key(order.key).ok_or_else(missing)?.facts.class())
    }

    fn move_in_queue(
        &self,
        job: JobId,
        row: &mut JobRow,
        place: Option<u64>,
    ) -> Result<(), StoreError> {
        if row.position == place {
            return Ok(());
        }
        let mut queue = self.transaction.open_table(QUEUE)?;
        if let Some(old) = row.position {
            queue.remove(&queue_key(row.class, old)[..])?;
        }
        if let Some(new) = place {
            put(&mut queue, &queue_key(row.class, new), &job)?;
        }
        row.position = place;
        Ok(())
    }

    fn list(&self, list: Listed, opened: u64, job: JobId) -> Result<(), StoreError> {
        put(&mut self.transaction.open_table(LISTS)?, &list.key(opened), &job)
    }
}
