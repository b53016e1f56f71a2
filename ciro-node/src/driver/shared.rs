//! What the threads of a node tell everybody.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ciro_consensus::crypto::Stark;
use ciro_consensus::{Base, EpochProof, Finality};
use ciro_protocol::api::Head;
use tokio::sync::watch;

/// The last block whose state a quorum certified, with what proves it.
#[derive(Clone, Debug)]
pub struct Certified {
    /// The block; 0 before the first checkpoint.
    pub height: u64,
    /// The proof; absent before the first checkpoint.
    pub finality: Option<Arc<Finality>>,
}

/// Why a node cannot go on. It is said once, by whoever finds it first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fatal(pub String);

/// What everybody may look at and wait for.
#[derive(Debug)]
pub struct Shared {
    head: watch::Sender<Head>,
    certified: watch::Sender<Certified>,
    fatal: watch::Sender<Option<Fatal>>,
    stopping: AtomicBool,
    /// When the last block was executed; never, since the start, at first.
    last_block: Mutex<Option<Instant>>,
    /// The proofs of all epochs so far.
    epochs: Mutex<Vec<EpochProof>>,
}

impl Shared {
    /// Begins with the last block that the state holds.
    #[must_use]
    pub fn new(head: Head) -> Self {
        Self {
            head: watch::channel(head).0,
            certified: watch::channel(Certified { height: 0, finality: None }).0,
            fatal: watch::channel(None).0,
            stopping: AtomicBool::new(false),
            last_block: Mutex::default(),
            epochs: Mutex::default(),
        }
    }

    /// Follows the last executed block.
    #[must_use]
    pub fn head(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    /// Follows the last certified block.
    #[must_use]
    pub fn certified(&self) -> watch::Receiver<Certified> {
        self.certified.subscribe()
    }

    /// Follows whether the node can go on.
    #[must_use]
    pub fn fatal(&self) -> watch::Receiver<Option<Fatal>> {
        self.fatal.subscribe()
    }

    /// Returns how long ago the last block was executed, if one was since the start.
    #[must_use]
    pub fn since_last_block(&self) -> Option<Duration> {
        let last = *self.last_block.lock().unwrap_or_else(PoisonError::into_inner);
        last.map(|last| last.elapsed())
    }

    pub(crate) fn set_head(&self, head: Head) {
        let mut last = self.last_block.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(Instant::now());
        drop(last);
        self.head.send_replace(head);
    }

    /// Says why the node cannot go on.
    pub(crate) fn fail(&self, reason: impl Into<String>) {
        let reason = reason.into();
        tracing::error!(%reason, "the node stops");
        self.fatal.send_if_modified(|fatal| {
            let first = fatal.is_none();
            fatal.get_or_insert(Fatal(reason));
            first
        });
    }

    /// Tells the threads to end.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    pub(crate) fn add_epoch(&self, proof: EpochProof) {
        let mut epochs = self.epochs.lock().unwrap_or_else(PoisonError::into_inner);
        if epochs.last().is_none_or(|last| last.checkpoint.epoch < proof.checkpoint.epoch) {
            epochs.push(proof);
        }
    }

    /// Takes what the log of consensus now begins with: a certified checkpoint.
    pub(crate) fn certify(&self, base: &Base) {
        let Some(header) = base.snapshot.header else { return };
        let epochs = self.epochs.lock().unwrap_or_else(PoisonError::into_inner);
        let before = |proof: &&EpochProof| proof.checkpoint.epoch < base.checkpoint.epoch;
        let finality = Finality {
            epochs: epochs.iter().filter(before).cloned().collect(),
            checkpoint: base.checkpoint.clone(),
            roots: base.snapshot.roots::<Stark>(),
            header,
        };
        drop(epochs);
        let height = header.height.0;
        self.certified.send_if_modified(|certified| {
            let newer = height > certified.height;
            if newer {
                *certified = Certified { height, finality: Some(Arc::new(finality)) };
            }
            newer
        });
    }
}
