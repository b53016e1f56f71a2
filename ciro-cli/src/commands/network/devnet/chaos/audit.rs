//! What is looked at once all jobs have ended and everything runs again.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use ciro_protocol::api::BlockInfo;
use ciro_protocol::event::Purse;
use ciro_protocol::id::JobId;

use super::super::{Devnet, Process};
use super::books::Phase;
use super::fleet::Fleet;
use super::invariant::{Invariant, Violations};
use super::witness::Witness;

const LOOK: Duration = Duration::from_millis(100);
/// Blocks whose state is compared at least, from the last one back.
const LAST_BLOCKS: u64 = 64;
/// What a node logs that has evidence.
const EVIDENCE: &str = "a validator broke the protocol";
/// What a program logs that panicked.
const PANIC: &str = "panicked at";

/// How long logs were before the first blow: what is older is not this run's.
#[derive(Debug)]
pub(super) struct Logs(Vec<u64>);

impl Logs {
    pub(super) fn now(devnet: &Devnet) -> Self {
        let length = |process: &Process| {
            std::fs::metadata(&process.log).map_or(0, |metadata| metadata.len())
        };
        Self(devnet.processes.iter().map(length).collect())
    }

    /// Looks for panics and evidence in what was logged since.
    pub(super) fn examine(&self, devnet: &Devnet) -> Result<Violations> {
        let mut violations = Violations::default();
        for (process, from) in devnet.processes.iter().zip(&self.0) {
            let log = since(&process.log, *from)?;
            for line in log.lines() {
                let rules = [(PANIC, Invariant::I8), (EVIDENCE, Invariant::I6)];
                for (_, invariant) in rules.into_iter().filter(|(sign, _)| line.contains(sign)) {
                    violations.add(invariant, format!("`{}`: {line}", process.name));
                }
            }
        }
        Ok(violations)
    }
}

/// What a file says from a place on.
fn since(path: &Path, from: u64) -> Result<String> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(path)?;
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Waits until all jobs have ended and all nodes have told the same.
pub(super) async fn settle(fleet: &Fleet, witness: &Witness) -> Violations {
    let mut violations = Violations::default();
    let begun = Instant::now();
    loop {
        let running: Vec<JobId> = witness.books(|books| {
            let running = books.jobs().filter(|(_, entry)| entry.phase != Phase::Ended);
            running.map(|(job, _)| *job).collect()
        });
        let heads = heads(fleet).await;
        let level = heads.is_some_and(|events| witness.is_level(events));
        if running.is_empty() && level {
            witness.books(super::books::Books::close_block);
            return violations;
        }
        if begun.elapsed() > fleet.patience() {
            for job in &running {
                violations.add(Invariant::I1, format!("job {job} does not end"));
            }
            if !level {
                let what = format!("nodes have told {:?} events, heads {heads:?}", witness.last());
                violations.add(Invariant::I5, what);
            }
            return violations;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The number of the last event, if all nodes answer and have the same one.
async fn heads(fleet: &Fleet) -> Option<u64> {
    let mut events = None;
    for client in fleet.clients() {
        let asked = tokio::time::timeout(Duration::from_secs(5), client.chain_info()).await;
        let head = asked.ok()?.ok()?.head.events;
        if *events.get_or_insert(head) != head {
            return None;
        }
    }
    events
}

/// Compares states of blocks, and metrics, of all nodes.
pub(super) async fn compare(fleet: &Fleet) -> Result<Violations> {
    let mut violations = Violations::default();
    let mut top = u64::MAX;
    for client in fleet.clients() {
        top = top.min(client.chain_info().await?.head.height);
    }
    let interval = fleet.clients()[0].spec().consensus.checkpoint_interval.max(1);
    for height in 1..=top {
        if height + LAST_BLOCKS <= top && height % interval != 0 {
            continue;
        }
        let mut first: Option<BlockInfo> = None;
        for (node, client) in fleet.clients().iter().enumerate() {
            let block = client.block(height).await?;
            // How firm a block is may differ; what it did may not.
            let first = first.get_or_insert_with(|| block.clone());
            let same = (first.state_root, first.time_ms, &first.transactions)
                == (block.state_root, block.time_ms, &block.transactions);
            if !same {
                let what = format!("node{node} has another block or state at height {height}");
                violations.add(Invariant::I5, what);
            }
        }
    }
    for (node, client) in fleet.clients().iter().enumerate() {
        let metrics = client.metrics().await?;
        let counted =
            metrics.lines().find_map(|it| it.strip_prefix("ciro_consensus_evidence_total "));
        if counted != Some("0") {
            let what = format!("node{node} counts evidence: {counted:?}");
            violations.add(Invariant::I6, what);
        }
    }
    Ok(violations)
}

/// Compares what nodes say that accounts and providers hold with the books.
pub(super) async fn balances(fleet: &Fleet, witness: &Witness) -> Result<Violations> {
    let mut violations = Violations::default();
    let purses = witness.books(|books| books.purses().clone());
    for (node, client) in fleet.clients().iter().enumerate() {
        for (purse, expected) in &purses {
            let Purse::Account(address) = purse else { continue };
            let held = client.account(*address).await?.balance.units();
            if held != *expected {
                let what = format!("node{node}: {address} has {held} units, events say {expected}");
                violations.add(Invariant::I2, what);
            }
        }
        let mut after = None;
        loop {
            let page = client.providers(after.as_deref()).await?;
            for provider in page.items {
                let bond = purses.get(&Purse::Bond(provider.provider)).copied().unwrap_or_default();
                let (held, locked) = (provider.bond.units(), provider.locked.units());
                if (held, locked, provider.held) != (bond, 0, 0) {
                    let what = format!(
                        "node{node}: provider {} has {held} units and {locked} for {} jobs, \
                         events say {bond} and none",
                        provider.provider, provider.held
                    );
                    violations.add(Invariant::I2, what);
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(violations)
}
