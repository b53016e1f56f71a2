//! The ledger's state on disk: keys and values, the tree over them, and what is known of blocks.
//!
//! A block is one transaction of the database, so that state, events and lists never disagree. The
//! transaction of a checkpoint is durable before consensus hears of it; those between may be lost
//! with the process, and are executed again from the log of consensus. A block that is executed
//! again after a restart and is not lost is answered from here, without executing anything.

mod commit;
mod error;
mod snapshot;
mod tables;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use ciro_ledger::state::Writes;
use ciro_protocol::chain::Genesis;
use redb::{Database, DatabaseError, Durability, ReadableDatabase, ReadableTable};

pub use commit::Executed;
pub use error::StoreError;
pub use snapshot::Snapshot;
pub(crate) use tables::borsh_of;
pub use tables::{
    BlockRow, BlockTxRow, EventRow, HeadRow, JobRow, LinkRow, Listed, OrderedRow, TxRow,
};

use tables::{ALL, BLOCKS, STALE, STALE_NODE};

/// Entries that one block removes from what no version needs, at most.
const PRUNED_PER_BLOCK: usize = 1 << 16;

/// The state of one node.
#[derive(Debug)]
pub struct StateStore {
    database: Database,
}

impl StateStore {
    /// Opens the state, or begins it with the genesis. The whole file is read, and every page
    /// compared with its checksum: one that is damaged is found here rather than while the node
    /// runs.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the file is in use, damaged, or of another network.
    pub fn open(path: &Path, genesis: &Genesis, first: &Writes) -> Result<Self, StoreError> {
        unbroken(path, || {
            let (database, _) = checked(path, Database::create(path))?;
            Self::begun(Self { database }, genesis, first)
        })
    }

    /// Checks the file of a node that does not run; false if it was not sound and has been mended.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the file is in use or damaged.
    pub fn check_file(path: &Path) -> Result<bool, StoreError> {
        unbroken(path, || Ok(checked(path, Database::open(path))?.1))
    }

    fn begun(store: Self, genesis: &Genesis, first: &Writes) -> Result<Self, StoreError> {
        let transaction = store.database.begin_write()?;
        for table in ALL {
            transaction.open_table(table)?;
        }
        let begun = transaction.open_table(BLOCKS)?.get(&0_u64.to_be_bytes()[..])?.is_some();
        transaction.commit()?;
        if !begun {
            store.begin(genesis, first)?;
        }
        let root = store.snapshot()?.block(0)?.map(|row| row.words.root());
        if root == Some(genesis.state_root.0) { Ok(store) } else { Err(StoreError::OtherNetwork) }
    }

    /// Returns the state as it is.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the database fails.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Snapshot::new(self.database.begin_read()?)
    }

    /// Removes what trees after blocks before `from` need alone.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the database fails.
    pub fn prune(&self, from: u64) -> Result<(), StoreError> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::None)?;
        {
            let mut stale = transaction.open_table(STALE)?;
            let mut nodes = transaction.open_table(tables::NODES)?;
            let mut history = transaction.open_table(tables::HISTORY)?;
            let end = from.saturating_add(1).to_be_bytes();
            let found = stale.range::<&[u8]>(..&end[..])?.take(PRUNED_PER_BLOCK);
            let keys: Vec<Vec<u8>> = found
                .map(|entry| entry.map(|(key, _)| key.value().to_vec()))
                .collect::<Result<_, _>>()?;
            for key in keys {
                if let Some((&kind, name)) = key.get(8..).and_then(<[u8]>::split_first) {
                    let table = if kind == STALE_NODE { &mut nodes } else { &mut history };
                    table.remove(name)?;
                }
                stale.remove(&key[..])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

/// Checks a database that was opened, and says whether it was sound.
fn checked(
    path: &Path,
    opened: Result<Database, DatabaseError>,
) -> Result<(Database, bool), StoreError> {
    let mut database = opened.map_err(|error| StoreError::Open {
        path: path.to_owned(),
        source: Box::new(error.into()),
    })?;
    let sound = database.check_integrity().map_err(|error| StoreError::Broken {
        path: path.to_owned(),
        reason: ciro_sdk::error_chain(&error),
    })?;
    if !sound {
        tracing::warn!(path = %path.display(), "the state was not sound, and is mended");
    }
    Ok((database, sound))
}

/// Works on a database that may be damaged: it panics about pages that are none.
fn unbroken<T>(path: &Path, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let broken = |reason| StoreError::Broken { path: path.to_owned(), reason };
    // Nothing of the database is used after a panic.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Err(StoreError::Database(error))) => Err(broken(ciro_sdk::error_chain(&*error))),
        Ok(done) => done,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(broken(text.unwrap_or("a page is none").to_owned()))
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
