//! Throughput with real signatures.

use std::time::{Duration, Instant};
use std::{fmt, fs};

use ciro_consensus::crypto::{CryptoError, Scheme, Stark, StarkSigningKey};
use ciro_consensus::{
    ChainId, ClientId, Digest, Genesis, Nonce, OpenError, Operation, Params, ReplicaId, Validator,
    ValidatorSet, ValidatorSetError,
};

use crate::app::payload;
use crate::cluster::{Cluster, ClusterError};

/// The speed of a cluster in one thread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement {
    /// Replicas.
    pub nodes: usize,
    /// Operations in each block, on average.
    pub operations: usize,
    /// Time on one CPU for one block at all replicas together.
    pub block: Duration,
    /// Messages of one block.
    pub messages: u64,
    /// Bytes of one block.
    pub bytes: u64,
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeasureError {
    /// A key could not be made.
    #[error("cannot make a key")]
    Key(#[from] CryptoError),
    /// The validators make no set.
    #[error("cannot make a validator set")]
    Validators(#[from] ValidatorSetError),
    /// The cluster does not start.
    #[error("cannot start the cluster")]
    Open(#[from] OpenError),
    /// The cluster does not do what it must.
    #[error("the cluster failed")]
    Run(#[from] ClusterError),
}

impl Measurement {
    /// Orders `blocks` full blocks in a cluster of `nodes` equal validators with STARK-curve
    /// signatures.
    ///
    /// # Errors
    ///
    /// [`MeasureError`] when the cluster cannot be set up or fails.
    pub fn take(nodes: usize, operations: usize, blocks: u64) -> Result<Self, MeasureError> {
        let mut cluster = stark_cluster(nodes, operations)?;
        // A first block fills caches and is not measured.
        let mut source = Source::default();
        cluster.run(&source.take(1))?;
        let (height, traffic) = (cluster.height(), cluster.traffic());
        let wanted = usize::try_from(blocks).unwrap_or(usize::MAX).saturating_mul(operations);
        let given = source.take(wanted);
        let watch = Stopwatch::start();
        cluster.run(&given)?;
        let elapsed = watch.elapsed();
        let ordered = (cluster.height().0 - height.0).max(1);
        Ok(Self {
            nodes,
            operations: wanted / usize::try_from(ordered).unwrap_or(1),
            block: elapsed.div_f64(ordered as f64),
            messages: (cluster.traffic().messages - traffic.messages) / ordered,
            bytes: (cluster.traffic().bytes - traffic.bytes) / ordered,
        })
    }

    /// Returns operations ordered a second.
    #[must_use]
    pub fn operations_per_second(&self) -> f64 {
        self.operations as f64 / self.block.as_secs_f64()
    }
}

/// Measures this thread's time on the CPU, which a busy machine does not distort; where the system
/// does not tell it, the time that passes.
struct Stopwatch {
    started: Instant,
    on_cpu: Option<Duration>,
}

impl Stopwatch {
    fn start() -> Self {
        Self { started: Instant::now(), on_cpu: time_on_cpu() }
    }

    fn elapsed(&self) -> Duration {
        let on_cpu = self.on_cpu.zip(time_on_cpu()).and_then(|(from, to)| to.checked_sub(from));
        on_cpu.filter(|time| !time.is_zero()).unwrap_or_else(|| self.started.elapsed())
    }
}

/// Returns how long this thread has run, as Linux counts it.
fn time_on_cpu() -> Option<Duration> {
    let counters = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    counters.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// Starts a cluster of equal validators with STARK-curve signatures.
///
/// # Errors
///
/// [`MeasureError`] when it cannot be set up.
pub fn stark_cluster(nodes: usize, operations: usize) -> Result<Cluster<Stark>, MeasureError> {
    let secrets = (0..nodes).map(|id| {
        let id = Digest::from_u128(id as u128);
        Stark::hash(&[Digest::short_string("measured replica"), id])
    });
    let keys: Vec<StarkSigningKey> = secrets
        .map(|secret| StarkSigningKey::from_bytes(Digest::as_bytes(&secret)))
        .collect::<Result<_, _>>()?;
    let validators = ValidatorSet::new((0..).zip(&keys).map(|(id, key)| Validator {
        id: ReplicaId(id),
        key: Stark::public_key(key),
        stake: 1,
    }))?;
    let params = Params { operations_per_block: operations, pending: 1 << 20, ..Params::default() };
    let chain = ChainId::new("ciro-measure");
    let genesis = Genesis::new(chain, params, validators, Digest::short_string("genesis"));
    Ok(Cluster::new(&genesis, keys)?)
}

/// Clients that take turns.
#[derive(Clone, Copy, Debug, Default)]
pub struct Source {
    given: u64,
}

impl Source {
    const CLIENTS: u64 = 64;

    /// Returns the next operations.
    pub fn take(&mut self, count: usize) -> Vec<Operation> {
        let first = self.given;
        self.given += count as u64;
        let turns = first..self.given;
        turns
            .map(|turn| {
                let (client, nonce) = (turn % Self::CLIENTS, turn / Self::CLIENTS + 1);
                let (client, nonce) = (ClientId(client), Nonce(nonce));
                Operation { client, nonce, payload: payload(client, nonce, 0) }
            })
            .collect()
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>5} {:>10} {:>12.2} {:>12.0} {:>10} {:>12}",
            self.nodes,
            self.operations,
            self.block.as_secs_f64() * 1000.0,
            self.operations_per_second(),
            self.messages,
            self.bytes,
        )
    }
}
