//! Executing a block: the clock, what offenders lose, the transactions in order, then the timers
//! that are due. The last block of an epoch of consensus elects who votes after the next one.
//!
//! Timers come after transactions: after an outage the proofs that waited are executed before their
//! leases end.

mod clock;
mod timer;
mod transaction;

use ciro_protocol::batch::Batch;
use ciro_protocol::chain::ChainSpec;
use ciro_protocol::economy::Offence;
use ciro_protocol::event::Event;
use ciro_protocol::light::{StateWords, TreeRoot};
use ciro_protocol::receipt::TxReceipt;
use ciro_protocol::refusal::Refusal;

use crate::state::{CHAIN, ChainRecord, Overlay, Seat, StateError, View, Writes};

/// What consensus has ordered: batches that were found valid.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// Its height, from 1.
    pub height: u64,
    /// The batches in order.
    pub batches: &'a [Batch],
    /// Faults that consensus has proven and that no block before carried.
    pub punish: &'a [Offence],
}

/// What a block does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Changes of the state.
    pub writes: Writes,
    /// What became of each transaction, in order.
    pub receipts: Vec<TxReceipt>,
    /// What changed, in order.
    pub events: Vec<Event>,
    /// Ledger time after the block, in ms.
    pub time_ms: u64,
    /// How who votes two epochs later differs from who votes in the next one: what consensus is
    /// told by the last block of an epoch. A weight of 0 takes a vote away.
    pub changes: Vec<Seat>,
}

/// A state that a block changes.
pub(crate) struct Ledger<'a> {
    pub(crate) spec: &'a ChainSpec,
    pub(crate) state: Overlay<'a>,
    /// Clock and counters; written at the end of the block.
    pub(crate) chain: ChainRecord,
    pub(crate) events: Vec<Event>,
    /// What consensus is told of who votes.
    pub(crate) changes: Vec<Seat>,
}

/// Why a change stops: the one who asked is refused, or the state is broken.
#[derive(Debug)]
pub(crate) enum Stop {
    Refused(Refusal),
    Broken(StateError),
}

/// Executes a block after the state that `view` shows. A transaction that fails is a receipt; it
/// never fails the block.
///
/// # Errors
///
/// [`StateError`] if the state is one that no block leaves behind: the node must stop.
pub fn execute(
    spec: &ChainSpec,
    view: &dyn View,
    block: &Block<'_>,
) -> Result<Outcome, StateError> {
    let state = Overlay::new(view);
    let chain = state.expect(CHAIN, &())?;
    let mut ledger = Ledger { spec, state, chain, events: Vec::new(), changes: Vec::new() };
    ledger.chain.height = block.height;
    let behind_ms = ledger.advance_clock(block)?;
    ledger.start_economy()?;
    ledger.note_presence(block, behind_ms)?;
    ledger.punish(block.punish)?;
    let mut receipts = Vec::new();
    for batch in block.batches {
        for tx in batch.txs.iter() {
            receipts.push(ledger.run(tx)?);
        }
    }
    ledger.fire_timers()?;
    ledger.forget_transactions()?;
    ledger.end_consensus_epoch()?;
    let Ledger { mut state, chain, events, changes, .. } = ledger;
    state.put(CHAIN, &(), &chain);
    let time_ms = chain.time_ms;
    Ok(Outcome { writes: state.into_writes(), receipts, events, time_ms, changes })
}

impl Outcome {
    /// Returns what the state root after the block is made of.
    #[must_use]
    pub const fn words(&self, tree: TreeRoot) -> StateWords {
        StateWords { tree, time_ms: self.time_ms }
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StateError> for Stop {
    fn from(error: StateError) -> Self {
        Self::Broken(error)
    }
}
