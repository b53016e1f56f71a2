//! Parts of history from other validators, each proven before anything is done with it.
//!
//! A certified header names all of history before it. The way there from a header that is known is
//! fetched first: three digests for each block, proven once they lead to the certified header. They
//! say what each block executed and which state it led to, so that whatever is served as a block is
//! that block or is refused, whoever serves it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ciro_consensus::crypto::Stark;
use ciro_consensus::{Digest, Link, ReplicaId, Seq};

use super::shared::Shared;
use crate::metrics::Metrics;
use crate::net::{BLOCKS_BYTES_FULL, BLOCKS_MAX, LINKS_MAX};
use crate::store::{LinkRow, OrderedRow, borsh_of};

/// Validators that may have executed blocks.
pub(crate) trait History {
    /// Returns all others, those named first.
    fn sources(&self, first: &[ReplicaId]) -> Vec<ReplicaId>;

    /// Asks one for links from a height on; nothing if they do not come in time.
    fn links(&self, from: u64, max: usize, source: ReplicaId) -> Vec<LinkRow>;

    /// Asks one for what blocks from a height on executed; nothing if it does not come in time.
    fn rows(&self, from: u64, max: usize, source: ReplicaId) -> Vec<OrderedRow>;
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// A source that takes longer for a part goes behind the others.
    pub(super) prompt: Duration,
    /// All links to one certified header.
    pub(super) links: Duration,
    /// Everything: what was executed until then stays, and consensus asks for the rest again, by
    /// then for a later state. Shorter than it waits for an answer.
    pub(super) total: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let [prompt, links, total] = [2, 20, 60].map(Duration::from_secs);
        Self { prompt, links, total }
    }
}

/// Why a part of history is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    /// It did not come, or as a smaller part than it must be: a source that has a block has those
    /// before it, and answers are full.
    Short,
    /// It is not what was certified.
    Other,
}

impl Flaw {
    const fn label(self) -> &'static str {
        match self {
            Self::Short => "history_short",
            Self::Other => "history_other",
        }
    }
}

/// Whom to ask for parts of history, in turns.
pub(super) struct Sources<'h, H> {
    history: &'h H,
    queue: VecDeque<ReplicaId>,
    doubted: &'h mut BTreeSet<ReplicaId>,
    patience: Patience,
    begun: Instant,
    shared: Arc<Shared>,
    metrics: Metrics,
}

impl<'h, H: History> Sources<'h, H> {
    /// Begins with those named, but with whom is doubted last.
    pub(super) fn new(
        history: &'h H,
        (first, doubted): (&[ReplicaId], &'h mut BTreeSet<ReplicaId>),
        patience: Patience,
        (shared, metrics): (Arc<Shared>, Metrics),
    ) -> Self {
        let mut sources = history.sources(first);
        sources.sort_by_key(|source| doubted.contains(source));
        let (queue, begun) = (sources.into(), Instant::now());
        Self { history, queue, doubted, patience, begun, shared, metrics }
    }

    /// Gets the links that lead from one header to another, which is certified; `None` if nobody
    /// has them.
    pub(super) fn links(&mut self, from: (u64, Digest), to: (Seq, Digest)) -> Option<Vec<Link>> {
        let (history, patience) = (self.history, self.patience.links);
        self.ask(|source| {
            let begun = Instant::now();
            let (mut height, mut header) = from;
            let mut links = Vec::new();
            while height < to.0.0 {
                let left = usize::try_from(to.0.0 - height).unwrap_or(usize::MAX);
                let max = left.min(LINKS_MAX);
                let rows = history.links(height + 1, max, source);
                if rows.len() != max || begun.elapsed() > patience {
                    return Err(Flaw::Short);
                }
                for row in rows {
                    height += 1;
                    let link = row.link().ok_or(Flaw::Other)?;
                    header = link.header::<Stark>(Seq(height), header);
                    links.push(link);
                }
            }
            if header == to.1 { Ok(links) } else { Err(Flaw::Other) }
        })
    }

    /// Gets what the next blocks executed, as proven links say: a full part, or all of them; `None`
    /// if nobody has it.
    pub(super) fn rows(&mut self, from: u64, links: &[Link]) -> Option<Vec<OrderedRow>> {
        let (history, max) = (self.history, links.len().min(BLOCKS_MAX));
        self.ask(|source| proven(history.rows(from, max, source), from, &links[..max]))
    }

    /// Asks in turns until a part is sound. Who fails is not asked again, who is slow goes behind
    /// the others, and neither comes first the next time.
    fn ask<T>(&mut self, part: impl Fn(ReplicaId) -> Result<T, Flaw>) -> Option<T> {
        while self.begun.elapsed() < self.patience.total && !self.shared.is_stopping() {
            let source = self.queue.pop_front()?;
            let asked = Instant::now();
            match part(source) {
                Ok(part) if asked.elapsed() <= self.patience.prompt => {
                    self.doubted.remove(&source);
                    self.queue.push_front(source);
                    return Some(part);
                }
                Ok(part) => {
                    self.doubted.insert(source);
                    self.queue.push_back(source);
                    return Some(part);
                }
                Err(flaw) => {
                    tracing::warn!(%source, ?flaw, "a part of history is refused");
                    self.metrics.net_refused(flaw.label());
                    self.doubted.insert(source);
                }
            }
        }
        None
    }
}

/// Checks that rows are what links say, and as many as fit.
fn proven(rows: Vec<OrderedRow>, from: u64, links: &[Link]) -> Result<Vec<OrderedRow>, Flaw> {
    if rows.len() > links.len() {
        return Err(Flaw::Other);
    }
    for ((row, link), height) in rows.iter().zip(links).zip(from..) {
        if row.height != height || row.executed() != Some(link.executed) {
            return Err(Flaw::Other);
        }
    }
    let bytes = || rows.iter().map(|row| borsh_of(row).len()).sum::<usize>();
    if rows.len() < links.len() && bytes() < BLOCKS_BYTES_FULL {
        return Err(Flaw::Short);
    }
    Ok(rows)
}
